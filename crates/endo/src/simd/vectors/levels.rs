//! Which vectors each element type has at each level of instructions.
//!
//! In: the vectors of `portable` and `x86`. Out: [`Element`] for f32 and f64.

use super::lanes::Element;

#[cfg(not(target_arch = "x86_64"))]
type Baseline<T> = super::portable::Portable<T>;
#[cfg(target_arch = "x86_64")]
type Baseline<T> = super::x86::Sse2<T>;

impl Element for f32 {
    type Baseline = Baseline<f32>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = super::x86::Avx2<f32>;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = super::x86::Avx512<f32>;
    #[cfg(target_arch = "x86_64")]
    type Pairs = super::x86::Avx512Pairs;
}

impl Element for f64 {
    type Baseline = Baseline<f64>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = super::x86::Avx2<f64>;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = super::x86::Avx512<f64>;
    // It has none.
    #[cfg(target_arch = "x86_64")]
    type Pairs = Baseline<f64>;
}
