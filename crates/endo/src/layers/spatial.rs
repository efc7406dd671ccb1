//! What convolutions and pooling share: sizes along spatial axes, padding, and where windows lie.
//!
//! In: `[batch, lengths.., channels]` and a layer's options. Out: a window for each axis, or what
//! is wrong, in the layer's words.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Setting, words};
use crate::ops::Window;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

words! {
    /// What lies around the inputs of a convolution or pooling.
    Padding, "`valid`, `same` or `causal`" {
        /// Nothing: windows lie within the inputs.
        Valid = "valid",
        /// As much on both sides as makes `length / stride` windows, rounded up; one more at the
        /// end if it is odd.
        Same = "same",
        /// All before the first element, so that no window sees what comes after its last one. For
        /// one axis.
        Causal = "causal",
    }
}

/// Sizes along `N` spatial axes: one number for all of them, or one for each.
///
/// ```
/// use endo::prelude::*;
/// let (square, flat) = (Conv2D::new(16, 3), Conv2D::new(16, [1, 5]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes<const N: usize>(pub [usize; N]);

impl<const N: usize> From<usize> for Sizes<N> {
    fn from(size: usize) -> Self {
        Self([size; N])
    }
}

impl<const N: usize> From<[usize; N]> for Sizes<N> {
    fn from(sizes: [usize; N]) -> Self {
        Self(sizes)
    }
}

impl<const N: usize> Sizes<N> {
    /// What a text says, in which sizes may be 0.
    fn with_zeros(text: &str) -> Option<Self> {
        usize::read(text).map(Self::from).or_else(|| <[usize; N]>::read(text).map(Self))
    }
}

impl<const N: usize> Setting for Sizes<N> {
    const EXPECTED: &'static str = "a whole number from 1, or one for each axis as in `[1, 2]`";

    fn read(text: &str) -> Option<Self> {
        Self::with_zeros(text).filter(|sizes| !sizes.0.contains(&0))
    }

    fn write(&self) -> String {
        self.0.write()
    }
}

/// Sizes that may be 0 or absent, written `[]` then.
impl<const N: usize> Setting for Option<Sizes<N>> {
    const EXPECTED: &'static str = "a whole number, one for each axis as in `[1, 2]`, or `[]`";

    fn read(text: &str) -> Option<Self> {
        if matches!(text, "[]" | "none") { Some(None) } else { Sizes::with_zeros(text).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map_or("[]".to_string(), Sizes::write)
    }
}

/// Windows of a layer along `N` spatial axes.
pub(super) struct Geometry<const N: usize> {
    pub size: [usize; N],
    pub strides: [usize; N],
    pub dilation_rate: [usize; N],
    pub padding: Padding,
}

impl<const N: usize> Geometry<N> {
    /// Windows of these sizes, strides and dilation rates.
    pub fn new(size: Sizes<N>, strides: Sizes<N>, dilation: Sizes<N>, padding: Padding) -> Self {
        Self { size: size.0, strides: strides.0, dilation_rate: dilation.0, padding }
    }

    /// A window for each spatial axis of inputs of a shape.
    pub fn windows(&self, inputs: &Shape, cx: &Context) -> Result<Vec<Window>> {
        check_rank(inputs, N, cx)?;
        let path = cx.path();
        let options = [
            ("a size", self.size),
            ("strides", self.strides),
            ("a dilation rate", self.dilation_rate),
        ];
        if let Some((what, sizes)) = options.into_iter().find(|(_, sizes)| sizes.contains(&0)) {
            let message = format!("`{path}` has {what} of {sizes:?}");
            let help = "sizes, strides and dilation rates are 1 or more";
            return Err(Error::argument(message, help));
        }
        if self.padding == Padding::Causal && N > 1 {
            let message = format!("`{path}` has causal padding along {N} axes");
            let help = "only one axis can be time: use `Padding::Same` or `Padding::Valid`";
            return Err(Error::argument(message, help));
        }
        let windows: Option<Vec<Window>> =
            (0..N).map(|axis| self.window(axis, inputs[1 + axis])).collect();
        windows.ok_or_else(|| {
            let spans: Vec<usize> = (0..N).map(|axis| self.span(axis)).collect();
            let message = format!(
                "`{path}` has windows of {spans:?}, which is more than inputs \
                of shape {inputs} hold"
            );
            let help = "use a smaller window, larger inputs, or `.padding(Padding::Same)`";
            Error::shape(message, help)
        })
    }

    /// How many positions of an axis a window reaches over.
    pub fn span(&self, axis: usize) -> usize {
        (self.size[axis] - 1).saturating_mul(self.dilation_rate[axis]).saturating_add(1)
    }

    fn window(&self, axis: usize, length: usize) -> Option<Window> {
        let (size, stride, dilation, span) =
            (self.size[axis], self.strides[axis], self.dilation_rate[axis], self.span(axis));
        let within = |before: usize| {
            let room = length.checked_add(before)?.checked_sub(span)?;
            Some((before, room / stride + 1))
        };
        let (before, count) = match self.padding {
            Padding::Valid => within(0)?,
            Padding::Causal => within(span - 1)?,
            Padding::Same => {
                let count = length.div_ceil(stride);
                let reach = count.saturating_sub(1).saturating_mul(stride).saturating_add(span);
                (reach.saturating_sub(length) / 2, count)
            }
        };
        Some(Window { size, stride, dilation, before, count })
    }
}

/// An error unless there is the expected number of spatial axes between the batch and the channels.
pub(super) fn check_rank(inputs: &Shape, axes: usize, cx: &Context) -> Result<()> {
    if inputs.rank() == axes + 2 {
        return Ok(());
    }
    let expected = match axes {
        1 => "[batch, steps, channels]",
        2 => "[batch, height, width, channels]",
        _ => "[batch, depth, height, width, channels]",
    };
    let help = "add the axis that is missing: `x.expand_dims(-1)` for one channel, \
        `x.expand_dims(0)` for one sample";
    let message = format!("`{}` takes inputs of shape {expected}, got {inputs}", cx.path());
    Err(Error::shape(message, help))
}

/// A value in place of what a layer cannot compute, after recording why: of the rank that its
/// outputs would have.
#[track_caller]
pub(super) fn refuse(
    error: Error,
    inputs: &Tensor,
    axes: usize,
    features: usize,
    cx: &Context,
) -> Tensor {
    let ones = std::iter::repeat_n(1, axes);
    let shape = [inputs.batch()].into_iter().chain(ones).chain([features]).collect();
    cx.trace().fail(error.at(Site::caller()), shape, inputs.dtype())
}

/// What a layer computes along spatial axes, or a value in place of it after recording why not.
#[track_caller]
pub(super) fn or_refuse(
    outputs: Result<Tensor>,
    inputs: &Tensor,
    axes: usize,
    cx: &Context,
) -> Tensor {
    match outputs {
        Ok(outputs) => outputs,
        Err(error) => refuse(error, inputs, axes, inputs.features(), cx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers;
    use crate::spelling::short_name;

    fn window(
        size: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        length: usize,
    ) -> Option<(usize, usize)> {
        let geometry = Geometry::<1>::new(size.into(), stride.into(), dilation.into(), padding);
        geometry.window(0, length).map(|window| (window.before, window.count))
    }

    #[test]
    fn windows_are_as_many_as_the_padding_says() {
        assert_eq!(window(3, 1, 1, Padding::Valid, 5), Some((0, 3)));
        assert_eq!(window(3, 2, 1, Padding::Valid, 6), Some((0, 2)));
        assert_eq!(window(3, 1, 2, Padding::Valid, 5), Some((0, 1)));
        assert_eq!(window(3, 1, 2, Padding::Valid, 4), None);
        assert_eq!(window(2, 1, 1, Padding::Same, 5), Some((0, 5)));
        assert_eq!(window(3, 2, 1, Padding::Same, 5), Some((1, 3)));
        assert_eq!(window(1, 3, 1, Padding::Same, 7), Some((0, 3)));
        assert_eq!(window(2, 1, 2, Padding::Causal, 5), Some((2, 5)));
        assert_eq!(window(2, 2, 1, Padding::Causal, 5), Some((1, 3)));
    }

    #[test]
    fn text_makes_layers_along_axes_and_so_does_what_is_saved_of_them() {
        let texts = [
            (
                "conv2d(4, 3, [2, 1], same, groups=2, activation=leaky_relu(0.1))",
                "Conv2D(filters=4, groups=2, kernel_size=[3, 3], strides=[2, 1], padding=same, \
                    dilation_rate=[1, 1], use_bias=true, \
                    activation=leaky_relu(negative_slope=0.1))",
            ),
            (
                "conv1d_transpose(4, 3, strides=2, activity_regularizer=l1(0.5))",
                "Conv1DTranspose(filters=4, output_padding=[], kernel_size=[3], strides=[2], \
                    padding=valid, dilation_rate=[1], use_bias=true, activation=linear, \
                    activity_regularizer=l1(l1=0.5))",
            ),
            (
                "conv3d_transpose(4, 3, strides=2, output_padding=[1, 0, 1])",
                "Conv3DTranspose(filters=4, output_padding=[1, 0, 1], kernel_size=[3, 3, 3], \
                    strides=[2, 2, 2], padding=valid, dilation_rate=[1, 1, 1], use_bias=true, \
                    activation=linear)",
            ),
            (
                "depthwise_conv1d(5, depth_multiplier=2, use_bias=false)",
                "DepthwiseConv1D(depth_multiplier=2, kernel_size=[5], strides=[1], \
                    padding=valid, dilation_rate=[1], use_bias=false, activation=linear)",
            ),
            (
                "separable_conv2d(8, [1, 3])",
                "SeparableConv2D(filters=8, depth_multiplier=1, kernel_size=[1, 3], \
                    strides=[1, 1], padding=valid, dilation_rate=[1, 1], use_bias=true, \
                    activation=linear)",
            ),
            (
                "max_pooling2d([2, 3])",
                "MaxPooling2D(pool_size=[2, 3], strides=[2, 3], padding=valid)",
            ),
            (
                "AveragePooling1D(4, padding=same, strides=2)",
                "AveragePooling1D(pool_size=[4], strides=[2], padding=same)",
            ),
            ("global_max_pooling3d(true)", "GlobalMaxPooling3D(keepdims=true)"),
            ("global_average_pooling1d", "GlobalAveragePooling1D(keepdims=false)"),
            ("zero_padding2d([0, 1])", "ZeroPadding2D(padding=[0, 0, 1, 1])"),
            ("cropping1d([2, 0])", "Cropping1D(cropping=[2, 0])"),
            ("up_sampling3d(2)", "UpSampling3D(size=[2, 2, 2], interpolation=nearest)"),
            ("spatial_dropout2d(0.5, seed=3)", "SpatialDropout2D(rate=0.5)"),
            ("alpha_dropout(0.5)", "AlphaDropout(rate=0.5)"),
        ];
        let saved = |text: &str| {
            let layer = layers::get(text).unwrap();
            layer.hyperparameters().written(short_name((*layer).kind()))
        };
        for (text, expected) in texts {
            assert_eq!(saved(text), expected);
            assert_eq!(saved(expected), expected);
        }
    }

    #[test]
    fn sizes_that_are_not_one_for_each_axis_are_refused_in_text() {
        let error = |text: &str| layers::get(text).err().unwrap();
        error("conv2d(4, [1, 2, 3])").says(
            "the option `kernel_size` of `conv2d(4, [1, 2, 3])` is a whole number from 1, or \
                one for each axis as in `[1, 2]`, got `[1, 2, 3]`",
        );
        error("conv3d(4)").says("`conv3d` needs the option `kernel_size`");
        error("cropping2d([1, 2, 3])").says("for each end of each axis");
    }

    #[test]
    fn counts_and_sizes_of_0_are_refused_in_text() {
        for (option, text) in [
            ("filters", "conv1d(0, 3)"),
            ("filters", "conv2d_transpose(filters=0, kernel_size=3)"),
            ("filters", "separable_conv1d(0, 3)"),
            ("groups", "conv2d(4, 3, groups=0)"),
            ("groups", "group_normalization(0)"),
            ("depth_multiplier", "depthwise_conv1d(3, depth_multiplier=0)"),
            ("kernel_size", "conv2d(4, [3, 0])"),
            ("strides", "conv1d(4, 3, strides=0)"),
            ("dilation_rate", "conv1d(4, 3, dilation_rate=0)"),
            ("pool_size", "max_pooling1d(0)"),
            ("size", "up_sampling2d(0)"),
            ("input_dim", "embedding(0, 3)"),
            ("output_dim", "embedding(3, 0)"),
            ("num_heads", "multi_head_attention(0, 2)"),
            ("value_dim", "multi_head_attention(2, 2, value_dim=0)"),
            ("head_dim", "group_query_attention(0, 4, 2)"),
        ] {
            let error = layers::get(text).err().unwrap().to_string();
            let start = format!("the option `{option}` of `{text}` is a whole number from 1");
            assert!(error.starts_with(&start), "{error}");
        }
        for text in ["cropping1d(0)", "zero_padding2d(((0, 1), (2, 0)))"] {
            assert!(layers::get(text).is_ok(), "{text}");
        }
        assert!(layers::get("conv2d_transpose(4, 3, strides=2, output_padding=(0, 1))").is_ok());
    }
}
