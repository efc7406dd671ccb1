//! A training step of the user's own.
//!
//! In: a closure of a batch. Out: what `fit` does with every batch, instead of the usual.

use std::cell::Cell;
use std::panic::Location;

use crate::graph::{Tensor, Tree};
use crate::trace::{Context, Mark};
use crate::variable::Variable;

use super::compiled::Compiled;
use super::{Steps, Terms, lints};

/// A batch while a training step is traced, with what the model was compiled with. Keras's `self` and `data` in `train_step`.
pub struct TrainStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(crate) steps: &'a Steps<I, O>,
    pub(crate) compiled: &'a Compiled,
    pub(crate) inputs: I,
    pub(crate) targets: &'a [Tensor],
    pub(crate) sample_weights: &'a [Tensor],
    /// Where the terms of this step begin.
    pub(crate) mark: Mark,
    /// Whether the usual update of the weights is in it so far.
    pub(crate) minimized: Cell<bool>,
    /// Whether the usual update of the metrics is in it so far.
    pub(crate) updated: Cell<bool>,
}

type Closure<I, O> = dyn Fn(&TrainStep<'_, I, O>, &mut Context) -> Terms + Send + Sync;

/// A training step of the user's own, with the line that gave it.
pub(crate) struct CustomStep<I: Tree, O: Tree> {
    pub(crate) closure: Box<Closure<I, O>>,
    pub(crate) site: &'static Location<'static>,
}

impl<'a, I: Tree, O: Tree> TrainStep<'a, I, O> {
    /// A step on inputs, and on targets and sample weights.
    pub(crate) fn new(
        steps: &'a Steps<I, O>,
        compiled: &'a Compiled,
        inputs: I,
        [targets, sample_weights]: [&'a [Tensor]; 2],
        mark: Mark,
    ) -> Self {
        let (minimized, updated) = (Cell::new(false), Cell::new(false));
        Self { steps, compiled, inputs, targets, sample_weights, mark, minimized, updated }
    }

    /// The inputs.
    pub fn inputs(&self) -> &I {
        &self.inputs
    }

    /// The targets, one for each array of the data's.
    pub fn targets(&self) -> &[Tensor] {
        self.targets
    }

    /// The sample weights: none, one for all outputs, or one for each.
    pub fn sample_weights(&self) -> &[Tensor] {
        self.sample_weights
    }

    /// The model's weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.steps.net.trainable_weights()
    }

    /// The model's outputs for inputs. Each call adds the terms that the model adds inside.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.apply(inputs, cx)
    }

    /// Every term of the loss: the compiled ones of these outputs, those that the model has added in this step so far, and the
    /// penalties.
    #[track_caller]
    pub fn losses(&self, outputs: &O, cx: &mut Context) -> Terms {
        let terms = self.steps.terms(self.compiled, self.targets, &outputs.tensors(), self.sample_weights, self.mark, cx);
        terms.unwrap_or_else(|| Terms::new([("main", cx.constant(0.0_f32))])) // what was wrong is recorded
    }

    /// Changes the trainable weights with the compiled optimizer, so that the total of the terms falls. Nothing changes where a term
    /// or a gradient is not finite.
    #[track_caller]
    pub fn minimize(&self, terms: &Terms, cx: &mut Context) {
        self.minimized.set(true);
        for (name, term) in &terms.terms {
            cx.trace().check(term, format!("the loss term `{name}`"));
        }
        match &self.steps.net.trainable_weights()[..] {
            [] => cx.warn("the model has no trainable weights: training changes nothing"),
            weights => {
                let reached = lints::reached_weights(terms, weights, cx);
                let learned = reached.iter().chain(&terms.balanced.learned);
                let loss = self.compiled.optimizer.settings().scale_loss(&terms.total);
                let gradients = cx.gradients(&loss, learned);
                if let Some(balancing) = &self.compiled.balance {
                    terms.balanced.update(balancing, &reached, cx);
                }
                self.compiled.optimizer.apply(&gradients, cx);
            }
        }
    }

    /// Updates the compiled metrics with these outputs.
    #[track_caller]
    pub fn update_metrics(&self, outputs: &O, cx: &mut Context) {
        self.updated.set(true);
        self.steps.update_metrics(self.compiled, self.targets, &outputs.tensors(), self.sample_weights, cx);
    }
}
