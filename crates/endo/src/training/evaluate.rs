//! `evaluate` and `predict`, and single steps on one batch.
//!
//! In: data. Out: losses and metrics, or predictions. No weight changes, except in `train_on_batch`.

use crate::array::Array;
use crate::data::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Model;

use super::history::{Logs, Sums};
use super::step::{Batch, Kind, Runner};
use super::{Ledger, fit};

/// Rows that `predict` runs through the model at a time: enough to keep the processor busy, few enough to stay in its caches.
const PREDICTION_ROWS: usize = 256;

impl Model {
    /// The loss, its terms and all metrics on data, in batches of 32. Layers behave as in inference.
    ///
    /// # Errors
    /// If the model is not compiled, or its `call` or losses do not fit the data.
    #[track_caller]
    pub fn evaluate(&self, data: &Dataset) -> Result<Logs> {
        self.evaluate_batches(data, fit::BATCH_SIZE)
    }

    /// As [`evaluate`](Self::evaluate), in batches of another size.
    #[track_caller]
    pub fn evaluate_batches(&self, data: &Dataset, batch_size: usize) -> Result<Logs> {
        let (ledger, metrics) = self.test(data, batch_size)?;
        Ok(Logs(ledger.logs().into_iter().chain(metrics).collect()))
    }

    /// The loss terms and metrics on data.
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
        Ok((sums.ledger(), self.metric_results()?))
    }

    /// The model's outputs for inputs `[samples, ...]`. From several threads at once if wanted.
    ///
    /// # Errors
    /// If the model's `call` does not fit the inputs.
    #[track_caller]
    pub fn predict(&self, x: &Array) -> Result<Array> {
        let samples = x.shape().first().copied().unwrap_or(0);
        if samples == 0 {
            let message = format!("`predict` takes inputs with samples along the first axis, got shape {}", x.shape());
            return Err(Error::new(ErrorKind::Shape, message).help("give at least one row: an array `[samples, features]`"));
        }
        let mut runner = Runner::new(self, Kind::Predict);
        if samples <= PREDICTION_ROWS {
            let (_, outputs) = runner.run(Batch { x, y: None, weight: None })?;
            return Ok(outputs[0].clone());
        }
        let mut predictions: Option<Array> = None;
        let mut done = 0;
        while done < samples {
            let rows = PREDICTION_ROWS.min(samples - done);
            let (_, outputs) = runner.run(Batch { x: &x.rows(done..done + rows), y: None, weight: None })?;
            let output = &outputs[0];
            if output.shape().batch() != rows || output.shape().is_scalar() {
                let message = format!("the model's output for {rows} rows has shape {}", output.shape());
                return Err(
                    Error::new(ErrorKind::Shape, message).help("a model that predicts returns one row for each row of its input")
                );
            }
            let all = predictions.get_or_insert_with(|| Array::zeros(output.shape().with(0, samples), output.dtype()));
            all.write_rows(done, output);
            done += rows;
        }
        predictions.ok_or_else(|| Error::new(ErrorKind::Shape, "`predict` was given no rows"))
    }

    /// One training step on a batch. Returns its loss, the loss's terms, and the metrics since they were last reset.
    #[track_caller]
    pub fn train_on_batch(&mut self, batch: &Dataset) -> Result<Logs> {
        self.run_batch(batch, Kind::Train)
    }

    /// The loss of a batch, its terms, and the metrics since they were last reset; no weight changes.
    #[track_caller]
    pub fn test_on_batch(&self, batch: &Dataset) -> Result<Logs> {
        self.run_batch(batch, Kind::Test)
    }

    #[track_caller]
    fn run_batch(&self, batch: &Dataset, kind: Kind) -> Result<Logs> {
        self.compiled()?;
        let mut runner = Runner::new(self, kind);
        let mut sums = Sums::default();
        let (names, outputs) = runner.run(batch.into())?;
        sums.add(names, outputs, batch.len());
        Ok(Logs(sums.ledger().logs().into_iter().chain(self.metric_results()?).collect()))
    }
}
