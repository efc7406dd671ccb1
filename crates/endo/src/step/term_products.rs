//! The products of the gradients of a loss's terms, weight by weight.
//!
//! In: the terms, and the weights. Out: an output that holds the products, and what each of them is
//! of.

use crate::graph::Tensor;
use crate::site::Site;
use crate::trace::gradients::Target;
use crate::trace::{Context, Term};
use crate::variable::Variable;

use super::probe_request::ProbedTerms;
use super::saturation::floats;

/// The products of the terms' gradients, if there are weights; where they are among the outputs is
/// still to be said.
#[track_caller]
pub(super) fn products(
    terms: &[Term],
    weights: &[Variable],
    cx: &Context,
) -> (ProbedTerms, Option<Tensor>) {
    let site = Site::caller();
    let trainable: Vec<&Variable> = weights.iter().filter(|weight| weight.is_trainable()).collect();
    let mut shown = ProbedTerms {
        names: terms.iter().map(|term| term.name.clone()).collect(),
        ..ProbedTerms::default()
    };
    let mut layer_of = Vec::new();
    for weight in &trainable {
        let used = cx.used_weights().iter().find(|used| used.variable == **weight);
        let layer = used.map_or_else(|| weight.name(), |used| &used.layer);
        let known = shown.layers.iter().position(|known| known == layer);
        layer_of.push(known.unwrap_or_else(|| {
            shown.layers.push(layer.to_string());
            shown.layers.len() - 1
        }));
    }
    let targets: Vec<Target> = trainable.iter().map(|&weight| weight.into()).collect();
    let (mut gradients, mut pairs) = (Vec::new(), Vec::new());
    let mut place = |gradient: Tensor| {
        gradients.push(floats(&gradient));
        gradients.len() - 1
    };
    let of_term = |term: &Term| cx.gradients_at(&term.value, &targets, site).into_iter();
    let places: Vec<Vec<Option<usize>>> = terms
        .iter()
        .map(|term| of_term(term).map(|gradient| gradient.map(&mut place)).collect())
        .collect();
    for i in 0..terms.len() {
        for j in i..terms.len() {
            for (weight, &layer) in layer_of.iter().enumerate() {
                if let (Some(a), Some(b)) = (places[i][weight], places[j][weight]) {
                    shown.products.push([i, j, layer]);
                    pairs.push([a, b]);
                }
            }
        }
    }
    let products = (!pairs.is_empty()).then(|| Tensor::dots(&gradients, pairs));
    (shown, products)
}
