//! `evaluate`, and single steps on one batch.
//!
//! In: data. Out: losses and metrics.

use std::borrow::Cow;

use crate::data::{Dataset, Stream};
use crate::error::Result;
use crate::graph::{Occasion, Tree};
use crate::step::cache::StepKind;
use crate::step::{BATCH_SIZE, Runner, Steps};

use super::Ledger;
use super::callbacks::{Callback, Training, tell};
use super::data::to_test;
use super::feed::{Feed, nothing};
use super::history::{Logs, Sums};
use super::shards::{self, TestRunner};

/// How to evaluate: what Keras's `evaluate` takes besides the data.
///
/// ```
/// # use endo::prelude::*;
/// # let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
/// # model.compile("sgd", "mse", ());
/// let endless = Stream::from_fn(|number| ([[number as f32]], [[0.0_f32]]));
/// let logs = model.evaluate_with(endless, Evaluate::new().steps(3))?;
/// assert_eq!(logs.get("loss"), Some((0.0 + 1.0 + 4.0) / 3.0));
/// # Ok::<(), Error>(())
/// ```
pub struct Evaluate<'a> {
    batch_size: usize,
    steps: Option<usize>,
    callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Self { batch_size: BATCH_SIZE, steps: None, callbacks: Vec::new() }
    }
}

impl<'a> Evaluate<'a> {
    /// In batches of 32, to the end of the data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something to be told of the evaluation and its batches.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Samples in a batch. A [`Stream`] of batches has those that it yields.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Batches to evaluate on: of a stream without end, say.
    #[must_use]
    pub fn steps(mut self, batches: usize) -> Self {
        self.steps = Some(batches);
        self
    }
}

/// The loss terms on data, and everything that is reported: of all batches, or of the first if
/// their number is given. Random numbers follow the occasion and the row. The callbacks are told of
/// it.
#[track_caller]
pub(crate) fn test<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    feed: &mut Feed<'_>,
    batches: Option<usize>,
    mut occasion: Occasion,
    (training, callbacks): (&Training<'_>, &mut [Box<dyn Callback + '_>]),
) -> Result<(Ledger, Vec<(String, f64)>)> {
    steps.compiled()?;
    steps.reset_metrics();
    feed.restart()?;
    tell(callbacks, |callback| callback.test_begin(training))?;
    let mut runner = TestRunner::new(steps)?;
    let mut sums = Sums::default();
    let mut done = 0;
    while batches.is_none_or(|batches| done < batches) && feed.next(steps)? {
        tell(callbacks, |callback| callback.test_batch_begin(done, training))?;
        runner.run(feed, Some(occasion), &mut sums)?;
        occasion = occasion.later_by(feed.batch_len());
        tell(callbacks, |callback| callback.test_batch_end(done, &|| sums.ledger(), training))?;
        done += 1;
    }
    if done == 0 {
        return Err(nothing());
    }
    if let Some(batches) = batches.filter(|&batches| done < batches) {
        steps.net.warn(vec![format!(
            "the data to evaluate on has {done} batches, and {batches} were asked for"
        )]);
    }
    let logs = Logs(sums.logs(steps.metric_results()?));
    drop(runner); // what `call` assigns is as before from here on
    tell(callbacks, |callback| callback.test_end(&logs, training))?;
    Ok((sums.ledger(), logs.0))
}

/// What is reported of data: the loss, its terms and all metrics.
#[track_caller]
pub(crate) fn evaluate<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    data: Stream<'_>,
    options: Evaluate<'_>,
) -> Result<Logs> {
    steps.compiled()?;
    let Evaluate { batch_size, steps: batches, mut callbacks } = options;
    let mut feed = to_test(steps, data, batch_size)?;
    feed.require_end(
        batches,
        "the data to evaluate on is a stream without end",
        "`Evaluate::new().steps(50)`",
    )?;
    if let Some(data) = feed.in_memory() {
        steps.check_finite(data)?;
        steps.check_targets(data)?;
    }
    let is_outermost = shards::begin(steps);
    let told = (&Training::of(steps), &mut callbacks[..]);
    let result = test(steps, &mut feed, batches, steps.test_occasion(), told);
    let (_, logs) = shards::end(steps, is_outermost, result)?;
    Ok(Logs(logs))
}

/// What is reported of one step on a batch, with the metrics since they were last reset.
#[track_caller]
pub(crate) fn run_batch<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    batch: &Dataset,
    kind: StepKind,
) -> Result<Logs> {
    let batch = &*steps.arranged(Cow::Borrowed(batch))?;
    steps.check_targets(batch)?;
    let mut sums = Sums::default();
    if steps.sharding.is_some() {
        let is_outermost = shards::begin(steps);
        let result = shards::run_batch(steps, batch, kind, &mut sums);
        shards::end(steps, is_outermost, result)?;
        return Ok(Logs(sums.logs(steps.metric_results()?)));
    }
    let mut runner = Runner::new(steps, kind);
    if kind == StepKind::Test {
        runner.occasion = Some(steps.test_occasion());
    }
    runner.run(batch.into())?;
    let (names, outputs) = runner.outputs();
    sums.add(names, outputs.iter().map(|output| output.get(0)), batch.len());
    Ok(Logs(sums.logs(steps.metric_results()?)))
}
