//! What is not wrong but probably not meant, seen while a training step is traced.
//!
//! In: the terms of the loss and the trainable weights. Out: a warning for each term that no weight can change and each weight that
//! no term reaches, with the user's line. Evaluation and prediction are not looked at: there nothing is to change.

use crate::autodiff;
use crate::graph::Tensor;
use crate::model::Terms;
use crate::trace::Context;
use crate::variable::Variable;

/// The trainable weights that the loss depends on; of the others, and of the terms that depend on none, the user is warned.
///
/// A term that only weights frozen since they were made can change is meant: freezing a layer leaves its penalties and activity
/// terms constant. A term that no weight could ever change is not. A model that is compiled without a loss trains on its internal
/// terms alone: that weights of its outputs stay as they are is meant, too.
pub(super) fn reached_weights(terms: &Terms, weights: &[Variable], cx: &Context) -> Vec<Variable> {
    if cx.trace().error().is_some() {
        return weights.to_vec();
    }
    let outputs = terms.untrained.iter().cloned();
    let values: Vec<Tensor> = terms.terms.iter().map(|(_, value)| value.clone()).chain(outputs).collect();
    let reached = autodiff::reached(&values);
    let (reached, apart) = reached.split_at(terms.terms.len());
    let depends = |reached: &[bool], weight: &Variable| {
        let values = cx.trace().values_of(weight);
        values.iter().any(|value| reached.get(value.id().index()) == Some(&true))
    };
    let used = cx.used_weights().iter().filter(|used| used.trainable).map(|used| &used.variable);
    let changeable: Vec<&Variable> = used.chain(weights).collect();
    for ((name, value), reached) in terms.terms.iter().zip(reached) {
        if !changeable.iter().any(|weight| depends(reached, weight)) {
            let added = terms.sites.iter().find(|(known, _)| known == name).map(|(_, site)| *site);
            let site = added.unwrap_or_else(|| cx.trace().node(value.id()).site);
            let warning = format!(
                "no trainable weight can change the loss term `{name}`: it depends on data alone, or on weights through what has \
                 no gradient; report it with `add_metric` if that is meant"
            );
            cx.trace().warn_at(Some(site), warning);
        }
    }
    let (kept, lost): (Vec<&Variable>, Vec<&Variable>) =
        weights.iter().partition(|weight| reached.iter().any(|reached| depends(reached, weight)));
    for weight in lost.into_iter().filter(|weight| !apart.iter().any(|reached| depends(reached, weight))) {
        let site = cx.trace().values_of(weight).first().map(|value| cx.trace().node(value.id()).site);
        let name = weight.name();
        let warning = format!("the loss does not depend on `{name}`: training leaves it as it is; freeze it if that is meant");
        cx.trace().warn_at(site, warning);
    }
    kept.into_iter().cloned().collect()
}
