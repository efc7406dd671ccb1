//! The tile: a block of a product that stays in registers from its first term to its last. In:
//! pointers to the first row of `a`, the first column of `b` and the first element of `c`; out: the
//! block of `c`. Every element is one chain of multiply-adds in the order of `p`, so no result
//! depends on how a product is cut into tiles.
use crate::simd::vectors::Lanes;

/// How many terms ahead a tile that packs `b` asks for it: some hundred cycles of multiply-adds.
const AHEAD: usize = 12;

/// What a tile is computed from. The columns of `b` and `c` and the bias are contiguous.
#[derive(Clone, Copy)]
pub(super) struct Tile<L: Lanes> {
    /// The terms of each sum, or of each of its stretches.
    pub k: usize,
    /// The first row of `a`, with its row and column strides.
    pub a: *const L::Element,
    pub a_strides: [usize; 2],
    /// The first column of `b`, with its row stride.
    pub b: *const L::Element,
    pub b_row: usize,
    /// What the sums start from, one value for each column; null for zero.
    pub bias: *const L::Element,
    /// The first element of `c`, with its row stride.
    pub c: *mut L::Element,
    pub c_row: usize,
    /// Whether the sums are added to what `c` holds.
    pub accumulate: bool,
    /// Whether sums that are less than 0 become 0: no terms come after these.
    pub rectify: bool,
}

impl<L: Lanes> Tile<L> {
    /// Computes `R` rows of `V` vectors; the last vector has the lanes of `tail` where `TAIL` is
    /// set, and all otherwise. The terms are `k` for each of the `stretches`. Where operands are
    /// `far`, out of the nearest cache perhaps, their rows are asked for ahead; elsewhere that
    /// would only take time.
    ///
    /// # Safety
    ///
    /// The processor has the instructions of `L`; `a`, `b` and `bias` are valid for the reads of
    /// this block and `c` for its writes.
    #[inline(always)]
    pub(super) unsafe fn compute<const R: usize, const V: usize, const TAIL: bool, S: Stretches>(
        self,
        tail: L::Mask,
        far: bool,
        stretches: S,
    ) {
        // SAFETY: the pointers are valid for this block, as the caller promises. They are moved
        // with `wrapping_add`, because after the last term they may point outside the operand; they
        // are not read there.
        unsafe {
            if far {
                for r in 0..R {
                    L::prefetch(self.c.wrapping_add(r * self.c_row));
                    L::prefetch(self.a.wrapping_add((r + R) * self.a_strides[0]));
                }
            }
            let mut sums = [self.start::<V, TAIL>(tail); R];
            let mut b = self.b;
            let rows: [usize; R] = std::array::from_fn(|r| {
                if V == 1 { unknown(r * self.a_strides[0]) } else { r * self.a_strides[0] }
            });
            for stretch in 0..stretches.count() {
                let mut a = self.a.wrapping_add(stretches.start(stretch));
                for _ in 0..self.k {
                    let b_vectors: [L::Vector; V] = vectors::<L, V, TAIL>(b, tail);
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        let x = L::splat(a.add(row));
                        for v in 0..V {
                            sums[v] = L::multiply_add(x, b_vectors[v], sums[v]);
                        }
                    }
                    a = a.wrapping_add(self.a_strides[1]);
                    b = b.wrapping_add(self.b_row);
                }
            }
            self.finish::<R, V, TAIL>(sums, tail);
        }
    }

    /// Computes `R` rows of two vectors from a panel of `a`, each step of which has the rows side
    /// by side, and gives them to `end`. Only the given numbers of rows and columns exist. Where
    /// `PACK` is set, the steps of `b` are copied to `strip`, one after the other.
    ///
    /// # Safety
    ///
    /// As for `compute`; the panel is whole, and so are the two vectors of each step of `b`, for
    /// which `strip` has room.
    #[inline(always)]
    pub(super) unsafe fn compute_panels<const R: usize, const PACK: bool, E: End<L::Element>>(
        self,
        [rows, columns]: [usize; 2],
        mut strip: *mut L::Element,
        end: &mut E,
    ) {
        // SAFETY: the panels hold `k` steps, and what the bias lacks of two vectors is masked.
        unsafe {
            let start = if self.bias.is_null() {
                [L::zero(); 2]
            } else if columns == 2 * L::WIDTH {
                [L::load(self.bias), L::load(self.bias.add(L::WIDTH))]
            } else {
                let masks = edge::<L>(columns);
                [
                    L::load_masked(self.bias, masks[0]),
                    L::load_masked(self.bias.wrapping_add(L::WIDTH), masks[1]),
                ]
            };
            let mut sums = [start; R];
            let (mut a, mut b) = (self.a, self.b);
            let mut left = self.k;
            for row in 0..R {
                end.between(&self, row);
                let steps = left / (R - row);
                left -= steps;
                for _ in 0..steps {
                    let b_vectors = [L::load(b), L::load(b.add(L::WIDTH))];
                    if PACK {
                        // Rows of `b` are too far apart for the processor to see what comes next.
                        prefetch_pair::<L>(b.wrapping_add(AHEAD * self.b_row));
                        L::store(strip, b_vectors[0]);
                        L::store(strip.add(L::WIDTH), b_vectors[1]);
                        strip = strip.wrapping_add(2 * L::WIDTH);
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let x = L::splat(a.add(r));
                        sums[0] = L::multiply_add(x, b_vectors[0], sums[0]);
                        sums[1] = L::multiply_add(x, b_vectors[1], sums[1]);
                    }
                    a = a.wrapping_add(self.a_strides[1]);
                    b = b.wrapping_add(if PACK { self.b_row } else { 2 * L::WIDTH });
                }
            }
            end.take(&self, sums, [rows, columns]);
        }
    }

    /// The first value of every row's sums.
    #[inline(always)]
    unsafe fn start<const V: usize, const TAIL: bool>(&self, tail: L::Mask) -> [L::Vector; V] {
        // SAFETY: as in `compute`.
        unsafe {
            if self.bias.is_null() {
                [L::zero(); V]
            } else {
                vectors::<L, V, TAIL>(self.bias, tail)
            }
        }
    }

    /// Writes the sums to `c`.
    #[inline(always)]
    unsafe fn finish<const R: usize, const V: usize, const TAIL: bool>(
        &self,
        sums: [[L::Vector; V]; R],
        tail: L::Mask,
    ) {
        for (r, mut sums) in sums.into_iter().enumerate() {
            // SAFETY: as in `compute`; the row is one of the block's.
            unsafe {
                let c = self.c.add(r * self.c_row);
                if self.accumulate {
                    let before: [L::Vector; V] = vectors::<L, V, TAIL>(c, tail);
                    for v in 0..V {
                        sums[v] = L::add(before[v], sums[v]);
                    }
                }
                if self.rectify {
                    for sum in &mut sums {
                        *sum = L::rectify(*sum);
                    }
                }
                for (v, sum) in sums.into_iter().enumerate() {
                    if TAIL && v == V - 1 {
                        L::store_masked(c.add(v * L::WIDTH), sum, tail);
                    } else {
                        L::store(c.add(v * L::WIDTH), sum);
                    }
                }
            }
        }
    }
}

/// Where the terms of a sum begin in `a`: in one place, or in several, one stretch after another.
/// Their rows of `b` follow one another.
pub(super) trait Stretches: Copy {
    /// Whether tiles of one vector may be as tall as the registers let them be.
    const TALL: bool;

    /// The number of stretches.
    fn count(self) -> usize;
    /// The distance of a stretch's first term from where `a` begins.
    fn start(self, stretch: usize) -> usize;
}

/// All terms in one stretch.
#[derive(Clone, Copy)]
pub(super) struct OneStretch;

impl Stretches for OneStretch {
    const TALL: bool = false;

    #[inline(always)]
    fn count(self) -> usize {
        1
    }

    #[inline(always)]
    fn start(self, _stretch: usize) -> usize {
        0
    }
}

impl Stretches for &[usize] {
    const TALL: bool = true;

    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn start(self, stretch: usize) -> usize {
        self[stretch]
    }
}

/// What is done with the sums of tiles of two vectors.
pub(super) trait End<T>: Clone + Sync {
    /// Whether all tiles are as tall as they can be, also those at the end, of which some rows are
    /// not used then.
    const TALL: bool;

    /// Called once for each row of a tile, some terms after the last call.
    ///
    /// # Safety
    ///
    /// As for `Tile::compute`.
    unsafe fn between<L: Lanes<Element = T>>(&mut self, tile: &Tile<L>, row: usize);

    /// Takes the sums of a tile, of which only the given rows and columns exist.
    ///
    /// # Safety
    ///
    /// As for `Tile::compute`.
    unsafe fn take<const R: usize, L: Lanes<Element = T>>(
        &mut self,
        tile: &Tile<L>,
        sums: [[L::Vector; 2]; R],
        size: [usize; 2],
    );

    /// Called after the last tile.
    ///
    /// # Safety
    ///
    /// As for `Tile::compute`.
    unsafe fn finish<L: Lanes<Element = T>>(&mut self);
}

/// Writes the sums to `c`.
#[derive(Clone)]
pub(super) struct Write;

impl<T> End<T> for Write {
    const TALL: bool = false;

    #[inline(always)]
    unsafe fn between<L: Lanes<Element = T>>(&mut self, tile: &Tile<L>, row: usize) {
        // The sums end long after their place in `c` is known. It is fetched meanwhile, row after
        // row: all at once would hold up what is read from the panels.
        // SAFETY: a prefetch of any address is allowed.
        unsafe { prefetch_pair::<L>(tile.c.wrapping_add(row * tile.c_row)) };
    }

    #[inline(always)]
    unsafe fn take<const R: usize, L: Lanes<Element = T>>(
        &mut self,
        tile: &Tile<L>,
        sums: [[L::Vector; 2]; R],
        [_, columns]: [usize; 2],
    ) {
        // SAFETY: what `c` lacks of two vectors is masked.
        unsafe {
            if columns == 2 * L::WIDTH {
                return tile.finish::<R, 2, false>(sums, L::mask(L::WIDTH));
            }
            // A narrow strip is rare enough that its edge goes vector by vector.
            for (v, mask) in edge::<L>(columns).into_iter().enumerate() {
                let part = Tile { c: tile.c.wrapping_add(v * L::WIDTH), ..*tile };
                part.finish::<R, 1, true>(sums.map(|row| [row[v]]), mask);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes<Element = T>>(&mut self) {}
}

/// The masks of two vectors of which the first `count` lanes exist.
#[inline(always)]
pub(super) unsafe fn edge<L: Lanes>(columns: usize) -> [L::Mask; 2] {
    // SAFETY: masks need no memory.
    unsafe { [L::mask(columns.min(L::WIDTH)), L::mask(columns.saturating_sub(L::WIDTH))] }
}

/// `V` vectors in a row; the last is masked where `TAIL` is set.
///
/// # Safety
///
/// As for `Tile::compute`.
#[inline(always)]
unsafe fn vectors<L: Lanes, const V: usize, const TAIL: bool>(
    from: *const L::Element,
    tail: L::Mask,
) -> [L::Vector; V] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut vectors = [L::zero(); V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            let from = from.add(v * L::WIDTH);
            *vector = if TAIL && v == V - 1 { L::load_masked(from, tail) } else { L::load(from) };
        }
        vectors
    }
}

/// A number that the compiler knows nothing of. It would go from row to row by adding the stride,
/// and from the last row to the first of the next term: a chain of additions that takes longer than
/// the multiply-adds of a narrow tile.
#[inline(always)]
fn unknown(mut number: usize) -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: an empty piece of assembly, which leaves the number as it is.
    unsafe {
        std::arch::asm!(
            "/* {0} */",
            inout(reg) number,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    number
}

/// Asks for the lines of two vectors side by side: up to three, since they may begin anywhere in a
/// line.
#[inline(always)]
pub(super) unsafe fn prefetch_pair<L: Lanes>(from: *const L::Element) {
    // SAFETY: a prefetch of any address is allowed.
    unsafe {
        L::prefetch(from);
        L::prefetch(from.wrapping_add(L::WIDTH));
        L::prefetch(from.wrapping_add(2 * L::WIDTH - 1));
    }
}
