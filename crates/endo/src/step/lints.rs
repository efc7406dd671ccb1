//! What is not wrong but probably not meant, seen while a training step is traced.
//!
//! In: the terms of the loss, the trainable weights, what a step of the user's own has assigned,
//! and the patterns of probes and attachments. Out: a warning for each term that no weight can
//! change, each weight that no term reaches, each metric that is left out and each pattern that
//! nothing matches, with the user's line. Evaluation and prediction are not looked at: there
//! nothing is to change.

use std::sync::Arc;

use crate::autodiff;
use crate::dtype::DType;
use crate::graph::{Node, NodeId, Op, Tensor};
use crate::net::nearest_path;
use crate::trace::attached::AttachedTerm;
use crate::trace::{Context, Term};
use crate::variable::Variable;

use super::Terms;
use super::probe_request::{ProbeKind, ProbeRequest};

/// The trainable weights that the loss depends on; of the others, and of the terms that depend on
/// none, the user is warned.
///
/// A term that only weights frozen since they were made can change is meant: freezing a layer
/// leaves its penalties and activity terms constant. A term that no weight could ever change is
/// not. A model that is compiled without a loss trains on its internal terms alone: that weights of
/// its outputs stay as they are is meant, too.
pub(super) fn reached_weights(terms: &Terms, weights: &[Variable], cx: &Context) -> Vec<Variable> {
    if cx.trace().error().is_some() {
        return weights.to_vec();
    }
    let outputs = terms.untrained.iter().cloned();
    let trained = terms.trained();
    let values: Vec<Tensor> =
        trained.iter().map(|term| term.value.clone()).chain(outputs).collect();
    let reached = autodiff::reached(&values);
    let (reached, apart) = reached.split_at(trained.len());
    let depends = |reached: &[bool], weight: &Variable| {
        let values = cx.trace().values_of(weight);
        values.iter().any(|value| reached.get(value.id().index()) == Some(&true))
    };
    let used = cx.used_weights().iter().filter(|used| used.trainable).map(|used| &used.variable);
    let changeable: Vec<&Variable> = used.chain(weights).collect();
    for (index, (Term { name, value, site, .. }, reached)) in
        trained.iter().zip(reached).enumerate()
    {
        if terms.balanced.own != Some(index)
            && !changeable.iter().any(|weight| depends(reached, weight))
        {
            let site = site.unwrap_or_else(|| cx.trace().node(value.id()).site);
            let warning = format!(
                "no trainable weight can change the loss term `{name}`: it depends on data alone, \
                    or on weights through what has \
                 no gradient; report it with `add_metric` if that is meant"
            );
            cx.trace().warn_at(Some(site), warning);
        }
    }
    let (kept, lost): (Vec<&Variable>, Vec<&Variable>) =
        weights.iter().partition(|weight| reached.iter().any(|reached| depends(reached, weight)));
    // What layers count or keep in variables that they read is theirs.
    let lost = lost.into_iter().filter(|weight| !cx.assigned_by_layers().contains(weight));
    for weight in lost.filter(|weight| !apart.iter().any(|reached| depends(reached, weight))) {
        let site =
            cx.trace().values_of(weight).first().map(|value| cx.trace().node(value.id()).site);
        let name = weight.name();
        let warning = format!(
            "the loss does not depend on `{name}`: training leaves it as it is; freeze it if that \
                is meant"
        );
        cx.trace().warn_at(site, warning);
    }
    kept.into_iter().cloned().collect()
}

/// Warns of weights of `f32` that data of `f64` has made a step compute with in `f64`: numbers as
/// Rust writes them, `1.0`, are such.
pub(super) fn widened_weights(terms: &Terms, weights: &[Variable], cx: &Context) {
    let trace = cx.trace();
    let single = weights.iter().filter(|weight| weight.dtype() == DType::F32);
    let reads: Vec<NodeId> =
        single.flat_map(|weight| trace.values_of(weight)).map(|value| value.id()).collect();
    let last = terms.total().id().index() as u32;
    let is_widened = |node: &Node| {
        matches!(node.op, Op::Cast) && node.dtype == DType::F64 && reads.contains(&node.inputs[0])
    };
    if let Some(node) = (0..=last).map(|id| trace.node(NodeId(id))).find(is_widened) {
        let warning = "weights of f32 are computed with in f64, since the data is f64: that takes \
            longer, and predictions are f64; give data of \
                       f32 (`1.0_f32`, `.cast(DType::F32)`), or make the model \
                       `.dtype(DType::F64)`";
        trace.warn_at(Some(node.site), warning);
    }
}

/// Warns of what a model was given for layers that are not there.
pub(super) fn unmatched_attachments(attached: &[Arc<AttachedTerm>], cx: &Context) {
    let paths: Vec<&str> = cx.layers().iter().map(|record| record.path.as_str()).collect();
    for entry in
        attached.iter().filter(|entry| !paths.iter().any(|path| entry.pattern.matches(path)))
    {
        let (name, pattern) = (&entry.name, entry.pattern.text());
        let warning = format!(
            "`{name}` is added nowhere: no layer matches `{pattern}`; {}",
            nearest_path(pattern, &paths)
        );
        cx.trace().warn_at(Some(entry.site), warning);
    }
}

/// The warning of a probe that shows nothing; `paths` are those that it could have shown.
pub(crate) fn unmatched_probe(watch: &ProbeRequest, paths: &[String]) -> String {
    let what = match watch.kind {
        ProbeKind::Activations => "layer",
        ProbeKind::Weights => "weight",
        ProbeKind::Gradients => "weight that has a gradient",
        ProbeKind::Updates => "weight that is updated",
        ProbeKind::Terms => "term",
    };
    let (kind, pattern) = (watch.kind, watch.pattern.text());
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    format!(
        "the probe of {kind} shows nothing: no {what} matches `{pattern}`; {}",
        nearest_path(pattern, &paths)
    )
}
