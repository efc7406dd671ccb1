//! The outputs by which a step shows its inside.
//!
//! In: what is due, and what the step has computed. Out: statistics as further outputs, and where among them each reading is.

use crate::array::Array;
use crate::graph::Tensor;
use crate::model::watched::{Missing, ProbeKind, Shown, ShownValue, Watch};
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
        let (mut shown, mut missing, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        for (index, watch) in due.iter().enumerate() {
            let values = match watch.kind {
                ProbeKind::Activations => activations(cx),
                ProbeKind::Weights => self.weights(cx),
                ProbeKind::Gradients => gradients(cx),
                ProbeKind::Updates => self.updates(cx),
                ProbeKind::Terms => {
                    let (products, values) = terms::products(self.terms, self.weights, self.first + outputs.len(), cx);
                    shown.push(Shown::Terms(products));
                    outputs.extend(values);
                    continue;
                }
            };
            let matching = |value: &&Value| watch.pattern.matches(&value.name);
            if !values.iter().any(|value| matching(&value)) {
                missing.push(Missing { watch: index, names: values.iter().map(|value| value.name.clone()).collect() });
            }
            for value in values.iter().filter(matching).filter(|value| !value.tensor.shape().is_empty()) {
                shown.push(Shown::Value(show_value(value, index, watch, self.first, &mut outputs)));
            }
        }
        (shown, missing, outputs)
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

/// Adds the statistics of a value to the outputs, which begin at `first`.
fn show_value(value: &Value, watch: usize, wanted: &Watch, first: usize, outputs: &mut Vec<Tensor>) -> ShownValue {
    let start = first + outputs.len();
    let floats = floats(&value.tensor);
    outputs.extend(statistics(&floats, value.bounds));
    let mut add = |tensor: Tensor| {
        outputs.push(tensor);
        first + outputs.len() - 1
    };
    let histogram = (wanted.bins > 0).then(|| add(histogram(&floats, wanted.bins)));
    let raw = wanted.raw.then(|| add(value.tensor.clone()));
    let (kind, path, count) = (wanted.kind, value.path.clone(), value.tensor.shape().len());
    ShownValue { watch, kind, path, count, start, bounded: value.bounds.is_some(), histogram, raw }
}
