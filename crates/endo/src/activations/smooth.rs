//! Smooth functions: sigmoids, exponential units, and `x` times a share of it.
//!
//! In: a tensor of floats. Out: a tensor of the same shape; finite values and slopes for large
//! arguments, but of `Exponential`.

use crate::graph::Tensor;
use crate::named::family;

use super::ActivationFunction;

family! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// The logistic function `1 / (1 + e^-x)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let probability = Dense::new(1).activation(Sigmoid);
    /// ```
    Sigmoid ["sigmoid"] {} => x.sigmoid();

    /// `log(1 / (1 + e^-x))`, without overflow.
    LogSigmoid ["log_sigmoid"] {} => -(-x).softplus();

    /// The hyperbolic tangent `(e^x - e^-x) / (e^x + e^-x)`.
    Tanh ["tanh"] {} => x.tanh();

    /// `x - tanh(x)`.
    TanhShrink ["tanh_shrink"] {} => x - x.tanh();

    /// `x / (1 + |x|)`: Turian, Bergstra and Bengio 2009.
    Softsign ["softsign"] {} => x / (x.abs() + 1.0);

    /// `log(1 + e^x)`, a smooth `max(x, 0)`: Glorot, Bordes and Bengio 2011.
    Softplus ["softplus"] {} => x.softplus();

    /// `(x + sqrt(x^2 + b)) / 2`, a smooth `max(x, 0)` without exponentials: Barron 2021,
    /// equation 1.
    Squareplus ["squareplus"] {
        /// How round the bend is; 4 unless set.
        b: f64 = 4.0,
    } => (x + (x.square() + self.b).sqrt()) / 2.0;

    /// `x` where positive, else `alpha * (e^x - 1)`: Clevert, Unterthiner and Hochreiter 2016,
    /// equation 15.
    Elu ["elu"] {
        /// The limit of negative values is `-alpha`; 1 unless set.
        alpha: f64 = 1.0,
    } => {
        let elu = x.elu();
        if self.alpha == 1.0 { elu } else { x.greater(0.0).where_(&elu, self.alpha * &elu) }
    };

    /// `max(x, 0) + alpha * (e^(min(x, 0) / alpha) - 1)`, smooth for every alpha: Barron 2017,
    /// equation 2. Its gradient at 0 is 2, as Keras's: both terms pass theirs there.
    Celu ["celu"] {
        /// The limit of negative values is `-alpha`; 1 unless set.
        alpha: f64 = 1.0,
    } => x.maximum(0.0) + self.alpha * (x.minimum(0.0) / self.alpha).expm1();

    /// `scale * x` where positive, else `scale * alpha * (e^x - 1)`, with the scale 1.0507 and the
    /// alpha 1.6733 that keep activations at mean 0 and variance 1: Klambauer et al. 2017,
    /// equation 2. Its weights start from [`LecunNormal`](crate::initializers::LecunNormal).
    Selu ["selu"] {} => x.selu();

    /// `x * Phi(x)` with the normal distribution function `Phi(x) = (1 + erf(x / sqrt(2))) / 2`, or
    /// its approximation
    /// `(1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`: Hendrycks and Gimpel 2016, section 2.
    Gelu ["gelu"] {
        /// Whether to use the approximation; false unless set.
        approximate: bool = false,
    } => if self.approximate { x.gelu_tanh() } else { x.gelu() };

    /// `x * sigmoid(x)`, also called swish: Ramachandran, Zoph and Le 2017.
    Silu ["silu", "swish"] {} => x * x.sigmoid();

    /// `x * tanh(softplus(x))`: Misra 2019, equation 1.
    Mish ["mish"] {} => x * x.softplus().tanh();

    /// `e^x`.
    Exponential ["exponential"] {} => x.exp();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::tests::{slopes, values};

    #[test]
    fn large_arguments_have_finite_values_and_slopes() {
        for name in crate::activations::names().filter(|name| *name != "exponential") {
            let activation = crate::activations::get(name).unwrap();
            let x = [-1e4, -100.0, 100.0, 1e4];
            let (values, slopes) = (values(activation.clone(), x).unwrap(), slopes(activation, x));
            assert!(
                values.iter().chain(&slopes).all(|value| value.is_finite()),
                "{name}: {values:?} {slopes:?}"
            );
        }
    }

    #[test]
    fn sigmoids_reach_their_limits() {
        assert_eq!(values(Sigmoid, [-1e4, 0.0, 1e4]).unwrap(), [0.0, 0.5, 1.0]);
        assert_eq!(values(Softsign, [-3.0, 0.0, 1.0]).unwrap(), [-0.75, 0.0, 0.5]);
        assert_eq!(values(LogSigmoid, [-1e4, 1e4]).unwrap(), [-1e4, 0.0]);
    }

    #[test]
    fn slopes_at_0_are_tensorflows() {
        assert_eq!(slopes(Celu, [0.0]), [2.0]);
        assert_eq!(slopes(Elu.alpha(0.5), [0.0]), [0.5]);
        assert_eq!(slopes(Selu, [0.0]), [f64::from(1.050_701_f32)]);
    }
}
