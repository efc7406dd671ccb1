//! What the statistics of a value need to know of it.
//!
//! In: a tensor, and the name of the activation that made it. Out: floats, and the bounds beyond
//! which they count as saturated.

use crate::dtype::DType;
use crate::graph::Tensor;

/// The bounds of the activations that have two, by their names.
const BOUNDED: [(&str, [f64; 2]); 9] = [
    ("tanh", [-1.0, 1.0]),
    ("hard_tanh", [-1.0, 1.0]),
    ("softsign", [-1.0, 1.0]),
    ("sigmoid", [0.0, 1.0]),
    ("hard_sigmoid", [0.0, 1.0]),
    ("sparse_sigmoid", [0.0, 1.0]),
    ("softmax", [0.0, 1.0]),
    ("sparsemax", [0.0, 1.0]),
    ("relu6", [0.0, 6.0]),
];

/// The share of its range within which a value counts as having reached a bound.
const NEAR: f64 = 0.01;

/// The least and the greatest value of an activation, if its name is that of one with two bounds.
pub(super) fn bounds(activation: &str) -> Option<[f64; 2]> {
    BOUNDED.iter().find(|(name, _)| *name == activation).map(|(_, bounds)| *bounds)
}

/// As floats, so that they can be averaged.
pub(super) fn floats(values: &Tensor) -> Tensor {
    match values.dtype() {
        DType::F32 | DType::F64 => values.clone(),
        DType::I32 | DType::Bool | DType::U8 => values.cast(DType::F32),
    }
}

/// The bounds beyond which values of an activation with these count as saturated.
pub(super) fn saturation([low, high]: [f64; 2]) -> [f64; 2] {
    let margin = NEAR * (high - low);
    [low + margin, high - margin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations;
    use crate::trace::Function;

    #[test]
    fn values_are_saturated_near_a_bound() {
        assert_eq!(saturation([-1.0, 1.0]), [-0.98, 0.98]);
        assert_eq!(saturation([0.0, 1.0]), [0.01, 0.99]);
    }

    /// The bounds of an activation: what it gives far from 0, if that is the same still farther
    /// away.
    fn found(name: &'static str) -> Option<[f64; 2]> {
        let mut f = Function::new(|[x], _| [activations::get(name).unwrap().call(&x)]);
        let mut at = |x: f64| [-x, x].map(|x| f.run([&[[x, 0.0]].into()]).unwrap()[0].get(0));
        let ([low, high], far) = (at(1e3), at(1e4));
        let same = [low, high]
            .iter()
            .zip(far)
            .all(|(near, far)| far.is_finite() && (near - far).abs() < 0.01);
        (same && (low - high).abs() > 0.01).then(|| [low, high].map(f64::round))
    }

    #[test]
    fn the_bounded_activations_are_those_of_the_table() {
        // `glu` halves its input, and so has no value of its own for an element.
        for name in activations::names().filter(|name| *name != "glu") {
            assert_eq!(bounds(name), found(name), "{name}");
        }
    }
}
