//! Images of another size: all of them stretched, or their middle.
//!
//! In: `[batch, height, width, channels]`. Out: the same with the height and width of the layer.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Count, Named};
use crate::trace::Context;

use super::super::Layer;
use super::super::declare::{about, layer, row};
use super::super::interpolation::Interpolation;
use super::super::spatial::{check_rank, or_refuse};
use super::floats;

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] = &[row::<Resizing>(), row::<CenterCrop>()];

layer! {
    /// Images `[batch, height, width, channels]` with another height and width. Keras's `Resizing`.
    ///
    /// An element of the outputs lies in the middle of its part of the inputs, and is interpolated
    /// there. Whole numbers are rounded, and stay whole.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [Resizing::new(1, 4).apply(&x, cx)]);
    /// let [y] = f.run([&Array::from([0.0_f32, 4.0]).reshape([1, 1, 2, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 1.0, 3.0, 4.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Resizing ["resizing"]
    /// Images of this height and width.
    (height: Count as usize, width: Count as usize) {
        /// What lies between the elements of the inputs. `Interpolation::Bilinear` unless set.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// Whether images are cut first, so that their middle keeps its proportions. False unless
        /// set.
        crop_to_aspect_ratio: bool = false,
        /// Whether images get margins first, so that all of them keeps its proportions. False
        /// unless set.
        pad_to_aspect_ratio: bool = false,
        /// What margins are filled with. 0 unless set.
        fill_value: f64 = 0.0,
        /// Whether an element of smaller images is a mean over its whole part of the larger, so
        /// that no fine pattern becomes a coarse one. False unless set.
        antialias: bool = false,
    }
}

impl Resizing {
    #[track_caller]
    fn resized(&self, inputs: &Tensor, cx: &Context) -> Result<Tensor> {
        check_rank(inputs.shape(), 2, cx)?;
        let target = checked_size([self.height, self.width], cx)?;
        if self.crop_to_aspect_ratio && self.pad_to_aspect_ratio {
            let message = format!("`{}` both crops and pads to an aspect ratio", cx.path());
            return Err(Error::argument(message, "set one of the two options"));
        }
        let is_picked = self.interpolation == Interpolation::Nearest;
        let images = if is_picked { inputs.clone() } else { floats(inputs, cx) };
        let images = if self.crop_to_aspect_ratio {
            largest_window(&images, target)
        } else if self.pad_to_aspect_ratio {
            self.padded(&images, target)
        } else {
            images
        };
        let resized = stretched(&images, target, self.interpolation, self.antialias);
        let is_whole = inputs.dtype() == DType::I32 && !is_picked;
        Ok(if is_whole { resized.round().cast(DType::I32) } else { resized })
    }

    /// Images with margins on both sides of one axis, which then have the target's proportions.
    #[track_caller]
    fn padded(&self, images: &Tensor, target: [usize; 2]) -> Tensor {
        let sizes = [images.shape()[1], images.shape()[2]];
        let margins =
            [0, 1].map(|axis| proportional(sizes, target, axis).saturating_sub(sizes[axis]) / 2);
        let [above, beside] = margins;
        let beside = if above > 0 { 0 } else { beside };
        images.pad(&[(0, 0), (above, above), (beside, beside), (0, 0)], self.fill_value)
    }
}

impl Layer for Resizing {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        or_refuse(self.resized(inputs, cx), inputs, 2, cx)
    }

    about! {}
}

layer! {
    /// The middle of images, `[batch, height, width, channels]`. Where they are smaller than that,
    /// the largest window in the middle with these proportions, made as large. Keras's
    /// `CenterCrop`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [CenterCrop::new(1, 2).apply(&x, cx)]);
    /// let [y] = f.run([&Array::from([1.0_f32, 2.0, 3.0, 4.0]).reshape([1, 1, 4, 1])?])?;
    /// assert_eq!(y.to_vec::<f32>(), [2.0, 3.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    CenterCrop ["center_crop"]
    /// Images of this height and width.
    (height: Count as usize, width: Count as usize) {}
}

impl CenterCrop {
    #[track_caller]
    fn cropped(&self, inputs: &Tensor, cx: &Context) -> Result<Tensor> {
        check_rank(inputs.shape(), 2, cx)?;
        let target = checked_size([self.height, self.width], cx)?;
        let images = floats(inputs, cx);
        if inputs.shape()[1] >= target[0] && inputs.shape()[2] >= target[1] {
            return Ok(middle(&images, target));
        }
        Ok(enlarged_window(&images, target))
    }
}

impl Layer for CenterCrop {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        or_refuse(self.cropped(inputs, cx), inputs, 2, cx)
    }

    about! {}
}

/// The height and width that a layer makes, which are 1 or more.
pub(super) fn checked_size(size: [Count; 2], cx: &Context) -> Result<[usize; 2]> {
    if size.iter().all(|count| count.is_valid()) {
        return Ok(size.map(|count| count.0));
    }
    let [height, width] = size.map(|count| count.0);
    let message = format!("`{}` makes images of {height} by {width}", cx.path());
    Err(Error::argument(message, "height and width are 1 or more"))
}

/// The largest window in the middle of images with the target's proportions, of its size.
#[track_caller]
pub(super) fn enlarged_window(images: &Tensor, target: [usize; 2]) -> Tensor {
    stretched(&largest_window(images, target), target, Interpolation::Bilinear, false)
}

/// The largest window in the middle of images that has the target's proportions.
#[track_caller]
fn largest_window(images: &Tensor, target: [usize; 2]) -> Tensor {
    let sizes = [images.shape()[1], images.shape()[2]];
    let window = [0, 1].map(|axis| proportional(sizes, target, axis).min(sizes[axis]).max(1));
    middle(images, window)
}

/// How long an axis is if the other one stays and the proportions become the target's.
fn proportional(sizes: [usize; 2], target: [usize; 2], axis: usize) -> usize {
    let other = 1 - axis;
    (sizes[other] as f64 * target[axis] as f64 / target[other] as f64) as usize
}

/// A window in the middle of images, one element nearer to the start where that is not whole.
#[track_caller]
fn middle(images: &Tensor, window: [usize; 2]) -> Tensor {
    (1..).zip(window).fold(images.clone(), |images, (axis, length)| {
        let start = images.shape()[axis].saturating_sub(length) / 2;
        images.slice(axis as isize, start..start + length)
    })
}

/// Images of another height and width.
#[track_caller]
fn stretched(
    images: &Tensor,
    target: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) -> Tensor {
    (1..).zip(target).fold(images.clone(), |images, (axis, length)| {
        interpolation.resampled(&images, axis, length, antialias)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, refused, trained};
    use super::*;
    use crate::prelude::*;

    fn ramp(height: usize, width: usize) -> Array {
        Array::from_fn([1, height, width, 1], |index| index as f32)
    }

    #[test]
    fn interpolations_are_those_of_keras() {
        let smaller: [(Interpolation, bool, [f32; 6]); 9] = [
            (Interpolation::Nearest, false, [0.0, 2.0, 3.0, 5.0, 3.0, 5.0]),
            (Interpolation::Bilinear, false, [0.25, 1.75, 1.75, 3.25, 3.25, 4.75]),
            (Interpolation::Bilinear, true, [0.375, 1.625, 1.875, 3.125, 3.375, 4.625]),
            (
                Interpolation::Bicubic,
                false,
                [-0.0294847, 1.6347488, 1.6678833, 3.332117, 3.3652523, 5.0294857],
            ),
            (
                Interpolation::Bicubic,
                true,
                [0.1124233, 1.4928406, 1.8097911, 3.1902084, 3.5071597, 4.887577],
            ),
            (
                Interpolation::Lanczos3,
                false,
                [-0.2492331, 1.5043389, 1.6232141, 3.3767862, 3.4956615, 5.2492332],
            ),
            (
                Interpolation::Lanczos3,
                true,
                [-0.0984966, 1.3536025, 1.7739506, 3.2260494, 3.6463978, 5.0984964],
            ),
            (
                Interpolation::Lanczos5,
                false,
                [-0.3762234, 1.474585, 1.5745958, 3.425404, 3.5254157, 5.376224],
            ),
            (
                Interpolation::Lanczos5,
                true,
                [-0.1915855, 1.289947, 1.7592332, 3.2407665, 3.710054, 5.1915865],
            ),
        ];
        for (interpolation, antialias, expected) in smaller {
            let layer = Resizing::new(3, 2).interpolation(interpolation).antialias(antialias);
            close(&format!("{layer:?}"), &trained(&layer, &ramp(2, 3)), &expected);
        }
        let larger: [(Interpolation, [f32; 8]); 3] = [
            (Interpolation::Nearest, [0.0, 1.0, 1.0, 2.0, 0.0, 1.0, 1.0, 2.0]),
            (Interpolation::Bilinear, [0.0, 0.625, 1.375, 2.0, 0.75, 1.375, 2.125, 2.75]),
            (
                Interpolation::Bicubic,
                [
                    -0.3169447, 0.2918891, 1.1786993, 1.7875333, 0.5691897, 1.1780236, 2.0648336,
                    2.6736677,
                ],
            ),
        ];
        for (interpolation, expected) in larger {
            let layer = Resizing::new(4, 4).interpolation(interpolation);
            let upper = trained(&layer, &ramp(2, 3)).to_vec::<f32>()[..8].to_vec();
            close(&format!("{layer:?}"), &Array::from(upper), &expected);
        }
    }

    #[test]
    fn proportions_are_kept_as_by_keras() {
        let crop = |height, width| Resizing::new(height, width).crop_to_aspect_ratio(true);
        close("square", &trained(&crop(2, 2), &ramp(2, 5)), &[1.0, 2.0, 6.0, 7.0]);
        close(
            "high",
            &trained(&crop(4, 3), &ramp(2, 5)),
            &[2.0, 2.0, 2.0, 3.25, 3.25, 3.25, 5.75, 5.75, 5.75, 7.0, 7.0, 7.0],
        );
        let pad =
            |height, width| Resizing::new(height, width).pad_to_aspect_ratio(true).fill_value(-1.0);
        close("above", &trained(&pad(2, 2), &ramp(2, 5)), &[-0.125, 1.125, 2.375, 3.625]);
        close(
            "beside",
            &trained(&pad(3, 4), &ramp(5, 2)),
            &[-1.0, 0.25, 1.0, -1.0, -1.0, 2.75, 3.5, -1.0, -1.0, 5.25, 6.0, -1.0],
        );
    }

    #[test]
    fn whole_numbers_are_rounded() {
        let images = Array::from_fn([1, 4, 4, 1], |index| index as i32);
        let resized = trained(&Resizing::new(2, 3), &images);
        assert_eq!(resized.dtype(), DType::I32);
        assert_eq!(resized.to_vec::<i32>(), [2, 4, 5, 10, 12, 13]);
    }

    #[test]
    fn the_middle_is_that_of_keras() {
        close("small", &trained(&CenterCrop::new(1, 2), &ramp(2, 5)), &[1.0, 2.0]);
        close("high", &trained(&CenterCrop::new(2, 2), &ramp(2, 5)), &[1.0, 2.0, 6.0, 7.0]);
        close(
            "larger",
            &trained(&CenterCrop::new(4, 4), &ramp(2, 5)),
            &[
                1.0, 1.25, 1.75, 2.0, 2.25, 2.5, 3.0, 3.25, 4.75, 5.0, 5.5, 5.75, 6.0, 6.25, 6.75,
                7.0,
            ],
        );
    }

    #[test]
    fn sizes_and_options_that_make_no_sense_are_refused() {
        let nothing = refused(&CenterCrop::new(3, 0), &[1, 3, 4, 1]);
        nothing.says("`center_crop` makes images of 3 by 0");
        let both = Resizing::new(2, 2).crop_to_aspect_ratio(true).pad_to_aspect_ratio(true);
        refused(&both, &[1, 3, 4, 1]).says("`resizing` both crops and pads to an aspect ratio");
        refused(&Resizing::new(2, 2), &[3, 4, 1])
            .says("`resizing` takes inputs of shape [batch, height");
    }
}
