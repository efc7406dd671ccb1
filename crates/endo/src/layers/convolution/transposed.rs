//! Transposed convolutions: from what a convolution makes back to the size of its inputs.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, larger lengths.., filters]`, windows made by a
//! kernel and added where they lie.

use std::sync::Arc;

use crate::activations::{IntoActivation, Linear};
use crate::error::{Error, Result};
use crate::graph::{Tensor, Transposed};
use crate::initializers::{GlorotUniform, Zeros};
use crate::named::{Count, Named};
use crate::ops::Window;
use crate::regularizers::IntoRegularizer;
use crate::shape::{Shape, product};
use crate::trace::Context;

use super::super::Layer;
use super::super::data_format::{ChannelsAt, DataFormat, LAST};
use super::super::declare::{about, layer, row};
use super::super::dense::{activated, biased};
use super::super::spatial::{Geometry, Padding, Sizes, check_rank, refuse};
use super::{AnyActivation, AnyRegularizer};

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] =
    &[row::<Conv1DTranspose>(), row::<Conv2DTranspose>(), row::<Conv3DTranspose>()];

layer! {
    /// A transposed convolution along `N` axes, those between the batch and the channels:
    /// [`Conv1DTranspose`], [`Conv2DTranspose`] or [`Conv3DTranspose`].
    ConvTranspose<const N: usize> [
        Conv1DTranspose = "conv1d_transpose",
        Conv2DTranspose = "conv2d_transpose",
        Conv3DTranspose = "conv3d_transpose"
    ]
    /// A layer with `filters` filters of size `kernel_size`.
    (filters: Count as usize, kernel_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. 1 unless set.
        strides: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What lies around the inputs. `Padding::Valid`, nothing, unless set.
        padding: Padding = Padding::Valid,
        /// How far the elements of a window are apart. 1 unless set.
        dilation_rate: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// How much longer the outputs are than the least from which the inputs could follow; less
        /// than `strides`. As long as they can be unless set.
        output_padding: Option<Sizes<N>> => Sizes<N> = None,
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
        /// The kernel `[sizes.., filters, channels]`, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// The bias `[filters]`, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

/// The sum of windows `x[n, c] kernel[i, f, c]` that begin `strides` apart: what the gradient
/// of a [`Conv1D`](super::Conv1D) with this kernel does (Dumoulin and Visin 2016, section 4).
/// Inputs `[batch, steps, channels]`, kernel `[size, filters, channels]`. Without
/// `output_padding` the outputs are `(steps - 1) * stride + max(size, stride)` long, with
/// `Padding::Same` `steps * stride`. Keras's `Conv1DTranspose`.
///
/// ```
/// use endo::prelude::*;
/// let twice = Conv1DTranspose::new(1, 2).strides(2).kernel_initializer("ones");
/// let mut f = Function::new(|[x], cx| [twice.apply(&x, cx)]);
/// assert_eq!(
///     f.run([&[[[1.0_f32], [3.0]]].into()])?[0],
///     Array::from([[[1.0_f32], [1.0], [3.0], [3.0]]])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv1DTranspose = ConvTranspose<1>;

/// As [`Conv1DTranspose`], over images: kernel `[height, width, filters, channels]`. Keras's
/// `Conv2DTranspose`.
///
/// ```
/// use endo::prelude::*;
/// let layer = Conv2DTranspose::new(3, 3).strides(2).padding(Padding::Same);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 5, 2], DType::F32)])?[0].shape().sizes(),
///     [1, 8, 10, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv2DTranspose = ConvTranspose<2>;

/// As [`Conv1DTranspose`], over volumes: kernel `[depth, height, width, filters, channels]`.
/// Keras's `Conv3DTranspose`.
///
/// ```
/// use endo::prelude::*;
/// let layer = Conv3DTranspose::new(1, 2);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 2, 3, 4, 2], DType::F32)])?[0].shape().sizes(),
///     [1, 3, 4, 5, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Conv3DTranspose = ConvTranspose<3>;

impl<const N: usize> Layer for ConvTranspose<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let inputs = match self.data_format.to_last(inputs, N, cx) {
            Ok(inputs) => inputs,
            Err(error) => return refuse(error, inputs, N, self.filters.0, cx),
        };
        let (windows, lengths) = match self.windows(inputs.shape(), cx) {
            Ok(found) => found,
            Err(error) => return refuse(error, &inputs, N, self.filters.0, cx),
        };
        let channels = inputs.features();
        let sizes: Shape =
            self.kernel_size.0.into_iter().chain([self.filters.0, channels]).collect();
        let kernel = self.kernel.value(self, sizes, cx);
        let [inputs, kernel] = cx.factors(&inputs, &kernel);
        let outputs = convolve(&inputs, &windows, &lengths, &kernel, self.filters.0);
        let bias = self.use_bias.then_some(&self.bias);
        let outputs = self.data_format.back(biased(self, outputs, bias, cx));
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! { first "filters", "output_padding" }
}

impl<const N: usize> ConvTranspose<N> {
    /// The windows of the convolution that would make the inputs from the outputs, and the outputs'
    /// lengths.
    fn windows(&self, inputs: &Shape, cx: &Context) -> Result<(Vec<Window>, Vec<usize>)> {
        let geometry =
            Geometry::new(self.kernel_size, self.strides, self.dilation_rate, self.padding);
        let output_padding = self.output_padding.map(|padding| padding.0);
        let path = cx.path();
        check_rank(inputs, N, cx)?;
        if geometry.padding == Padding::Causal {
            let help = "a transposed convolution has `Padding::Valid` or `Padding::Same`";
            return Err(Error::argument(format!("`{path}` has causal padding"), help));
        }
        let zero = [geometry.size, geometry.strides, geometry.dilation_rate].concat().contains(&0);
        let wide = |padding: [usize; N]| {
            padding.iter().zip(&geometry.strides).any(|(padding, stride)| padding >= stride)
        };
        if zero || output_padding.is_some_and(wide) {
            let (size, strides) = (geometry.size, geometry.strides);
            let message = format!(
                "`{path}` has kernels of {size:?}, strides {strides:?}, dilation rates {:?} and \
                output padding {output_padding:?}",
                geometry.dilation_rate
            );
            let help = "sizes, strides and dilation rates are 1 or more, and `output_padding` is \
                less than `strides`";
            return Err(Error::argument(message, help));
        }
        // As Keras: without `output_padding` the largest outputs from which that number of windows
        // follows.
        let length = |axis: usize| {
            let (stride, span) = (geometry.strides[axis], geometry.span(axis));
            let least = match geometry.padding {
                Padding::Same => span % 2,
                Padding::Valid | Padding::Causal => span,
            };
            let whole = match geometry.padding {
                Padding::Same => stride,
                Padding::Valid | Padding::Causal => span.max(stride),
            };
            let end = output_padding.map_or(whole, |padding| least.saturating_add(padding[axis]));
            inputs[1 + axis].saturating_sub(1).saturating_mul(stride).saturating_add(end)
        };
        let lengths: Vec<usize> = (0..N).map(length).collect();
        let outputs: Shape = [inputs.batch()].iter().chain(&lengths).chain(&[1]).copied().collect();
        let windows = geometry.windows(&outputs, cx)?;
        if windows.iter().zip(&inputs[1..]).any(|(window, &length)| window.count != length) {
            let message = format!(
                "`{path}` has no outputs of which inputs of shape {inputs} are the convolution: \
                not {lengths:?}"
            );
            let help =
                "with `Padding::Same` and kernels of even size, `output_padding` is 1 or more";
            return Err(Error::argument(message, help));
        }
        Ok((windows, lengths))
    }
}

/// Windows `x[n, c] kernel[i, f, c]`, added where they lie.
#[track_caller]
fn convolve(
    inputs: &Tensor,
    windows: &[Window],
    lengths: &[usize],
    kernel: &Tensor,
    filters: usize,
) -> Tensor {
    let channels = inputs.features();
    let positions = product(&inputs.shape()[..inputs.rank() - 1]);
    let size = product(windows.iter().map(|window| &window.size));
    let rows = inputs.reshape([positions, channels]);
    let made = rows.matmul_transposed(
        &kernel.reshape([size.saturating_mul(filters), channels]),
        Transposed::RIGHT,
    );
    let sizes =
        windows.iter().map(|window| window.count).chain(windows.iter().map(|window| window.size));
    let made =
        made.reshape([inputs.batch()].into_iter().chain(sizes).chain([filters]).collect::<Shape>());
    made.overlap_add(windows, lengths)
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn options_that_cannot_be_are_refused() {
        let layer = || Conv1DTranspose::new(1, 3);
        refused(&layer(), &[2, 3])
            .says("`conv1d_transpose` takes inputs of shape [batch, steps, channels]");
        refused(&layer().padding(Padding::Causal), &[2, 3, 1]).says("causal padding");
        let error = refused(&layer().strides(2).output_padding(2), &[2, 3, 1]);
        error.says("strides [2]");
        error.advises("`output_padding` is less than `strides`");
        let even = Conv1DTranspose::new(1, 2).strides(2).padding(Padding::Same).output_padding(0);
        refused(&even, &[2, 3, 1])
            .says("has no outputs of which inputs of shape [2, 3, 1] are the convolution");
    }

    #[test]
    fn it_is_the_gradient_of_a_convolution() {
        for (padding, strides, dilation) in
            [(Padding::Valid, 2, 1), (Padding::Same, 3, 1), (Padding::Valid, 1, 2)]
        {
            let forth = Conv2D::new(3, 2)
                .padding(padding)
                .strides(strides)
                .dilation_rate(dilation)
                .use_bias(false);
            let back = Conv2DTranspose::new(2, 2)
                .padding(padding)
                .strides(strides)
                .dilation_rate(dilation)
                .use_bias(false);
            let mut f = Function::new(|[x, dy], cx| {
                let y = forth.apply(&x, cx);
                let gradient =
                    cx.gradients(&(&y * &dy).sum(), [&x]).into_tensors().remove(0).unwrap();
                [gradient, back.apply(&dy, cx)]
            });
            let sizes = if padding == Padding::Same { [1, 6, 9, 2] } else { [1, 6, 8, 2] };
            let made = match (padding, strides) {
                (Padding::Same, _) => [1, 2, 3, 3],
                (_, 2) => [1, 3, 4, 3],
                _ => [1, 4, 6, 3],
            };
            let [x, dy] = [
                Array::from_fn(sizes, |i| (i as f32).sin()),
                Array::from_fn(made, |i| (i as f32).cos()),
            ];
            f.run([&x, &dy]).unwrap();
            back.kernel().unwrap().set(&forth.kernel().unwrap().value()).unwrap();
            let [gradient, transposed] = f.run([&x, &dy]).unwrap();
            assert_eq!(gradient.shape(), transposed.shape());
            for i in 0..gradient.len() {
                assert!(
                    (gradient.get(i) - transposed.get(i)).abs() < 1e-5,
                    "{padding:?} {strides} {dilation}"
                );
            }
        }
    }
}
