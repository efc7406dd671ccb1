//! The loop of `fit`, opened up: epochs and batches to go through, whatever is done with each
//! batch.
//!
//! In: data, the options of `fit`, and what each batch gave. Out: batches; and at the end a
//! [`History`]. Callbacks, validation, the ledger, and going on where an interrupted run stopped,
//! are the same whoever writes the step.

use std::time::Instant;

use crate::array::Array;
use crate::data::{Dataset, Length, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::metrics::Metric;
use crate::net::checksum::Checksum;
use crate::net::{distinct, first};
use crate::step::cache::{OutputNames, StepKind};
use crate::step::{Batch, Runner, ShardedRunner, Steps};

use super::callbacks::{Training, tell};
use super::data::TrainingData;
use super::feed::{Feed, nothing};
use super::fit::{Fit, NonFinite};
use super::functions::Functions;
use super::history::{History, Sums};
use super::ledger::Ledger;
use super::ledgers::StepAt;
use super::saved_variables::SavedVariables;
use super::shards;

/// Epochs and batches of a training, for a custom loop: everything that
/// [`fit`](crate::model::Model::fit) does but the step.
///
/// ```
/// use endo::prelude::*;
///
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let train = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("nadam", "mse", ["mae"]).build([32, 3])?;
///
/// let mut step = Function::new(|[x, y], cx| {
///     let y_pred = model.apply(&x, cx);
///     let loss = mean_squared_error(&y, &y_pred).mean();
///     let gradients = cx.gradients(&loss, model.trainable_weights());
///     model.optimizer().unwrap().apply(&gradients, cx);
///     [loss]
/// });
/// let mut run = model.run(&train, Fit::epochs(3).callback(EarlyStopping::on("loss")))?;
/// while run.next_batch()? {
///     let [loss] = run.step(&mut step)?;
///     run.record([("main", loss.item()?)])?;
/// }
/// let history = run.finish()?;
/// assert_eq!(history.get("loss").len(), 3);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "nothing is trained before `next_batch` is called"]
pub struct Run<'a, I: Tree, O: Tree> {
    pub(super) steps: &'a Steps<I, O>,
    pub(super) feed: Feed<'a>,
    pub(super) validation: Option<Feed<'a>>,
    pub(super) options: Fit<'a>,
    pub(super) training: Training<'a>,
    pub(super) runner: Runner<'a, I, O>,
    /// What runs the steps, where batches are cut into shards.
    pub(super) sharded: Option<ShardedRunner<'a, I, O>>,
    /// Whether the ranks of a distributed run have compared what they are started with.
    pub(super) is_agreed: bool,
    pub(super) kept: SavedVariables,
    pub(super) metrics: Vec<&'a dyn Metric>,
    /// What was run of the user's own functions.
    pub(super) functions: Functions,
    pub(super) current: CurrentEpoch,
    /// The steps of the epochs that are done.
    pub(super) steps_before: usize,
    /// Whether a batch was trained on as `fit` does.
    pub(super) usual: bool,
    /// What the model had been used for, if the run goes on from a saved one and has not run a
    /// batch yet.
    pub(super) resumed: Option<EarlierUse>,
    /// The checksums of the data and of the validation data, once they were asked for, and how they
    /// were made.
    pub(super) contents: Option<(Checksum, [String; 2])>,
    /// Whether callbacks were told of the end.
    pub(super) ended: bool,
}

/// What a model had been used for before a run.
#[derive(Clone, Copy)]
pub(super) struct EarlierUse {
    /// For how many epochs it had been trained.
    pub epochs: usize,
    /// How often `predict` was called.
    pub predict_calls: u64,
}

/// How far the epoch has come.
pub(super) struct CurrentEpoch {
    pub begun: bool,
    /// The batches done.
    pub batches: usize,
    /// What was done with the batch that is given out now, if one is.
    batch: Option<BatchProgress>,
    pub sums: Sums,
    pub skipped: usize,
    /// The batches whose loss was not finite, and was trained on.
    pub non_finite: usize,
    /// The error of the first batch that was skipped.
    pub error: Option<Error>,
    start: Instant,
    /// How many seconds it took before the run was resumed.
    pub before: f64,
}

/// How far the loop has come with a batch.
#[derive(Clone, Copy, PartialEq)]
enum BatchProgress {
    Begun,
    Recorded,
}

impl CurrentEpoch {
    pub fn new() -> Self {
        let start = Instant::now();
        Self {
            begun: false,
            batches: 0,
            batch: None,
            sums: Sums::default(),
            skipped: 0,
            non_finite: 0,
            error: None,
            start,
            before: 0.0,
        }
    }

    /// Takes in the terms of the batch.
    pub fn take(
        &mut self,
        names: &OutputNames,
        values: impl ExactSizeIterator<Item = f64> + Clone,
        samples: usize,
        training: &Training<'_>,
    ) {
        self.batch = Some(BatchProgress::Recorded);
        self.non_finite += usize::from(values.clone().next().is_some_and(|v| !v.is_finite()));
        training.batch.borrow_mut().set(&names.terms, values.clone());
        self.sums.add(names, values, samples);
    }

    /// How long it has taken.
    pub fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }
}

impl<'a, I: Tree, O: Tree> Run<'a, I, O> {
    #[track_caller]
    pub(crate) fn new(
        steps: &'a Steps<I, O>,
        data: Stream<'a>,
        mut options: Fit<'a>,
    ) -> Result<Self> {
        let mut data = TrainingData::new(steps, data, &mut options)?;
        options.recorder.check()?;
        options.steps.check()?;
        data.check(steps)?;
        let TrainingData { train: feed, validation } = data;
        let training = Training::new(&options, validation.is_some(), steps);
        training.batches.set(options.steps_per_epoch.or(match feed.length() {
            Length::Batches(batches) => Some(batches),
            Length::Unknown | Length::Endless => None,
        }));
        training.history.borrow_mut().first_epoch = options.initial_epoch;
        let steps_before = options.initial_epoch * training.batches().unwrap_or(0);
        let mut runner = Runner::new(steps, StepKind::Train);
        runner.deny_warnings = options.deny_warnings;
        runner.unchecked = options.non_finite == NonFinite::Continue;
        let sharded = shards::runner(steps, &options)?;
        tell(&mut options.callbacks, |callback| callback.train_begin(&training))?;
        let mut run = Self {
            steps,
            feed,
            validation,
            options,
            training,
            runner,
            sharded,
            is_agreed: false,
            kept: SavedVariables::default(),
            metrics: Vec::new(),
            functions: Functions::default(),
            current: CurrentEpoch::new(),
            steps_before,
            usual: false,
            resumed: None,
            contents: None,
            ended: false,
        };
        run.adopt()?;
        run.answer()?;
        Ok(run)
    }

    /// Resets a metric of the loop at the start of every epoch, and reports its result at the end.
    /// Metrics that the model is compiled with or holds need not be given.
    ///
    /// # Errors
    /// If the run is resumed, and was saved with another metric of that name.
    pub fn watch(&mut self, metric: &'a dyn Metric) -> Result<()> {
        self.metrics.push(metric);
        self.kept.adopt(&metric.variables())
    }

    /// Goes on to the next batch, whether that is the first of an epoch or not; false when training
    /// is done. What the callbacks are to be told of the batch before, and of an epoch that is
    /// done, they are told now.
    ///
    /// # Errors
    /// Those of callbacks, and of validation.
    #[track_caller]
    pub fn next_batch(&mut self) -> Result<bool> {
        self.end_batch()?;
        self.prepare()?;
        loop {
            if self.current.begun {
                if self.gather()? {
                    return Ok(true);
                }
                if self.current.batches == 0 {
                    self.current = CurrentEpoch::new(); // there is no such epoch
                    continue;
                }
                self.end_epoch()?;
            } else if self.epoch() >= self.options.epochs || self.training.stopped.get() {
                self.end()?;
                return Ok(false);
            } else {
                self.begin_epoch()?;
            }
        }
    }

    /// The batch.
    ///
    /// # Errors
    /// If there is none: before the first [`next_batch`](Self::next_batch), or after the last.
    pub fn batch(&self) -> Result<&Dataset> {
        self.require_batch().map(|()| self.feed.batch())
    }

    /// That there is a batch.
    fn require_batch(&self) -> Result<()> {
        match self.current.batch {
            Some(_) => Ok(()),
            None => {
                let help = "loop with `while run.next_batch()? { .. }`";
                Err(Error::usage("the run has no batch now", help))
            }
        }
    }

    /// Which samples of the data the batch is made of; none where there is no batch, or the samples
    /// of a stream have no numbers.
    pub fn indices(&self) -> &[usize] {
        if self.current.batch.is_some() { self.feed.rows() } else { &[] }
    }

    /// The epoch, counted from 0.
    pub fn epoch(&self) -> usize {
        self.options.initial_epoch + self.training.history().epochs.len()
    }

    /// The batch within the epoch, counted from 0.
    pub fn batch_index(&self) -> usize {
        self.current.batches
    }

    /// The batches of an epoch; none in the first one of a stream that does not say.
    pub fn batches(&self) -> Option<usize> {
        self.training.batches()
    }

    /// The training that callbacks see: to report a number, to stop, to set the learning rate.
    pub fn training(&self) -> &Training<'a> {
        &self.training
    }

    /// The means of the epoch so far.
    pub fn ledger(&self) -> Ledger {
        self.current.sums.ledger()
    }

    /// Trains on the batch as [`fit`](crate::model::Model::fit) does, and records the terms of the
    /// loss.
    ///
    /// # Errors
    /// As those of [`fit`](crate::model::Model::fit) for a batch.
    #[track_caller]
    pub fn train_on_batch(&mut self) -> Result<()> {
        self.require_batch()?;
        self.require_unrecorded()?;
        self.steps.compiled()?;
        self.usual = true;
        if self.sharded.is_some() {
            return self.train_on_shards();
        }
        let (buffer, rows) = (self.feed.batch(), self.feed.rows());
        let started = self.options.recorder.start();
        self.runner.begin(self.options.recorder.due());
        match run_saved(&mut self.runner, Batch { rows, ..buffer.into() }, &mut self.kept) {
            Ok((names, values)) => {
                let values = values.iter().map(|value| value.get(0));
                self.current.take(names, values, buffer.len(), &self.training);
                let Fit { recorder, callbacks, .. } = &mut self.options;
                recorder.read(self.runner.shown(), (started, self.runner.traced), callbacks)?;
                let id = self.steps.net.counter.id();
                if !self.steps.eager && self.training.lacks_graph(id) {
                    self.training.keep_graph(id, self.steps.training_graph(buffer)?);
                }
            }
            Err(error) => self.skip(error.in_step(self.epoch(), self.current.batches))?,
        }
        Ok(())
    }

    /// Records the terms of the batch's loss by name. The ledger is their mean over the epoch,
    /// weighted by batch size, and the loss their sum.
    ///
    /// # Errors
    /// If there is no batch, or its terms were recorded before.
    pub fn record<'n>(&mut self, terms: impl IntoIterator<Item = (&'n str, f64)>) -> Result<()> {
        let samples = self.batch()?.len();
        self.require_unrecorded()?;
        let mut terms: Vec<(String, f64)> =
            terms.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        let reserved: &[&str] = if terms.len() > 1 { &["loss"] } else { &[] };
        distinct(&mut terms, first, reserved);
        let (names, mut values): (Vec<String>, Vec<f64>) = terms.into_iter().unzip();
        values.insert(0, values.iter().sum());
        self.training.batch.borrow_mut().set(&names, values.iter().copied());
        self.current.sums.add(
            &OutputNames { terms: names, extras: Vec::new() },
            values.into_iter(),
            samples,
        );
        self.current.batch = Some(BatchProgress::Recorded);
        Ok(())
    }

    /// Leaves the batch out and counts it, if the error is that a number is not finite and
    /// [`Fit::non_finite`] says so.
    ///
    /// # Errors
    /// The error otherwise.
    pub fn skip(&mut self, error: Error) -> Result<()> {
        if self.options.non_finite != NonFinite::Skip || error.kind() != ErrorKind::NotFinite {
            return Err(error);
        }
        self.current.skipped += 1;
        self.runner.replays = false; // one is explained; the others are counted
        self.sharded.iter_mut().for_each(|sharded| sharded.replay(false));
        self.current.error.get_or_insert(error);
        Ok(())
    }

    /// What was trained. Callbacks are told that training is done, also where the loop was left
    /// early: the epoch that was not finished is then not in the history.
    ///
    /// # Errors
    /// Those of callbacks.
    pub fn finish(mut self) -> Result<History> {
        self.end_batch()?;
        self.end()?;
        Ok(std::mem::take(&mut *self.training.history.borrow_mut()))
    }

    fn require_unrecorded(&self) -> Result<()> {
        match self.current.batch {
            Some(BatchProgress::Recorded) => {
                let help = "give all terms in one call, once for each batch";
                Err(Error::usage("the loss of this batch was recorded before", help))
            }
            Some(BatchProgress::Begun) | None => Ok(()),
        }
    }

    /// Which step the one on the batch is.
    fn step_at(&self) -> StepAt {
        StepAt { step: self.steps_before + self.current.batches, epoch: self.epoch() }
    }

    /// The next batch, unless the epoch is done.
    fn gather(&mut self) -> Result<bool> {
        let asked = self.options.steps_per_epoch;
        if asked.is_some_and(|batches| self.current.batches >= batches) {
            return Ok(false);
        }
        let mut is_given = self.feed.next(self.steps)?;
        if !is_given && self.current.batches == 0 {
            // The pass has ended with the epoch before.
            is_given = self.feed.can_seek() && self.feed.next(self.steps)?;
            if !is_given && (self.feed.can_seek() || self.training.history().epochs.is_empty()) {
                return Err(nothing());
            }
        }
        if !is_given {
            if !self.feed.can_seek() {
                self.training.stop(); // there is nothing more to train on
            }
            if let Some(asked) = asked {
                let (epoch, batches) = (self.epoch() + 1, self.current.batches);
                let warning = format!(
                    "the data has ended in epoch {epoch} after {batches} of the {asked} batches \
                        that `steps_per_epoch` asks for"
                );
                self.steps.net.warn(vec![warning]);
            }
            return Ok(false);
        }
        self.current.batch = Some(BatchProgress::Begun);
        self.training.batch.borrow_mut().clear();
        let at = self.step_at();
        self.training.step.set(at.step);
        self.options.recorder.begin(at);
        let batch = self.current.batches;
        tell(&mut self.options.callbacks, |callback| callback.batch_begin(batch, &self.training))?;
        Ok(true)
    }

    fn end_batch(&mut self) -> Result<()> {
        if self.current.batch.take().is_none() {
            return Ok(());
        }
        self.kept.settle();
        self.end_readings()?;
        self.options.steps.take(self.step_at(), &self.training.batch.borrow());
        let (batch, sums) = (self.current.batches, &self.current.sums);
        self.current.batches += 1;
        tell(&mut self.options.callbacks, |callback| {
            callback.batch_end(batch, &|| sums.ledger(), &self.training)
        })?;
        self.answer()
    }
}

/// Runs a batch, and sees to it that the variables of its step are saved: before the first of a
/// shape, so that they have their saved values. A step run node by node is traced by running it,
/// and so only ahead of time where saved values wait.
#[track_caller]
fn run_saved<'r, I: Tree, O: Tree>(
    runner: &'r mut Runner<'_, I, O>,
    batch: Batch<'_>,
    kept: &mut SavedVariables,
) -> Result<(&'r OutputNames, &'r [Array])> {
    let is_new = match runner.eager_variables() {
        Some(_) => kept.is_waiting(),
        None => !runner.has_run(batch),
    };
    if is_new {
        kept.adopt(&runner.variables(batch)?)?;
    }
    runner.run(batch)?;
    if let Some(used) = runner.eager_variables() {
        kept.adopt(used)?;
    }
    Ok(runner.outputs())
}
