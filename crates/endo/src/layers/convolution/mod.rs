//! Convolutions: windows of the inputs times a kernel.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., filters]`; weights `kernel` and
//! `bias`. Channels are the last axis.

pub(super) mod depthwise;
pub(super) mod transposed;

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Linear};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Zeros};
use crate::named::{Count, Named};
use crate::ops::Window;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::{Shape, product};
use crate::trace::Context;

use super::Layer;
use super::data_format::{ChannelsAt, DataFormat, LAST};
use super::declare::{about, layer, row};
use super::dense::{activated, biased};
use super::spatial::{Geometry, Padding, Sizes, refuse};

pub use depthwise::*;
pub use transposed::*;

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Conv1D>(), row::<Conv2D>(), row::<Conv3D>()];

/// What a convolution applies to its outputs, and what penalizes them.
type AnyActivation = Arc<dyn ActivationFunction>;
type AnyRegularizer = Arc<dyn Regularizer>;

layer! {
    /// A convolution along `N` axes, those between the batch and the channels: [`Conv1D`],
    /// [`Conv2D`] or [`Conv3D`].
    Conv<const N: usize> [Conv1D = "conv1d", Conv2D = "conv2d", Conv3D = "conv3d"]
    /// A layer with `filters` filters of size `kernel_size`.
    (filters: Count as usize, kernel_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. 1 unless set.
        strides: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What lies around the inputs. `Padding::Valid`, nothing, unless set.
        padding: Padding = Padding::Valid,
        /// How far the elements of a window are apart. 1 unless set.
        dilation_rate: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// Into how many groups channels and filters are divided; the filters of a group see its
        /// channels alone. 1 unless set.
        groups: Count as usize = Count(1),
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
        /// The kernel `[sizes.., channels / groups, filters]`, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// The bias `[filters]`, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

/// `activation(sum over i and c of x[n * stride + i * dilation, c] kernel[i, c] + bias)`:
/// inputs `[batch, steps, channels]`, outputs `[batch, counts, filters]`, kernel
/// `[size, channels / groups, filters]`, bias `[filters]`. Keras's `Conv1D`.
///
/// ```
/// use endo::prelude::*;
/// // Each step less the one before it; before the first there is 0.
/// let difference = Conv1D::new(1, 2)
///     .padding(Padding::Causal)
///     .kernel_initializer(Array::from([[[-1.0_f32]], [[1.0]]]));
/// let mut f = Function::new(|[x], cx| [difference.apply(&x, cx)]);
/// let [y] = f.run([&[[[1.0_f32], [3.0], [2.0]]].into()])?;
/// assert_eq!(y, Array::from([[[1.0_f32], [2.0], [-1.0]]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv1D = Conv<1>;

/// As [`Conv1D`], over images: inputs `[batch, height, width, channels]`, outputs
/// `[batch, rows, columns, filters]`, kernel `[height, width, channels / groups, filters]`
/// (LeCun et al. 1989). Keras's `Conv2D`.
///
/// ```
/// use endo::prelude::*;
/// let model = Sequential::new()
///     .add(Conv2D::new(16, 3).padding(Padding::Same).activation("relu"))
///     .add(Conv2D::new(32, [3, 1]).strides(2))
///     .add(Flatten::new())
///     .add(Dense::new(10).activation("softmax"));
/// let mut f = Function::new(|[images], cx| [model.apply(&images, cx)]);
/// assert_eq!(f.run([&Array::zeros([4, 8, 8, 1], DType::F32)])?[0].shape().sizes(), [4, 10]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv2D = Conv<2>;

/// As [`Conv1D`], over volumes: inputs `[batch, depth, height, width, channels]`, kernel
/// `[depth, height, width, channels / groups, filters]`. Keras's `Conv3D`.
///
/// ```
/// use endo::prelude::*;
/// let layer = Conv3D::new(2, [1, 2, 2]).strides([1, 2, 2]);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 3, 4, 4, 5], DType::F32)])?[0].shape().sizes(),
///     [1, 3, 2, 2, 2]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv3D = Conv<3>;

impl<const N: usize> Conv<N> {
    /// The windows over inputs of a shape, whose channels have to fall into groups.
    fn windows(&self, inputs: &Shape, cx: &Context) -> Result<Vec<Window>> {
        let Self { kernel_size, strides, dilation_rate, .. } = *self;
        let (filters, groups) = (self.filters.0, self.groups.0);
        let geometry = Geometry::new(kernel_size, strides, dilation_rate, self.padding);
        let windows = geometry.windows(inputs, cx)?;
        let (path, channels) = (cx.path(), inputs.features());
        if groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups) {
            return Ok(windows);
        }
        let message = format!(
            "`{path}` divides {channels} channels and {filters} filters into {groups} groups"
        );
        let help = "both the channels of the inputs and `filters` are multiples of `groups`";
        Err(Error::argument(message, help))
    }
}

impl<const N: usize> Layer for Conv<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let inputs = match self.data_format.to_last(inputs, N, cx) {
            Ok(inputs) => inputs,
            Err(error) => return refuse(error, inputs, N, self.filters.0, cx),
        };
        let windows = match self.windows(inputs.shape(), cx) {
            Ok(windows) => windows,
            Err(error) => return refuse(error, &inputs, N, self.filters.0, cx),
        };
        let channels = inputs.features() / self.groups.0;
        let sizes: Shape =
            self.kernel_size.0.into_iter().chain([channels, self.filters.0]).collect();
        let kernel = self.kernel.value(self, sizes, cx);
        let [inputs, kernel] = cx.factors(&inputs, &kernel);
        let outputs = convolve(&inputs, &windows, &kernel, self.groups.0);
        let bias = self.use_bias.then_some(&self.bias);
        let outputs = self.data_format.back(biased(self, outputs, bias, cx));
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! { first "filters", "groups" }
}

/// The products of windows `[batch, counts.., sizes.., channels]` with a kernel
/// `[sizes.., channels / groups, filters]`: `[batch, counts.., filters]`. Filters are divided among
/// as many groups of channels.
#[track_caller]
pub(super) fn convolve(
    inputs: &Tensor,
    windows: &[Window],
    kernel: &Tensor,
    groups: usize,
) -> Tensor {
    let (channels, filters) = (inputs.features(), kernel.features());
    let counts = windows.iter().map(|window| window.count);
    let outputs: Shape = [inputs.batch()].into_iter().chain(counts).chain([filters]).collect();
    let positions = product(&outputs[..outputs.rank() - 1]);
    let size = product(windows.iter().map(|window| &window.size));
    let plain =
        windows.iter().all(|window| (window.size, window.stride, window.before) == (1, 1, 0));
    if groups == 1 {
        let terms = size.saturating_mul(channels);
        let seen = if plain { inputs.clone() } else { inputs.windows(windows, 0.0) };
        let seen = seen.reshape([positions, terms]);
        return seen.matmul(&kernel.reshape([terms, filters])).reshape(outputs);
    }
    let (inside, made) = (channels / groups, filters / groups);
    if inside == 1 && !plain {
        let sizes = windows.iter().map(|window| window.size).chain([channels, made]);
        return depthwise::convolve(inputs, windows, &kernel.reshape(sizes.collect::<Shape>()));
    }
    // One product for each group, [positions, size * channels / groups] by [.., filters / groups].
    let terms = size.saturating_mul(inside);
    let seen = if plain {
        inputs.reshape([positions, groups, inside]).permute(&[1, 0, 2])
    } else {
        // Of an image for each group: to turn these is less than to turn their windows.
        let (rank, lengths) = (inputs.rank(), &inputs.shape()[..inputs.rank() - 1]);
        let apart: Shape = lengths.iter().copied().chain([groups, inside]).collect();
        let axes: Vec<usize> = [rank - 1].into_iter().chain(0..rank - 1).chain([rank]).collect();
        let batch = groups.saturating_mul(inputs.batch());
        let images: Shape = [batch].iter().chain(&lengths[1..]).chain(&[inside]).copied().collect();
        let images = inputs.reshape(apart).permute(&axes).reshape(images);
        images.windows(windows, 0.0).reshape([groups, positions, terms])
    };
    let kernel = kernel.reshape([terms, groups, made]).permute(&[1, 0, 2]);
    seen.matmul(&kernel).permute(&[1, 0, 2]).reshape(outputs)
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn inputs_of_another_rank_are_refused_with_the_shape_that_is_taken() {
        let error = refused(&Conv2D::new(2, 3), &[4, 8, 8]);
        error
            .says("`conv2d` takes inputs of shape [batch, height, width, channels], got [4, 8, 8]");
        error.advises("`x.expand_dims(-1)` for one channel");
        refused(&Conv1D::new(2, 3), &[4, 8]).says("[batch, steps, channels], got [4, 8]");
    }

    #[test]
    fn windows_larger_than_the_inputs_are_refused() {
        let error = refused(&Conv2D::new(2, 3).dilation_rate(2), &[4, 8, 4, 1]);
        error.says(
            "`conv2d` has windows of [5, 5], which is more than inputs of shape [4, 8, 4, 1] hold",
        );
        error.advises("Padding::Same");
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        refused(&Conv1D::new(2, 0), &[4, 8, 1]).says("`conv1d` has a size of [0]");
        refused(&Conv1D::new(2, 1).strides(0), &[4, 8, 1]).says("`conv1d` has strides of [0]");
        refused(&Conv2D::new(2, 1).padding(Padding::Causal), &[4, 8, 8, 1])
            .says("causal padding along 2 axes");
        let error = refused(&Conv1D::new(4, 2).groups(2), &[4, 8, 3]);
        error.says("`conv1d` divides 3 channels and 4 filters into 2 groups");
        refused(&Conv1D::new(3, 2).groups(2), &[4, 8, 4])
            .says("4 channels and 3 filters into 2 groups");
    }

    #[test]
    fn inputs_of_other_channels_are_refused_and_of_other_lengths_are_not() {
        let layer = Conv1D::new(3, 2);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([1, 5, 2], DType::F32)]).unwrap();
        f.run([&Array::zeros([2, 9, 2], DType::F32)]).unwrap();
        let error = f.run([&Array::zeros([1, 5, 4], DType::F32)]).unwrap_err();
        error.says("was made with shape [2, 2, 3], and is used here with shape [2, 4, 3]");
    }

    #[test]
    fn groups_of_one_channel_are_a_depthwise_convolution() {
        let (grouped, depthwise) =
            (Conv2D::new(6, 2).groups(3), DepthwiseConv2D::new(2).depth_multiplier(2));
        let mut f = Function::new(|[x], cx| [grouped.apply(&x, cx), depthwise.apply(&x, cx)]);
        let x = Array::from_fn([2, 4, 3, 3], |i| (i as f32).sin());
        f.run([&x]).unwrap();
        let kernel = depthwise.kernel().unwrap().value().reshape([2, 2, 1, 6]).unwrap();
        grouped.kernel().unwrap().set(&kernel).unwrap();
        let [groups, channels] = f.run([&x]).unwrap();
        assert_eq!(groups, channels);
    }

    #[test]
    fn options_are_saved_and_penalties_are_terms() {
        let layer = Conv2D::new(1, 1)
            .kernel_initializer("ones")
            .kernel_regularizer(L1(0.5))
            .activity_regularizer(L2(0.1));
        assert!(
            layer
                .hyperparameters()
                .to_string()
                .contains("kernel_size=[1, 1], strides=[1, 1], padding=valid")
        );
        let mut f = Function::new(|[x], cx| {
            layer.apply(&x, cx);
            [cx.losses().into_iter().reduce(|a, b| a + b).unwrap()]
        });
        let [penalty] = f.run([&Array::full([2, 1, 1, 3], 2.0, DType::F32)]).unwrap();
        assert!((penalty.item().unwrap() - (0.1 * 2.0 * 36.0 / 2.0 + 0.5 * 3.0)).abs() < 1e-6);
    }
}
