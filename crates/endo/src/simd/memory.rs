//! Memory that starts at a cache line: what variables, arenas and scratch space are made of.
//!
//! In: a size in bytes. Out: [`Memory`], zeroed, with its bytes to read and to write.

/// Zeroed bytes that start at a multiple of [`Memory::LINE`]. What has never been touched costs
/// nothing.
#[derive(Default)]
pub struct Memory {
    /// The bytes, with room before and behind them.
    room: Vec<u8>,
    /// Where in the room they start, and how many there are.
    start: usize,
    length: usize,
}

/// What lies at a cache line, also where there is none of it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; Memory::LINE]);

// SAFETY: a line is 64 bytes without padding, and any bytes are a line.
unsafe impl bytemuck::Zeroable for CacheLine {}
// SAFETY: as above; it is `Copy`, `repr(C)` and holds no reference.
unsafe impl bytemuck::Pod for CacheLine {}

impl Memory {
    /// The size of a cache line in bytes.
    pub const LINE: usize = 64;

    /// Whether the system gives this many bytes now. It may still end a process that then uses more
    /// than there is.
    pub fn is_available(bytes: usize) -> bool {
        // What is smaller is there, or nothing else would work either.
        bytes < LARGE || Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
    }

    /// At least `bytes` zero bytes, rounded up to whole lines.
    ///
    /// # Panics
    /// If the system does not give them.
    pub fn zeroed(bytes: usize) -> Self {
        Self::try_zeroed(bytes).expect("the system gives the memory")
    }

    /// As [`zeroed`](Self::zeroed), unless the system does not give the bytes.
    pub fn try_zeroed(bytes: usize) -> Option<Self> {
        let mut memory = Self::try_with_room(bytes)?;
        memory.length = Self::round_up(bytes);
        Some(memory)
    }

    /// Nothing yet, with room for `bytes` bytes, which [`append`](Self::append) then does not have
    /// to make.
    ///
    /// # Panics
    /// If the system does not give them.
    pub fn with_room(bytes: usize) -> Self {
        Self::try_with_room(bytes).expect("the system gives the memory")
    }

    /// As [`with_room`](Self::with_room), unless the system does not give the bytes.
    pub fn try_with_room(bytes: usize) -> Option<Self> {
        if bytes == 0 {
            return Some(Self::default());
        }
        let room = bytes.checked_next_multiple_of(Self::LINE)?.checked_add(Self::LINE - 1)?;
        if !Self::is_available(room) {
            return None;
        }
        let room = vec![0; room];
        let start = room.as_ptr().align_offset(Self::LINE);
        ask_for_large_pages(&room);
        Some(Self { room, start, length: 0 })
    }

    /// Rounds a number of bytes up to whole lines.
    pub fn round_up(bytes: usize) -> usize {
        bytes.next_multiple_of(Self::LINE)
    }

    /// Appends bytes, rounded up to whole lines (one at least), and tells at which byte they start.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let at = self.length;
        let length = at + Self::round_up(bytes.len().max(1));
        if self.start + length > self.room.len() {
            let mut larger = Self::with_room(length.max(2 * at));
            larger.length = at;
            larger.bytes_mut().copy_from_slice(self.bytes());
            *self = larger;
        }
        self.length = length;
        self.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        at
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        if self.is_empty() {
            bytemuck::cast_slice::<CacheLine, u8>(&[])
        } else {
            &self.room[self.start..][..self.length]
        }
    }

    /// The bytes to write to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.is_empty() {
            bytemuck::cast_slice_mut::<CacheLine, u8>(&mut [])
        } else {
            &mut self.room[self.start..][..self.length]
        }
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        let mut clone = Self::zeroed(self.length);
        clone.bytes_mut().copy_from_slice(self.bytes());
        clone
    }
}

/// Memory from this size on is worth large pages (their addresses are translated from a cache that
/// holds few), and may be refused.
const LARGE: usize = 4 << 20;

/// Asks for large pages where the system has them only for those who ask. It may refuse: then all
/// is as it was.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(room: &[u8]) {
    unsafe extern "C" {
        fn madvise(
            start: *mut std::ffi::c_void,
            length: usize,
            advice: std::ffi::c_int,
        ) -> std::ffi::c_int;
    }
    const PAGE: usize = 1 << 12;
    const HUGE: std::ffi::c_int = 14;
    let before = room.as_ptr().align_offset(PAGE);
    if room.len() >= LARGE && before < room.len() {
        let inside = &room[before..];
        // SAFETY: the pages are ours alone, but for the end of the last one. The advice changes how
        // large they are, not what is in them.
        unsafe { madvise(inside.as_ptr().cast_mut().cast(), inside.len(), HUGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &[u8]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_starts_at_a_cache_line() {
        let mut memory = Memory::default();
        assert_eq!([memory.append(&[1; 65]), memory.append(&[2; 1])], [0, 128]);
        assert_eq!(memory.bytes().as_ptr() as usize % Memory::LINE, 0);
        assert_eq!((memory.bytes()[64], memory.bytes()[65], memory.bytes()[128]), (1, 0, 2));
        assert_eq!((memory.append(&[]), memory.len()), (192, 256));
        for empty in [Memory::default(), Memory::zeroed(0)] {
            let mut copy = empty.clone();
            let places = [empty.bytes().as_ptr(), copy.bytes_mut().as_ptr()];
            assert!(
                empty.is_empty()
                    && places.iter().all(|place| place.addr().is_multiple_of(Memory::LINE))
            );
        }
    }

    #[test]
    fn what_is_appended_stays_when_the_room_grows_and_in_copies() {
        let (mut memory, mut roomy) = (Memory::default(), Memory::with_room(100 * 128));
        for part in 0..100_u8 {
            assert_eq!(memory.append(&[part; 100]), 128 * usize::from(part));
            roomy.append(&[part; 100]);
        }
        let clone = memory.clone();
        for memory in [&memory, &clone, &roomy] {
            assert_eq!(memory.bytes().as_ptr() as usize % Memory::LINE, 0);
            assert_eq!(memory.len(), 12_800);
            for (part, bytes) in memory.bytes().chunks(128).enumerate() {
                assert!(
                    bytes[..100].iter().all(|&byte| usize::from(byte) == part)
                        && bytes[100..].iter().all(|&byte| byte == 0)
                );
            }
        }
    }

    #[test]
    fn large_memory_is_zero_and_can_be_written_to_its_end() {
        let mut memory = Memory::zeroed((9 << 20) + 1);
        assert_eq!(memory.len(), (9 << 20) + 64);
        assert!(memory.bytes().iter().all(|&byte| byte == 0));
        memory.bytes_mut().fill(7);
        assert!(memory.clone().bytes().iter().all(|&byte| byte == 7));
    }
}
