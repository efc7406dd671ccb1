//! Functions made of straight pieces, and one of a parabola between two: rectifiers, hard sigmoids,
//! thresholds.
//!
//! In: a tensor of floats. Out: a tensor of the same shape. Slopes where pieces meet are
//! TensorFlow's.

use crate::graph::Tensor;
use crate::named::family;

use super::ActivationFunction;

family! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// `x` above the threshold, 0 below (`max(x, 0)` unless told otherwise), limited to the maximum
    /// if there is one; with a negative slope, `slope * (x - threshold)` below the threshold. Nair
    /// and Hinton 2010; options as Keras's.
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
        let above = if self.threshold == 0.0 {
            x.relu()
        } else {
            x.greater(self.threshold).where_(x, 0.0)
        };
        let limited = match self.max_value {
            // TensorFlow's relu6 passes no gradient at 6, while other limits pass it.
            Some(6.0) if self.threshold == 0.0 => above.constant_like(6.0).minimum(&above),
            Some(max_value) => above.clip(0.0, max_value),
            None => above,
        };
        if self.negative_slope == 0.0 {
            limited
        } else {
            limited - self.negative_slope * (self.threshold - x).relu()
        }
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

    /// `min(max(x / 6 + 1 / 2, 0), 1)`: Howard et al. 2019, section 5.2.
    HardSigmoid ["hard_sigmoid"] {} => Relu6.call(&(x + 3.0)) / 6.0;

    /// `x * hard_sigmoid(x)`, also called hard swish: Howard et al. 2019, section 5.2.
    HardSilu ["hard_silu", "hard_swish"] {} => x * HardSigmoid.call(x);

    /// `min(max(x, -1), 1)`: Collobert 2004.
    HardTanh ["hard_tanh"] {} => x.clip(-1.0, 1.0);

    /// `min(max((x + 1) / 2, 0), 1)`: the slope of [`SparsePlus`](struct@SparsePlus).
    SparseSigmoid ["sparse_sigmoid"] {} => {
        let rise = x.greater_equal(1.0).where_(1.0, 0.5 * (x + 1.0));
        x.less_equal(-1.0).where_(0.0, &rise)
    };

    /// 0 up to -1, `(x + 1)^2 / 4` up to 1, then `x`: the smooth `max(x, 0)` whose slope is
    /// [`SparseSigmoid`](struct@SparseSigmoid).
    SparsePlus ["sparse_plus"] {} => {
        // Below -1 the parabola is that of 0, so that the square of what is far below is neither
        // taken nor differentiated.
        x.less(1.0).where_(0.25 * (x + 1.0).maximum(0.0).square(), x)
    };

    /// `x` where `|x| > threshold`, else 0: the hard thresholding of Donoho and Johnstone 1994.
    HardShrink ["hard_shrink"] {
        /// Up to where values become 0; 0.5 unless set.
        threshold: f64 = 0.5,
    } => x.abs().greater(self.threshold).where_(x, 0.0);

    /// `x` moved toward 0 by the threshold, 0 where it would pass it: the soft thresholding of
    /// Donoho and Johnstone 1994.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [SoftShrink.call(&x)]);
    /// assert_eq!(f.run([&[-2.0_f32, 0.25, 2.0].into()])?[0], Array::from([-1.5_f32, 0.0, 1.5]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    SoftShrink ["soft_shrink"] {
        /// How far values move; 0.5 unless set.
        threshold: f64 = 0.5,
    } => {
        let negative = x.less(-self.threshold).where_(x + self.threshold, 0.0);
        x.greater(self.threshold).where_(x - self.threshold, &negative)
    };

    /// `x` above the threshold, else a constant. Keras has no defaults here; unless set, both are
    /// 0.
    Threshold ["threshold"] {
        /// Above which values stay; 0 unless set.
        threshold: f64 = 0.0,
        /// What other values become; 0 unless set.
        default_value: f64 = 0.0,
    } => x.greater(self.threshold).where_(x, self.default_value);

    /// `x` itself: no activation.
    Linear ["linear", "none"] {} => x.clone();
}

/// `x` where positive, else `slope * x`, which passes the slope at 0.
#[track_caller]
fn leaky(x: &Tensor, slope: f64) -> Tensor {
    if slope == 0.0 { x.relu() } else { x.greater(0.0).where_(x, slope * x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::tests::{slopes, values};

    #[test]
    fn slopes_where_pieces_meet_are_tensorflows() {
        assert_eq!(slopes(Relu, [-1.0, 0.0, 1.0]), [0.0, 0.0, 1.0]);
        assert_eq!(slopes(Relu6, [0.0, 6.0, 7.0]), [0.0, 0.0, 0.0]);
        assert_eq!(slopes(Relu.max_value(4.0), [3.0, 4.0, 5.0]), [1.0, 1.0, 0.0]);
        assert_eq!(slopes(LeakyRelu.negative_slope(0.25), [-1.0, 0.0, 1.0]), [0.25, 0.25, 1.0]);
        assert_eq!(slopes(HardTanh, [-1.0, 0.0, 1.0, 2.0]), [1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_threshold_moves_the_negative_part_along() {
        let relu = Relu.negative_slope(0.5).threshold(1.0);
        assert_eq!(values(relu.clone(), [-1.0, 1.0, 2.0]).unwrap(), [-1.0, 0.0, 2.0]);
        assert_eq!(slopes(relu, [-1.0, 1.0, 2.0]), [0.5, 0.0, 1.0]);
    }

    #[test]
    fn hard_sigmoids_reach_their_limits() {
        assert_eq!(values(HardSigmoid, [-3.0, 0.0, 1.5, 3.0]).unwrap(), [0.0, 0.5, 0.75, 1.0]);
        assert_eq!(values(SparseSigmoid, [-1.0, 0.0, 0.5, 1.0]).unwrap(), [0.0, 0.5, 0.75, 1.0]);
        assert_eq!(values(HardSilu, [-4.0, 1.5, 4.0]).unwrap(), [0.0, 1.125, 4.0]);
        assert_eq!(values(HardTanh, [-2.0, -0.5, 2.0]).unwrap(), [-1.0, -0.5, 1.0]);
    }

    #[test]
    fn values_up_to_the_threshold_are_cut() {
        assert_eq!(values(HardShrink, [-2.0, -0.5, 0.5, 2.0]).unwrap(), [-2.0, 0.0, 0.0, 2.0]);
        assert_eq!(values(SoftShrink.threshold(1.0), [-3.0, 1.0, 2.5]).unwrap(), [-2.0, 0.0, 1.5]);
        let threshold = Threshold.threshold(1.0).default_value(-7.0);
        assert_eq!(values(threshold, [0.5, 1.0, 1.5]).unwrap(), [-7.0, -7.0, 1.5]);
    }
}
