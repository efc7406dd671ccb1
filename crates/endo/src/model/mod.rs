//! The model: a net, how it is trained, and how it predicts.
//!
//! In: a layer. Out: [`Model`], whose methods hand on to what they are of: the net, its steps,
//! predictions, training.

mod compile;
mod content;
mod train;

use std::fmt;
use std::sync::Arc;

use crate::dtype::DType;
use crate::graph::{Tensor, Tree};
use crate::layers::Layer;
use crate::metrics::Metric;
use crate::net::{Companion, Net};
use crate::site::Site;
use crate::step::Steps;
use crate::trace::Pool;
use crate::trace::attached::{Addition, AttachedTerm, Value};
use crate::trace::pattern::Pattern;
use crate::trace::{Context, LayerRecord};
use crate::variable::Variable;

pub use crate::net::{
    LoadWeights, LoadedWeights, ModelLayer, Saved, Structure, Summary, TermRecord,
};
pub use crate::step::{
    Balance, BatchStep, IntoLoss, IntoLossWeight, IntoLosses, IntoOptimizer, IntoOutputLosses,
    Output, OutputLosses, PredictStep, Terms,
};

/// A layer with a loss, an optimizer and metrics: what Keras calls a model.
///
/// A model is `Send + Sync`; [`predict`](Self::predict) can be called from many threads at once.
///
/// ```
/// use endo::prelude::*;
/// let x = Array::from([[0.0_f32], [1.0], [2.0], [3.0]]);
/// let y = Array::from([[1.0_f32], [3.0], [5.0], [7.0]]);
/// let data = Dataset::new(x.clone(), y)?;
///
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), MeanSquaredError, [MeanAbsoluteError::new()]);
/// let history = model.fit(&data, Fit::epochs(200))?;
/// assert!(history.last("loss").unwrap() < 1e-3);
/// assert!((model.predict(&x)?.get(2) - 5.0).abs() < 0.1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Model<I: Tree = Tensor, O: Tree = Tensor> {
    pub(crate) steps: Steps<I, O>,
}

impl<I: Tree, O: Tree> Model<I, O> {
    /// A model whose `call` is a layer's; weights are made when it first sees an input.
    pub fn new(layer: impl Layer<I, O> + 'static) -> Self {
        Self { steps: Steps::new(Net::new(layer)) }
    }

    /// The name under which its layers and weights stand where it is a part of another model, and
    /// which messages have for it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.steps.net.name = Some(name.into());
        self
    }

    /// The seed of first weights, shuffling and dropout; 0 unless set. To be set before the weights
    /// are made.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.steps.net.set_seed(seed);
        self
    }

    /// The number of threads; all that the process may use unless set. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.steps.pool = Pool::new(threads);
        self
    }

    /// Whether warnings are printed to standard error when they are new, as they are unless this
    /// says otherwise. A program that shows [`warnings`](Self::warnings) itself says `false`.
    #[must_use]
    pub fn print_warnings(mut self, print: bool) -> Self {
        self.steps.net.prints_warnings = print;
        self
    }

    /// The float type of the weights; unless set that of the model or function in which it first
    /// sees an input, and `f32` alone. To be set before the weights are made.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.steps.net.dtype = Some(dtype);
        self
    }

    /// Runs every step node by node instead of as a plan (Keras's `run_eagerly`): slow, and every
    /// value can be looked at.
    #[must_use]
    pub fn run_eagerly(mut self, eager: bool) -> Self {
        self.set_run_eagerly(eager);
        self
    }

    /// As [`run_eagerly`](Self::run_eagerly), of a model that is there already.
    pub fn set_run_eagerly(&mut self, eager: bool) {
        self.steps.eager = eager;
    }

    /// Says that another model belongs to this one, which its `call` need not apply: the critic of
    /// a generator, the teacher of a student. Its weights and layers stand under its
    /// [name](Self::name): they are saved, loaded, listed in the summary, frozen and resumed with
    /// this model. [`minimize`](BatchStep::minimize) trains the weights that `call` uses; those of
    /// parts are for a custom step. A model that applies this one as a layer has what `call` uses,
    /// and is given the parts itself where it is to have them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use endo::prelude::*;
    /// let critic = Arc::new(Model::new(Dense::new(1)).name("critic"));
    /// let mut generator =
    ///     Model::new(Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(2)));
    /// generator.add_part(critic.clone());
    /// critic.build([1, 2])?;
    /// generator.build([1, 4])?;
    /// assert_eq!(generator.weights().len(), 4 + 2);
    /// assert_eq!(generator.weight("critic/kernel"), critic.weight("kernel"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn add_part<A: Tree, B: Tree>(&mut self, part: Arc<Model<A, B>>) -> &mut Self
    where
        Model<A, B>: 'static,
    {
        let name = part.steps.net.name.clone().unwrap_or_else(|| "model".to_string());
        self.steps.net.add_companion(name, part);
        self.steps.cache.clear();
        self
    }

    /// Adds a term to the loss from outside `call`, a scalar computed from variables: what Keras's
    /// `model.add_loss(lambda: ..)` does. It is reported by its name, adds up with the others,
    /// counts once in a step however often the model is applied, and is among `cx.losses()` in
    /// custom loops.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[1.0_f32], [2.0]], [[0.0_f32], [0.0]])?;
    /// let mut model = Model::new(Dense::new(1).kernel_initializer(Ones));
    /// model.build([1, 1])?;
    /// let kernel = model.weight("kernel").unwrap();
    /// model.add_loss("decay", move |cx| 0.5 * cx.read(&kernel).square().sum());
    /// model.compile("sgd", "mse", ());
    /// assert_eq!(model.evaluate(&data)?.get("loss"), Some(2.5 + 0.5));
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn add_loss(
        &mut self,
        name: &str,
        term: impl Fn(&mut Context) -> Tensor + Send + Sync + 'static,
    ) -> &mut Self {
        self.steps.net.add_loss(name, Box::new(term), Site::caller());
        self.steps.cache.clear();
        self
    }

    /// Adds a term to the loss for every layer whose path matches a pattern: a scalar made of the
    /// layer's output, as if the layer itself called [`add_loss`](crate::trace::Context::add_loss)
    /// at the end of its `call`. Names, the ledger, `cx.losses()` in loops and `evaluate` treat it
    /// so: a layer applied twice adds it twice, the second time as `name_1`. A layer of several
    /// outputs adds one for each, the second as `name_output_1`.
    ///
    /// In the pattern `*` is any run of characters, `/` too, and `?` one: `hidden*` means the
    /// layers inside `hidden` as well. It is compared with the full path
    /// (`regressor/block/hidden`), with the path without its first part (`block/hidden`) and with
    /// the last part (`hidden`). That no layer matches is a warning, or an error where warnings are
    /// denied.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[1.0_f32], [-3.0]], [[0.0_f32], [0.0]])?;
    /// let mut model = Model::new(
    ///     Sequential::new().add(Dense::new(1).kernel_initializer(Ones).name("hidden")),
    /// );
    /// model.add_loss_at("hid*", "sparsity", |activation| 0.5 * activation.abs().mean());
    /// model.compile("sgd", "mse", ());
    /// let logs = model.evaluate(&data)?;
    /// assert_eq!(
    ///     [logs.get("main"), logs.get("sparsity"), logs.get("loss")],
    ///     [Some(5.0), Some(1.0), Some(6.0)]
    /// );
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the first step: a term that is not a scalar, and a name that the layer has used already;
    /// at this line.
    #[track_caller]
    pub fn add_loss_at(
        &mut self,
        pattern: &str,
        name: &str,
        term: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    ) -> &mut Self {
        self.attach(pattern, name, Addition::Loss, Box::new(term), Site::caller())
    }

    /// Reports a scalar made of the output of every layer whose path matches a pattern, as if the
    /// layer itself called [`add_metric`](crate::trace::Context::add_metric) at the end of its
    /// `call`: a mean over the epoch, which changes no gradient. Patterns and names are those of
    /// [`add_loss_at`](Self::add_loss_at).
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(
    ///     Sequential::new()
    ///         .add(Dense::new(4).activation("relu").name("hidden"))
    ///         .add(Dense::new(1)),
    /// );
    /// model.add_metric_at("hidden", "active", |activation| {
    ///     activation.greater(0.0).cast(DType::F32).mean()
    /// });
    /// model.compile("sgd", "mse", ());
    /// let logs = model.evaluate(&Dataset::new([[1.0_f32], [-3.0]], [[0.0_f32], [0.0]])?)?;
    /// assert!((0.0..=1.0).contains(&logs.get("active").unwrap()));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`add_loss_at`](Self::add_loss_at).
    #[track_caller]
    pub fn add_metric_at(
        &mut self,
        pattern: &str,
        name: &str,
        value: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    ) -> &mut Self {
        self.attach(pattern, name, Addition::Metric, Box::new(value), Site::caller())
    }

    /// Adds a term or metric of the outputs of the layers that match.
    fn attach(
        &mut self,
        pattern: &str,
        name: &str,
        adds: Addition,
        value: Box<Value>,
        site: Site,
    ) -> &mut Self {
        let (pattern, name) = (Pattern::new(pattern), name.to_string());
        self.steps.net.attached.push(Arc::new(AttachedTerm { pattern, name, adds, value, site }));
        self.steps.cache.clear();
        self
    }

    /// Calls the model within a trace: in a custom loop. Its loss terms are then in `cx.losses()`,
    /// and its metrics are updated.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.apply(inputs, cx)
    }
}

impl<I: Tree, O: Tree> Model<I, O> {
    /// The terms of its loss in this trace: those that its layers have added, sample losses as
    /// their means, and the penalties on its weights. Of the terms of other models, those of the
    /// models within it are its own too. What Keras calls `model.losses`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dense = |first: f64| {
    ///     Dense::new(1)
    ///         .use_bias(false)
    ///         .kernel_initializer(Constant(first))
    ///         .kernel_regularizer(L2(1.0))
    /// };
    /// let [generator, critic] = [2.0, 3.0].map(|first| Model::new(dense(first)));
    /// let mut f = Function::new(|[x], cx| {
    ///     let made = generator.apply(&x, cx);
    ///     critic.apply(&made, cx);
    ///     [generator.losses(cx).remove(0), critic.losses(cx).remove(0)]
    /// });
    /// let [of_generator, of_critic] = f.run([&[[1.0_f32]].into()])?;
    /// assert_eq!((of_generator.item()?, of_critic.item()?), (4.0, 9.0));
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn losses(&self, cx: &mut Context) -> Vec<Tensor> {
        self.steps.net.losses(cx)
    }

    /// How many terms its layers have added to its loss in a trace: the first of
    /// [`losses`](Self::losses), before the penalties on weights.
    pub fn loss_term_count(&self, cx: &mut Context) -> usize {
        self.steps.net.loss_term_count(cx)
    }
}

/// A model is a layer: in another model, in a closure, in a `Sequential`. Its weights stand there
/// under its name, and are saved, listed, frozen and trained with the whole.
///
/// ```
/// use endo::prelude::*;
/// let encoder = Model::new(Sequential::new().add(Dense::new(2))).name("encoder");
/// let decoder = Model::new(Sequential::new().add(Dense::new(8))).name("decoder");
/// let whole = Model::new(Sequential::new().add(encoder).add(decoder));
/// whole.build([1, 8])?;
/// assert!(whole.weight("encoder/dense/kernel").is_some());
/// whole.layer("encoder")?.freeze();
/// assert_eq!(whole.trainable_weights().len(), 2);
/// # Ok::<(), Error>(())
/// ```
impl<I: Tree, O: Tree> Layer<I, O> for Model<I, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.apply(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        self.steps.net.name.as_deref()
    }

    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.steps.net.apply(inputs, cx)
    }
}

impl<I: Tree, O: Tree> Companion for Model<I, O> {
    fn named_weights(&self) -> Vec<(String, Variable)> {
        self.steps.net.named_weights()
    }

    fn layers(&self) -> Vec<LayerRecord> {
        self.steps.net.layers()
    }

    fn metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        self.steps.with_inner_metrics(Vec::new())
    }
}

impl<I: Tree, O: Tree> fmt::Debug for Model<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("weights", &self.weights()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use crate::prelude::*;

    fn names(model: &Model) -> Vec<String> {
        model.weights().iter().map(|weight| weight.name().to_string()).collect()
    }

    fn zeros(sizes: [usize; 2]) -> Array {
        Array::zeros(sizes, DType::F32)
    }

    #[test]
    fn weights_that_only_training_uses_stay_weights_of_the_model() {
        let (out, reconstruct) = (Dense::new(1).name("out"), OnceLock::new());
        let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
            let y = out.apply(x, cx);
            if cx.training() {
                let reconstruct =
                    reconstruct.get_or_init(|| Dense::new(x.features()).name("reconstruct"));
                let error = (reconstruct.apply(&y, cx) - x).square().mean();
                cx.add_loss("reconstruction", error);
            }
            y
        });
        model.compile(Sgd::new(0.1), MeanSquaredError, ());
        let data = Dataset::new(zeros([8, 3]), zeros([8, 1])).unwrap();
        model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
        model.predict(data.inputs()).unwrap();
        let all = ["out/kernel", "out/bias", "reconstruct/kernel", "reconstruct/bias"];
        assert_eq!(names(&model), all);
        assert!(model.summary().unwrap().to_string().contains("reconstruct (Dense)"));
    }

    #[test]
    fn a_layer_made_inside_call_is_found_at_the_second_trace() {
        let mut model = Model::new(|x: &Tensor, cx: &mut Context| Dense::new(1).apply(x, cx));
        model.compile(Sgd::new(0.1), MeanSquaredError, ());
        let error = model
            .fit(&Dataset::new(zeros([8, 3]), zeros([8, 1])).unwrap(), Fit::epochs(1))
            .unwrap_err();
        error.says("a second weight called `dense/kernel`");
        error.advises("make it a field");
    }

    #[test]
    fn weights_are_set_all_or_none() {
        let model = Model::new(Dense::new(2));
        model.build([1, 3]).unwrap();
        let before = model.weights()[0].value();
        assert!(model.set_weights(&[zeros([3, 2]), zeros([2, 2])]).is_err());
        assert_eq!(model.weights()[0].value(), before);
    }

    #[test]
    fn a_shared_layer_has_the_name_that_it_has_in_each_model() {
        let shared = std::sync::Arc::new(Dense::new(3));
        Model::new(Sequential::new().add(shared.clone())).build([2, 3]).unwrap();
        let model = Model::new(Sequential::new().add(Dense::new(3)).add(shared.clone()));
        model.build([2, 3]).unwrap();
        assert_eq!(model.weight("dense_1/kernel").as_ref(), shared.kernel());
    }

    #[test]
    fn weights_of_one_name_are_not_saved_over_each_other() {
        let scales = [2.0_f32, 3.0].map(|first| Variable::new("scale", first));
        let model = Model::new(move |x: &Tensor, cx: &mut Context| {
            x * cx.read(&scales[0]) * cx.read(&scales[1])
        });
        let error = model
            .build([2, 3])
            .and_then(|()| model.save_weights(std::env::temp_dir().join("endo-never-written")));
        error.unwrap_err().says("called `scale`");
    }

    #[test]
    fn the_type_of_weights_is_the_same_wherever_the_model_is_first_used() {
        let [wide, plain] =
            [Model::new(Dense::new(2)).dtype(DType::F64), Model::new(Dense::new(2))];
        let mut f = Function::new(|[x], cx| [wide.apply(&x, cx), plain.apply(&x, cx)]);
        f.run([&Array::zeros([3, 2], DType::F64)]).unwrap();
        let types = [&wide, &plain].map(|model| model.weights()[0].dtype());
        // The second has none of its own, and takes the function's.
        assert_eq!(types, [DType::F64, DType::F32]);
    }

    #[test]
    fn names_of_weights_are_the_same_wherever_the_model_is_first_used() {
        let part = || {
            Model::new(Sequential::new().add(Dense::new(2)).add(Dense::new(2))).name("part").seed(3)
        };
        let (alone, within) = (part(), std::sync::Arc::new(part()));
        alone.build([1, 2]).unwrap();
        let inner = within.clone();
        let whole = Model::new(move |x: &Tensor, cx: &mut Context| inner.apply(x, cx) + x).seed(4);
        whole.build([1, 2]).unwrap();
        assert_eq!(names(&alone), ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]);
        assert_eq!(names(&alone), names(&within));
        assert_eq!(alone.weights()[2].value(), within.weights()[2].value());
        assert_eq!(whole.weight("part/dense_1/kernel"), within.weight("dense_1/kernel"));
    }
}
