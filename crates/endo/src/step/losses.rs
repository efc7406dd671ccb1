//! What the loss of a step is made of, and the metrics of its outputs.
//!
//! In: targets, outputs, weights, and what the layers added. Out: the total and every term by its name in the ledger.

use crate::error::{Error, ErrorKind};
use crate::graph::{Tensor, Tree};
use crate::losses::reduction::spread_weights;
use crate::losses::{Reduction, align};
use crate::net::{distinct, short_names};
use crate::trace::{Context, Mark, Term};

use super::balanced::Balanced;
use super::compiled::Compiled;
use super::{Steps, Terms};

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Every term of the loss. `None` after a mistake, which is recorded.
    #[track_caller]
    pub(super) fn terms(
        &self,
        compiled: &Compiled,
        targets: &[Tensor],
        outputs: &[&Tensor],
        weights: &[Tensor],
        mark: Mark,
        cx: &mut Context,
    ) -> Option<Terms> {
        let (mut terms, mut extras) = self.compiled_terms(compiled, targets, outputs, weights, cx)?;
        let mut added = cx.terms_of(self.net.id(), Some(mark));
        let paths: Vec<String> = added.iter().map(|term| term.path.clone()).collect();
        if weights.len() > 1 && added.iter().any(|term| term.per_sample) {
            let message = "a sample loss obeys sample weights, but there are some for each output";
            cx.trace().record(Error::new(ErrorKind::Usage, message).help("give one array of sample weights for all outputs"));
        }
        // A mask of samples is for them; one of time steps is for the outputs.
        let mask = outputs.first().and_then(|output| cx.mask(output)).filter(|mask| mask.rank() == 1);
        for (term, name) in added.iter_mut().zip(short_names(&paths, 1)) {
            if term.per_sample {
                term.value = Reduction::SumOverBatchSize.apply(&term.value, weights.first(), mask.as_ref());
                term.per_sample = false;
            }
            let is_taken = terms.iter().any(|known| known.name == name);
            term.name = if is_taken { term.path.clone() } else { name };
        }
        terms.extend(added);
        let (mut penalties, count) = (cx.penalties_of(self.net.id()), terms.len());
        let paths: Vec<String> = penalties.iter().map(|penalty| penalty.path.clone()).collect();
        for (penalty, name) in penalties.iter_mut().zip(short_names(&paths, 2)) {
            penalty.name = format!("penalty({name})");
        }
        terms.extend(penalties);
        distinct(&mut terms, |term| &mut term.name, &["loss"]);
        let balanced = match &compiled.balance {
            Some(balancing) => Balanced::weigh(balancing, &mut terms, count, cx),
            None => Balanced::default(),
        };
        extras.extend(balanced.reported());
        distinct(&mut terms, |term| &mut term.name, &["loss"]);
        let Some(mut sum) = Terms::sum(terms) else {
            let help = "compile it with a loss, or add one inside the model with `cx.add_loss`";
            let message = if cx.training() {
                "the model has nothing to train on: no loss and no loss term"
            } else {
                "there is nothing to evaluate: the model has no loss and no loss term outside of training"
            };
            cx.trace().record(Error::new(ErrorKind::Usage, message).help(help));
            return None;
        };
        self.net.note_terms(sum.records());
        let untrained = outputs.iter().filter(|_| compiled.losses.is_empty()).map(|&output| output.clone()).collect();
        (sum.extras, sum.untrained, sum.balanced) = (extras, untrained, balanced);
        Some(sum)
    }

    /// The terms of the compiled losses, and what is reported besides.
    #[track_caller]
    fn compiled_terms(
        &self,
        compiled: &Compiled,
        targets: &[Tensor],
        outputs: &[&Tensor],
        weights: &[Tensor],
        cx: &mut Context,
    ) -> Option<(Vec<Term>, Vec<(String, Tensor)>)> {
        let (mut terms, mut extras) = (Vec::new(), Vec::new());
        let losses = &compiled.losses;
        if losses.is_empty() {
            return Some((terms, extras));
        }
        let fail = |cx: &Context, message: String, help: &str| {
            cx.trace().record(Error::new(ErrorKind::Usage, message).help(help));
            None
        };
        if targets.is_empty() {
            let message =
                format!("the loss `{}` compares predictions with targets, but the data has no targets", losses[0].name());
            return fail(
                cx,
                message,
                "give targets with `Dataset::new(x, y)`, or compile with `()` to train on internal terms alone",
            );
        }
        if targets.len() != outputs.len() {
            let message = format!("the data has {} targets, and the model {} outputs", targets.len(), outputs.len());
            return fail(cx, message, "give one array of targets for each output");
        }
        if outputs.len() > 1 && losses.len() > 1 && losses.len() != outputs.len() {
            let message = format!("{} losses for {} outputs", losses.len(), outputs.len());
            return fail(cx, message, "compile with one loss for all outputs, or one for each");
        }
        let count = losses.len().max(outputs.len());
        if !compiled.loss_weights.is_empty() && compiled.loss_weights.len() != count {
            let message = format!("{} loss weights for {count} losses", compiled.loss_weights.len());
            return fail(
                cx,
                message,
                "give `loss_weights` one factor for each compiled loss; terms from inside the model have none",
            );
        }
        let several_outputs = outputs.len() > 1;
        let names = self.net.output_names();
        for index in 0..count {
            let loss = &losses[if losses.len() == 1 { 0 } else { index }];
            let output = if several_outputs { index } else { 0 };
            let (y, y_pred) = align(&targets[output], outputs[output]);
            let weight = if weights.len() > 1 { weights.get(output) } else { weights.first() };
            let mask = cx.mask(outputs[output]);
            let reduction = match loss.reduction() {
                // A step needs one number; the values that `none` keeps are averaged, as a mean loss would be.
                Reduction::None => Reduction::SumOverBatchSize,
                other => other,
            };
            let values = loss.call(&y, &y_pred);
            let mask = match (mask, loss.mask(&y, &values)) {
                (Some(mask), Some(other)) => Some(both(&mask, &other)),
                (mask, other) => mask.or(other),
            };
            let value = reduction.apply(&values, weight, mask.as_ref());
            let name = match (several_outputs, losses.len()) {
                (true, _) => names.get(output).cloned().unwrap_or_default(),
                (false, 1) => "main".to_string(),
                (false, _) => loss.name().to_string(),
            };
            if several_outputs {
                extras.push((format!("{name}_loss"), value.clone()));
            }
            let factor = compiled.loss_weights.get(index).copied().unwrap_or(1.0);
            terms.push(Term::new(name, if factor == 1.0 { value } else { value * factor }));
        }
        Some((terms, extras))
    }

    /// Updates the compiled metrics with the predictions made before the update of the weights.
    #[track_caller]
    pub(super) fn update_metrics(
        &self,
        compiled: &Compiled,
        targets: &[Tensor],
        outputs: &[&Tensor],
        weights: &[Tensor],
        cx: &mut Context,
    ) {
        for entry in &compiled.metrics {
            let (Some(y), Some(y_pred)) = (targets.get(entry.output), outputs.get(entry.output)) else {
                let name = entry.metric.name();
                let error = if targets.is_empty() {
                    let message = format!("the metric `{name}` compares predictions with targets, but the data has no targets");
                    Error::new(ErrorKind::Usage, message).help("give targets with `Dataset::new(x, y)`, or compile without it")
                } else {
                    let message = format!("metric `{name}` is of output {}, which does not exist", entry.output);
                    Error::new(ErrorKind::Argument, message).help("outputs count from 0")
                };
                cx.trace().record(error);
                continue;
            };
            let weight = if weights.len() > 1 { weights.get(entry.output) } else { weights.first() };
            let weight = weight.filter(|_| entry.weighted);
            let before = cx.assigned().len();
            let weight = match cx.mask(y_pred) {
                None => weight.cloned(),
                Some(mask) => Some(combined(&mask, weight, y_pred)),
            };
            cx.with_compiled_metrics(|cx| entry.metric.update(y, y_pred, weight.as_ref(), cx));
            if cx.training() && cx.assigned().len() == before {
                let name = entry.metric.name();
                let warning = format!("the metric `{name}` is never updated: its `update` assigns to no variable");
                cx.trace().warn_at(None, warning);
            }
            let own = entry.metric.variables();
            if let Some(lost) = cx.assigned()[before..].iter().find(|variable| !own.contains(variable)) {
                let (name, lost) = (entry.metric.name(), lost.name());
                cx.warn(format!("the metric `{name}` adds to `{lost}`, which is not among its `variables`: it is never reset"));
            }
        }
    }
}

/// Where both masks count; the one of fewer axes is of the leading ones.
#[track_caller]
fn both(a: &Tensor, b: &Tensor) -> Tensor {
    let rank = a.rank().max(b.rank());
    let [a, b] = [a, b].map(|mask| {
        let ones = std::iter::repeat_n(1, rank - mask.rank());
        mask.reshape(mask.shape().iter().copied().chain(ones).collect::<Vec<_>>())
    });
    a & b
}

/// A mask as weights, times the sample weights.
#[track_caller]
fn combined(mask: &Tensor, weight: Option<&Tensor>, like: &Tensor) -> Tensor {
    let mask = mask.cast(like.dtype());
    match weight {
        Some(weight) => &mask * spread_weights(&weight.cast(like.dtype()), &mask),
        None => mask,
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn factors_for_losses_that_are_not_there_are_refused() {
        let data = Dataset::new([[1.0_f32]], [[1.0_f32]]).unwrap();
        let mut model = Model::new(Dense::new(1));
        model.compile(Sgd::new(0.1), MeanSquaredError, ()).loss_weights([1.0, 5.0]);
        assert_eq!(model.evaluate(&data).unwrap_err().message(), "2 loss weights for 1 losses");
    }

    #[test]
    fn a_metric_without_targets_is_refused_not_reported_as_0() {
        let mut model = Model::new(|x: &Tensor, cx: &mut Context| {
            cx.add_loss("mean", x.mean());
            x.clone()
        });
        model.compile(Sgd::new(0.1), (), ["mae"]);
        let error = model.evaluate(&Dataset::inputs_only([[1.0_f32]]).unwrap()).unwrap_err();
        assert!(error.message().contains("the metric `mae` compares predictions with targets"), "{error}");
    }
}
