//! Products whose left operand lies in stretches: the windows of an image, read where they lie.
//!
//! In: where stretches of rows and of terms begin in `a`, and a `b` whose columns lie side by side;
//! out: `c`. Each sum is one chain of its terms, which no cut into tiles changes.
use super::direct::strip;
use super::tile::Tile;
use crate::simd::vectors::{Lanes, TileKernel};

/// Rows or terms of `a` in stretches of one length, as distances in elements.
#[derive(Clone, Copy)]
pub struct Stretched<'a> {
    /// Where each stretch begins.
    pub starts: &'a [usize],
    /// The rows or terms of a stretch, and the distance from one to the next.
    pub length: usize,
    pub step: usize,
}

/// A product `c = a b + bias`, or `c += a b`. The element of a row and a term lies in `a` at the
/// sum of their distances. Rows of `b` are one after the other, and so are rows of `c`.
///
/// Of `f32` alone: its tiles would be half as many again for `f64`, which takes longer to compile.
pub struct StretchedProduct<'a> {
    pub rows: Stretched<'a>,
    pub terms: Stretched<'a>,
    pub columns: usize,
    pub a: *const f32,
    pub b: *const f32,
    /// The distance between rows of `b`.
    pub b_row: usize,
    /// What the sums start from, one value for each column; null for zero.
    pub bias: *const f32,
    pub c: *mut f32,
    /// Whether the sums are added to what `c` holds.
    pub accumulate: bool,
    /// Whether each sum that is less than 0 becomes 0 in the end.
    pub rectify: bool,
}

impl TileKernel for StretchedProduct<'_> {
    type Element = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = f32>>(&self) {
        let &Self { rows, terms, columns, .. } = self;
        let mut column = 0;
        // A strip of `b` stays in the nearest cache while all rows meet it.
        while column < columns {
            let left = columns - column;
            let mut width = 0;
            for (stretch, start) in rows.starts.iter().enumerate() {
                let at = stretch * rows.length * columns + column;
                let tile = Tile::<L> {
                    k: terms.length,
                    a: self.a.wrapping_add(*start),
                    a_strides: [rows.step, terms.step],
                    b: self.b.wrapping_add(column),
                    b_row: self.b_row,
                    bias: if self.bias.is_null() {
                        self.bias
                    } else {
                        self.bias.wrapping_add(column)
                    },
                    c: self.c.wrapping_add(at),
                    c_row: columns,
                    accumulate: self.accumulate,
                    rectify: self.rectify,
                };
                // SAFETY: as the caller promises for all of the operands.
                width = unsafe {
                    match left.div_ceil(L::WIDTH) {
                        1 => strip::<L, 1, _>(tile, rows.length, left, true, terms.starts),
                        _ => strip::<L, 2, _>(tile, rows.length, left, true, terms.starts),
                    }
                };
            }
            column += width;
        }
    }
}
