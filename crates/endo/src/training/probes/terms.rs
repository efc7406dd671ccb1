//! What each term of a loss asks of the weights.
//!
//! In: the terms. Out: the products of their gradients weight by weight, and of these norms by layer and cosines.

use std::fmt;
use std::panic::Location;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;
use crate::model::watched::ShownTerms;
use crate::trace::Context;
use crate::trace::gradients::Target;
use crate::training::history::short;
use crate::variable::Variable;

/// The gradients of a loss's terms at one step: how hard each term pulls at the weights, and whether they pull together.
///
/// With `g_i` the gradient of term `i` with respect to all trainable weights, as the term stands in the loss (times its factor), the
/// norm is `|g_i|` and the cosine of two terms is `g_i · g_j / (|g_i| |g_j|)`: 1 where they ask for the same, 0 where they do not
/// touch each other, negative where one undoes what the other does. The cosine with a gradient of 0 is 0.
///
/// In the logs of an epoch, and so in all files and callbacks, are the means over its readings as `gradient_norm(main)` and
/// `cosine(main, reconstruction)`.
#[derive(Clone, PartialEq, Debug)]
pub struct TermReading {
    /// The step, counted from 0 over all epochs of this `fit`.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The terms in the order of the ledger.
    pub terms: Vec<TermGradient>,
    /// One for each pair of terms.
    pub cosines: Vec<Cosine>,
}

/// The gradient of a term.
#[derive(Clone, PartialEq, Debug)]
pub struct TermGradient {
    /// The term's name in the ledger.
    pub name: String,
    /// Its norm over all trainable weights.
    pub norm: f64,
    /// The norms over the trainable weights of each layer, by the layers' paths in the order of their first use.
    pub layers: Vec<(String, f64)>,
}

/// The cosine between the gradients of two terms.
#[derive(Clone, PartialEq, Debug)]
pub struct Cosine {
    /// The terms' names, the earlier one in the ledger first.
    pub terms: [String; 2],
    /// From -1 to 1.
    pub value: f64,
}

/// The products of the terms' gradients; where they are among the outputs is still to be said.
#[track_caller]
pub(super) fn products(terms: &[(String, Tensor)], weights: &[Variable], cx: &Context) -> (ShownTerms, Vec<Tensor>) {
    let site = Location::caller();
    let trainable: Vec<&Variable> = weights.iter().filter(|weight| weight.is_trainable()).collect();
    let mut shown = ShownTerms { names: terms.iter().map(|(name, _)| name.clone()).collect(), ..ShownTerms::default() };
    let mut layer_of = Vec::new();
    for weight in &trainable {
        let layer = weight.name().rsplit_once('/').map_or(weight.name(), |(layer, _)| layer);
        let known = shown.layers.iter().position(|known| known == layer);
        layer_of.push(known.unwrap_or_else(|| {
            shown.layers.push(layer.to_string());
            shown.layers.len() - 1
        }));
    }
    let targets: Vec<Target> = trainable.iter().map(|&weight| weight.into()).collect();
    let gradients: Vec<Vec<Option<Tensor>>> = terms.iter().map(|(_, term)| cx.gradients_at(term, &targets, site)).collect();
    let mut values = Vec::new();
    for i in 0..terms.len() {
        for j in i..terms.len() {
            for (weight, &layer) in layer_of.iter().enumerate() {
                if let (Some(a), Some(b)) = (&gradients[i][weight], &gradients[j][weight]) {
                    shown.products.push([i, j, layer]);
                    values.push((a * b).cast(a.dtype().promote(DType::F32)).sum());
                }
            }
        }
    }
    (shown, values)
}

impl TermReading {
    /// The reading at `[step, epoch]` in the outputs of a step.
    pub(super) fn of(shown: &ShownTerms, outputs: &[Array], [step, epoch]: [usize; 2]) -> Self {
        // Without trainable weights there are no products, and no output for them.
        let number = |index: usize| outputs.get(shown.scalars).map_or(0.0, |scalars| scalars.get(index));
        let products = || shown.products.iter().zip(shown.start..).map(|(key, index)| (*key, number(index)));
        let dot =
            |i: usize, j: usize| products().filter(|([a, b, _], _)| (*a, *b) == (i, j)).map(|(_, value)| value).sum::<f64>();
        let squares =
            |i: usize, layer: usize| products().filter(|(key, _)| *key == [i, i, layer]).map(|(_, value)| value).sum::<f64>();
        let count = shown.names.len();
        let norms: Vec<f64> = (0..count).map(|i| dot(i, i).sqrt()).collect();
        let layers =
            |i: usize| shown.layers.iter().enumerate().map(move |(layer, name)| (name.clone(), squares(i, layer).sqrt()));
        let term = |i: usize| TermGradient { name: shown.names[i].clone(), norm: norms[i], layers: layers(i).collect() };
        let cosine = |i: usize, j: usize| {
            let scale = norms[i] * norms[j];
            let value = if scale == 0.0 { 0.0 } else { (dot(i, j) / scale).clamp(-1.0, 1.0) };
            Cosine { terms: [shown.names[i].clone(), shown.names[j].clone()], value }
        };
        let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
        Self { step, epoch, terms: (0..count).map(term).collect(), cosines: pairs.map(|(i, j)| cosine(i, j)).collect() }
    }

    /// Its numbers as they are called in logs.
    pub(super) fn logs(&self) -> impl Iterator<Item = (String, f64)> {
        let norms = self.terms.iter().map(|term| (format!("gradient_norm({})", term.name), term.norm));
        let name = |cosine: &Cosine| format!("cosine({}, {})", cosine.terms[0], cosine.terms[1]);
        norms.chain(self.cosines.iter().map(move |cosine| (name(cosine), cosine.value)))
    }
}

impl fmt::Display for TermReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}", self.step)?;
        for term in &self.terms {
            write!(f, "\n  {}: gradient norm {}", term.name, short(term.norm))?;
        }
        self.cosines.iter().try_for_each(|cosine| write!(f, "\n  {cosine}"))
    }
}

impl fmt::Display for Cosine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} against {}: cosine {:.2}", self.terms[1], self.terms[0], self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(products: &[([usize; 3], f64)]) -> TermReading {
        let names = ["main", "reconstruction"].map(String::from).to_vec();
        let layers = ["net/a", "net/b"].map(String::from).to_vec();
        let keys = products.iter().map(|(key, _)| *key).collect();
        let shown = ShownTerms { names, layers, products: keys, scalars: 1, start: 2 };
        let scalars: Vec<f64> = [0.0, 0.0].into_iter().chain(products.iter().map(|(_, value)| *value)).collect();
        let outputs = [Array::scalar(0.0_f32), Array::new([scalars.len()], scalars).unwrap()];
        TermReading::of(&shown, &outputs, [7, 2])
    }

    #[test]
    fn norms_and_cosines_are_made_of_products() {
        // main: 3 in `a`, 4 in `b`; reconstruction: -2 in `a`, made of two weights.
        let products = [([0, 0, 0], 9.0), ([0, 0, 1], 16.0), ([0, 1, 0], -6.0), ([1, 1, 0], 3.0), ([1, 1, 0], 1.0)];
        let reading = reading(&products);
        assert_eq!(reading.terms.iter().map(|term| term.norm).collect::<Vec<_>>(), [5.0, 2.0]);
        assert_eq!(reading.terms[0].layers, [("net/a".to_string(), 3.0), ("net/b".to_string(), 4.0)]);
        assert_eq!(reading.terms[1].layers, [("net/a".to_string(), 2.0), ("net/b".to_string(), 0.0)]);
        assert_eq!(reading.cosines[0].value, -0.6);
        assert_eq!(
            reading.to_string(),
            "step 7\n  main: gradient norm 5.000\n  reconstruction: gradient norm 2.000\n  reconstruction against main: cosine -0.60"
        );
        let names: Vec<String> = reading.logs().map(|(name, _)| name).collect();
        assert_eq!(names, ["gradient_norm(main)", "gradient_norm(reconstruction)", "cosine(main, reconstruction)"]);
    }

    #[test]
    fn a_term_without_a_gradient_has_a_cosine_of_0() {
        let reading = reading(&[([0, 0, 0], 9.0)]);
        assert_eq!((reading.terms[1].norm, reading.cosines[0].value), (0.0, 0.0));
    }
}
