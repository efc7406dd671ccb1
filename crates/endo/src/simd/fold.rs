//! Reductions of a contiguous run to one element: sum, product, maximum, minimum.
//!
//! The order of combination depends on the number of elements alone: a fixed number of lanes,
//! blocks of a fixed length, and a fixed tree over lanes and blocks. So results do not change with
//! threads, alignment or level, and the rounding error of a sum grows with the logarithm of its
//! length.

use super::Level;
use super::float::Float;
use super::loops::{LoopKernel, Loops, Number, separate};
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
    /// 0, and false.
    const ZERO: Self;
    /// 1, and true.
    const ONE: Self;
    /// The least value.
    const LEAST: Self;
    /// The greatest value.
    const GREATEST: Self;
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
    /// `self · other`.
    fn times(self, other: Self) -> Self;
    /// The larger of two.
    fn larger(self, other: Self) -> Self;
    /// The smaller of two.
    fn smaller(self, other: Self) -> Self;
}

macro_rules! reducible {
    (
        $type:ty,
        $zero:expr,
        $one:expr,
        $least:expr,
        $greatest:expr,
        |$x:ident, $y:ident| $plus:expr,
        $times:expr,
        $larger:expr,
        $smaller:expr
    ) => {
        impl Reducible for $type {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LEAST: Self = $least;
            const GREATEST: Self = $greatest;
            #[inline(always)]
            fn plus(self, $y: Self) -> Self {
                let $x = self;
                $plus
            }
            #[inline(always)]
            fn times(self, $y: Self) -> Self {
                let $x = self;
                $times
            }
            #[inline(always)]
            fn larger(self, $y: Self) -> Self {
                let $x = self;
                $larger
            }
            #[inline(always)]
            fn smaller(self, $y: Self) -> Self {
                let $x = self;
                $smaller
            }
        }
    };
}
reducible!(
    f32,
    0.0,
    1.0,
    f32::NEG_INFINITY,
    f32::INFINITY,
    |x, y| x + y,
    x * y,
    Float::maximum(x, y),
    Float::minimum(x, y)
);
reducible!(
    f64,
    0.0,
    1.0,
    f64::NEG_INFINITY,
    f64::INFINITY,
    |x, y| x + y,
    x * y,
    Float::maximum(x, y),
    Float::minimum(x, y)
);
reducible!(
    i32,
    0,
    1,
    i32::MIN,
    i32::MAX,
    |x, y| x.wrapping_add(y),
    x.wrapping_mul(y),
    x.max(y),
    x.min(y)
);
reducible!(
    u8,
    0,
    1,
    0,
    1,
    |x, y| u8::from(x | y != 0),
    u8::from(x != 0) & u8::from(y != 0),
    u8::from(x | y != 0),
    u8::from(x != 0) & u8::from(y != 0)
);

/// How two elements become one, and what no element becomes.
trait Combine<T>: 'static {
    const IDENTITY: T;
    fn combine(x: T, y: T) -> T;
}

macro_rules! combine {
    ($($name:ident: $identity:ident, $method:ident;)*) => {$(
        struct $name;
        impl<T: Reducible> Combine<T> for $name {
            const IDENTITY: T = T::$identity;
            #[inline(always)]
            fn combine(x: T, y: T) -> T {
                x.$method(y)
            }
        }
    )*};
}
combine! {
    Sum: ZERO, plus;
    Product: ONE, times;
    Max: LEAST, larger;
    Min: GREATEST, smaller;
}

/// `accumulator[i] = combine(accumulator[i], input[i])`.
struct Accumulate<C, T>(PhantomData<(C, T)>);

impl<C: Combine<T>, T: Reducible> LoopKernel for Accumulate<C, T> {
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
pub struct Folds {
    baseline: Fold,
    avx2: Fold,
    avx512: Fold,
}

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

    const fn of<C: Combine<T>, T: Reducible>() -> Self {
        match size_of::<T>() {
            1 => Self::with_lanes::<C, T, 128>(),
            4 => Self::with_lanes::<C, T, 32>(),
            _ => Self::with_lanes::<C, T, 16>(),
        }
    }

    const fn with_lanes<C: Combine<T>, T: Reducible, const LANES: usize>() -> Self {
        Self {
            baseline: baseline::<C, T, LANES>,
            avx2: avx2::<C, T, LANES>,
            avx512: avx512::<C, T, LANES>,
        }
    }

    /// The fold for a level, which the processor must have.
    pub fn at(&self, level: Level) -> Fold {
        match level {
            Level::Baseline => self.baseline,
            Level::Avx2 => self.avx2,
            Level::Avx512 => self.avx512,
        }
    }
}

/// Elements per lane that are combined one after another, before the tree takes over.
const RUN: usize = 64;

/// Combines `n` elements: runs of `RUN · LANES` elements each, their results in a balanced tree.
///
/// # Safety
///
/// As for [`Fold`].
#[inline(always)]
unsafe fn fold<C: Combine<T>, T: Reducible, const LANES: usize>(
    input: *const u8,
    output: *mut u8,
    n: usize,
) {
    let input = input.cast::<T>();
    // Results of runs that wait for their partner, the oldest and largest first: run k merges as
    // often as k + 1 can be halved, like the carries of a counter.
    let mut waiting = [C::IDENTITY; usize::BITS as usize];
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
    let mut value = C::IDENTITY;
    while depth > 0 {
        depth -= 1;
        value = C::combine(waiting[depth], value);
    }
    // SAFETY: `output` is valid for one element.
    unsafe { output.cast::<T>().write_unaligned(value) };
}

/// Combines `length` elements: element i into lane `i mod LANES`, then the lanes by halves.
///
/// # Safety
///
/// `input` is valid for `length` elements.
#[inline(always)]
unsafe fn run<C: Combine<T>, T: Reducible, const LANES: usize>(
    input: *const T,
    length: usize,
) -> T {
    let mut lanes = [C::IDENTITY; LANES];
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
        let mut block = [C::IDENTITY; LANES];
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
fn combine<C: Combine<T>, T: Reducible, const LANES: usize>(
    x: [T; LANES],
    y: [T; LANES],
) -> [T; LANES] {
    let mut lanes = [C::IDENTITY; LANES];
    for lane in 0..LANES {
        lanes[lane] = C::combine(x[lane], y[lane]);
    }
    lanes
}

/// [`fold`] with the target's own instructions.
unsafe fn baseline<C: Combine<T>, T: Reducible, const LANES: usize>(
    input: *const u8,
    output: *mut u8,
    n: usize,
) {
    // SAFETY: the same contract.
    unsafe { fold::<C, T, LANES>(input, output, n) }
}

/// [`fold`] with AVX2 and FMA.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
unsafe fn avx2<C: Combine<T>, T: Reducible, const LANES: usize>(
    input: *const u8,
    output: *mut u8,
    n: usize,
) {
    // SAFETY: the same contract.
    unsafe { fold::<C, T, LANES>(input, output, n) }
}

/// [`fold`] with AVX-512.
#[cfg_attr(
    target_arch = "x86_64",
    target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
)]
unsafe fn avx512<C: Combine<T>, T: Reducible, const LANES: usize>(
    input: *const u8,
    output: *mut u8,
    n: usize,
) {
    // SAFETY: the same contract.
    unsafe { fold::<C, T, LANES>(input, output, n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold<T: Reducible>(reduction: Reduction, level: Level, values: &[T]) -> T {
        let mut result = T::ZERO;
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
                assert_eq!(
                    fold(Reduction::Sum, level, run),
                    run.iter().fold(0, |x: i32, &y| x.wrapping_add(y))
                );
                assert_eq!(
                    fold(Reduction::Product, level, run),
                    run.iter().fold(1, |x: i32, &y| x.wrapping_mul(y))
                );
                assert_eq!(
                    fold(Reduction::Max, level, run),
                    run.iter().copied().max().unwrap_or(i32::MIN)
                );
                assert_eq!(
                    fold(Reduction::Min, level, run),
                    run.iter().copied().min().unwrap_or(i32::MAX)
                );
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
