//! `fit`: epochs of steps over shuffled data, with validation, reported term by term.
//!
//! In: data and [`Fit`], the options by Keras's names. Out: a [`History`]. The loop itself is a
//! [`Run`](super::Run).

use crate::data::{IntoStream, Stream};
use crate::error::{Error, Result, not_zero};
use crate::graph::Tree;
use crate::step::{BATCH_SIZE, ClassWeights, Output, Steps};

use super::callbacks::{Callback, Progress};
use super::history::History;
use super::ledgers::StepLog;
use super::probes::{Probe, Recorder};
use super::run::Run;
use super::shards;

/// What `fit` does at a batch whose loss or gradient is not finite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum NonFinite {
    /// It ends with an error that names what made the number. The batch has changed nothing.
    #[default]
    Stop,
    /// It leaves the batch out: its step has changed nothing. How many there were is in
    /// [`Epoch::skipped`](super::Epoch::skipped) and, as `skipped_batches`, in the logs of each
    /// epoch, and a warning says what was wrong with an epoch's first. An epoch of which all
    /// batches are left out is an error.
    Skip,
    /// It trains on, as Keras does: such numbers may become weights, and then stay. Nothing is
    /// checked. How many batches had a loss that is not finite is, as `non_finite_batches`, in the
    /// logs of each epoch, with a warning. This is about the model's own steps: a function that
    /// [`Run::step`](super::Run::step) runs is checked all the same, and refuses such a batch.
    Continue,
}

/// How to train: what Keras's `fit` takes besides the data.
///
/// ```
/// # use endo::prelude::*;
/// # let train = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let valid = train.clone();
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let history = model.fit(&train, Fit::epochs(2).batch_size(16).validation(&valid))?;
/// assert_eq!(history.get("val_loss").len(), 2);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Fit<'a> {
    pub(super) epochs: usize,
    pub(super) initial_epoch: usize,
    pub(super) steps_per_epoch: Option<usize>,
    pub(super) batch_size: usize,
    /// Until the run takes it.
    pub(super) validation: Option<Stream<'a>>,
    pub(super) validation_split: Option<f64>,
    pub(super) validation_steps: Option<usize>,
    pub(super) validation_batch_size: Option<usize>,
    pub(super) validation_freq: usize,
    pub(super) class_weight: Vec<ClassWeights>,
    pub(super) shuffle: bool,
    pub(super) deny_warnings: bool,
    pub(super) non_finite: NonFinite,
    pub(super) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(super) recorder: Recorder,
    pub(super) steps: StepLog,
}

impl<'a> Fit<'a> {
    /// `epochs` passes over the data, in shuffled batches of 32.
    pub fn epochs(epochs: usize) -> Self {
        Self {
            epochs,
            initial_epoch: 0,
            steps_per_epoch: None,
            batch_size: BATCH_SIZE,
            validation: None,
            validation_split: None,
            validation_steps: None,
            validation_batch_size: None,
            validation_freq: 1,
            class_weight: Vec::new(),
            shuffle: true,
            deny_warnings: false,
            non_finite: NonFinite::Stop,
            callbacks: Vec::new(),
            recorder: Recorder::default(),
            steps: StepLog::default(),
        }
    }

    /// The number of the first epoch, counted from 0: how many epochs were trained before.
    /// Callbacks and logs count from it, and training ends before the epoch of the number that was
    /// given to [`epochs`](Self::epochs).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let train = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// model.fit(&train, Fit::epochs(2))?;
    /// let history = model.fit(&train, Fit::epochs(5).initial_epoch(2))?;
    /// assert_eq!(history.epochs.len(), 3);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn initial_epoch(mut self, epoch: usize) -> Self {
        self.initial_epoch = epoch;
        self
    }

    /// Batches in an epoch, where that is not one pass through the data: of a [`Stream`] without
    /// end, or of a large data set. The next epoch goes on where this one stops. An epoch in which
    /// the data ends is short, and a warning says so.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let train = Dataset::new(Array::from([[1.0_f32]; 96]), Array::from([[1.0_f32]; 96]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// // Twice through the data.
    /// let history = model.fit(&train, Fit::epochs(6).steps_per_epoch(1))?;
    /// assert_eq!(history.epochs.len(), 6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn steps_per_epoch(mut self, batches: usize) -> Self {
        self.steps_per_epoch = Some(batches);
        self
    }

    /// Samples in a step; the last step of an epoch may have fewer. A [`Stream`] of batches has
    /// those that it yields.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Data to evaluate on after every epoch: a data set, or a [`Stream`], which begins anew each
    /// time if it can.
    #[must_use]
    pub fn validation(mut self, data: impl IntoStream<'a>) -> Self {
        self.validation = Some(data.into());
        self
    }

    /// Batches in a validation; all unless set.
    #[must_use]
    pub fn validation_steps(mut self, batches: usize) -> Self {
        self.validation_steps = Some(batches);
        self
    }

    /// Samples in a batch of validation; as many as in a step unless set.
    #[must_use]
    pub fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// Evaluates on the validation data after every `epochs` epochs; after each unless set. Other
    /// epochs have no numbers of validation, so that what watches one looks at those that have.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let train = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let history = model.fit(&train, Fit::epochs(6).validation(&train).validation_freq(3))?;
    /// assert_eq!(history.get("val_loss").len(), 2);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn validation_freq(mut self, epochs: usize) -> Self {
        self.validation_freq = epochs;
        self
    }

    /// The share of the data, taken from its end before any shuffling, to evaluate on instead of
    /// training. A stream cannot be split.
    #[must_use]
    pub fn validation_split(mut self, share: f64) -> Self {
        self.validation_split = Some(share);
        self
    }

    /// Weights of the samples by class number, in a model of one output; 1 for classes not named.
    /// An empty list is none at all.
    #[must_use]
    pub fn class_weight(self, weights: impl IntoIterator<Item = (usize, f64)>) -> Self {
        self.with_class_weights(None, weights)
    }

    /// Weights of the samples by class number in the losses and weighted metrics of one of several
    /// outputs, by its position or name; 1 for classes not named, and for the other outputs.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let (class, price) = (Dense::new(2).name("class"), Dense::new(1).name("price"));
    /// # let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
    /// #     (class.apply(x, cx), price.apply(x, cx))
    /// # });
    /// # model.compile(
    /// #     "adam",
    /// #     (SparseCategoricalCrossentropy::new().from_logits(true), MeanSquaredError),
    /// #     (),
    /// # );
    /// # let data = Dataset::new(
    /// #     [[1.0_f32], [2.0]],
    /// #     (Array::from([0, 1]), Array::from([[0.5_f32], [2.0]])),
    /// # )?;
    /// model.fit(&data, Fit::epochs(1).output_class_weight("class", [(1, 10.0)]))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn output_class_weight(
        self,
        output: impl Into<Output>,
        weights: impl IntoIterator<Item = (usize, f64)>,
    ) -> Self {
        self.with_class_weights(Some(output.into()), weights)
    }

    /// Replaces the class weights of an output.
    fn with_class_weights(
        mut self,
        output: Option<Output>,
        weights: impl IntoIterator<Item = (usize, f64)>,
    ) -> Self {
        self.class_weight.retain(|known| known.output != output);
        let weights: Vec<(usize, f64)> = weights.into_iter().collect();
        if !weights.is_empty() {
            self.class_weight.push(ClassWeights { output, weights });
        }
        self
    }

    /// Whether every epoch has an order of its own; true unless set.
    #[must_use]
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// What happens at a batch whose loss or gradient is not finite; [`NonFinite::Stop`] unless
    /// set.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let dense = Dense::new(1);
    /// let mut model = Model::new(move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let data =
    ///     Dataset::new([[1.0_f32], [-1.0], [2.0], [3.0]], [[0.0_f32], [1.0], [1.0], [2.0]])?;
    /// let history = model.fit(&data, Fit::epochs(2).batch_size(1).non_finite(NonFinite::Skip))?;
    /// assert_eq!((history.get("skipped_batches"), history.skipped()), (vec![1.0, 1.0], 2));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn non_finite(mut self, policy: NonFinite) -> Self {
        self.non_finite = policy;
        self
    }

    /// Something to be told of every batch and epoch.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds callbacks that were chosen while the program runs; they are told in this order.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut callbacks: Vec<Box<dyn Callback>> = Vec::new();
    /// callbacks.push(Box::new(EarlyStopping::on("loss").patience(3)));
    /// let fit = Fit::epochs(10).callbacks(callbacks);
    /// ```
    #[must_use]
    pub fn callbacks(
        mut self,
        callbacks: impl IntoIterator<Item = Box<dyn Callback + 'a>>,
    ) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// Something to be read of the model's inside while it is trained: see [`Probe`].
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.recorder.probes.push(probe);
        self
    }

    /// Keeps the terms of one single step in every `steps` in [`History::steps`], counted over all
    /// epochs from step 0 on: of the step's batch alone, where the ledger of an epoch has means. At
    /// most 1,000 are kept: when there would be more, every second goes, and from then on every
    /// second is kept. A batch that is left out has none.
    #[must_use]
    pub fn record_steps(mut self, every: usize) -> Self {
        self.steps.every = Some(every);
        self
    }

    /// Makes a warning of the training step an error, before a weight changes: a loss term that no
    /// trainable weight can change, a weight that no term reaches, a metric that is never updated,
    /// and what the trace of a function in a custom loop warns of. Unless denied, warnings are
    /// printed once and kept in [`Model::warnings`](crate::model::Model::warnings).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// let (dense, aside) = (Dense::new(1), Dense::new(3).name("aside"));
    /// let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
    ///     aside.apply(x, cx); // nothing comes of it
    ///     dense.apply(x, cx)
    /// });
    /// model.compile("sgd", "mse", ());
    /// let error = model.fit(&data, Fit::epochs(1).deny_warnings(true)).unwrap_err();
    /// assert!(error.message().starts_with("the loss does not depend on `aside/kernel`"));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn deny_warnings(mut self, deny: bool) -> Self {
        self.deny_warnings = deny;
        self
    }

    /// Before anything is trained: whether the numbers make sense.
    pub(super) fn check(&self) -> Result<()> {
        let help = "1 validates after each epoch, 2 after every second";
        not_zero(Some(self.validation_freq), "`validation_freq` is 0", help)?;
        if self.initial_epoch > self.epochs {
            let message = format!(
                "`initial_epoch` is {}, after the last of {} epochs",
                self.initial_epoch, self.epochs
            );
            let help = "`epochs` counts those that were trained before, too";
            return Err(Error::argument(message, help));
        }
        Ok(())
    }

    /// Shows progress on standard error: a bar on a terminal, a line for each epoch elsewhere.
    #[must_use]
    pub fn progress(self) -> Self {
        self.callback(Progress::stderr())
    }
}

/// Trains on data.
#[track_caller]
pub(crate) fn fit<'a, I: Tree, O: Tree>(
    steps: &'a Steps<I, O>,
    data: Stream<'a>,
    options: Fit<'a>,
) -> Result<History> {
    steps.compiled()?;
    let is_outermost = shards::begin(steps);
    let result = train(steps, data, options);
    shards::end(steps, is_outermost, result)
}

#[track_caller]
fn train<'a, I: Tree, O: Tree>(
    steps: &'a Steps<I, O>,
    data: Stream<'a>,
    options: Fit<'a>,
) -> Result<History> {
    let mut run = Run::new(steps, data, options)?;
    run.take_in_parts();
    while run.next_batch()? {
        run.train_on_batch()?;
    }
    run.finish()
}
