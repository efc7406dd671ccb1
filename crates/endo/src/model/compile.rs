//! What a model is compiled with, and custom steps.
//!
//! In: optimizers, losses, metrics, closures. Out: a model whose next step is traced anew.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tree;
use crate::metrics::{IntoMetrics, Metric};
use crate::optimizers::Optimizer;
use crate::step::balance::BalanceState;
use crate::step::{
    Balance, BatchStep, IntoLossWeight, IntoLosses, IntoOptimizer, LossStep, Output, PredictStep,
    Terms, TrainingSetup,
};
use crate::trace::Context;

use super::Model;

impl<I: Tree, O: Tree> Model<I, O> {
    /// Chooses how to train: the optimizer (a value or a name), the loss (one, or one for each
    /// output, as values or names; `()` for none: a model can train on its internal terms alone),
    /// and metrics (an array, a tuple of several kinds, one of these for each output, or `()`).
    pub fn compile<L, M>(
        &mut self,
        optimizer: impl IntoOptimizer,
        loss: impl IntoLosses<L>,
        metrics: impl IntoMetrics<M>,
    ) -> &mut Self {
        let compiled =
            |optimizer| TrainingSetup::new(optimizer, loss.into_losses(), metrics.into_metrics());
        self.steps.compile(optimizer.into_optimizer().map(compiled));
        self
    }

    /// Metrics that sample weights and class weights apply to, in lists as `compile` takes them;
    /// reported as `weighted_` and their name when a metric of the same name is compiled without
    /// weights.
    pub fn weighted_metrics<K>(&mut self, metrics: impl IntoMetrics<K>) -> &mut Self {
        self.steps.change("weighted_metrics", |compiled| {
            compiled.set_all_metrics(true, metrics.into_metrics())
        });
        self
    }

    /// The metrics of one of several outputs, by its position or name; reported with the output's
    /// name in front.
    pub fn output_metrics<K>(
        &mut self,
        output: impl Into<Output>,
        metrics: impl IntoMetrics<K>,
    ) -> &mut Self {
        self.steps.change("output_metrics", |compiled| {
            compiled.set_metrics(output.into(), false, metrics.into_metrics().concat())
        });
        self
    }

    /// The metrics of one of several outputs that sample weights apply to.
    pub fn output_weighted_metrics<K>(
        &mut self,
        output: impl Into<Output>,
        metrics: impl IntoMetrics<K>,
    ) -> &mut Self {
        self.steps.change("output_weighted_metrics", |compiled| {
            compiled.set_metrics(output.into(), true, metrics.into_metrics().concat())
        });
        self
    }

    /// The factors of the compiled losses in the total, one for each, or by the names of the
    /// outputs. They touch no other term.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let (size, price) = (Dense::new(1).name("size"), Dense::new(1).name("price"));
    /// # let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
    /// #     (size.apply(x, cx), price.apply(x, cx))
    /// # });
    /// model
    ///     .compile("adam", [("size", "mae"), ("price", "mse")], ())
    ///     .loss_weights([("price", 0.2)]);
    /// ```
    pub fn loss_weights<W: IntoLossWeight>(
        &mut self,
        weights: impl IntoIterator<Item = W>,
    ) -> &mut Self {
        let weights = weights.into_iter().map(IntoLossWeight::into_loss_weight).collect();
        self.steps.change("loss_weights", |compiled| compiled.loss_weights = weights);
        self
    }

    /// Lets the weights of the loss's terms follow the training, by a rule of [`Balance`]. Factors
    /// of [`loss_weights`](Self::loss_weights) and those in the terms themselves stay what they
    /// are; the rule sees the terms with them.
    ///
    /// It belongs to the model's own steps: `fit`, `train_on_batch`, validation, and what
    /// [`train_step`](Self::train_step) makes of
    /// [`BatchStep::losses`](crate::model::BatchStep::losses). A function that
    /// [`Run::step`](crate::training::Run::step) runs makes its loss itself, without these weights,
    /// which is a warning; the validation of such a loop has them.
    ///
    /// # Errors
    /// Of the next step: if an option of the rule is out of its range, or the model was not
    /// compiled before. Of a training step with GradNorm: if there is no layer whose weights all
    /// terms depend on, or a term is below 0.
    pub fn balance(&mut self, rule: Balance) -> &mut Self {
        self.steps.change("balance", |compiled| compiled.balance = Some(BalanceState::new(rule)));
        self
    }

    /// Trains with a custom step: what `fit` and `train_on_batch` do with a batch instead of the
    /// usual. Everything else stays: epochs, validation, callbacks, history, backups. Keras's
    /// overridden `train_step`.
    ///
    /// Here the inputs are also moved a little in the direction that makes the loss larger, and the
    /// loss there is a term of its own (Goodfellow, Shlens and Szegedy 2015, "Explaining and
    /// Harnessing Adversarial Examples", section 6). Without the middle the step is the usual one.
    /// A step that changes no trainable weight, does not update a compiled metric, or leaves sample
    /// weights out is warned of. It returns the terms of the loss, or a scalar, which is the loss.
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
    ///     terms.add("adversarial", 0.5 * mean_squared_error(&step.target(cx), &y_moved).mean());
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
    pub fn train_step<T: Into<Terms>>(
        &mut self,
        step: impl Fn(&BatchStep<'_, I, O>, &mut Context) -> T + Send + Sync + 'static,
    ) -> &mut Self {
        self.steps.custom.train = Some(Arc::new(LossStep::new(step)));
        self.steps.cache.clear();
        self
    }

    /// Tests with a custom step: what `evaluate`, `test_on_batch` and validation do with a batch
    /// instead of the usual. Keras's overridden `test_step`. Layers behave as in inference,
    /// optimizers do nothing, and what the closure assigns itself is undone at the end of the step;
    /// metrics alone are kept.
    ///
    /// Without a test step, a model with a [`train_step`](Self::train_step) of its own is tested by
    /// the closure of that, in the same way: so `val_loss` is the same quantity as `loss`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
    /// let mut model = Model::new(Dense::new(3));
    /// model.compile("adam", (), ());
    /// model.train_step(|step, cx| {
    ///     let noisy = step.inputs() + cx.random().normal(step.inputs().shape(), 0.0, 0.1);
    ///     let error = (step.apply(&noisy, cx) - step.inputs()).square().mean();
    ///     let terms = Terms::new([("denoising", error)]);
    ///     step.minimize(&terms, cx);
    ///     terms
    /// });
    /// model.test_step(|step, cx| {
    ///     let error = (step.apply(step.inputs(), cx) - step.inputs()).square().mean();
    ///     Terms::new([("reconstruction", error)])
    /// });
    /// let data = Dataset::inputs_only(x)?;
    /// let history = model.fit(&data, Fit::epochs(2).validation(&data))?;
    /// assert!(
    ///     history.last("denoising").is_some() && history.last("val_reconstruction").is_some()
    /// );
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn test_step<T: Into<Terms>>(
        &mut self,
        step: impl Fn(&BatchStep<'_, I, O>, &mut Context) -> T + Send + Sync + 'static,
    ) -> &mut Self {
        self.steps.custom.test = Some(Arc::new(LossStep::new(step)));
        self.steps.cache.clear();
        self
    }

    /// Predicts with a custom step: what `predict` and `export` do with inputs instead of the
    /// model's `call`. Keras's overridden `predict_step`. Its outputs have the structure of the
    /// model's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(2).kernel_initializer(Ones));
    /// model.predict_step(|step, cx| Softmax.call(&step.apply(step.inputs(), cx)));
    /// assert_eq!(model.predict(&[[3.0_f32]].into())?, [[0.5_f32, 0.5]].into());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn predict_step(
        &mut self,
        step: impl Fn(&PredictStep<'_, I, O>, &mut Context) -> O + Send + Sync + 'static,
    ) -> &mut Self {
        self.steps.custom.predict = Some(Arc::new(step));
        self.steps.cache.clear();
        self
    }

    /// The compiled optimizer.
    pub fn optimizer(&self) -> Option<&Arc<dyn Optimizer>> {
        self.steps.optimizer()
    }

    /// Every metric with its name in reports: those compiled, then those that layers add, and those
    /// that they hold.
    pub fn metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        self.steps.metrics()
    }

    /// The metric of a name in reports, to be read: what `fit` and `evaluate` have accumulated in
    /// it since its last reset.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[0.0_f32], [1.0]], [[3.0_f32], [4.0]])?;
    /// let mut model = Model::new(Sequential::new());
    /// model.compile(Sgd::new(0.1), MeanSquaredError, [MeanAbsoluteError::new()]);
    /// model.evaluate(&data)?;
    /// assert_eq!(model.metric("mean_absolute_error").unwrap().value()?.item()?, 3.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn metric(&self, name: &str) -> Option<Arc<dyn Metric>> {
        self.metrics().into_iter().find(|(known, _)| known == name).map(|(_, metric)| metric)
    }

    /// The results of all metrics so far. A metric with several numbers, such as one for each
    /// class, is reported as `f1_score_0`, `f1_score_1`, ...
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[0.0_f32], [1.0]], [[1, 0], [0, 1]])?;
    /// let mut model = Model::new(Dense::new(2));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, (F1Score::new(), "mae"));
    /// model.evaluate(&data)?;
    /// let names: Vec<String> =
    ///     model.metric_results()?.into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["f1_score_0", "f1_score_1", "mae"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn metric_results(&self) -> Result<Vec<(String, f64)>> {
        self.steps.metric_results()
    }

    /// Sets all metrics back to their start: what `fit` does before every epoch, and a custom loop
    /// has to.
    pub fn reset_metrics(&self) {
        self.steps.reset_metrics();
    }
}
