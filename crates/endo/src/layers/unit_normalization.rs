//! Normalization by the length of vectors, without a mean.
//!
//! In: a tensor of floats. Out: the same shape; vectors along the axes have length 1, or a mean
//! square of 1.

use crate::graph::Tensor;
use crate::initializers::Ones;
use crate::named::{Axes, AxisList, Named, NotNegative};
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};
use super::normalization::{across, positions};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] =
    &[row::<UnitNormalization>(), row::<RmsNormalization>()];

/// Lengths below its reciprocal are not made 1.
const GREATEST: f64 = 1e12;

layer! {
    /// `x / |x|` with the length of vectors along the axes; vectors of 0 stay. Keras's
    /// `UnitNormalization`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [UnitNormalization::new().apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&[[3.0_f32, 4.0], [0.0, 0.0]].into()])?[0],
    ///     Array::from([[0.6_f32, 0.8], [0.0, 0.0]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    UnitNormalization ["unit_normalization"]
    /// Along the last axis.
    () {
        /// The axes along which vectors lie. `[-1]` unless set.
        axis: AxisList => Axes = AxisList(vec![-1]),
    }
}

layer! {
    /// `scale * x / sqrt(mean(x^2) + epsilon)` with the mean along an axis and a scale for each
    /// number of it (Zhang and Sennrich 2019, equation 4). Keras's `RMSNormalization`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = RmsNormalization::new().epsilon(0.0);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(f.run([&[[2.0_f32, -2.0]].into()])?[0], Array::from([[1.0_f32, -1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    RmsNormalization ["rms_normalization"]
    /// Along the last axis, with epsilon 0.000001.
    () {
        /// The axis that is normalized. -1 unless set.
        axis: isize = -1,
        /// What is added to the mean square. 0.000001 unless set.
        epsilon: NotNegative as f64 = NotNegative(1e-6),
    }
    weights {
        /// The scale, once the layer was applied.
        scale = Ones;
    }
}

/// `x` with vectors along axes of length 1.
#[track_caller]
pub(super) fn unit(x: &Tensor, axes: &[isize]) -> Tensor {
    x * x.square().sum_axes(axes).rsqrt().minimum(GREATEST).keep_dims(x, axes)
}

impl Layer for UnitNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, _cx: &mut Context) -> Tensor {
        match positions("UnitNormalization", &self.axis.0, x) {
            Some(_) => unit(x, &self.axis.0),
            None => x.clone(),
        }
    }

    about! { supports_masking }
}

impl Layer for RmsNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let Some(axis) = positions("RmsNormalization", &[self.axis], x) else { return x.clone() };
        let scale = self.scale.value(self, x.shape()[axis[0]], cx);
        let mean = x.square().mean_axes([self.axis]).keep_dims(x, [self.axis]);
        x * (mean + self.epsilon.0).rsqrt() * scale.reshape(across(x.shape(), axis[0]))
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn an_axis_that_the_inputs_lack_is_an_error() {
        let (unit, rms) = (UnitNormalization::new().axis([0, 2]), RmsNormalization::new().axis(-3));
        for (layer, name) in [
            (&unit as &dyn Layer, "`UnitNormalization` along axis 2"),
            (&rms, "`RmsNormalization` along axis -3"),
        ] {
            refused(layer, &[1, 1]).says(name);
        }
    }

    #[test]
    fn vectors_shorter_than_the_limit_have_the_slope_of_a_factor() {
        let mut f = Function::new(|[x], cx| {
            let y = UnitNormalization::new().apply(&x, cx);
            [y.stop_gradient(), cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap()]
        });
        let [y, slope] = f.run([&[[0.0_f32, 0.0], [1e-15, 0.0]].into()]).unwrap();
        assert_eq!(y, Array::from([[0.0_f32, 0.0], [1e-3, 0.0]]));
        assert_eq!(slope, Array::from([[1e12_f32, 1e12]; 2])); // As Keras's.
    }
}
