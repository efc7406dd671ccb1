//! A callback made of closures.
//!
//! In: a closure for each event that one cares about. Out: a callback that calls them.

use crate::array::Array;
use crate::error::Result;

use super::{Callback, Epoch, Ledger, Logs, Training};

/// A callback made of closures. Keras's `LambdaCallback`.
///
/// Each closure returns a `Result`: an error ends training, and `fit` returns it. A closure
/// `|epoch: usize, report: &Epoch| ..` that only looks at the numbers of an epoch is a callback by
/// itself.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 64]), Array::from([[1.0_f32]; 64]))?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let mut batches = 0;
/// let watch = LambdaCallback::new()
///     .on_batch_end(|_, _, _| {
///         batches += 1;
///         Ok(())
///     })
///     .on_epoch_end(|_, report, training| {
///         if report.ledger.total < 1e-9 {
///             training.stop();
///         }
///         Ok(())
///     });
/// let history = model.fit(&data, Fit::epochs(1000).callback(watch))?;
/// assert_eq!(batches, 2 * history.epochs.len());
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Default)]
pub struct LambdaCallback<'a> {
    train_begin: Option<Box<AtTraining<'a>>>,
    train_end: Option<Box<AtTraining<'a>>>,
    epoch_begin: Option<Box<AtEpochBegin<'a>>>,
    epoch_end: Option<Box<AtEpochEnd<'a>>>,
    batch_begin: Option<Box<AtBatchBegin<'a>>>,
    batch_end: Option<Box<AtBatchEnd<'a>>>,
    test_begin: Option<Box<AtTraining<'a>>>,
    test_batch_begin: Option<Box<AtBatchBegin<'a>>>,
    test_batch_end: Option<Box<AtBatchEnd<'a>>>,
    test_end: Option<Box<AtTestEnd<'a>>>,
    predict_begin: Option<Box<AtTraining<'a>>>,
    predict_batch_begin: Option<Box<AtBatchBegin<'a>>>,
    predict_batch_end: Option<Box<AtPredictBatchEnd<'a>>>,
    predict_end: Option<Box<AtTraining<'a>>>,
}

type AtTraining<'a> = dyn FnMut(&Training) -> Result<()> + 'a;
type AtEpochBegin<'a> = dyn FnMut(usize, &Training) -> Result<()> + 'a;
type AtEpochEnd<'a> = dyn FnMut(usize, &Epoch, &Training) -> Result<()> + 'a;
type AtBatchBegin<'a> = dyn FnMut(usize, &Training) -> Result<()> + 'a;
type AtTestEnd<'a> = dyn FnMut(&Logs, &Training) -> Result<()> + 'a;
type AtPredictBatchEnd<'a> = dyn FnMut(usize, &[Array], &Training) -> Result<()> + 'a;
type AtBatchEnd<'a> = dyn FnMut(usize, &dyn Fn() -> Ledger, &Training) -> Result<()> + 'a;

impl<'a> LambdaCallback<'a> {
    /// A callback that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// When training begins.
    #[must_use]
    pub fn on_train_begin(mut self, call: impl FnMut(&Training) -> Result<()> + 'a) -> Self {
        self.train_begin = Some(Box::new(call));
        self
    }

    /// When training is done, or was stopped.
    #[must_use]
    pub fn on_train_end(mut self, call: impl FnMut(&Training) -> Result<()> + 'a) -> Self {
        self.train_end = Some(Box::new(call));
        self
    }

    /// When an epoch begins; epochs count from 0.
    #[must_use]
    pub fn on_epoch_begin(mut self, call: impl FnMut(usize, &Training) -> Result<()> + 'a) -> Self {
        self.epoch_begin = Some(Box::new(call));
        self
    }

    /// When an epoch is done, validation included.
    #[must_use]
    pub fn on_epoch_end(
        mut self,
        call: impl FnMut(usize, &Epoch, &Training) -> Result<()> + 'a,
    ) -> Self {
        self.epoch_end = Some(Box::new(call));
        self
    }

    /// When a batch is about to be trained on. Keras's `on_train_batch_begin`.
    #[must_use]
    pub fn on_batch_begin(mut self, call: impl FnMut(usize, &Training) -> Result<()> + 'a) -> Self {
        self.batch_begin = Some(Box::new(call));
        self
    }

    /// When a batch is done; the second argument computes the means of the epoch so far, and
    /// [`batch_ledger`](Training::batch_ledger) of the third the terms of the batch. Keras's
    /// `on_train_batch_end`.
    #[must_use]
    pub fn on_batch_end(
        mut self,
        call: impl FnMut(usize, &dyn Fn() -> Ledger, &Training) -> Result<()> + 'a,
    ) -> Self {
        self.batch_end = Some(Box::new(call));
        self
    }

    /// When a validation or evaluation begins.
    #[must_use]
    pub fn on_test_begin(mut self, call: impl FnMut(&Training) -> Result<()> + 'a) -> Self {
        self.test_begin = Some(Box::new(call));
        self
    }

    /// When a batch is about to be tested with.
    #[must_use]
    pub fn on_test_batch_begin(
        mut self,
        call: impl FnMut(usize, &Training) -> Result<()> + 'a,
    ) -> Self {
        self.test_batch_begin = Some(Box::new(call));
        self
    }

    /// When a batch was tested with; the second argument computes the means of the test so far.
    #[must_use]
    pub fn on_test_batch_end(
        mut self,
        call: impl FnMut(usize, &dyn Fn() -> Ledger, &Training) -> Result<()> + 'a,
    ) -> Self {
        self.test_batch_end = Some(Box::new(call));
        self
    }

    /// When a validation or evaluation is done, with what it reports.
    #[must_use]
    pub fn on_test_end(mut self, call: impl FnMut(&Logs, &Training) -> Result<()> + 'a) -> Self {
        self.test_end = Some(Box::new(call));
        self
    }

    /// When a prediction begins.
    #[must_use]
    pub fn on_predict_begin(mut self, call: impl FnMut(&Training) -> Result<()> + 'a) -> Self {
        self.predict_begin = Some(Box::new(call));
        self
    }

    /// When a part of the rows is about to be predicted.
    #[must_use]
    pub fn on_predict_batch_begin(
        mut self,
        call: impl FnMut(usize, &Training) -> Result<()> + 'a,
    ) -> Self {
        self.predict_batch_begin = Some(Box::new(call));
        self
    }

    /// When a part of the rows was predicted, with an array for each output.
    #[must_use]
    pub fn on_predict_batch_end(
        mut self,
        call: impl FnMut(usize, &[Array], &Training) -> Result<()> + 'a,
    ) -> Self {
        self.predict_batch_end = Some(Box::new(call));
        self
    }

    /// When a prediction is done.
    #[must_use]
    pub fn on_predict_end(mut self, call: impl FnMut(&Training) -> Result<()> + 'a) -> Self {
        self.predict_end = Some(Box::new(call));
        self
    }
}

impl Callback for LambdaCallback<'_> {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |call| call(training))
    }

    fn epoch_begin(&mut self, epoch: usize, training: &Training) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |call| call(epoch, training))
    }

    fn batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        self.batch_end.as_mut().map_or(Ok(()), |call| call(batch, ledger, training))
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        self.epoch_end.as_mut().map_or(Ok(()), |call| call(epoch, report, training))
    }

    fn train_end(&mut self, training: &Training) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |call| call(training))
    }

    fn batch_begin(&mut self, batch: usize, training: &Training) -> Result<()> {
        self.batch_begin.as_mut().map_or(Ok(()), |call| call(batch, training))
    }

    fn test_begin(&mut self, training: &Training) -> Result<()> {
        self.test_begin.as_mut().map_or(Ok(()), |call| call(training))
    }

    fn test_batch_begin(&mut self, batch: usize, training: &Training) -> Result<()> {
        self.test_batch_begin.as_mut().map_or(Ok(()), |call| call(batch, training))
    }

    fn test_batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        self.test_batch_end.as_mut().map_or(Ok(()), |call| call(batch, ledger, training))
    }

    fn test_end(&mut self, logs: &Logs, training: &Training) -> Result<()> {
        self.test_end.as_mut().map_or(Ok(()), |call| call(logs, training))
    }

    fn predict_begin(&mut self, training: &Training) -> Result<()> {
        self.predict_begin.as_mut().map_or(Ok(()), |call| call(training))
    }

    fn predict_batch_begin(&mut self, batch: usize, training: &Training) -> Result<()> {
        self.predict_batch_begin.as_mut().map_or(Ok(()), |call| call(batch, training))
    }

    fn predict_batch_end(
        &mut self,
        batch: usize,
        outputs: &[Array],
        training: &Training,
    ) -> Result<()> {
        self.predict_batch_end.as_mut().map_or(Ok(()), |call| call(batch, outputs, training))
    }

    fn predict_end(&mut self, training: &Training) -> Result<()> {
        self.predict_end.as_mut().map_or(Ok(()), |call| call(training))
    }
}
