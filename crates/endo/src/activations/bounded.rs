//! Functions with limits on one side or both: sigmoids, hyperbolic tangents and their piecewise linear relatives.
//!
//! In: a tensor of floats. Out: a tensor of the same shape.

use crate::graph::Tensor;
use crate::named::named;

use super::ActivationFunction;

named! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// The logistic function `1 / (1 + e^-x)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let probability = Dense::new(1).activation(Sigmoid);
    /// ```
    Sigmoid ["sigmoid"] {} => x.sigmoid();

    /// `min(max(x / 6 + 1 / 2, 0), 1)`: Howard et al. 2019, section 5.2.
    HardSigmoid ["hard_sigmoid"] {} => super::Relu6.call(&(x + 3.0)) / 6.0;

    /// `log(1 / (1 + e^-x))`, without overflow.
    LogSigmoid ["log_sigmoid"] {} => -(-x).softplus();

    /// `min(max((x + 1) / 2, 0), 1)`: the slope of [`SparsePlus`](struct@super::SparsePlus).
    SparseSigmoid ["sparse_sigmoid"] {} => {
        let rise = x.greater_equal(1.0).where_(1.0, 0.5 * (x + 1.0));
        x.less_equal(-1.0).where_(0.0, &rise)
    };

    /// The hyperbolic tangent `(e^x - e^-x) / (e^x + e^-x)`.
    Tanh ["tanh"] {} => x.tanh();

    /// `min(max(x, -1), 1)`: Collobert 2004.
    HardTanh ["hard_tanh"] {} => x.clip(-1.0, 1.0);

    /// `x / (1 + |x|)`: Turian, Bergstra and Bengio 2009.
    Softsign ["softsign"] {} => x / (x.abs() + 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    fn values<const N: usize>(activation: impl ActivationFunction, x: [f32; N]) -> Vec<f64> {
        let mut f = Function::new(|[x], _cx| [activation.call(&x)]).run_eagerly(true);
        f.run([&Array::from(x)]).unwrap()[0].to_vec()
    }

    #[test]
    fn sigmoids_reach_their_limits() {
        assert_eq!(values(Sigmoid, [-1e4, 0.0, 1e4]), [0.0, 0.5, 1.0]);
        assert_eq!(values(HardSigmoid, [-3.0, 0.0, 1.5, 3.0]), [0.0, 0.5, 0.75, 1.0]);
        assert_eq!(values(SparseSigmoid, [-1.0, 0.0, 0.5, 1.0]), [0.0, 0.5, 0.75, 1.0]);
        assert_eq!(values(HardTanh, [-2.0, -0.5, 2.0]), [-1.0, -0.5, 1.0]);
        assert_eq!(values(Softsign, [-3.0, 0.0, 1.0]), [-0.75, 0.0, 0.5]);
    }

    #[test]
    fn the_logarithm_of_a_tiny_sigmoid_is_finite() {
        assert_eq!(values(LogSigmoid, [-1e4, 1e4]), [-1e4, 0.0]);
    }
}
