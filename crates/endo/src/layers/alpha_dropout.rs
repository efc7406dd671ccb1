//! Dropout of other kinds: of whole channels, and for units that normalize themselves.
//!
//! In: any tensor of floats. Out: the same shape; outside training the same numbers.

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::{Named, Rate, Unsaved};
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::data_format::{ChannelsAt, DataFormat, LAST};
use super::declare::{about, layer, row};
use super::dropout::{Seed, drops};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[
    row::<AlphaDropout>(),
    row::<SpatialDropout1D>(),
    row::<SpatialDropout2D>(),
    row::<SpatialDropout3D>(),
];

/// What SELU tends to for small inputs: `-scale * alpha` of Klambauer et al. 2017.
const FLOOR: f64 = -1.050_700_987_355_480_5 * 1.673_263_242_354_377_2;

layer! {
    /// In training, leaves out units with a probability of `rate` by giving them the value that
    /// SELU tends to for small inputs, and scales and shifts all so that mean and variance stay 0
    /// and 1 (Klambauer et al. 2017, section 3). Otherwise the identity. Keras's `AlphaDropout`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = AlphaDropout::new(0.2);
    /// let mut train = Function::new(|[], cx| {
    ///     [dropout.apply(&cx.random().normal([10_000], 0.0, 1.0), cx).variance()]
    /// });
    /// assert!((train.run([])?[0].item()? - 1.0).abs() < 0.1);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    AlphaDropout ["alpha_dropout"]
    /// Leaves out with a probability of `rate`, at least 0 and less than 1.
    (rate: Rate as f64) {
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl Layer for AlphaDropout {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let Rate(rate) = self.rate;
        if !drops("AlphaDropout", self.rate, cx) {
            return inputs.clone();
        }
        let a = ((1.0 - rate) * (1.0 + rate * FLOOR * FLOOR)).sqrt().recip();
        let kept = self.seed.random(cx).bernoulli(inputs.shape(), 1.0 - rate);
        a * kept.where_(inputs, FLOOR) - a * FLOOR * rate
    }

    about! { supports_masking }
}

layer! {
    /// [`Dropout`](super::Dropout) of whole channels, along the `N` axes between the batch and the
    /// channels: [`SpatialDropout1D`], [`SpatialDropout2D`] or [`SpatialDropout3D`].
    #[derive(Clone, Debug)]
    SpatialDropout<const N: usize> [
        SpatialDropout1D = "spatial_dropout1d",
        SpatialDropout2D = "spatial_dropout2d",
        SpatialDropout3D = "spatial_dropout3d"
    ]
    /// Leaves out with a probability of `rate`, at least 0 and less than 1.
    (rate: Rate as f64) {
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// [`Dropout`](super::Dropout) of whole channels of sequences `[batch, steps, channels]`
/// (Tompson et al. 2015). Keras's `SpatialDropout1D`.
///
/// ```
/// use endo::prelude::*;
/// let dropout = SpatialDropout1D::new(0.5);
/// let mut train = Function::new(|[x], cx| [dropout.apply(&x, cx).variance_axes(&[1]).max()]);
/// assert_eq!(train.run([&Array::full([8, 5, 4], 1.0, DType::F32)])?[0].item()?, 0.0);
/// # Ok::<(), endo::Error>(())
/// ```
pub type SpatialDropout1D = SpatialDropout<1>;

/// [`Dropout`](super::Dropout) of whole channels of images `[batch, height, width, channels]`.
/// Keras's `SpatialDropout2D`.
///
/// ```
/// use endo::prelude::*;
/// let dropout = SpatialDropout2D::new(0.5);
/// let mut train =
///     Function::new(|[x], cx| [dropout.apply(&x, cx).variance_axes(&[1, 2]).max()]);
/// assert_eq!(train.run([&Array::full([8, 5, 5, 4], 1.0, DType::F32)])?[0].item()?, 0.0);
/// # Ok::<(), endo::Error>(())
/// ```
pub type SpatialDropout2D = SpatialDropout<2>;

/// [`Dropout`](super::Dropout) of whole channels of volumes
/// `[batch, depth, height, width, channels]`. Keras's `SpatialDropout3D`.
///
/// ```
/// use endo::prelude::*;
/// let dropout = SpatialDropout3D::new(0.5).seed(3);
/// let mut predict = Function::new(|[x], cx| [dropout.apply(&x, cx)]).training(false);
/// let x = Array::full([1, 2, 2, 2, 4], 1.0, DType::F32);
/// assert_eq!(predict.run([&x])?[0], x);
/// # Ok::<(), endo::Error>(())
/// ```
pub type SpatialDropout3D = SpatialDropout<3>;

impl<const N: usize> Layer for SpatialDropout<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let Rate(rate) = self.rate;
        if !drops(self.kind(), self.rate, cx) {
            return inputs.clone();
        }
        if inputs.rank() != N + 2 {
            let message =
                format!("`{}` over {N} axes of inputs of shape {}", cx.path(), inputs.shape());
            let help = "inputs are [batch, lengths.., channels], with one length for each axis";
            cx.trace().record(Error::shape(message, help).at(Site::caller()));
            return inputs.clone();
        }
        let of_channels = self.data_format.last(inputs).features();
        let ones = std::iter::repeat_n(1, N);
        let channels: Shape =
            [inputs.batch()].into_iter().chain(ones).chain([of_channels]).collect();
        let kept = self.data_format.back(self.seed.random(cx).bernoulli(channels, 1.0 - rate));
        kept.where_(inputs / (1.0 - rate), 0.0)
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn rates_and_shapes_that_cannot_be_are_refused() {
        refused(&AlphaDropout::new(1.0), &[2, 4, 3]).says("the rate of a `AlphaDropout` is 1");
        refused(&SpatialDropout2D::new(0.5), &[2, 4, 3])
            .says("`spatial_dropout2d` over 2 axes of inputs of shape [2, 4, 3]");
    }

    #[test]
    fn what_is_left_out_is_the_floor_of_selu_shifted() {
        let mut f = Function::new(|[x], cx| [AlphaDropout::new(0.5).apply(&x, cx)]);
        let y = f.run([&Array::zeros([200], DType::F32)]).unwrap()[0].to_vec::<f64>();
        // a = 1 / sqrt((1 - 0.5) (1 + 0.5 floor^2)), with the floor -1.7581.
        let (a, floor) = (0.886_405, -1.758_099);
        let kept = y.iter().filter(|&&y| (y + a * floor * 0.5).abs() < 1e-4).count();
        let dropped = y.iter().filter(|&&y| (y - a * floor * 0.5).abs() < 1e-4).count();
        assert!(kept + dropped == 200 && kept > 60 && dropped > 60, "{kept} {dropped}");
    }
}
