//! The statistics of a value as operations of the step that computes it.
//!
//! In: a tensor. Out: scalars in the order in which a reading takes them, and the counts of a histogram.

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
        DType::I32 | DType::Bool => values.cast(DType::F32),
    }
}

/// The mean, the variance, the sum of squares, the least, the greatest and the number of zeros of floats; with bounds the number of
/// those that have reached one.
pub(super) fn statistics(values: &Tensor, bounds: Option<[f64; 2]>) -> Vec<Tensor> {
    let mean = values.mean();
    let variance = (values - &mean).square().mean();
    let mut all = vec![mean, variance, values.square().sum(), values.min(), values.max(), values.equal(0.0).sum()];
    all.extend(bounds.map(|[low, high]| {
        let margin = NEAR * (high - low);
        (values.less(low + margin) | values.greater(high - margin)).sum()
    }));
    all
}

/// How many floats are in each of so many bins between the least and the greatest.
pub(super) fn histogram(values: &Tensor, bins: usize) -> Tensor {
    let values = values.reshape([values.shape().len()]);
    let (minimum, maximum) = (values.min(), values.max());
    let share = (&values - &minimum).divide_no_nan(maximum - &minimum);
    // What is not a number goes somewhere, so it is held to a bin after the cast.
    let bin = (share * bins as f64).cast(DType::I32).clip(0, bins as i32 - 1);
    bin.ones_like().segment_sum(&bin, bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations;
    use crate::array::Array;
    use crate::trace::Function;

    fn read(values: impl Into<Array>, bounds: [f64; 2]) -> [f64; 7] {
        let seven = |x: &Tensor| <[Tensor; 7]>::try_from(statistics(x, Some(bounds))).expect("with bounds there are seven");
        let mut f = Function::new(|[x], _| seven(&x));
        f.run([&values.into()]).unwrap().each_ref().map(|value| value.get(0))
    }

    #[test]
    fn statistics_are_those_of_all_elements() {
        assert_eq!(read([[1.0_f64, -2.0], [0.0, 5.0]], [-2.0, 9.0]), [1.0, 6.5, 30.0, -2.0, 5.0, 1.0, 1.0]);
        // Far from 0 the variance is still that of the differences.
        assert_eq!(read([4096.0_f32, 4097.0, 4098.0, 4097.0], [0.0, 1.0])[1], 0.5);
    }

    #[test]
    fn values_are_saturated_near_a_bound() {
        assert_eq!(read([-0.99_f32, -0.97, 0.0, 0.979, 0.981], [-1.0, 1.0])[6], 2.0);
        assert_eq!(read([0.005_f32, 0.02, 0.98, 0.995], [0.0, 1.0])[6], 2.0);
    }

    #[test]
    fn every_value_is_in_one_bin() {
        let count = |values: Array, bins| {
            let mut f = Function::new(|[x], _| [histogram(&x, bins)]);
            f.run([&values]).unwrap()[0].to_vec::<i32>()
        };
        assert_eq!(count([0.0_f32, 1.0, 2.0, 3.0, 4.0].into(), 4), [1, 1, 1, 2]);
        assert_eq!(count([[-1.0_f64, -0.5], [0.25, 1.0]].into(), 2), [2, 2]);
        assert_eq!(count([7.0_f32; 3].into(), 5), [3, 0, 0, 0, 0]);
        assert_eq!(count([f32::NAN, 1.0, 2.0].into(), 3).iter().sum::<i32>(), 3);
        let many = Array::from_fn([1000], |i| (0.7 * i as f32).sin());
        assert_eq!(count(many, 30).iter().sum::<i32>(), 1000);
    }

    /// The bounds of an activation: what it gives far from 0, if that is the same still farther away.
    fn found(name: &'static str) -> Option<[f64; 2]> {
        let mut f = Function::new(|[x], _| [activations::get(name).unwrap().call(&x)]);
        let mut at = |x: f64| [-x, x].map(|x| f.run([&[[x, 0.0]].into()]).unwrap()[0].get(0));
        let ([low, high], far) = (at(1e3), at(1e4));
        let same = [low, high].iter().zip(far).all(|(near, far)| far.is_finite() && (near - far).abs() < 0.01);
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
