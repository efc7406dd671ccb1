//! Gives every buffer of the arena its place: values that never live at the same time may share memory.
//!
//! In: a draft with its steps in order. Out: the places, at cache lines, and the bytes of the arena. The largest values are
//! placed first, each at the lowest gap that fits.

use crate::simd::Memory;

use super::Place;
use super::emit::Draft;

/// A buffer's bytes and the steps between which they are needed.
#[derive(Clone, Copy)]
struct Life {
    buffer: usize,
    bytes: usize,
    first: usize,
    last: usize,
    start: usize,
}

/// Places all buffers of the arena and returns its size in bytes.
pub fn place(draft: &mut Draft) -> usize {
    let mut lives = lives(draft);
    lives.sort_by_key(|life| (std::cmp::Reverse(life.bytes), life.first, life.buffer));
    let mut placed: Vec<Life> = Vec::new();
    let mut arena = 0;
    for mut life in lives {
        // The placed ones are kept in order of their starts, so gaps are found in one walk.
        let mut start = 0;
        for other in placed.iter().filter(|other| other.first <= life.last && life.first <= other.last) {
            if start + life.bytes <= other.start {
                break;
            }
            start = start.max(other.start + other.bytes);
        }
        life.start = start;
        arena = arena.max(start + life.bytes);
        let position = placed.partition_point(|other| other.start <= start);
        placed.insert(position, life);
    }
    for life in placed {
        draft.buffers[life.buffer].place = Place::Arena(life.start);
    }
    arena
}

/// The lives of the buffers of the arena. Outputs live to the end.
fn lives(draft: &Draft) -> Vec<Life> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; draft.buffers.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            let (first, _) = spans[buffer].unwrap_or((index, index));
            spans[buffer] = Some((first, index));
        }
    }
    for output in &draft.outputs {
        if let Some((_, last)) = &mut spans[output.buffer] {
            *last = draft.steps.len();
        }
    }
    let arena = draft.buffers.iter().enumerate().filter(|(_, buffer)| matches!(buffer.place, Place::Arena(_)));
    arena
        .filter_map(|(index, buffer)| {
            let (first, last) = spans[index]?;
            Some(Life { buffer: index, bytes: spaced(buffer.bytes()), first, last, start: 0 })
        })
        .collect()
}

/// Whole cache lines, and one more where buffers of this size would start at distances that fall into few sets of the cache.
fn spaced(bytes: usize) -> usize {
    let bytes = Memory::round_up(bytes);
    if bytes > 0 && bytes.is_multiple_of(1024) { bytes + Memory::LINE } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::super::tests::{Builder, square};

    #[test]
    fn a_chain_of_unfused_operations_needs_two_values_at_a_time() {
        let mut build = Builder::default();
        let mut x = build.input([1000]);
        for _ in 0..10 {
            x = build.elementwise(&square::OPERATION, &[x]);
        }
        let graph = build.outputs([x]);
        assert_eq!(Plan::unfused(&graph).arena_bytes(), 2 * 4032);
    }
}
