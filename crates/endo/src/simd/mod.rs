//! Vector loops over contiguous numbers: elementwise functions, comparisons, casts and reductions.
//!
//! A formula is written once, generic over [`Float`]; [`Loops`] and [`Folds`] hold its machine code
//! for each [`Level`] of the processor, as plain function pointers that fit in a `static`. Comes
//! in: raw pointers to elements and their number. Goes out: elements. No allocation, no threads, no
//! state.

pub mod cast;
pub mod combined;
pub mod error_function;
pub mod exponential;
pub mod float;
pub mod fold;
pub mod formula;
pub mod logarithm;
pub mod loops;
pub mod memory;
pub mod power;
pub mod routine;
pub mod summary;
pub mod trigonometry;

#[cfg(test)]
mod accuracy;

pub use cast::Cast;
pub use combined::{Arithmetic, COMBINED, CombinedFormula, Symbol};
pub use error_function::{erf, erfinv};
pub use exponential::{
    SELU_ALPHA, SELU_SCALE, elu_slope, exp, expm1, expm1_negative, scaled_expm1_negative,
};
pub use exponential::{selu_slope, sigmoid, softplus, tanh};
pub use float::{Float, Fused};
pub use fold::{Fold, Folds, Reducible, Reduction};
pub use formula::{
    Binary, Comparison, Integer1, Integer2, Logical1, Logical2, Predicate, Ternary, Unary,
};
pub use logarithm::{log, log1p};
pub use loops::{Byte, Loop, Loops};
pub use memory::Memory;
pub use power::pow;
pub use routine::{
    Adam, AdamW, Descent, Formula, MOST_RESULTS, MOST_VALUES, Momentum, Nadam, ROUTINES, RmsProp,
    Routine, RoutineKind,
};
pub use summary::{Summary, dot, histogram, summary};
pub use trigonometry::{cos, sin};

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

impl Level {
    /// The highest level of the processor that runs this program.
    pub fn detect() -> Self {
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

    /// The levels that the processor has, lowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let highest = Self::detect();
        [Self::Baseline, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(move |&level| level <= highest)
    }
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
