//! Makes one loop of updates that are alike: an optimizer does the same to every weight, and one
//! long loop costs less than many short ones.
//!
//! In: a draft with its steps in order. Out: fewer steps; the first of the updates has the others
//! as its repeats. What they read from the arena is placed side by side when places are
//! given, and variables lie in the order that [`Plan::order`](crate::plan::Plan::order) tells, so
//! that all of them are one sequence to whoever runs the loop.

use rustc_hash::FxHashSet;

use crate::plan::{Action, Draft, FusedLoop, Load, PlanStep, Repeat, Store};

/// Longer sequences are worth a loop of their own.
pub const LONGEST: usize = 1 << 14;
/// The kinds of loops that are remembered at a time.
const KINDS: usize = 8;

/// Memory as far as the order of steps is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum MemoryRegion {
    Buffer(usize),
    Variable(usize),
}

/// The memory that steps touch.
#[derive(Default)]
struct MemoryAccesses {
    read: FxHashSet<MemoryRegion>,
    written: FxHashSet<MemoryRegion>,
}

impl MemoryRegion {
    fn of(draft: &Draft, buffer: usize) -> Self {
        let variable = draft.buffers[buffer].place.variable();
        variable.map_or(MemoryRegion::Buffer(buffer), MemoryRegion::Variable)
    }
}

impl MemoryAccesses {
    fn by(draft: &Draft, step: &PlanStep) -> Self {
        let all = |buffers: Vec<usize>| {
            buffers.into_iter().map(|buffer| MemoryRegion::of(draft, buffer)).collect()
        };
        Self { read: all(step.reads()), written: all(step.writes()) }
    }

    fn extend(&mut self, other: &MemoryAccesses) {
        self.read.extend(&other.read);
        self.written.extend(&other.written);
    }

    /// Whether a later step may come before.
    fn lets_pass(&self, later: &MemoryAccesses) -> bool {
        later.read.is_disjoint(&self.written)
            && later.written.is_disjoint(&self.written)
            && later.written.is_disjoint(&self.read)
    }
}

/// A loop that others may join, what it and they touch, and what the steps that came after it
/// touch.
struct Head {
    step: usize,
    own: MemoryAccesses,
    since: MemoryAccesses,
}

/// Joins loops that update variables.
pub fn join(draft: &mut Draft) {
    let mut heads: Vec<Head> = Vec::new();
    let mut steps: Vec<PlanStep> = Vec::new();
    let mut positions = Vec::new();
    for (step, position) in
        std::mem::take(&mut draft.steps).into_iter().zip(std::mem::take(&mut draft.positions))
    {
        let touched = MemoryAccesses::by(draft, &step);
        let body = step.action.as_loop().filter(|body| updates(draft, body));
        let found = heads.iter_mut().find_map(|head| {
            let repeat = repeat(draft, steps[head.step].action.as_loop()?, body?)?;
            (head.own.lets_pass(&touched) && head.since.lets_pass(&touched))
                .then_some((head, repeat))
        });
        if let Some((head, repeat)) = found {
            head.own.extend(&touched);
            let at = head.step;
            let Action::Loop(first) = &mut steps[at].action else {
                unreachable!("heads are loops")
            };
            first.repeats.push(repeat);
            // It is done where the head is now: after the heads before that one.
            for other in heads.iter_mut().filter(|other| other.step < at) {
                other.since.extend(&touched);
            }
            continue;
        }
        for head in &mut heads {
            head.since.extend(&touched);
        }
        if body.is_some_and(|body| body.length > 1) {
            if heads.len() == KINDS {
                heads.remove(0);
            }
            heads.push(Head { step: steps.len(), own: touched, since: MemoryAccesses::default() });
        }
        steps.push(step);
        positions.push(position);
    }
    (draft.steps, draft.positions) = (steps, positions);
}

/// Whether a loop may be joined with others: it writes variables and reads whole sequences that are
/// the plan's own, besides single elements.
fn updates(draft: &Draft, body: &FusedLoop) -> bool {
    let own =
        |load: &Load| load.layout.is_uniform() || (load.layout.is_plain() && is_own(draft, load));
    let place = |store: &Store| draft.buffers[store.buffer].place;
    let writes = body.stores.iter().any(|store| place(store).variable().is_some());
    let computed = body.stores.iter().all(|store| store.value >= body.loads.len());
    writes
        && computed
        && body.length <= LONGEST
        && body.reduces.is_empty()
        && body.loads.iter().all(own)
}

/// Whether memory goes on to the end of its last line, and is the plan's own.
fn is_own(draft: &Draft, load: &Load) -> bool {
    let place = draft.buffers[load.buffer].place;
    place.is_arena() || place.variable().is_some()
}

/// A loop as a repeat of another, if it does the same.
fn repeat(draft: &Draft, first: &FusedLoop, other: &FusedLoop) -> Option<Repeat> {
    // What is stored, and over which of the loads.
    let stores = |body: &FusedLoop| -> Vec<(usize, Option<usize>)> {
        let over = |buffer| {
            body.loads.iter().position(|load| {
                MemoryRegion::of(draft, load.buffer) == MemoryRegion::of(draft, buffer)
            })
        };
        body.stores.iter().map(|store| (store.value, over(store.buffer))).collect()
    };
    let same = first.loads.len() == other.loads.len()
        && first.instructions == other.instructions
        && stores(first) == stores(other)
        && first.loads.iter().zip(&other.loads).all(|(a, b)| {
            if a.layout.is_uniform() {
                b.layout.is_uniform() && (a.buffer, a.layout.offset) == (b.buffer, b.layout.offset)
            } else {
                b.layout.is_plain() && b.layout.length() == other.length && is_own(draft, b)
            }
        });
    same.then(|| Repeat {
        length: other.length,
        loads: other.loads.iter().map(|load| load.buffer).collect(),
        stores: other.stores.iter().map(|store| store.buffer).collect(),
    })
}
