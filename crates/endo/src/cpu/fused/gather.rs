//! Brings the elements of a strided or broadcast sequence together in a register.
//!
//! In: a layout and a range of the sequence. Out: the range's elements, one after the other.

use crate::plan::Layout;

use super::super::address::{Address, Bases, LONGEST_TILE};

/// Axes beyond this many are not seen in nets.
const MOST_AXES: usize = 16;

/// A sequence that is gathered.
pub struct Gather {
    from: Address,
    /// The register.
    to: usize,
    /// Bytes of an element.
    size: usize,
    /// Sizes and strides in bytes, outermost first; at least one.
    axes: Box<[(usize, isize)]>,
}

impl Gather {
    /// The sequence of a layout, whose first element lies at `from`.
    pub fn new(from: Address, to: usize, size: usize, layout: &Layout) -> Self {
        let axes: Box<[(usize, isize)]> = match &layout.axes[..] {
            [] => [(1, 0)].into(),
            axes => axes.iter().map(|axis| (axis.size, axis.stride * size as isize)).collect(),
        };
        assert!(axes.len() <= MOST_AXES, "a view of more than {MOST_AXES} axes");
        Self { from, to, size, axes }
    }

    /// Copies `count` elements from element `start` of the sequence on to the register.
    ///
    /// # Safety
    /// The sequence has them, nobody writes them meanwhile, and the register holds `count`
    /// elements.
    pub unsafe fn run(&self, bases: &Bases, registers: *mut u8, start: usize, count: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.run_to(bases, registers.wrapping_add(self.to), start, count) };
    }

    /// Copies `count` elements from element `start` of the sequence on to any memory.
    ///
    /// # Safety
    /// As for `run`, with that memory instead of the register.
    pub unsafe fn run_to(&self, bases: &Bases, to: *mut u8, start: usize, count: usize) {
        let from = self.start(bases);
        // SAFETY: as the caller promises.
        unsafe {
            match self.size {
                1 => self.elements::<u8>(from, to, start, count),
                2 => self.elements::<u16>(from, to.cast(), start, count),
                4 => self.elements::<u32>(from, to.cast(), start, count),
                _ => self.elements::<u64>(from, to.cast(), start, count),
            }
        }
    }

    /// Where the first element lies.
    pub fn start(&self, bases: &Bases) -> *const u8 {
        bases.at(self.from)
    }

    /// Sizes and strides in bytes, outermost first.
    pub fn axes(&self) -> &[(usize, isize)] {
        &self.axes
    }

    /// # Safety
    /// As for `run`; `T` has the size of an element.
    unsafe fn elements<T: Copy>(
        &self,
        from: *const u8,
        mut to: *mut T,
        start: usize,
        count: usize,
    ) {
        let last = self.axes.len() - 1;
        let (inner, stride) = self.axes[last];
        let mut indices = [0; MOST_AXES];
        let mut offset = 0;
        let mut rest = start;
        for (index, &(size, stride)) in indices.iter_mut().zip(&self.axes).rev() {
            *index = rest % size;
            rest /= size;
            offset += *index as isize * stride;
        }
        let mut left = count;
        loop {
            let run = left.min(inner - indices[last]);
            // SAFETY: the indices are within the axes, and `run` stays within the last one and
            // within what is left.
            unsafe {
                strided(from.wrapping_offset(offset).cast(), stride, to, run);
                to = to.add(run);
            }
            left -= run;
            if left == 0 {
                return;
            }
            // The last axis is at its end: go to the next row.
            offset -= indices[last] as isize * stride;
            indices[last] = 0;
            let mut axis = last;
            while axis > 0 {
                axis -= 1;
                let (size, stride) = self.axes[axis];
                indices[axis] += 1;
                offset += stride;
                if indices[axis] < size {
                    break;
                }
                offset -= size as isize * stride;
                indices[axis] = 0;
            }
        }
    }
}

/// A single computed element that is repeated to a tile, for all loops that use it.
pub struct Spread {
    /// The element.
    pub from: Address,
    /// The tile.
    pub to: Address,
    /// Bytes of the element.
    pub size: usize,
}

impl Spread {
    /// Fills the tile.
    ///
    /// # Safety
    /// The element has been computed, and nobody else touches the tile.
    pub unsafe fn run(&self, bases: &Bases) {
        let (from, to) = (bases.at(self.from).cast_const(), bases.at(self.to));
        // SAFETY: as the caller promises; tiles have room for the longest.
        unsafe { strided_bytes(from, 0, to, LONGEST_TILE, self.size) };
    }
}

/// Copies `count` elements of `size` bytes that are `stride` bytes apart.
///
/// # Safety
/// As for [`strided`]; the size is that of an element type.
pub unsafe fn strided_bytes(
    from: *const u8,
    stride: isize,
    to: *mut u8,
    count: usize,
    size: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        match size {
            1 => strided::<u8>(from, stride, to, count),
            2 => strided::<u16>(from.cast(), stride, to.cast(), count),
            4 => strided::<u32>(from.cast(), stride, to.cast(), count),
            _ => strided::<u64>(from.cast(), stride, to.cast(), count),
        }
    }
}

/// Copies `count` elements that are `stride` bytes apart.
///
/// # Safety
/// `from` and what follows at the stride is valid for reads, `to` for writes of `count` elements,
/// and they do not overlap.
#[inline(always)]
unsafe fn strided<T: Copy>(from: *const T, stride: isize, to: *mut T, count: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        if stride == 0 {
            std::slice::from_raw_parts_mut(to, count).fill(*from);
        } else if stride == size_of::<T>() as isize {
            std::ptr::copy_nonoverlapping(from, to, count);
        } else {
            for index in 0..count {
                to.add(index).write(*from.wrapping_byte_offset(index as isize * stride));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::address::REGISTERS;
    use super::*;
    use crate::plan::layout::Axis;

    #[test]
    fn any_range_of_a_strided_sequence_can_be_gathered() {
        let numbers: Vec<u32> = (0..60).collect();
        // [2, 3, 4, 2] with the second axis backwards and the third one broadcast.
        let axes = [(2, 30), (3, -5), (4, 0), (2, 1)].map(|(size, stride)| Axis { size, stride });
        let layout = Layout::new(10, axes);
        let mut expected = Vec::new();
        for (i, j, l) in (0..2).flat_map(|i| {
            (0..3).flat_map(move |j| (0..4).flat_map(move |_| (0..2).map(move |l| (i, j, l))))
        }) {
            expected.push(10 + i * 30 - j * 5 + l);
        }
        let gather = Gather::new(Address { base: REGISTERS, offset: 0 }, 0, 4, &layout);
        for start in 0..48 {
            for count in 1..=48 - start {
                let mut result = vec![0_u32; count];
                // SAFETY: the axes stay within the numbers.
                unsafe {
                    gather.elements(
                        numbers[10..].as_ptr().cast(),
                        result.as_mut_ptr(),
                        start,
                        count,
                    )
                };
                let expected: Vec<u32> =
                    expected[start..start + count].iter().map(|&x| x as u32).collect();
                assert_eq!(result, expected, "{count} from {start}");
            }
        }
    }
}
