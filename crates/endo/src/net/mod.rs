//! A layer with its weights: what a model is, without how it is trained.
//!
//! In: a layer. Out: [`Net`]: its outputs within a trace, its weights, and what traces have seen of
//! it: layers, shapes, metrics.

mod added;
pub(crate) mod checksum;
mod inner_outputs;
mod load_weights;
mod metrics;
mod model_layer;
mod names;
pub(crate) mod saved;
pub(crate) mod sealed;
mod structure;
mod summary;
pub(crate) mod weight_files;
mod weights;

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::layers::Layer;
use crate::metrics::Metric;
use crate::ops::draws::DrawLog;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::attached::AttachedTerm;
use crate::trace::draws::OccasionDraws;
use crate::trace::follow::TraceOptions;
use crate::trace::models::ModelScope;
use crate::trace::{Context, LayerRecord};
use crate::variable::Variable;

use added::AddedLoss;
use metrics::AddedMetric;

pub use load_weights::{LoadWeights, LoadedWeights};
pub use model_layer::ModelLayer;
pub(crate) use names::{distinct, first, nearest_path, short_names};
pub use saved::Saved;
pub use structure::{Structure, TermRecord};
pub use summary::Summary;
pub(crate) use weights::WeightState;

/// A layer with its weights, its seed and its names.
pub(crate) struct Net<I: Tree = Tensor, O: Tree = Tensor> {
    layer: Arc<dyn Layer<I, O>>,
    pub name: Option<String>,
    /// The seed, if one was given.
    seed: Option<u64>,
    /// What its random numbers follow in training.
    pub counter: Variable,
    /// The float type of its weights, if it was given one; that of the trace in which it first sees
    /// an input otherwise.
    pub dtype: Option<DType>,
    /// Terms of the loss that only depend on weights.
    added: Vec<Arc<AddedLoss>>,
    /// Terms of the loss and metrics of the outputs of layers.
    pub attached: Vec<Arc<AttachedTerm>>,
    /// Models that belong to it and that its `call` need not apply, by the names under which they
    /// stand.
    companions: Vec<(String, Arc<dyn Companion>)>,
    /// Whether warnings are printed when they are new.
    pub prints_warnings: bool,
    /// Whether it is frozen as a whole, so that weights still to come are, too.
    frozen: AtomicBool,
    seen: Mutex<TracedParts>,
}

/// A model that belongs to another.
pub(crate) trait Companion: Send + Sync {
    /// Its weights by their names within it.
    fn named_weights(&self) -> Vec<(String, Variable)>;
    /// Its layers.
    fn layers(&self) -> Vec<LayerRecord>;
    /// The metrics inside it, by their names in its own reports.
    fn metrics(&self) -> Vec<(String, Arc<dyn Metric>)>;
}

/// What traces have seen of it.
#[derive(Default)]
struct TracedParts {
    /// Its weights and the variables that its `call` reads, by their names within it.
    weights: Vec<(String, Variable)>,
    layers: Vec<LayerRecord>,
    terms: Vec<TermRecord>,
    /// The means of what layers have given to `add_metric`.
    added_metrics: Vec<AddedMetric>,
    /// The metrics that layers hold.
    held_metrics: Vec<Arc<dyn Metric>>,
    output_names: Vec<String>,
    output_shapes: Vec<Shape>,
    /// Which outputs have a mask of the positions that count.
    masked_outputs: Vec<bool>,
    /// The inputs' shapes and types, as last traced.
    inputs: Vec<(Shape, DType)>,
    /// What was traced and is probably not meant.
    warnings: Vec<String>,
}

impl<I: Tree, O: Tree> Net<I, O> {
    pub fn new(layer: impl Layer<I, O> + 'static) -> Self {
        Self {
            layer: Arc::new(layer),
            name: None,
            seed: None,
            counter: TraceOptions::new(false, 0).counter,
            dtype: None,
            added: Vec::new(),
            attached: Vec::new(),
            companions: Vec::new(),
            prints_warnings: true,
            frozen: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// Sets the seed of first weights, shuffling and dropout.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = Some(seed);
        self.counter = TraceOptions::new(false, seed).counter;
    }

    /// The seed of first weights, shuffling and dropout; 0 unless one was given.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Calls the layer within a trace, with all terms of the loss, and updates its metrics. Where
    /// another model is being applied, those are metrics of that one.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        let mark = cx.mark();
        let outputs = self.call(inputs, true, cx);
        if !cx.is_within_model() {
            let batch = inputs.tensors().first().map_or(1, |inputs| inputs.batch());
            self.update_metrics(mark, batch, false, cx);
        }
        outputs
    }

    /// Calls the layer alone, as predictions do: terms given from outside are not computed, and
    /// metrics not updated.
    #[track_caller]
    pub fn forward(&self, inputs: &I, cx: &mut Context) -> O {
        self.call(inputs, false, cx)
    }

    /// Calls the layer, and notes what it is made of.
    #[track_caller]
    fn call(&self, inputs: &I, with_losses: bool, cx: &mut Context) -> O {
        let site = Site::caller();
        let layers = cx.layers().len();
        let (outputs, used) = cx.with_model(self.scope(), |cx| {
            let outside = cx.trace().enter(&cx.trace().scope(), site);
            let outputs = self.layer.apply(inputs, cx);
            cx.trace().leave(outside);
            if with_losses {
                self.add_losses(cx);
            }
            outputs
        });
        if cx.trace().error().is_some() {
            return outputs; // a trace that failed has seen a part of the model only
        }
        let mut seen = self.seen();
        // What metrics add up is theirs; and not every trace sees the whole model: some layers are
        // there in training only.
        let of_metric = |variable: &Variable| {
            cx.held_metrics().iter().any(|metric| (metric.variables)().contains(variable))
        };
        let is_new = |(_, variable): &(String, Variable)| {
            seen.weights.iter().all(|(_, known)| known != variable) && !of_metric(variable)
        };
        let new: Vec<(String, Variable)> =
            used.variables.iter().filter(|entry| is_new(entry)).cloned().collect();
        if let Some((again, _)) =
            new.iter().find(|(name, _)| seen.weights.iter().any(|(known, _)| known == name))
        {
            let message = format!(
                "there is a second weight called `{again}`, made after the model was traced before"
            );
            let help = "a layer made inside `call` forgets what it learned: make it a field, in a \
                `OnceLock` if it needs the input's size";
            cx.trace().record(Error::usage(message, help).at(site));
            return outputs;
        }
        if self.frozen.load(Ordering::Relaxed) {
            for (_, variable) in &new {
                variable.freeze();
            }
        }
        seen.weights.extend(new);
        let layers = &cx.layers()[layers..];
        if layers.len() >= seen.layers.len() {
            seen.layers = layers
                .iter()
                .map(|layer| LayerRecord { path: used.own_path(&layer.path), ..layer.clone() })
                .collect();
        }
        seen.output_names = output_names(&outputs, cx);
        let made = outputs.tensors();
        seen.output_shapes = made.iter().map(|output| output.shape().clone()).collect();
        seen.masked_outputs = made.iter().map(|output| cx.mask(output).is_some()).collect();
        seen.inputs = inputs
            .tensors()
            .iter()
            .map(|input| (input.shape().clone(), input.stored_dtype()))
            .collect();
        outputs
    }

    fn scope(&self) -> ModelScope<'_> {
        ModelScope {
            id: self.id(),
            name: self.name.as_deref(),
            seed: self.seed,
            dtype: self.dtype,
            counter: &self.counter,
            attached: &self.attached,
        }
    }

    /// A number that no other net of this process has.
    pub fn id(&self) -> u64 {
        self.counter.id()
    }

    /// Its loss terms in a trace, and the penalties of its weights, as scalars.
    #[track_caller]
    pub fn losses(&self, cx: &mut Context) -> Vec<Tensor> {
        let terms =
            cx.terms_of(self.id(), None).into_iter().map(|term| term.scalar()).collect::<Vec<_>>();
        terms
            .into_iter()
            .chain(cx.penalties_of(self.id()).into_iter().map(|term| term.value))
            .collect()
    }

    /// How many loss terms its layers have added in a trace.
    pub fn loss_term_count(&self, cx: &mut Context) -> usize {
        cx.terms_of(self.id(), None).len()
    }

    /// Makes the weights for inputs of the shapes and types of these, without running anything.
    #[track_caller]
    pub fn build_on(&self, inputs: &[Array]) -> Result<()> {
        let inputs: Vec<&Array> = inputs.iter().collect();
        let closure = Box::new(|inputs: &[Tensor], cx: &mut Context| {
            let Some(inputs) = structure(inputs, cx) else { return Vec::new() };
            self.forward(&inputs, cx).tensors().into_iter().cloned().collect()
        });
        self.tracing().graph(&inputs, closure).map(|_| ())
    }

    /// The metrics inside the models that belong to it, by names that begin with those of these.
    pub fn companion_metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        let named = self.companions.iter().flat_map(|(part, companion)| {
            let metrics = companion.metrics().into_iter();
            metrics.map(move |(name, metric)| (format!("{part}_{name}"), metric))
        });
        named.collect()
    }

    /// Adds a model that belongs to it under a name.
    pub fn add_companion(&mut self, name: String, companion: Arc<dyn Companion>) {
        self.companions.push((name, companion));
    }

    /// Its layers, and then those of the models that belong to it.
    pub fn layers(&self) -> Vec<LayerRecord> {
        let mut layers = self.seen().layers.clone();
        for (part, companion) in &self.companions {
            for layer in companion.layers() {
                let is_known = layers
                    .iter()
                    .any(|known| !known.weights.is_empty() && known.weights == layer.weights);
                if !is_known {
                    let rest = layer
                        .path
                        .split_once('/')
                        .map_or(String::new(), |(_, rest)| format!("/{rest}"));
                    layers.push(LayerRecord { path: format!("{part}{rest}"), ..layer });
                }
            }
        }
        layers
    }

    /// Fails for a model that belongs to it and has no weights yet, which a file would lack.
    pub fn require_companions(&self) -> Result<()> {
        let unbuilt = self.companions.iter().find(|(_, companion)| companion.layers().is_empty());
        unbuilt.map_or(Ok(()), |(name, _)| {
            let message = format!(
                "the part `{name}` of the model has seen no input yet, so its weights are not there"
            );
            let help = "call `build` of that model first, or train a step that applies it";
            Err(Error::usage(message, help))
        })
    }

    /// Whether a trace has seen its layers.
    pub fn is_built(&self) -> bool {
        !self.seen().layers.is_empty()
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

    /// Which outputs have a mask of the positions that count, as last traced.
    pub fn masked_outputs(&self) -> Vec<bool> {
        self.seen().masked_outputs.clone()
    }

    /// What its steps were traced with and is probably not meant.
    pub fn warnings(&self) -> Vec<String> {
        self.seen().warnings.clone()
    }

    /// Keeps what is new, and prints it unless the program does.
    pub fn warn(&self, warnings: Vec<String>) {
        let known = &mut self.seen().warnings;
        for warning in warnings {
            if !known.contains(&warning) {
                if self.prints_warnings {
                    eprintln!("warning: {warning}");
                }
                known.push(warning);
            }
        }
    }

    /// The layers with their outputs and weights, as a table to print.
    pub fn summary(&self) -> Result<Summary> {
        let layers = self.layers();
        if layers.is_empty() {
            return Err(not_built("the model has no shapes yet"));
        }
        Ok(Summary::new(&layers, &self.weights()))
    }

    /// Its layers, and where each term of its loss comes from.
    pub fn structure(&self) -> Structure {
        Structure { layers: self.layers(), terms: self.seen().terms.clone() }
    }

    /// Notes where the terms of the loss come from.
    pub fn note_terms(&self, terms: Vec<TermRecord>) {
        self.seen().terms = terms;
    }

    /// How it is traced in training.
    pub fn tracing(&self) -> TraceOptions {
        TraceOptions {
            training: true,
            dtype: self.dtype.unwrap_or(DType::F32),
            counter: self.counter.clone(),
            occasion: None,
            unrolled: false,
        }
    }

    /// How it is traced outside training, with what notes its draws.
    pub fn tracing_on_occasion(&self, log: &Rc<DrawLog>) -> TraceOptions {
        TraceOptions {
            training: false,
            occasion: Some(OccasionDraws::new(self.seed(), log.clone())),
            ..self.tracing()
        }
    }

    fn seen(&self) -> MutexGuard<'_, TracedParts> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The error of what needs a model that has seen an input.
pub(crate) fn not_built(message: &str) -> Error {
    Error::usage(message, "call `model.build([batch, features])` first, or `fit` it")
}

/// The inputs of a model made of the tensors that a batch holds.
pub(crate) fn structure<I: Tree>(tensors: &[Tensor], cx: &Context) -> Option<I> {
    let mut given = tensors.iter().cloned();
    let inputs = I::from_tensors(&mut given);
    if inputs.is_none() || given.next().is_some() {
        let message = format!(
            "the data has {} inputs, which is not what the model's `call` takes",
            tensors.len()
        );
        let help = "give one array for each tensor of its input: `Dataset::new((a, b), y)` for a \
            `Layer<[Tensor; 2]>`";
        cx.trace().record(Error::shape(message, help));
        return None;
    }
    inputs
}

/// The outputs' names: the fields of a struct, or the layers that made them, where they tell them
/// apart.
pub(crate) fn output_names<O: Tree>(outputs: &O, cx: &Context) -> Vec<String> {
    let made = outputs.tensors().into_iter().map(|output| cx.maker(output).map(str::to_string));
    let names: Vec<Option<String>> =
        outputs.names().into_iter().zip(made).map(|(own, maker)| own.or(maker)).collect();
    let unique = |name: &String| names.iter().flatten().filter(|other| *other == name).count() == 1;
    let name = |(index, name): (usize, &Option<String>)| match name {
        Some(name) if unique(name) => name.clone(),
        Some(_) | None => format!("output_{index}"),
    };
    names.iter().enumerate().map(name).collect()
}
