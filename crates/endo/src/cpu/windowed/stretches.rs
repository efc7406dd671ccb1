//! Copies and sums of stretches of memory, in the vectors of a level of instructions.
//!
//! In: where stretches of an image and of windows lie. Out: windows, or an image to which windows
//! were added; and the sum of several matrices.

use crate::graph::windows::{Stretches, outer_rows};
use crate::simd::Level;
use crate::simd::vectors::{Element, Lanes, TileKernel, enter};

use super::parts::View;

/// Windows of one channel that are next to each other, element by element: for each element of the
/// windows a row of it in all of them, `row` apart.
///
/// # Safety
/// The processor has the instructions of the level, the view lies in memory from `from` on, and
/// there is room for all rows at `to`.
pub unsafe fn take_side_by_side<T: Element>(
    level: Level,
    view: &View,
    from: *const T,
    to: *mut T,
    row: usize,
) {
    let (Some((last, outer)), [batch, lengths @ .., _]) =
        (view.windows().split_last(), view.image())
    else {
        return;
    };
    let length = lengths[outer.len()];
    let counts: usize = outer.iter().map(|window| window.count).product();
    for sample in 0..*batch {
        outer_rows(outer, view.image(), sample, |count, size, image_row| {
            let start = (sample * counts + count) * last.count;
            let first_term = size * last.size;
            for element in 0..last.size {
                let to = to.wrapping_add((first_term + element) * row + start);
                let ahead = element * last.dilation;
                // Window `n` has the position `n + ahead - before`.
                let low = last.before.saturating_sub(ahead).min(last.count);
                let high = (length + last.before).saturating_sub(ahead).clamp(low, last.count);
                let inside = image_row.map(|row| (low, high, row));
                let (low, high, row_at) = inside.unwrap_or((last.count, last.count, 0));
                let at = row_at * length + (low + ahead).saturating_sub(last.before);
                let copy = StretchCopy::<T, false> {
                    from: from.wrapping_add(at),
                    to: to.wrapping_add(low),
                    steps: [0; 2],
                    length: high - low,
                    count: 1,
                };
                // SAFETY: as the caller promises; zeros of floats have no bits.
                unsafe {
                    to.write_bytes(0, low);
                    enter(level, &copy);
                    to.wrapping_add(high).write_bytes(0, last.count - high);
                }
            }
        });
    }
}

/// Stretches that are copied, or added to where they go.
pub struct StretchCopy<T, const ADD: bool> {
    from: *const T,
    to: *mut T,
    /// The distances between stretches, where they come from and where they go.
    steps: [usize; 2],
    length: usize,
    count: usize,
}

impl<T, const ADD: bool> StretchCopy<T, ADD> {
    /// Of stretches of one length and number.
    pub fn new(from: *const T, to: *mut T, steps: [usize; 2], stretches: &Stretches) -> Self {
        Self { from, to, steps, length: stretches.length, count: stretches.count }
    }
}

impl<T: Element, const ADD: bool> TileKernel for StretchCopy<T, ADD> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { from, to, steps, length, count } = self;
        for n in 0..count {
            let (from, to) = (from.wrapping_add(n * steps[0]), to.wrapping_add(n * steps[1]));
            let mut i = 0;
            // SAFETY: the stretches are valid for their length.
            unsafe {
                while i + L::WIDTH <= length {
                    let mut x = L::load(from.add(i));
                    if ADD {
                        x = L::add(L::load(to.add(i)), x);
                    }
                    L::store(to.add(i), x);
                    i += L::WIDTH;
                }
                while i < length {
                    let x = *from.add(i);
                    *to.add(i) = if ADD { *to.add(i) + x } else { x };
                    i += 1;
                }
            }
        }
    }
}

/// Some elements of sums that are added up.
pub struct SumOfParts<T> {
    pub from: *const T,
    pub to: *mut T,
    pub sums: usize,
    /// From a sum to the next.
    pub step: usize,
    pub length: usize,
}

impl<T: Element> TileKernel for SumOfParts<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { from, to, sums, step, length } = self;
        let mut i = 0;
        // SAFETY: the sums and the result are valid for the length.
        unsafe {
            while i + L::WIDTH <= length {
                let mut total = L::load(from.add(i));
                for sum in 1..sums {
                    total = L::add(total, L::load(from.add(sum * step + i)));
                }
                L::store(to.add(i), total);
                i += L::WIDTH;
            }
            while i < length {
                let each = (1..sums).map(|sum| *from.add(sum * step + i));
                *to.add(i) = each.fold(*from.add(i), |total, x| total + x);
                i += 1;
            }
        }
    }
}
