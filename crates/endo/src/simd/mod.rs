//! Vector loops over contiguous numbers: elementwise functions, comparisons, casts and reductions.
//!
//! A formula is written once, generic over [`Float`]; [`Loops`] and [`Folds`] hold its machine code
//! for each [`Level`] of the processor, as plain function pointers that fit in a `static`. Comes
//! in: raw pointers to elements and their number. Goes out: elements. No allocation, no threads, no
//! state.

pub mod arithmetic;
pub mod bf16;
pub mod cast;
pub mod combined;
pub(crate) mod depthwise;
pub mod error_function;
pub mod exponential;
pub mod expression;
pub mod float;
pub mod fold;
pub mod formula;
pub mod logarithm;
pub mod loops;
pub mod memory;
mod numbers;
pub mod power;
pub mod routine;
pub mod summary;
pub mod symbol;
pub mod trigonometry;
pub(crate) mod vectors;

#[cfg(test)]
mod accuracy;

use std::sync::atomic::{AtomicU8, Ordering};

pub use arithmetic::{Arithmetic, Integer, Ordered, Scalar, Truth};
pub use bf16::UpperHalf;
pub use cast::Cast;
pub use combined::{COMBINED, CombinedFormula};
pub use error_function::erfinv;
pub use exponential::{SELU_ALPHA, SELU_SCALE, elu_slope, selu_slope, sigmoid, softplus};
pub use expression::{Expression, ExpressionNode, Expressions};
pub use float::{Float, Fused};
pub use fold::{Fold, Folds, Reducible, Reduction};
pub use formula::{
    Binary, Comparison, Integer1, Integer2, Logical1, Logical2, Predicate, Ternary, Unary,
};
pub use loops::{Byte, Loop, Loops};
pub use memory::Memory;
pub use routine::{MOST_RESULTS, MOST_VALUES, Routine, UpdateFormula};
pub use summary::{Summary, dot, histogram, summary};
pub use symbol::Symbol;

/// The vector instructions a loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What every processor of the target has: SSE2 on x86-64, NEON with fused multiply-add on
    /// AArch64.
    Baseline,
    /// x86-64 with AVX2 and FMA: 32-byte vectors.
    Avx2,
    /// x86-64 with AVX-512 F, DQ, BW and VL, and FMA: 64-byte vectors.
    Avx512,
}

/// What [`Level::limit`] was last given.
static LIMIT: AtomicU8 = AtomicU8::new(Level::Avx512 as u8);

impl Level {
    /// The highest level of the processor that runs this program, up to the [limit](Self::limit).
    pub fn detect() -> Self {
        let limit = LIMIT.load(Ordering::Relaxed);
        let highest = Self::highest();
        [Self::Baseline, Self::Avx2]
            .into_iter()
            .find(|&level| level as u8 == limit)
            .map_or(highest, |limit| limit.min(highest))
    }

    /// Lets what is planned from now on use no level above this one, in the whole process: to
    /// measure what processors without the higher levels would do.
    pub fn limit(self) {
        LIMIT.store(self as u8, Ordering::Relaxed);
    }

    fn highest() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }

    /// Whether the processor multiplies pairs of bfloat16 at this level: AVX-512 BF16.
    pub fn multiplies_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512 && is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// The levels that the processor has, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let highest = Self::detect();
        [Self::Baseline, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(move |&level| level <= highest)
    }
}

/// Work on arrays, as machine code: from `input` to `output`, over `n` elements. Function pointers
/// are made of it for each level.
trait Work<Input> {
    /// Does it.
    ///
    /// # Safety
    /// That of the type of function pointers that it becomes.
    unsafe fn run(input: *const Input, output: *mut u8, n: usize);
}

/// A piece of work as it is compiled for each [`Level`].
#[derive(Clone, Copy, Debug)]
struct Levels<Input>([unsafe fn(*const Input, *mut u8, usize); 3]);

impl<Input> Levels<Input> {
    /// `B` on the baseline, `W` and `Z` with the wider vectors of AVX2 and AVX-512.
    const fn new<B: Work<Input>, W: Work<Input>, Z: Work<Input>>() -> Self {
        Self([baseline::<B, Input>, avx2::<W, Input>, avx512::<Z, Input>])
    }

    /// The code for a level, which the processor must have.
    fn at(&self, level: Level) -> unsafe fn(*const Input, *mut u8, usize) {
        self.0[level as usize]
    }
}

/// [`Work`] with the target's own instructions.
unsafe fn baseline<W: Work<Input>, Input>(input: *const Input, output: *mut u8, n: usize) {
    // SAFETY: the same contract.
    unsafe { W::run(input, output, n) }
}

/// [`Work`] with AVX2 and FMA.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma"))]
unsafe fn avx2<W: Work<Input>, Input>(input: *const Input, output: *mut u8, n: usize) {
    // SAFETY: the same contract.
    unsafe { W::run(input, output, n) }
}

/// [`Work`] with AVX-512.
#[cfg_attr(
    target_arch = "x86_64",
    target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
)]
unsafe fn avx512<W: Work<Input>, Input>(input: *const Input, output: *mut u8, n: usize) {
    // SAFETY: the same contract.
    unsafe { W::run(input, output, n) }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn the_baseline_is_always_available() {
        assert_eq!(Level::available().next(), Some(Level::Baseline));
        assert_eq!(Level::available().last(), Some(Level::detect()));
    }
}
