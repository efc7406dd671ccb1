//! The terms of a loss under weights that follow the training, and the update of these.
//!
//! In: the terms as they are without, and a rule. Out: the terms as they count, and within the step
//! the weights' new values.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::optimizers::Optimizer;
use crate::site::Site;
use crate::trace::gradients::Target;
use crate::trace::{Context, Gradients, Term};
use crate::variable::Variable;

use super::balance::{Balance, BalanceState};

/// Weights of GradNorm do not fall below this share of what they sum to.
const LEAST: f64 = 1e-4;

/// Terms under weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct BalancedTerms {
    /// The names of the terms that are weighted, the terms without their weights, and these.
    entries: Vec<Entry>,
    /// What is learned with the model's weights.
    pub learned: Vec<Variable>,
    /// The position among the terms of one that belongs to the weights alone.
    pub own: Option<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    plain: Tensor,
    weight: Tensor,
}

impl BalancedTerms {
    /// Weighs the first terms, of a number.
    #[track_caller]
    pub fn weigh(
        balancing: &BalanceState,
        terms: &mut Vec<Term>,
        count: usize,
        cx: &Context,
    ) -> Self {
        let mut balanced = Self::default();
        let mut half_logarithms: Option<Tensor> = None;
        for Term { name, value: term, .. } in &mut terms[..count] {
            let weight = match balancing.rule {
                Balance::Uncertainty => {
                    let variable =
                        balancing.variable(&format!("log_variance({name})"), 0.0, term.dtype());
                    let logarithm = cx.read(&variable);
                    balanced.learned.push(variable);
                    let half = (0.5 * &logarithm).cast(DType::F64);
                    half_logarithms =
                        Some(half_logarithms.map_or_else(|| half.clone(), |sum| sum + &half));
                    0.5 * (-logarithm).exp()
                }
                Balance::GradNorm { .. } => cx.read(&weight_variable(balancing, name, term)),
            };
            let weighted = &*term * &weight;
            let plain = std::mem::replace(term, weighted);
            balanced.entries.push(Entry { name: name.clone(), plain, weight });
        }
        if let (Some(sum), Some(first)) = (half_logarithms, terms.first()) {
            balanced.own = Some(terms.len());
            terms.push(Term::new("uncertainty", sum.cast(first.value.dtype())));
        }
        balanced
    }

    /// The weights, to be reported.
    pub fn reported(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.entries.iter().map(|entry| (format!("weight({})", entry.name), entry.weight.clone()))
    }

    /// Updates the weights that have a rule of their own.
    #[track_caller]
    pub fn update(&self, balancing: &BalanceState, weights: &[Variable], cx: &mut Context) {
        let Balance::GradNorm { alpha, .. } = balancing.rule else { return };
        if cx.shard_stage().is_some() {
            let message =
                "GradNorm compares gradients of the whole batch, which is cut into shards";
            let help = "balance by `Balance::Uncertainty`, or train without shards";
            return cx.trace().record(Error::usage(message, help));
        }
        let Some(norms) = self.shared_norms(weights, cx) else { return };
        let count = self.entries.len() as f64;
        let mut ratios = Vec::new();
        for entry in &self.entries {
            let first = balancing
                .variable(&format!("first({})", entry.name), 0.0, entry.plain.dtype())
                .frozen();
            let loss = entry.plain.stop_gradient();
            // A number that only terms below 0 do not have: the step then changes nothing, and says
            // which term it was.
            let what = format!(
                "GradNorm needs terms that are not below 0: the square root of `{}`",
                entry.name
            );
            cx.trace().check(&loss.sqrt(), what);
            let known = cx.read(&first);
            let start = known.greater(0.0).where_(&known, &loss);
            cx.assign(&first, &start);
            ratios
                .push(start.greater(0.0).where_(loss.divide_no_nan(&start), 1.0).cast(DType::F64));
        }
        let scaled: Vec<Tensor> = self
            .entries
            .iter()
            .zip(&norms)
            .map(|(entry, norm)| entry.weight.cast(DType::F64) * norm)
            .collect();
        let (Some(mean), Some(mean_ratio)) = (mean(&scaled, count), mean(&ratios, count)) else {
            return;
        };
        let mut gradients = Vec::new();
        for (((entry, norm), scaled), ratio) in
            self.entries.iter().zip(&norms).zip(&scaled).zip(&ratios)
        {
            let target = &mean * ratio.divide_no_nan(&mean_ratio).maximum(0.0).powf(alpha);
            let gradient = (scaled - target).sign() * norm;
            gradients.push((
                weight_variable(balancing, &entry.name, &entry.plain),
                Some(gradient.cast(entry.plain.dtype())),
            ));
        }
        let variables: Vec<Variable> =
            gradients.iter().map(|(variable, _)| variable.clone()).collect();
        balancing.optimizer.apply(&Gradients::new(gradients), cx);
        let held: Vec<Tensor> = variables
            .iter()
            .map(|variable| cx.read(variable).cast(DType::F64).maximum(LEAST * count))
            .collect();
        let Some(sum) = held.iter().cloned().reduce(|sum, value| sum + value) else { return };
        for (variable, value) in variables.iter().zip(held) {
            cx.assign(variable, (value * count / &sum).cast(variable.dtype()));
        }
    }

    /// The norm of each term's gradient, without its weight, over the weights of the last layer
    /// that all terms depend on.
    #[track_caller]
    fn shared_norms(&self, weights: &[Variable], cx: &Context) -> Option<Vec<Tensor>> {
        let site = Site::caller();
        let targets: Vec<Target> = weights.iter().map(Target::from).collect();
        let gradients: Vec<Vec<Option<Tensor>>> = self
            .entries
            .iter()
            .map(|entry| cx.gradients_at(&entry.plain, &targets, site))
            .collect();
        let shared = |index: &usize| gradients.iter().all(|gradients| gradients[*index].is_some());
        let layer = |index: usize| {
            cx.used_weights()
                .iter()
                .find(|used| used.variable == weights[index])
                .map(|used| &used.layer)
        };
        let Some(last) = (0..weights.len()).rfind(shared) else {
            if cx.trace().error().is_none() {
                let names: Vec<String> =
                    self.entries.iter().map(|entry| format!("`{}`", entry.name)).collect();
                let message = format!(
                    "GradNorm compares gradients of weights that all terms share, and {} share \
                        none",
                    names.join(", ")
                );
                let help =
                    "balance them by `Balance::Uncertainty`, which needs no gradients of each term";
                cx.trace().record(Error::usage(message, help));
            }
            return None;
        };
        let of_layer: Vec<usize> = (0..weights.len())
            .filter(|index| layer(*index) == layer(last) && shared(index))
            .collect();
        let norm = |gradients: &Vec<Option<Tensor>>| {
            let squares = of_layer.iter().filter_map(|&index| gradients[index].as_ref());
            squares
                .map(|gradient| gradient.cast(DType::F64).square().sum())
                .reduce(|sum, square| sum + square)
                .map(|sum| sum.sqrt())
        };
        gradients.iter().map(norm).collect()
    }
}

fn weight_variable(balancing: &BalanceState, name: &str, term: &Tensor) -> Variable {
    balancing.variable(&format!("weight({name})"), 1.0, term.dtype()).frozen()
}

fn mean(values: &[Tensor], count: f64) -> Option<Tensor> {
    values.iter().cloned().reduce(|sum, value| sum + value).map(|sum| sum / count)
}
