//! `evaluate`, and single steps on one batch.
//!
//! In: data. Out: losses and metrics. No weight changes, except in `train_on_batch`.

use crate::data::Dataset;
use crate::error::Result;
use crate::graph::Tree;
use crate::model::Model;

use super::history::{Logs, Sums};
use super::step::Runner;
use super::{Ledger, fit};
use crate::model::steps::Kind;

impl<I: Tree, O: Tree> Model<I, O> {
    /// The loss, its terms and all metrics on data, in batches of 32. Layers behave as in inference.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut model = Model::new(Sequential::new());
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]);
    /// let logs = model.evaluate(&Dataset::new([[3.0_f32], [1.0]], [[1.0_f32], [1.0]])?)?;
    /// assert_eq!((logs.get("loss"), logs.get("mae")), (Some(2.0), Some(1.0)));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model is not compiled, or its `call` or losses do not fit the data.
    #[track_caller]
    pub fn evaluate(&self, data: &Dataset) -> Result<Logs> {
        self.evaluate_batches(data, fit::BATCH_SIZE)
    }

    /// As [`evaluate`](Self::evaluate), in batches of another size.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate), and if the batch size is 0.
    #[track_caller]
    pub fn evaluate_batches(&self, data: &Dataset, batch_size: usize) -> Result<Logs> {
        self.compiled()?;
        self.check_targets(data)?;
        let (_, logs) = self.test(data, batch_size)?;
        Ok(Logs(logs))
    }

    /// The loss terms on data, and everything that is reported.
    #[track_caller]
    pub(crate) fn test(&self, data: &Dataset, batch_size: usize) -> Result<(Ledger, Vec<(String, f64)>)> {
        self.compiled()?;
        self.reset_metrics();
        let order = data.order();
        let mut buffers = fit::Buffers::default();
        let mut runner = Runner::new(self, Kind::Test);
        let mut sums = Sums::default();
        for indices in order.batches(batch_size)? {
            let batch = buffers.gather(data, indices, &self.pool)?;
            let (names, outputs) = runner.run(batch.into())?;
            sums.add(names, outputs.iter().map(|output| output.get(0)), indices.len());
        }
        Ok((sums.ledger(), sums.logs(self.metric_results()?)))
    }

    /// One training step on a batch. Returns its loss, the loss's terms, and the metrics since they were last reset.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    /// model.compile(Sgd::new(0.25), MeanSquaredError, ());
    /// let batch = Dataset::new([[1.0_f32]], [[3.0_f32]])?;
    /// assert_eq!(model.train_on_batch(&batch)?.get("loss"), Some(4.0)); // from before the step
    /// assert_eq!(model.weights()[0].value().get(0), 2.0); // 1 - 0.25 * 2 * (1 - 3)
    /// assert_eq!(model.test_on_batch(&batch)?.get("loss"), Some(1.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate), and if a term of the loss or a gradient is not finite, in which case nothing changes.
    #[track_caller]
    pub fn train_on_batch(&mut self, batch: &Dataset) -> Result<Logs> {
        self.run_batch(batch, Kind::Train)
    }

    /// The loss of a batch, its terms, and the metrics since they were last reset; no weight changes.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn test_on_batch(&self, batch: &Dataset) -> Result<Logs> {
        self.run_batch(batch, Kind::Test)
    }

    #[track_caller]
    fn run_batch(&self, batch: &Dataset, kind: Kind) -> Result<Logs> {
        self.check_targets(batch)?;
        let mut runner = Runner::new(self, kind);
        let mut sums = Sums::default();
        let (names, outputs) = runner.run(batch.into())?;
        sums.add(names, outputs.iter().map(|output| output.get(0)), batch.len());
        Ok(Logs(sums.logs(self.metric_results()?)))
    }
}
