//! Products that read their operands where they lie: all small ones, and those of few rows. In:
//! operands whose `b` has contiguous columns (or is turned into scratch first); out: `c`, tile by
//! tile.
use super::tile::{OneStretch, Stretches, Tile};
use super::{Matmul, Operands, equal_part};
use crate::cpu::pool::Team;
use crate::simd::Level;
use crate::simd::vectors::transpose;
use crate::simd::vectors::{Element, Lanes, TileKernel, enter};

/// Rows of one task: enough that a strip of `b` is read from the nearest cache many times.
const CHUNK_ROWS: usize = 128;

/// Rows of one task where the whole of `b` stays in the nearest cache and `c` is wide: whole rows
/// of `c` are written.
const WIDE_CHUNK_ROWS: usize = 16;
const WIDE_ELEMENTS: usize = 8192;

/// The most terms after which the sums go to memory, so that the strip of `b` in use stays in the
/// cache. It shapes the order of the summation, and is the same for every level and number of
/// threads.
pub(super) const BLOCK_TERMS: usize = 256;

/// The elements of all operands up to which they stay in the nearest cache between two products.
const NEAR_ELEMENTS: usize = 1 << 13;

/// The bytes of a row of `c` that is half of the longest vector: the processor does as many half
/// vectors as whole ones in a cycle, or twice as many.
const HALF_VECTOR: usize = 32;

/// Rows that tasks are cut at: the tallest tiles.
const TILE_ROWS: usize = 8;

/// The columns of `c` that tasks are cut at: whole strips of every level and type.
const STRIP: usize = 64;

/// In how many parts threads can share a product of as many rows and columns, at most.
pub(super) fn parts(m: usize, n: usize) -> usize {
    m.div_ceil(TILE_ROWS).max(n / STRIP)
}

/// Runs a product whose `b` has contiguous columns.
///
/// # Safety
///
/// The processor has the instructions of `level`; the operands are valid as `Matmul` asks.
pub(super) unsafe fn run<T: Element>(operands: &Operands<T>, level: Level, team: Team<'_>) {
    let shape = &operands.shape;
    let level =
        if shape.n * size_of::<T>() == HALF_VECTOR { level.min(Level::Avx2) } else { level };
    let wide = shape.n > STRIP && shape.n * shape.k <= WIDE_ELEMENTS;
    let chunk = if wide { WIDE_CHUNK_ROWS } else { CHUNK_ROWS };
    if team.threads() == 1 {
        for row in (0..shape.m).step_by(chunk) {
            let rows = [row, chunk.min(shape.m - row)];
            // SAFETY: as the caller promises.
            unsafe { enter(level, &Block { operands, rows, columns: [0, shape.n] }) };
        }
        return;
    }
    // Tasks are equal runs of rows, two to a thread, so that from call to call a core meets rows
    // that it has in its cache. Products of few rows are shared out by columns, if those are not
    // few as well.
    let parts = 2 * team.threads();
    let run = shape.m.div_ceil(parts).next_multiple_of(TILE_ROWS);
    let has_few_rows = shape.m < team.threads() * CHUNK_ROWS;
    let has_columns =
        shape.n >= team.threads() * STRIP || shape.n / STRIP > shape.m.div_ceil(TILE_ROWS);
    let by_columns = has_few_rows && has_columns;
    let (run, across) = if by_columns { (shape.m, parts.min(shape.n / STRIP)) } else { (run, 1) };
    let down = shape.m.div_ceil(run);
    let width = shape.n.div_ceil(across).next_multiple_of(STRIP);
    team.run(down * across, |task| {
        let (first, column) = (task / across * run, task % across * width);
        if column >= shape.n {
            return;
        }
        let columns = [column, width.min(shape.n - column)];
        let end = shape.m.min(first + run);
        for row in (first..end).step_by(chunk) {
            let rows = [row, chunk.min(end - row)];
            // SAFETY: as the caller promises; no two tasks write the same part of `c`.
            unsafe { enter(level, &Block { operands, rows, columns }) };
        }
    });
}

/// Turns `b`, whose columns are not contiguous, into `scratch`, and runs the product.
///
/// # Safety
///
/// As for `run`; `scratch` has room for `turned_elements`.
pub(super) unsafe fn run_turned<T: Element>(
    operands: &Operands<T>,
    level: Level,
    scratch: *mut T,
    team: Team<'_>,
) {
    let Matmul { n, k, b: [row, column], .. } = operands.shape;
    let mut turned = *operands;
    turned.shape.b = [turned_row(n), 1];
    turned.b = scratch;
    let turn = Transposition {
        sizes: [n, k],
        from: operands.b,
        strides: [column, row],
        to: scratch,
        to_row: turned_row(n),
    };
    // SAFETY: as the caller promises; the turned `b` is whole before it is read.
    unsafe {
        enter(level, &turn);
        run(&turned, level, team);
    }
}

/// Runs a product of few columns whose `a` stands on its side: the rows of `c` fill vectors that
/// its columns would not. Its transpose goes to `scratch`, each element summed as ever, and from
/// there to `c`.
///
/// # Safety
///
/// As for `run`; `scratch` has room for `narrow_elements`, and `c` is not added to.
pub(super) unsafe fn run_narrow<T: Element>(
    operands: &Operands<T>,
    level: Level,
    scratch: *mut T,
    team: Team<'_>,
) {
    let Matmul { m, n, c_row, .. } = operands.shape;
    let row = turned_row(m);
    let mut swapped = operands.swapped();
    (swapped.shape.c_row, swapped.c) = (row, scratch);
    let turn = Transposition {
        sizes: [n, m],
        from: scratch,
        strides: [row, 1],
        to: operands.c,
        to_row: c_row,
    };
    // SAFETY: as the caller promises; the transpose is whole before it is read.
    unsafe {
        run(&swapped, level, team);
        enter(level, &turn);
    }
}

/// The elements of scratch that `run_narrow` needs.
pub(super) fn narrow_elements(m: usize, n: usize) -> usize {
    n * turned_row(m)
}

/// The elements of scratch that `run_turned` needs.
pub(super) fn turned_elements(k: usize, n: usize) -> usize {
    k * turned_row(n)
}

/// Rows of whole cache lines, in both types.
fn turned_row(n: usize) -> usize {
    n.next_multiple_of(16)
}

/// Some rows and columns of `c`, each given as the first and the number.
struct Block<'a, T: Element> {
    operands: &'a Operands<T>,
    rows: [usize; 2],
    columns: [usize; 2],
}

impl<T: Element> TileKernel for Block<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        // SAFETY: the block lies inside `c`.
        unsafe { block::<L>(self.operands, self.rows, self.columns) }
    }
}

/// A matrix whose columns become rows.
struct Transposition<T> {
    /// Its rows and columns.
    sizes: [usize; 2],
    from: *const T,
    /// From row to row and from column to column.
    strides: [usize; 2],
    to: *mut T,
    to_row: usize,
}

impl<T: Element> TileKernel for Transposition<T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<L: Lanes<Element = T>>(&self) {
        let &Self { sizes: [rows, columns], from, strides: [row, column], to, to_row } = self;
        // SAFETY: `to` has room for as many rows as there are columns.
        unsafe {
            if column == 1 {
                return transpose::<L>([rows, columns], from, row, to, to_row);
            }
            for j in 0..columns {
                for i in 0..rows {
                    *to.add(j * to_row + i) = *from.add(i * row + j * column);
                }
            }
        }
    }
}

/// # Safety
///
/// As for `run`; the block lies inside `c`.
#[inline(always)]
unsafe fn block<L: Lanes>(
    operands: &Operands<L::Element>,
    [row, rows]: [usize; 2],
    columns: [usize; 2],
) {
    let shape = &operands.shape;
    let far = shape.m * shape.k + shape.k * shape.n + shape.m * shape.n > NEAR_ELEMENTS;
    let mut first = 0;
    // Equal blocks: a short one would pay for its pass over `c` with few terms.
    let terms = equal_part(shape.k, BLOCK_TERMS);
    // One pass even where `k` is 0: it writes the bias.
    loop {
        let k = terms.min(shape.k - first);
        let accumulate = shape.accumulate || first > 0;
        let [mut column, mut left] = columns;
        while left > 0 {
            let mut vectors = match left.div_ceil(L::WIDTH) {
                // Few rows leave room for wider strips, and need them: each sum waits for its last
                // term.
                8.. if rows <= 2 => 8,
                4.. if rows <= 4 => 4,
                2.. => 2,
                _ => 1,
            };
            // Where masks are dear, the last strip is moved back to be whole, and computes some
            // columns again.
            if !L::FREE_MASKS && !accumulate {
                while vectors > 1 && vectors * L::WIDTH > columns[1] {
                    vectors /= 2;
                }
                let whole = vectors * L::WIDTH;
                if left < whole && whole <= columns[1] {
                    column -= whole - left;
                    left = whole;
                }
            }
            // SAFETY: as the caller promises. An address outside its operand is not read.
            unsafe {
                let tile = Tile::<L> {
                    k,
                    a: operands.a.wrapping_add(row * shape.a[0] + first * shape.a[1]),
                    a_strides: shape.a,
                    b: operands.b.wrapping_add(first * shape.b[0] + column),
                    b_row: shape.b[0],
                    bias: operands.bias_at(column, first),
                    c: operands.c.add(row * shape.c_row + column),
                    c_row: shape.c_row,
                    accumulate,
                    rectify: shape.rectify && first + k == shape.k,
                };
                let width = match vectors {
                    8 => strip::<L, 8, _>(tile, rows, left, far, OneStretch),
                    4 => strip::<L, 4, _>(tile, rows, left, far, OneStretch),
                    2 => strip::<L, 2, _>(tile, rows, left, far, OneStretch),
                    _ => strip::<L, 1, _>(tile, rows, left, far, OneStretch),
                };
                column += width;
                left -= width;
            }
        }
        first += k;
        if first >= shape.k {
            return;
        }
    }
}

/// Computes `rows` rows of a strip of `V` vectors, of which `left` columns exist; returns the
/// columns written.
#[inline(always)]
pub(super) unsafe fn strip<L: Lanes, const V: usize, S: Stretches>(
    tile: Tile<L>,
    rows: usize,
    left: usize,
    far: bool,
    stretches: S,
) -> usize {
    let width = left.min(V * L::WIDTH);
    // SAFETY: as for `block`.
    unsafe {
        let tail = L::mask(width - (V - 1) * L::WIDTH);
        if L::FREE_MASKS || width < V * L::WIDTH {
            tiles::<L, V, true, S>(tile, rows, tail, far, stretches);
        } else {
            tiles::<L, V, false, S>(tile, rows, tail, far, stretches);
        }
    }
    width
}

/// Computes `rows` rows of a strip in tiles of nearly equal height.
#[inline(always)]
unsafe fn tiles<L: Lanes, const V: usize, const TAIL: bool, S: Stretches>(
    mut tile: Tile<L>,
    mut rows: usize,
    tail: L::Mask,
    far: bool,
    stretches: S,
) {
    // What the registers hold beside one step of `b` and of `a`; the long vectors have twice as
    // many registers.
    let most = const {
        match V {
            8 if L::FREE_MASKS => 2,
            8 => 1,
            4 if L::FREE_MASKS => 4,
            // Sums of one vector wait for their last term where there are few of them.
            1 if S::TALL && L::FREE_MASKS => 10,
            _ if L::ROWS * 2 / V < 8 => L::ROWS * 2 / V,
            _ => 8,
        }
    };
    let mut count = rows.div_ceil(most);
    while count > 0 {
        let height = rows.div_ceil(count);
        // SAFETY: as for `block`.
        unsafe {
            match height {
                1 => tile.compute::<1, V, TAIL, S>(tail, far, stretches),
                2 if most > 1 => tile.compute::<2, V, TAIL, S>(tail, far, stretches),
                3 if most > 2 => tile.compute::<3, V, TAIL, S>(tail, far, stretches),
                4 if most > 2 => tile.compute::<4, V, TAIL, S>(tail, far, stretches),
                5 if most > 4 => tile.compute::<5, V, TAIL, S>(tail, far, stretches),
                6 if most > 4 => tile.compute::<6, V, TAIL, S>(tail, far, stretches),
                7 if most > 6 => tile.compute::<7, V, TAIL, S>(tail, far, stretches),
                8 if most > 6 => tile.compute::<8, V, TAIL, S>(tail, far, stretches),
                9 if most > 8 => tile.compute::<9, V, TAIL, S>(tail, far, stretches),
                10 if most > 8 => tile.compute::<10, V, TAIL, S>(tail, far, stretches),
                _ => unreachable!("a tile of {height} rows"),
            }
        }
        tile.a = tile.a.wrapping_add(height * tile.a_strides[0]);
        tile.c = tile.c.wrapping_add(height * tile.c_row);
        rows -= height;
        count -= 1;
    }
}
