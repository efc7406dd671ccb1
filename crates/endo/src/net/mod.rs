//! A layer with its weights: what a model is, without how it is trained.
//!
//! In: a layer. Out: [`Net`]: its outputs within a trace, its weights, and what traces have seen of it: layers, shapes, metrics.

mod added;
pub(crate) mod checksum;
mod metrics;
mod names;
pub(crate) mod saved;
pub(crate) mod sealed;
mod structure;
mod summary;
pub(crate) mod weight_files;

use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Tensor, Tree};
use crate::layers::Layer;
use crate::metrics::{Mean, Metric};
use crate::ops::draws::DrawLog;
use crate::shape::Shape;
use crate::trace::attached::Attached;
use crate::trace::draws::OccasionDraws;
use crate::trace::follow::Tracing;
use crate::trace::{Context, LayerRecord};
use crate::variable::Variable;

use added::AddedLoss;

pub(crate) use names::{distinct, short_names};
pub use saved::Saved;
pub use structure::{Structure, TermRecord};
pub use summary::Summary;

/// A layer with its weights, its seed and its names.
pub(crate) struct Net<I: Tree = Tensor, O: Tree = Tensor> {
    layer: Arc<dyn Layer<I, O>>,
    pub seed: u64,
    /// What its random numbers follow in training.
    pub counter: Variable,
    /// The float type of its weights.
    pub dtype: DType,
    /// Terms of the loss that only depend on weights.
    added: Vec<Arc<AddedLoss>>,
    /// Terms of the loss and metrics of the outputs of layers.
    pub attached: Vec<Arc<Attached>>,
    seen: Mutex<Seen>,
}

/// What traces have seen of it.
#[derive(Default)]
struct Seen {
    weights: Vec<Variable>,
    layers: Vec<LayerRecord>,
    terms: Vec<TermRecord>,
    /// The means of what layers have given to `add_metric`.
    added_metrics: Vec<Arc<Mean>>,
    /// The metrics that layers hold.
    held_metrics: Vec<Arc<dyn Metric>>,
    output_names: Vec<String>,
    output_shapes: Vec<Shape>,
    /// The inputs' shapes and types, as last traced.
    inputs: Vec<(Shape, DType)>,
    /// What was traced and is probably not meant.
    warnings: Vec<String>,
}

impl<I: Tree, O: Tree> Net<I, O> {
    pub fn new(layer: impl Layer<I, O> + 'static) -> Self {
        Self {
            layer: Arc::new(layer),
            seed: 0,
            counter: Tracing::new(false, 0).counter,
            dtype: DType::F32,
            added: Vec::new(),
            attached: Vec::new(),
            seen: Mutex::default(),
        }
    }

    /// Sets the seed of first weights, shuffling and dropout.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
        self.counter = Tracing::new(false, seed).counter;
    }

    /// Calls the layer within a trace, with all terms of the loss, and updates its metrics.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        let mark = cx.mark();
        let outputs = self.forward(inputs, cx);
        self.add_losses(cx);
        self.update_metrics(mark, inputs.tensors().first().map_or(1, |inputs| inputs.batch()), cx);
        outputs
    }

    /// Calls the layer, and notes what it is made of.
    #[track_caller]
    pub fn forward(&self, inputs: &I, cx: &mut Context) -> O {
        let site = Location::caller();
        let layers = cx.layers().len();
        let (outputs, weights) =
            cx.with_randomness(self.seed, &self.counter, |cx| cx.collect_weights(|cx| self.apply_layer(inputs, cx, site)));
        if cx.trace().error().is_some() {
            return outputs; // a trace that failed has seen a part of the model only
        }
        let mut seen = self.seen();
        // Not every trace sees the whole model: some layers are there in training only.
        let new: Vec<Variable> = weights.into_iter().filter(|weight| !seen.weights.contains(weight)).collect();
        if let Some(again) = new.iter().find(|weight| seen.weights.iter().any(|known| known.name() == weight.name())) {
            let message = format!("there is a second weight called `{}`, made after the model was traced before", again.name());
            let help = "a layer made inside `call` forgets what it learned: make it a field, in a `OnceLock` if it needs the input's size";
            cx.trace().record(Error::new(ErrorKind::Usage, message).help(help).at(site));
            return outputs;
        }
        seen.weights.extend(new);
        let layers = &cx.layers()[layers..];
        if layers.len() >= seen.layers.len() {
            seen.layers = layers.to_vec();
        }
        seen.output_names = output_names(&outputs.tensors(), cx);
        seen.output_shapes = outputs.tensors().iter().map(|output| output.shape().clone()).collect();
        seen.inputs = inputs.tensors().iter().map(|input| (input.shape().clone(), input.dtype())).collect();
        outputs
    }

    fn apply_layer(&self, inputs: &I, cx: &mut Context, site: &'static Location<'static>) -> O {
        let outside = cx.trace().enter(&cx.trace().scope(), site);
        let outputs = cx.with_attached(&self.attached, |cx| self.layer.apply(inputs, cx));
        cx.trace().leave(outside);
        outputs
    }

    /// Makes the weights for inputs of the shapes and types of these, without running anything.
    #[track_caller]
    pub fn build_on(&self, inputs: &[Array]) -> Result<()> {
        let inputs: Vec<&Array> = inputs.iter().collect();
        self.graph(&inputs, &self.tracing()).map(|_| ())
    }

    /// What its `call` computes of inputs of the shapes and types of these.
    #[track_caller]
    pub fn graph(&self, inputs: &[&Array], tracing: &Tracing) -> Result<Graph> {
        let closure = Box::new(|inputs: &[Tensor], cx: &mut Context| {
            let Some(inputs) = structure(inputs, cx) else { return Vec::new() };
            self.forward(&inputs, cx).tensors().into_iter().cloned().collect()
        });
        Ok(tracing.graph(inputs, closure)?.0)
    }

    /// Its weights, trainable or not, in the order of their first use.
    pub fn weights(&self) -> Vec<Variable> {
        self.seen().weights.clone()
    }

    /// Its weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.weights().into_iter().filter(Variable::is_trainable).collect()
    }

    /// Which of its weights optimizers may change.
    pub fn trainable(&self) -> Vec<bool> {
        self.seen().weights.iter().map(Variable::is_trainable).collect()
    }

    /// The weight of a name.
    pub fn weight(&self, name: &str) -> Option<Variable> {
        let matches =
            |weight: &Variable| weight.name() == name || weight.name().split_once('/').is_some_and(|(_, rest)| rest == name);
        self.weights().into_iter().find(matches)
    }

    /// Overwrites all weights, or none if one does not fit.
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

    /// The outputs' names: those of the layers that made them.
    pub fn output_names(&self) -> Vec<String> {
        self.seen().output_names.clone()
    }

    /// The inputs' shapes, batch included, and types, as last traced.
    pub fn inputs(&self) -> Vec<(Shape, DType)> {
        self.seen().inputs.clone()
    }

    /// The outputs' shapes, batch included, as last traced.
    pub fn output_shapes(&self) -> Vec<Shape> {
        self.seen().output_shapes.clone()
    }

    /// What its steps were traced with and is probably not meant.
    pub fn warnings(&self) -> Vec<String> {
        self.seen().warnings.clone()
    }

    /// Prints what is new.
    pub fn warn(&self, warnings: Vec<String>) {
        let known = &mut self.seen().warnings;
        for warning in warnings {
            if !known.contains(&warning) {
                eprintln!("warning: {warning}");
                known.push(warning);
            }
        }
    }

    /// The layers with their outputs and weights, as a table to print.
    pub fn summary(&self) -> Result<Summary> {
        let seen = self.seen();
        if seen.layers.is_empty() {
            let help = "call `model.build([batch, features])` first, or `fit` it";
            return Err(Error::new(ErrorKind::Usage, "the model has no shapes yet").help(help));
        }
        Ok(Summary::new(&seen.layers, &seen.weights))
    }

    /// Its layers, and where each term of its loss comes from.
    pub fn structure(&self) -> Structure {
        let seen = self.seen();
        Structure { layers: seen.layers.clone(), terms: seen.terms.clone() }
    }

    /// Notes where the terms of the loss come from.
    pub fn note_terms(&self, terms: Vec<TermRecord>) {
        self.seen().terms = terms;
    }

    /// How it is traced in training.
    pub fn tracing(&self) -> Tracing {
        Tracing { training: true, dtype: self.dtype, counter: self.counter.clone(), occasion: None }
    }

    /// How it is traced outside training, with what notes its draws.
    pub fn tracing_on_occasion(&self, log: &Rc<DrawLog>) -> Tracing {
        Tracing { training: false, occasion: Some(OccasionDraws::new(self.seed, log.clone())), ..self.tracing() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
