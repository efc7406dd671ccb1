//! The steps of a net: what is done with a batch in training, in testing, in predicting.
//!
//! In: a net, what it is compiled with, and steps of the user's own. Out: [`Steps`], from which a
//! [`Runner`] traces, plans and runs the step of a batch, with the terms of its loss and its
//! metrics by name.

pub(crate) mod balance;
mod balanced;
mod batch;
mod batch_step;
pub(crate) mod cache;
mod compiled;
mod drawing;
mod into;
pub(crate) mod lints;
mod losses;
mod metrics;
mod output;
mod outputs;
pub(crate) mod probe_request;
mod runner;
mod saturation;
mod saved;
mod shard_step;
mod sharded;
pub(crate) mod show;
mod states;
mod targets;
mod term_products;
mod terms;
mod traced;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Occasion, Tree};
use crate::net::Net;
use crate::net::saved::SavedPart;
use crate::optimizers::Optimizer;
use crate::shards::{Link, Sharding, Shards};
use crate::trace::Pool;

use batch_step::CustomSteps;
pub(crate) use batch_step::LossStep;
use cache::StepCache;
pub(crate) use compiled::TrainingSetup;

pub use balance::Balance;
pub(crate) use batch::{BATCH_SIZE, Batch, BatchBuffers, BatchCounts};
pub use batch_step::{BatchStep, PredictStep};
pub(crate) use drawing::conclude;
pub use into::{IntoLoss, IntoLossWeight, IntoLosses, IntoOptimizer, IntoOutputLosses};
pub(crate) use output::ClassWeights;
pub use output::{Output, OutputLosses};
pub(crate) use runner::Runner;
pub(crate) use sharded::{ShardSource, ShardedRunner};
pub(crate) use states::{CarriedStates, CarryLock};
pub use terms::Terms;

/// A net with what its steps are made of, and the steps that were traced.
pub(crate) struct Steps<I: Tree, O: Tree> {
    pub net: Net<I, O>,
    pub compiled: Option<TrainingSetup>,
    /// What was wrong in compiling it: the next step says so.
    misuse: Option<Error>,
    pub custom: CustomSteps<I, O>,
    pub cache: StepCache,
    /// Whether steps are run node by node.
    pub eager: bool,
    pub pool: Pool,
    /// How batches are cut into shards, if they are.
    pub sharding: Option<Sharding>,
    /// Held while a prediction carries on what `call` assigns.
    pub carrying: CarryLock,
    /// The epochs that `fit` has run: what the order of the next one follows.
    pub epochs: AtomicUsize,
    /// The number of the next call of `predict`: what its random numbers follow. It is no variable,
    /// as no variable has changed when a prediction is done.
    pub predict_calls: AtomicU64,
}

impl<I: Tree, O: Tree> Steps<I, O> {
    pub fn new(net: Net<I, O>) -> Self {
        Self {
            net,
            compiled: None,
            misuse: None,
            custom: CustomSteps::default(),
            cache: StepCache::default(),
            eager: false,
            pool: Pool::default(),
            sharding: None,
            carrying: CarryLock::default(),
            epochs: AtomicUsize::new(0),
            predict_calls: AtomicU64::new(0),
        }
    }

    /// What a test after the epochs trained so far draws random numbers for.
    pub fn test_occasion(&self) -> Occasion {
        Occasion::test(self.epochs.load(Ordering::Relaxed) as u64)
    }

    /// Compiles it, or keeps what is wrong for the next step.
    pub fn compile(&mut self, compiled: Result<TrainingSetup>) {
        match compiled {
            Ok(compiled) => {
                self.compiled = Some(compiled);
                self.misuse.take_if(|error| error.kind() == ErrorKind::Argument);
            }
            Err(error) => self.misuse = Some(error),
        }
        self.cache.clear();
    }

    /// Cuts batches into shards from here on, which the ranks of a link share.
    pub fn distribute(&mut self, link: Arc<dyn Link>, shards: Shards) {
        let sharding = Sharding::new(link, shards);
        self.net.prints_warnings &= sharding.is_first();
        self.sharding = Some(sharding);
        self.cache.clear();
    }

    /// Changes what was compiled, by an option of this name. Before `compile` there is nothing to
    /// change, which the next step says.
    pub fn change(&mut self, option: &str, change: impl FnOnce(&mut TrainingSetup)) {
        match &mut self.compiled {
            Some(compiled) => change(compiled),
            None => {
                let message = format!(
                    "`{option}` was called before the model was compiled, and `compile` replaces \
                        what it was given"
                );
                let help = format!("call `compile` first: `model.compile(..).{option}(..)`");
                self.misuse.get_or_insert(Error::usage(message, help));
            }
        }
        self.cache.clear();
    }

    /// What it is compiled with, if it is.
    ///
    /// # Errors
    /// What was wrong with what it was given.
    pub fn try_compiled(&self) -> Result<Option<&TrainingSetup>> {
        let rule = self
            .compiled
            .as_ref()
            .and_then(|compiled| compiled.balance.as_ref())
            .map(|balancing| balancing.rule);
        match self.misuse.clone().or_else(|| rule.and_then(|rule| rule.problem())) {
            Some(error) => Err(error),
            None => Ok(self.compiled.as_ref()),
        }
    }

    /// What it is compiled with.
    ///
    /// # Errors
    /// If it is not, and those of [`try_compiled`](Self::try_compiled).
    pub fn compiled(&self) -> Result<&TrainingSetup> {
        self.try_compiled()?.ok_or_else(|| {
            let help = "call `model.compile(optimizer, loss, metrics)` first";
            Error::usage("the model is not compiled", help)
        })
    }

    /// The compiled optimizer.
    pub fn optimizer(&self) -> Option<&Arc<dyn Optimizer>> {
        self.compiled.as_ref()?.optimizer.as_ref()
    }

    /// The losses and metrics, as files name them.
    pub fn training(&self) -> Vec<SavedPart> {
        let losses: Vec<_> =
            self.compiled.iter().flat_map(|compiled| compiled.all_losses()).collect();
        let position = |index| (losses.len() > 1).then_some(index);
        let saved = losses.iter().enumerate();
        let saved = saved.map(|(index, loss)| SavedPart::loss(position(index), &***loss));
        let metrics = self.metrics().into_iter();
        saved.chain(metrics.map(|(name, metric)| SavedPart::metric(name, &*metric))).collect()
    }
}
