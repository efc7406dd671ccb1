//! Trainings and tests whose batches are cut into shards: what their loops do besides, and what all
//! ranks of one have to have in common.
//!
//! In: a run or a test of a model that is distributed. Out: the same as without, the same on every
//! rank.

use std::borrow::Cow;
use std::path::Path;

use crate::data::{Dataset, Sampling};
use crate::error::{Error, Result};
use crate::graph::{Occasion, Tree};
use crate::net::checksum::Checksum;
use crate::shards::Sharding;
use crate::simd::Level;
use crate::step::cache::StepKind;
use crate::step::{Batch, Runner, ShardedRunner, Steps};

use super::feed::{Feed, FeedShards};
use super::fit::{Fit, NonFinite};
use super::history::Sums;
use super::run::Run;
use super::state::State;

/// What runs the training steps of a model whose batches are cut into shards.
pub(super) fn runner<'a, I: Tree, O: Tree>(
    steps: &'a Steps<I, O>,
    options: &Fit<'_>,
) -> Result<Option<ShardedRunner<'a, I, O>>> {
    let Some(sharding) = &steps.sharding else { return Ok(None) };
    let mut runner = ShardedRunner::new(steps, sharding, StepKind::Train)?;
    runner.configure(options.deny_warnings, options.non_finite == NonFinite::Continue);
    Ok(Some(runner))
}

/// Begins something that all ranks do. No closure does it, so that errors have the user's line.
pub(super) fn begin<I: Tree, O: Tree>(steps: &Steps<I, O>) -> bool {
    steps.sharding.as_ref().is_some_and(Sharding::begin)
}

/// Ends it, and tells the others if it failed here.
pub(super) fn end<I: Tree, O: Tree, T>(
    steps: &Steps<I, O>,
    is_outermost: bool,
    result: Result<T>,
) -> Result<T> {
    match &steps.sharding {
        Some(sharding) => sharding.end(is_outermost, result),
        None => result,
    }
}

/// The saved run that rank 0 has read, on all ranks.
pub(super) fn read_state(
    sharding: &Sharding,
    path: &Path,
    read: &dyn Fn() -> Result<Option<State>>,
) -> Result<Option<State>> {
    let mut own = None;
    let bytes = sharding.read_first(|| {
        own = read()?;
        own.as_ref().map_or(Ok(Vec::new()), |state| state.to_bytes(path))
    })?;
    match own {
        Some(own) => Ok(Some(own)),
        None if bytes.is_empty() => Ok(None),
        None => State::from_bytes(&bytes, path).map(Some),
    }
}

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// Has batches be gathered in parts, where they are cut into shards.
    pub(super) fn take_in_parts(&mut self) {
        if self.sharded.is_some() {
            self.feed.take_in_parts();
        }
    }

    /// Trains on the batch in shards.
    #[track_caller]
    pub(super) fn train_on_shards(&mut self) -> Result<()> {
        let steps = self.steps;
        if !self.is_agreed {
            self.agree()?;
        }
        let Some(sharded) = &mut self.sharded else { return Ok(()) };
        let started = self.options.recorder.start();
        let due = self.options.recorder.due();
        let reads = !due.is_empty();
        self.runner.begin(due);
        if reads {
            // What probes read is computed of the whole batch, on every rank.
            let rows = self.feed.rows().to_vec();
            let whole = self.feed.whole(&steps.pool)?;
            self.runner.show(Batch { rows: &rows, ..whole.into() })?;
        }
        let mut shards = FeedShards { feed: &mut self.feed, pool: &steps.pool };
        match sharded.run(&mut shards) {
            Ok(()) => {
                let (names, values) = sharded.outputs();
                let samples = self.feed.batch_len();
                self.current.take(names, values.iter().copied(), samples, &self.training);
                let traced = sharded.traced || self.runner.traced;
                let Fit { recorder, callbacks, .. } = &mut self.options;
                recorder.read(self.runner.shown(), (started, traced), callbacks)?;
                let id = steps.net.counter.id();
                if self.training.lacks_graph(id) {
                    let whole = self.feed.whole(&steps.pool)?;
                    self.training.keep_graph(id, steps.training_graph(whole)?);
                }
            }
            Err(error) => self.skip(error.in_step(self.epoch(), self.current.batches))?,
        }
        Ok(())
    }

    /// Before the first step: the variables of the step are saved with the run, and all ranks have
    /// the same of all that the numbers depend on.
    #[track_caller]
    fn agree(&mut self) -> Result<()> {
        let (steps, Some(sharding)) = (self.steps, &self.steps.sharding) else { return Ok(()) };
        self.is_agreed = true;
        let whole = self.feed.whole(&steps.pool)?;
        self.kept.adopt(&self.runner.variables(whole.into())?)?;
        if sharding.link.ranks() == 1 {
            return Ok(());
        }
        let Some(sharded) = &mut self.sharded else { return Ok(()) };
        let plans = sharded.plans(&mut FeedShards { feed: &mut self.feed, pool: &steps.pool })?;
        let level = Level::detect();
        let products = if level.multiplies_bf16() { " with products of bfloat16" } else { "" };
        let processor = format!("{level:?}{products}");
        let mut said = vec![
            ("as the version of endo".to_string(), env!("CARGO_PKG_VERSION").to_string()),
            ("as its kind of processor".to_string(), processor),
        ];
        said.extend(self.said_of_identity());
        let weights: Vec<_> = steps.net.weights().iter().map(|weight| weight.value()).collect();
        let sum = |text: &str| Checksum::Xxh3.sum(text, std::iter::empty(), "");
        let weights = Checksum::Xxh3.sum("", weights.iter().map(|weight| ("", weight)), "");
        said.push(("as the checksum of the weights".to_string(), weights));
        said.push(("as the checksum of the plans".to_string(), sum(&plans)));
        let step = format!("{} of epoch {}", self.current.batches, self.epoch());
        said.push(("as the step to begin with".to_string(), step));
        sharding.require_same(&said)
    }

    /// Fails where a function of the user's own is run as a step, which cannot be cut.
    pub(super) fn require_whole(&self) -> Result<()> {
        if self.sharded.is_none() {
            return Ok(());
        }
        let message =
            "the model's batches are cut into shards, and a function is run on whole ones";
        let help = "make the step the model's own with `model.train_step(..)`, and run it with \
                    `run.train_on_batch()?`; or train without shards";
        Err(Error::usage(message, help))
    }
}

/// Runs one step on a batch, and takes in its terms.
#[track_caller]
pub(super) fn run_batch<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    batch: &Dataset,
    kind: StepKind,
    sums: &mut Sums,
) -> Result<()> {
    let sampling = Sampling { batch_size: batch.len(), seed: None };
    let mut feed = Feed::memory(Cow::Borrowed(batch), sampling)?;
    feed.next(steps)?;
    let mut runner = TestRunner::of_kind(steps, kind)?;
    if kind == StepKind::Train {
        // The optimizer's slots are made as an ordinary step makes them.
        Runner::new(steps, kind).variables(batch.into())?;
    }
    let occasion = (kind == StepKind::Test).then(|| steps.test_occasion());
    runner.run(&mut feed, occasion, sums)
}

/// What runs the batches of a test.
pub(super) enum TestRunner<'m, I: Tree, O: Tree> {
    Whole(Box<Runner<'m, I, O>>),
    Sharded(Box<ShardedRunner<'m, I, O>>),
}

impl<'m, I: Tree, O: Tree> TestRunner<'m, I, O> {
    pub fn new(steps: &'m Steps<I, O>) -> Result<Self> {
        Self::of_kind(steps, StepKind::Test)
    }

    fn of_kind(steps: &'m Steps<I, O>, kind: StepKind) -> Result<Self> {
        let Some(sharding) = &steps.sharding else {
            return Ok(Self::Whole(Box::new(Runner::new(steps, kind))));
        };
        ShardedRunner::new(steps, sharding, kind).map(Box::new).map(Self::Sharded)
    }

    /// Runs the batch that a feed has given out, and takes in its terms.
    #[track_caller]
    pub fn run(
        &mut self,
        feed: &mut Feed<'_>,
        occasion: Option<Occasion>,
        sums: &mut Sums,
    ) -> Result<()> {
        match self {
            Self::Whole(runner) => {
                let batch = feed.batch();
                runner.occasion = occasion;
                runner.run(batch.into())?;
                let (names, outputs) = runner.outputs();
                sums.add(names, outputs.iter().map(|output| output.get(0)), batch.len());
            }
            Self::Sharded(runner) => {
                runner.occasion = occasion;
                let pool = runner.pool();
                runner.run(&mut FeedShards { feed, pool })?;
                let (names, values) = runner.outputs();
                sums.add(names, values.iter().copied(), feed.batch_len());
            }
        }
        Ok(())
    }
}
