//! Pairs of terms of a product whose factors are numbers that a bfloat16 holds: the upper halves of
//! two `f32` in the place of one.
//!
//! In: rows or columns of an operand. Out: a panel of it with half as many terms, in the lower half
//! of each the first of two, in the upper half the second.
use super::transpose::transpose;
use super::x86::Avx512;
use std::arch::x86_64::*;

/// The upper half of the bits of an `f32`.
const UPPER: i32 = 0xffff_0000_u32 as i32;
/// The pairs of each lane that are turned at a time, and the most lanes of a panel.
const TURNED: usize = 64;
const MOST_LANES: usize = 32;

/// Packs `lanes` rows of `a` (or columns of `b`) of `terms` terms: for each pair of terms, `panel`
/// of them side by side, of which those that do not exist are zero, as is the second term of the
/// last pair where there is none. `strides` are the distances from one lane and from one term to
/// the next.
///
/// # Safety
///
/// The processor has AVX-512 F and BW; lanes below `lanes` and terms below `terms` are the
/// operand's, and the panel, of at most 32 lanes, has room.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) unsafe fn pack(
    from: *const f32,
    [lane_stride, term_stride]: [usize; 2],
    lanes: usize,
    panel: usize,
    terms: usize,
    to: *mut f32,
) {
    let pairs = terms.div_ceil(2);
    // SAFETY: what is read has a lane and a term that exist; what is written lies in the panel.
    unsafe {
        if lanes < panel {
            to.write_bytes(0, panel * pairs);
        }
        if lane_stride == 1 {
            for pair in 0..pairs {
                let (from, to) = (from.add(2 * pair * term_stride), to.add(pair * panel));
                let has_second = 2 * pair + 1 < terms;
                for lane in (0..lanes).step_by(16) {
                    let mask = first_lanes(lanes - lane);
                    let second = if has_second { mask } else { 0 };
                    let first = _mm512_maskz_loadu_epi32(mask, from.add(lane).cast());
                    let next = from.wrapping_add(term_stride + lane);
                    let second = _mm512_maskz_loadu_epi32(second, next.cast());
                    let upper = _mm512_and_si512(second, _mm512_set1_epi32(UPPER));
                    let both = _mm512_or_si512(_mm512_srli_epi32::<16>(first), upper);
                    _mm512_mask_storeu_epi32(to.add(lane).cast(), mask, both);
                }
            }
        } else if term_stride == 1 {
            let mut rows = [[0.0_f32; TURNED]; MOST_LANES];
            for begin in (0..pairs).step_by(TURNED) {
                let count = TURNED.min(pairs - begin);
                for (lane, row) in rows.iter_mut().enumerate().take(lanes) {
                    let from = from.add(lane * lane_stride + 2 * begin);
                    halve(from, terms - 2 * begin, count, row.as_mut_ptr());
                }
                let to = to.add(begin * panel);
                transpose::<Avx512<f32>>([lanes, count], rows[0].as_ptr(), TURNED, to, panel);
            }
        } else {
            for pair in 0..pairs {
                for lane in 0..lanes {
                    let bits = |term: usize| {
                        (*from.add(lane * lane_stride + term * term_stride)).to_bits()
                    };
                    let second = if 2 * pair + 1 < terms { bits(2 * pair + 1) } else { 0 };
                    let both = bits(2 * pair) >> 16 | second & UPPER as u32;
                    *to.add(pair * panel + lane) = f32::from_bits(both);
                }
            }
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
