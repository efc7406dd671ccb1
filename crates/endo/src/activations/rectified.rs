//! Rectifiers: functions that let positive values pass, and bend or stop negative ones.
//!
//! In: a tensor of floats. Out: a tensor of the same shape.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use crate::graph::Tensor;
use crate::named::named;

use super::ActivationFunction;

named! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// `x` above the threshold, 0 below (`max(x, 0)` unless told otherwise), limited to the maximum if there is one; with a
    /// negative slope, `slope * (x - threshold)` below the threshold. Nair and Hinton 2010; options as Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).activation(Relu);
    /// let limited = Dense::new(30).activation(Relu.max_value(4.0));
    /// ```
    Relu ["relu"] {
        /// The slope below the threshold; 0 unless set.
        negative_slope: f64 = 0.0,
        /// The largest value; none unless set.
        max_value: Option<f64> = None,
        /// Where the function begins to rise; 0 unless set.
        threshold: f64 = 0.0,
    } => {
        if self.max_value.is_none() && self.threshold == 0.0 {
            return leaky(x, self.negative_slope);
        }
        let above = if self.threshold == 0.0 { x.relu() } else { x.greater(self.threshold).where_(x, 0.0) };
        let limited = match self.max_value {
            // TensorFlow's relu6 passes no gradient at 6, while other limits pass it.
            Some(6.0) if self.threshold == 0.0 => above.constant_like(6.0).minimum(&above),
            Some(max_value) => above.clip(0.0, max_value),
            None => above,
        };
        if self.negative_slope == 0.0 { limited } else { limited - self.negative_slope * (self.threshold - x).relu() }
    };

    /// `min(max(x, 0), 6)`: Krizhevsky 2010. The same as `Relu.max_value(6.0)`.
    Relu6 ["relu6"] {} => {
        let above = x.relu();
        above.constant_like(6.0).minimum(&above)
    };

    /// `x` where positive, else `negative_slope * x`: Maas, Hannun and Ng 2013.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).activation(LeakyRelu.negative_slope(0.1));
    /// ```
    LeakyRelu ["leaky_relu"] {
        /// The slope below 0; 0.2 unless set.
        negative_slope: f64 = 0.2,
    } => leaky(x, self.negative_slope);

    /// `x` where positive, else `alpha * (e^x - 1)`: Clevert, Unterthiner and Hochreiter 2016, equation 15.
    Elu ["elu"] {
        /// The limit of negative values is `-alpha`; 1 unless set.
        alpha: f64 = 1.0,
    } => {
        let elu = x.elu();
        if self.alpha == 1.0 { elu } else { x.greater(0.0).where_(&elu, self.alpha * &elu) }
    };

    /// `max(x, 0) + alpha * (e^(min(x, 0) / alpha) - 1)`, smooth for every alpha: Barron 2017, equation 2. Its gradient at 0
    /// is 2, as Keras's: both terms pass theirs there.
    Celu ["celu"] {
        /// The limit of negative values is `-alpha`; 1 unless set.
        alpha: f64 = 1.0,
    } => x.maximum(0.0) + self.alpha * (x.minimum(0.0) / self.alpha).expm1();

    /// `scale * x` where positive, else `scale * alpha * (e^x - 1)`, with the scale 1.0507 and the alpha 1.6733 that keep
    /// activations at mean 0 and variance 1: Klambauer et al. 2017, equation 2. Its weights start from
    /// [`LecunNormal`](crate::initializers::LecunNormal).
    Selu ["selu"] {} => x.selu();

    /// `x * Phi(x)` with the normal distribution function `Phi(x) = (1 + erf(x / sqrt(2))) / 2`, or its approximation
    /// `(1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`: Hendrycks and Gimpel 2016, section 2.
    Gelu ["gelu"] {
        /// Whether to use the approximation; false unless set.
        approximate: bool = false,
    } => {
        let share = match self.approximate {
            true => (FRAC_2_PI.sqrt() * (x + 0.044715 * x.square() * x)).tanh(),
            false => (x * FRAC_1_SQRT_2).erf(),
        };
        0.5 * x * (1.0 + share)
    };

    /// `x * sigmoid(x)`, also called swish: Ramachandran, Zoph and Le 2017.
    Silu ["silu", "swish"] {} => x * x.sigmoid();

    /// `x * hard_sigmoid(x)`, also called hard swish: Howard et al. 2019, section 5.2.
    HardSilu ["hard_silu", "hard_swish"] {} => x * super::HardSigmoid.call(x);

    /// `x * tanh(softplus(x))`: Misra 2019, equation 1.
    Mish ["mish"] {} => x * x.softplus().tanh();

    /// `log(1 + e^x)`, a smooth `max(x, 0)`: Glorot, Bordes and Bengio 2011.
    Softplus ["softplus"] {} => x.softplus();

    /// `(x + sqrt(x^2 + b)) / 2`, a smooth `max(x, 0)` without exponentials: Barron 2021, equation 1.
    Squareplus ["squareplus"] {
        /// How round the bend is; 4 unless set.
        b: f64 = 4.0,
    } => (x + (x.square() + self.b).sqrt()) / 2.0;

    /// 0 up to -1, `(x + 1)^2 / 4` up to 1, then `x`: the smooth `max(x, 0)` whose slope is
    /// [`SparseSigmoid`](struct@super::SparseSigmoid).
    SparsePlus ["sparse_plus"] {} => {
        let bend = x.less(1.0).where_(0.25 * (x + 1.0).square(), x);
        x.less_equal(-1.0).where_(0.0, &bend)
    };

    /// `e^x`.
    Exponential ["exponential"] {} => x.exp();

    /// `x` itself: no activation.
    Linear ["linear"] {} => x.clone();
}

/// `x` where positive, else `slope * x`, which passes the slope at 0.
#[track_caller]
fn leaky(x: &Tensor, slope: f64) -> Tensor {
    if slope == 0.0 { x.relu() } else { x.greater(0.0).where_(x, slope * x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    /// Values, and slopes behind them.
    fn run<const N: usize>(activation: impl ActivationFunction, x: [f32; N]) -> [Vec<f64>; 2] {
        let f = Function::new(|[x], cx| {
            let y = activation.call(&x);
            let slopes = cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).expect("it depends on x");
            [y, slopes]
        });
        f.run_eagerly(true).run([&Array::from(x)]).unwrap().each_ref().map(|array| array.to_vec())
    }

    #[test]
    fn slopes_at_kinks_are_tensorflows() {
        assert_eq!(run(Relu, [-1.0, 0.0, 1.0]), [vec![0.0, 0.0, 1.0], vec![0.0, 0.0, 1.0]]);
        assert_eq!(run(Relu6, [0.0, 6.0, 7.0]), [vec![0.0, 6.0, 6.0], vec![0.0, 0.0, 0.0]]);
        assert_eq!(run(Relu.max_value(4.0), [3.0, 4.0, 5.0]), [vec![3.0, 4.0, 4.0], vec![1.0, 1.0, 0.0]]);
        assert_eq!(run(LeakyRelu, [-1.0, 0.0, 1.0])[1], [f64::from(0.2_f32), f64::from(0.2_f32), 1.0]);
        assert_eq!(run(Celu, [0.0])[1], [2.0]);
    }

    #[test]
    fn a_threshold_moves_the_negative_part_along() {
        let relu = Relu.negative_slope(0.5).threshold(1.0);
        assert_eq!(run(relu, [-1.0, 1.0, 2.0]), [vec![-1.0, 0.0, 2.0], vec![0.5, 0.0, 1.0]]);
    }

    #[test]
    fn large_arguments_have_finite_values_and_slopes() {
        for name in crate::activations::names().filter(|name| !["exponential", "glu"].contains(name)) {
            let [values, slopes] = run(crate::activations::get(name).unwrap(), [-1e4, -100.0, 100.0, 1e4]);
            assert!(values.iter().chain(&slopes).all(|value| value.is_finite()), "{name}: {values:?} {slopes:?}");
        }
    }
}
