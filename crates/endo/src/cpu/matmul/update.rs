//! Updates of weights by gradients that are still in registers. In: the sums of tiles, and where
//! the weight, its slots and the numbers of an optimizer's routine lie; out: the new weight and
//! slots.
//!
//! A routine waits for roots and divisions, a product for multiply-adds. So the rows of a tile are
//! updated between the terms of the next one, which the processor computes meanwhile.
use super::Operands;
use super::blocked;
use super::tile::{End, Tile, edge, prefetch_pair};
use crate::cpu::pool::Team;
use crate::simd::vectors::Lanes;
use crate::simd::{Arithmetic, Float, Level, MOST_RESULTS, MOST_VALUES, Routine, UpdateFormula};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Add, Div, Mul, Sub};

/// What a routine reads and writes. Sequences are as long as the gradient.
#[derive(Clone, Copy)]
pub struct Targets {
    /// What updates tiles: [`Routine::tile`].
    pub tile: unsafe fn(*const ()),
    /// The values of the routine by number, but for the gradient: the weight first, then its slots;
    /// single numbers.
    pub values: [*const f32; MOST_VALUES],
    /// The new weight and slots.
    pub results: [*mut f32; MOST_RESULTS],
}

// SAFETY: the pointers are used only while `Matmul::run_update` lasts, whose caller vouches for
// them; tasks write apart.
unsafe impl Sync for Targets {}

impl Targets {
    /// The end of tiles of products with `n` columns.
    fn by<F: UpdateFormula>(&self, n: usize) -> Update<F> {
        Update {
            targets: *self,
            n,
            room: Room(MaybeUninit::uninit()),
            at: 0,
            size: [0; 2],
            next: 0,
            formula: PhantomData,
        }
    }
}

/// A product and what is done with it: what [`Routine::tile`] is given.
pub(super) struct TileUpdate<'a> {
    pub operands: Operands<f32>,
    pub level: Level,
    pub scratch: *mut u8,
    pub team: Team<'a>,
    pub targets: &'a Targets,
}

/// The routine of a formula, with the update of tiles.
pub const fn routine<F: UpdateFormula>() -> Routine {
    Routine::new::<F>(Some(tile::<F>))
}

/// Updates by a formula.
///
/// # Safety
///
/// It is given a [`TileUpdate`]; otherwise as for `Matmul::run_update`.
unsafe fn tile<F: UpdateFormula>(update: *const ()) {
    // SAFETY: as the caller promises.
    unsafe {
        let TileUpdate { operands, level, scratch, team, targets } =
            &*update.cast::<TileUpdate<'_>>();
        let end = targets.by::<F>(operands.shape.n);
        blocked::run(operands, *level, scratch.cast(), *team, &end);
    }
}

/// The end of tiles that are gradients.
struct Update<F> {
    targets: Targets,
    /// The columns of the weight.
    n: usize,
    /// The last tile: its sums, its first element in the weight, its rows and columns, and the next
    /// row to update.
    room: Room,
    at: usize,
    size: [usize; 2],
    next: usize,
    formula: PhantomData<fn() -> F>,
}

/// Room for the largest tile.
#[repr(align(64))]
struct Room(MaybeUninit<[f32; 14 * 32]>);

impl<F: UpdateFormula> Clone for Update<F> {
    fn clone(&self) -> Self {
        self.targets.by(self.n)
    }
}

impl<F: UpdateFormula> Update<F> {
    /// Updates the next row of the last tile.
    ///
    /// # Safety
    ///
    /// The targets are valid, and there is a next row.
    #[inline(always)]
    unsafe fn row<L: Lanes<Element = f32>>(&mut self) {
        let columns = self.size[1];
        // SAFETY: as the caller promises.
        unsafe {
            if columns == 2 * L::WIDTH {
                self.vector::<L, false>(0, L::mask(0));
                self.vector::<L, false>(1, L::mask(0));
            } else {
                for (vector, mask) in edge::<L>(columns).into_iter().enumerate() {
                    self.vector::<L, true>(vector, mask);
                }
            }
        }
        self.next += 1;
    }

    /// Updates a vector of the next row, which has the lanes of the mask if it is `MASKED`.
    ///
    /// # Safety
    ///
    /// As for `row`.
    #[inline(always)]
    unsafe fn vector<L: Lanes<Element = f32>, const MASKED: bool>(
        &mut self,
        vector: usize,
        mask: L::Mask,
    ) {
        let at = self.at + self.next * self.n + vector * L::WIDTH;
        let gradient =
            self.room.0.as_ptr().cast::<f32>().wrapping_add((2 * self.next + vector) * L::WIDTH);
        // SAFETY: as the caller promises; all is read before anything is written.
        unsafe {
            let mut values = [Vector::<L>(L::zero()); MOST_VALUES];
            for (number, value) in values.iter_mut().enumerate().take(F::VALUES) {
                let from = self.targets.values[number];
                value.0 = if number >= F::SEQUENCES {
                    L::splat(from)
                } else if number + 1 == F::SEQUENCES {
                    L::load(gradient)
                } else if MASKED {
                    L::load_masked(from.wrapping_add(at), mask)
                } else {
                    L::load(from.wrapping_add(at))
                };
            }
            for (result, to) in
                F::results(values).into_iter().zip(self.targets.results).take(F::RESULTS)
            {
                let to = to.wrapping_add(at);
                if MASKED { L::store_masked(to, result.0, mask) } else { L::store(to, result.0) }
            }
        }
    }
}

impl<F: UpdateFormula> End<f32> for Update<F> {
    const TALL: bool = true;

    #[inline(always)]
    unsafe fn between<L: Lanes<Element = f32>>(&mut self, tile: &Tile<L>, row: usize) {
        // SAFETY: as the caller promises; a prefetch of any address is allowed.
        unsafe {
            let at = self.place(tile) + row * self.n;
            for values in &self.targets.values[..F::SEQUENCES - 1] {
                prefetch_pair::<L>(values.wrapping_add(at));
            }
            if self.next < self.size[0] {
                self.row::<L>();
            }
        }
    }

    #[inline(always)]
    unsafe fn take<const R: usize, L: Lanes<Element = f32>>(
        &mut self,
        tile: &Tile<L>,
        sums: [[L::Vector; 2]; R],
        size: [usize; 2],
    ) {
        let room = self.room.0.as_mut_ptr().cast::<f32>();
        for (place, sum) in sums.as_flattened().iter().enumerate() {
            // SAFETY: every tile fits.
            unsafe { L::store(room.add(place * L::WIDTH), *sum) };
        }
        (self.at, self.size, self.next) = (self.place(tile), size, 0);
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes<Element = f32>>(&mut self) {
        while self.next < self.size[0] {
            // SAFETY: as the caller promises.
            unsafe { self.row::<L>() };
        }
    }
}

impl<F: UpdateFormula> Update<F> {
    /// The first element of a tile in the weight, where its sums would lie.
    #[inline(always)]
    fn place<L: Lanes<Element = f32>>(&self, tile: &Tile<L>) -> usize {
        (tile.c.addr() - self.targets.values[0].addr()) / size_of::<f32>()
    }
}

/// A vector as a number.
#[derive(Clone, Copy)]
struct Vector<L: Lanes>(L::Vector);

macro_rules! operators {
    ($($operator:ident $method:ident $function:ident;)+) => {
        $(
            impl<L: Lanes> $operator for Vector<L> {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    // SAFETY: vectors are made where the processor has their instructions.
                    Self(unsafe { L::$function(self.0, other.0) })
                }
            }
        )+
    };
}
operators! { Add add add; Sub sub subtract; Mul mul multiply; Div div divide; }

impl<L: Lanes<Element = f32>> Arithmetic for Vector<L> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { L::sqrt(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { L::each(self.0, self.0, |x, _| Float::abs(x)) })
    }

    #[inline(always)]
    fn sign(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { L::each(self.0, self.0, |x, _| Float::signum(x)) })
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { L::each(self.0, other.0, Float::maximum) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Matmul;
    use crate::cpu::pool::Pool;
    use crate::plan::tests::routines;
    use crate::simd::{Level, Memory};

    use super::*;

    #[test]
    fn updates_between_the_terms_give_the_bits_of_updates_after_them_at_every_level() {
        let pools = [Pool::new(1), Pool::new(2)];
        let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 + 0.01;
        // Fewer rows than a tile, narrow edges, one term, one row, enough for two threads, and
        // several blocks of rows.
        for [m, n, k] in [
            [14, 32, 3],
            [5, 9, 1],
            [200, 70, 40],
            [29, 47, 256],
            [1, 100, 20],
            [300, 130, 33],
            [2100, 130, 200],
        ] {
            let product = Matmul {
                m,
                n,
                k,
                a: [1, m],
                b: [n, 1],
                c_row: n,
                accumulate: false,
                rectify: false,
                bf16: false,
            };
            assert!(product.updates(), "{product:?}");
            let a: Vec<f32> = (0..k * m).map(|i| number(i) - 0.5).collect();
            let b: Vec<f32> = (0..k * n).map(|i| number(3 * i) - 0.5).collect();
            // Behind the last element lies what must stay.
            let sequences: Vec<Vec<f32>> = (0..3)
                .map(|slot| {
                    (0..m * n + 40)
                        .map(|i| if i < m * n { number(5 * i + slot) } else { -1.0 })
                        .collect()
                })
                .collect();
            let singles: Vec<f32> = (0..MOST_VALUES).map(|i| number(100 * i)).collect();
            for (routine, level) in routines()
                .into_iter()
                .flat_map(|routine| Level::available().map(move |level| (routine, level)))
            {
                let sequences = &sequences[..routine.sequences - 1];
                let mut expected = sequences.to_vec();
                let mut c = vec![0.0; m * n];
                let mut scratch =
                    Memory::zeroed(product.scratch_bytes(4).max(product.update_scratch_bytes()));
                let pointer = scratch.bytes_mut().as_mut_ptr();
                let mut table: Vec<*const u8> =
                    expected.iter_mut().map(|slot| slot.as_mut_ptr().cast_const().cast()).collect();
                let results = table[..routine.results].to_vec();
                // SAFETY: all arrays are as large as the product's, and the level is one of the
                // processor's.
                unsafe {
                    product.run_f32(
                        level,
                        a.as_ptr(),
                        b.as_ptr(),
                        None,
                        c.as_mut_ptr(),
                        pointer,
                        &pools[0],
                    )
                };
                table.push(c.as_ptr().cast());
                table.extend(
                    singles[routine.sequences..routine.values]
                        .iter()
                        .map(|single| (single as *const f32).cast::<u8>()),
                );
                table.extend(results);
                // SAFETY: as above.
                unsafe { routine.at(level)(table.as_ptr(), std::ptr::null_mut(), m * n) };
                for pool in &pools {
                    let mut got = sequences.to_vec();
                    let mut values = [std::ptr::null(); MOST_VALUES];
                    for (value, single) in values.iter_mut().zip(&singles) {
                        *value = single;
                    }
                    let mut results = [std::ptr::null_mut(); MOST_RESULTS];
                    for (result, slot) in results.iter_mut().zip(&mut got) {
                        *result = slot.as_mut_ptr();
                    }
                    for (value, slot) in values.iter_mut().zip(&got) {
                        *value = slot.as_ptr();
                    }
                    let targets = Targets { tile: routine.tile.unwrap(), values, results };
                    // SAFETY: as above.
                    unsafe {
                        product.run_update(level, a.as_ptr(), b.as_ptr(), &targets, pointer, pool)
                    };
                    assert!(
                        got == expected,
                        "{routine:?} {level:?} {product:?}, {} threads",
                        pool.threads()
                    );
                }
                assert!(
                    expected.iter().all(|slot| slot[m * n..].iter().all(|&number| number == -1.0))
                );
                assert_ne!(expected, sequences);
            }
        }
    }
}
