//! The outputs by which a step shows its inside.
//!
//! In: what is due, and what the step has computed. Out: summaries as outputs, and where among them
//! each reading is.

use crate::array::Array;
use crate::graph::Tensor;
use crate::trace::record::{GivenGradient, UsedWeight};
use crate::trace::{Context, Term};
use crate::variable::Variable;

use super::probe_request::{
    ProbeKind, ProbeOutput, ProbeRequest, ProbedTerms, ProbedValue, UnmatchedProbe,
};
use super::saturation::{bounds, floats, saturation};
use super::term_products;

/// What a step has computed when it is asked to show something.
pub(crate) struct ProbedStep<'a> {
    /// How many outputs it has before those that show something.
    pub first: usize,
    /// The terms of its loss, where they are known.
    pub terms: &'a [Term],
    pub weights: &'a [Variable],
}

/// What a step has shown.
#[derive(Clone, Copy, Default)]
pub(crate) struct ProbeView<'a> {
    pub shown: &'a [ProbeOutput],
    pub missing: &'a [UnmatchedProbe],
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

impl ProbedStep<'_> {
    /// Adds what is due to a step, whose optimizer and metrics are traced already: nothing that
    /// they compute changes.
    pub fn show(
        &self,
        due: &[ProbeRequest],
        cx: &mut Context,
    ) -> (Vec<ProbeOutput>, Vec<UnmatchedProbe>, Vec<Tensor>) {
        let (mut shown, mut missing, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        for (index, watch) in due.iter().enumerate() {
            let values = match watch.kind {
                ProbeKind::Activations => activations(cx),
                ProbeKind::Weights => self.weights(cx),
                ProbeKind::Gradients => gradients(cx),
                ProbeKind::Updates => self.updates(cx),
                ProbeKind::Terms => {
                    let (terms, products) = term_products::products(self.terms, self.weights, cx);
                    shown.push(ProbeOutput::Terms(ProbedTerms {
                        output: self.first + outputs.len(),
                        ..terms
                    }));
                    outputs.extend(products);
                    continue;
                }
            };
            let matching = |value: &&Value| watch.pattern.matches(&value.name);
            if !values.iter().any(|value| matching(&value)) {
                missing.push(UnmatchedProbe {
                    watch: index,
                    names: values.iter().map(|value| value.name.clone()).collect(),
                });
            }
            let wanted: Vec<&Value> = values
                .iter()
                .filter(matching)
                .filter(|value| !value.tensor.shape().is_empty())
                .collect();
            for values in groups(&wanted) {
                let summaries = self.first + outputs.len();
                let floats: Vec<_> = values
                    .iter()
                    .map(|value| (floats(&value.tensor), value.saturation()))
                    .collect();
                outputs.push(Tensor::summaries(&floats, watch.bins));
                for (row, value) in values.iter().enumerate() {
                    let raw = watch.raw.then(|| {
                        outputs.push(value.tensor.clone());
                        self.first + outputs.len() - 1
                    });
                    shown.push(ProbeOutput::Value(ProbedValue {
                        watch: index,
                        kind: watch.kind,
                        path: value.path.clone(),
                        count: value.tensor.shape().len(),
                        summaries,
                        row,
                        bins: watch.bins,
                        bounded: value.bounds.is_some(),
                        raw,
                    }));
                }
            }
        }
        (shown, missing, outputs)
    }

    fn weights(&self, cx: &Context) -> Vec<Value> {
        let read = |weight: &Variable| Some(Value::of(weight, cx.trace().first_read(weight)?, cx));
        self.weights.iter().filter_map(read).collect()
    }

    fn updates(&self, cx: &Context) -> Vec<Value> {
        let assigned = self.weights.iter().filter(|weight| cx.assigned().contains(weight));
        let update = |weight| {
            let before = cx.trace().first_read(weight)?;
            Some(Value::of(weight, floats(&cx.read(weight)) - floats(&before), cx))
        };
        assigned.filter_map(update).collect()
    }
}

impl Value {
    fn of(weight: &Variable, tensor: Tensor, cx: &Context) -> Self {
        let used = cx.used_weights().iter().find(|used| used.variable == *weight);
        let name = used.map_or_else(|| weight.name().to_string(), UsedWeight::path);
        Self { path: name.clone(), name, tensor, bounds: None }
    }

    /// The bounds beyond which its elements count as saturated: none are, where it has no bounds.
    fn saturation(&self) -> [f64; 2] {
        self.bounds.map_or([f64::NEG_INFINITY, f64::INFINITY], saturation)
    }
}

/// Values that are read by one operation. All of them have to be there at once, so they are not too
/// large together.
fn groups<'v, 'a>(values: &'v [&'a Value]) -> Vec<&'v [&'a Value]> {
    const MOST: usize = 1 << 18;
    let (mut groups, mut start, mut elements) = (Vec::new(), 0, 0);
    for (index, value) in values.iter().enumerate() {
        let more = value.tensor.shape().len();
        if index > start && elements + more > MOST {
            groups.push(&values[start..index]);
            (start, elements) = (index, 0);
        }
        elements += more;
    }
    if start < values.len() {
        groups.push(&values[start..]);
    }
    groups
}

/// The gradients that optimizers were given, of the loss itself where they scale it.
fn gradients(cx: &Context) -> Vec<Value> {
    let given = cx.given_gradients().iter();
    let value = |given: &GivenGradient| {
        let gradient =
            given.scale.map_or_else(|| given.gradient.clone(), |scale| &given.gradient / scale);
        Value::of(&given.weight, gradient, cx)
    };
    given.map(value).collect()
}

/// The outputs of all layers, in the order in which their calls ended.
fn activations(cx: &Context) -> Vec<Value> {
    let mut values = Vec::new();
    for visit in cx.visits() {
        let record = cx.layers().iter().find(|record| record.path == visit.path);
        let activation = record.and_then(|record| {
            record.hyperparameters.iter().find(|(name, _)| *name == "activation")
        });
        for (index, output) in visit.outputs.iter().enumerate() {
            let call = if visit.call == 0 { String::new() } else { format!("#{}", visit.call) };
            let place = if visit.outputs.len() == 1 { String::new() } else { format!(".{index}") };
            let (name, path) = (visit.path.clone(), format!("{}{place}{call}", visit.path));
            values.push(Value {
                name,
                path,
                tensor: output.clone(),
                bounds: activation.and_then(|(_, text)| bounds(text)),
            });
        }
    }
    values
}
