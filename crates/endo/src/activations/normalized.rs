//! Functions of whole rows: softmax and its relatives, and gates that halve an axis.
//!
//! In: a tensor of floats and the axis that belongs together. Out: the same shape; for [`Glu`] half
//! the axis.

use crate::graph::Tensor;
use crate::named::{Axes, family};
use crate::site::Site;

use super::ActivationFunction;

family! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// `e^x / sum of e^x` along an axis: positive numbers that sum to 1. Computed from
    /// `x - max(x)`, so nothing overflows.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [Softmax.call(&x)]);
    /// assert_eq!(f.run([&[[1000.0_f32, 1000.0]].into()])?[0], Array::from([[0.5_f32, 0.5]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Softmax ["softmax"] {
        /// The axis along which values sum to 1, or several taken together; the last unless set.
        axis: Axes = Axes::One(-1),
    } => {
        let e = below_max(x, self.axis.as_slice()).exp();
        &e / e.sum_keep(self.axis.as_slice())
    };

    /// The logarithm of [`Softmax`](struct@Softmax), `x - log(sum of e^x)`, without overflow.
    LogSoftmax ["log_softmax"] {
        /// The axis along which probabilities sum to 1, or several taken together; the last unless
        /// set.
        axis: Axes = Axes::One(-1),
    } => {
        let z = below_max(x, self.axis.as_slice());
        &z - z.exp().sum_axes(self.axis.as_slice()).log().keep_dims(x, self.axis.as_slice())
    };

    /// `max(x - tau, 0)` with the `tau` for which an axis sums to 1: the nearest point of the
    /// simplex, in which small probabilities are 0. Martins and Astudillo 2016, algorithm 1. (Keras
    /// 3 subtracts a larger `tau`, so that its values sum to less than 1: it adds up the running
    /// sums instead of taking the last.)
    Sparsemax ["sparsemax"] {
        /// The axis along which values sum to 1; the last unless set.
        axis: i32 = -1,
    } => sparsemax(x, self.axis as isize);

    /// `a * sigmoid(b)`, where `a` and `b` are the two halves of an axis of even size: Dauphin et
    /// al. 2017, equation 1.
    Glu ["glu"] {
        /// The axis that is halved; the last unless set.
        axis: i32 = -1,
    } => {
        let halves = x.split(2, self.axis as isize);
        &halves[0] * halves[1].sigmoid()
    };
}

/// `x` less its maximum along axes, which shifts softmax and its relatives by nothing: the maximum
/// passes no gradient.
#[track_caller]
fn below_max(x: &Tensor, axes: &[isize]) -> Tensor {
    x - x.stop_gradient().max_keep(axes)
}

#[track_caller]
fn sparsemax(x: &Tensor, axis: isize) -> Tensor {
    let z = below_max(x, &[axis]);
    let Some(position) = x.shape().axis(axis) else { return z };
    let count = x.shape()[position];
    let shape = x.shape().with_ones(&(0..x.rank()).collect::<Vec<_>>()).with(position, count);
    let ranks =
        x.trace().constant_from_fn(shape, |rank| rank as f64 + 1.0, Site::caller()).cast(z.dtype());
    // Of all candidates (sum of the k largest - 1) / k, the greatest is tau. Which values lie above
    // it is constant between jumps, so only those that do have gradients.
    let sorted = z.stop_gradient().sort(axis).flip(axis);
    let greatest = ((sorted.cumsum(axis) - 1.0) / ranks).max_keep(axis);
    let inside = z.stop_gradient().greater(&greatest);
    let size = inside.cast(z.dtype()).sum_keep(axis);
    let tau = (inside.where_(&z, 0.0).sum_keep(axis) - 1.0) / size;
    (z - tau).maximum(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::error::Result;
    use crate::trace::Function;

    fn run(activation: impl ActivationFunction, x: impl Into<Array>) -> Result<Array> {
        let mut f = Function::new(|[x], _cx| [activation.call(&x)]);
        f.run([&x.into()]).map(|[y]| y.clone())
    }

    #[test]
    fn probabilities_sum_to_1_along_the_axis() {
        let x = [[1.0_f64, 3.0, -2.0], [0.5, 0.5, 1e4]];
        let sums = |array: Array, step: usize, stride: usize| -> Vec<f64> {
            let values: Vec<f64> = array.to_vec();
            (0..6 / step)
                .map(|i| {
                    (0..step)
                        .map(|j| values[i * (if stride == 1 { step } else { 1 }) + j * stride])
                        .sum()
                })
                .collect()
        };
        for near in sums(run(Softmax, x).unwrap(), 3, 1) {
            assert!((near - 1.0).abs() < 1e-12);
        }
        for near in sums(run(Sparsemax.axis(0), x).unwrap(), 2, 3) {
            assert!((near - 1.0).abs() < 1e-12);
        }
        let all = run(Softmax.axis([0, 1]), x).unwrap().to_vec::<f64>();
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn sparsemax_gives_exact_zeros() {
        assert_eq!(
            run(Sparsemax, [0.5_f32, 0.25, -1.0]).unwrap(),
            Array::from([0.625_f32, 0.375, 0.0])
        );
        assert_eq!(run(Sparsemax, [1e9_f32, 0.0, 0.0]).unwrap(), Array::from([1.0_f32, 0.0, 0.0]));
        assert_eq!(run(Sparsemax, [2.0_f32, 2.0]).unwrap(), Array::from([0.5_f32, 0.5]));
    }

    #[test]
    fn log_softmax_of_distant_values_is_finite() {
        assert_eq!(run(LogSoftmax, [1e4_f32, 0.0]).unwrap(), Array::from([0.0_f32, -1e4]));
    }

    #[test]
    fn a_gate_needs_an_axis_of_even_size() {
        assert_eq!(run(Glu, [[1.0_f32, 3.0, 0.0, 0.0]]).unwrap(), Array::from([[0.5_f32, 1.5]]));
        let error = run(Glu, [[1.0_f32, 2.0, 3.0]]).unwrap_err();
        error.says("cannot split axis -1 of [1, 3] into 2 equal parts");
    }
}
