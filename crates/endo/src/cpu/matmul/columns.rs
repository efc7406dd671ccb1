//! Sums of the columns of a matrix, in the vectors that products are written in. In: rows one after
//! the other; out: one row.
//!
//! Rows are added in pairs: the first half to the last half, then the same with the sums, a middle
//! row waiting for the next round. So the error grows with the logarithm of their number, which
//! alone decides the order.
use crate::dtype::DType;
use crate::simd::Level;
use crate::simd::vectors::{Element, Lanes, TileKernel, enter};
use std::mem::MaybeUninit;

/// The most rows that are added in one pass.
pub const MOST_ROWS: usize = 64;

/// A function that adds the rows of a matrix of 1 to [`MOST_ROWS`] rows: its sizes are rows and
/// columns, and the sums go to the last pointer, or are added to what is there.
///
/// # Safety
///
/// The processor has the instructions of the level; the pointers are valid for the elements of the
/// matrix and of a row, and what is written does not overlap what is read.
pub type ColumnSums = unsafe fn(Level, *const u8, [usize; 2], *mut u8, bool);

/// The function for an element type, if it is a float.
pub fn column_sums(dtype: DType) -> Option<ColumnSums> {
    match dtype {
        DType::F32 => Some(add::<f32>),
        DType::F64 => Some(add::<f64>),
        DType::I32 | DType::Bool | DType::U8 => None,
    }
}

/// # Safety
///
/// As for [`ColumnSums`].
unsafe fn add<T: Element>(
    level: Level,
    from: *const u8,
    [rows, columns]: [usize; 2],
    to: *mut u8,
    accumulate: bool,
) {
    let matrix = Columns::<T> { from: from.cast(), rows, columns, to: to.cast(), accumulate };
    // SAFETY: as the caller promises.
    unsafe { enter(level, &matrix) }
}

/// A matrix and where its sums go.
struct Columns<T> {
    from: *const T,
    rows: usize,
    columns: usize,
    to: *mut T,
    accumulate: bool,
}

impl<T: Element> TileKernel for Columns<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let whole = self.columns / L::WIDTH * L::WIDTH;
        // SAFETY: strips lie inside the matrix; the last one is masked.
        unsafe {
            for column in (0..whole).step_by(L::WIDTH) {
                self.strip::<L, false>(column, L::mask(L::WIDTH));
            }
            if whole < self.columns {
                self.strip::<L, true>(whole, L::mask(self.columns - whole));
            }
        }
    }
}

impl<T: Element> Columns<T> {
    /// The sums of a vector of columns, those of `mask` where `TAIL` is set.
    #[inline(always)]
    unsafe fn strip<L: Lanes<Element = T>, const TAIL: bool>(&self, column: usize, mask: L::Mask) {
        // SAFETY: as for `run`.
        unsafe {
            let mut sum = match self.rows {
                1 => self.row::<L, TAIL>(0, column, mask),
                32 => self.thirty_two::<L, TAIL>(column, mask),
                _ => self.any::<L, TAIL>(column, mask),
            };
            let to = self.to.add(column);
            if self.accumulate {
                sum = L::add(load::<L, TAIL>(to, mask), sum);
            }
            if TAIL { L::store_masked(to, sum, mask) } else { L::store(to, sum) }
        }
    }

    #[inline(always)]
    unsafe fn row<L: Lanes<Element = T>, const TAIL: bool>(
        &self,
        row: usize,
        column: usize,
        mask: L::Mask,
    ) -> L::Vector {
        // SAFETY: as for `run`.
        unsafe { load::<L, TAIL>(self.from.add(row * self.columns + column), mask) }
    }

    /// 32 rows, the usual batch, whose sums stay in registers.
    #[inline(always)]
    unsafe fn thirty_two<L: Lanes<Element = T>, const TAIL: bool>(
        &self,
        column: usize,
        mask: L::Mask,
    ) -> L::Vector {
        // SAFETY: as for `run`; the loops are unrolled, so that the places are known. Behind the
        // last row nothing is read.
        unsafe {
            let mut sums = [L::zero(); 16];
            let mut upper = self.from.wrapping_add(column);
            let mut lower = upper.wrapping_add(16 * self.columns);
            for sum in &mut sums {
                *sum = L::add(load::<L, TAIL>(upper, mask), load::<L, TAIL>(lower, mask));
                (upper, lower) =
                    (upper.wrapping_add(self.columns), lower.wrapping_add(self.columns));
            }
            for row in 0..8 {
                sums[row] = L::add(sums[row], sums[8 + row]);
            }
            for row in 0..4 {
                sums[row] = L::add(sums[row], sums[4 + row]);
            }
            L::add(L::add(sums[0], sums[2]), L::add(sums[1], sums[3]))
        }
    }

    /// Any number of rows from 2 on.
    #[inline(always)]
    unsafe fn any<L: Lanes<Element = T>, const TAIL: bool>(
        &self,
        column: usize,
        mask: L::Mask,
    ) -> L::Vector {
        let mut sums = [const { MaybeUninit::<L::Vector>::uninit() }; MOST_ROWS / 2];
        let (mut half, mut rows) = (self.rows / 2, self.rows.div_ceil(2));
        // SAFETY: as for `run`; sums are read after they have been written.
        unsafe {
            for (row, sum) in sums[..half].iter_mut().enumerate() {
                let upper = self.row::<L, TAIL>(rows + row, column, mask);
                sum.write(L::add(self.row::<L, TAIL>(row, column, mask), upper));
            }
            if half < rows {
                sums[half].write(self.row::<L, TAIL>(half, column, mask));
            }
            while rows > 1 {
                (half, rows) = (rows / 2, rows.div_ceil(2));
                for row in 0..half {
                    let sum = L::add(sums[row].assume_init(), sums[rows + row].assume_init());
                    sums[row].write(sum);
                }
            }
            sums[0].assume_init()
        }
    }
}

/// A vector, the lanes of `mask` where `TAIL` is set.
///
/// # Safety
///
/// The processor has the instructions of `L`; the lanes can be read.
#[inline(always)]
unsafe fn load<L: Lanes, const TAIL: bool>(from: *const L::Element, mask: L::Mask) -> L::Vector {
    // SAFETY: as the caller promises.
    unsafe { if TAIL { L::load_masked(from, mask) } else { L::load(from) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order that is promised, row by row.
    fn expected(rows: &[Vec<f32>]) -> Vec<f32> {
        let mut sums = rows.to_vec();
        while sums.len() > 1 {
            let upper = sums.split_off(sums.len().div_ceil(2));
            for (a, b) in sums.iter_mut().zip(&upper) {
                for (a, b) in a.iter_mut().zip(b) {
                    *a += b;
                }
            }
        }
        sums.remove(0)
    }

    #[test]
    fn rows_are_added_in_pairs_whatever_the_level() {
        for level in Level::available() {
            for rows in (1..36).chain([63, MOST_ROWS]) {
                for columns in [1, 7, 16, 30, 33] {
                    let matrix: Vec<Vec<f32>> = (0..rows)
                        .map(|i| {
                            (0..columns).map(|j| (0.7 * (i * columns + j) as f32).sin()).collect()
                        })
                        .collect();
                    let flat = matrix.concat();
                    let mut sums = vec![9.0_f32; columns + 1];
                    let add = column_sums(DType::F32).unwrap();
                    let mut run = |accumulate| {
                        // SAFETY: the arrays hold the matrix and a row, and the level is available.
                        unsafe {
                            add(
                                level,
                                flat.as_ptr().cast(),
                                [rows, columns],
                                sums.as_mut_ptr().cast(),
                                accumulate,
                            )
                        };
                        sums.clone()
                    };
                    let once = expected(&matrix);
                    assert_eq!(
                        run(false),
                        [&once[..], &[9.0]].concat(),
                        "{level:?} {rows} {columns}"
                    );
                    let twice: Vec<f32> = once.iter().map(|x| x + x).collect();
                    assert_eq!(
                        run(true),
                        [&twice[..], &[9.0]].concat(),
                        "{level:?} {rows} {columns}"
                    );
                }
            }
        }
    }
}
