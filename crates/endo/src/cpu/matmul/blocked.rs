//! Large products: blocks of `a` are packed into panels, and strips of `b` that the second cache
//! holds, and the two multiplied tile by tile (Goto and van de Geijn, "Anatomy of High-Performance
//! Matrix Multiplication", 2008). In: operands of any strides and scratch; out: `c`. Tasks share
//! `c`, never the terms of a sum.
use super::packing::{copy_rows, pack};
#[cfg(target_arch = "x86_64")]
use super::pairs;
use super::tile::{End, Tile};
use super::{Operands, equal_part};
use crate::cpu::pool::Team;
use crate::simd::Level;
use crate::simd::vectors::{Element, Lanes, TileKernel, enter, enter_pairs};
use std::ops::Range;

/// The most terms of one block: of more, a strip of `b` would leave the second cache; of fewer,
/// there would be more passes over `c`. It shapes the order of the summation, and is the same for
/// every level and number of threads.
pub(super) const BLOCK_TERMS: usize = 1024;
/// Bytes of `a` that are packed at a time: they stay in an outer cache while the strips of `b`
/// pass.
const BLOCK_BYTES: usize = 1 << 20;
/// The tasks of each thread, so that one which is held up leaves some to the others; and the most
/// of all threads.
const TASKS: usize = 4;
const MOST_TASKS: usize = 64;
/// The panels of `a` that are packed at once where its rows lie side by side.
const PACKED_AT_ONCE: usize = 8;
/// The most rows and columns of a tile at any level.
const MOST_ROWS: usize = 14;
const MOST_COLUMNS: usize = 32;

/// Elements of scratch that a product needs at any level: the panels of `a`, then a strip of `b`
/// for each task.
pub(super) fn scratch_elements([m, n, k]: [usize; 3], element_bytes: usize) -> usize {
    // Of a product of as many terms, or of pairs of them.
    let of = |terms: usize| {
        let terms = part(terms, BLOCK_TERMS, 1);
        (panel_rows(m, terms, element_bytes) + most_tasks(m, n) * MOST_COLUMNS) * terms
    };
    of(k).max(of(k.div_ceil(2)))
}

/// An upper bound of the rows of `a` that are packed at a time, padding included, to a whole number
/// of cache lines.
fn panel_rows(m: usize, terms: usize, element_bytes: usize) -> usize {
    (m.min(most_rows(terms, element_bytes)) + 2 * MOST_ROWS).next_multiple_of(16)
}

/// The most rows of `a` that are packed at a time, but for rounding up to whole tiles.
fn most_rows(terms: usize, element_bytes: usize) -> usize {
    BLOCK_BYTES / element_bytes / terms
}

/// The most tasks that a block is worth.
pub(super) fn most_tasks(m: usize, n: usize) -> usize {
    m.saturating_mul(n).div_ceil(MOST_ROWS * MOST_COLUMNS).min(MOST_TASKS)
}

/// `total` cut into nearly equal parts of at most `most`, each a multiple of `unit` (which may lift
/// it above `most`).
fn part(total: usize, most: usize, unit: usize) -> usize {
    equal_part(total, most).next_multiple_of(unit)
}

/// The tile of a level: its greatest number of rows, and its columns.
fn tile_shape<T: Element>(level: Level) -> [usize; 2] {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => [T::Avx512::ROWS, 2 * T::Avx512::WIDTH],
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => [T::Avx2::ROWS, 2 * T::Avx2::WIDTH],
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx2 | Level::Avx512 => [T::Baseline::ROWS, 2 * T::Baseline::WIDTH],
        Level::Baseline => [T::Baseline::ROWS, 2 * T::Baseline::WIDTH],
    }
}

/// Whether pairs of terms can be multiplied: of `f32`, and where tiles go to memory. What updates
/// weights by them would be compiled once more for each optimizer.
const fn has_pairs<T: Element, E: End<T>>() -> bool {
    size_of::<T>() == size_of::<f32>() && !E::TALL
}

/// Runs a product of any shape with `k > 0`; each task gives its tiles to an end of its own.
///
/// # Safety
///
/// The processor has the instructions of `level`; the operands are valid as `Matmul` asks;
/// `scratch` has room for `scratch_elements`.
pub(super) unsafe fn run<T: Element, E: End<T>>(
    operands: &Operands<T>,
    level: Level,
    scratch: *mut T,
    team: Team<'_>,
    end: &E,
) {
    let shape = &operands.shape;
    let [most_height, width] = tile_shape::<T>(level);
    let height = if E::TALL { most_height } else { part(shape.m, most_height, 1) };
    let pairs = has_pairs::<T, E>() && shape.multiplies_pairs(level);
    let all_terms = if pairs { shape.k.div_ceil(2) } else { shape.k };
    let block_terms = part(all_terms, BLOCK_TERMS, 1);
    let block_rows = part(shape.m, most_rows(block_terms, size_of::<T>()), height);
    let strips =
        scratch.wrapping_add(panel_rows(shape.m, block_terms, size_of::<T>()) * block_terms);
    let strip_count = shape.n.div_ceil(width);
    // Several blocks of rows meet the same strips, which are packed once where there is room.
    let kept =
        block_rows < shape.m && strip_count * width <= most_tasks(shape.m, shape.n) * MOST_COLUMNS;
    // The parts of the given number of panels or tiles, one after the other or shared among
    // threads.
    let threads = team.threads();
    let each = |count: usize, part: &(dyn Fn(usize, Range<usize>) + Sync)| {
        if threads == 1 {
            return part(0, 0..count);
        }
        // A multiple of the threads, so that each has as much.
        let most = most_tasks(shape.m, shape.n);
        let tasks = (threads * (most / threads).clamp(1, TASKS)).min(most).min(count);
        // Threads take tasks in order. Neighbours would be at columns side by side, whose lines of
        // the cache they would take from each other.
        let (of_each, with_one_more) = (tasks / threads, tasks % threads);
        team.run(tasks, |task| {
            let (place, thread) = (task / threads, task % threads);
            let task = thread * of_each + thread.min(with_one_more) + place;
            part(task, count * task / tasks..count * (task + 1) / tasks);
        });
    };
    for first in (0..all_terms).step_by(block_terms) {
        let terms = block_terms.min(all_terms - first);
        let block = |row, rows| Block {
            operands,
            is_last: first + terms == all_terms,
            pairs,
            terms,
            first,
            row,
            rows,
            height,
            width,
            panels: scratch,
            strips,
            kept,
        };
        if kept {
            let block = block(0, 0);
            // SAFETY: as the caller promises; each task packs strips of its own.
            each(strip_count, &|_, strips| unsafe {
                enter(level, &PackStrips { block: &block, strips })
            });
        }
        for row in (0..shape.m).step_by(block_rows) {
            let rows = block_rows.min(shape.m - row);
            let block = block(row, rows);
            let panels = rows.div_ceil(height);
            // SAFETY: as the caller promises; each task packs panels of its own.
            each(panels, &|_, panels| unsafe { enter(level, &Pack { block: &block, panels }) });
            // The tiles of the block, strip after strip, are one sequence: however many columns
            // there are, its parts are equal.
            each(panels * strip_count, &|task, tiles| {
                // SAFETY: as the caller promises; the panels are packed, each task has a strip of
                // its own, and no two tasks write the same part of `c`.
                unsafe {
                    let multiply = Multiply { block: &block, tiles, task, end };
                    if has_pairs::<T, E>() && pairs {
                        enter_pairs(&multiply)
                    } else {
                        enter(level, &multiply)
                    }
                }
            });
        }
    }
}

/// The block of the product that is computed at the moment.
struct Block<'a, T> {
    operands: &'a Operands<T>,
    /// Whether what is packed as one term is a pair of terms, of bfloat16.
    pairs: bool,
    /// The terms or pairs of terms, and the first of them; whether no terms come after these.
    terms: usize,
    first: usize,
    is_last: bool,
    row: usize,
    rows: usize,
    /// The rows and columns of a tile.
    height: usize,
    width: usize,
    /// The rows of `a`, packed, and the strips of `b`: all of them where they are kept, room for
    /// one for each task otherwise.
    panels: *mut T,
    strips: *mut T,
    kept: bool,
}

// SAFETY: the scratch that the pointers name belongs to the call; tasks write apart, and read only
// what is complete.
unsafe impl<T: Send + Sync> Sync for Block<'_, T> {}

impl<T: Element> Block<'_, T> {
    /// Where a strip lies, by the number of the strip or of the task.
    fn strip(&self, number: usize) -> *mut T {
        self.strips.wrapping_add(number * self.width * self.terms)
    }

    /// Packs the strip of `b` that begins with a column.
    ///
    /// # Safety
    ///
    /// There is room for a whole strip; otherwise as for [`pack`](Self::pack).
    #[inline(always)]
    unsafe fn pack_strip<L: Lanes<Element = T>>(&self, column: usize, to: *mut T) {
        let &Operands { shape, b, .. } = self.operands;
        let columns = self.width.min(shape.n - column);
        let from = b.wrapping_add(column * shape.b[1]);
        // SAFETY: the columns and terms are the operand's.
        unsafe { self.pack::<L>(from, [shape.b[1], shape.b[0]], columns, self.width, to) }
    }

    /// Packs rows of `a` (or columns of `b`) to panels of `height` of them, given where the first
    /// term of the first one lies.
    ///
    /// # Safety
    ///
    /// As for [`pack`], for the terms of the block; the processor has the instructions of `L`.
    #[inline(always)]
    unsafe fn pack<L: Lanes<Element = T>>(
        &self,
        lane: *const T,
        strides: [usize; 2],
        lanes: usize,
        height: usize,
        to: *mut T,
    ) {
        // SAFETY: as the caller promises; only `f32` has pairs, on processors with AVX-512.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.pairs {
                let terms = (2 * self.terms).min(self.operands.shape.k - 2 * self.first);
                let from = lane.wrapping_add(2 * self.first * strides[1]);
                pairs::pack(from.cast(), strides, lanes, height, terms, to.cast());
                return;
            }
            let from = lane.wrapping_add(self.first * strides[1]);
            for first in (0..lanes).step_by(height) {
                let (from, to) = (from.add(first * strides[0]), to.add(first * self.terms));
                pack::<L>(from, strides, height.min(lanes - first), height, self.terms, to);
            }
        }
    }
}

/// Some of the strips of `b`.
struct PackStrips<'a, T> {
    block: &'a Block<'a, T>,
    strips: Range<usize>,
}

impl<T: Element> TileKernel for PackStrips<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        for strip in self.strips.clone() {
            // SAFETY: as for `Block::pack_strip`.
            unsafe { self.block.pack_strip::<L>(strip * self.block.width, self.block.strip(strip)) }
        }
    }
}

/// Some of a block's panels of `a`.
struct Pack<'a, T> {
    block: &'a Block<'a, T>,
    panels: Range<usize>,
}

impl<T: Element> TileKernel for Pack<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Block {
            operands: Operands { shape, a, .. },
            pairs,
            terms,
            first,
            row,
            rows,
            height,
            panels,
            ..
        } = self.block;
        let [lane, term] = shape.a;
        let first_lane = |done: usize| a.wrapping_add((row + done) * lane);
        let mut panels_left = self.panels.clone();
        // SAFETY: the rows and terms of the block are the operand's; the panels lie in scratch.
        unsafe {
            // Rows side by side are read for several panels at once: a term's lie on a page of
            // their own, perhaps, and share lines with their neighbours'.
            while lane == 1 && !pairs && panels_left.len() > 1 {
                let whole =
                    panels_left.len().min((rows / height).saturating_sub(panels_left.start));
                let count = whole.min(PACKED_AT_ONCE);
                if count < 2 {
                    break;
                }
                let done = panels_left.start * height;
                for at in 0..terms {
                    let from = first_lane(done).wrapping_add((first + at) * term);
                    for panel in 0..count {
                        let to = panels.add((done + panel * height) * terms + at * height);
                        copy_rows::<L>(height, 1, from.add(panel * height), 0, to, 0);
                    }
                }
                panels_left.start += count;
            }
            let done = panels_left.start * height;
            let lanes = rows.min(panels_left.end * height) - done;
            let to = panels.add(done * terms);
            self.block.pack::<L>(first_lane(done), shape.a, lanes, height, to);
        }
    }
}

/// Some of a block's tiles, of which those of a strip follow one another, and the task's number.
struct Multiply<'a, T, E> {
    block: &'a Block<'a, T>,
    tiles: Range<usize>,
    task: usize,
    end: &'a E,
}

impl<T: Element, E: End<T>> TileKernel for Multiply<'_, T, E> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Block { operands: Operands { shape, .. }, pairs, rows, height, width, kept, .. } =
            self.block;
        let panels = rows.div_ceil(height);
        let mut to = self.end.clone();
        let mut next = self.tiles.start;
        while next < self.tiles.end {
            let (strip, panel) = (next / panels, next % panels);
            let column = strip * width;
            let strip = self.block.strip(if kept { strip } else { self.task });
            let columns = width.min(shape.n - column);
            let count = (panels - panel).min(self.tiles.end - next);
            let (row, end) = (panel * height, rows.min((panel + count) * height));
            let edge = (end - row) % height;
            // The first tile of a strip can pack it by the way, which costs nothing beside its
            // multiply-adds.
            let fresh = !E::TALL
                && !kept
                && !pairs
                && shape.b[1] == 1
                && columns == width
                && height + 1 >= L::ROWS
                && end - row >= height;
            // SAFETY: the columns and terms are the operand's. The panels of these rows are packed,
            // and hold as many whole tiles of `height` rows; the strip is packed when it is read.
            unsafe {
                if !fresh && !kept {
                    self.block.pack_strip::<L>(column, strip);
                }
                let part = Strip { column, packed: strip, fresh };
                if E::TALL {
                    self.rows::<L>(height, [row, end], part, &mut to);
                } else {
                    self.rows::<L>(height, [row, end - edge], part, &mut to);
                    let part = Strip { fresh: false, ..part };
                    self.rows::<L>(edge, [end - edge, end], part, &mut to);
                }
            }
            next += count;
        }
        // SAFETY: as for the tiles.
        unsafe { to.finish::<L>() };
    }
}

/// Columns of `b`: the first one, where they are packed, and whether that is still to be done, by
/// the first tile.
#[derive(Clone, Copy)]
struct Strip<T> {
    column: usize,
    packed: *mut T,
    fresh: bool,
}

impl<T: Element, E: End<T>> Multiply<'_, T, E> {
    /// Computes rows of a strip in tiles of `height` rows.
    #[inline(always)]
    unsafe fn rows<L: Lanes<Element = T>>(
        &self,
        height: usize,
        rows: [usize; 2],
        strip: Strip<T>,
        to: &mut E,
    ) {
        // SAFETY: as in `run`.
        unsafe {
            match height {
                0 => {}
                4 if L::ROWS == 4 || !E::TALL => self.tiles::<4, L>(rows, strip, to),
                6 if L::ROWS == 6 || L::ROWS > 6 && !E::TALL => self.tiles::<6, L>(rows, strip, to),
                14 if L::ROWS == 14 => self.tiles::<14, L>(rows, strip, to),
                _ if E::TALL => unreachable!("a tile of {height} rows"),
                1 => self.tiles::<1, L>(rows, strip, to),
                2 => self.tiles::<2, L>(rows, strip, to),
                3 => self.tiles::<3, L>(rows, strip, to),
                5 if L::ROWS > 4 => self.tiles::<5, L>(rows, strip, to),
                7 if L::ROWS > 6 => self.tiles::<7, L>(rows, strip, to),
                8 if L::ROWS > 6 => self.tiles::<8, L>(rows, strip, to),
                9 if L::ROWS > 6 => self.tiles::<9, L>(rows, strip, to),
                10 if L::ROWS > 6 => self.tiles::<10, L>(rows, strip, to),
                11 if L::ROWS > 6 => self.tiles::<11, L>(rows, strip, to),
                12 if L::ROWS > 6 => self.tiles::<12, L>(rows, strip, to),
                13 if L::ROWS > 6 => self.tiles::<13, L>(rows, strip, to),
                height => unreachable!("a tile of {height} rows"),
            }
        }
    }

    #[inline(always)]
    unsafe fn tiles<const R: usize, L: Lanes<Element = T>>(
        &self,
        [row, end]: [usize; 2],
        Strip { column, packed, fresh }: Strip<T>,
        to: &mut E,
    ) {
        let block = self.block;
        let &Operands { shape, b, c, .. } = block.operands;
        let columns = block.width.min(shape.n - column);
        for i in (row..end).step_by(R) {
            // SAFETY: as in `run`.
            unsafe {
                let tile = Tile::<L> {
                    k: block.terms,
                    a: block.panels.add(i * block.terms),
                    a_strides: [1, block.height],
                    b: packed,
                    b_row: block.width,
                    bias: block.operands.bias_at(column, block.first),
                    c: c.wrapping_add((block.row + i) * shape.c_row + column),
                    c_row: shape.c_row,
                    accumulate: shape.accumulate || block.first > 0,
                    rectify: shape.rectify && block.is_last,
                };
                let size = [R.min(end - i), columns];
                if !E::TALL && R + 1 >= L::ROWS && fresh && i == row {
                    let b = b.wrapping_add(block.first * shape.b[0] + column);
                    Tile { b, b_row: shape.b[0], ..tile }
                        .compute_panels::<R, true, E>(size, packed, to);
                } else {
                    tile.compute_panels::<R, false, E>(size, packed, to);
                }
            }
        }
    }
}
