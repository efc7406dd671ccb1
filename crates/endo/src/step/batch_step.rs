//! Steps of the user's own: what is done with a batch in training, in testing, in predicting, instead of the usual.
//!
//! In: a closure of a batch. Out: the terms of the batch's loss, with weights and metrics assigned; or predictions.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::graph::{Tensor, Tree};
use crate::trace::{Context, Mark, Term};
use crate::variable::Variable;

use super::compiled::Compiled;
use super::{Steps, Terms, lints};

/// A batch while a step is traced, with what the model was compiled with. Keras's `self` and `data` in `train_step` and `test_step`.
pub struct BatchStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(super) steps: &'a Steps<I, O>,
    pub(super) compiled: &'a Compiled,
    inputs: I,
    pub(super) targets: &'a [Tensor],
    pub(super) sample_weights: &'a [Tensor],
    /// Where the terms of this step begin.
    pub(super) mark: Mark,
    /// Whether the usual update of the weights is in it so far.
    pub(super) minimized: Cell<bool>,
    /// Whether the usual update of the metrics is in it so far.
    pub(super) updated: Cell<bool>,
}

/// A batch of inputs while a prediction is traced. Keras's `self` and `data` in `predict_step`.
pub struct PredictStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(super) steps: &'a Steps<I, O>,
    pub(super) inputs: I,
}

pub(crate) type LossClosure<I, O> = dyn Fn(&BatchStep<'_, I, O>, &mut Context) -> Terms + Send + Sync;
pub(crate) type PredictClosure<I, O> = dyn Fn(&PredictStep<'_, I, O>, &mut Context) -> O + Send + Sync;

/// A step that makes a loss, with the line that gave it.
pub(crate) struct LossStep<I: Tree, O: Tree> {
    pub closure: Box<LossClosure<I, O>>,
    pub site: &'static Location<'static>,
}

/// The steps that the user has given.
pub(crate) struct CustomSteps<I: Tree, O: Tree> {
    pub train: Option<Arc<LossStep<I, O>>>,
    pub test: Option<Arc<LossStep<I, O>>>,
    pub predict: Option<Arc<PredictClosure<I, O>>>,
}

impl<I: Tree, O: Tree> Default for CustomSteps<I, O> {
    fn default() -> Self {
        Self { train: None, test: None, predict: None }
    }
}

impl<I: Tree, O: Tree> CustomSteps<I, O> {
    /// The step that makes the loss in training or testing. What is trained in a way of its own is tested so, too.
    pub fn loss_step(&self, is_training: bool) -> Option<&LossStep<I, O>> {
        let test = self.test.as_ref().filter(|_| !is_training);
        test.or(self.train.as_ref()).map(|step| &**step)
    }
}

impl<I: Tree, O: Tree> PredictStep<'_, I, O> {
    /// The inputs.
    pub fn inputs(&self) -> &I {
        &self.inputs
    }

    /// The model's outputs for inputs.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.forward(inputs, cx)
    }
}

impl<'a, I: Tree, O: Tree> BatchStep<'a, I, O> {
    /// A step on inputs, and on targets and sample weights.
    pub(super) fn new(
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

    /// The weights that the model's `call` uses and optimizers may change: what [`minimize`](Self::minimize) trains. Those of models that
    /// belong to it otherwise are theirs: `critic.trainable_weights()`.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.steps.net.own_trainable_weights()
    }

    /// The model's outputs for inputs. Each call adds the terms that the model adds inside.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.apply(inputs, cx)
    }

    /// Changes the trainable weights with the compiled optimizer, so that the total of the terms falls. Nothing changes where a term
    /// that it is made of or a gradient is not finite, nor where the step is tested.
    #[track_caller]
    pub fn minimize(&self, terms: &Terms, cx: &mut Context) {
        self.minimized.set(true);
        if !cx.updates() {
            return;
        }
        for Term { name, value, .. } in terms.trained().iter() {
            cx.trace().check(value, format!("the loss term `{name}`"));
        }
        let Some(optimizer) = &self.compiled.optimizer else {
            let message = "the model was compiled without an optimizer, so there is nothing to minimize its loss with";
            let help = "compile it with one, or give it a step of its own that updates the weights: `model.train_step(..)`";
            return cx.trace().record(Error::new(ErrorKind::Usage, message).help(help));
        };
        let weights = self.steps.net.own_trainable_weights();
        if weights.is_empty() {
            return cx.warn("the model has no trainable weights: training changes nothing");
        }
        let reached = lints::reached_weights(terms, &weights, cx);
        let learned = reached.iter().chain(&terms.balanced.learned);
        let loss = optimizer.settings().scale_loss(terms.total());
        let gradients = cx.gradients(&loss, learned);
        if let Some(balancing) = &self.compiled.balance {
            terms.balanced.update(balancing, &reached, cx);
        }
        optimizer.apply(&gradients, cx);
    }
}
