//! Lets a run write variables: where they live if nothing is in the way, else by a copy at the end.
//!
//! In: a draft whose steps write to the arena only. Out: the draft with variables written, and
//! which step has to come before which on their account: a variable's old value is read before it
//! is overwritten, and everything is checked and every effect has succeeded before.

use rustc_hash::FxHashSet;

use crate::graph::{Graph, Op};

use super::emit::Draft;
use super::layout::Layout;
use super::read::{Read, Reads};
use super::schedule::{Users, dependencies};
use super::{Action, BufferPlace, Load};

/// Decides how each variable is written. Returns pairs of steps, the first of which comes before
/// the second.
pub fn write(
    draft: &mut Draft,
    graph: &Graph,
    reads: &Reads,
    in_place: bool,
) -> Vec<(usize, usize)> {
    let writes: Vec<(usize, Read)> =
        reads.writes.iter().filter(|(index, read)| !keeps(graph, *index, read)).cloned().collect();
    let written: FxHashSet<usize> = writes.iter().map(|&(index, _)| index).collect();
    let saved: Vec<Option<usize>> =
        writes.iter().map(|(_, read)| save(draft, graph, read, &written)).collect();
    let first: Vec<usize> = (0..draft.steps.len())
        .filter(|&step| {
            let action = &draft.steps[step].action;
            matches!(action, Action::Guard(_)) || action.is_effect()
        })
        .collect();
    let mut order = StepOrder::new(draft);
    let returned: FxHashSet<usize> = draft.outputs.iter().map(|output| output.buffer).collect();
    let mut users = Users::new(draft);
    for ((index, read), saved) in writes.iter().zip(saved) {
        let value = saved.unwrap_or_else(|| draft.buffer_of(graph, read.base));
        let layout = if saved.is_some() {
            Layout::contiguous(read.layout.length())
        } else {
            read.layout.clone()
        };
        let old = draft.variables[*index];
        let readers = old.map_or(Vec::new(), |old| users.readers(old).to_vec());
        // The step that computes the value can write it to the variable, if that leaves a possible
        // order.
        let whole = layout.is_plain() && draft.buffers[value].length == layout.length();
        let free = draft.buffers[value].place.is_arena() && !returned.contains(&value);
        if in_place && whole && free {
            let producer = users.writer(value).expect("values are computed");
            let before: Vec<usize> =
                readers.iter().chain(&first).copied().filter(|&step| step != producer).collect();
            let apart =
                !readers.contains(&producer) || reads_before_writing(draft, producer, old, value);
            if apart && !before.iter().any(|&step| order.leads(producer, step)) {
                for &step in &before {
                    order.add(step, producer);
                }
                draft.buffers[value].place = BufferPlace::Variable(*index);
                continue;
            }
        }
        let target = draft.buffer(
            draft.buffers[value].dtype,
            layout.length(),
            BufferPlace::Variable(*index),
        );
        let step = draft.copy(Load { buffer: value, layout }, target);
        order.added(users.writer(value), step);
        users.add(step, &draft.steps[step]);
        for &before in readers.iter().chain(&first) {
            order.add(before, step);
        }
    }
    order.extra
}

/// Whether a write gives a variable the value it has.
fn keeps(graph: &Graph, index: usize, read: &Read) -> bool {
    read.layout.is_plain() && matches!(graph.node(read.base).op, Op::Variable(own) if own == index)
}

/// Copies to the arena what is the old value of a variable that is written, too.
fn save(
    draft: &mut Draft,
    graph: &Graph,
    read: &Read,
    written: &FxHashSet<usize>,
) -> Option<usize> {
    let node = graph.node(read.base);
    if !matches!(node.op, Op::Variable(other) if written.contains(&other)) {
        return None;
    }
    let old = draft.load(graph, read);
    let saved = draft.buffer(node.dtype, read.layout.length(), BufferPlace::Arena(0));
    draft.copy(old, saved);
    Some(saved)
}

/// Whether a step can overwrite a variable that it reads itself: a loop that reads each element
/// just before it is written, and a kernel that changes a part of what is there.
fn reads_before_writing(draft: &Draft, step: usize, old: Option<usize>, value: usize) -> bool {
    match &draft.steps[step].action {
        Action::Loop(body) => {
            let stored = body.stores.iter().any(|store| store.buffer == value);
            let mut loads = body.loads.iter().filter(|load| Some(load.buffer) == old);
            let plain = |load: &Load| load.layout.is_plain() && load.layout.length() == body.length;
            stored && loads.all(plain)
        }
        Action::Call(call) if call.kernel.changes_first() => {
            let [changed, others @ ..] = &call.inputs[..] else { return false };
            let other = others.iter().all(|argument| Some(argument.buffer) != old);
            other && Some(changed.buffer) == old && changed.offset == 0
        }
        _ => false,
    }
}

/// Which step has to come before which.
struct StepOrder {
    /// The steps that come after each step.
    after: Vec<Vec<usize>>,
    /// The pairs that are not a matter of who computes what.
    extra: Vec<(usize, usize)>,
}

impl StepOrder {
    fn new(draft: &Draft) -> Self {
        let mut order = Self { after: vec![Vec::new(); draft.steps.len()], extra: Vec::new() };
        for (before, after) in dependencies(draft) {
            order.after[before].push(after);
        }
        order
    }

    fn add(&mut self, before: usize, after: usize) {
        self.after[before].push(after);
        self.extra.push((before, after));
    }

    /// Takes a new step into account, and the step that computes what it reads.
    fn added(&mut self, before: Option<usize>, step: usize) {
        self.after.resize(step + 1, Vec::new());
        if let Some(before) = before {
            self.after[before].push(step);
        }
    }

    /// Whether a step has to come before another.
    fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = FxHashSet::default();
        let mut open = vec![from];
        while let Some(step) = open.pop() {
            if step == to {
                return true;
            }
            open.extend(self.after[step].iter().filter(|&&next| seen.insert(next)));
        }
        false
    }
}
