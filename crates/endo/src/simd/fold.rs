//! Reductions of a contiguous run to one element: sum, product, maximum, minimum.
//!
//! The order of combination depends on the number of elements alone: a fixed number of lanes,
//! blocks of a fixed length, and a fixed tree over lanes and blocks. So results do not change with
//! threads, alignment or level, and the rounding error of a sum grows with the logarithm of its
//! length.

use super::loops::{LoopKernel, Loops, Number, Real, separate};
use super::{Level, Levels, Work};
use std::marker::PhantomData;

/// Reduces `n` elements at `input` to one, written to `output`. Without elements: 0, 1, and the
/// least and the greatest value of the type for sum, product, maximum and minimum.
///
/// # Safety
///
/// `input` must be valid for `n` elements and `output` for one; both need only the alignment of an
/// element. The processor must have the level that the fold was taken for.
pub type Fold = unsafe fn(input: *const u8, output: *mut u8, n: usize);

/// The four ways to reduce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// `Σ x`, wrapping for integers; of booleans, whether any is true.
    Sum,
    /// `Π x`, wrapping for integers; of booleans, whether all are true.
    Product,
    /// The largest, NaN where any is NaN; of booleans, whether any is true.
    Max,
    /// The smallest, NaN where any is NaN; of booleans, whether all are true.
    Min,
}

/// A type whose runs can be reduced: `f32`, `f64`, `i32`, or `u8` for a boolean.
pub trait Reducible: Number {
    /// What no element is reduced to, by [`Reduction`]: 0, 1, the least and the greatest value.
    const NOTHING: [Self; 4];
    /// `x` and `y` reduced to one.
    fn combine(reduction: Reduction, x: Self, y: Self) -> Self;
}

impl<T: Real> Reducible for T {
    const NOTHING: [Self; 4] = [T::ZERO, T::ONE, T::NEG_INFINITY, T::INFINITY];

    #[inline(always)]
    fn combine(reduction: Reduction, x: Self, y: Self) -> Self {
        match reduction {
            Reduction::Sum => x + y,
            Reduction::Product => x * y,
            Reduction::Max => x.maximum(y),
            Reduction::Min => x.minimum(y),
        }
    }
}

impl Reducible for i32 {
    const NOTHING: [Self; 4] = [0, 1, i32::MIN, i32::MAX];

    #[inline(always)]
    fn combine(reduction: Reduction, x: Self, y: Self) -> Self {
        match reduction {
            Reduction::Sum => x.wrapping_add(y),
            Reduction::Product => x.wrapping_mul(y),
            Reduction::Max => x.max(y),
            Reduction::Min => x.min(y),
        }
    }
}

impl Reducible for u8 {
    const NOTHING: [Self; 4] = [0, 1, 0, 1];

    #[inline(always)]
    fn combine(reduction: Reduction, x: Self, y: Self) -> Self {
        match reduction {
            Reduction::Sum | Reduction::Max => u8::from(x | y != 0),
            Reduction::Product | Reduction::Min => u8::from(x != 0) & u8::from(y != 0),
        }
    }
}

/// A reduction as a type, for code that is compiled for one.
trait Reduce: 'static {
    const REDUCTION: Reduction;

    #[inline(always)]
    fn combine<T: Reducible>(x: T, y: T) -> T {
        T::combine(Self::REDUCTION, x, y)
    }

    /// What no element is reduced to.
    #[inline(always)]
    fn nothing<T: Reducible>() -> T {
        const { T::NOTHING[Self::REDUCTION as usize] }
    }
}

macro_rules! reductions {
    ($($name:ident)+) => {$(
        struct $name;
        impl Reduce for $name {
            const REDUCTION: Reduction = Reduction::$name;
        }
    )+};
}
reductions! { Sum Product Max Min }

/// `accumulator[i] = combine(accumulator[i], input[i])`.
struct Accumulate<C, T>(PhantomData<(C, T)>);

impl<C: Reduce, T: Reducible> LoopKernel for Accumulate<C, T> {
    type A = T;
    type B = T;
    type C = ();
    type Out = T;
    #[inline(always)]
    fn apply(accumulator: T, value: T, (): ()) -> T {
        C::combine(accumulator, value)
    }
}

impl Loops {
    /// `output = combine(accumulator, input)`, elementwise: reduces over rows when run in place of
    /// the accumulator.
    pub const fn accumulate<T: Reducible>(reduction: Reduction) -> Self {
        match reduction {
            Reduction::Sum => Self::new::<Accumulate<Sum, T>, Accumulate<Sum, T>>(),
            Reduction::Product => Self::new::<Accumulate<Product, T>, Accumulate<Product, T>>(),
            Reduction::Max => Self::new::<Accumulate<Max, T>, Accumulate<Max, T>>(),
            Reduction::Min => Self::new::<Accumulate<Min, T>, Accumulate<Min, T>>(),
        }
    }
}

/// The machine code of one reduction, for every level.
#[derive(Clone, Copy, Debug)]
pub struct Folds(Levels<u8>);

impl Folds {
    /// The fold of a run of `T`; booleans are `u8`.
    pub const fn new<T: Reducible>(reduction: Reduction) -> Self {
        match reduction {
            Reduction::Sum => Self::of::<Sum, T>(),
            Reduction::Product => Self::of::<Product, T>(),
            Reduction::Max => Self::of::<Max, T>(),
            Reduction::Min => Self::of::<Min, T>(),
        }
    }

    const fn of<C: Reduce, T: Reducible>() -> Self {
        match size_of::<T>() {
            1 => Self::with::<Lanes<C, T, 128>>(),
            4 => Self::with::<Lanes<C, T, 32>>(),
            _ => Self::with::<Lanes<C, T, 16>>(),
        }
    }

    const fn with<W: Work<u8>>() -> Self {
        Self(Levels::new::<W, W, W>())
    }

    /// The fold for a level, which the processor must have.
    pub fn at(&self, level: Level) -> Fold {
        self.0.at(level)
    }
}

/// Elements per lane that are combined one after another, before the tree takes over.
const RUN: usize = 64;

/// Combines `n` elements: runs of `RUN · LANES` elements each, their results in a balanced tree.
struct Lanes<C, T, const LANES: usize>(PhantomData<(C, T)>);

impl<C: Reduce, T: Reducible, const LANES: usize> Work<u8> for Lanes<C, T, LANES> {
    #[inline(always)]
    unsafe fn run(input: *const u8, output: *mut u8, n: usize) {
        let input = input.cast::<T>();
        // Results of runs that wait for their partner, the oldest and largest first: run k merges
        // as often as k + 1 can be halved, like the carries of a counter.
        let mut waiting = [C::nothing(); usize::BITS as usize];
        let mut depth = 0;
        let mut start = 0;
        let mut runs = 0_usize;
        while start < n {
            let length = (n - start).min(RUN * LANES);
            // SAFETY: `start + length <= n`.
            let mut value = unsafe { run::<C, T, LANES>(input.add(start), length) };
            start += length;
            runs += 1;
            for _ in 0..runs.trailing_zeros() {
                depth -= 1;
                value = C::combine(waiting[depth], value);
            }
            waiting[depth] = value;
            depth += 1;
        }
        let mut value = C::nothing();
        while depth > 0 {
            depth -= 1;
            value = C::combine(waiting[depth], value);
        }
        // SAFETY: `output` is valid for one element.
        unsafe { output.cast::<T>().write_unaligned(value) };
    }
}

/// Combines `length` elements: element i into lane `i mod LANES`, then the lanes by halves.
///
/// # Safety
///
/// `input` is valid for `length` elements.
#[inline(always)]
unsafe fn run<C: Reduce, T: Reducible, const LANES: usize>(input: *const T, length: usize) -> T {
    let mut lanes = [C::nothing(); LANES];
    let whole = length - length % LANES;
    let mut start = 0;
    while start < whole {
        // SAFETY: `start + LANES <= length`.
        lanes = combine::<C, T, LANES>(lanes, unsafe {
            input.add(start).cast::<[T; LANES]>().read_unaligned()
        });
        start += LANES;
        separate();
    }
    if start < length {
        let mut block = [C::nothing(); LANES];
        // SAFETY: `length - start < LANES` elements are left.
        unsafe {
            std::ptr::copy_nonoverlapping(input.add(start), block.as_mut_ptr(), length - start)
        };
        lanes = combine::<C, T, LANES>(lanes, block);
    }
    // Through memory: seen together with the tree, the loop above would be built of the pairs that
    // the tree needs.
    let mut tree = std::hint::black_box(lanes);
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            tree[lane] = C::combine(tree[lane], tree[lane + half]);
        }
        half /= 2;
    }
    tree[0]
}

/// `x` and `y`, lane by lane.
#[inline(always)]
fn combine<C: Reduce, T: Reducible, const LANES: usize>(
    x: [T; LANES],
    y: [T; LANES],
) -> [T; LANES] {
    let mut lanes = [C::nothing(); LANES];
    for lane in 0..LANES {
        lanes[lane] = C::combine(x[lane], y[lane]);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold<T: Reducible>(reduction: Reduction, level: Level, values: &[T]) -> T {
        let mut result = T::NOTHING[0];
        // SAFETY: the slice is valid for its length, and the tests use available levels.
        unsafe {
            Folds::new::<T>(reduction).at(level)(
                values.as_ptr().cast(),
                (&raw mut result).cast(),
                values.len(),
            );
        }
        result
    }

    fn highest<T: Reducible>(reduction: Reduction, values: &[T]) -> T {
        fold(reduction, Level::detect(), values)
    }

    #[test]
    fn folds_of_every_length_agree_with_a_plain_loop() {
        let integers: Vec<i32> = (0..10_000_i32).map(|i| i.wrapping_mul(-1640531527)).collect();
        for level in Level::available() {
            for n in (0..300).chain([2047, 2048, 2049, 4096, 6145, 10_000]) {
                let run = &integers[..n];
                for (reduction, expected) in [
                    (Reduction::Sum, run.iter().fold(0, |x: i32, &y| x.wrapping_add(y))),
                    (Reduction::Product, run.iter().fold(1, |x: i32, &y| x.wrapping_mul(y))),
                    (Reduction::Max, run.iter().copied().max().unwrap_or(i32::MIN)),
                    (Reduction::Min, run.iter().copied().min().unwrap_or(i32::MAX)),
                ] {
                    assert_eq!(fold(reduction, level, run), expected);
                }
                let floats: Vec<f64> = run.iter().map(|&x| f64::from(x)).collect();
                assert_eq!(fold(Reduction::Sum, level, &floats), floats.iter().sum::<f64>());
                assert_eq!(
                    fold(Reduction::Max, level, &floats),
                    floats.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                );
            }
        }
    }

    #[test]
    fn a_sum_is_the_same_at_every_level_and_alignment() {
        let values: Vec<f32> = (0..9_999_u16).map(|i| 1.0 / f32::from(i + 1)).collect();
        let sum = fold(Reduction::Sum, Level::Baseline, &values);
        for level in Level::available() {
            for offset in 0..16 {
                let mut moved = vec![0.0; offset];
                moved.extend(&values);
                assert_eq!(fold(Reduction::Sum, level, &moved[offset..]), sum);
            }
        }
    }

    #[test]
    fn a_sum_of_millions_of_floats_keeps_its_digits() {
        let values = vec![0.1_f32; 5_000_000];
        let exact = f64::from(0.1_f32) * 5e6;
        let relative = (f64::from(highest(Reduction::Sum, &values)) / exact - 1.0).abs();
        assert!(relative < 1e-6, "{relative:e}");
    }

    #[test]
    fn nan_reaches_the_result_from_every_place() {
        for place in 0..100 {
            let mut values = vec![1.0_f32; 100];
            values[place] = f32::NAN;
            for reduction in [Reduction::Sum, Reduction::Product, Reduction::Max, Reduction::Min] {
                assert!(highest(reduction, &values).is_nan(), "{reduction:?} {place}");
            }
        }
    }

    #[test]
    fn the_maximum_of_booleans_is_any_and_the_minimum_is_all() {
        for (values, any, all) in
            [(&[0_u8, 0][..], 0, 0), (&[0, 7], 1, 0), (&[1, 7], 1, 1), (&[], 0, 1)]
        {
            assert_eq!(highest(Reduction::Max, values), any);
            assert_eq!(highest(Reduction::Sum, values), any);
            assert_eq!(highest(Reduction::Min, values), all);
            assert_eq!(highest(Reduction::Product, values), all);
        }
    }

    #[test]
    fn nothing_folds_to_the_neutral_element() {
        assert_eq!(highest::<f32>(Reduction::Sum, &[]), 0.0);
        assert_eq!(highest::<f64>(Reduction::Product, &[]), 1.0);
        assert_eq!(highest::<f32>(Reduction::Max, &[]), f32::NEG_INFINITY);
        assert_eq!(highest::<i32>(Reduction::Min, &[]), i32::MAX);
    }

    #[test]
    fn accumulation_combines_rows_in_place() {
        let mut total = [1.0_f32, 2.0, f32::NAN];
        let row = [4.0_f32, 1.0, 0.0];
        let inputs = [total.as_ptr().cast::<u8>(), row.as_ptr().cast()];
        let accumulate = Loops::accumulate::<f32>(Reduction::Max).at(Level::detect());
        // SAFETY: both arrays have three elements.
        unsafe { accumulate(inputs.as_ptr(), total.as_mut_ptr().cast(), 3) };
        assert_eq!(total[..2], [4.0, 2.0]);
        assert!(total[2].is_nan());
    }
}
