//! A training step of the user's own.
//!
//! In: a closure of a batch. Out: what `fit` does with every batch, instead of the usual.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;

use crate::graph::{Tensor, Tree};
use crate::trace::{Context, Mark};

use super::{Compiled, Model, Terms};

/// A batch while a training step is traced, with what the model was compiled with. Keras's `self` and `data` in `train_step`.
pub struct TrainStep<'a, I: Tree = Tensor, O: Tree = Tensor> {
    pub(crate) model: &'a Model<I, O>,
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

impl<I: Tree, O: Tree> Model<I, O> {
    /// Trains with a step of one's own: what `fit` and `train_on_batch` do with a batch instead of the usual. Everything else stays:
    /// epochs, validation, callbacks, history, backups. Keras's overridden `train_step`.
    ///
    /// Here the inputs are also moved a little in the direction that makes the loss larger, and the loss there is a term of its own
    /// (Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", section 6). Without the middle the
    /// step is the usual one. A step that changes no trainable weight, or does not update a compiled metric, is warned of.
    ///
    /// ```
    /// use endo::prelude::*;
    ///
    /// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
    /// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
    /// # let data = Dataset::new(x, y)?;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile("adam", "mse", ["mae"]);
    /// model.train_step(|step, cx| {
    ///     let y_pred = step.apply(step.inputs(), cx);
    ///     let mut terms = step.losses(&y_pred, cx);
    ///
    ///     let gradient = cx.gradients(terms.total(), [step.inputs()]);
    ///     let moved = step.inputs() + 0.1 * gradient.into_tensors()[0].as_ref().unwrap().sign();
    ///     let y_moved = step.apply(&moved.stop_gradient(), cx);
    ///     terms.add("adversarial", 0.5 * mean_squared_error(&step.targets()[0], &y_moved).mean());
    ///
    ///     step.minimize(&terms, cx);
    ///     step.update_metrics(&y_pred, cx);
    ///     terms
    /// });
    /// let history = model.fit(&data, Fit::epochs(2))?;
    /// println!("{}", history.ledger()); // main 0.66 + adversarial 0.38 = loss 1.04
    /// # assert_eq!(history.ledger().terms[1].0, "adversarial");
    /// # assert_eq!(history.get("mae").len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn train_step(
        &mut self,
        step: impl Fn(&TrainStep<'_, I, O>, &mut Context) -> Terms + Send + Sync + 'static,
    ) -> &mut Self {
        self.train_step = Some(Arc::new(CustomStep { closure: Box::new(step), site: Location::caller() }));
        self.steps.clear();
        self
    }
}

impl<'a, I: Tree, O: Tree> TrainStep<'a, I, O> {
    /// A step on inputs, and on targets and sample weights.
    pub(crate) fn new(
        model: &'a Model<I, O>,
        compiled: &'a Compiled,
        inputs: I,
        [targets, sample_weights]: [&'a [Tensor]; 2],
        mark: Mark,
    ) -> Self {
        let (minimized, updated) = (Cell::new(false), Cell::new(false));
        Self { model, compiled, inputs, targets, sample_weights, mark, minimized, updated }
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

    /// The model.
    pub fn model(&self) -> &Model<I, O> {
        self.model
    }
}
