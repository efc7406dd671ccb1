//! Steps that know nothing of each other, each on one thread; and what such a step is.
//!
//! In: loops, copies and products, with what they cost, and the number of threads. Out: their
//! results, which are the same as those of one step after the other.

use super::address::Bases;
use super::copy::ViewCopy;
use super::cost::Cost;
use super::fused::Body;
use super::product::Batch;
use super::{Run, Scratch};

/// A step that several threads can run at once with others.
pub enum PlainStep {
    Copy(ViewCopy),
    Loop(Body),
    Product(Batch),
}

impl PlainStep {
    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        match self {
            Self::Copy(_) => 0,
            Self::Loop(body) => body.scratch_bytes(),
            Self::Product(batch) => batch.scratch_bytes(),
        }
    }

    /// The bytes of scratch that all threads share.
    pub fn partial_bytes(&self) -> usize {
        match self {
            Self::Loop(body) => body.partial_bytes(),
            Self::Copy(_) | Self::Product(_) => 0,
        }
    }

    /// In how many parts threads can share it, at most.
    pub fn parts(&self) -> usize {
        match self {
            Self::Copy(copy) => copy.tasks(),
            Self::Loop(body) => body.chunks(),
            Self::Product(batch) => batch.parts(),
        }
    }

    /// Finds where everything lies in the memories of the runs that follow.
    pub fn bind(&mut self, bases: &Bases, scratch: Scratch) {
        if let Self::Loop(body) = self {
            body.bind(bases, scratch);
        }
    }

    /// Runs the step.
    ///
    /// # Safety
    /// It is bound to the memories of the run; the addresses hold what the plan says, and nobody
    /// else writes what it reads or touches what it writes meanwhile.
    pub unsafe fn run(&self, run: &Run) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::Copy(copy) => copy.run(run),
                Self::Loop(body) => body.run(run),
                Self::Product(batch) => batch.run(run),
            }
        }
    }
}

/// Steps that know nothing of each other, the longest first.
pub struct IndependentSteps {
    members: Box<[PlainStep]>,
    /// Where the partial results of each start among those of all, in bytes.
    partials: Box<[usize]>,
    /// As many threads as are done soonest; one if each step is better shared among all.
    team: usize,
}

impl IndependentSteps {
    /// The steps with what they cost, for up to `threads` threads.
    pub fn new(members: Vec<(PlainStep, Cost)>, threads: usize) -> Self {
        let costs: Vec<Cost> = members.iter().map(|&(_, cost)| cost).collect();
        let members: Box<[PlainStep]> = members.into_iter().map(|(step, _)| step).collect();
        let mut end = 0;
        let start = |step: &PlainStep| {
            let start = end;
            end += step.partial_bytes();
            start
        };
        let partials = members.iter().map(start).collect();
        Self { members, partials, team: soonest_team(&costs, threads) }
    }

    /// Has them run at once by as many threads, whatever it is worth.
    #[cfg(test)]
    pub fn insist(&mut self, threads: usize) {
        self.team = threads.min(self.members.len());
    }

    /// The steps.
    pub fn members(&self) -> &[PlainStep] {
        &self.members
    }

    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        self.members.iter().map(PlainStep::scratch_bytes).max().unwrap_or(0)
    }

    /// The bytes of scratch that all threads share.
    pub fn partial_bytes(&self) -> usize {
        self.members.iter().map(PlainStep::partial_bytes).sum()
    }

    /// How long they take all at once where they take one thread these times, if that is how they
    /// are run.
    pub fn at_once(&self, times: &[Cost]) -> Option<Cost> {
        (self.team > 1).then(|| time_on(times, self.team))
    }

    /// As for one step.
    pub fn bind(&mut self, bases: &Bases, scratch: Scratch) {
        for step in &mut self.members {
            step.bind(bases, scratch);
        }
    }

    /// Runs the steps.
    ///
    /// # Safety
    /// As for each of them; none writes what another reads or writes.
    pub unsafe fn run(&self, run: &Run) {
        if self.team < 2 || run.threads < self.team {
            for step in &self.members {
                // SAFETY: as the caller promises.
                unsafe { step.run(run) }
            }
            return;
        }
        run.share_on(self.team, self.members.len(), |thread, step| {
            let partials = run.scratch.partials + self.partials[step];
            let scratch = Scratch { partials, ..run.scratch };
            let alone = Run { threads: 1, thread, scratch, pool: run.alone, ..*run };
            // SAFETY: as the caller promises; each thread has scratch of its own, and each step
            // room for its partial results.
            unsafe { self.members[step].run(&alone) }
        });
    }
}

/// As many threads as do steps of these costs soonest, each step on one of them; one if all threads
/// are done sooner with one step after the other.
fn soonest_team(costs: &[Cost], threads: usize) -> usize {
    let in_turn: Cost = costs.iter().map(|cost| cost.on(cost.team(threads))).sum();
    let teams = (2..=threads.min(costs.len())).map(|team| (time_on(costs, team), team));
    let soonest = teams.min_by(|(one, _), (other, _)| one.order(other));
    soonest.filter(|(time, _)| time.order(&in_turn).is_lt()).map_or(1, |(_, team)| team)
}

/// How long as many threads take, each of which takes one step after the other.
fn time_on(costs: &[Cost], team: usize) -> Cost {
    let mut ends = vec![Cost::default(); team];
    for &cost in costs {
        let first = ends.iter_mut().min_by(|one, other| one.order(other)).expect("a thread");
        *first = *first + cost;
    }
    ends.into_iter().fold(Cost::default(), Cost::max) + Cost::of_team(team)
}
