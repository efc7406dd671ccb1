//! Functions that set small values to 0, or to another constant.
//!
//! In: a tensor of floats. Out: a tensor of the same shape.

use crate::graph::Tensor;
use crate::named::named;

use super::ActivationFunction;

named! { ActivationFunction: call(self, x: &Tensor) -> Tensor;
    /// `x` where `|x| > threshold`, else 0: the hard thresholding of Donoho and Johnstone 1994.
    HardShrink ["hard_shrink"] {
        /// Up to where values become 0; 0.5 unless set.
        threshold: f64 = 0.5,
    } => x.abs().greater(self.threshold).where_(x, 0.0);

    /// `x` moved toward 0 by the threshold, 0 where it would pass it: the soft thresholding of Donoho and Johnstone 1994.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [SoftShrink.call(&x)]).run_eagerly(true);
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

    /// `x - tanh(x)`.
    TanhShrink ["tanh_shrink"] {} => x - x.tanh();

    /// `x` above the threshold, else a constant. Keras has no defaults here; unless set, both are 0.
    Threshold ["threshold"] {
        /// Above which values stay; 0 unless set.
        threshold: f64 = 0.0,
        /// What other values become; 0 unless set.
        default_value: f64 = 0.0,
    } => x.greater(self.threshold).where_(x, self.default_value);
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
    fn values_up_to_the_threshold_become_0() {
        assert_eq!(values(HardShrink, [-2.0, -0.5, 0.5, 2.0]), [-2.0, 0.0, 0.0, 2.0]);
        assert_eq!(values(HardShrink.threshold(2.0), [-2.0, 3.0]), [0.0, 3.0]);
        assert_eq!(values(SoftShrink.threshold(1.0), [-3.0, 1.0, 2.5]), [-2.0, 0.0, 1.5]);
        assert_eq!(values(TanhShrink, [0.0]), [0.0]);
    }

    #[test]
    fn values_up_to_the_threshold_become_the_default_value() {
        assert_eq!(values(Threshold.threshold(1.0).default_value(-7.0), [0.5, 1.0, 1.5]), [-7.0, -7.0, 1.5]);
    }
}
