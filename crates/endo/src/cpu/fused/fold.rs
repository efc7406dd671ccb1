//! Combines the values of a loop, tile by tile.
//!
//! In: tiles of a value and the sizes of three axes, the middle one of which is combined. Out: the
//! combined values. Where chunks combine parts of the same element, each leaves a partial result,
//! and these are combined in the chunks' order.

use std::ops::Range;

use crate::simd::{self, Level, Loop};

use super::super::address::{Address, Bases};
use super::super::matmul::columns::{ColumnSums, MOST_ROWS};
use super::LoopRange;
use super::gather::strided_bytes;

/// Rows up to this length are combined column by column.
const SHORT_ROW: usize = 48;
/// If there are at least this many of them.
const MANY_ROWS: usize = 8;

/// A reduction at the end of a loop.
pub struct Fold {
    /// The operand that is combined, and is not written to.
    pub operand: usize,
    /// The sizes of the axes: kept, combined, kept.
    pub sizes: [usize; 3],
    /// Bytes of an element.
    pub size: usize,
    /// Where the results go.
    pub output: Address,
    /// Where the partial results of chunks start, if chunks combine parts of the same elements.
    pub partials: Option<usize>,
    /// A register for what is combined of a tile.
    pub register: usize,
    /// Combines a run of elements.
    pub fold: simd::Fold,
    /// Adds whole rows, where they are floats to be added.
    pub sums: Option<ColumnSums>,
    /// The processor's.
    pub level: Level,
    /// Combines two sequences.
    pub accumulate: Loop,
    /// Copies a sequence.
    pub copy: Loop,
}

impl Fold {
    /// Combines one tile, the elements `span` of the loop.
    ///
    /// # Safety
    /// `tile` points to the span's elements; output, partial results and the register are as large
    /// as the sizes say, and this thread alone touches them. The tiles of a range are given in
    /// order.
    pub unsafe fn run(
        &self,
        bases: &Bases,
        registers: *mut u8,
        partials: *mut u8,
        tile: *mut u8,
        span: Range<usize>,
        range: LoopRange,
    ) {
        let [_, middle, kept] = self.sizes;
        let group = middle * kept;
        let target = match (self.partials, range.chunk) {
            (Some(start), Some(chunk)) => partials.wrapping_add(start + chunk * kept * self.size),
            _ => bases.at(self.output),
        };
        let register = registers.wrapping_add(self.register);
        let short = kept == 1 && middle <= SHORT_ROW && span.len() >= MANY_ROWS * middle;
        if short
            && self.partials.is_none()
            && span.start.is_multiple_of(middle)
            && span.len().is_multiple_of(middle)
        {
            let target = target.wrapping_add(span.start / middle * self.size);
            // SAFETY: as the caller promises.
            return unsafe { self.columns(tile, span.len() / middle, target, register) };
        }
        let mut at = span.start;
        while at < span.end {
            // One group of elements that are combined with each other, or what of it lies in the
            // tile.
            let first = at / group;
            let end = span.end.min((first + 1) * group);
            let values = tile.wrapping_add((at - span.start) * self.size);
            let target = if self.partials.is_some() {
                target
            } else {
                target.wrapping_add(first * kept * self.size)
            };
            let begins = at - (first * group).max(range.start);
            // SAFETY: as the caller promises.
            unsafe {
                match kept {
                    1 => self.run_of(values, end - at, target, register, begins == 0),
                    _ => self.rows(values, at % kept, end - at, target, register, begins),
                }
            }
            at = end;
        }
    }

    /// Combines whole short rows column by column, which takes few calls for many rows.
    unsafe fn columns(&self, values: *mut u8, rows: usize, target: *mut u8, register: *mut u8) {
        let stride = (self.sizes[1] * self.size) as isize;
        for column in 0..self.sizes[1] {
            let from = values.wrapping_add(column * self.size);
            let to = if column == 0 { target } else { register };
            // SAFETY: as for `run`; the register holds as many elements as there are rows.
            unsafe {
                strided_bytes(from, stride, to, rows, self.size);
                if column > 0 {
                    self.add([target, register], target, rows);
                }
            }
        }
    }

    /// Combines a run of elements to one, and with what came before it.
    unsafe fn run_of(
        &self,
        values: *mut u8,
        count: usize,
        target: *mut u8,
        register: *mut u8,
        is_first: bool,
    ) {
        // SAFETY: as for `run`.
        unsafe {
            if is_first {
                (self.fold)(values, target, count);
            } else {
                (self.fold)(values, register, count);
                self.add([target, register], target, 1);
            }
        }
    }

    /// Combines rows of `kept` elements, the first of them from `column` on, and the last not to
    /// its end. `begins` is the number of elements of the group that this range has combined
    /// before; ranges begin with a row.
    unsafe fn rows(
        &self,
        mut values: *mut u8,
        mut column: usize,
        mut count: usize,
        target: *mut u8,
        register: *mut u8,
        begins: usize,
    ) {
        let kept = self.sizes[2];
        let mut is_first = begins < kept;
        while count > 0 {
            let rows = if column == 0 { count / kept } else { 0 };
            let columns = count.min(kept - column);
            let done = if rows > 1 { rows * kept } else { columns };
            // SAFETY: as for `run`.
            unsafe {
                match self.sums {
                    Some(sums) if rows > 1 => {
                        let (values, rows) = self.tree(values, rows, register, MOST_ROWS);
                        sums(self.level, values, [rows, kept], target, !is_first);
                    }
                    _ => {
                        let (sum, _) = self.tree(values, rows.max(1), register, 1);
                        self.store(sum, target.wrapping_add(column * self.size), columns, is_first);
                    }
                }
            }
            values = values.wrapping_add(done * self.size);
            count -= done;
            column = (column + columns) % kept;
            is_first &= column > 0;
        }
    }

    unsafe fn store(&self, values: *mut u8, target: *mut u8, count: usize, is_first: bool) {
        // SAFETY: as for `run`.
        unsafe {
            if is_first {
                self.copy(values, target, count);
            } else {
                self.add([target, values], target, count);
            }
        }
    }

    /// Combines two sequences.
    #[inline(always)]
    unsafe fn add(&self, [x, y]: [*mut u8; 2], to: *mut u8, count: usize) {
        // SAFETY: as for `run`.
        unsafe { (self.accumulate)([x.cast_const(), y.cast_const()].as_ptr(), to, count) };
    }

    #[inline(always)]
    unsafe fn copy(&self, from: *mut u8, to: *mut u8, count: usize) {
        // SAFETY: as for `run`.
        unsafe { (self.copy)([from.cast_const()].as_ptr(), to, count) };
    }

    /// Combines whole rows in pairs until at most `count` of them are left: few long passes instead
    /// of many short ones, and a sum whose error grows with the logarithm of the number of rows.
    /// Returns where they are and how many.
    unsafe fn tree(
        &self,
        values: *mut u8,
        mut rows: usize,
        register: *mut u8,
        most: usize,
    ) -> (*mut u8, usize) {
        let row = self.sizes[2];
        let mut from = values;
        while rows > most {
            let half = rows / 2;
            let upper = from.wrapping_add((rows - half) * row * self.size);
            // SAFETY: the upper half begins at or after the end of the lower; the register holds
            // the larger half of a tile.
            unsafe {
                self.add([from, upper], register, half * row);
                if rows % 2 == 1 && from != register {
                    let middle = half * row * self.size;
                    self.copy(from.wrapping_add(middle), register.wrapping_add(middle), row);
                }
            }
            from = register;
            rows -= half;
        }
        (from, rows)
    }

    /// Combines the partial results of all chunks.
    ///
    /// # Safety
    /// All chunks have left theirs, and nobody else touches them or the output.
    pub unsafe fn combine(&self, bases: &Bases, partials: *mut u8, chunks: usize) {
        let Some(start) = self.partials else { return };
        let (kept, output) = (self.sizes[2], bases.at(self.output));
        let partials = partials.wrapping_add(start);
        // SAFETY: as the caller promises.
        unsafe {
            if kept == 1 {
                return (self.fold)(partials, output, chunks);
            }
            for chunk in 0..chunks {
                self.store(
                    partials.wrapping_add(chunk * kept * self.size),
                    output,
                    kept,
                    chunk == 0,
                );
            }
        }
    }

    /// The results of combining nothing.
    ///
    /// # Safety
    /// The output is as large as the sizes say.
    pub unsafe fn of_nothing(&self, bases: &Bases) {
        let output = bases.at(self.output);
        for index in 0..self.sizes[0] * self.sizes[2] {
            // SAFETY: as the caller promises; no element is read.
            unsafe { (self.fold)(output, output.wrapping_add(index * self.size), 0) };
        }
    }
}
