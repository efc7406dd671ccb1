//! Large products: blocks of `a` and `b` are packed into panels that the caches hold, and the panels multiplied tile by
//! tile (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008). In: operands of any strides
//! and scratch; out: `c`. Tasks share `c`, never the terms of a sum.
use super::Operands;
use super::lanes::{Element, Kernel, Lanes, enter};
use super::tile::Tile;
use super::transpose::transpose;
use crate::cpu::pool::Pool;
use crate::simd::Level;

/// Terms of one block: two vectors of so many rows of `b` fill most of the nearest cache. It shapes the order of the
/// summation, and is the same for every level and number of threads.
const BLOCK_TERMS: usize = 512;
/// Rows of `a` and columns of `b` that are packed at a time.
const BLOCK_ROWS: usize = 1024;
const BLOCK_COLUMNS: usize = 2048;
/// Rows of one task: their panels stay in the second cache while the strips of `b` pass.
const CHUNK_ROWS: usize = 112;
/// Panels of one task of packing.
const CHUNK_PANELS: usize = 8;
/// The most rows and columns of a tile at any level.
const MOST_ROWS: usize = 14;
const MOST_COLUMNS: usize = 32;

/// Elements of scratch that a product needs at any level: the panels of `a`, then those of `b`.
pub(super) fn scratch_elements(m: usize, n: usize, k: usize) -> usize {
    let terms = k.min(BLOCK_TERMS);
    (panel_rows(m) + n.min(BLOCK_COLUMNS).next_multiple_of(MOST_COLUMNS)) * terms
}

/// An upper bound of the rows of `a` that are packed at a time, padding included, to a whole number of cache lines.
fn panel_rows(m: usize) -> usize {
    (m.min(BLOCK_ROWS) + 2 * MOST_ROWS).next_multiple_of(16)
}

/// `total` cut into nearly equal parts of at most `most`, each a multiple of `unit` (which may lift it above `most`).
fn part(total: usize, most: usize, unit: usize) -> usize {
    total.div_ceil(total.div_ceil(most)).next_multiple_of(unit)
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

/// Runs a product of any shape with `k > 0`.
///
/// # Safety
///
/// The processor has the instructions of `level`; the operands are valid as `Matmul` asks; `scratch` has room for
/// `scratch_elements`.
pub(super) unsafe fn run<T: Element>(operands: &Operands<T>, level: Level, scratch: *mut T, pool: Option<&Pool>) {
    let shape = &operands.shape;
    let [most_rows, width] = tile_shape::<T>(level);
    let height = part(shape.m, most_rows, 1);
    let block_rows = part(shape.m, BLOCK_ROWS, height);
    let block_columns = part(shape.n, BLOCK_COLUMNS, width);
    let block_terms = part(shape.k, BLOCK_TERMS, 1);
    let panels_a = scratch;
    let panels_b = scratch.wrapping_add(panel_rows(shape.m) * block_terms);
    let each = |tasks: usize, task: &(dyn Fn(usize) + Sync)| match pool {
        Some(pool) => pool.run(tasks, task),
        None => (0..tasks).for_each(task),
    };
    for column in (0..shape.n).step_by(block_columns) {
        let columns = block_columns.min(shape.n - column);
        for first in (0..shape.k).step_by(block_terms) {
            let terms = block_terms.min(shape.k - first);
            for row in (0..shape.m).step_by(block_rows) {
                let rows = block_rows.min(shape.m - row);
                let block = Block { operands, terms, first, row, rows, column, columns, height, width, panels_a, panels_b };
                let tasks_a = rows.div_ceil(height * CHUNK_PANELS);
                let tasks_b = if row == 0 { columns.div_ceil(width * CHUNK_PANELS) } else { 0 };
                // SAFETY: as the caller promises; each task packs panels of its own.
                each(tasks_a + tasks_b, &|task| unsafe {
                    let pack = if task < tasks_a { block.pack_a(task) } else { block.pack_b(task - tasks_a) };
                    enter(level, &pack);
                });
                let chunk_rows = part(rows, CHUNK_ROWS, height);
                let down = rows.div_ceil(chunk_rows);
                let across = match pool {
                    Some(pool) => (4 * pool.threads()).div_ceil(down).min(columns.div_ceil(width)),
                    None => 1,
                };
                let chunk_columns = part(columns, columns.div_ceil(across), width);
                each(down * across, &|task| {
                    let (row, column) = (task / across * chunk_rows, task % across * chunk_columns);
                    if column < columns {
                        let rows = [row, chunk_rows.min(rows - row)];
                        let columns = [column, chunk_columns.min(columns - column)];
                        // SAFETY: as the caller promises; the panels are packed, and no two tasks write the same part
                        // of `c`.
                        unsafe { enter(level, &Multiply { block: &block, rows, columns }) };
                    }
                });
            }
        }
    }
}

/// The block of the product that is packed at the moment.
struct Block<'a, T> {
    operands: &'a Operands<T>,
    /// The terms, and the first of them.
    terms: usize,
    first: usize,
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
    /// The rows and columns of a tile.
    height: usize,
    width: usize,
    panels_a: *mut T,
    panels_b: *mut T,
}

// SAFETY: the scratch that the pointers name belongs to the call; tasks write apart, and read only what is complete.
unsafe impl<T: Send + Sync> Sync for Block<'_, T> {}

impl<T: Element> Block<'_, T> {
    fn pack_a(&self, task: usize) -> Pack<T> {
        let shape = &self.operands.shape;
        let done = task * CHUNK_PANELS * self.height;
        Pack {
            from: self.operands.a.wrapping_add((self.row + done) * shape.a[0] + self.first * shape.a[1]),
            strides: shape.a,
            lanes: (self.rows - done).min(CHUNK_PANELS * self.height),
            panel: self.height,
            terms: self.terms,
            to: self.panels_a.wrapping_add(done * self.terms),
        }
    }

    fn pack_b(&self, task: usize) -> Pack<T> {
        let shape = &self.operands.shape;
        let done = task * CHUNK_PANELS * self.width;
        Pack {
            from: self.operands.b.wrapping_add((self.column + done) * shape.b[1] + self.first * shape.b[0]),
            strides: [shape.b[1], shape.b[0]],
            lanes: (self.columns - done).min(CHUNK_PANELS * self.width),
            panel: self.width,
            terms: self.terms,
            to: self.panels_b.wrapping_add(done * self.terms),
        }
    }
}

/// Copies a strip of an operand into panels: for each term, `panel` rows of `a` (or columns of `b`) side by side. The
/// last panel is filled up with zeros.
struct Pack<T> {
    from: *const T,
    /// The distances from one lane and from one term to the next.
    strides: [usize; 2],
    lanes: usize,
    panel: usize,
    terms: usize,
    to: *mut T,
}

impl<T: Element> Kernel for Pack<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let Pack { strides: [lane_stride, term_stride], lanes, panel, terms, .. } = *self;
        for lane in (0..lanes).step_by(panel) {
            let count = panel.min(lanes - lane);
            // SAFETY: lanes below `lanes` and terms below `terms` are the operand's; the panels lie in scratch.
            unsafe {
                let from = self.from.wrapping_add(lane * lane_stride);
                let to = self.to.add(lane * terms);
                if count < panel {
                    for i in 0..panel * terms {
                        *to.add(i) = T::ZERO;
                    }
                }
                if lane_stride == 1 {
                    copy_rows::<L>(count, terms, from, term_stride, to, panel);
                } else if term_stride == 1 {
                    transpose::<L>([count, terms], from, lane_stride, to, panel);
                } else {
                    for p in 0..terms {
                        for i in 0..count {
                            *to.add(p * panel + i) = *from.add(i * lane_stride + p * term_stride);
                        }
                    }
                }
            }
        }
    }
}

/// Copies `rows` rows of `count` elements.
#[inline(always)]
unsafe fn copy_rows<L: Lanes>(
    count: usize,
    rows: usize,
    from: *const L::Element,
    from_row: usize,
    to: *mut L::Element,
    to_row: usize,
) {
    for row in 0..rows {
        // SAFETY: as in `Pack::run`.
        unsafe {
            let (from, to) = (from.add(row * from_row), to.add(row * to_row));
            let mut i = 0;
            while i + L::WIDTH <= count {
                L::store(to.add(i), L::load(from.add(i)));
                i += L::WIDTH;
            }
            if L::FREE_MASKS && i < count {
                let tail = L::mask(count - i);
                L::store_masked(to.add(i), L::load_masked(from.add(i), tail), tail);
                i = count;
            }
            while i < count {
                *to.add(i) = *from.add(i);
                i += 1;
            }
        }
    }
}

/// Some rows and columns of a block, each given as the first and the number.
struct Multiply<'a, T> {
    block: &'a Block<'a, T>,
    rows: [usize; 2],
    columns: [usize; 2],
}

impl<T: Element> Kernel for Multiply<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let (height, [row, rows]) = (self.block.height, self.rows);
        let edge = rows % height;
        for (height, rows) in [(height, [row, rows - edge]), (edge, [row + rows - edge, edge])] {
            // SAFETY: the panels of these rows and columns are packed, and hold as many whole tiles of `height` rows.
            unsafe {
                match height {
                    0 => {}
                    1 => self.tiles::<1, L>(rows),
                    2 => self.tiles::<2, L>(rows),
                    3 => self.tiles::<3, L>(rows),
                    4 => self.tiles::<4, L>(rows),
                    5 if L::ROWS > 4 => self.tiles::<5, L>(rows),
                    6 if L::ROWS > 4 => self.tiles::<6, L>(rows),
                    7 if L::ROWS > 6 => self.tiles::<7, L>(rows),
                    8 if L::ROWS > 6 => self.tiles::<8, L>(rows),
                    9 if L::ROWS > 6 => self.tiles::<9, L>(rows),
                    10 if L::ROWS > 6 => self.tiles::<10, L>(rows),
                    11 if L::ROWS > 6 => self.tiles::<11, L>(rows),
                    12 if L::ROWS > 6 => self.tiles::<12, L>(rows),
                    13 if L::ROWS > 6 => self.tiles::<13, L>(rows),
                    14 if L::ROWS > 6 => self.tiles::<14, L>(rows),
                    height => unreachable!("a tile of {height} rows"),
                }
            }
        }
    }
}

impl<T: Element> Multiply<'_, T> {
    #[inline(always)]
    unsafe fn tiles<const R: usize, L: Lanes<Element = T>>(&self, [row, rows]: [usize; 2]) {
        let block = self.block;
        let shape = &block.operands.shape;
        let width = 2 * L::WIDTH;
        let [column, columns] = self.columns;
        for j in (column..column + columns).step_by(width) {
            for i in (row..row + rows).step_by(R) {
                // SAFETY: as in `run`.
                unsafe {
                    let tile = Tile::<L> {
                        k: block.terms,
                        a: block.panels_a.add(i * block.terms),
                        a_strides: [1, block.height],
                        b: block.panels_b.add(j * block.terms),
                        b_row: width,
                        bias: block.operands.bias_at(block.column + j, block.first),
                        c: block.operands.c.add((block.row + i) * shape.c_row + block.column + j),
                        c_row: shape.c_row,
                        accumulate: shape.accumulate || block.first > 0,
                    };
                    tile.compute_panels::<R>((column + columns - j).min(width));
                }
            }
        }
    }
}
