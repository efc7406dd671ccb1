//! Turning a matrix so that its columns become rows: the squares that fit in registers, and the
//! loop over them. In: rows of any stride; out: the transposed matrix, rows of any stride.
use super::lanes::Lanes;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// `to[j * to_row + i] = from[i * from_row + j]` for `i < rows` and `j < columns`.
///
/// # Safety
///
/// The processor has the instructions of `L`; both matrices are valid for these elements.
#[inline(always)]
pub(crate) unsafe fn transpose<L: Lanes>(
    [rows, columns]: [usize; 2],
    from: *const L::Element,
    from_row: usize,
    to: *mut L::Element,
    to_row: usize,
) {
    // SAFETY: every square and every element lies inside `rows` and `columns`.
    unsafe {
        if rows < L::SQUARE || columns < L::SQUARE {
            for j in 0..columns {
                for i in 0..rows {
                    *to.add(j * to_row + i) = *from.add(i * from_row + j);
                }
            }
            return;
        }
        // The last square of each row and column is moved back to fit, and writes some elements
        // twice.
        for i in (0..rows).step_by(L::SQUARE) {
            let i = i.min(rows - L::SQUARE);
            for j in (0..columns).step_by(L::SQUARE) {
                let j = j.min(columns - L::SQUARE);
                L::transpose(from.add(i * from_row + j), from_row, to.add(j * to_row + i), to_row);
            }
        }
    }
}

/// `Lanes::transpose` of 4x4 f32 values, in SSE registers.
///
/// # Safety
///
/// The pointers are valid for four rows of four elements.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn transpose_4x4_f32(
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let row = |i: usize| _mm_loadu_ps(from.add(i * from_row));
        let (mut x, mut y, mut z, mut w) = (row(0), row(1), row(2), row(3));
        _MM_TRANSPOSE4_PS(&mut x, &mut y, &mut z, &mut w);
        for (j, column) in [x, y, z, w].into_iter().enumerate() {
            _mm_storeu_ps(to.add(j * to_row), column);
        }
    }
}

/// `Lanes::transpose` of 2x2 f64 values, in SSE registers.
///
/// # Safety
///
/// The pointers are valid for two rows of two elements.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn transpose_2x2_f64(
    from: *const f64,
    from_row: usize,
    to: *mut f64,
    to_row: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let (x, y) = (_mm_loadu_pd(from), _mm_loadu_pd(from.add(from_row)));
        _mm_storeu_pd(to, _mm_unpacklo_pd(x, y));
        _mm_storeu_pd(to.add(to_row), _mm_unpackhi_pd(x, y));
    }
}

/// `Lanes::transpose` of 4x4 f64 values, in AVX registers.
///
/// # Safety
///
/// The processor has AVX; the pointers are valid for four rows of four elements.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn transpose_4x4_f64(
    from: *const f64,
    from_row: usize,
    to: *mut f64,
    to_row: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        // Row i beside row i + 2, first the left halves, then the right ones.
        let halves = |i: usize, j: usize| {
            let low = _mm256_castpd128_pd256(_mm_loadu_pd(from.add(i * from_row + j)));
            _mm256_insertf128_pd::<1>(low, _mm_loadu_pd(from.add((i + 2) * from_row + j)))
        };
        for j in [0, 2] {
            let (x, y) = (halves(0, j), halves(1, j));
            _mm256_storeu_pd(to.add(j * to_row), _mm256_unpacklo_pd(x, y));
            _mm256_storeu_pd(to.add((j + 1) * to_row), _mm256_unpackhi_pd(x, y));
        }
    }
}

/// `Lanes::transpose` of 8x8 f32 values, in AVX registers.
///
/// # Safety
///
/// The processor has AVX; the pointers are valid for eight rows of eight elements.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn transpose_8x8_f32(
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        // Row i beside row i + 4, first the left halves, then the right ones: the loads do a third
        // of the turning.
        let halves = |i: usize, j: usize| {
            let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(i * from_row + j)));
            _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((i + 4) * from_row + j)))
        };
        for j in [0, 4] {
            let (x, y, z, w) = (halves(0, j), halves(1, j), halves(2, j), halves(3, j));
            let (low, high) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
            let (low_below, high_below) = (_mm256_unpacklo_ps(z, w), _mm256_unpackhi_ps(z, w));
            let columns = [
                _mm256_shuffle_ps::<0x44>(low, low_below),
                _mm256_shuffle_ps::<0xee>(low, low_below),
                _mm256_shuffle_ps::<0x44>(high, high_below),
                _mm256_shuffle_ps::<0xee>(high, high_below),
            ];
            for (column, value) in columns.into_iter().enumerate() {
                _mm256_storeu_ps(to.add((j + column) * to_row), value);
            }
        }
    }
}
