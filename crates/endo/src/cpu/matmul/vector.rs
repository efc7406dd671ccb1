//! Products with a vector: each element of the result is the dot product of a contiguous row and
//! the vector. In: rows of any stride and a contiguous vector; out: one element for each row. Lanes
//! and pairs of vectors are added in an order that only the length decides.
use crate::cpu::pool::Team;
use crate::simd::vectors::{Element, Lanes, TileKernel, enter};
use crate::simd::{Float, Level};

/// `c[i] = sum_p rows[i, p] * vector[p]`.
#[derive(Clone, Copy)]
pub(super) struct Dots<T> {
    pub count: usize,
    pub k: usize,
    /// The first row, and the distance from one to the next.
    pub rows: *const T,
    pub row: usize,
    pub vector: *const T,
    /// What is added to the elements, or null, and the distance from one to the next.
    pub bias: *const T,
    pub bias_step: usize,
    /// The first element of the result, and the distance to the next.
    pub c: *mut T,
    pub c_step: usize,
    pub accumulate: bool,
    /// Whether what is less than 0 becomes 0.
    pub rectify: bool,
}

// SAFETY: the pointers are used only while `Matmul::run` lasts, whose caller vouches for them;
// tasks write apart.
unsafe impl<T: Send + Sync> Sync for Dots<T> {}

/// The rows of a task are a multiple of this.
const TASK_ROWS: usize = 8;

/// In how many parts threads can share as many dot products, at most.
pub(super) fn parts(count: usize) -> usize {
    count.div_ceil(TASK_ROWS)
}

impl<T: Element> Dots<T> {
    /// Computes all rows.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `level`; the pointers are valid.
    pub(super) unsafe fn run(&self, level: Level, team: Team<'_>) {
        if team.threads() == 1 {
            // SAFETY: as the caller promises.
            return unsafe { enter(level, self) };
        }
        let run = self.count.div_ceil(2 * team.threads()).next_multiple_of(TASK_ROWS);
        team.run(self.count.div_ceil(run), |task| {
            let first = task * run;
            let part = Dots {
                count: run.min(self.count - first),
                rows: self.rows.wrapping_add(first * self.row),
                bias: self.bias.wrapping_add(if self.bias.is_null() {
                    0
                } else {
                    first * self.bias_step
                }),
                c: self.c.wrapping_add(first * self.c_step),
                ..*self
            };
            // SAFETY: the rows from `first` on, which are this task's.
            unsafe { enter(level, &part) };
        });
    }

    /// Writes one element.
    #[inline(always)]
    unsafe fn write(&self, i: usize, mut sum: T) {
        // SAFETY: `i` is one of the rows.
        unsafe {
            let c = self.c.add(i * self.c_step);
            if !self.bias.is_null() {
                sum = *self.bias.add(i * self.bias_step) + sum;
            }
            if self.accumulate {
                sum = *c + sum;
            }
            *c = if self.rectify { Float::maximum(sum, T::ZERO) } else { sum };
        }
    }

    /// The dot products of the rows `i..i + R`.
    #[inline(always)]
    unsafe fn rows<const R: usize, L: Lanes<Element = T>>(&self, i: usize) {
        // SAFETY: every read is of one of the rows or of the vector, below `k`; the tail is masked.
        unsafe {
            let rows = self.rows.wrapping_add(i * self.row);
            let mut even = [L::zero(); R];
            let mut odd = [L::zero(); R];
            let mut p = 0;
            while p + 2 * L::WIDTH <= self.k {
                let x = [L::load(self.vector.add(p)), L::load(self.vector.add(p + L::WIDTH))];
                for r in 0..R {
                    let row = rows.add(r * self.row + p);
                    even[r] = L::multiply_add(L::load(row), x[0], even[r]);
                    odd[r] = L::multiply_add(L::load(row.add(L::WIDTH)), x[1], odd[r]);
                }
                p += 2 * L::WIDTH;
            }
            if p + L::WIDTH <= self.k {
                let x = L::load(self.vector.add(p));
                for (r, even) in even.iter_mut().enumerate() {
                    *even = L::multiply_add(L::load(rows.add(r * self.row + p)), x, *even);
                }
                p += L::WIDTH;
            }
            if p < self.k {
                let tail = L::mask(self.k - p);
                let x = L::load_masked(self.vector.add(p), tail);
                for (r, odd) in odd.iter_mut().enumerate() {
                    *odd =
                        L::multiply_add(L::load_masked(rows.add(r * self.row + p), tail), x, *odd);
                }
            }
            for r in 0..R {
                self.write(i + r, L::sum(L::add(even[r], odd[r])));
            }
        }
    }
}

impl<T: Element> TileKernel for Dots<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let whole = self.count / 4 * 4;
        // SAFETY: the rows are `0..count`.
        unsafe {
            for i in (0..whole).step_by(4) {
                self.rows::<4, L>(i);
            }
            for i in whole..self.count {
                self.rows::<1, L>(i);
            }
        }
    }
}
