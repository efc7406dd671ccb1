//! Convolutions of each channel by itself, and those followed by a product over channels.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., channels * depth_multiplier]`, or
//! filters of those.

use std::sync::Arc;

use crate::activations::ActivationFunction;
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::named::Hyperparameters;
use crate::ops::Window;
use crate::regularizers::Regularizer;
use crate::shape::{Shape, product};
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::Layer;
use super::super::options::{activity_option, name_option, trainable_option, weight_options};
use super::super::spatial::{Padding, Sizes};
use super::{convolution_options, refuse};

/// Windows `[batch, counts.., sizes.., channels]` times a kernel `[sizes.., channels, multiplier]`,
/// summed over the windows: `[batch, counts.., channels * multiplier]`.
#[track_caller]
fn convolve(inputs: &Tensor, windows: &[Window], kernel: &Tensor) -> Tensor {
    let (channels, multiplier) = (inputs.features(), kernel.features());
    let counts = windows.iter().map(|window| window.count);
    let outputs: Shape = [inputs.batch()]
        .into_iter()
        .chain(counts)
        .chain([channels.saturating_mul(multiplier)])
        .collect();
    let positions = product(&outputs[..outputs.rank() - 1]);
    let size = product(windows.iter().map(|window| &window.size));
    let seen = inputs.windows(windows, 0.0);
    let products = match multiplier {
        1 => seen.reshape([positions, size, channels]) * kernel.reshape([size, channels]),
        _ => {
            seen.reshape([positions, size, channels, 1])
                * kernel.reshape([size, channels, multiplier])
        }
    };
    products.sum_axes([1]).reshape(outputs)
}

/// The layers over a number of axes: those of each channel, and those with a product after it.
macro_rules! depthwise {
    ($($(#[$doc:meta])* $Name:ident: $n:literal;)+) => {
        $(
            $(#[$doc])*
            pub struct $Name {
                name: Option<String>,
                kernel_size: [usize; $n],
                strides: [usize; $n],
                padding: Padding,
                depth_multiplier: usize,
                dilation_rate: [usize; $n],
                use_bias: bool,
                activation: Option<Arc<dyn ActivationFunction>>,
                kernel: Weight,
                bias: Weight,
                depthwise_initializer: Box<dyn Initializer>,
                bias_initializer: Box<dyn Initializer>,
                activity_regularizer: Option<Arc<dyn Regularizer>>,
            }

            impl $Name {
                /// One filter of a size for each channel.
                pub fn new(kernel_size: impl Into<Sizes<$n>>) -> Self {
                    Self {
                        name: None,
                        kernel_size: kernel_size.into().0,
                        strides: [1; $n],
                        padding: Padding::Valid,
                        depth_multiplier: 1,
                        dilation_rate: [1; $n],
                        use_bias: true,
                        activation: None,
                        kernel: Weight::new("kernel"),
                        bias: Weight::new("bias"),
                        depthwise_initializer: Box::new(GlorotUniform),
                        bias_initializer: Box::new(Zeros),
                        activity_regularizer: None,
                    }
                }

                /// How many filters each channel has. 1 unless set.
                #[must_use]
                pub fn depth_multiplier(mut self, depth_multiplier: usize) -> Self {
                    self.depth_multiplier = depth_multiplier;
                    self
                }

                convolution_options! { $n }
                weight_options! { kernel: depthwise_initializer = "GlorotUniform", depthwise_regularizer, depthwise_constraint }
                weight_options! { bias: bias_initializer = "Zeros", bias_regularizer, bias_constraint }
                activity_option! {}
                name_option! {}
                trainable_option! { kernel, bias }

                /// The kernel `[sizes.., channels, depth_multiplier]`, once the layer was applied.
                pub fn kernel(&self) -> Option<&Variable> {
                    self.kernel.variable()
                }
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    let channels = inputs.features();
                    let windows = match self.geometry().windows(inputs.shape(), cx) {
                        Ok(windows) => windows,
                        Err(error) => return refuse(error, inputs, $n, channels.saturating_mul(self.depth_multiplier), cx),
                    };
                    let sizes = self.kernel_size.into_iter().chain([channels, self.depth_multiplier]);
                    let kernel = self.kernel.get(self, sizes.collect::<Shape>(), &*self.depthwise_initializer, cx);
                    self.finish(convolve(inputs, &windows, &kernel), cx)
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    self.noted(Hyperparameters::new().with("depth_multiplier", self.depth_multiplier))
                }
            }
        )+
    };
}

macro_rules! separable {
    ($($(#[$doc:meta])* $Name:ident: $n:literal;)+) => {
        $(
            $(#[$doc])*
            pub struct $Name {
                name: Option<String>,
                filters: usize,
                kernel_size: [usize; $n],
                strides: [usize; $n],
                padding: Padding,
                depth_multiplier: usize,
                dilation_rate: [usize; $n],
                use_bias: bool,
                activation: Option<Arc<dyn ActivationFunction>>,
                depthwise_kernel: Weight,
                pointwise_kernel: Weight,
                bias: Weight,
                depthwise_initializer: Box<dyn Initializer>,
                pointwise_initializer: Box<dyn Initializer>,
                bias_initializer: Box<dyn Initializer>,
                activity_regularizer: Option<Arc<dyn Regularizer>>,
            }

            impl $Name {
                /// A layer with `filters` filters of what windows of `kernel_size` make of each
                /// channel.
                pub fn new(filters: usize, kernel_size: impl Into<Sizes<$n>>) -> Self {
                    Self {
                        name: None,
                        filters,
                        kernel_size: kernel_size.into().0,
                        strides: [1; $n],
                        padding: Padding::Valid,
                        depth_multiplier: 1,
                        dilation_rate: [1; $n],
                        use_bias: true,
                        activation: None,
                        depthwise_kernel: Weight::new("depthwise_kernel"),
                        pointwise_kernel: Weight::new("pointwise_kernel"),
                        bias: Weight::new("bias"),
                        depthwise_initializer: Box::new(GlorotUniform),
                        pointwise_initializer: Box::new(GlorotUniform),
                        bias_initializer: Box::new(Zeros),
                        activity_regularizer: None,
                    }
                }

                /// How many numbers are made of each channel before they are combined. 1 unless
                /// set.
                #[must_use]
                pub fn depth_multiplier(mut self, depth_multiplier: usize) -> Self {
                    self.depth_multiplier = depth_multiplier;
                    self
                }

                convolution_options! { $n }
                weight_options! {
                    depthwise_kernel: depthwise_initializer = "GlorotUniform", depthwise_regularizer, depthwise_constraint
                }
                weight_options! {
                    pointwise_kernel: pointwise_initializer = "GlorotUniform", pointwise_regularizer, pointwise_constraint
                }
                weight_options! { bias: bias_initializer = "Zeros", bias_regularizer, bias_constraint }
                activity_option! {}
                name_option! {}
                trainable_option! { depthwise_kernel, pointwise_kernel, bias }

                /// The kernel `[sizes.., channels, depth_multiplier]`, once the layer was applied.
                pub fn depthwise_kernel(&self) -> Option<&Variable> {
                    self.depthwise_kernel.variable()
                }

                /// The kernel `[1.., channels * depth_multiplier, filters]`, once the layer was
                /// applied.
                pub fn pointwise_kernel(&self) -> Option<&Variable> {
                    self.pointwise_kernel.variable()
                }
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    let windows = match self.geometry().windows(inputs.shape(), cx) {
                        Ok(windows) => windows,
                        Err(error) => return refuse(error, inputs, $n, self.filters, cx),
                    };
                    let (channels, multiplier) = (inputs.features(), self.depth_multiplier);
                    let depthwise: Shape = self.kernel_size.into_iter().chain([channels, multiplier]).collect();
                    let pointwise: Shape = [1; $n].into_iter().chain([channels.saturating_mul(multiplier), self.filters]).collect();
                    let depthwise = self.depthwise_kernel.get(self, depthwise, &*self.depthwise_initializer, cx);
                    let pointwise = self.pointwise_kernel.get(self, pointwise, &*self.pointwise_initializer, cx);
                    let combined = pointwise.reshape([channels.saturating_mul(multiplier), self.filters]);
                    self.finish(convolve(inputs, &windows, &depthwise).matmul(&combined), cx)
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    let hyperparameters = Hyperparameters::new().with("filters", self.filters);
                    self.noted(hyperparameters.with("depth_multiplier", self.depth_multiplier))
                }
            }
        )+
    };
}

depthwise! {
    /// `activation(sum over i of x[n * stride + i * dilation, c] kernel[i, c, m] + bias)`, channel
    /// `c * depth_multiplier + m` of the outputs: inputs `[batch, steps, channels]`, kernel
    /// `[size, channels, depth_multiplier]`. Keras's `DepthwiseConv1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let sums = DepthwiseConv1D::new(2).depthwise_initializer("ones");
    /// let mut f = Function::new(|[x], cx| [sums.apply(&x, cx)]);
    /// let [y] = f.run([&[[[1.0_f32, 10.0], [2.0, 20.0], [3.0, 30.0]]].into()])?;
    /// assert_eq!(y, Array::from([[[3.0_f32, 30.0], [5.0, 50.0]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    DepthwiseConv1D: 1;

    /// As [`DepthwiseConv1D`], over images: inputs `[batch, height, width, channels]`, kernel
    /// `[height, width, channels, depth_multiplier]`. Keras's `DepthwiseConv2D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = DepthwiseConv2D::new(3).depth_multiplier(2).padding(Padding::Same);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&Array::zeros([1, 5, 4, 3], DType::F32)])?[0].shape().sizes(),
    ///     [1, 5, 4, 6]
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    DepthwiseConv2D: 2;
}

separable! {
    /// A [`DepthwiseConv1D`] and then a product over its channels,
    /// `[channels * depth_multiplier, filters]`, with bias and activation at the end (Chollet 2017,
    /// section 1). Keras's `SeparableConv1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = SeparableConv1D::new(4, 3);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([1, 8, 3], DType::F32)])?[0].shape().sizes(), [1, 6, 4]);
    /// assert_eq!(layer.pointwise_kernel().unwrap().shape().sizes(), [1, 3, 4]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SeparableConv1D: 1;

    /// As [`SeparableConv1D`], over images. Keras's `SeparableConv2D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = SeparableConv2D::new(8, 3).strides(2).padding(Padding::Same).activation("relu");
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&Array::zeros([1, 5, 4, 3], DType::F32)])?[0].shape().sizes(),
    ///     [1, 3, 2, 8]
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    SeparableConv2D: 2;
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn refused(layer: impl Layer, sizes: &[usize]) -> String {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros(sizes, DType::F32)]).unwrap_err().to_string()
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused_by_name() {
        assert!(
            refused(DepthwiseConv2D::new(3), &[2, 8, 3])
                .contains("`depthwise_conv2d` takes inputs of shape [batch, height")
        );
        assert!(
            refused(DepthwiseConv1D::new(9), &[2, 8, 3])
                .contains("`depthwise_conv1d` has windows of [9]")
        );
        assert!(
            refused(SeparableConv2D::new(4, 3), &[2, 8, 2, 3])
                .contains("`separable_conv2d` has windows of [3, 3]")
        );
    }

    #[test]
    fn a_separable_convolution_is_two() {
        let (depthwise, pointwise) =
            (DepthwiseConv2D::new(2).depth_multiplier(2).use_bias(false), Conv2D::new(3, 1));
        let separable = SeparableConv2D::new(3, 2).depth_multiplier(2);
        let mut f = Function::new(|[x], cx| {
            let two = pointwise.apply(&depthwise.apply(&x, cx), cx);
            [two, separable.apply(&x, cx)]
        });
        let x = Array::from_fn([2, 4, 3, 2], |i| (i as f32).sin());
        f.run([&x]).unwrap();
        separable.depthwise_kernel().unwrap().set(&depthwise.kernel().unwrap().value()).unwrap();
        separable.pointwise_kernel().unwrap().set(&pointwise.kernel().unwrap().value()).unwrap();
        let [two, one] = f.run([&x]).unwrap();
        assert_eq!(two, one);
    }
}
