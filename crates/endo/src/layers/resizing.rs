//! Images and sequences made larger or smaller: zeros around them, margins cut off, elements
//! repeated.
//!
//! In: `[batch, lengths.., channels]`. Out: the same with other lengths.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::named::{Hyperparameters, words};
use crate::shape::{Shape, product};
use crate::trace::Context;

use super::Layer;
use super::options::name_option;
use super::spatial::{Sizes, check_rank};

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

impl<const N: usize> Margins<N> {
    fn noted(&self) -> Vec<usize> {
        self.0.iter().flat_map(|&(before, after)| [before, after]).collect()
    }
}

words! {
    /// What lies between elements that are moved apart.
    Interpolation, "`nearest` or `bilinear`" {
        /// The nearest of them.
        Nearest = "nearest",
        /// What the line between the two nearest has there.
        Bilinear = "bilinear",
    }
}

/// A layer over a number of axes that takes one argument.
macro_rules! resizing {
    ($(
        $(#[$doc:meta])* $Name:ident: $n:literal, $argument:ident: $Argument:ident = $noted:expr, $resize:ident
        $({ $own:ident: $Own:ty = $default:expr })?;
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $Name {
                name: Option<String>,
                $argument: $Argument<$n>,
                $($own: $Own,)?
            }

            impl $Name {
                /// The layer, for one number or one for each axis.
                pub fn new($argument: impl Into<$Argument<$n>>) -> Self {
                    Self { name: None, $argument: $argument.into() $(, $own: $default)? }
                }

                name_option! {}
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    let path = cx.path().to_string();
                    let resized = check_rank(inputs.shape(), $n, cx)
                        .and_then(|()| $resize(&path, inputs, &self.$argument.0 $(, self.$own)?));
                    match resized {
                        Ok(outputs) => outputs,
                        Err(error) => {
                            let ones = std::iter::repeat_n(1, $n);
                            let shape: Shape = [inputs.batch()].into_iter().chain(ones).chain([inputs.features()]).collect();
                            cx.trace().fail(error.at(Location::caller()), shape, inputs.dtype())
                        }
                    }
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    let noted: fn(&$Argument<$n>) -> Vec<usize> = $noted;
                    Hyperparameters::new()
                        .with(stringify!($argument), noted(&self.$argument))
                        $(.with(stringify!($own), self.$own))?
                }
            }
        )+
    };
}

#[track_caller]
fn pad(_: &str, inputs: &Tensor, widths: &[(usize, usize)]) -> Result<Tensor, Error> {
    let all: Vec<(usize, usize)> =
        [(0, 0)].iter().chain(widths).chain(&[(0, 0)]).copied().collect();
    Ok(inputs.pad(&all, 0.0))
}

#[track_caller]
fn crop(path: &str, inputs: &Tensor, widths: &[(usize, usize)]) -> Result<Tensor, Error> {
    let mut outputs = inputs.clone();
    for (axis, &(before, after)) in widths.iter().enumerate() {
        let length = inputs.shape()[1 + axis];
        if before.saturating_add(after) >= length {
            let message = format!(
                "`{path}` cuts {before} and {after} off axis {} of inputs of shape {}",
                1 + axis,
                inputs.shape()
            );
            return Err(
                Error::new(ErrorKind::Shape, message).help("at least one element has to be left")
            );
        }
        outputs = outputs.slice(1 + axis as isize, before..length - after);
    }
    Ok(outputs)
}

#[track_caller]
fn repeat(path: &str, inputs: &Tensor, sizes: &[usize]) -> Result<Tensor, Error> {
    enlarge(path, inputs, sizes, Interpolation::Nearest)
}

#[track_caller]
fn enlarge(
    path: &str,
    inputs: &Tensor,
    sizes: &[usize],
    interpolation: Interpolation,
) -> Result<Tensor, Error> {
    if sizes.contains(&0) {
        let error = Error::new(ErrorKind::Argument, format!("`{path}` has a size of {sizes:?}"));
        return Err(error.help("each element is repeated at least once"));
    }
    let mut outputs = inputs.clone();
    for (axis, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 1) {
        let (axis, length) = (1 + axis, outputs.shape()[1 + axis]);
        let rest = product(&outputs.shape()[axis + 1..]);
        let larger = outputs.shape().with(axis, length.saturating_mul(size));
        let before = product(&outputs.shape()[..axis]);
        let rows = outputs.reshape([before, length, rest]);
        outputs = match interpolation {
            Interpolation::Nearest => {
                let repeated = rows.reshape([before * length, 1, rest]).broadcast_to([
                    before * length,
                    size,
                    rest,
                ]);
                repeated.reshape(larger)
            }
            Interpolation::Bilinear => {
                let shares = shares(inputs, length, size).cast(inputs.dtype());
                shares.matmul(&rows).reshape(larger)
            }
        };
    }
    Ok(outputs)
}

/// The shares of `length` elements in `length * size` between their centers:
/// `[length * size, length]`.
fn shares(inputs: &Tensor, length: usize, size: usize) -> Tensor {
    let share = |index: usize| {
        let (row, column) = (index / length, index % length);
        let at = ((row as f64 + 0.5) / size as f64 - 0.5).clamp(0.0, length as f64 - 1.0);
        (1.0 - (at - column as f64).abs()).max(0.0)
    };
    inputs.trace().constant_from_fn(
        [length.saturating_mul(size), length],
        share,
        Location::caller(),
    )
}

resizing! {
    /// Zeros before and after the steps of `[batch, steps, channels]`. Keras's `ZeroPadding1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [ZeroPadding1D::new([(1, 0)]).apply(&x, cx)]);
    /// assert_eq!(f.run([&[[[5.0_f32]]].into()])?[0], Array::from([[[0.0_f32], [5.0]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ZeroPadding1D: 1, padding: Margins = Margins::noted, pad;

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
    ZeroPadding2D: 2, padding: Margins = Margins::noted, pad;

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
    ZeroPadding3D: 3, padding: Margins = Margins::noted, pad;

    /// Steps cut off both ends of `[batch, steps, channels]`. Keras's `Cropping1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [Cropping1D::new([(1, 0)]).apply(&x, cx)]);
    /// assert_eq!(f.run([&[[[5.0_f32], [6.0]]].into()])?[0], Array::from([[[6.0_f32]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Cropping1D: 1, cropping: Margins = Margins::noted, crop;

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
    Cropping2D: 2, cropping: Margins = Margins::noted, crop;

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
    Cropping3D: 3, cropping: Margins = Margins::noted, crop;

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
    UpSampling1D: 1, size: Sizes = |sizes| sizes.0.to_vec(), repeat;

    /// Each row and column of images `[batch, height, width, channels]` repeated, or lines drawn
    /// between them ([`interpolation`](Self::interpolation)). Keras's `UpSampling2D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = UpSampling2D::new([1, 2]).interpolation(Interpolation::Bilinear);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = f.run([&Array::from([0.0_f32, 4.0]).reshape([1, 1, 2, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 1.0, 3.0, 4.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    UpSampling2D: 2, size: Sizes = |sizes| sizes.0.to_vec(), enlarge { interpolation: Interpolation = Interpolation::Nearest };

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
    UpSampling3D: 3, size: Sizes = |sizes| sizes.0.to_vec(), repeat;
}

impl UpSampling2D {
    /// What lies between rows and columns. `Interpolation::Nearest` unless set.
    #[must_use]
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn what_leaves_nothing_is_refused() {
        let refused = |layer: &dyn Layer| {
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
            f.run([&Array::zeros([2, 4, 3], DType::F32)]).unwrap_err().to_string()
        };
        assert!(
            refused(&Cropping1D::new(2))
                .contains("`cropping1d` cuts 2 and 2 off axis 1 of inputs of shape [2, 4, 3]")
        );
        assert!(refused(&UpSampling1D::new(0)).contains("`up_sampling1d` has a size of [0]"));
        assert!(
            refused(&ZeroPadding2D::new(1))
                .contains("`zero_padding2d` takes inputs of shape [batch, height")
        );
    }
}
