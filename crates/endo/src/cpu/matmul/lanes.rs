//! The vectors that the kernels are written in: one trait, implemented for f32 and f64 at each level of instructions.
//! In: pointers to elements, of any alignment; out: vectors, or stores. A mask names the first few lanes; lanes outside it
//! are neither read nor written, and read as zero.
use crate::simd::Level;
use std::array::from_fn;

/// A vector of `WIDTH` elements and what the kernels do with it.
///
/// # Safety
///
/// Every function needs a processor with the implementor's instructions; those that take a pointer need it to be valid
/// for the lanes they read or write.
pub(super) trait Lanes: Copy + 'static {
    type Element: Element;
    type Vector: Copy;
    type Mask: Copy;

    /// Elements in a vector.
    const WIDTH: usize;
    /// Rows of the tile of a blocked product: as many as the registers hold, two vectors to a row.
    const ROWS: usize;
    /// Whether a masked access costs what a plain one does.
    const FREE_MASKS: bool;

    /// The mask of the first `count` lanes, `count <= WIDTH`.
    unsafe fn mask(count: usize) -> Self::Mask;
    unsafe fn zero() -> Self::Vector;
    unsafe fn splat(x: *const Self::Element) -> Self::Vector;
    unsafe fn load(from: *const Self::Element) -> Self::Vector;
    unsafe fn load_masked(from: *const Self::Element, mask: Self::Mask) -> Self::Vector;
    unsafe fn store(to: *mut Self::Element, x: Self::Vector);
    unsafe fn store_masked(to: *mut Self::Element, x: Self::Vector, mask: Self::Mask);
    unsafe fn add(x: Self::Vector, y: Self::Vector) -> Self::Vector;
    /// `x * y + z`, rounded once where the processor can.
    unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;
    /// The sum of the lanes, halves added to halves.
    unsafe fn sum(x: Self::Vector) -> Self::Element;

    /// The side of the square that `transpose` turns.
    const SQUARE: usize;
    /// `to[j * to_row + i] = from[i * from_row + j]` for `i` and `j` below `SQUARE`.
    unsafe fn transpose(from: *const Self::Element, from_row: usize, to: *mut Self::Element, to_row: usize);
}

/// An element type, and its vectors at each level.
pub(super) trait Element: Copy + Send + Sync + std::ops::Add<Output = Self> + 'static {
    type Baseline: Lanes<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Element = Self>;

    const ZERO: Self;
}

/// A piece of work written once and compiled for each level: `run` is inlined into a function that has the level's
/// instructions.
pub(super) trait Kernel {
    type Element: Element;

    /// # Safety
    ///
    /// The processor has the instructions of `L`; the pointers inside are valid for what the kernel does.
    unsafe fn run<L: Lanes<Element = Self::Element>>(&self);
}

/// Runs a kernel at a level.
///
/// # Safety
///
/// The processor has the instructions of `level`; otherwise as for `Kernel::run`.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn enter<K: Kernel>(level: Level, kernel: &K) {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: Kernel>(kernel: &K) {
        // SAFETY: as the caller of `enter` promises.
        unsafe { kernel.run::<<K::Element as Element>::Avx2>() }
    }
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn avx512<K: Kernel>(kernel: &K) {
        // SAFETY: as the caller of `enter` promises.
        unsafe { kernel.run::<<K::Element as Element>::Avx512>() }
    }
    // SAFETY: as the caller promises.
    unsafe {
        match level {
            Level::Baseline => kernel.run::<<K::Element as Element>::Baseline>(),
            Level::Avx2 => avx2(kernel),
            Level::Avx512 => avx512(kernel),
        }
    }
}

/// Runs a kernel; every level is the baseline on this processor.
///
/// # Safety
///
/// As for `Kernel::run`.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn enter<K: Kernel>(_level: Level, kernel: &K) {
    // SAFETY: as the caller promises.
    unsafe { kernel.run::<<K::Element as Element>::Baseline>() }
}

/// Arrays that the compiler turns into whatever vectors the target always has (SSE2, NEON, wasm's simd128).
#[derive(Clone, Copy)]
pub(super) struct Portable<T>(T);

macro_rules! portable {
    ($type:ty, $width:literal) => {
        impl Lanes for Portable<$type> {
            type Element = $type;
            type Vector = [$type; $width];
            type Mask = usize;

            const WIDTH: usize = $width;
            const ROWS: usize = 4;
            const FREE_MASKS: bool = false;

            #[inline(always)]
            unsafe fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn zero() -> Self::Vector {
                [0.0; $width]
            }
            #[inline(always)]
            unsafe fn splat(x: *const $type) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { [*x; $width] }
            }
            #[inline(always)]
            unsafe fn load(from: *const $type) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { from.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $type, mask: usize) -> Self::Vector {
                // SAFETY: as the trait asks; only lanes inside the mask are read.
                from_fn(|lane| if lane < mask { unsafe { *from.add(lane) } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store(to: *mut $type, x: Self::Vector) {
                // SAFETY: as the trait asks.
                unsafe { to.cast::<Self::Vector>().write_unaligned(x) }
            }
            #[inline(always)]
            unsafe fn store_masked(to: *mut $type, x: Self::Vector, mask: usize) {
                for (lane, x) in x.into_iter().enumerate().take(mask) {
                    // SAFETY: as the trait asks; only lanes inside the mask are written.
                    unsafe { *to.add(lane) = x }
                }
            }
            #[inline(always)]
            unsafe fn add(x: Self::Vector, y: Self::Vector) -> Self::Vector {
                from_fn(|lane| x[lane] + y[lane])
            }
            #[inline(always)]
            unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
                from_fn(|lane| x[lane] * y[lane] + z[lane])
            }
            #[inline(always)]
            unsafe fn sum(mut x: Self::Vector) -> $type {
                let mut half = $width / 2;
                while half > 0 {
                    for lane in 0..half {
                        x[lane] += x[lane + half];
                    }
                    half /= 2;
                }
                x[0]
            }

            const SQUARE: usize = 4;
            #[inline(always)]
            unsafe fn transpose(from: *const $type, from_row: usize, to: *mut $type, to_row: usize) {
                // SAFETY: as the trait asks.
                unsafe {
                    let rows: [[$type; 4]; 4] = from_fn(|i| from.add(i * from_row).cast::<[$type; 4]>().read_unaligned());
                    for j in 0..4 {
                        let column = rows.map(|row| row[j]);
                        to.add(j * to_row).cast::<[$type; 4]>().write_unaligned(column);
                    }
                }
            }
        }
    };
}

portable!(f32, 4);
portable!(f64, 2);

impl Element for f32 {
    type Baseline = Portable<f32>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::Avx2<f32>;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::Avx512<f32>;

    const ZERO: Self = 0.0;
}

impl Element for f64 {
    type Baseline = Portable<f64>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::Avx2<f64>;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::Avx512<f64>;

    const ZERO: Self = 0.0;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use super::super::transpose::{transpose_4x4_f32, transpose_4x4_f64, transpose_8x8_f32};
    use std::arch::x86_64::*;

    /// 256-bit vectors; needs AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2<T>(T);

    /// 512-bit vectors; needs AVX-512F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512<T>(T);

    /// The functions whose bodies differ by the intrinsic's name alone.
    macro_rules! functions {
        ($type:ty, $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $multiply_add:ident) => {
            #[inline(always)]
            unsafe fn zero() -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn splat(x: *const $type) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $splat(*x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $type) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $type, x: Self::Vector) {
                // SAFETY: as the trait asks.
                unsafe { $store(to, x) }
            }
            #[inline(always)]
            unsafe fn add(x: Self::Vector, y: Self::Vector) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $add(x, y) }
            }
            #[inline(always)]
            unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $multiply_add(x, y, z) }
            }
        };
    }

    macro_rules! avx2 {
        ($type:ty, $vector:ty, $width:literal, $set1_mask:ident, $iota:expr, $greater:ident, $maskload:ident, $maskstore:ident, $sum:expr, $transpose:ident, $($functions:ident),*) => {
            impl Lanes for Avx2<$type> {
                type Element = $type;
                type Vector = $vector;
                type Mask = __m256i;

                const WIDTH: usize = $width;
                const ROWS: usize = 6;
                const FREE_MASKS: bool = false;

                functions!($type, $($functions),*);

                #[inline(always)]
                unsafe fn mask(count: usize) -> __m256i {
                    // SAFETY: as the trait asks.
                    unsafe { $greater($set1_mask(count as _), $iota) }
                }
                #[inline(always)]
                unsafe fn load_masked(from: *const $type, mask: __m256i) -> Self::Vector {
                    // SAFETY: as the trait asks; only lanes inside the mask are read.
                    unsafe { $maskload(from, mask) }
                }
                #[inline(always)]
                unsafe fn store_masked(to: *mut $type, x: Self::Vector, mask: __m256i) {
                    // SAFETY: as the trait asks; only lanes inside the mask are written.
                    unsafe { $maskstore(to, mask, x) }
                }
                #[inline(always)]
                unsafe fn sum(x: Self::Vector) -> $type {
                    // SAFETY: as the trait asks.
                    unsafe { $sum(x) }
                }

                const SQUARE: usize = 4;
                #[inline(always)]
                unsafe fn transpose(from: *const $type, from_row: usize, to: *mut $type, to_row: usize) {
                    // SAFETY: as the trait asks.
                    unsafe { $transpose(from, from_row, to, to_row) }
                }
            }
        };
    }

    avx2!(
        f32, __m256, 8, _mm256_set1_epi32, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_cmpgt_epi32,
        _mm256_maskload_ps, _mm256_maskstore_ps,
        |x| {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        },
        transpose_4x4_f32, _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps
    );
    avx2!(
        f64, __m256d, 4, _mm256_set1_epi64x, _mm256_setr_epi64x(0, 1, 2, 3), _mm256_cmpgt_epi64,
        _mm256_maskload_pd, _mm256_maskstore_pd,
        |x| {
            let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
            _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
        },
        transpose_4x4_f64, _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd
    );

    macro_rules! avx512 {
        ($type:ty, $vector:ty, $width:literal, $mask:ty, $maskload:ident, $maskstore:ident, $sum:ident, $square:literal, $transpose:ident, $($functions:ident),*) => {
            impl Lanes for Avx512<$type> {
                type Element = $type;
                type Vector = $vector;
                type Mask = $mask;

                const WIDTH: usize = $width;
                const ROWS: usize = 14;
                const FREE_MASKS: bool = true;

                functions!($type, $($functions),*);

                #[inline(always)]
                unsafe fn mask(count: usize) -> $mask {
                    ((1u32 << count) - 1) as $mask
                }
                #[inline(always)]
                unsafe fn load_masked(from: *const $type, mask: $mask) -> Self::Vector {
                    // SAFETY: as the trait asks; only lanes inside the mask are read.
                    unsafe { $maskload(mask, from) }
                }
                #[inline(always)]
                unsafe fn store_masked(to: *mut $type, x: Self::Vector, mask: $mask) {
                    // SAFETY: as the trait asks; only lanes inside the mask are written.
                    unsafe { $maskstore(to, mask, x) }
                }
                #[inline(always)]
                unsafe fn sum(x: Self::Vector) -> $type {
                    // SAFETY: as the trait asks.
                    unsafe { $sum(x) }
                }

                const SQUARE: usize = $square;
                #[inline(always)]
                unsafe fn transpose(from: *const $type, from_row: usize, to: *mut $type, to_row: usize) {
                    // SAFETY: as the trait asks.
                    unsafe { $transpose(from, from_row, to, to_row) }
                }
            }
        };
    }

    avx512!(
        f32, __m512, 16, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps, _mm512_reduce_add_ps, 8, transpose_8x8_f32,
        _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps
    );
    avx512!(
        f64, __m512d, 8, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd, _mm512_reduce_add_pd, 4, transpose_4x4_f64,
        _mm512_setzero_pd, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd
    );
}
