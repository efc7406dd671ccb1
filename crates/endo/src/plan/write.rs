//! Lets a run write variables: where they live if nothing is in the way, else by a copy at the end.
//!
//! In: a draft whose steps write to the arena only. Out: the draft with variables written, and which step has to come before
//! which on their account: a variable's old value is read before it is overwritten, and everything is checked before.

use crate::graph::{Graph, Op};

use super::emit::Draft;
use super::layout::Layout;
use super::read::{Read, Reads};
use super::{Action, Place};

/// Decides how each variable is written. Returns pairs of steps, the first of which comes before the second.
pub fn write(draft: &mut Draft, graph: &Graph, reads: &Reads, in_place: bool) -> Vec<(usize, usize)> {
    let mut order = Order::new(draft);
    let guard = draft.steps.iter().position(|step| matches!(step.action, Action::Guard(_)));
    let variable = |read: &Read| match graph.node(read.base).op {
        Op::Variable(index) if read.layout.is_plain() => Some(index),
        _ => None,
    };
    let writes: Vec<&(usize, Read)> = reads.writes.iter().filter(|(index, read)| variable(read) != Some(*index)).collect();
    for &(index, read) in &writes {
        let value = draft.buffer_of(graph, read.base);
        let old = draft.buffers.iter().position(|buffer| buffer.place == Place::Variable(*index));
        let readers: Vec<usize> = (0..draft.steps.len()).filter(|&step| old.is_some_and(|old| draft.steps[step].reads().contains(&old))).collect();
        // The step that computes the value can write it to the variable, if that leaves a possible order.
        let free = matches!(draft.buffers[value].place, Place::Arena(_)) && !draft.outputs.iter().any(|output| output.buffer == value);
        if in_place && free && read.layout.is_plain() && draft.buffers[value].length == read.layout.length() {
            let producer = (0..draft.steps.len()).find(|&step| draft.steps[step].writes().contains(&value)).expect("values are computed");
            let before: Vec<usize> = readers.iter().copied().chain(guard).filter(|&step| step != producer).collect();
            let own = readers.contains(&producer);
            if (!own || reads_in_step(draft, producer, old, value)) && !before.iter().any(|&step| order.leads(producer, step)) {
                before.iter().for_each(|&step| order.add(step, producer));
                draft.buffers[value].place = Place::Variable(*index);
                continue;
            }
        }
        let mut source = read.clone();
        // The old value of another variable that is written, too, has to be saved first.
        let saved = match graph.node(read.base).op {
            Op::Variable(other) if writes.iter().any(|(written, _)| *written == other) => {
                let saved = draft.buffer(draft.buffers[value].dtype, read.layout.length(), Place::Arena(0));
                let step = draft.copy(graph, read, saved);
                order.added(draft);
                source.layout = Layout::contiguous(read.layout.length());
                Some((saved, step))
            }
            _ => None,
        };
        let target = draft.buffer(draft.buffers[value].dtype, read.layout.length(), Place::Variable(*index));
        let step = draft.copy(graph, &source, target);
        if let (Some((saved, _)), Action::Loop(body)) = (saved, &mut draft.steps[step].action) {
            body.loads[0].buffer = saved;
        }
        order.added(draft);
        saved.iter().for_each(|&(_, first)| order.add(first, step));
        readers.iter().copied().chain(guard).for_each(|before| order.add(before, step));
    }
    order.extra
}

/// Whether a step can overwrite a variable that it reads itself: a loop that reads each element just before it is written.
fn reads_in_step(draft: &Draft, step: usize, old: Option<usize>, value: usize) -> bool {
    let Action::Loop(body) = &draft.steps[step].action else { return false };
    let stored = body.stores.iter().any(|store| store.buffer == value);
    let mut loads = body.loads.iter().filter(|load| Some(load.buffer) == old);
    stored && loads.all(|load| load.layout.is_plain() && load.layout.length() == body.length)
}

/// Which step has to come before which.
struct Order {
    /// The steps that come after each step.
    after: Vec<Vec<usize>>,
    /// The pairs that are not a matter of who computes what.
    extra: Vec<(usize, usize)>,
}

impl Order {
    fn new(draft: &Draft) -> Self {
        let mut order = Self { after: Vec::new(), extra: Vec::new() };
        order.after.resize(draft.steps.len(), Vec::new());
        for (before, after) in super::schedule::dependencies(draft) {
            order.after[before].push(after);
        }
        order
    }

    fn add(&mut self, before: usize, after: usize) {
        self.after[before].push(after);
        self.extra.push((before, after));
    }

    /// Makes room for the steps that have been added.
    fn added(&mut self, draft: &Draft) {
        self.after.resize(draft.steps.len(), Vec::new());
    }

    /// Whether a step has to come before another.
    fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![false; self.after.len()];
        let mut open = vec![from];
        while let Some(step) = open.pop() {
            if step == to {
                return true;
            }
            open.extend(self.after[step].iter().filter(|&&next| !std::mem::replace(&mut seen[next], true)));
        }
        false
    }
}
