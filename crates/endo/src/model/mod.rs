//! A layer with a loss, an optimizer and metrics.
//!
//! In: a layer. Out: [`Model`]: what it is made of, its weights, and how it is used in loops; `training/` trains it.

mod attached;
pub(crate) mod balance;
pub(crate) mod balanced;
pub(crate) mod checksum;
mod compiled;
mod metrics;
mod saved;
pub(crate) mod saving;
pub(crate) mod sealed;
pub(crate) mod steps;
mod structure;
mod summary;
mod terms;
mod train_step;
pub(crate) mod watched;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::cpu::pool::Pool;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Tensor, Tree};
use crate::layers::Layer;
use crate::metrics::{Mean, Metric};
use crate::shape::Shape;
use crate::trace::attached::Attached;
use crate::trace::follow::Tracing;
use crate::trace::{Context, LayerRecord};
use crate::variable::Variable;

use metrics::Held;
use steps::Steps;

pub use balance::Balance;
pub(crate) use compiled::Compiled;
pub use compiled::{IntoLoss, IntoLosses, IntoOptimizer};
pub use saved::Saved;
pub use structure::{Structure, TermRecord};
pub use summary::Summary;
pub(crate) use summary::{distinct, short_names};
pub use terms::Terms;
use train_step::CustomStep;
pub use train_step::TrainStep;

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
    layer: Arc<dyn Layer<I, O>>,
    pub(crate) seed: u64,
    pub(crate) counter: Variable,
    pub(crate) dtype: DType,
    pub(crate) eager: bool,
    pub(crate) pool: Pool,
    pub(crate) compiled: Option<Compiled>,
    pub(crate) train_step: Option<Arc<CustomStep<I, O>>>,
    /// What was wrong in compiling it: the next step says so.
    misuse: Option<Error>,
    pub(crate) steps: Steps,
    /// Terms of the loss that only depend on weights, by name.
    added: Vec<(String, Arc<AddedLoss>)>,
    /// Terms of the loss and metrics of the outputs of layers.
    pub(crate) attached: Vec<Arc<Attached>>,
    /// The epochs that `fit` has run: what the order of the next one follows.
    pub(crate) epochs: AtomicUsize,
    state: Mutex<State>,
}

type Term = dyn Fn(&mut Context) -> Tensor + Send + Sync;

/// A term of the loss given from outside `call`, with the line that gave it.
struct AddedLoss {
    term: Box<Term>,
    site: &'static Location<'static>,
}

/// What traces of the model have found out about it.
#[derive(Default)]
struct State {
    weights: Vec<Variable>,
    layers: Vec<LayerRecord>,
    terms: Vec<TermRecord>,
    metric_terms: Vec<Arc<Mean>>,
    held: Vec<Arc<dyn Metric>>,
    outputs: Vec<String>,
    output_shapes: Vec<Shape>,
    /// The inputs' shapes and types, as last traced.
    inputs: Vec<(Shape, DType)>,
    /// What was traced and is probably not meant.
    warnings: Vec<String>,
}

impl<I: Tree, O: Tree> Model<I, O> {
    /// A model whose `call` is a layer's; weights are made when it first sees an input.
    pub fn new(layer: impl Layer<I, O> + 'static) -> Self {
        Self {
            layer: Arc::new(layer),
            seed: 0,
            counter: Tracing::new(false, 0).counter,
            dtype: DType::F32,
            eager: false,
            pool: Pool::default(),
            compiled: None,
            train_step: None,
            misuse: None,
            steps: Steps::default(),
            added: Vec::new(),
            attached: Vec::new(),
            epochs: AtomicUsize::new(0),
            state: Mutex::new(State::default()),
        }
    }

    /// The seed of first weights, shuffling and dropout; 0 unless set. To be set before the weights are made.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.counter = Tracing::new(false, seed).counter;
        self
    }

    /// The number of threads; all that the process may use unless set. Results do not depend on it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.pool = Pool::new(threads);
        self
    }

    /// The float type of the weights; `f32` unless set. To be set before the weights are made.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// Runs every step node by node instead of as a plan (Keras's `run_eagerly`): slow, and every value can be looked at.
    #[must_use]
    pub fn run_eagerly(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// Adds a term to the loss from outside `call`, a scalar computed from variables: what Keras's `model.add_loss(lambda: ..)`
    /// does. It is reported by its name, adds up with the others, counts once in a step however often the model is applied, and
    /// is among `cx.losses()` in loops of one's own.
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
    pub fn add_loss(&mut self, name: &str, term: impl Fn(&mut Context) -> Tensor + Send + Sync + 'static) -> &mut Self {
        let added = AddedLoss { term: Box::new(term), site: Location::caller() };
        self.added.push((name.to_string(), Arc::new(added)));
        self.steps.clear();
        self
    }

    /// Calls the model within a trace: in a custom loop. Its loss terms are then in `cx.losses()`, and its metrics are
    /// updated.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        let mark = cx.mark();
        let outputs = self.forward(inputs, cx);
        for (name, added) in &self.added {
            let identity = Arc::as_ptr(added) as usize;
            cx.add_loss_once(identity, name, &*added.term, added.site);
        }
        for held in cx.held_since(mark).to_vec() {
            let mut state = self.state();
            if state.held.iter().all(|known| known.name() != held.name) {
                state.held.push(Arc::new(Held(held)));
            }
        }
        let terms = cx.metric_terms_since(mark).to_vec();
        let scale = inputs.tensors().first().map_or(1, |inputs| inputs.batch()) as f64;
        for (mean, term) in self.metric_means(&terms).iter().zip(&terms) {
            mean.add(&(&term.value * scale), scale, cx);
        }
        outputs
    }

    /// Calls the layer, and notes what it is made of.
    #[track_caller]
    pub(crate) fn forward(&self, inputs: &I, cx: &mut Context) -> O {
        let site = Location::caller();
        let layers = cx.layers().len();
        let (outputs, weights) =
            cx.with_randomness(self.seed, &self.counter, |cx| cx.collect_weights(|cx| self.apply_layer(inputs, cx, site)));
        if cx.trace().error().is_some() {
            return outputs; // a trace that failed has seen a part of the model only
        }
        let mut state = self.state();
        // Not every trace sees the whole model: some layers are there in training only.
        let new: Vec<Variable> = weights.into_iter().filter(|weight| !state.weights.contains(weight)).collect();
        if let Some(again) = new.iter().find(|weight| state.weights.iter().any(|known| known.name() == weight.name())) {
            let message = format!("there is a second weight called `{}`, made after the model was traced before", again.name());
            let help = "a layer made inside `call` forgets what it learned: make it a field, in a `OnceLock` if it needs the input's size";
            cx.trace().record(Error::new(ErrorKind::Usage, message).help(help).at(site));
            return outputs;
        }
        state.weights.extend(new);
        let layers = &cx.layers()[layers..];
        if layers.len() >= state.layers.len() {
            state.layers = layers.to_vec();
        }
        state.outputs = output_names(&outputs.tensors(), cx);
        state.output_shapes = outputs.tensors().iter().map(|output| output.shape().clone()).collect();
        state.inputs = inputs.tensors().iter().map(|input| (input.shape().clone(), input.dtype())).collect();
        outputs
    }

    fn apply_layer(&self, inputs: &I, cx: &mut Context, site: &'static Location<'static>) -> O {
        let outside = cx.trace().enter(&cx.trace().scope(), site);
        let outputs = cx.with_attached(&self.attached, |cx| self.layer.apply(inputs, cx));
        cx.trace().leave(outside);
        outputs
    }

    /// Makes the weights for inputs of this shape, batch included, without running anything.
    ///
    /// # Errors
    /// The first mistake in the layers' `call`s, with the layer and the line.
    #[track_caller]
    pub fn build(&self, shape: impl Into<Shape>) -> Result<()> {
        self.build_on(&[Array::try_zeros(&shape.into(), self.dtype)?])
    }

    /// As [`build`](Self::build), for inputs of the shapes and types of these: of a model of several.
    #[track_caller]
    pub fn build_on(&self, inputs: &[Array]) -> Result<()> {
        let inputs: Vec<&Array> = inputs.iter().collect();
        self.graph(&inputs, true).map(|_| ())
    }

    /// What its `call` computes of inputs of the shapes and types of these, in training or not.
    #[track_caller]
    pub(crate) fn graph(&self, inputs: &[&Array], training: bool) -> Result<Graph> {
        let closure = Box::new(|inputs: &[Tensor], cx: &mut Context| {
            let Some(inputs) = structure(inputs, cx) else { return Vec::new() };
            self.forward(&inputs, cx).tensors().into_iter().cloned().collect()
        });
        Ok(self.tracing(training).graph(inputs, closure)?.0)
    }

    /// Its weights, trainable or not, in the order of their first use. Empty before it is built or has seen an input.
    pub fn weights(&self) -> Vec<Variable> {
        self.state().weights.clone()
    }

    /// Its weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.weights().into_iter().filter(Variable::is_trainable).collect()
    }

    /// The weight of a name: its path with or without the first part, `"dense/kernel"`.
    pub fn weight(&self, name: &str) -> Option<Variable> {
        let matches =
            |weight: &Variable| weight.name() == name || weight.name().split_once('/').is_some_and(|(_, rest)| rest == name);
        self.weights().into_iter().find(matches)
    }

    /// Overwrites all weights, given in the order of [`weights`](Self::weights), or none if one does not fit.
    pub fn set_weights(&self, values: &[Array]) -> Result<()> {
        let weights = self.weights();
        if weights.len() != values.len() {
            let message = format!("the model has {} weights, got {} arrays", weights.len(), values.len());
            return Err(
                Error::new(ErrorKind::Argument, message).help("build the model first, and give one array for each weight")
            );
        }
        weights.iter().zip(values).try_for_each(|(weight, value)| weight.check(value))?;
        weights.iter().zip(values).try_for_each(|(weight, value)| weight.set(value))
    }

    /// The outputs' names: those of the layers that made them. Empty before the model has seen an input.
    pub fn output_names(&self) -> Vec<String> {
        self.state().outputs.clone()
    }

    /// The inputs' shapes, batch included, and types, as last traced.
    pub(crate) fn inputs(&self) -> Vec<(Shape, DType)> {
        self.state().inputs.clone()
    }

    /// The outputs' shapes, batch included, as last traced.
    pub(crate) fn output_shapes(&self) -> Vec<Shape> {
        self.state().output_shapes.clone()
    }

    /// What its steps were traced with and is probably not meant, such as a gradient that does not exist. Each was printed once.
    pub fn warnings(&self) -> Vec<String> {
        self.state().warnings.clone()
    }

    /// Prints what is new.
    pub(crate) fn warn(&self, warnings: Vec<String>) {
        let known = &mut self.state().warnings;
        for warning in warnings {
            if !known.contains(&warning) {
                eprintln!("warning: {warning}");
                known.push(warning);
            }
        }
    }

    /// The layers with their outputs and weights, as a table to print.
    ///
    /// # Errors
    /// If the model was not built and has seen no input.
    pub fn summary(&self) -> Result<Summary> {
        let state = self.state();
        if state.layers.is_empty() {
            let help = "call `model.build([batch, features])` first, or `fit` it";
            return Err(Error::new(ErrorKind::Usage, "the model has no shapes yet").help(help));
        }
        Ok(Summary::new(&state.layers, &state.weights))
    }

    /// How the model's steps are traced.
    pub(crate) fn tracing(&self, training: bool) -> Tracing {
        Tracing { training, dtype: self.dtype, counter: self.counter.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The inputs of a model made of the tensors that a batch holds.
pub(crate) fn structure<I: Tree>(tensors: &[Tensor], cx: &Context) -> Option<I> {
    let mut given = tensors.iter().cloned();
    let inputs = I::from_tensors(&mut given);
    if inputs.is_none() || given.next().is_some() {
        let message = format!("the data has {} inputs, which is not what the model's `call` takes", tensors.len());
        let help = "give one array for each tensor of its input: `Dataset::new((a, b), y)` for a `Layer<[Tensor; 2]>`";
        cx.trace().record(Error::new(ErrorKind::Shape, message).help(help));
        return None;
    }
    inputs
}

/// The outputs' names: those of the layers that made them, where they tell them apart.
fn output_names(outputs: &[&Tensor], cx: &Context) -> Vec<String> {
    let made: Vec<Option<&str>> = outputs.iter().map(|output| cx.maker(output)).collect();
    let unique = |name: &str| made.iter().flatten().filter(|other| **other == name).count() == 1;
    let name = |(index, name): (usize, &Option<&str>)| match name {
        Some(name) if unique(name) => name.to_string(),
        Some(_) | None => format!("output_{index}"),
    };
    made.iter().enumerate().map(name).collect()
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
                let reconstruct = reconstruct.get_or_init(|| Dense::new(x.features()).name("reconstruct"));
                let error = (reconstruct.apply(&y, cx) - x).square().mean();
                cx.add_loss("reconstruction", error);
            }
            y
        });
        model.compile(Sgd::new(0.1), MeanSquaredError, ());
        let data = Dataset::new(zeros([8, 3]), zeros([8, 1])).unwrap();
        model.fit(&data, Fit::epochs(1).validation(&data)).unwrap();
        model.predict(data.inputs()).unwrap();
        let all = ["out/kernel", "out/bias", "reconstruct/kernel", "reconstruct/bias"].map(|name| format!("lambda/{name}"));
        assert_eq!(names(&model), all);
        assert!(model.summary().unwrap().to_string().contains("reconstruct (Dense)"));
    }

    #[test]
    fn a_layer_made_inside_call_is_found_at_the_second_trace() {
        let mut model = Model::new(|x: &Tensor, cx: &mut Context| Dense::new(1).apply(x, cx));
        model.compile(Sgd::new(0.1), MeanSquaredError, ());
        let error = model.fit(&Dataset::new(zeros([8, 3]), zeros([8, 1])).unwrap(), Fit::epochs(1)).unwrap_err();
        assert!(error.message().contains("a second weight called `lambda/dense/kernel`"), "{error}");
        assert!(error.advice().unwrap().contains("make it a field"));
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
    fn weights_of_one_name_are_not_saved_over_each_other() {
        let shared = std::sync::Arc::new(Dense::new(3));
        Model::new(Sequential::new().add(shared.clone())).build([2, 3]).unwrap();
        let model = Model::new(Sequential::new().add(Dense::new(3)).add(shared));
        model.build([2, 3]).unwrap();
        let error = model.save_weights(std::env::temp_dir().join("endo-never-written.safetensors")).unwrap_err();
        assert!(error.message().contains("two weights of the model are called `sequential/dense/kernel`"), "{error}");
    }
}
