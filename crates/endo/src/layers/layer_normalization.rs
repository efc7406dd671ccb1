//! Normalization by the statistics of each sample.
//!
//! In: a tensor of floats. Out: the same shape, of mean 0 and variance 1 along the axes before it
//! is scaled and shifted.

use std::panic::Location;

use crate::graph::Tensor;
use crate::initializers::{Initializer, Ones, Zeros};
use crate::named::Hyperparameters;
use crate::ops::view::axis_error;
use crate::shape::Shape;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{name_option, trainable_option, weight_options};

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with mean and variance along the axes
/// (Ba, Kiros and Hinton 2016, equation 4). `gamma` and `beta` have the sizes of those axes.
/// Keras's `LayerNormalization`.
///
/// ```
/// use endo::prelude::*;
/// let layer = LayerNormalization::new().epsilon(0.0);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// let [y] = f.run([&[[1.0_f32, 3.0], [10.0, 0.0]].into()])?;
/// assert_eq!(y, Array::from([[-1.0_f32, 1.0], [1.0, -1.0]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct LayerNormalization {
    name: Option<String>,
    axes: Vec<isize>,
    epsilon: f64,
    center: bool,
    scale: bool,
    gamma: Weight,
    beta: Weight,
    gamma_initializer: Box<dyn Initializer>,
    beta_initializer: Box<dyn Initializer>,
}

impl LayerNormalization {
    /// Along the last axis, with epsilon 0.001.
    pub fn new() -> Self {
        Self {
            name: None,
            axes: vec![-1],
            epsilon: 1e-3,
            center: true,
            scale: true,
            gamma: Weight::new("gamma"),
            beta: Weight::new("beta"),
            gamma_initializer: Box::new(Ones),
            beta_initializer: Box::new(Zeros),
        }
    }

    /// The axes normalized together: `.axis([-1])` unless set, `.axis([1, 2])` for two.
    #[must_use]
    pub fn axis(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.axes = axes.into();
        self
    }

    /// What is added to the variance. 0.001 unless set.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether `beta` is added. True unless set.
    #[must_use]
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// Whether it is multiplied by `gamma`. True unless set.
    #[must_use]
    pub fn scale(mut self, scale: bool) -> Self {
        self.scale = scale;
        self
    }

    weight_options! { gamma: gamma_initializer = "Ones", gamma_regularizer, gamma_constraint }
    weight_options! { beta: beta_initializer = "Zeros", beta_regularizer, beta_constraint }
    name_option! {}
    trainable_option! { gamma, beta }

    /// The factors, once the layer was applied; none without `scale`.
    pub fn gamma(&self) -> Option<&Variable> {
        self.gamma.variable()
    }

    /// The offsets, once the layer was applied; none without `center`.
    pub fn beta(&self) -> Option<&Variable> {
        self.beta.variable()
    }
}

impl Default for LayerNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for LayerNormalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        if let Some(&axis) = self.axes.iter().find(|&&axis| x.shape().axis(axis).is_none()) {
            cx.trace()
                .record(axis_error("LayerNormalization", axis, x.shape()).at(Location::caller()));
            return x.clone();
        }
        let normalized: Vec<usize> =
            self.axes.iter().filter_map(|&axis| x.shape().axis(axis)).collect();
        let others: Vec<usize> = (0..x.rank()).filter(|axis| !normalized.contains(axis)).collect();
        let sizes = x.shape().without(&others);
        // The weights in a shape that broadcasts against `x`: from the first normalized axis on.
        let first = normalized.iter().min().copied().unwrap_or(0);
        let across = Shape::from(&x.shape().with_ones(&others)[first..]);
        let centered = x - x.mean_axes(&self.axes).keep_dims(x, &self.axes);
        let variance = centered.square().mean_axes(&self.axes).keep_dims(x, &self.axes);
        let mut y = centered * (variance + self.epsilon).rsqrt();
        if self.scale {
            y = y * self.gamma.get(self, &sizes, &*self.gamma_initializer, cx).reshape(&across);
        }
        if self.center {
            y = y + self.beta.get(self, &sizes, &*self.beta_initializer, cx).reshape(&across);
        }
        y
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("axis", self.axes.clone()).with("epsilon", self.epsilon)
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
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
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        let error = f.run([&[[1.0_f32]].into()]).unwrap_err();
        assert!(error.message().contains("`LayerNormalization` along axis 2"), "{error}");
    }
}
