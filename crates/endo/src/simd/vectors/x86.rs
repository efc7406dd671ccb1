//! The vectors of x86-64 in intrinsics: SSE2 for the baseline, AVX2 with FMA, AVX-512. Implements
//! `Lanes` for each and both float types; the bodies are macros, since only the names of the
//! intrinsics differ.
use super::lanes::Lanes;
use super::transpose::{
    transpose_2x2_f64, transpose_4x4_f32, transpose_4x4_f64, transpose_8x8_f32,
};
use std::arch::x86_64::*;

/// 128-bit vectors, which every x86-64 processor has. There is no fused multiply-add and no masked
/// access: the tails go lane by lane.
#[derive(Clone, Copy)]
pub(crate) struct Sse2<T>(T);

/// 256-bit vectors; needs AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<T>(T);

/// 512-bit vectors; needs AVX-512F.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<T>(T);

/// 512-bit vectors whose factors are pairs of bfloat16, each in the bits of an `f32`, and whose
/// sums are `f32`; needs AVX-512 BF16, too. What is too small for a normal number counts as 0.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Pairs;

/// `z` and the products of two pairs, which are exact: first that of the upper halves is added,
/// then that of the lower ones.
#[inline(always)]
unsafe fn add_pairs(x: __m512, y: __m512, z: __m512) -> __m512 {
    // SAFETY: as `Lanes` asks; vectors of as many bits.
    unsafe {
        let [x, y] = [x, y].map(|x| std::mem::transmute::<__m512, __m512bh>(x));
        _mm512_dpbf16_ps(z, x, y)
    }
}

/// The functions whose bodies differ by the intrinsic's name alone.
macro_rules! functions {
    (
        $type:ty, $splat:ident, $add:ident, $subtract:ident, $multiply:ident, $divide:ident,
        $sqrt:ident, $maximum:ident, $multiply_add:tt
    ) => {
        #[inline(always)]
        unsafe fn splat(x: *const $type) -> Self::Vector {
            // SAFETY: as the trait asks.
            unsafe { $splat(*x) }
        }
        #[inline(always)]
        unsafe fn prefetch(to: *const $type) {
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(to.cast()) }
        }
        functions!(@binary add $add, subtract $subtract, multiply $multiply, divide $divide);
        #[inline(always)]
        unsafe fn sqrt(x: Self::Vector) -> Self::Vector {
            // SAFETY: as the trait asks.
            unsafe { $sqrt(x) }
        }
        #[inline(always)]
        unsafe fn rectify(x: Self::Vector) -> Self::Vector {
            // Of NaN and a number, and of two zeros, the second is taken; the sum has no -0.
            // SAFETY: as the trait asks.
            unsafe { $add($maximum(Self::zero(), x), Self::zero()) }
        }
        #[inline(always)]
        unsafe fn multiply_add(x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
            // SAFETY: as the trait asks.
            unsafe { $multiply_add(x, y, z) }
        }
    };
    (@binary $($name:ident $intrinsic:ident),+) => {
        $(
            #[inline(always)]
            unsafe fn $name(x: Self::Vector, y: Self::Vector) -> Self::Vector {
                // SAFETY: as the trait asks.
                unsafe { $intrinsic(x, y) }
            }
        )+
    };
}

/// The square of elements that an intrinsic of this processor turns.
macro_rules! turned {
    ($type:ty, $square:expr, $transpose:ident) => {
        const SQUARE: usize = $square;
        #[inline(always)]
        unsafe fn transpose(from: *const $type, from_row: usize, to: *mut $type, to_row: usize) {
            // SAFETY: as the trait asks.
            unsafe { $transpose(from, from_row, to, to_row) }
        }
    };
}

macro_rules! avx2 {
    (
        $type:ty, $vector:ty, $width:literal, $set1_mask:ident, $iota:expr, $greater:ident,
        $maskload:ident, $maskstore:ident, $sum:expr, $transpose:ident, $($functions:tt),*
    ) => {
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
            turned!($type, 4, $transpose);
        }
    };
}

avx2!(
    f32,
    __m256,
    8,
    _mm256_set1_epi32,
    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
    _mm256_cmpgt_epi32,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    |x| {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
    },
    transpose_4x4_f32,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_max_ps,
    _mm256_fmadd_ps
);
avx2!(
    f64,
    __m256d,
    4,
    _mm256_set1_epi64x,
    _mm256_setr_epi64x(0, 1, 2, 3),
    _mm256_cmpgt_epi64,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    |x| {
        let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
    },
    transpose_4x4_f64,
    _mm256_set1_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    _mm256_max_pd,
    _mm256_fmadd_pd
);

macro_rules! avx512 {
    (
        $name:ty, $type:ty, $vector:ty, $width:literal, $mask:ty, $maskload:ident, $maskstore:ident,
        $sum:ident, $square:literal, $transpose:ident, $($functions:tt),*
    ) => {
        impl Lanes for $name {
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
            turned!($type, $square, $transpose);
        }
    };
}

avx512!(
    Avx512<f32>,
    f32,
    __m512,
    16,
    __mmask16,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_reduce_add_ps,
    8,
    transpose_8x8_f32,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_max_ps,
    _mm512_fmadd_ps
);
avx512!(
    Avx512Pairs,
    f32,
    __m512,
    16,
    __mmask16,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_reduce_add_ps,
    8,
    transpose_8x8_f32,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_max_ps,
    (add_pairs)
);
avx512!(
    Avx512<f64>,
    f64,
    __m512d,
    8,
    __mmask8,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_reduce_add_pd,
    4,
    transpose_4x4_f64,
    _mm512_set1_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    _mm512_max_pd,
    _mm512_fmadd_pd
);

macro_rules! sse2 {
    (
        $type:ty, $vector:ty, $width:literal, $square:literal, $transpose:ident, $load_first:expr,
        $($functions:tt),*
    ) => {
        /// `x * y + z`, rounded twice.
        impl Sse2<$type> {
            #[inline(always)]
            unsafe fn multiply_then_add(x: $vector, y: $vector, z: $vector) -> $vector {
                // SAFETY: every x86-64 processor has SSE2.
                unsafe { Self::add(Self::multiply(x, y), z) }
            }
        }

        impl Lanes for Sse2<$type> {
            type Element = $type;
            type Vector = $vector;
            type Mask = usize;

            const WIDTH: usize = $width;
            const ROWS: usize = 4;
            const FREE_MASKS: bool = false;

            functions!($type, $($functions),*, (Self::multiply_then_add));

            #[inline(always)]
            unsafe fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $type, mask: usize) -> Self::Vector {
                // SAFETY: as the trait asks; only lanes inside the mask are read.
                unsafe { $load_first(from, mask) }
            }
            #[inline(always)]
            unsafe fn store_masked(to: *mut $type, x: Self::Vector, mask: usize) {
                let mut lanes = [0.0; $width];
                // SAFETY: the array holds a vector.
                unsafe { Self::store(lanes.as_mut_ptr(), x) };
                for (lane, x) in lanes.into_iter().enumerate().take(mask) {
                    // SAFETY: as the trait asks; only lanes inside the mask are written.
                    unsafe { *to.add(lane) = x }
                }
            }
            #[inline(always)]
            unsafe fn sum(x: Self::Vector) -> $type {
                let mut lanes = [0.0; $width];
                // SAFETY: the array holds a vector.
                unsafe { Self::store(lanes.as_mut_ptr(), x) };
                let [low, high] = [&lanes[..$width / 2], &lanes[$width / 2..]];
                low.iter().zip(high).map(|(low, high)| low + high).sum()
            }
            turned!($type, $square, $transpose);
        }
    };
}

sse2!(
    f32,
    __m128,
    4,
    4,
    transpose_4x4_f32,
    |from: *const f32, count| match count {
        0 => _mm_setzero_ps(),
        1 => _mm_load_ss(from),
        2 => _mm_castsi128_ps(_mm_loadl_epi64(from.cast())),
        3 =>
            _mm_movelh_ps(_mm_castsi128_ps(_mm_loadl_epi64(from.cast())), _mm_load_ss(from.add(2))),
        _ => _mm_loadu_ps(from),
    },
    _mm_set1_ps,
    _mm_add_ps,
    _mm_sub_ps,
    _mm_mul_ps,
    _mm_div_ps,
    _mm_sqrt_ps,
    _mm_max_ps
);
sse2!(
    f64,
    __m128d,
    2,
    2,
    transpose_2x2_f64,
    |from: *const f64, count| match count {
        0 => _mm_setzero_pd(),
        1 => _mm_load_sd(from),
        _ => _mm_loadu_pd(from),
    },
    _mm_set1_pd,
    _mm_add_pd,
    _mm_sub_pd,
    _mm_mul_pd,
    _mm_div_pd,
    _mm_sqrt_pd,
    _mm_max_pd
);
