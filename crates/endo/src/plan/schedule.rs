//! Orders the steps: what computes a value before what reads it, otherwise as traced.
//!
//! In: a draft, and pairs of steps that have an order for other reasons. Out: the draft's steps in
//! order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::emit::Draft;

/// Pairs of steps: the first writes a buffer that the second reads.
pub fn dependencies(draft: &Draft) -> Vec<(usize, usize)> {
    let mut writer = vec![None; draft.buffers.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for buffer in step.writes() {
            writer[buffer] = Some(index);
        }
    }
    let steps = draft.steps.iter().enumerate();
    steps
        .flat_map(|(index, step)| {
            step.reads()
                .into_iter()
                .filter_map(|buffer| Some((writer[buffer]?, index)))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Puts the steps in order.
///
/// # Panics
/// If there is none: the passes before do not make cycles.
pub fn order(draft: &mut Draft, pairs: &[(usize, usize)]) {
    let count = draft.steps.len();
    let mut after = vec![Vec::new(); count];
    let mut waits = vec![0; count];
    for (before, then) in dependencies(draft).into_iter().chain(pairs.iter().copied()) {
        after[before].push(then);
        waits[then] += 1;
    }
    let mut ready: BinaryHeap<_> = (0..count)
        .filter(|&step| waits[step] == 0)
        .map(|step| Reverse((draft.positions[step], step)))
        .collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse((_, step))) = ready.pop() {
        order.push(step);
        for &then in &after[step] {
            waits[then] -= 1;
            if waits[then] == 0 {
                ready.push(Reverse((draft.positions[then], then)));
            }
        }
    }
    assert_eq!(order.len(), count, "steps wait for each other");
    let mut steps: Vec<_> = std::mem::take(&mut draft.steps).into_iter().map(Some).collect();
    draft.steps = order.iter().map(|&step| steps[step].take().expect("each step once")).collect();
    draft.positions = order.iter().map(|&step| draft.positions[step]).collect();
}
