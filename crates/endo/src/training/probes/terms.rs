//! What each term of a loss asks of the weights.
//!
//! In: the terms. Out: the products of their gradients weight by weight, and of these norms by
//! layer and cosines.

use std::fmt;

use crate::array::Array;
use crate::step::probe_request::ProbedTerms;
use crate::training::ledger::short;
use crate::training::ledgers::StepAt;

/// The gradients of a loss's terms at one step: how hard each term pulls at the weights, and
/// whether they pull together.
///
/// With `g_i` the gradient of term `i` with respect to all trainable weights, as the term stands in
/// the loss (times its factor), the norm is `|g_i|` and the cosine of two terms is
/// `g_i · g_j / (|g_i| |g_j|)`: 1 where they ask for the same, 0 where they do not touch each
/// other, negative where one undoes what the other does. The cosine with a gradient of 0 is 0.
///
/// In the logs of an epoch, and so in all files and callbacks, are the means over its readings as
/// `gradient_norm(main)` and `cosine(main, reconstruction)`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct TermGradient {
    /// The term's name in the ledger.
    pub name: String,
    /// Its norm over all trainable weights.
    pub norm: f64,
    /// The norms over the trainable weights of each layer, by the layers' paths in the order of
    /// their first use.
    pub layers: Vec<(String, f64)>,
}

/// The cosine between the gradients of two terms.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Cosine {
    /// The terms' names, the earlier one in the ledger first.
    pub terms: [String; 2],
    /// From -1 to 1.
    pub value: f64,
}

impl TermReading {
    /// The reading of a step in its outputs.
    pub(super) fn of(
        shown: &ProbedTerms,
        outputs: &[Array],
        StepAt { step, epoch }: StepAt,
    ) -> Self {
        let (count, layers) = (shown.names.len(), shown.layers.len());
        // The products of whole gradients, a row for each first term, and the squares by layer, a
        // row for each term.
        let (mut dots, mut squares) = (vec![0.0; count * count], vec![0.0; count * layers]);
        for (index, &[i, j, layer]) in shown.products.iter().enumerate() {
            let value = outputs[shown.output].get(index);
            dots[i * count + j] += value;
            if i == j {
                squares[i * layers + layer] += value;
            }
        }
        let norm = |i: usize| dots[i * count + i].sqrt();
        let by_layer = |i: usize| {
            shown
                .layers
                .iter()
                .zip(&squares[i * layers..])
                .map(|(name, square)| (name.clone(), square.sqrt()))
        };
        let term = |i: usize| TermGradient {
            name: shown.names[i].clone(),
            norm: norm(i),
            layers: by_layer(i).collect(),
        };
        let cosine = |i: usize, j: usize| {
            let scale = norm(i) * norm(j);
            let value =
                if scale == 0.0 { 0.0 } else { (dots[i * count + j] / scale).clamp(-1.0, 1.0) };
            Cosine { terms: [shown.names[i].clone(), shown.names[j].clone()], value }
        };
        let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
        Self {
            step,
            epoch,
            terms: (0..count).map(term).collect(),
            cosines: pairs.map(|(i, j)| cosine(i, j)).collect(),
        }
    }

    /// Its numbers as they are called in logs.
    pub(super) fn logs(&self) -> impl Iterator<Item = (String, f64)> {
        let norms =
            self.terms.iter().map(|term| (format!("gradient_norm({})", term.name), term.norm));
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
        let shown = ProbedTerms { names, layers, products: keys, output: 1 };
        let values: Vec<f64> = products.iter().map(|(_, value)| *value).collect();
        let outputs = [Array::scalar(0.0_f32), Array::new([values.len()], values).unwrap()];
        TermReading::of(&shown, &outputs, StepAt { step: 7, epoch: 2 })
    }

    #[test]
    fn norms_and_cosines_are_made_of_products() {
        // main: 3 in `a`, 4 in `b`; reconstruction: -2 in `a`, made of two weights.
        let products = [
            ([0, 0, 0], 9.0),
            ([0, 0, 1], 16.0),
            ([0, 1, 0], -6.0),
            ([1, 1, 0], 3.0),
            ([1, 1, 0], 1.0),
        ];
        let reading = reading(&products);
        assert_eq!(reading.terms.iter().map(|term| term.norm).collect::<Vec<_>>(), [5.0, 2.0]);
        assert_eq!(
            reading.terms[0].layers,
            [("net/a".to_string(), 3.0), ("net/b".to_string(), 4.0)]
        );
        assert_eq!(
            reading.terms[1].layers,
            [("net/a".to_string(), 2.0), ("net/b".to_string(), 0.0)]
        );
        assert_eq!(reading.cosines[0].value, -0.6);
        assert_eq!(
            reading.to_string(),
            "step 7\n  main: gradient norm 5.000\n  reconstruction: gradient norm 2.000\n  \
                reconstruction against main: cosine -0.60"
        );
        let names: Vec<String> = reading.logs().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "gradient_norm(main)",
                "gradient_norm(reconstruction)",
                "cosine(main, reconstruction)"
            ]
        );
    }

    #[test]
    fn a_term_without_a_gradient_has_a_cosine_of_0() {
        let reading = reading(&[([0, 0, 0], 9.0)]);
        assert_eq!((reading.terms[1].norm, reading.cosines[0].value), (0.0, 0.0));
    }
}
