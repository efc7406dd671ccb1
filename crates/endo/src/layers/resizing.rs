//! Images and sequences made larger or smaller: zeros around them, margins cut off, elements
//! repeated.
//!
//! In: `[batch, lengths.., channels]`. Out: the same with other lengths.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Named, Setting};
use crate::shape::product;
use crate::trace::Context;

use super::Layer;
use super::data_format::{ChannelsAt, DataFormat, LAST};
use super::declare::{about, layer, row};
use super::interpolation::Interpolation;
use super::spatial::{Sizes, check_rank};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[
    row::<ZeroPadding1D>(),
    row::<ZeroPadding2D>(),
    row::<ZeroPadding3D>(),
    row::<Cropping1D>(),
    row::<Cropping2D>(),
    row::<Cropping3D>(),
    row::<UpSampling1D>(),
    row::<UpSampling2D>(),
    row::<UpSampling3D>(),
];

/// Widths before and after the elements of `N` axes: one for all, one for both ends of each axis,
/// or a pair for each.
///
/// ```
/// use endo::prelude::*;
/// let (all, each, pairs) =
///     (ZeroPadding2D::new(1), ZeroPadding2D::new([1, 2]), ZeroPadding2D::new([(0, 1), (2, 2)]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margins<const N: usize>(pub [(usize, usize); N]);

impl<const N: usize> From<usize> for Margins<N> {
    fn from(width: usize) -> Self {
        Self([(width, width); N])
    }
}

impl<const N: usize> From<[usize; N]> for Margins<N> {
    fn from(widths: [usize; N]) -> Self {
        Self(widths.map(|width| (width, width)))
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Margins<N> {
    fn from(widths: [(usize, usize); N]) -> Self {
        Self(widths)
    }
}

/// Written as the widths before and after each axis, one after the other.
impl<const N: usize> Setting for Margins<N> {
    const EXPECTED: &'static str = "a whole number, one for each axis as in `[1, 2]`, or one for \
        each end of each axis as in `[[0, 1], [2, 2]]`";

    fn read(text: &str) -> Option<Self> {
        if let Some(width) = usize::read(text) {
            return Some(Self::from(width));
        }
        if let Some(ends) = <[Margins<1>; N]>::read(text) {
            return Some(Self(ends.map(|Margins([ends])| ends)));
        }
        let widths = <Vec<usize>>::read(text)?;
        let (ends, []) = widths.as_chunks::<2>() else { return None };
        Some(Self(<[_; N]>::try_from(ends).ok()?.map(<(usize, usize)>::from)))
    }

    fn write(&self) -> String {
        self.0.map(<[usize; 2]>::from).concat().write()
    }
}

layer! {
    /// Zeros around `N` axes, those between the batch and the channels: [`ZeroPadding1D`],
    /// [`ZeroPadding2D`] or [`ZeroPadding3D`].
    #[derive(Clone, Debug)]
    ZeroPadding<const N: usize> [
        ZeroPadding1D = "zero_padding1d",
        ZeroPadding2D = "zero_padding2d",
        ZeroPadding3D = "zero_padding3d"
    ]
    /// The layer, for one number or one for each axis.
    (padding: Margins<N> => Margins<N>) {
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// Zeros before and after the steps of `[batch, steps, channels]`. Keras's `ZeroPadding1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [ZeroPadding1D::new([(1, 0)]).apply(&x, cx)]);
/// assert_eq!(f.run([&[[[5.0_f32]]].into()])?[0], Array::from([[[0.0_f32], [5.0]]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type ZeroPadding1D = ZeroPadding<1>;

/// Zeros around images `[batch, height, width, channels]`. Keras's `ZeroPadding2D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [ZeroPadding2D::new([(1, 1), (0, 2)]).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 4, 3], DType::F32)])?[0].shape().sizes(),
///     [1, 6, 6, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type ZeroPadding2D = ZeroPadding<2>;

/// Zeros around volumes `[batch, depth, height, width, channels]`. Keras's `ZeroPadding3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [ZeroPadding3D::new(1).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 2, 3, 4, 1], DType::F32)])?[0].shape().sizes(),
///     [1, 4, 5, 6, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type ZeroPadding3D = ZeroPadding<3>;

impl<const N: usize> Layer for ZeroPadding<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.data_format.around(inputs, N, cx, |inputs, cx| {
            check_rank(inputs.shape(), N, cx)?;
            let ends = [(0, 0)];
            let widths: Vec<_> = ends.iter().chain(&self.padding.0).chain(&ends).copied().collect();
            Ok(inputs.pad(&widths, 0.0))
        })
    }

    about! {}
}

layer! {
    /// Margins cut off `N` axes, those between the batch and the channels: [`Cropping1D`],
    /// [`Cropping2D`] or [`Cropping3D`].
    #[derive(Clone, Debug)]
    Cropping<const N: usize> [
        Cropping1D = "cropping1d", Cropping2D = "cropping2d", Cropping3D = "cropping3d"
    ]
    /// The layer, for one number or one for each axis.
    (cropping: Margins<N> => Margins<N>) {
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// Steps cut off both ends of `[batch, steps, channels]`. Keras's `Cropping1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [Cropping1D::new([(1, 0)]).apply(&x, cx)]);
/// assert_eq!(f.run([&[[[5.0_f32], [6.0]]].into()])?[0], Array::from([[[6.0_f32]]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type Cropping1D = Cropping<1>;

/// Margins cut off images `[batch, height, width, channels]`. Keras's `Cropping2D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [Cropping2D::new([1, 0]).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 4, 3], DType::F32)])?[0].shape().sizes(),
///     [1, 2, 4, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Cropping2D = Cropping<2>;

/// Margins cut off volumes `[batch, depth, height, width, channels]`. Keras's `Cropping3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [Cropping3D::new(1).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 3, 5, 1], DType::F32)])?[0].shape().sizes(),
///     [1, 2, 1, 3, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type Cropping3D = Cropping<3>;

impl<const N: usize> Cropping<N> {
    #[track_caller]
    fn cropped(&self, inputs: &Tensor, cx: &Context) -> Result<Tensor> {
        check_rank(inputs.shape(), N, cx)?;
        let mut outputs = inputs.clone();
        for (axis, &(before, after)) in (1..).zip(&self.cropping.0) {
            let length = inputs.shape()[axis];
            if before.saturating_add(after) >= length {
                let message = format!(
                    "`{}` cuts {before} and {after} off axis {axis} of inputs of shape {}",
                    cx.path(),
                    inputs.shape()
                );
                let help = "at least one element has to be left";
                return Err(Error::shape(message, help));
            }
            outputs = outputs.slice(axis as isize, before..length - after);
        }
        Ok(outputs)
    }
}

impl<const N: usize> Layer for Cropping<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.data_format.around(inputs, N, cx, |inputs, cx| self.cropped(inputs, cx))
    }

    about! {}
}

layer! {
    /// Elements of `N` axes repeated, or lines drawn between them
    /// ([`interpolation`](Self::interpolation)): [`UpSampling1D`], [`UpSampling2D`] or
    /// [`UpSampling3D`].
    #[derive(Clone, Debug)]
    UpSampling<const N: usize> [
        UpSampling1D = "up_sampling1d",
        UpSampling2D = "up_sampling2d",
        UpSampling3D = "up_sampling3d"
    ]
    /// The layer, for one number or one for each axis.
    (size: Sizes<N> => Sizes<N>) {
        /// What lies between elements. `Interpolation::Nearest` unless set.
        interpolation: Interpolation = Interpolation::Nearest,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// Each step of `[batch, steps, channels]` repeated. Keras's `UpSampling1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [UpSampling1D::new(2).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&[[[5.0_f32], [6.0]]].into()])?[0],
///     Array::from([[[5.0_f32], [5.0], [6.0], [6.0]]])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type UpSampling1D = UpSampling<1>;

/// Each row and column of images `[batch, height, width, channels]` repeated, or lines drawn
/// between them ([`interpolation`](UpSampling::interpolation)). Keras's `UpSampling2D`.
///
/// ```
/// use endo::prelude::*;
/// let layer = UpSampling2D::new([1, 2]).interpolation(Interpolation::Bilinear);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// let [y] = f.run([&Array::from([0.0_f32, 4.0]).reshape([1, 1, 2, 1])?])?;
/// assert_eq!(y.to_vec::<f32>(), [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type UpSampling2D = UpSampling<2>;

/// Each element of volumes `[batch, depth, height, width, channels]` repeated. Keras's
/// `UpSampling3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [UpSampling3D::new([1, 2, 3]).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 2, 2, 2, 1], DType::F32)])?[0].shape().sizes(),
///     [1, 2, 4, 6, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type UpSampling3D = UpSampling<3>;

impl<const N: usize> UpSampling<N> {
    #[track_caller]
    fn enlarged(&self, inputs: &Tensor, cx: &Context) -> Result<Tensor> {
        check_rank(inputs.shape(), N, cx)?;
        if self.size.0.contains(&0) {
            let message = format!("`{}` has a size of {:?}", cx.path(), self.size.0);
            let help = "each element is repeated at least once";
            return Err(Error::argument(message, help));
        }
        let mut outputs = inputs.clone();
        for (axis, &size) in (1..).zip(&self.size.0).filter(|(_, size)| **size > 1) {
            let length = outputs.shape()[axis];
            let larger = length.saturating_mul(size);
            outputs = match self.interpolation {
                Interpolation::Nearest => {
                    let rest = product(&outputs.shape()[axis + 1..]);
                    let rows = product(&outputs.shape()[..axis]).saturating_mul(length);
                    let shape = outputs.shape().with(axis, larger);
                    let repeated = outputs.reshape([rows, 1, rest]);
                    repeated.broadcast_to([rows, size, rest]).reshape(shape)
                }
                interpolation => interpolation.resampled(&outputs, axis, larger, false),
            };
        }
        Ok(outputs)
    }
}

impl<const N: usize> Layer for UpSampling<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.data_format.around(inputs, N, cx, |inputs, cx| self.enlarged(inputs, cx))
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn what_leaves_nothing_is_refused() {
        refused(&Cropping1D::new(2), &[2, 4, 3])
            .says("`cropping1d` cuts 2 and 2 off axis 1 of inputs of shape [2, 4, 3]");
        refused(&UpSampling1D::new(0), &[2, 4, 3]).says("`up_sampling1d` has a size of [0]");
        refused(&ZeroPadding2D::new(1), &[2, 4, 3])
            .says("`zero_padding2d` takes inputs of shape [batch, height");
    }
}
