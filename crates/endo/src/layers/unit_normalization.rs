//! Normalization by the length of vectors, without a mean.
//!
//! In: a tensor of floats. Out: the same shape; vectors along the axes have length 1, or a mean
//! square of 1.

use std::panic::Location;

use crate::graph::Tensor;
use crate::initializers::Ones;
use crate::named::Hyperparameters;
use crate::ops::view::axis_error;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::name_option;

/// Lengths below its reciprocal are not made 1.
const GREATEST: f64 = 1e12;

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
pub struct UnitNormalization {
    name: Option<String>,
    axes: Vec<isize>,
}

/// `scale * x / sqrt(mean(x^2) + epsilon)` with the mean along an axis and a scale for each number
/// of it (Zhang and Sennrich 2019, equation 4). Keras's `RMSNormalization`.
///
/// ```
/// use endo::prelude::*;
/// let layer = RmsNormalization::new().epsilon(0.0);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(f.run([&[[2.0_f32, -2.0]].into()])?[0], Array::from([[1.0_f32, -1.0]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct RmsNormalization {
    name: Option<String>,
    axis: isize,
    epsilon: f64,
    scale: Weight,
}

impl UnitNormalization {
    /// Along the last axis.
    pub fn new() -> Self {
        Self { name: None, axes: vec![-1] }
    }

    /// The axes along which vectors lie. `[-1]` unless set.
    #[must_use]
    pub fn axis(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axes = axes.into();
        self
    }

    name_option! {}
}

impl Default for UnitNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl RmsNormalization {
    /// Along the last axis, with epsilon 0.000001.
    pub fn new() -> Self {
        Self { name: None, axis: -1, epsilon: 1e-6, scale: Weight::new("scale") }
    }

    /// The axis that is normalized. -1 unless set.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// What is added to the mean square. 0.000001 unless set.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    name_option! {}

    /// Whether optimizers may change the scale. True unless set.
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        self.scale = self.scale.trainable(trainable);
        self
    }

    /// The scale, once the layer was applied.
    pub fn scale(&self) -> Option<&Variable> {
        self.scale.variable()
    }
}

impl Default for RmsNormalization {
    fn default() -> Self {
        Self::new()
    }
}

/// `x` with vectors along axes of length 1.
#[track_caller]
pub(super) fn unit(x: &Tensor, axes: &[isize]) -> Tensor {
    x * x.square().sum_axes(axes).rsqrt().minimum(GREATEST).keep_dims(x, axes)
}

impl Layer for UnitNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        if let Some(&axis) = self.axes.iter().find(|&&axis| x.shape().axis(axis).is_none()) {
            cx.trace()
                .record(axis_error("UnitNormalization", axis, x.shape()).at(Location::caller()));
            return x.clone();
        }
        unit(x, &self.axes)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("axis", self.axes.clone())
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

impl Layer for RmsNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let Some(axis) = x.shape().axis(self.axis) else {
            cx.trace().record(
                axis_error("RmsNormalization", self.axis, x.shape()).at(Location::caller()),
            );
            return x.clone();
        };
        let size = x.shape()[axis];
        let scale = self.scale.get(self, size, &Ones, cx);
        let across: Vec<usize> =
            (axis..x.rank()).map(|other| if other == axis { size } else { 1 }).collect();
        let mean = x.square().mean_axes([self.axis]).keep_dims(x, [self.axis]);
        x * (mean + self.epsilon).rsqrt() * scale.reshape(across)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("axis", self.axis).with("epsilon", self.epsilon)
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn an_axis_that_the_inputs_lack_is_an_error() {
        let (unit, rms) = (UnitNormalization::new().axis([0, 2]), RmsNormalization::new().axis(-3));
        for (layer, name) in [
            (&unit as &dyn Layer, "`UnitNormalization` along axis 2"),
            (&rms, "`RmsNormalization` along axis -3"),
        ] {
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
            let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
            assert!(error.message().contains(name), "{error}");
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
