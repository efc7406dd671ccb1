//! Pairs of terms of a product whose factors are numbers that a bfloat16 holds: the upper halves of
//! two `f32` in the place of one.
//!
//! In: rows or columns of an operand. Out: a panel of it with half as many terms, in the lower half
//! of each the first of two, in the upper half the second.
use crate::simd::vectors::Avx512;
use crate::simd::vectors::transpose;
use std::arch::x86_64::*;

/// The upper half of the bits of an `f32`.
const UPPER: i32 = 0xffff_0000_u32 as i32;
/// The pairs of each lane that are turned at a time, and the most lanes of a panel.
const TURNED: usize = 64;
const MOST_LANES: usize = 32;
/// How many terms ahead rows are asked for.
const AHEAD: usize = 24;
/// The panels that are packed at once where their lanes lie side by side.
const AT_ONCE: usize = 8;

/// Packs `lanes` rows of `a` (or columns of `b`) of `terms` terms into panels of `height` lanes,
/// one panel after the other: for each pair of terms, the lanes of a panel side by side, of which
/// those that do not exist are zero, as is the second term of the last pair where there is none.
/// `strides` are the distances from one lane and from one term to the next.
///
/// # Safety
///
/// The processor has AVX-512 F, BW and VL; lanes below `lanes` and terms below `terms` are the
/// operand's, a panel has at most 32 lanes, and there is room for all panels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) unsafe fn pack(
    from: *const f32,
    [lane_stride, term_stride]: [usize; 2],
    lanes: usize,
    height: usize,
    terms: usize,
    to: *mut f32,
) {
    let pairs = terms.div_ceil(2);
    // SAFETY: what is read has a lane and a term that exist; what is written lies in a panel.
    unsafe {
        let whole = lanes - lanes % height;
        if whole < lanes {
            to.add(whole * pairs).write_bytes(0, height * pairs);
        }
        if lane_stride == 1 {
            for first in (0..lanes).step_by(AT_ONCE * height) {
                let lanes = (lanes - first).min(AT_ONCE * height);
                pack_rows(
                    from.add(first),
                    term_stride,
                    lanes,
                    height,
                    terms,
                    to.add(first * pairs),
                );
            }
            return;
        }
        for first in (0..lanes).step_by(height) {
            let lanes = (lanes - first).min(height);
            let (from, to) = (from.add(first * lane_stride), to.add(first * pairs));
            if term_stride == 1 {
                pack_columns(from, lane_stride, lanes, height, terms, to);
                continue;
            }
            for pair in 0..pairs {
                for lane in 0..lanes {
                    let bits = |term: usize| {
                        (*from.add(lane * lane_stride + term * term_stride)).to_bits()
                    };
                    let second = if 2 * pair + 1 < terms { bits(2 * pair + 1) } else { 0 };
                    let both = bits(2 * pair) >> 16 | second & UPPER as u32;
                    *to.add(pair * height + lane) = f32::from_bits(both);
                }
            }
        }
    }
}

/// Packs panels whose lanes lie side by side, term by term: lines of the cache that several panels
/// share are read once.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
unsafe fn pack_rows(
    from: *const f32,
    term_stride: usize,
    lanes: usize,
    height: usize,
    terms: usize,
    to: *mut f32,
) {
    let pairs = terms.div_ceil(2);
    // SAFETY: as in `pack`.
    unsafe {
        for pair in 0..pairs {
            let from = from.add(2 * pair * term_stride);
            let next = from.wrapping_add(term_stride);
            // Rows may be too far apart for the processor to see what comes next.
            for lane in (0..lanes).step_by(16) {
                for ahead in [AHEAD, AHEAD + 1] {
                    let ahead = from.wrapping_add(ahead * term_stride + lane);
                    _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                }
            }
            let has_second = 2 * pair + 1 < terms;
            for first in (0..lanes).step_by(height) {
                let to = to.add(first * pairs + pair * height);
                let end = lanes.min(first + height);
                for lane in (first..end).step_by(16) {
                    let mask = first_lanes(end - lane);
                    let lower = _mm512_maskz_loadu_epi32(mask, from.add(lane).cast());
                    let second = if has_second { mask } else { 0 };
                    let upper = _mm512_maskz_loadu_epi32(second, next.wrapping_add(lane).cast());
                    let upper = _mm512_and_si512(upper, _mm512_set1_epi32(UPPER));
                    let both = _mm512_or_si512(_mm512_srli_epi32::<16>(lower), upper);
                    _mm512_mask_storeu_epi32(to.add(lane - first).cast(), mask, both);
                }
            }
        }
    }
}

/// Packs a panel whose terms lie side by side.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
unsafe fn pack_columns(
    from: *const f32,
    lane_stride: usize,
    lanes: usize,
    height: usize,
    terms: usize,
    to: *mut f32,
) {
    let pairs = terms.div_ceil(2);
    let mut rows = [[0.0_f32; TURNED]; MOST_LANES];
    // SAFETY: as in `pack`.
    unsafe {
        for first in (0..pairs).step_by(TURNED) {
            let count = TURNED.min(pairs - first);
            for (lane, row) in rows.iter_mut().enumerate().take(lanes) {
                let from = from.add(lane * lane_stride + 2 * first);
                halve(from, terms - 2 * first, count, row.as_mut_ptr());
            }
            let to = to.add(first * height);
            transpose::<Avx512<f32>>([lanes, count], rows.as_ptr().cast(), TURNED, to, height);
        }
    }
}

/// Makes `count` pairs of numbers that follow each other, of which `terms` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
unsafe fn halve(from: *const f32, terms: usize, count: usize, to: *mut f32) {
    // The upper halves of two vectors, in order.
    let mut order = [0_i16; 32];
    for (half, index) in order.iter_mut().enumerate() {
        *index = 2 * half as i16 + 1;
    }
    // SAFETY: as in `pack`: lanes outside of the masks are not read, and there is room for a
    // multiple of 16 pairs.
    unsafe {
        let order = _mm512_loadu_si512(order.as_ptr().cast());
        for pair in (0..count).step_by(16) {
            let numbers = |term: usize| {
                let mask = first_lanes(terms.saturating_sub(term));
                _mm512_maskz_loadu_epi32(mask, from.wrapping_add(term).cast())
            };
            let (low, high) = (numbers(2 * pair), numbers(2 * pair + 16));
            let both = _mm512_permutex2var_epi16(low, order, high);
            _mm512_storeu_si512(to.add(pair).cast(), both);
        }
    }
}

/// The mask of the first `count` lanes, or of all where there are not as many.
#[inline(always)]
fn first_lanes(count: usize) -> __mmask16 {
    ((1_u32 << count.min(16)) - 1) as __mmask16
}
