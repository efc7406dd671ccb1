//! Orders the steps: what computes a value before what reads it, otherwise as traced.
//!
//! In: a draft, and pairs of steps that have an order for other reasons. Out: the draft's steps in
//! order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::PlanStep;
use super::emit::Draft;

/// The steps that read and write each buffer.
#[derive(Default)]
pub struct Users {
    readers: FxHashMap<usize, Vec<usize>>,
    writers: FxHashMap<usize, usize>,
}

impl Users {
    /// Those of all steps.
    pub fn new(draft: &Draft) -> Self {
        let mut users = Self::default();
        for (index, step) in draft.steps.iter().enumerate() {
            users.add(index, step);
        }
        users
    }

    /// Takes a step into account.
    pub fn add(&mut self, index: usize, step: &PlanStep) {
        for buffer in step.reads() {
            let readers = self.readers.entry(buffer).or_default();
            if readers.last() != Some(&index) {
                readers.push(index);
            }
        }
        for buffer in step.writes() {
            self.writers.entry(buffer).or_insert(index);
        }
    }

    /// The steps that read a buffer, in order.
    pub fn readers(&self, buffer: usize) -> &[usize] {
        self.readers.get(&buffer).map_or(&[], Vec::as_slice)
    }

    /// The step that writes a buffer.
    pub fn writer(&self, buffer: usize) -> Option<usize> {
        self.writers.get(&buffer).copied()
    }
}

/// Pairs of steps: the first writes a buffer that the second reads.
pub fn dependencies(draft: &Draft) -> Vec<(usize, usize)> {
    let users = Users::new(draft);
    let steps = draft.steps.iter().enumerate();
    let reads = steps.flat_map(|(index, step)| step.reads().into_iter().map(move |b| (b, index)));
    reads.filter_map(|(buffer, index)| Some((users.writer(buffer)?, index))).collect()
}

/// Pairs of effects that follow each other.
fn effects(draft: &Draft) -> Vec<(usize, usize)> {
    let is_effect = |&step: &usize| draft.steps[step].action.is_effect();
    let mut steps: Vec<usize> = (0..draft.steps.len()).filter(is_effect).collect();
    steps.sort_by_key(|&step| draft.positions[step]);
    steps.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Puts the steps in order.
///
/// # Panics
/// If there is none: the passes before do not make cycles.
pub fn order(draft: &mut Draft, pairs: &[(usize, usize)]) {
    let count = draft.steps.len();
    let mut after = vec![Vec::new(); count];
    let mut waits = vec![0; count];
    let pairs = pairs.iter().copied().chain(effects(draft));
    for (before, then) in dependencies(draft).into_iter().chain(pairs) {
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
