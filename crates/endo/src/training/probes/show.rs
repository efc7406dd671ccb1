//! The outputs by which a step shows its inside.
//!
//! In: what is due, and what the step has computed. Out: statistics as further outputs, and where among them each reading is.

use crate::array::Array;
use crate::graph::Tensor;
use crate::model::watched::{Missing, ProbeKind, Shown, ShownTerms, ShownValue, Watch};
use crate::trace::Context;
use crate::trace::record::GivenGradient;
use crate::variable::Variable;

use super::statistics::{bounds, floats, histogram, statistics};
use super::terms;

/// What a step has computed when it is asked to show something.
pub(crate) struct Seen<'a> {
    /// How many outputs it has before those that show something.
    pub first: usize,
    /// The terms of its loss, where they are known.
    pub terms: &'a [(String, Tensor)],
    pub weights: &'a [Variable],
}

/// What a step has shown.
#[derive(Clone, Copy, Default)]
pub(crate) struct Look<'a> {
    pub shown: &'a [Shown],
    pub missing: &'a [Missing],
    /// The outputs in which it is.
    pub outputs: &'a [Array],
}

/// Something that can be shown.
struct Value {
    /// What patterns are compared with.
    name: String,
    path: String,
    tensor: Tensor,
    bounds: Option<[f64; 2]>,
}

impl Seen<'_> {
    /// Adds what is due to a step, whose optimizer and metrics are traced already: nothing that they compute changes.
    pub fn show(&self, due: &[Watch], cx: &mut Context) -> (Vec<Shown>, Vec<Missing>, Vec<Tensor>) {
        let mut added = Added { first: self.first, ..Added::default() };
        let (mut shown, mut missing) = (Vec::new(), Vec::new());
        for (index, watch) in due.iter().enumerate() {
            let values = match watch.kind {
                ProbeKind::Activations => activations(cx),
                ProbeKind::Weights => self.weights(cx),
                ProbeKind::Gradients => gradients(cx),
                ProbeKind::Updates => self.updates(cx),
                ProbeKind::Terms => {
                    let (products, values) = terms::products(self.terms, self.weights, cx);
                    let (scalars, start) = added.scalars(values);
                    shown.push(Shown::Terms(ShownTerms { scalars, start, ..products }));
                    continue;
                }
            };
            let matching = |value: &&Value| watch.pattern.matches(&value.name);
            if !values.iter().any(|value| matching(&value)) {
                missing.push(Missing { watch: index, names: values.iter().map(|value| value.name.clone()).collect() });
            }
            for value in values.iter().filter(matching).filter(|value| !value.tensor.shape().is_empty()) {
                shown.push(Shown::Value(added.value(value, index, watch)));
            }
        }
        (shown, missing, added.outputs())
    }

    fn weights(&self, cx: &Context) -> Vec<Value> {
        let read = |weight: &Variable| Some(Value::of(weight, cx.trace().first_read(weight)?));
        self.weights.iter().filter_map(read).collect()
    }

    fn updates(&self, cx: &Context) -> Vec<Value> {
        let assigned = self.weights.iter().filter(|weight| cx.assigned().contains(weight));
        let update = |weight| {
            let before = cx.trace().first_read(weight)?;
            Some(Value::of(weight, floats(&cx.read(weight)) - floats(&before)))
        };
        assigned.filter_map(update).collect()
    }
}

impl Value {
    fn of(weight: &Variable, tensor: Tensor) -> Self {
        let name = weight.name().to_string();
        Self { path: name.clone(), name, tensor, bounds: None }
    }
}

/// The gradients that optimizers were given, of the loss itself where they scale it.
fn gradients(cx: &Context) -> Vec<Value> {
    let given = cx.given_gradients().iter();
    let value = |given: &GivenGradient| {
        let gradient = given.scale.map_or_else(|| given.gradient.clone(), |scale| &given.gradient / scale);
        Value::of(&given.weight, gradient)
    };
    given.map(value).collect()
}

/// The outputs of all layers, in the order in which their calls ended.
fn activations(cx: &Context) -> Vec<Value> {
    let mut values = Vec::new();
    for visit in cx.visits() {
        let record = cx.layers().iter().find(|record| record.path == visit.path);
        let activation = record.and_then(|record| record.hyperparameters.iter().find(|(name, _)| *name == "activation"));
        for (index, output) in visit.outputs.iter().enumerate() {
            let call = if visit.call == 0 { String::new() } else { format!("#{}", visit.call) };
            let place = if visit.outputs.len() == 1 { String::new() } else { format!(".{index}") };
            let (name, path) = (visit.path.clone(), format!("{}{place}{call}", visit.path));
            values.push(Value { name, path, tensor: output.clone(), bounds: activation.and_then(|(_, text)| bounds(text)) });
        }
    }
    values
}

/// What is added to the outputs of a step.
#[derive(Default)]
struct Added {
    /// The place of the first of them, which holds the scalars.
    first: usize,
    scalars: Vec<Tensor>,
    /// The others.
    arrays: Vec<Tensor>,
}

impl Added {
    /// The output that holds the scalars, and where these are in it.
    fn scalars(&mut self, scalars: Vec<Tensor>) -> (usize, usize) {
        let start = self.scalars.len();
        self.scalars.extend(scalars);
        (self.first, start)
    }

    /// The place of an output that is no scalar.
    fn array(&mut self, array: Tensor) -> usize {
        self.arrays.push(array);
        self.first + self.arrays.len()
    }

    fn value(&mut self, value: &Value, watch: usize, wanted: &Watch) -> ShownValue {
        let floats = floats(&value.tensor);
        let (scalars, start) = self.scalars(statistics(&floats, value.bounds));
        let histogram = (wanted.bins > 0).then(|| self.array(histogram(&floats, wanted.bins)));
        let raw = wanted.raw.then(|| self.array(value.tensor.clone()));
        let (kind, path, count, bounded) = (wanted.kind, value.path.clone(), value.tensor.shape().len(), value.bounds.is_some());
        ShownValue { watch, kind, path, count, scalars, start, bounded, histogram, raw }
    }

    fn outputs(self) -> Vec<Tensor> {
        let scalars = (!self.scalars.is_empty()).then(|| Tensor::stack(&self.scalars, 0));
        scalars.into_iter().chain(self.arrays).collect()
    }
}
