//! Elements of images at any points, image by image.
//!
//! In: images and a point of each for every element of the outputs. Out: what lies there, between
//! elements interpolated and outside filled.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::words;
use crate::site::Site;
use crate::trace::Context;

use super::super::interpolation::Interpolation;

words! {
    /// What lies outside an image.
    FillMode, "`constant`, `nearest`, `reflect` or `wrap`" {
        /// One number: `k k k k | a b c d | k k k k`.
        Constant = "constant",
        /// The nearest element: `a a a a | a b c d | d d d d`.
        Nearest = "nearest",
        /// The image in a mirror at its edge: `d c b a | a b c d | d c b a`.
        Reflect = "reflect",
        /// The image again: `a b c d | a b c d | a b c d`.
        Wrap = "wrap",
    }
}

/// How elements are made that do not lie on one of the image.
#[derive(Clone, Copy)]
pub(super) struct Sampling {
    pub interpolation: Interpolation,
    pub fill_mode: FillMode,
    pub fill_value: f64,
}

/// A map from the elements of the outputs, of row `i` and column `j`, to points of the inputs, with
/// numbers `[batch]` for each image: row `rows[0] i + rows[1] j + rows[2]`, and the column
/// likewise.
pub(super) struct Affine {
    pub rows: [Tensor; 3],
    pub columns: [Tensor; 3],
}

impl Sampling {
    /// An error of the layer being applied if points between elements cannot be interpolated so.
    pub fn check(&self, cx: &Context) -> Result<()> {
        if matches!(self.interpolation, Interpolation::Nearest | Interpolation::Bilinear) {
            return Ok(());
        }
        let message = format!("`{}` interpolates by {:?}", cx.path(), self.interpolation);
        let help = "points anywhere are interpolated by `Interpolation::Nearest` or \
            `Interpolation::Bilinear`";
        Err(Error::argument(message, help))
    }

    /// Images `[batch, height, width, channels]` moved by a map, with the sizes that they have.
    #[track_caller]
    pub fn moved(&self, images: &Tensor, map: &Affine) -> Tensor {
        let (batch, height, width) = (images.batch(), images.shape()[1], images.shape()[2]);
        let (trace, site) = (images.trace(), Site::caller());
        let rows = trace.constant_from_fn([1, height, 1], |row| row as f32, site);
        let columns = trace.constant_from_fn([1, 1, width], |column| column as f32, site);
        let at = |[of_rows, of_columns, offset]: &[Tensor; 3]| {
            let each = |numbers: &Tensor| numbers.reshape([batch, 1, 1]);
            each(of_rows) * &rows + each(of_columns) * &columns + each(offset)
        };
        self.at(images, &at(&map.rows), &at(&map.columns))
    }

    /// The elements of images at points of `rows` and `columns`, `[batch, height, width]` each.
    #[track_caller]
    fn at(&self, images: &Tensor, rows: &Tensor, columns: &Tensor) -> Tensor {
        if self.interpolation == Interpolation::Nearest {
            return self.elements(images, &nearest(rows), &nearest(columns));
        }
        let (top, left) = (rows.floor(), columns.floor());
        let share = |part: Tensor| part.expand_dims(-1).cast(images.dtype());
        let (down, right) = (share(rows - &top), share(columns - &left));
        let row = |rows: &Tensor| {
            let first = self.elements(images, rows, &left);
            let second = self.elements(images, rows, &(&left + 1.0));
            first * (1.0 - &right) + second * &right
        };
        row(&top) * (1.0 - &down) + row(&(top + 1.0)) * &down
    }

    /// The elements of whole rows and columns: `[batch, height, width, channels]`.
    #[track_caller]
    fn elements(&self, images: &Tensor, rows: &Tensor, columns: &Tensor) -> Tensor {
        let (batch, height, width) = (images.batch(), images.shape()[1], images.shape()[2]);
        let (rows, columns) = (rows.cast(DType::I32), columns.cast(DType::I32));
        let (row, column) = (self.within(&rows, height), self.within(&columns, width));
        let picked = picked(images, &row, &column);
        if self.fill_mode != FillMode::Constant {
            return picked;
        }
        let is_in =
            |index: &Tensor, length: usize| index.greater_equal(0) & index.less(length as i32);
        let is_in = (is_in(&rows, height) & is_in(&columns, width)).expand_dims(-1);
        let all = [batch, rows.shape()[1], rows.shape()[2], images.features()];
        is_in.broadcast_to(all).where_(picked, self.fill_value)
    }

    /// The element of an axis that stands for one that may be outside.
    #[track_caller]
    fn within(&self, index: &Tensor, length: usize) -> Tensor {
        let length = length as i32;
        match self.fill_mode {
            FillMode::Constant | FillMode::Nearest => index.clip(0, length - 1),
            FillMode::Wrap => index.remainder(length),
            FillMode::Reflect => {
                let place = index.remainder(2 * length);
                place.minimum(2 * length - 1 - &place)
            }
        }
    }
}

/// The elements of images `[batch, height, width, channels]` at rows and columns
/// `[batch, rows, columns]`, or what broadcasts to that.
#[track_caller]
pub(super) fn picked(images: &Tensor, rows: &Tensor, columns: &Tensor) -> Tensor {
    let (batch, height, width) = (images.batch(), images.shape()[1], images.shape()[2]);
    let area = height.saturating_mul(width);
    let first = |image: usize| image.saturating_mul(area) as i32;
    let first = images.trace().constant_from_fn([batch, 1, 1], first, Site::caller());
    let flat = images.reshape([batch.saturating_mul(area), images.features()]);
    flat.gather(&(first + rows * width as i32 + columns), 0)
}

/// The nearest whole numbers, those farther from 0 at ties.
#[track_caller]
fn nearest(numbers: &Tensor) -> Tensor {
    let low = numbers.floor();
    let part = numbers - &low;
    let is_upper = part.greater(0.5) | (part.equal(0.5) & low.greater_equal(0.0));
    is_upper.where_(&low + 1.0, &low)
}
