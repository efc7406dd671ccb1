//! `fit`: epochs of steps over shuffled data, with validation, reported term by term.
//!
//! In: data and [`Fit`], the options by Keras's names. Out: a [`History`].

use std::path::Path;
use std::time::Instant;

use crate::data::{Dataset, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::model::Model;

use super::callbacks::{Callback, Progress, Training};
use super::history::{Epoch, History, Logs, Sums, distinct};
use super::probes::{Probe, Recorder};
use super::step::{Batch, Runner};
use crate::model::steps::Kind;

/// Keras's.
pub(crate) const BATCH_SIZE: usize = 32;

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
    epochs: usize,
    batch_size: usize,
    validation: Option<&'a Dataset>,
    validation_split: Option<f64>,
    class_weight: Vec<(usize, f64)>,
    shuffle: bool,
    deny_warnings: bool,
    skip_non_finite: bool,
    callbacks: Vec<Box<dyn Callback + 'a>>,
    recorder: Recorder,
}

impl<'a> Fit<'a> {
    /// So many passes over the data, in shuffled batches of 32.
    pub fn epochs(epochs: usize) -> Self {
        Self {
            epochs,
            batch_size: BATCH_SIZE,
            validation: None,
            validation_split: None,
            class_weight: Vec::new(),
            shuffle: true,
            deny_warnings: false,
            skip_non_finite: false,
            callbacks: Vec::new(),
            recorder: Recorder::default(),
        }
    }

    /// Samples in a step; the last step of an epoch may have fewer.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Data to evaluate on after every epoch.
    #[must_use]
    pub fn validation(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// The share of the data, taken from its end before any shuffling, to evaluate on instead of training.
    #[must_use]
    pub fn validation_split(mut self, share: f64) -> Self {
        self.validation_split = Some(share);
        self
    }

    /// Factors of the samples' weights by class number; 1 for classes not named.
    #[must_use]
    pub fn class_weight(mut self, weights: impl IntoIterator<Item = (usize, f64)>) -> Self {
        self.class_weight = weights.into_iter().collect();
        self
    }

    /// Whether every epoch has an order of its own; true unless set.
    #[must_use]
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Whether a batch whose loss or gradient is not finite is left out, instead of ending `fit` with an error. Its step has
    /// changed nothing. How many there were is in [`Epoch::skipped`] and, as `skipped_batches`, in the logs of each epoch, and a
    /// warning says what was wrong with an epoch's first. An epoch of which all batches are left out is an error. False unless set.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let dense = Dense::new(1);
    /// let mut model = Model::new(move |x: &Tensor, cx: &mut Context| dense.apply(&x.log(), cx));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let data = Dataset::new([[1.0_f32], [-1.0], [2.0], [3.0]], [[0.0_f32], [1.0], [1.0], [2.0]])?;
    /// let history = model.fit(&data, Fit::epochs(2).batch_size(1).skip_non_finite(true))?;
    /// assert_eq!((history.get("skipped_batches"), history.skipped()), (vec![1.0, 1.0], 2));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn skip_non_finite(mut self, skip: bool) -> Self {
        self.skip_non_finite = skip;
        self
    }

    /// Something to be told of every batch and epoch.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Something to be read of the model's inside while it is trained: see [`Probe`].
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.recorder.add(probe);
        self
    }

    /// Makes a warning of the training step an error, before a weight changes: a loss term that no trainable weight can change, a
    /// weight that no term reaches, a metric that is never updated. Unless denied, warnings are printed once and kept in
    /// [`Model::warnings`].
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
    /// assert!(error.message().starts_with("the loss does not depend on `lambda/aside/kernel`"));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn deny_warnings(mut self, deny: bool) -> Self {
        self.deny_warnings = deny;
        self
    }

    /// Shows progress on standard error: a bar on a terminal, a line for each epoch elsewhere.
    #[must_use]
    pub fn progress(self) -> Self {
        self.callback(Progress::stderr())
    }
}

/// The arrays that batches are gathered into: one set for full batches, one for the short last one.
#[derive(Default)]
pub(crate) struct Buffers {
    known: Vec<Dataset>,
}

impl Buffers {
    /// The samples of `data` at `indices`.
    pub fn gather(&mut self, data: &Dataset, indices: &[usize]) -> Result<&Dataset> {
        let index = match self.known.iter().position(|buffer| buffer.len() == indices.len()) {
            Some(index) => {
                data.gather_into(indices, &mut self.known[index])?;
                index
            }
            None => {
                self.known.push(data.take(indices)?);
                self.known.len() - 1
            }
        };
        Ok(&self.known[index])
    }
}

impl<I: Tree, O: Tree> Model<I, O> {
    /// Trains on data. Shuffling follows the model's seed and the number of epochs it was trained before, so that two calls
    /// of `fit` do what one of as many epochs does.
    ///
    /// # Errors
    /// Before anything is trained: if the model is not compiled, a number in the data is not finite or no target that a loss or
    /// metric takes (a class out of range), the batch size is 0, or the model's `call` or losses do not fit the data. Later: if a
    /// term of the loss or a gradient is not finite; weights, slots and metrics are then as they were before that step, and the
    /// error names the operation that made the number, its layer, its line and the rows of the data.
    #[track_caller]
    pub fn fit(&mut self, data: &Dataset, options: Fit<'_>) -> Result<History> {
        let mut done = 0;
        let history = self.train(data, options, &mut done);
        self.epochs += done;
        history
    }

    /// Callbacks may save the model, so it is not changed here: `done` counts the epochs, also those before an error.
    #[track_caller]
    fn train(&self, data: &Dataset, mut options: Fit<'_>, done: &mut usize) -> Result<History> {
        let compiled = self.compiled()?;
        let split = options.validation_split.map(|share| data.split_last(share)).transpose()?;
        let (data, validation) = match (&split, options.validation) {
            (Some(_), Some(_)) => {
                let message = "`fit` was given both validation data and a validation split";
                return Err(Error::new(ErrorKind::Argument, message).help("give one of the two"));
            }
            (Some((train, valid)), None) => (train, Some(valid)),
            (None, validation) => (data, validation),
        };
        options.recorder.check()?;
        data.check_finite()?;
        if let Some(validation) = validation {
            validation.check_finite()?;
        }
        let weighted = match &options.class_weight[..] {
            [] => None,
            weights => Some(data.clone().with_class_weight(weights.iter().copied())?),
        };
        let data = weighted.as_ref().unwrap_or(data);
        let mut history = History::default();
        let mut order = data.order();
        let mut buffers = Buffers::default();
        let total = options.epochs;
        let batches = order.batches(options.batch_size)?.len();
        if self.weights().is_empty() {
            self.build_on(data.rows(0..options.batch_size.min(data.len()))?.all_inputs())?;
        }
        self.check_targets(data)?;
        validation.map_or(Ok(()), |validation| self.check_targets(validation))?;
        let save = |path: &Path, weights_only| if weights_only { self.save_weights(path) } else { self.save(path) };
        let training = Training::new([total, batches], self.weights(), compiled.optimizer.clone(), &save);
        options.callbacks.iter_mut().try_for_each(|callback| callback.train_begin(&training))?;
        for epoch in 0..total {
            let start = Instant::now();
            if options.shuffle {
                order.shuffle(self.seed, self.epochs + *done);
            }
            options.callbacks.iter_mut().try_for_each(|callback| callback.epoch_begin(epoch, &training))?;
            let mut entry = self.epoch(data, validation, &order, &mut buffers, &mut options, epoch)?;
            entry.seconds = start.elapsed().as_secs_f64();
            entry.logs.0.extend(training.take_reported());
            distinct(&mut entry.logs.0, &[]);
            *done += 1;
            for callback in &mut options.callbacks {
                callback.epoch_end(epoch, &entry, &training)?;
            }
            history.epochs.push(entry);
            if training.is_stopped() {
                break;
            }
        }
        if total > 0 {
            compiled.optimizer.settings().finalize_variable_values(&self.trainable_weights())?;
        }
        options.recorder.finish(&mut history);
        options.callbacks.iter_mut().try_for_each(|callback| callback.train_end(&training))?;
        Ok(history)
    }

    #[track_caller]
    fn epoch(
        &self,
        data: &Dataset,
        validation: Option<&Dataset>,
        order: &Order,
        buffers: &mut Buffers,
        options: &mut Fit<'_>,
        epoch: usize,
    ) -> Result<Epoch> {
        self.reset_metrics();
        let mut runner = Runner::new(self, Kind::Train);
        runner.deny_warnings = options.deny_warnings;
        runner.used = options.recorder.take_steps();
        let mut sums = Sums::default();
        let batches = order.batches(options.batch_size)?;
        let (total, mut skipped, mut first) = (batches.len(), 0, None);
        for (step, indices) in batches.enumerate() {
            let number = epoch * total + step;
            runner.begin(options.recorder.due(number));
            let batch = Batch { rows: indices, ..buffers.gather(data, indices)?.into() };
            let result = runner.run(batch).map(|(names, outputs)| sums.add(names, outputs, indices.len()));
            match result.map_err(|error| error.in_step(epoch, step)) {
                Ok(()) => options.recorder.read(number, epoch, &runner, &mut options.callbacks)?,
                Err(error) if options.skip_non_finite && error.kind() == ErrorKind::NotFinite => {
                    skipped += 1;
                    runner.replays = false; // one is explained; the others are counted
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            for callback in &mut options.callbacks {
                callback.batch_end(step, &|| sums.ledger())?;
            }
        }
        if let Some(first) = first {
            if skipped == total {
                let message = format!("all {total} batches were skipped; {}", first.message());
                return Err(first.with_message(message));
            }
            self.warn(vec![format!("{skipped} of {total} batches were skipped; {first}")]);
        }
        options.recorder.keep_steps(runner.used);
        let ledger = sums.ledger();
        let mut metrics = self.metric_results()?;
        metrics.extend(options.skip_non_finite.then(|| ("skipped_batches".to_string(), skipped as f64)));
        metrics.extend(options.recorder.take_logs());
        let mut logs = sums.logs(metrics);
        let validation = match validation {
            Some(data) => {
                let (ledger, reported) = self.test(data, options.batch_size)?;
                logs.extend(reported.into_iter().map(|(name, value)| (format!("val_{name}"), value)));
                Some(ledger)
            }
            None => None,
        };
        Ok(Epoch { ledger, validation, logs: Logs(logs), skipped, seconds: 0.0 })
    }
}
