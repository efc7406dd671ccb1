//! `evaluate` and `predict`, and single steps on one batch.
//!
//! In: data. Out: losses and metrics, or predictions. No weight changes, except in `train_on_batch`.

use crate::array::Array;
use crate::data::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::model::Model;

use super::history::{Logs, Sums};
use super::step::{Batch, Runner};
use super::{Ledger, fit};
use crate::model::steps::Kind;

/// Rows that `predict` runs through the model at a time: enough to keep the processor busy, few enough to stay in its caches.
const PREDICTION_ROWS: usize = 256;

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
            let batch = buffers.gather(data, indices)?;
            let (names, outputs) = runner.run(batch.into())?;
            sums.add(names, outputs, indices.len());
        }
        Ok((sums.ledger(), sums.logs(self.metric_results()?)))
    }

    /// The model's outputs for inputs `[samples, ...]`: an array for a model of one input and output, and for others the same
    /// structure of arrays as its `call` takes and returns of tensors. From several threads at once if wanted.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let model = Model::new(|[a, b]: &[Tensor; 2], _: &mut Context| (a + b, a * b));
    /// let (sum, product) = model.predict(&[[[1.0_f32], [2.0]].into(), [[3.0_f32], [4.0]].into()])?;
    /// assert_eq!((sum, product), ([[4.0_f32], [6.0]].into(), [[3.0_f32], [8.0]].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model's `call` does not fit the inputs.
    #[track_caller]
    pub fn predict(&self, x: &I::Arrays) -> Result<O::Arrays> {
        let inputs: Vec<Array> = I::arrays(x).into_iter().cloned().collect();
        let samples = inputs.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
        if samples == 0 {
            let shape = inputs.first().map(|x| x.shape().clone()).unwrap_or_default();
            let message = format!("`predict` takes inputs with samples along the first axis, got shape {shape}");
            return Err(Error::new(ErrorKind::Shape, message).help("give at least one row: an array `[samples, features]`"));
        }
        if let Some(other) = inputs.iter().find(|other| other.shape().first() != Some(&samples)) {
            let message = format!("the inputs have {samples} samples, but one of them has shape {}", other.shape());
            return Err(Error::new(ErrorKind::Shape, message).help("the first axis counts the samples and must be the same"));
        }
        let mut runner = Runner::new(self, Kind::Predict);
        let mut predictions: Vec<Array> = Vec::new();
        let mut done = 0;
        while done < samples {
            let rows = PREDICTION_ROWS.min(samples - done);
            let whole = rows == samples;
            let part: Vec<Array> = if whole { Vec::new() } else { inputs.iter().map(|x| x.rows(done..done + rows)).collect() };
            let batch = Batch { inputs: if whole { &inputs } else { &part }, targets: &[], weights: &[] };
            let (_, outputs) = runner.run(batch)?;
            if let Some(output) = outputs.iter().find(|output| output.shape().first() != Some(&rows)) {
                let message = format!("an output of the model for {rows} rows has shape {}", output.shape());
                return Err(
                    Error::new(ErrorKind::Shape, message).help("a model that predicts returns one row for each row of its input")
                );
            }
            if whole {
                predictions = outputs.to_vec();
                break;
            }
            if predictions.is_empty() {
                predictions =
                    outputs.iter().map(|output| Array::zeros(output.shape().with(0, samples), output.dtype())).collect();
            }
            if let Some((all, output)) =
                predictions.iter().zip(outputs).find(|(all, output)| all.shape().with(0, rows) != *output.shape())
            {
                let message =
                    format!("an output of the model for {rows} rows has shape {}, and {} for more", output.shape(), all.shape());
                return Err(Error::new(ErrorKind::Shape, message)
                    .help("only the first axis of an output may depend on the number of rows"));
            }
            predictions.iter_mut().zip(outputs).for_each(|(all, output)| all.write_rows(done, output));
            done += rows;
        }
        O::from_arrays(&mut predictions.into_iter()).ok_or_else(|| {
            let message = "the model returned fewer tensors than its type of outputs holds";
            Error::new(ErrorKind::Usage, message).help("`Tree::tensors` and `Tree::from_arrays` must agree")
        })
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
        sums.add(names, outputs, batch.len());
        Ok(Logs(sums.logs(self.metric_results()?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn outputs_whose_rows_depend_on_the_batch_are_refused() {
        let model = Model::new(|x: &Tensor, _: &mut Context| x.matmul(&x.transpose()));
        assert_eq!(model.predict(&Array::zeros([3, 2], DType::F32)).unwrap().shape().sizes(), [3, 3]);
        let error = model.predict(&Array::zeros([300, 2], DType::F32)).unwrap_err();
        assert_eq!(error.message(), "an output of the model for 44 rows has shape [44, 44], and [300, 256] for more");
    }
}
