//! Products whose left operand lies in stretches: the windows of an image, read where they lie.
//!
//! In: where stretches of rows and of terms begin in `a`, and a `b` whose columns lie side by side;
//! out: `c`. Each sum is one chain of its terms, which no cut into tiles changes.
use super::direct::strip;
use super::tile::Tile;
use crate::simd::vectors::{Element, Lanes, TileKernel};

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
pub struct StretchedProduct<'a, T> {
    pub rows: Stretched<'a>,
    pub terms: Stretched<'a>,
    pub columns: usize,
    pub a: *const T,
    pub b: *const T,
    /// The distance between rows of `b`.
    pub b_row: usize,
    /// What the sums start from, one value for each column; null for zero.
    pub bias: *const T,
    pub c: *mut T,
    /// Whether the sums are added to what `c` holds.
    pub accumulate: bool,
    /// Whether each sum that is less than 0 becomes 0 in the end.
    pub rectify: bool,
}

impl<T: Element> TileKernel for StretchedProduct<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
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
                        // Few rows need wider strips: each sum waits for its last term.
                        4.. if rows.length <= 4 => {
                            strip::<L, 4, _>(tile, rows.length, left, true, terms.starts)
                        }
                        _ => strip::<L, 2, _>(tile, rows.length, left, true, terms.starts),
                    }
                };
            }
            column += width;
        }
    }
}
