//! Elements of an axis at other positions than their own, for images of another size.
//!
//! In: a tensor, an axis and the length that it is to have. Out: the same with that length, each
//! element a mean of those around its place.

use std::f64::consts::PI;

use crate::graph::Tensor;
use crate::named::words;
use crate::shape::{Shape, product};
use crate::site::Site;

words! {
    /// What lies between elements that are moved apart or together.
    Interpolation, "`nearest`, `bilinear`, `bicubic`, `lanczos3` or `lanczos5`" {
        /// The nearest of them.
        Nearest = "nearest",
        /// What the line between the two nearest has there.
        Bilinear = "bilinear",
        /// What a cubic curve through the two on each side has there (Keys 1981, equation 15 with
        /// a = -1/2).
        Bicubic = "bicubic",
        /// A windowed sine of the three on each side.
        Lanczos3 = "lanczos3",
        /// A windowed sine of the five on each side.
        Lanczos5 = "lanczos5",
    }
}

impl Interpolation {
    /// The elements of an axis at `length` places, of which each is the middle of an equal part of
    /// the axis. With `antialias` an element of fewer is a mean over its whole part. Other numbers
    /// than floats are only picked.
    #[track_caller]
    pub(super) fn resampled(
        self,
        x: &Tensor,
        axis: usize,
        length: usize,
        antialias: bool,
    ) -> Tensor {
        let before = x.shape()[axis];
        if before == length {
            return x.clone();
        }
        let (trace, site) = (x.trace(), Site::caller());
        // As Keras does it, in single precision.
        let nearest =
            |place: usize| ((place as f32 + 0.5) * before as f32 / length as f32).floor() as i32;
        if self == Self::Nearest {
            return x.gather(&trace.constant_from_fn([length], nearest, site), axis as isize);
        }
        if self == Self::Bilinear && !antialias {
            let step = before as f64 / length as f64;
            let last = before.saturating_sub(1) as f64;
            let at = |place: usize| ((place as f64 + 0.5) * step - 0.5).clamp(0.0, last);
            let along: Shape =
                (axis..x.rank()).map(|other| if other == axis { length } else { 1 }).collect();
            let share =
                trace.constant_from_fn(along, |place| at(place).fract(), site).cast(x.dtype());
            let neighbour = |next: f64| {
                let index = |place| (at(place).floor() + next).min(last) as i32;
                x.gather(&trace.constant_from_fn([length], index, site), axis as isize)
            };
            let (low, high) = (neighbour(0.0), neighbour(1.0));
            return &low + (high - &low) * share;
        }
        let rows = product(&x.shape()[..axis]);
        let rest = product(&x.shape()[axis + 1..]);
        let shares = self.shares(x, before, length, antialias).cast(x.dtype());
        shares.matmul(&x.reshape([rows, before, rest])).reshape(x.shape().with(axis, length))
    }

    /// The share of each of `before` elements in each of `length`: `[length, before]`, with rows
    /// that sum to 1.
    #[track_caller]
    fn shares(self, x: &Tensor, before: usize, length: usize, antialias: bool) -> Tensor {
        let step = before as f64 / length as f64;
        let width = if antialias { step.max(1.0) } else { 1.0 };
        let share = |row: usize, column: usize| {
            let at = (row as f64 + 0.5) * step - 0.5;
            self.curve((at - column as f64).abs() / width)
        };
        // Rows come one after the other.
        let mut sum = 1.0;
        let part = |index: usize| {
            let (row, column) = (index / before, index % before);
            if column == 0 {
                sum = (0..before).map(|column| share(row, column)).sum::<f64>();
            }
            share(row, column) / sum
        };
        x.trace().constant_from_fn([length, before], part, Site::caller())
    }

    /// How much an element counts at a distance.
    fn curve(self, x: f64) -> f64 {
        let sine = |radius: f64| {
            if x < 1e-3 {
                1.0
            } else if x > radius {
                0.0
            } else {
                radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * x).powi(2)
            }
        };
        match self {
            Self::Nearest => f64::from(x <= 0.5),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 => sine(3.0),
            Self::Lanczos5 => sine(5.0),
        }
    }
}
