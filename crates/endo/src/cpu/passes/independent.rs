//! Finds steps that know nothing of each other, such as those of two branches of a net or the
//! gradients of a layer's inputs and of its weights, for threads to run at once: each on one
//! thread, where none is long enough to be shared among threads.
//!
//! In: a draft with its steps in order. Out: ranges of steps in [`Draft::independent`], and an
//! order in which they are neighbours.

use crate::cpu::cost::Cost;
use crate::cpu::estimate::step_cost;
use crate::plan::{Action, Draft, FusedLoop, Instruction, LoopFunction, PlanStep};
use crate::simd::Level;

/// The most steps that run at once.
const MOST: usize = 16;
/// How many steps further on one may come from.
const REACH: usize = 48;
/// The bytes that the results of steps at once take at most: each needs a place of its own.
const ROOM: usize = 4 << 20;
/// A processor by which steps are compared, so that plans are the same on all.
const LEVEL: Level = Level::Avx2;

/// Finds steps to run at once.
pub fn find(draft: &mut Draft) {
    find_where(draft, &is_worth);
}

/// Whether steps of these costs are done sooner at once, each on a thread of its own.
fn is_worth(costs: &[Cost]) -> bool {
    let in_turn: Cost = costs.iter().copied().sum();
    let longest = costs.iter().copied().fold(Cost::default(), Cost::max);
    (longest + Cost::of_team(costs.len())).times(5).order(&in_turn.times(4)).is_lt()
}

/// Finds steps to run at once, where `is_worth` says so of their costs.
pub(in crate::cpu) fn find_where(draft: &mut Draft, is_worth: &dyn Fn(&[Cost]) -> bool) {
    let steps: Vec<Candidate> = draft.steps.iter().map(|step| candidate(draft, step)).collect();
    let mut seen = Seen { moment: 0, written: vec![0; draft.buffers.len()], read: Vec::new() };
    seen.read = seen.written.clone();
    let mut taken = vec![false; steps.len()];
    let mut order = Vec::with_capacity(steps.len());
    for first in 0..steps.len() {
        if taken[first] {
            continue;
        }
        let later = (first + 1..steps.len()).filter(|&step| !taken[step]).take(REACH);
        let members = members(&steps, first, later, &mut seen, is_worth);
        for &step in &members {
            taken[step] = true;
        }
        if members.len() > 1 {
            draft.independent.push(order.len()..order.len() + members.len());
        }
        order.extend(members);
    }
    if draft.independent.is_empty() {
        return;
    }
    let mut steps: Vec<Option<PlanStep>> = draft.steps.drain(..).map(Some).collect();
    draft.steps = order.iter().map(|&at: &usize| steps[at].take().expect("each once")).collect();
    draft.positions = order.iter().map(|&step| draft.positions[step]).collect();
}

/// What is asked of a step.
struct Candidate {
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// The bytes that it writes.
    bytes: usize,
    /// What it costs, if it may be run beside others.
    cost: Option<Cost>,
    /// Whether what comes after it stays after it: it decides whether variables are written, or
    /// writes them, or does something outside of the plan.
    is_fixed: bool,
}

fn candidate(draft: &Draft, step: &PlanStep) -> Candidate {
    let (reads, writes) = (step.reads(), step.writes());
    let is_variable = |&buffer: &usize| draft.buffers[buffer].place.variable().is_some();
    let is_fixed = matches!(step.action, Action::Guard(_))
        || step.action.is_effect()
        || writes.iter().any(is_variable);
    let has_kind = match &step.action {
        Action::Product(_) => true,
        Action::Loop(body) => body.repeats.is_empty() && computes(body),
        _ => false,
    };
    let cost = (has_kind && !is_fixed)
        .then(|| step_cost(step, &draft.buffers, LEVEL))
        .filter(|cost| cost.is_short());
    let bytes = writes.iter().map(|&buffer| draft.buffers[buffer].bytes()).sum();
    Candidate { reads, writes, bytes, cost, is_fixed }
}

/// Whether a loop does more than copy or convert numbers. One that does not makes them as the next
/// step needs them, and made earlier they would only take room for longer.
fn computes(body: &FusedLoop) -> bool {
    let is_arithmetic = |instruction: &Instruction| {
        matches!(instruction.function, LoopFunction::Elementwise(_) | LoopFunction::Combined(_))
    };
    body.instructions.iter().any(is_arithmetic) || !body.reduces.is_empty()
}

/// What the steps read and write that a later one would run beside or before: buffers are marked
/// with the moment at which this was found out last.
struct Seen {
    moment: usize,
    written: Vec<usize>,
    read: Vec<usize>,
}

impl Seen {
    fn add(&mut self, step: &Candidate) {
        for &buffer in &step.writes {
            self.written[buffer] = self.moment;
        }
        for &buffer in &step.reads {
            self.read[buffer] = self.moment;
        }
    }

    /// Whether a step neither reads what the others write nor writes what they read or write.
    fn is_apart(&self, step: &Candidate) -> bool {
        let is_written = |&buffer: &usize| self.written[buffer] == self.moment;
        let is_read = |&buffer: &usize| self.read[buffer] == self.moment;
        !step.reads.iter().any(is_written)
            && !step.writes.iter().any(|buffer| is_written(buffer) || is_read(buffer))
    }
}

/// A step, and those of later ones that are worth running beside it, the longest first.
fn members(
    steps: &[Candidate],
    first: usize,
    later: impl Iterator<Item = usize>,
    seen: &mut Seen,
    is_worth: &dyn Fn(&[Cost]) -> bool,
) -> Vec<usize> {
    let Some(cost) = steps[first].cost else { return vec![first] };
    let mut members = vec![(cost, first)];
    let mut bytes = steps[first].bytes;
    seen.moment += 1;
    seen.add(&steps[first]);
    for next in later {
        let step = &steps[next];
        if step.is_fixed || members.len() == MOST {
            break;
        }
        if let Some(cost) = step.cost
            && seen.is_apart(step)
            && bytes + step.bytes <= ROOM
        {
            members.push((cost, next));
            bytes += step.bytes;
        }
        seen.add(step);
    }
    let costs: Vec<Cost> = members.iter().map(|&(cost, _)| cost).collect();
    if members.len() < 2 || !is_worth(&costs) {
        return vec![first];
    }
    members.sort_by(|(one, _), (other, _)| other.order(one));
    members.into_iter().map(|(_, step)| step).collect()
}
