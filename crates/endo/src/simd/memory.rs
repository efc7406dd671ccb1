//! Memory that starts at a cache line: what variables, arenas and scratch space are made of.
//!
//! In: a size in bytes. Out: [`Memory`], zeroed, with its bytes to read and to write.

/// Zeroed bytes that start at a multiple of [`Memory::LINE`].
#[derive(Clone, Default)]
pub struct Memory {
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; Memory::LINE]);

// SAFETY: a line is 64 bytes without padding, and any bytes are a line.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above; it is `Copy`, `repr(C)` and holds no reference.
unsafe impl bytemuck::Pod for Line {}

impl Memory {
    /// The size of a cache line in bytes.
    pub const LINE: usize = 64;

    /// At least `bytes` zero bytes, rounded up to whole lines.
    pub fn zeroed(bytes: usize) -> Self {
        Self { lines: vec![Line([0; Self::LINE]); bytes.div_ceil(Self::LINE)] }
    }

    /// Rounds a number of bytes up to whole lines.
    pub fn round_up(bytes: usize) -> usize {
        bytes.next_multiple_of(Self::LINE)
    }

    /// Appends bytes, rounded up to whole lines, and tells at which byte they start.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let start = self.len();
        self.lines.resize(self.lines.len() + bytes.len().div_ceil(Self::LINE).max(1), Line([0; Self::LINE]));
        self.bytes_mut()[start..start + bytes.len()].copy_from_slice(bytes);
        start
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.lines.len() * Self::LINE
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The bytes to write to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_starts_at_a_cache_line() {
        let mut memory = Memory::default();
        assert_eq!([memory.append(&[1; 65]), memory.append(&[2; 1])], [0, 128]);
        assert_eq!(memory.bytes().as_ptr() as usize % Memory::LINE, 0);
        assert_eq!((memory.bytes()[64], memory.bytes()[65], memory.bytes()[128]), (1, 0, 2));
    }
}
