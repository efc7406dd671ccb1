//! Matrix products, `c = a b`, with a bias or added to what `c` holds, and rectified if they are to
//! be. In: pointers, strides and scratch; out: `c`. No call allocates, and no result depends on the
//! number of threads or on the alignment of a pointer.
//!
//! A rule holds in this folder: what orders the terms of a sum is the product's shape and strides
//! (and the level of instructions), never how the work is cut into tiles, chunks or tasks.
mod blocked;
pub(super) mod columns;
mod direct;
mod packing;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod stretched;
#[cfg(test)]
mod tests;
mod tile;
mod update;
mod vector;

use crate::cpu::cost::Cost;
use crate::cpu::pool::Pool;
use crate::simd::Level;
use crate::simd::vectors::Element;
use std::ptr::null;
pub(super) use stretched::{Stretched, StretchedProduct};
use update::TileUpdate;
pub use update::{Targets, routine};
use vector::Dots;

/// The rows up to which a product reads `b` where it lies: packing costs as much as reading it
/// once.
const DIRECT_ROWS: usize = 32;
/// The bytes of `b` up to which it is read where it lies also by more rows: it stays in the outer
/// caches.
const DIRECT_BYTES: usize = 2 << 20;
/// The rows, the columns and the multiply-adds from which a product is worth its packing although
/// `b` stays in a cache: rows of `b` side by side are read faster than rows that are far apart.
const PACKED_ROWS: usize = 64;
const PACKED_COLUMNS: usize = 256;
const PACKED_WORK: usize = 1 << 22;
/// The same of numbers that a bfloat16 holds, where the processor multiplies pairs of them, and
/// the terms from which they are worth it.
const PAIRED_ROWS: usize = 32;
const PAIRED_COLUMNS: usize = 32;
const PAIRED_TERMS: usize = 32;
const PAIRED_WORK: usize = 1 << 19;
/// The columns of `c` up to which most of the longest vector would be empty.
const NARROW_COLUMNS: usize = 8;
/// The elements of `b` up to which it is turned whole before it is read; a larger one is packed
/// block by block.
const TURNED_ELEMENTS: usize = 1 << 14;

/// The shape of a product: `c[i, j] = sum_p a[i, p] b[p, j]`, for `i < m`, `j < n`, `p < k`.
///
/// ```
/// use endo::cpu::{matmul::Matmul, pool::Pool};
/// use endo::simd::Level;
/// // [2, 3] times [3, 2], all row-major.
/// let (a, b) = ([3, 1], [2, 1]);
/// let (accumulate, rectify, bf16) = (false, false, false);
/// let product = Matmul { m: 2, n: 2, k: 3, a, b, c_row: 2, accumulate, rectify, bf16 };
/// let (a, b, mut c) = ([1., 2., 3., 4., 5., 6.], [1., 0., 0., 1., 1., 1.], [0f32; 4]);
/// assert_eq!(product.scratch_bytes(size_of::<f32>()), 0);
/// let (level, pool) = (Level::detect(), Pool::new(1));
/// // SAFETY: the arrays hold what the shape says.
/// unsafe {
///     product.run_f32(
///         level,
///         a.as_ptr(),
///         b.as_ptr(),
///         None,
///         c.as_mut_ptr(),
///         std::ptr::null_mut(),
///         &pool,
///     )
/// };
/// assert_eq!(c, [4., 5., 10., 11.]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matmul {
    /// Rows of `a` and `c`.
    pub m: usize,
    /// Columns of `b` and `c`.
    pub n: usize,
    /// Columns of `a` and rows of `b`: the terms of each sum.
    pub k: usize,
    /// The row and column strides of `a`, in elements: any, so that a transposed operand needs no
    /// copy.
    pub a: [usize; 2],
    /// The row and column strides of `b`, in elements.
    pub b: [usize; 2],
    /// The row stride of `c`, in elements, at least `n`; its columns are contiguous.
    pub c_row: usize,
    /// Whether the sums are added to what `c` holds.
    pub accumulate: bool,
    /// Whether each sum that is less than 0 becomes 0 in the end, before it leaves the registers.
    pub rectify: bool,
    /// Whether each element of both operands is a number that a bfloat16 holds, of `f32`. A
    /// processor may then multiply pairs of terms: the products are exact, and sums are of `f32` as
    /// otherwise, in another order; what is too small for a normal number may count as 0.
    pub bf16: bool,
}

/// How a product is run.
enum Path {
    /// One dot product for each row of `a`.
    Column,
    /// One dot product for each column of `b`.
    Row,
    /// The product of the transposes: `a` stands on its side and `c` is a column.
    Swapped,
    /// The same, turned back: `a` stands on its side and `c` has few columns.
    Narrow,
    /// Tiles that read the operands where they lie.
    Direct,
    /// The same, after `b` is turned into scratch.
    Turned,
    /// Packed panels.
    Blocked,
}

/// A product and its pointers; a null bias is none.
#[derive(Clone, Copy)]
struct Operands<T> {
    shape: Matmul,
    a: *const T,
    b: *const T,
    bias: *const T,
    c: *mut T,
}

// SAFETY: the pointers are used only while `Matmul::run` lasts, whose caller vouches for them;
// tasks write apart.
unsafe impl<T: Send + Sync> Sync for Operands<T> {}

impl Matmul {
    /// The bytes of scratch that a run needs, aligned to 64 bytes, for elements of `element_bytes`
    /// (4 or 8); 0 for most small products. The number of threads does not matter.
    pub fn scratch_bytes(&self, element_bytes: usize) -> usize {
        let elements = match self.path(element_bytes) {
            Path::Direct | Path::Swapped => 0,
            Path::Column if self.b[0] == 1 => 0,
            Path::Row if self.a[1] == 1 => 0,
            Path::Column | Path::Row => self.k,
            Path::Narrow => direct::narrow_elements(self.m, self.n),
            Path::Turned => direct::turned_elements(self.k, self.n),
            Path::Blocked => blocked::scratch_elements([self.m, self.n, self.k], element_bytes),
        };
        elements * element_bytes
    }

    /// `c = a b + bias`, or `c += a b + bias`; the bias has one element for each column.
    ///
    /// # Safety
    ///
    /// As for `run_f32`, with as many bytes of scratch as elements of this type need.
    #[expect(clippy::too_many_arguments, reason = "each is one operand of the product")]
    pub(super) unsafe fn run<T: Element>(
        &self,
        level: Level,
        a: *const T,
        b: *const T,
        bias: Option<*const T>,
        c: *mut T,
        scratch: *mut u8,
        pool: &Pool,
    ) {
        let operands = Operands { shape: *self, a, b, bias: bias.unwrap_or(null()), c };
        // SAFETY: as the caller promises.
        unsafe { operands.run(level, scratch.cast(), pool) }
    }

    /// `c = a b + bias`, or `c += a b + bias`, in f32; the bias has one element for each column.
    ///
    /// # Safety
    ///
    /// - The processor has the instructions of `level`.
    /// - `a`, `b` and `bias` are valid for reads of the elements that the shape and the strides
    ///   name, `c` for reads and writes of them, and nobody else writes any of these or touches `c`
    ///   meanwhile. `c` overlaps no other operand,
    ///   and no two of its elements overlap.
    /// - `scratch` is valid for `scratch_bytes(4)` bytes, aligned to 64 bytes, and nobody else uses
    ///   it meanwhile. It may
    ///   be null if that is 0.
    #[expect(clippy::too_many_arguments, reason = "each is one operand of the product")]
    pub unsafe fn run_f32(
        &self,
        level: Level,
        a: *const f32,
        b: *const f32,
        bias: Option<*const f32>,
        c: *mut f32,
        scratch: *mut u8,
        pool: &Pool,
    ) {
        // SAFETY: as the caller promises.
        unsafe { self.run(level, a, b, bias, c, scratch, pool) }
    }

    /// Whether `run_update` gives the same bits as `run_f32` and the routine after it: the sums
    /// stay in registers from the first term to the last.
    pub fn updates(&self) -> bool {
        let most = match self.path(size_of::<f32>()) {
            Path::Direct => direct::BLOCK_TERMS,
            Path::Blocked => blocked::BLOCK_TERMS,
            Path::Column | Path::Row | Path::Swapped | Path::Narrow | Path::Turned => return false,
        };
        let is_whole = !self.accumulate && !self.rectify && self.c_row == self.n;
        is_whole && (1..=most).contains(&self.k) && !self.is_paired()
    }

    /// Whether each sum adds its terms in the same order as in another product of as many terms,
    /// such as one of more rows.
    pub(super) fn sums_as(&self, other: &Self, element_bytes: usize) -> bool {
        self.order(element_bytes) == other.order(element_bytes)
    }

    /// In which order a sum adds its terms: whether as a product with a vector does, whether in
    /// pairs where the processor has them, and after how many terms the sum goes to memory.
    fn order(&self, element_bytes: usize) -> (bool, bool, usize) {
        let most = match self.path(element_bytes) {
            Path::Column | Path::Row => return (true, false, self.k),
            Path::Direct | Path::Swapped | Path::Narrow | Path::Turned => direct::BLOCK_TERMS,
            Path::Blocked => blocked::BLOCK_TERMS,
        };
        (false, self.is_paired(), equal_part(self.k, most))
    }

    /// Whether it multiplies pairs of terms.
    fn multiplies_pairs(&self, level: Level) -> bool {
        self.is_paired() && level.multiplies_bf16()
    }

    /// Whether its operands are packed as pairs of terms where the processor multiplies these: they
    /// can be, and it is large enough.
    fn is_paired(&self) -> bool {
        let &Self { m, n, k, .. } = self;
        let is_wide = m >= PAIRED_ROWS && n >= PAIRED_COLUMNS && k >= PAIRED_TERMS;
        self.bf16 && is_wide && self.work() >= PAIRED_WORK
    }

    /// In how many parts threads can share it, at most.
    pub(super) fn parts(&self, element_bytes: usize) -> usize {
        match self.path(element_bytes) {
            Path::Column => vector::parts(self.m),
            Path::Row => vector::parts(self.n),
            Path::Swapped | Path::Narrow => direct::parts(self.n, self.m),
            Path::Direct | Path::Turned => direct::parts(self.m, self.n),
            Path::Blocked => blocked::most_tasks(self.m, self.n),
        }
    }

    /// On how many of `threads` threads one of them is done soonest.
    pub(super) fn team(&self, level: Level, element_bytes: usize, threads: usize) -> usize {
        if threads < 2 {
            return 1;
        }
        self.cost(level, element_bytes).team(threads.min(self.parts(element_bytes)))
    }

    /// How long one thread takes, about.
    pub(super) fn cost(&self, level: Level, element_bytes: usize) -> Cost {
        if self.m == 1 || self.n == 1 {
            return Cost::of_vector(self.work(), element_bytes);
        }
        let work = if self.multiplies_pairs(level) { self.work() / 2 } else { self.work() };
        Cost::of_product(work, level, element_bytes)
    }

    /// The bytes of scratch that `run_update` needs, aligned to 64 bytes.
    pub fn update_scratch_bytes(&self) -> usize {
        blocked::scratch_elements([self.m, self.n, self.k], size_of::<f32>()) * size_of::<f32>()
    }

    /// Updates a weight and its slots by the gradient `a b`, which is used where it is computed and
    /// not kept. All lie as `c` would.
    ///
    /// # Safety
    ///
    /// As for `run_f32`, with `update_scratch_bytes` of scratch and the targets instead of `c`:
    /// what they read and write is valid for `m` rows of `n` elements, and a result is where a
    /// sequence is or overlaps none. The shape `updates`.
    pub unsafe fn run_update(
        &self,
        level: Level,
        a: *const f32,
        b: *const f32,
        targets: &Targets,
        scratch: *mut u8,
        pool: &Pool,
    ) {
        // The tiles of `c` are where those of the weight are.
        let operands =
            Operands { shape: *self, a, b, bias: null(), c: targets.values[0].cast_mut() };
        let threads = self.team(level, size_of::<f32>(), pool.threads());
        let update = TileUpdate { operands, level, scratch, team: pool.team(threads), targets };
        // SAFETY: as the caller promises.
        unsafe { (targets.tile)((&raw const update).cast()) }
    }

    /// `c = a b + bias`, or `c += a b + bias`, in f64; the bias has one element for each column.
    ///
    /// # Safety
    ///
    /// As for `run_f32`, with `scratch_bytes(8)` bytes of scratch.
    #[expect(clippy::too_many_arguments, reason = "each is one operand of the product")]
    pub unsafe fn run_f64(
        &self,
        level: Level,
        a: *const f64,
        b: *const f64,
        bias: Option<*const f64>,
        c: *mut f64,
        scratch: *mut u8,
        pool: &Pool,
    ) {
        // SAFETY: as the caller promises.
        unsafe { self.run(level, a, b, bias, c, scratch, pool) }
    }

    /// The multiply-adds of the product.
    fn work(&self) -> usize {
        self.m.saturating_mul(self.n).saturating_mul(self.k)
    }

    fn path(&self, element_bytes: usize) -> Path {
        let &Self { m, n, k, a, b, .. } = self;
        if k < 2 && (n == 1 || b[1] == 1) {
            return Path::Direct;
        }
        if n == 1 && a[1] == 1 {
            return Path::Column;
        }
        if m == 1 && b[0] == 1 && b[1] != 1 {
            return Path::Row;
        }
        if n == 1 && a[0] == 1 && self.c_row == 1 {
            return Path::Swapped;
        }
        if self.is_paired() {
            return Path::Blocked;
        }
        if n == 1 || b[1] == 1 {
            let narrow = (2..=NARROW_COLUMNS).contains(&n)
                && m >= 2 * NARROW_COLUMNS
                && a[0] == 1
                && a[1] != 1;
            let is_far = m > DIRECT_ROWS && n * k * element_bytes > DIRECT_BYTES;
            let is_wide = m >= PACKED_ROWS && n >= PACKED_COLUMNS && self.work() >= PACKED_WORK;
            if is_far || is_wide {
                Path::Blocked
            } else if narrow && !self.accumulate {
                Path::Narrow
            } else {
                Path::Direct
            }
        } else if n * k <= TURNED_ELEMENTS {
            Path::Turned
        } else {
            Path::Blocked
        }
    }
}

impl<T: Element> Operands<T> {
    /// # Safety
    ///
    /// As for `Matmul::run_f32`.
    unsafe fn run(self, level: Level, scratch: *mut T, pool: &Pool) {
        let shape = &self.shape;
        if shape.m == 0 || shape.n == 0 {
            return;
        }
        let team = pool.team(shape.team(level, size_of::<T>(), pool.threads()));
        // SAFETY: as the caller promises; scratch has the size that `scratch_bytes` takes from the
        // same path.
        unsafe {
            match shape.path(size_of::<T>()) {
                Path::Direct => direct::run(&self, level, team),
                Path::Narrow if self.bias.is_null() => {
                    direct::run_narrow(&self, level, scratch, team)
                }
                // Biases are one for each column.
                Path::Narrow => direct::run(&self, level, team),
                Path::Turned => direct::run_turned(&self, level, scratch, team),
                Path::Blocked => blocked::run(&self, level, scratch, team, &tile::Write),
                Path::Column => self.column(scratch).run(level, team),
                Path::Row => self.row(scratch).run(level, team),
                Path::Swapped if self.bias.is_null() => direct::run(&self.swapped(), level, team),
                // The one bias belongs to all of `c`, which the swapped product would read as one
                // for each column.
                Path::Swapped => direct::run(&self, level, team),
            }
        }
    }

    /// The product as dot products of the rows of `a` with the one column of `b`.
    unsafe fn column(&self, scratch: *mut T) -> Dots<T> {
        let shape = &self.shape;
        Dots {
            count: shape.m,
            k: shape.k,
            rows: self.a,
            row: shape.a[0],
            // SAFETY: as in `run`.
            vector: unsafe { contiguous(self.b, shape.b[0], shape.k, scratch) },
            bias: self.bias,
            bias_step: 0,
            c: self.c,
            c_step: shape.c_row,
            accumulate: shape.accumulate,
            rectify: shape.rectify,
        }
    }

    /// The product of one row as dot products of the columns of `b` with it.
    unsafe fn row(&self, scratch: *mut T) -> Dots<T> {
        // SAFETY: as in `run`.
        Dots { bias_step: 1, ..unsafe { self.swapped().column(scratch) } }
    }

    /// The product of the transposes, whose `c` is one row.
    fn swapped(&self) -> Self {
        let &Matmul { m, n, a, b, .. } = &self.shape;
        let (a, b) = ([b[1], b[0]], [a[1], a[0]]);
        let shape = Matmul { m: n, n: m, a, b, c_row: m, ..self.shape };
        Self { shape, a: self.b, b: self.a, ..*self }
    }

    /// Where the bias of a column lies for the block of terms that begins with `first`; null where
    /// there is none, and after the first block, which has added it.
    fn bias_at(&self, column: usize, first: usize) -> *const T {
        if self.bias.is_null() || first > 0 { null() } else { self.bias.wrapping_add(column) }
    }
}

/// The length of nearly equal parts of `total`, of which none is longer than `most`.
pub(super) fn equal_part(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most).max(1))
}

/// `count` elements side by side: where they lie, or copied to scratch.
unsafe fn contiguous<T: Copy>(
    from: *const T,
    stride: usize,
    count: usize,
    scratch: *mut T,
) -> *const T {
    if stride == 1 {
        return from;
    }
    for i in 0..count {
        // SAFETY: the elements are the operand's, and scratch has room for `count`.
        unsafe { *scratch.add(i) = *from.add(i * stride) }
    }
    scratch
}
