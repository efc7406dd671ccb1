//! How long the tiles and chunks of a fused loop are.
//!
//! In: what the loop reads, stores and reduces, and its registers. Out: tiles that keep the
//! registers in the cache, in whole rows of what is broadcast or reduced; and chunks, which depend
//! on shapes alone.

use super::super::super::address::LONGEST_TILE;
use super::super::LINE_ELEMENTS;
use super::{Lowering, ValueLocation};

/// The bytes of registers that leave room in the first-level cache for what is read and written.
const REGISTER_BYTES: usize = 24 << 10;
/// Loops that go through more than this find nothing of it in the first two levels of the cache.
const CACHED_BYTES: usize = 1 << 19;
/// The bytes of a tile, in memory and in registers, that are in nobody's way there while the next
/// ones come in.
const STREAMED_BYTES: usize = 12 << 10;
/// Tiles are whole rows of broadcast or reduced values up to this length.
const LONGEST_ROW: usize = 512;
/// The elements of a chunk, about.
const CHUNK: usize = 1 << 14;

impl Lowering<'_> {
    /// Makes tiles whole rows of this length, if that leaves them short enough.
    pub(super) fn rows_of(&mut self, length: usize) -> bool {
        let both = least_common_multiple(self.row, length);
        let fits = both.is_some_and(|both| both <= LONGEST_ROW);
        if fits {
            self.row = both.unwrap_or(1);
        }
        fits
    }

    pub(super) fn reductions(&mut self) {
        for reduce in &self.body.reduces {
            let [before, middle, kept] = reduce.sizes;
            if kept > 1 {
                self.rows_of(kept);
            } else if before > 1 {
                self.rows_of(middle);
            }
        }
    }

    /// The elements of a tile: as many as keep the registers in the cache, in whole rows, and about
    /// equally many in each; fewer where everything else comes from far away.
    pub(super) fn tile(&self, per_element: usize) -> usize {
        let repeats = self.body.repeats.iter().map(|repeat| repeat.length);
        let lengths = std::iter::once(self.body.length).chain(repeats).map(|length| {
            if self.body.repeats.is_empty() {
                length
            } else {
                length.next_multiple_of(LINE_ELEMENTS)
            }
        });
        let length = lengths.sum::<usize>().max(1);
        let loads = (0..self.body.loads.len())
            .filter(|&value| matches!(self.homes[value], ValueLocation::Sequence(_)));
        let stores = self.body.stores.iter().map(|store| store.value);
        let memory: usize = loads.chain(stores).map(|value| self.bytes(value)).sum();
        let most = if length * memory > CACHED_BYTES && self.whole().is_none() {
            STREAMED_BYTES / (per_element + memory).max(1)
        } else {
            REGISTER_BYTES / per_element.max(1)
        };
        let most = most.clamp(LONGEST_TILE / 8, LONGEST_TILE);
        if length <= most {
            return length;
        }
        let unit = if self.row > 1 { self.row } else { 64 };
        let most = (most / unit * unit).max(unit);
        let tiles = length.div_ceil(most);
        length.div_ceil(tiles).next_multiple_of(unit).min(most)
    }

    /// The elements of a chunk: depends on shapes only. Chunks that combine parts of the same
    /// elements begin with a row.
    pub(super) fn chunk(&self) -> usize {
        let length = self.body.length;
        let mut unit = Some(self.row);
        let mut least = CHUNK;
        for reduce in &self.body.reduces {
            let [before, middle, kept] = reduce.sizes;
            let row = if before > 1 { middle * kept } else { kept };
            unit = unit.and_then(|unit| least_common_multiple(unit, row));
            // There must be few partial results beside what is combined.
            least = least.max(16 * kept);
        }
        match unit {
            Some(unit) if unit > 0 && least.next_multiple_of(unit) <= length / 2 => {
                least.next_multiple_of(unit)
            }
            _ => length,
        }
    }
}

fn least_common_multiple(a: usize, b: usize) -> Option<usize> {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a.checked_div(x)?.checked_mul(b)
}
