//! Gives every buffer of the arena its place: values that never live at the same time may share
//! memory.
//!
//! In: a draft with its steps in order. Out: the places, at lines of the runner's, and the bytes
//! of the arena. Loops write over what they read last; then the largest values are placed first,
//! each at the lowest gap that fits.

use rustc_hash::FxHashSet;

use super::{BufferPlace, Draft, FusedLoop, Tuning, access};

/// Buffers, each at an offset from a place that they share, and the moments between which it is
/// needed.
#[derive(Clone)]
struct Lifetime {
    buffers: Vec<(usize, usize)>,
    bytes: usize,
    first: usize,
    last: usize,
    start: usize,
}

/// Places all buffers of the arena and returns its size in bytes. Loops may write over what they
/// read if `in_place`.
///
/// Sums of bytes saturate: an arena of `usize::MAX` bytes is one that no system gives, so nothing
/// runs in it.
pub fn place(draft: &mut Draft, tuning: &dyn Tuning, in_place: bool) -> usize {
    let mut lives = side_by_side(draft, tuning, lives(draft, tuning, in_place));
    lives.sort_by_key(|life| (std::cmp::Reverse(life.bytes), life.first, life.buffers[0]));
    let mut placed: Vec<Lifetime> = Vec::new();
    let mut arena = 0;
    for mut life in lives {
        // The placed ones are kept in order of their starts, so gaps are found in one walk.
        let mut start = 0_usize;
        for other in
            placed.iter().filter(|other| other.first <= life.last && life.first <= other.last)
        {
            if start.saturating_add(life.bytes) <= other.start {
                break;
            }
            start = start.max(other.start.saturating_add(other.bytes));
        }
        life.start = start;
        arena = arena.max(start.saturating_add(life.bytes));
        let position = placed.partition_point(|other| other.start <= start);
        placed.insert(position, life);
    }
    for life in placed {
        for &(buffer, offset) in &life.buffers {
            draft.buffers[buffer].place = BufferPlace::Arena(life.start.saturating_add(offset));
        }
    }
    arena
}

/// The lives of the buffers of the arena.
fn lives(draft: &Draft, tuning: &dyn Tuning, in_place: bool) -> Vec<Lifetime> {
    let moments = moments(draft);
    let mut is_alone = vec![true; draft.steps.len()];
    for steps in &draft.independent {
        is_alone[steps.clone()].fill(false);
    }
    let spans = spans(draft, &moments);
    // For each buffer its index among the lives.
    let mut of: Vec<Option<usize>> = vec![None; draft.buffers.len()];
    let mut lives: Vec<Lifetime> = Vec::new();
    for (index, step) in draft.steps.iter().enumerate() {
        let mut taken: Vec<usize> = Vec::new();
        for buffer in step.writes() {
            if !draft.buffers[buffer].place.is_arena() {
                continue;
            }
            let moment = moments[index];
            let last = spans[buffer].map_or(moment, |(_, last)| last);
            let dying = |&other: &usize| {
                of[other].is_some()
                    && !taken.contains(&other)
                    && spans[other].is_some_and(|(_, last)| last == moment)
            };
            let body = step.action.as_loop().filter(|_| in_place && is_alone[index]);
            match body.and_then(|body| replaced(draft, body, buffer).into_iter().find(dying)) {
                Some(other) => {
                    taken.push(other);
                    of[buffer] = of[other];
                    let life = &mut lives[of[other].expect("it has been written")];
                    life.buffers.push((buffer, 0));
                    life.last = last;
                }
                None => {
                    of[buffer] = Some(lives.len());
                    let bytes = tuning.room(draft.buffers[buffer].bytes());
                    lives.push(Lifetime {
                        buffers: vec![(buffer, 0)],
                        bytes,
                        first: moment,
                        last,
                        start: 0,
                    });
                }
            }
        }
    }
    lives
}

/// Puts together what joined loops read one after the other, and what they write.
fn side_by_side(draft: &Draft, tuning: &dyn Tuning, lives: Vec<Lifetime>) -> Vec<Lifetime> {
    let mut of = vec![None; draft.buffers.len()];
    for (index, life) in lives.iter().enumerate() {
        for &(buffer, _) in &life.buffers {
            of[buffer] = Some(index);
        }
    }
    let mut lives: Vec<Option<Lifetime>> = lives.into_iter().map(Some).collect();
    for body in access::joined(&draft.steps) {
        for buffers in access::sequences(body) {
            let parts: Vec<Option<usize>> = buffers.iter().map(|&buffer| of[buffer]).collect();
            let apart = parts.iter().collect::<FxHashSet<_>>().len() == parts.len();
            let free = |part: &Option<usize>| part.is_some_and(|part| lives[part].is_some());
            if !apart || !parts.iter().all(free) {
                continue;
            }
            let mut together =
                Lifetime { buffers: Vec::new(), bytes: 0, first: usize::MAX, last: 0, start: 0 };
            for (buffer, part) in buffers.into_iter().zip(parts) {
                let life = part
                    .and_then(|part| lives[part].take())
                    .expect("it is free, and no other part");
                together.first = together.first.min(life.first);
                together.last = together.last.max(life.last);
                together.buffers.extend(
                    life.buffers
                        .into_iter()
                        .map(|(buffer, offset)| (buffer, together.bytes.saturating_add(offset))),
                );
                let bytes = draft.buffers[buffer].bytes().next_multiple_of(tuning.line());
                together.bytes = together.bytes.saturating_add(bytes);
            }
            lives.push(Some(together));
        }
    }
    lives.into_iter().flatten().collect()
}

/// When each step is run: after those before it, or at once with some of them.
fn moments(draft: &Draft) -> Vec<usize> {
    let mut moments: Vec<usize> = (0..draft.steps.len()).collect();
    for steps in &draft.independent {
        moments[steps.clone()].fill(steps.start);
    }
    moments
}

/// The first and last moment at which each buffer is needed. Outputs are needed to the end.
fn spans(draft: &Draft, moments: &[usize]) -> Vec<Option<(usize, usize)>> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; draft.buffers.len()];
    for (step, &moment) in draft.steps.iter().zip(moments) {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            let (first, _) = spans[buffer].unwrap_or((moment, moment));
            spans[buffer] = Some((first, moment));
        }
    }
    for output in &draft.outputs {
        if let Some((_, last)) = &mut spans[output.buffer] {
            *last = draft.steps.len();
        }
    }
    spans
}

/// The buffers that a loop reads element by element, each before it computes the element of another
/// that it stores: those that could share their place with the other.
fn replaced(draft: &Draft, body: &FusedLoop, stored: usize) -> Vec<usize> {
    // What the loop has read, a repeat may still have to read.
    if !body.repeats.is_empty() {
        return Vec::new();
    }
    let computed = |store: &super::Store| {
        store.value.checked_sub(body.loads.len()).filter(|_| store.buffer == stored)
    };
    let Some(instruction) = body.stores.iter().find_map(computed) else { return Vec::new() };
    let last = body.last_reads();
    let bytes = draft.buffers[stored].bytes();
    let before = |value: usize| {
        let load = &body.loads[value];
        load.layout.is_plain() && load.layout.length() == body.length && last[value] <= instruction
    };
    let same = |buffer: usize| {
        draft.buffers[buffer].bytes() == bytes && draft.buffers[buffer].length == body.length
    };
    let loads = body.loads.iter().enumerate().filter(|(_, load)| same(load.buffer));
    let all = |buffer: usize| {
        body.loads.iter().enumerate().all(|(value, load)| load.buffer != buffer || before(value))
    };
    loads.map(|(_, load)| load.buffer).filter(|&buffer| all(buffer)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Builder, square};
    use super::super::{Plan, Untuned};

    #[test]
    fn a_chain_of_unfused_operations_needs_two_values_at_a_time() {
        let mut build = Builder::default();
        let mut x = build.input([1000]);
        for _ in 0..10 {
            x = build.elementwise(&square::OPERATION, &[x]);
        }
        let graph = build.outputs([x]);
        assert_eq!(Plan::unfused(&graph, &Untuned).arena_bytes(), 2 * 4000);
    }
}
