//! Runs a [`Plan`] on the processor: matrix products, fused loops, reductions, threads.
//!
//! In: a plan, inputs, and the memory of the variables. Out: outputs in the [`Workspace`], new
//! values in the variables. What a run needs is resolved when the workspace is made, and addresses
//! when a memory lies elsewhere than in the run before; a run walks a list of steps and allocates
//! nothing.

mod address;
mod call;
mod copy;
mod cost;
mod estimate;
mod fused;
mod guard;
pub(crate) mod immediate;
mod independent;
mod laid_out;
pub mod matmul;
mod passes;
pub mod pool;
mod product;
mod row_parts;
mod run;
mod scan;
mod simulation;
mod update;
mod windowed;

use std::sync::Arc;

use crate::array::Array;
use crate::error::Error;
use crate::plan::{Action, BufferPlace, Plan};
use crate::simd::{Level, Memory};

use address::{Bases, Tiles};
use copy::ViewCopy;
use cost::Cost;
use estimate::step_cost;
use fused::{Body, Spread};
use guard::Guard;
use independent::{IndependentSteps, PlainStep};
pub use passes::ProcessorTuning;
use pool::Pool;
use product::Batch;
use run::{Run, Scratch};
use scan::Scan;
pub use simulation::Sharing;
use update::Update;
use windowed::Windowed;

/// What runs of a plan work with: the memory of intermediate values and outputs, and the steps
/// resolved for this processor.
pub struct Workspace {
    /// The arena, and after it those of the steps of loops; nothing where a loop's step is given
    /// its place by the plan around it.
    memory: Memory,
    /// The bytes that `memory` has, or that a loop's step is given.
    bytes: usize,
    /// Where the arenas of loops lie: they share the place, since one loop runs at a time.
    loops: usize,
    constants: Arc<Memory>,
    /// Single elements repeated to the length of a tile.
    tiles: Memory,
    /// Registers of loops and packed matrices, apart for each thread.
    scratch: Memory,
    /// The bytes of scratch of one thread.
    stride: usize,
    threads: usize,
    steps: Vec<ResolvedStep>,
    /// The number of the plan's steps.
    planned: usize,
    bases: Bases,
    /// Whether the steps know where the memories of the last run are.
    bound: bool,
    level: Level,
    /// For products of one task among several.
    alone: Pool,
}

/// A step as it is run.
enum ResolvedStep {
    /// Repeats a single computed element to a tile.
    Spread(Spread),
    Plain(PlainStep),
    /// Several that know nothing of each other.
    Independent(IndependentSteps),
    /// With the index of its step in the plan.
    Call(call::Call, usize),
    Guard(Guard),
    Update(Box<Update>),
    Windowed(Box<Windowed>),
    Scan(Box<Scan>),
}

/// The bytes of the memory that holds the variables.
pub enum VariableMemory<'a> {
    /// For plans that write none.
    Read(&'a [u8]),
    /// For all plans.
    Write(&'a mut [u8]),
}

impl Workspace {
    /// The workspace for a plan, for pools of up to `threads` threads.
    ///
    /// # Panics
    /// If the system does not give the memory.
    pub fn new(plan: &Plan, threads: usize) -> Self {
        constants(plan)
            .and_then(|constants| Self::try_new(plan, constants, threads))
            .expect("the system gives the memory of the plan")
    }

    /// As [`new`](Self::new), given the plan's [`constants`], unless the system does not give the
    /// memory.
    pub fn try_new(plan: &Plan, constants: Arc<Memory>, threads: usize) -> Option<Self> {
        let mut workspace = Self::try_within(plan, constants, threads)?;
        workspace.memory = Memory::try_zeroed(workspace.bytes)?;
        Some(workspace)
    }

    /// As [`try_new`](Self::try_new), for a plan that is run within another, which gives it the
    /// memory for its arena.
    fn try_within(plan: &Plan, constants: Arc<Memory>, threads: usize) -> Option<Self> {
        // An arena that cannot be counted is refused before steps are resolved to addresses within
        // it.
        let loops = plan.arena.checked_next_multiple_of(Memory::LINE)?;
        let level = Level::detect();
        let threads = threads.max(1);
        let mut tiles = Tiles::default();
        let mut steps: Vec<ResolvedStep> = Vec::with_capacity(plan.steps.len());
        let mut ranges = plan.independent.iter().peekable();
        // Steps of the range at hand, with what they cost.
        let mut members: Vec<(PlainStep, Cost)> = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let mut lowered = |body| {
                let (body, spreads) = Body::new(plan, body, level, &mut tiles);
                steps.extend(spreads.into_iter().map(ResolvedStep::Spread));
                body
            };
            let resolved = match &step.action {
                Action::Loop(body) => ResolvedStep::Plain(match ViewCopy::new(plan, body) {
                    Some(copy) => PlainStep::Copy(copy),
                    None => PlainStep::Loop(lowered(body)),
                }),
                Action::Product(product) => {
                    ResolvedStep::Plain(PlainStep::Product(Batch::new(plan, product)?))
                }
                Action::Call(call) => ResolvedStep::Call(call::Call::new(plan, call), index),
                Action::Guard(guard) => ResolvedStep::Guard(Guard::new(plan, guard)?),
                Action::Update(update) => {
                    let body = lowered(&update.body);
                    ResolvedStep::Update(Box::new(Update::new(plan, update, body)?))
                }
                Action::Windowed(windowed) => {
                    ResolvedStep::Windowed(Box::new(Windowed::new(plan, windowed)))
                }
                Action::Scan(scan) => ResolvedStep::Scan(Box::new(Scan::new(plan, scan, threads)?)),
            };
            match (resolved, ranges.peek()) {
                (ResolvedStep::Plain(step), Some(range)) if range.contains(&index) => {
                    let cost = step_cost(&plan.steps[index], &plan.buffers, level);
                    members.push((step, cost));
                    if members.len() == range.len() {
                        let members = std::mem::take(&mut members);
                        let independent = IndependentSteps::new(members, threads);
                        steps.push(ResolvedStep::Independent(independent));
                        ranges.next();
                    }
                }
                (resolved, _) => steps.push(resolved),
            }
        }
        assert!(members.is_empty(), "a range of steps that are no plain ones");
        let needed = |step: &ResolvedStep| match step {
            ResolvedStep::Plain(step) => step.scratch_bytes(),
            ResolvedStep::Independent(steps) => steps.scratch_bytes(),
            ResolvedStep::Guard(guard) => guard.scratch_bytes(),
            ResolvedStep::Update(update) => update.scratch_bytes(),
            ResolvedStep::Windowed(windowed) => windowed.scratch_bytes(),
            ResolvedStep::Spread(_) | ResolvedStep::Call(..) | ResolvedStep::Scan(_) => 0,
        };
        let partials = |step: &ResolvedStep| match step {
            ResolvedStep::Plain(step) => step.partial_bytes(),
            ResolvedStep::Independent(steps) => steps.partial_bytes(),
            ResolvedStep::Windowed(windowed) => windowed.partial_bytes(),
            _ => 0,
        };
        let of_loops = |step: &ResolvedStep| match step {
            ResolvedStep::Scan(scan) => scan.arena_bytes(),
            _ => Some(0),
        };
        let of_loops = steps.iter().map(of_loops).collect::<Option<Vec<_>>>()?;
        let bytes = loops.checked_add(of_loops.into_iter().max().unwrap_or(0))?;
        let stride = Memory::round_up(steps.iter().map(needed).max().unwrap_or(0));
        let partials = steps.iter().map(partials).max().unwrap_or(0);
        Some(Self {
            memory: Memory::default(),
            bytes,
            loops,
            constants,
            tiles: tiles.into_memory(),
            scratch: Memory::try_zeroed(stride.checked_mul(threads)?.checked_add(partials)?)?,
            stride,
            threads,
            bases: Bases::new(plan),
            bound: false,
            steps,
            planned: plan.steps.len(),
            level,
            alone: Pool::new(1),
        })
    }

    /// The threads that it has room for.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The bytes of an output of the last run, row-major.
    pub fn output(&self, plan: &Plan, index: usize) -> &[u8] {
        output(plan, self.memory.bytes(), index)
    }

    /// How many resolved steps do what the first `planned` steps of the plan say, at least.
    fn resolved_steps(&self, planned: usize) -> usize {
        let mut done = 0;
        let is_next = |step: &ResolvedStep| {
            let is_done = done >= planned && !matches!(step, ResolvedStep::Spread(_));
            done += match step {
                ResolvedStep::Spread(_) => 0,
                ResolvedStep::Independent(steps) => steps.members().len(),
                _ => 1,
            };
            is_done
        };
        self.steps.iter().position(is_next).unwrap_or(self.steps.len())
    }
}

/// The bytes of an output, row-major, in an arena.
pub fn output<'a>(plan: &Plan, arena: &'a [u8], index: usize) -> &'a [u8] {
    let output = &plan.outputs[index];
    let BufferPlace::Arena(start) = plan.buffers[output.buffer].place else {
        unreachable!("outputs lie in the arena")
    };
    let size = output.signature.dtype.bytes();
    &arena[start + output.offset * size..][..output.signature.shape.len() * size]
}

/// What is done in the middle of a run.
pub struct Pause<'a> {
    /// After how many steps of the plan.
    pub after: usize,
    /// Is given the arena.
    pub then: &'a mut dyn FnMut(&[u8]),
}

/// How a run goes from step to step.
enum Course<'a> {
    Straight,
    Pausing(Pause<'a>),
    /// One step after the other, each with its nanoseconds.
    Timed(&'a mut dyn FnMut(f64)),
}

/// Why a run did not happen.
#[derive(PartialEq, Debug)]
pub enum Failure {
    /// The value of the check with this index is not finite.
    NotFinite(usize),
    /// An effect failed.
    Effect(Error),
}

/// The memory of a plan's constants, for all of its workspaces, unless the system does not give it.
pub fn constants(plan: &Plan) -> Option<Arc<Memory>> {
    let mut memory = Memory::try_with_room(plan.constants.bytes)?;
    for (start, array) in &plan.constants.arrays {
        assert_eq!(memory.append(array.bytes()), *start, "the place of a constant");
    }
    Some(Arc::new(memory))
}

/// Runs a plan once. `offsets` are the bytes at which the variables start in their memory, in the
/// order of the graph.
///
/// If it fails, no variable has been touched.
///
/// # Panics
/// If the workspace is of another plan, or inputs or variables do not have the shapes and types
/// that the plan was made for.
pub fn run(
    plan: &Plan,
    workspace: &mut Workspace,
    inputs: &[&Array],
    variables: VariableMemory<'_>,
    offsets: &[usize],
    pool: &Pool,
) -> Result<(), Failure> {
    run_on_course(plan, workspace, inputs, variables, offsets, (pool, Course::Straight))
}

/// As [`run`](run()), with something done in the middle, if the run gets there.
///
/// # Panics
/// As [`run`](run()).
pub fn run_pausing(
    plan: &Plan,
    workspace: &mut Workspace,
    inputs: &[&Array],
    variables: VariableMemory<'_>,
    offsets: &[usize],
    (pool, pause): (&Pool, Pause<'_>),
) -> Result<(), Failure> {
    run_on_course(plan, workspace, inputs, variables, offsets, (pool, Course::Pausing(pause)))
}

/// As [`run`](run()), on the caller's thread alone, with the time of each step of the plan in
/// nanoseconds, in their order.
///
/// # Panics
/// As [`run`](run()).
pub fn run_timed(
    plan: &Plan,
    workspace: &mut Workspace,
    inputs: &[&Array],
    variables: VariableMemory<'_>,
    offsets: &[usize],
    tell: &mut dyn FnMut(f64),
) -> Result<(), Failure> {
    let how = (&Pool::new(1), Course::Timed(tell));
    run_on_course(plan, workspace, inputs, variables, offsets, how)
}

fn run_on_course(
    plan: &Plan,
    workspace: &mut Workspace,
    inputs: &[&Array],
    variables: VariableMemory<'_>,
    offsets: &[usize],
    (pool, course): (&Pool, Course<'_>),
) -> Result<(), Failure> {
    assert_eq!(plan.steps.len(), workspace.planned, "a workspace of another plan");
    let threads = pool.threads().min(workspace.threads);
    workspace.bases.set(plan, inputs, variables, offsets);
    let arena = workspace.memory.bytes_mut().as_mut_ptr();
    // SAFETY: `set` has checked that inputs and variables are as large as the plan says, and the
    // plan's places lie within them and the arena; no size, offset or stride among them has
    // wrapped, since `Plan::build` demands possible shapes and an arena whose bytes would not fit
    // has not been given. Whoever holds `VariableMemory` and the workspace holds them alone, or
    // only to read.
    unsafe { run_steps(plan, workspace, arena, (pool, threads), course) }
}

/// Runs the steps of a plan on inputs and variables that the workspace knows the places of.
///
/// # Safety
/// They are as large as the plan says, `arena` starts a line and has the workspace's `bytes`, and
/// nobody else writes what is read or touches what is written meanwhile.
unsafe fn run_steps(
    plan: &Plan,
    workspace: &mut Workspace,
    arena: *mut u8,
    (pool, threads): (&Pool, usize),
    course: Course<'_>,
) -> Result<(), Failure> {
    workspace.bases.set_own(arena, &mut workspace.tiles, &workspace.constants);
    let loops = arena.wrapping_add(workspace.loops);
    // Not so if what follows panics.
    let bound = std::mem::take(&mut workspace.bound);
    let moved = workspace.bases.take_moved();
    let scratch = Scratch {
        start: workspace.scratch.bytes_mut().as_mut_ptr(),
        stride: workspace.stride,
        partials: workspace.stride * workspace.threads,
    };
    // What loops are bound to are addresses within it.
    scratch.start.expose_provenance();
    if moved || !bound {
        for step in &mut workspace.steps {
            match step {
                ResolvedStep::Plain(step) => step.bind(&workspace.bases, scratch),
                ResolvedStep::Independent(steps) => steps.bind(&workspace.bases, scratch),
                ResolvedStep::Update(update) => update.bind(&workspace.bases, scratch),
                ResolvedStep::Spread(_)
                | ResolvedStep::Call(..)
                | ResolvedStep::Guard(_)
                | ResolvedStep::Windowed(_)
                | ResolvedStep::Scan(_) => {}
            }
        }
    }
    workspace.bound = true;
    let middle = match &course {
        Course::Pausing(pause) => workspace.resolved_steps(pause.after),
        Course::Straight | Course::Timed(_) => 0,
    };
    let (bases, level, alone) = (&workspace.bases, workspace.level, &workspace.alone);
    let run = Run { bases, scratch, level, threads, thread: 0, pool, alone };
    // Whether the guard has computed the products of updates.
    let mut computed = false;
    let (first, rest) = workspace.steps.split_at_mut(middle);
    // SAFETY: as the caller promises; the arena has as many bytes, and no step runs in a pause.
    unsafe {
        match course {
            Course::Straight => {}
            Course::Pausing(pause) => {
                run_some(plan, first, &run, loops, &mut computed)?;
                (pause.then)(std::slice::from_raw_parts(arena, workspace.bytes));
            }
            Course::Timed(tell) => {
                return simulation::run_timed(plan, rest, &run, (loops, &mut computed), tell);
            }
        }
        run_some(plan, rest, &run, loops, &mut computed)
    }
}

/// Runs some of the steps of a plan, one after the other; `computed` says whether the guard has
/// computed the products of updates.
///
/// # Safety
/// As for [`run_steps`]; `loops` is where the arenas of loops lie.
unsafe fn run_some(
    plan: &Plan,
    steps: &mut [ResolvedStep],
    run: &Run<'_>,
    loops: *mut u8,
    computed: &mut bool,
) -> Result<(), Failure> {
    for step in steps {
        // SAFETY: as the caller promises.
        unsafe {
            match step {
                ResolvedStep::Spread(spread) => spread.run(run.bases),
                ResolvedStep::Plain(step) => step.run(run),
                ResolvedStep::Independent(steps) => steps.run(run),
                ResolvedStep::Call(call, index) => {
                    call.run(run, &plan.steps[*index].action).map_err(Failure::Effect)?;
                }
                ResolvedStep::Guard(guard) => {
                    *computed = guard.run(run).map_err(Failure::NotFinite)?
                }
                ResolvedStep::Update(update) => update.run(run, *computed),
                ResolvedStep::Windowed(windowed) => windowed.run(run),
                ResolvedStep::Scan(scan) => scan.run(run, loops)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
