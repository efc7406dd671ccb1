//! The packing of operands: rows of `a`, or columns of `b`, side by side for each term. In: where
//! they lie, with their strides; out: a panel, which tiles read from its first number to its last.
use crate::simd::Float;
use crate::simd::vectors::{Lanes, transpose};

/// Copies `lanes` rows of `a` (or columns of `b`) to a panel: for each term, `panel` of them side
/// by side, of which those that do not exist are zero. `strides` are the distances from one lane
/// and from one term to the next.
#[inline(always)]
pub(super) unsafe fn pack<L: Lanes>(
    from: *const L::Element,
    [lane_stride, term_stride]: [usize; 2],
    lanes: usize,
    panel: usize,
    terms: usize,
    to: *mut L::Element,
) {
    // SAFETY: lanes below `lanes` and terms below `terms` are the operand's; the panel lies in
    // scratch.
    unsafe {
        if lanes < panel {
            for i in 0..panel * terms {
                *to.add(i) = L::Element::ZERO;
            }
        }
        if lane_stride == 1 {
            copy_rows::<L>(lanes, terms, from, term_stride, to, panel);
        } else if term_stride == 1 {
            transpose::<L>([lanes, terms], from, lane_stride, to, panel);
        } else {
            for p in 0..terms {
                for i in 0..lanes {
                    *to.add(p * panel + i) = *from.add(i * lane_stride + p * term_stride);
                }
            }
        }
    }
}

/// Copies `rows` rows of `count` elements.
#[inline(always)]
pub(super) unsafe fn copy_rows<L: Lanes>(
    count: usize,
    rows: usize,
    from: *const L::Element,
    from_row: usize,
    to: *mut L::Element,
    to_row: usize,
) {
    for row in 0..rows {
        // SAFETY: as in `pack`.
        unsafe {
            let (from, to) = (from.add(row * from_row), to.add(row * to_row));
            let mut i = 0;
            while i + L::WIDTH <= count {
                L::store(to.add(i), L::load(from.add(i)));
                i += L::WIDTH;
            }
            if L::FREE_MASKS && i < count {
                let tail = L::mask(count - i);
                L::store_masked(to.add(i), L::load_masked(from.add(i), tail), tail);
                i = count;
            }
            // The rest by halves of vectors: a panel of six is one of four and one of two.
            for part in [4, 2, 1] {
                while i + part <= count {
                    match part {
                        4 => copy::<_, 4>(from.add(i), to.add(i)),
                        2 => copy::<_, 2>(from.add(i), to.add(i)),
                        _ => *to.add(i) = *from.add(i),
                    }
                    i += part;
                }
            }
        }
    }
}

/// Copies `N` elements by as few instructions as hold them.
#[inline(always)]
unsafe fn copy<T: Copy, const N: usize>(from: *const T, to: *mut T) {
    // SAFETY: as the caller promises.
    unsafe { to.cast::<[T; N]>().write_unaligned(from.cast::<[T; N]>().read_unaligned()) }
}
