//! Steps of the user's own: what is done with a batch in training, in testing, in predicting,
//! instead of the usual.
//!
//! In: a closure of a batch. Out: the terms of the batch's loss, with weights and metrics assigned;
//! or predictions.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use crate::autodiff;
use crate::error::Error;
use crate::graph::{NodeId, Tensor, Tree};
use crate::optimizers::Optimizer;
use crate::site::Site;
use crate::spelling;
use crate::trace::sharded::ShardStage;
use crate::trace::{Context, Gradients, Mark, Term};
use crate::variable::Variable;

use super::compiled::TrainingSetup;
use super::{Steps, Terms, lints};

/// A batch while a step is traced, with what the model was compiled with. Keras's `self` and `data`
/// in `train_step` and `test_step`.
pub struct BatchStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(super) steps: &'a Steps<I, O>,
    pub(super) compiled: &'a TrainingSetup,
    inputs: I,
    pub(super) targets: &'a [Tensor],
    pub(super) sample_weights: &'a [Tensor],
    /// Where the terms of this step begin.
    pub(super) mark: Mark,
    /// Whether the usual update of the weights is in it so far.
    pub(super) minimized: Cell<bool>,
    /// Whether the usual update of the metrics is in it so far.
    pub(super) updated: Cell<bool>,
    /// Whether the sample weights were asked for, by the closure or for it.
    pub(super) weighed: Cell<bool>,
    /// The passes of inputs through the model so far.
    passes: RefCell<Vec<Pass>>,
}

/// A pass of inputs through the model of a step.
struct Pass {
    outputs: Vec<Tensor>,
    /// Where the loss terms that it has added stand among those of the trace.
    terms: Range<usize>,
    /// Whether they were asked for.
    is_asked: bool,
}

/// A batch of inputs while a prediction is traced. Keras's `self` and `data` in `predict_step`.
pub struct PredictStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(super) steps: &'a Steps<I, O>,
    pub(super) inputs: I,
}

pub(crate) type LossClosure<I, O> =
    dyn Fn(&BatchStep<'_, I, O>, &mut Context) -> Terms + Send + Sync;
pub(crate) type PredictClosure<I, O> =
    dyn Fn(&PredictStep<'_, I, O>, &mut Context) -> O + Send + Sync;

/// A step that makes a loss, with the line that gave it.
pub(crate) struct LossStep<I: Tree, O: Tree> {
    pub closure: Box<LossClosure<I, O>>,
    pub site: Site,
}

impl<I: Tree, O: Tree> LossStep<I, O> {
    /// A step that the caller gives.
    #[track_caller]
    pub fn new<T: Into<Terms>>(
        step: impl Fn(&BatchStep<'_, I, O>, &mut Context) -> T + Send + Sync + 'static,
    ) -> Self {
        let closure =
            Box::new(move |batch: &BatchStep<'_, I, O>, cx: &mut Context| step(batch, cx).into());
        Self { closure, site: Site::caller() }
    }
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
    /// The step that makes the loss in training or testing. What is trained in a way of its own is
    /// tested so, too.
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
        compiled: &'a TrainingSetup,
        inputs: I,
        [targets, sample_weights]: [&'a [Tensor]; 2],
        mark: Mark,
    ) -> Self {
        let [minimized, updated, weighed] = [(); 3].map(|()| Cell::new(false));
        Self {
            steps,
            compiled,
            inputs,
            targets,
            sample_weights,
            mark,
            minimized,
            updated,
            weighed,
            passes: RefCell::default(),
        }
    }

    /// The inputs.
    pub fn inputs(&self) -> &I {
        &self.inputs
    }

    /// The targets, one for each array of the data's.
    pub fn targets(&self) -> &[Tensor] {
        self.targets
    }

    /// The targets of a model that has one array of them.
    ///
    /// # Errors
    /// Of the trace: if the data has none, or several.
    #[track_caller]
    pub fn target(&self, cx: &Context) -> Tensor {
        if let [target] = self.targets {
            return target.clone();
        }
        let message = format!(
            "the step asks for the target, and the data has {} arrays of targets",
            self.targets.len()
        );
        let help = "give targets with `Dataset::new(x, y)`; several are `step.targets()`";
        cx.trace().record(Error::usage(message, help).at(Site::caller()));
        self.targets.first().cloned().unwrap_or_else(|| cx.constant(0.0_f32))
    }

    /// The sample weights: none, one for all outputs, or one for each.
    pub fn sample_weights(&self) -> &[Tensor] {
        self.weighed.set(true);
        self.sample_weights
    }

    /// The optimizer that the model is compiled with, if it is with one.
    pub fn optimizer(&self) -> Option<&Arc<dyn Optimizer>> {
        self.compiled.optimizer.as_ref()
    }

    /// Changes weights with the compiled optimizer by gradients that the step has made: clipped,
    /// summed or taken elsewhere. Nothing changes where a gradient is not finite, nor where the
    /// step is tested.
    ///
    /// ```
    /// use endo::prelude::*;
    /// # let data = Dataset::new([[1.0_f32], [2.0]], [[2.0_f32], [4.0]])?;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile("sgd", "mse", ());
    /// model.train_step(|step, cx| {
    ///     let terms = step.losses(&step.apply(step.inputs(), cx), cx);
    ///     let gradients = cx
    ///         .gradients(terms.total(), step.trainable_weights())
    ///         .map(|gradient| gradient.sign());
    ///     step.apply_gradients(&gradients, cx);
    ///     terms
    /// });
    /// model.fit(&data, Fit::epochs(1))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn apply_gradients(&self, gradients: &Gradients, cx: &mut Context) {
        self.minimized.set(true);
        match &self.compiled.optimizer {
            Some(optimizer) => match optimizer.settings().loss_scale() {
                // The optimizer takes gradients of a loss that is scaled.
                Some(scale) => {
                    optimizer.apply(&gradients.clone().map(|gradient| gradient * scale), cx)
                }
                None => optimizer.apply(gradients, cx),
            },
            None if cx.updates() => cx.trace().record(without_optimizer().at(Site::caller())),
            None => {}
        }
    }

    /// The weights that the model's `call` uses and optimizers may change: what
    /// [`minimize`](Self::minimize) trains. Those of models that belong to it otherwise are theirs:
    /// `critic.trainable_weights()`.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.steps.net.own_trainable_weights()
    }

    /// The model's outputs for inputs. The terms that the model adds inside are those of these
    /// outputs: [`losses`](Self::losses).
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        let first = cx.loss_terms().len();
        let outputs = self.steps.net.apply(inputs, cx);
        let made = outputs.tensors().into_iter().cloned().collect();
        self.passes.borrow_mut().push(Pass {
            outputs: made,
            terms: first..cx.loss_terms().len(),
            is_asked: false,
        });
        outputs
    }

    /// Where the terms stand that other passes of the model have added than those that these
    /// outputs come from: the one that made them, or those that they are computed from. Outputs
    /// that come from no pass are of all of them.
    pub(super) fn terms_of_other_passes(&self, outputs: &O) -> Vec<Range<usize>> {
        let mut passes = self.passes.borrow_mut();
        let outputs: Vec<Tensor> = outputs.tensors().into_iter().cloned().collect();
        let ids = |tensors: &[Tensor]| tensors.iter().map(Tensor::id).collect::<Vec<_>>();
        let maker = passes.iter().rposition(|pass| ids(&pass.outputs) == ids(&outputs));
        let own: Vec<usize> = match (maker, passes.len()) {
            (Some(maker), _) => vec![maker],
            (None, 0 | 1) => (0..passes.len()).collect(),
            (None, _) => {
                let reached = autodiff::reached(&outputs);
                let is_reached = |id: NodeId| {
                    reached.iter().any(|reached| reached.get(id.index()) == Some(&true))
                };
                let comes_from =
                    |&pass: &usize| ids(&passes[pass].outputs).into_iter().any(is_reached);
                let found: Vec<usize> = (0..passes.len()).filter(comes_from).collect();
                if found.is_empty() { (0..passes.len()).collect() } else { found }
            }
        };
        for &pass in &own {
            passes[pass].is_asked = true;
        }
        let others = passes.iter().enumerate().filter(|(index, _)| !own.contains(index));
        others.map(|(_, pass)| pass.terms.clone()).collect()
    }

    /// Warns of passes whose terms are in no loss, where the terms of others are asked for.
    fn warn_of_unread_passes(&self, site: Site, cx: &Context) {
        let passes = self.passes.borrow();
        if passes.iter().all(|pass| !pass.is_asked) {
            return; // that of the whole model is said otherwise
        }
        let unread = passes
            .iter()
            .filter(|pass| !pass.is_asked)
            .flat_map(|pass| &cx.loss_terms()[pass.terms.clone()]);
        let unread: Vec<&str> = unread.map(|term| term.path.as_str()).collect();
        if !unread.is_empty() {
            let unread = spelling::listed(unread);
            let warning = format!(
                "the training step applies the model several times, and the terms of a pass are \
                    in no loss: {unread}; ask for them by \
                 `step.losses(&outputs, cx)` with its outputs, and leave them out if that is meant"
            );
            cx.trace().warn_at(Some(site), warning);
        }
    }

    /// Changes the trainable weights with the compiled optimizer, so that the total of the terms,
    /// or a scalar, falls. Nothing changes where a term that it is made of or a gradient is not
    /// finite, nor where the step is tested.
    #[track_caller]
    pub fn minimize(&self, terms: impl Into<Terms>, cx: &mut Context) {
        let terms = &terms.into();
        self.minimized.set(true);
        if !cx.updates() {
            return;
        }
        if cx.shard_stage() != Some(ShardStage::Update) {
            for Term { name, value, .. } in terms.trained().iter() {
                cx.trace().check(value, format!("the loss term `{name}`"));
            }
        }
        let Some(optimizer) = &self.compiled.optimizer else {
            return cx.trace().record(without_optimizer());
        };
        let weights = self.steps.net.own_trainable_weights();
        if weights.is_empty() {
            return cx.warn("the model has no trainable weights: training changes nothing");
        }
        let reached = lints::reached_weights(terms, &weights, cx);
        if reached.is_empty() && terms.balanced.learned.is_empty() && cx.trace().error().is_none() {
            let message = "the loss depends on no trainable weight of the model";
            let help = "compute it from what the weights make; through `stop_gradient`, \
                comparisons and integers nothing is learned";
            return cx.trace().record(Error::usage(message, help).at(Site::caller()));
        }
        let learned = reached.iter().chain(&terms.balanced.learned);
        let loss = optimizer.settings().scale_loss(&cx.times_share(terms.total()));
        let gradients = cx.gradients(&loss, learned);
        if let Some(balancing) = &self.compiled.balance {
            terms.balanced.update(balancing, &reached, cx);
        }
        cx.with_scaled_gradients(|cx| optimizer.apply(&gradients, cx));
    }

    /// Warns of what a training step of the user's own, given at `site`, leaves as it is: all
    /// weights, or a compiled metric.
    pub(super) fn warn_of_what_is_left_out(&self, site: Site, cx: &Context) {
        if cx.trace().error().is_some() {
            return;
        }
        let is_assigned = |variables: &[Variable]| {
            variables.iter().any(|variable| cx.assigned().contains(variable))
        };
        // Those of models that belong to it otherwise are trained, too.
        if !self.minimized.get() && !cx.assigned().iter().any(Variable::is_trainable) {
            let warning = "the training step changes no trainable weight: it calls neither \
                `step.minimize` nor an optimizer; end it with \
                           `step.minimize(&terms, cx)`";
            cx.trace().warn_at(Some(site), warning);
        }
        if !self.sample_weights.is_empty() && !self.weighed.get() {
            let warning = "the training step leaves out the sample weights of the data: take its \
                terms from `step.losses(&outputs, cx)`, or its \
                           means by `step.weighted_mean(&values)`";
            cx.trace().warn_at(Some(site), warning);
        }
        cx.warn_of_unread_terms();
        self.warn_of_unread_passes(site, cx);
        if self.updated.get() {
            return; // each metric was looked at there
        }
        for (name, metric) in self.compiled.named_metrics(&self.steps.net.output_names()) {
            if !is_assigned(&metric.variables()) {
                let warning = format!(
                    "the training step does not update the metric `{name}`, which stays as after \
                        a reset: call \
                     `step.update_metrics(&outputs, cx)`, or compile without it"
                );
                cx.trace().warn_at(Some(site), warning);
            }
        }
    }
}

fn without_optimizer() -> Error {
    let message = "the model was compiled without an optimizer, so there is nothing to minimize \
        its loss with";
    let help = "compile it with one, or give it a step of its own that updates the weights: \
        `model.train_step(..)`";
    Error::usage(message, help)
}
