//! Convolutions of each channel by itself, and those followed by a product over channels.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., channels * depth_multiplier]`, or
//! filters of those.

use std::sync::Arc;

use crate::activations::{IntoActivation, Linear};
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Zeros};
use crate::named::{Count, Named};
use crate::ops::Window;
use crate::regularizers::IntoRegularizer;
use crate::shape::Shape;
use crate::trace::Context;

use super::super::Layer;
use super::super::data_format::{ChannelsAt, DataFormat, LAST};
use super::super::declare::{about, layer, row};
use super::super::dense::{activated, biased};
use super::super::spatial::{Geometry, Padding, Sizes, refuse};
use super::{AnyActivation, AnyRegularizer};

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] = &[
    row::<DepthwiseConv1D>(),
    row::<DepthwiseConv2D>(),
    row::<SeparableConv1D>(),
    row::<SeparableConv2D>(),
];

layer! {
    /// A convolution of each channel by itself along `N` axes, those between the batch and the
    /// channels: [`DepthwiseConv1D`] or [`DepthwiseConv2D`].
    DepthwiseConv<const N: usize> [
        DepthwiseConv1D = "depthwise_conv1d", DepthwiseConv2D = "depthwise_conv2d"
    ]
    /// One filter of a size for each channel.
    (kernel_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. 1 unless set.
        strides: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What lies around the inputs. `Padding::Valid`, nothing, unless set.
        padding: Padding = Padding::Valid,
        /// How far the elements of a window are apart. 1 unless set.
        dilation_rate: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// How many filters each channel has. 1 unless set.
        depth_multiplier: Count as usize = Count(1),
        /// Whether a bias is added. True unless set.
        use_bias: bool = true,
        /// What is applied to the outputs: `Selu`, `"selu"` or a closure; nothing unless set.
        activation: AnyActivation [IntoActivation::into_activation] = Arc::new(Linear),
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<AnyRegularizer> [IntoRegularizer::into_regularizer] = None,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
    weights {
        /// The kernel `[sizes.., channels, depth_multiplier]`, once the layer was applied.
        kernel = GlorotUniform
            => depthwise_initializer, depthwise_regularizer, depthwise_constraint;
        /// The bias `[channels * depth_multiplier]`, once the layer was applied; none without
        /// `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

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
pub type DepthwiseConv1D = DepthwiseConv<1>;

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
pub type DepthwiseConv2D = DepthwiseConv<2>;

impl<const N: usize> Layer for DepthwiseConv<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let multiplier = self.depth_multiplier.0;
        let inputs = match self.data_format.to_last(inputs, N, cx) {
            Ok(inputs) => inputs,
            Err(error) => return refuse(error, inputs, N, multiplier, cx),
        };
        let channels = inputs.features();
        let windows =
            Geometry::new(self.kernel_size, self.strides, self.dilation_rate, self.padding)
                .windows(inputs.shape(), cx);
        let windows = match windows {
            Ok(windows) => windows,
            Err(error) => {
                return refuse(error, &inputs, N, channels.saturating_mul(multiplier), cx);
            }
        };
        let sizes: Shape = self.kernel_size.0.into_iter().chain([channels, multiplier]).collect();
        let kernel = self.kernel.value(self, sizes, cx);
        let [inputs, kernel] = cx.factors(&inputs, &kernel);
        let outputs = convolve(&inputs, &windows, &kernel);
        let bias = self.use_bias.then_some(&self.bias);
        let outputs = self.data_format.back(biased(self, outputs, bias, cx));
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! { first "depth_multiplier" }
}

layer! {
    /// A [`DepthwiseConv`] along `N` axes and then a product over its channels:
    /// [`SeparableConv1D`] or [`SeparableConv2D`].
    SeparableConv<const N: usize> [
        SeparableConv1D = "separable_conv1d", SeparableConv2D = "separable_conv2d"
    ]
    /// A layer with `filters` filters of what windows of `kernel_size` make of each channel.
    (filters: Count as usize, kernel_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. 1 unless set.
        strides: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What lies around the inputs. `Padding::Valid`, nothing, unless set.
        padding: Padding = Padding::Valid,
        /// How far the elements of a window are apart. 1 unless set.
        dilation_rate: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// How many numbers are made of each channel before they are combined. 1 unless set.
        depth_multiplier: Count as usize = Count(1),
        /// Whether a bias is added. True unless set.
        use_bias: bool = true,
        /// What is applied to the outputs: `Selu`, `"selu"` or a closure; nothing unless set.
        activation: AnyActivation [IntoActivation::into_activation] = Arc::new(Linear),
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<AnyRegularizer> [IntoRegularizer::into_regularizer] = None,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
    weights {
        /// The kernel of each channel, `[sizes.., channels, depth_multiplier]`, once the layer was
        /// applied.
        depthwise_kernel = GlorotUniform
            => depthwise_initializer, depthwise_regularizer, depthwise_constraint;
        /// The kernel `[1.., channels * depth_multiplier, filters]`, once the layer was applied.
        pointwise_kernel = GlorotUniform
            => pointwise_initializer, pointwise_regularizer, pointwise_constraint;
        /// The bias `[filters]`, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

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
pub type SeparableConv1D = SeparableConv<1>;

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
pub type SeparableConv2D = SeparableConv<2>;

impl<const N: usize> Layer for SeparableConv<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let inputs = match self.data_format.to_last(inputs, N, cx) {
            Ok(inputs) => inputs,
            Err(error) => return refuse(error, inputs, N, self.filters.0, cx),
        };
        let windows =
            Geometry::new(self.kernel_size, self.strides, self.dilation_rate, self.padding)
                .windows(inputs.shape(), cx);
        let windows = match windows {
            Ok(windows) => windows,
            Err(error) => return refuse(error, &inputs, N, self.filters.0, cx),
        };
        let (channels, multiplier) = (inputs.features(), self.depth_multiplier.0);
        let sizes: Shape = self.kernel_size.0.into_iter().chain([channels, multiplier]).collect();
        let depthwise = self.depthwise_kernel.value(self, sizes, cx);
        let product = [channels.saturating_mul(multiplier), self.filters.0];
        let sizes: Shape = [1; N].into_iter().chain(product).collect();
        let pointwise = self.pointwise_kernel.value(self, sizes, cx).reshape(product);
        let [inputs, depthwise] = cx.factors(&inputs, &depthwise);
        let [filtered, pointwise] =
            cx.factors(&convolve(&inputs, &windows, &depthwise), &pointwise);
        let outputs = filtered.matmul(&pointwise);
        let bias = self.use_bias.then_some(&self.bias);
        let outputs = self.data_format.back(biased(self, outputs, bias, cx));
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! { first "filters", "depth_multiplier" }
}

/// Windows of each channel times the kernels `[sizes.., channels, multiplier]` of that channel:
/// `[batch, counts.., channels * multiplier]`. A channel of several kernels is repeated for each.
#[track_caller]
pub(super) fn convolve(inputs: &Tensor, windows: &[Window], kernel: &Tensor) -> Tensor {
    let (channels, multiplier) = (inputs.features(), kernel.features());
    let outputs = channels.saturating_mul(multiplier);
    let repeated = if multiplier == 1 {
        inputs.clone()
    } else {
        let (shape, axis) = (inputs.shape(), inputs.rank() - 1);
        let with = |last: &[usize]| shape[..axis].iter().chain(last).copied().collect::<Shape>();
        let each = inputs.reshape(with(&[channels, 1]));
        each.broadcast_to(with(&[channels, multiplier])).reshape(with(&[outputs]))
    };
    let sizes = windows.iter().map(|window| window.size).chain([outputs]);
    repeated.depthwise(&kernel.reshape(sizes.collect::<Shape>()), windows)
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn inputs_that_do_not_fit_are_refused_by_name() {
        refused(&DepthwiseConv2D::new(3), &[2, 8, 3])
            .says("`depthwise_conv2d` takes inputs of shape [batch, height");
        refused(&DepthwiseConv1D::new(9), &[2, 8, 3]).says("`depthwise_conv1d` has windows of [9]");
        refused(&SeparableConv2D::new(4, 3), &[2, 8, 2, 3])
            .says("`separable_conv2d` has windows of [3, 3]");
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
