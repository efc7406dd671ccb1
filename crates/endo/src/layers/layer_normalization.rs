//! Normalization by the statistics of each sample.
//!
//! In: a tensor of floats. Out: the same shape, of mean 0 and variance 1 along the axes before it
//! is scaled and shifted.

use crate::graph::Tensor;
use crate::initializers::{Ones, Zeros};
use crate::named::{Axes, AxisList, Declared, Named, NotNegative};
use crate::shape::Shape;
use crate::trace::{Context, Weight};

use super::Layer;
use super::declare::{about, layer, row};
use super::normalization::positions;

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<LayerNormalization>()];

layer! {
    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with mean and variance along the
    /// axes (Ba, Kiros and Hinton 2016, equation 4). `gamma` and `beta` have the sizes of those
    /// axes. Keras's `LayerNormalization`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = LayerNormalization::new().epsilon(0.0);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = f.run([&[[1.0_f32, 3.0], [10.0, 0.0]].into()])?;
    /// assert_eq!(y, Array::from([[-1.0_f32, 1.0], [1.0, -1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    LayerNormalization ["layer_normalization"]
    /// Along the last axis, with epsilon 0.001.
    () {
        /// The axes normalized together: `.axis([-1])` unless set, `.axis([1, 2])` for two.
        axis: AxisList => Axes = AxisList(vec![-1]),
        /// What is added to the variance. 0.001 unless set.
        epsilon: NotNegative as f64 = NotNegative(1e-3),
        /// Whether `beta` is added. True unless set.
        center: bool = true,
        /// Whether it is multiplied by `gamma`. True unless set.
        scale: bool = true,
    }
    weights {
        /// The factors, once the layer was applied; none without `scale`.
        gamma = Ones => gamma_initializer, gamma_regularizer, gamma_constraint;
        /// The offsets, once the layer was applied; none without `center`.
        beta = Zeros => beta_initializer, beta_regularizer, beta_constraint;
    }
}

impl Layer for LayerNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let Some(normalized) = positions("LayerNormalization", &self.axis.0, x) else {
            return x.clone();
        };
        let others: Vec<usize> = (0..x.rank()).filter(|axis| !normalized.contains(axis)).collect();
        let sizes = x.shape().without(&others);
        // The weights in a shape that broadcasts against `x`: from the first normalized axis on.
        let first = normalized.iter().min().copied().unwrap_or(0);
        let across = Shape::from(&x.shape().with_ones(&others)[first..]);
        let y = standardized(x, &self.axis.0, self.epsilon.0);
        let affine = [self.scale.then_some(&self.gamma), self.center.then_some(&self.beta)];
        scaled(y, self, affine, &sizes, &across, cx)
    }

    about! { supports_masking }
}

/// `(x - mean) / sqrt(variance + epsilon)` with mean and variance along axes.
#[track_caller]
pub(super) fn standardized(x: &Tensor, axes: &[isize], epsilon: f64) -> Tensor {
    let centered = x - x.mean_axes(axes).keep_dims(x, axes);
    let variance = centered.square().mean_axes(axes).keep_dims(x, axes);
    centered * (variance + epsilon).rsqrt()
}

/// `gamma * y + beta` with those of the two that a layer has: weights of a shape, which `across`
/// broadcasts against `y`.
#[track_caller]
pub(super) fn scaled<L: Declared>(
    mut y: Tensor,
    layer: &L,
    [gamma, beta]: [Option<&Weight>; 2],
    shape: &Shape,
    across: &Shape,
    cx: &mut Context,
) -> Tensor {
    if let Some(gamma) = gamma {
        y = y * gamma.value(layer, shape, cx).reshape(across);
    }
    if let Some(beta) = beta {
        y = y + beta.value(layer, shape, cx).reshape(across);
    }
    y
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn weights_have_the_sizes_of_the_normalized_axes() {
        let layer = LayerNormalization::new().axis([1, 2]).center(false);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([2, 3, 4, 5], DType::F32)]).unwrap();
        assert_eq!(layer.gamma().unwrap().shape().sizes(), [3, 4]);
        assert!(layer.beta().is_none());
    }

    #[test]
    fn an_axis_that_the_inputs_lack_is_an_error() {
        let layer = LayerNormalization::new().axis([2]);
        refused(&layer, &[1, 1]).says("`LayerNormalization` along axis 2");
    }
}
