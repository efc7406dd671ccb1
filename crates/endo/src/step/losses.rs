//! What the loss of a step is made of, and the metrics of its outputs.
//!
//! In: targets, outputs, weights, and what the layers added. Out: the total and every term by its
//! name in the ledger.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::losses::{Reduction, covered};
use crate::metrics::take_in;
use crate::net::{distinct, short_names};
use crate::trace::{Context, Term};

use super::Terms;
use super::balanced::BalancedTerms;
use super::batch::weight_at;
use super::batch_step::BatchStep;
use super::output::PlacedLoss;

impl<I: Tree, O: Tree> BatchStep<'_, I, O> {
    /// One value for each sample as a scalar, with the sample weights if there are any, as a
    /// compiled loss has it: the weighted sum over the number of samples.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile("sgd", (), ());
    /// model.train_step(|step, cx| {
    ///     let errors = mean_absolute_error(&step.target(cx), &step.apply(step.inputs(), cx));
    ///     let terms = Terms::new([("errors", step.weighted_mean(&errors))]);
    ///     step.minimize(&terms, cx);
    ///     terms
    /// });
    /// # let data = Dataset::new([[0.0_f32], [0.0]], [[2.0_f32], [4.0]])?
    /// #     .with_sample_weight([1.0_f32, 3.0])?;
    /// # assert_eq!(model.evaluate(&data)?.get("errors"), Some((2.0 + 3.0 * 4.0) / 2.0));
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn weighted_mean(&self, per_sample: &Tensor) -> Tensor {
        self.weighed.set(true);
        Reduction::SumOverBatchSize.apply(per_sample, self.sample_weights.first(), None)
    }

    /// Every term of the loss: the compiled ones of these outputs, those that the model has added
    /// while it made them, those that the step has added itself, and the penalties. Where the model
    /// is applied several times, each pass has terms of its own, and outputs that are computed from
    /// those of several passes have the terms of these.
    #[track_caller]
    pub fn losses(&self, outputs: &O, cx: &mut Context) -> Terms {
        self.weighed.set(true);
        let others = self.terms_of_other_passes(outputs);
        // What was wrong is recorded.
        self.terms(&outputs.tensors(), &others, cx)
            .unwrap_or_else(|| Terms::new([("main", cx.constant(0.0_f32))]))
    }

    /// Every term of the loss. `None` after a mistake, which is recorded.
    #[track_caller]
    fn terms(
        &self,
        outputs: &[&Tensor],
        left_out: &[Range<usize>],
        cx: &mut Context,
    ) -> Option<Terms> {
        let (net, compiled, weights) = (&self.steps.net, self.compiled, self.sample_weights);
        let CompiledTerms { mut terms, mut extras } = self.compiled_terms(outputs, cx)?;
        let mut added = cx.terms_of(net.id(), Some((self.mark, left_out)));
        let names = short_names(&added, |term| (&term.path, term.parts));
        if weights.len() > 1 && added.iter().any(|term| term.per_sample) {
            let message = "a sample loss obeys sample weights, but there are some for each output";
            cx.trace()
                .record(Error::usage(message, "give one array of sample weights for all outputs"));
        }
        // A mask of samples is for them; one of time steps is for the outputs.
        let mask =
            outputs.first().and_then(|output| cx.mask(output)).filter(|mask| mask.rank() == 1);
        for (term, name) in added.iter_mut().zip(names) {
            if term.per_sample {
                let reduction = Reduction::SumOverBatchSize;
                let (weights, mask) = (weights.first(), mask.as_ref());
                term.value = reduction.apply_in(&term.value, weights, mask, Some(cx));
                term.per_sample = false;
            }
            let is_taken = terms.iter().any(|known| known.name == name);
            term.name = if is_taken { term.path.clone() } else { name };
        }
        terms.extend(added);
        let (mut penalties, count) = (cx.penalties_of(net.id()), terms.len());
        let names = short_names(&penalties, |penalty| (&penalty.path, 2));
        for (penalty, name) in penalties.iter_mut().zip(names) {
            penalty.name = format!("penalty({name})");
        }
        terms.extend(penalties);
        distinct(&mut terms, |term| &mut term.name, &["loss"]);
        let balanced = match &compiled.balance {
            Some(balancing) => BalancedTerms::weigh(balancing, &mut terms, count, cx),
            None => BalancedTerms::default(),
        };
        extras.extend(balanced.reported());
        distinct(&mut terms, |term| &mut term.name, &["loss"]);
        let Some(mut sum) = Terms::sum(terms) else {
            let help = "compile it with a loss, or add one inside the model with `cx.add_loss`";
            let message = if cx.training() {
                "the model has nothing to train on: no loss and no loss term"
            } else {
                "there is nothing to evaluate: the model has no loss and no loss term outside of \
                    training"
            };
            cx.trace().record(Error::usage(message, help));
            return None;
        };
        net.note_terms(sum.records());
        let untrained = outputs
            .iter()
            .filter(|_| compiled.losses.is_empty())
            .map(|&output| output.clone())
            .collect();
        (sum.extras, sum.untrained, sum.balanced) = (extras, untrained, balanced);
        Some(sum)
    }

    /// The terms of the compiled losses, and what is reported besides.
    #[track_caller]
    fn compiled_terms(&self, outputs: &[&Tensor], cx: &mut Context) -> Option<CompiledTerms> {
        let (compiled, targets) = (self.compiled, self.targets);
        let mut compiled_terms = CompiledTerms::default();
        let names = names_of(&self.steps.net.output_names(), outputs.len());
        let losses = recorded(compiled.placed_losses(&names), cx)?;
        let Some(first) = losses.first() else { return Some(compiled_terms) };
        if targets.is_empty() {
            let name = first.loss.name();
            let message = format!(
                "the loss `{name}` compares predictions with targets, but the data has no targets"
            );
            let help = "give targets with `Dataset::new(x, y)`, or compile with `()` to train on \
                internal terms alone";
            cx.trace().record(Error::usage(message, help));
            return None;
        }
        let places = recorded(compiled.target_places(&names, targets.len()), cx)?;
        for PlacedLoss { output, loss, factor, name } in losses {
            let Some(place) = places[output] else { continue };
            let weight = weight_at(self.sample_weights, place);
            let reduction = match loss.reduction() {
                // A step needs one number; the values that `none` keeps are averaged, as a mean
                // loss would be.
                Reduction::None => Reduction::SumOverBatchSize,
                other => other,
            };
            let mask = cx.mask(outputs[output]);
            let value = covered::value_of(
                &**loss,
                &targets[place],
                outputs[output],
                weight,
                mask.as_ref(),
                reduction,
                Some(cx),
            );
            if outputs.len() > 1 {
                compiled_terms.extras.push((format!("{name}_loss"), value.clone()));
            }
            compiled_terms
                .terms
                .push(Term::new(name, if factor == 1.0 { value } else { value * factor }));
        }
        Some(compiled_terms)
    }

    /// Updates the compiled metrics with these outputs.
    #[track_caller]
    pub fn update_metrics(&self, outputs: &O, cx: &mut Context) {
        self.updated.set(true);
        let (compiled, targets, outputs) = (self.compiled, self.targets, outputs.tensors());
        let names = names_of(&self.steps.net.output_names(), outputs.len());
        for entry in &compiled.metrics {
            let name = entry.metric.name();
            let Some(output) = recorded(entry.output.find(&format!("metric `{name}`"), &names), cx)
            else {
                continue;
            };
            if targets.is_empty() {
                let message = format!(
                    "the metric `{name}` compares predictions with targets, but the data has no \
                        targets"
                );
                let help = "give targets with `Dataset::new(x, y)`, or compile without it";
                cx.trace().record(Error::usage(message, help));
                continue;
            }
            let Some(places) = recorded(compiled.target_places(&names, targets.len()), cx) else {
                return;
            };
            let Some(place) = places[output] else { continue };
            let weight = weight_at(self.sample_weights, place);
            let (y, y_pred, mask) = (&targets[place], outputs[output], cx.mask(outputs[output]));
            let before = cx.assigned().len();
            cx.with_compiled_metrics(|cx| {
                take_in(&*entry.metric, y, y_pred, weight, mask.as_ref(), entry.weighted, cx)
            });
            if cx.training() && cx.assigned().len() == before {
                let warning = format!(
                    "the metric `{name}` is never updated: its `update` assigns to no variable"
                );
                cx.trace().warn_at(None, warning);
            }
            let own = entry.metric.variables();
            if let Some(lost) =
                cx.assigned()[before..].iter().find(|variable| !own.contains(variable))
            {
                let lost = lost.name();
                cx.warn(format!(
                    "the metric `{name}` adds to `{lost}`, which is not among its \
                    `variables`: it is never reset"
                ));
            }
        }
    }
}

/// What the compiled losses come to.
#[derive(Default)]
struct CompiledTerms {
    terms: Vec<Term>,
    /// What is reported besides: with several outputs the loss of each, before its factor.
    extras: Vec<(String, Tensor)>,
}

/// The names of `count` outputs; of outputs that are not the model's own, their positions.
fn names_of(known: &[String], count: usize) -> Vec<String> {
    let own = |position: usize| {
        known.get(position).cloned().unwrap_or_else(|| format!("output_{position}"))
    };
    (0..count).map(own).collect()
}

/// A result, or none after an error that is recorded.
fn recorded<T>(result: Result<T>, cx: &Context) -> Option<T> {
    result.map_err(|error| cx.trace().record(error)).ok()
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn factors_for_losses_that_are_not_there_are_refused() {
        let data = Dataset::new([[1.0_f32]], [[1.0_f32]]).unwrap();
        let mut model = Model::new(Dense::new(1));
        model.compile(Sgd::new(0.1), MeanSquaredError, ()).loss_weights([1.0, 5.0]);
        model.evaluate(&data).unwrap_err().reads("2 loss weights for 1 losses");
    }

    #[test]
    fn a_metric_without_targets_is_refused_not_reported_as_0() {
        let mut model = Model::new(|x: &Tensor, cx: &mut Context| {
            cx.add_loss("mean", x.mean());
            x.clone()
        });
        model.compile(Sgd::new(0.1), (), ["mae"]);
        let error = model.evaluate(&Dataset::inputs_only([[1.0_f32]]).unwrap()).unwrap_err();
        error.says("the metric `mae` compares predictions with targets");
    }
}
