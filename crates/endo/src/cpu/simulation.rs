//! How long a run takes on a number of threads that this machine may not have.
//!
//! In: how long one thread took for each step, and a workspace for that number of threads, which
//! knows how its steps are shared. Out: the time of a run, if each core is as fast as the one that
//! was measured, and memory gives each as much as it gave that one: what does not fit in caches
//! takes longer. What sharing costs is taken from [`Cost`], and products count as shared once.

use std::time::Instant;

use crate::plan::{Plan, PlanStep};

use super::cost::Cost;
use super::estimate::step_cost;
use super::independent::{IndependentSteps, PlainStep};
use super::scan::Scan;
use super::{Failure, ResolvedStep, Run, Workspace};

/// Which threads run a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// All of them, whatever it is worth.
    All,
    /// As many as it is worth.
    Worth,
    /// As many as it is worth, and steps that know nothing of each other are run at once: what
    /// [`run`](super::run()) does.
    AtOnce,
}

/// The time that one thread took for a step, and the time by which the runner decides.
type Times = (Cost, Cost);

impl Workspace {
    /// The nanoseconds of a run on all of the workspace's threads, where one thread takes `times`
    /// for each of the plan's steps.
    ///
    /// # Panics
    /// If there is no time for each step, or the plan is another one.
    pub fn simulated(&self, plan: &Plan, times: &[f64], sharing: Sharing) -> f64 {
        assert_eq!((times.len(), self.planned), (plan.steps.len(), plan.steps.len()));
        let measured = times.iter().copied().map(Cost::of_nanoseconds);
        let mut times = measured.zip(self.estimated(plan));
        let time = |step| self.time(step, &mut times, sharing);
        self.steps.iter().map(time).sum::<Cost>().nanoseconds()
    }

    /// What each step is thought to cost.
    fn estimated(&self, plan: &Plan) -> impl Iterator<Item = Cost> {
        let of = |step: &PlanStep| step_cost(step, &plan.buffers, self.level);
        plan.steps.iter().map(of)
    }

    /// The time of a step, or of several at once, which takes theirs from `times`.
    fn time(
        &self,
        step: &ResolvedStep,
        times: &mut impl Iterator<Item = Times>,
        sharing: Sharing,
    ) -> Cost {
        let mut shared = |parts| self.shared(next(times), parts, sharing);
        match step {
            // Its time is in that of the step that it is for.
            ResolvedStep::Spread(_) => Cost::default(),
            ResolvedStep::Plain(step) => shared(step.parts()),
            ResolvedStep::Call(call, _) => shared(call.tasks()),
            ResolvedStep::Windowed(step) if step.team(self.level, self.threads) > 1 => {
                shared(step.tasks())
            }
            ResolvedStep::Windowed(_) | ResolvedStep::Guard(_) | ResolvedStep::Update(_) => {
                shared(usize::MAX)
            }
            ResolvedStep::Scan(scan) => match scan.tasks() {
                Some(tasks) => shared(tasks),
                None => self.steps_of(scan, next(times), sharing),
            },
            ResolvedStep::Independent(steps) => self.independent(steps, times, sharing),
        }
    }

    /// The time of a step that can be cut in `parts`.
    fn shared(&self, (time, estimated): Times, parts: usize, sharing: Sharing) -> Cost {
        let team = match sharing {
            Sharing::All => self.threads,
            Sharing::Worth | Sharing::AtOnce => estimated.team(self.threads),
        };
        let team = team.min(parts);
        if team < 2 {
            return time;
        }
        // That of the thread which has the most parts.
        time.scaled(parts.div_ceil(team) as f64 / parts as f64) + Cost::of_team(team)
    }

    fn independent(
        &self,
        steps: &IndependentSteps,
        times: &mut impl Iterator<Item = Times>,
        sharing: Sharing,
    ) -> Cost {
        let times: Vec<Times> = steps.members().iter().map(|_| next(times)).collect();
        let measured: Vec<Cost> = times.iter().map(|&(time, _)| time).collect();
        match steps.at_once(&measured).filter(|_| sharing == Sharing::AtOnce) {
            Some(time) => time,
            None => {
                let parts = steps.members().iter().map(PlainStep::parts);
                times.into_iter().zip(parts).map(|(time, of)| self.shared(time, of, sharing)).sum()
            }
        }
    }

    /// The time of a loop that runs one step after the other, by how much shorter its steps are
    /// thought to be on all threads.
    fn steps_of(&self, scan: &Scan, (time, _): Times, sharing: Sharing) -> Cost {
        let (plan, steps) = scan.plan_of_step();
        let alone: Vec<f64> = steps.estimated(plan).map(Cost::nanoseconds).collect();
        let sum: f64 = alone.iter().sum();
        if sum > 0.0 { time.scaled(steps.simulated(plan, &alone, sharing) / sum) } else { time }
    }
}

/// Runs steps one after the other, and tells how long each of the plan's took.
///
/// # Safety
/// As for [`run_some`](super::run_some).
pub(super) unsafe fn run_timed(
    plan: &Plan,
    steps: &mut [ResolvedStep],
    run: &Run<'_>,
    (loops, computed): (*mut u8, &mut bool),
    tell: &mut dyn FnMut(f64),
) -> Result<(), Failure> {
    let mut start = Instant::now();
    let mut tell = || {
        tell(start.elapsed().as_secs_f64() * 1e9);
        start = Instant::now();
    };
    for step in steps {
        // SAFETY: as the caller promises.
        unsafe {
            if let ResolvedStep::Independent(steps) = step {
                for step in steps.members() {
                    step.run(run);
                    tell();
                }
                continue;
            }
            super::run_some(plan, std::slice::from_mut(step), run, loops, computed)?;
        }
        if !matches!(step, ResolvedStep::Spread(_)) {
            tell();
        }
    }
    Ok(())
}

fn next(times: &mut impl Iterator<Item = Times>) -> Times {
    times.next().expect("a time for each step")
}
