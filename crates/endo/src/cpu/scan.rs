//! Runs loops over steps: a plan of its own, once for each step.
//!
//! In: a loop of the plan. Out: its last states, and what the steps give, each at its position. The
//! elements of sequences are read where they lie, and what steps give is written where it stays.
//! Matrices that all steps multiply by are laid out for that once. Threads share steps that know
//! nothing of each other, parts of the rows of those that treat each row by itself, and else each
//! step. The arena of a step lies in the memory of the plan around it, where all loops have theirs,
//! one at a time; every part of the rows has room for all.

use std::sync::{Arc, Mutex};

use crate::plan::{Argument, BufferPlace, LoopOverSteps, LoopState, Plan, Signature};
use crate::simd::{Level, Memory};

use super::address::{Address, Bases};
use super::cost::Cost;
use super::estimate::scan_cost;
use super::laid_out::{LaidOut, laid_out};
use super::pool::Pool;
use super::row_parts::row_parts;
use super::{Course, Failure, Run, Workspace, constants};

/// A loop with its addresses, and what its steps work with.
pub struct Scan {
    /// One for each thread where steps know nothing of each other, one for each part where rows do
    /// not; else one.
    workers: Box<[Worker]>,
    /// Whether steps know nothing of each other.
    apart: bool,
    /// In how many parts the rows are cut.
    parts: usize,
    /// Of all steps.
    cost: Cost,
    steps: usize,
    backwards: bool,
    /// Whether the first output of a step says if there is a next one.
    conditional: bool,
    count: Option<Address>,
    done: Option<Address>,
    states: Box<[State]>,
    /// Where the first element of each sequence lies, and the bytes of an element.
    sequences: Box<[(Address, usize)]>,
    captured: Box<[Address]>,
    /// Matrices among what is captured, as steps multiply by them.
    matrices: Box<[LaidOut]>,
    stacked: Box<[Stacked]>,
}

/// What one step at a time works with.
struct Worker {
    /// What a step does, to all rows or to a part of them.
    body: Arc<Plan>,
    workspace: Workspace,
    /// Which of the parts.
    part: usize,
    /// Where a step finds its position, and in another line says whether there is a next one.
    own: Memory,
    /// Where the arena of the step lies, as an exposed address.
    arena: usize,
}

/// Workers of which each thread uses its own.
struct Workers(*mut Worker);

// SAFETY: no two threads use one of them.
unsafe impl Sync for Workers {}

impl Workers {
    fn of(&self, index: usize) -> *mut Worker {
        self.0.wrapping_add(index)
    }
}

/// A state, in two places: steps read one and write the other.
struct State {
    first: Address,
    last: Address,
    other: Memory,
    /// Where the other place starts while the loop runs, as an exposed address.
    start: usize,
    bytes: usize,
    /// The output of a step that is the next state.
    next: usize,
}

impl State {
    /// The second place.
    fn other(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.start)
    }
}

/// What each step gives, one after the other.
struct Stacked {
    to: Address,
    /// The bytes of what one step gives.
    bytes: usize,
    /// The output of a step that it is.
    output: usize,
}

impl Scan {
    /// Resolves a loop of the plan, unless the system does not give the memory for its steps.
    pub fn new(plan: &Plan, scan: &LoopOverSteps, threads: usize) -> Option<Self> {
        let address = |argument: &Argument| Address::new(plan, argument.buffer, argument.offset);
        let bytes = |argument: &Argument| {
            argument.shape.len() * plan.buffers[argument.buffer].dtype.bytes()
        };
        let first = usize::from(scan.conditional);
        let captured = 1 + scan.states.len() + scan.sequences.len();
        let (body, matrices) = laid_out(&scan.body, captured, scan.steps)?;
        let numbers = constants(&body)?;
        let apart = scan.states.is_empty() && !scan.conditional && scan.steps > 1;
        let rows = scan.states.first().and_then(|state| state.first.shape.first().copied());
        let by_rows = rows
            .filter(|_| scan.steps > 1 && !scan.conditional)
            .and_then(|rows| row_parts(&body, scan.states.len(), rows, threads));
        let (bodies, threads): (Box<[Arc<Plan>]>, usize) = match by_rows {
            Some(bodies) => (bodies, 1),
            None if apart => (vec![body.clone(); threads].into(), 1),
            None => ([body.clone()].into(), threads),
        };
        let worker = |(part, body): (usize, Arc<Plan>)| {
            Some(Worker {
                workspace: Workspace::try_within(&body, numbers.clone(), threads)?,
                part: if apart { 0 } else { part },
                own: Memory::try_zeroed(2 * Memory::LINE)?,
                arena: 0,
                body,
            })
        };
        let output_bytes = |index: usize| {
            let signature = &body.outputs[index].signature;
            signature.shape.len() * signature.dtype.bytes()
        };
        let state = |(index, state): (usize, &LoopState)| {
            Some(State {
                first: address(&state.first),
                last: Address::new(plan, state.last, 0),
                other: Memory::try_zeroed(bytes(&state.first))?,
                start: 0,
                bytes: bytes(&state.first),
                next: first + index,
            })
        };
        let stacked = |(index, &buffer): (usize, &usize)| {
            let output = first + scan.states.len() + index;
            Stacked { to: Address::new(plan, buffer, 0), bytes: output_bytes(output), output }
        };
        let sequence = |argument: &Argument| {
            let steps = argument.shape.batch().max(1);
            (address(argument), bytes(argument) / steps)
        };
        Some(Self {
            parts: if apart { 1 } else { bodies.len() },
            cost: scan_cost(scan, Level::detect()),
            workers: bodies.into_iter().enumerate().map(worker).collect::<Option<_>>()?,
            apart,
            steps: scan.steps,
            backwards: scan.backwards,
            conditional: scan.conditional,
            count: scan.count.as_ref().map(address),
            done: scan.done.map(|buffer| Address::new(plan, buffer, 0)),
            states: scan.states.iter().enumerate().map(state).collect::<Option<_>>()?,
            sequences: scan.sequences.iter().map(sequence).collect(),
            captured: scan.captured.iter().map(address).collect(),
            matrices,
            stacked: scan.stacked.iter().enumerate().map(stacked).collect(),
        })
    }

    /// The bytes of the arenas of its steps, as many as run at a time; none if there are more than
    /// can be counted.
    pub fn arena_bytes(&self) -> Option<usize> {
        self.workers[0].workspace.bytes.checked_mul(self.workers.len())
    }

    /// In how many parts threads can share it; nothing if they share each step.
    pub fn tasks(&self) -> Option<usize> {
        let parts = if self.apart { self.steps } else { self.parts };
        (self.workers.len() > 1).then_some(parts)
    }

    /// The plan of a step, or of a part of its rows, and what its runs work with.
    pub fn plan_of_step(&self) -> (&Plan, &Workspace) {
        (&self.workers[0].body, &self.workers[0].workspace)
    }

    /// Runs all steps, whose arenas lie one after the other from `arenas` on.
    ///
    /// # Safety
    /// The addresses hold what the plan says, and `arenas` starts a line of
    /// [`arena_bytes`](Self::arena_bytes); nobody else writes what is read or touches what is
    /// written meanwhile.
    pub unsafe fn run(&mut self, run: &Run, arenas: *mut u8) -> Result<(), Failure> {
        let outer = run.bases;
        let mut steps = self.steps;
        if let Some(count) = self.count {
            // SAFETY: the plan says that a number is there.
            let count = unsafe { outer.at(count).cast::<i32>().read() };
            steps = steps.min(usize::try_from(count).unwrap_or(0));
        }
        // SAFETY: as the caller promises.
        unsafe { self.begin(outer, arenas) };
        // SAFETY: as the caller promises.
        let done = unsafe {
            if self.workers.len() > 1 {
                self.share(run, steps)?;
                steps
            } else {
                let worker = &raw mut self.workers[0];
                self.each(&mut *worker, run, (run.pool, run.threads), steps)?
            }
        };
        // SAFETY: the buffers are as long as the plan says, and the positions from `done` on have
        // not been written: only loops that go forwards end before their last step.
        unsafe {
            for state in self.states.iter().filter(|_| done % 2 == 1) {
                let last = state.other().cast_const();
                std::ptr::copy_nonoverlapping(last, outer.at(state.last), state.bytes);
            }
            for &Stacked { to, bytes, .. } in &self.stacked {
                outer.at(to).wrapping_add(done * bytes).write_bytes(0, (self.steps - done) * bytes);
            }
            if let Some(address) = self.done {
                outer.at(address).cast::<i32>().write(i32::try_from(done).unwrap_or(i32::MAX));
            }
        }
        Ok(())
    }

    /// Runs one step after the other, and returns how many there were.
    ///
    /// # Safety
    /// As for `run`, after `begin`; nobody else uses the worker.
    unsafe fn each(
        &self,
        worker: &mut Worker,
        run: &Run,
        threads: (&Pool, usize),
        steps: usize,
    ) -> Result<usize, Failure> {
        let mut done = 0;
        while done < steps {
            let position = if self.backwards { steps - 1 - done } else { done };
            // SAFETY: as the caller promises; there is one step at a time.
            unsafe { self.step(worker, run, threads, position, done % 2 == 1)? };
            done += 1;
            if self.conditional && worker.own.bytes()[Memory::LINE] == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Runs steps that know nothing of each other, or all steps of parts of the rows, shared among
    /// threads.
    ///
    /// # Safety
    /// As for `run`, after `begin`.
    unsafe fn share(&mut self, run: &Run, steps: usize) -> Result<(), Failure> {
        let workers = Workers(self.workers.as_mut_ptr());
        let failed = Mutex::new(None);
        let this = &*self;
        assert!(!self.apart || run.threads <= self.workers.len(), "a worker for each thread");
        let tasks = if self.apart { steps } else { self.parts };
        run.share(this.cost, tasks, |thread, task| {
            let alone = (run.alone, 1);
            // SAFETY: each thread, or each part, has a worker of its own, and steps and parts write
            // apart.
            let result = unsafe {
                if this.apart {
                    this.step(&mut *workers.of(thread), run, alone, task, false)
                } else {
                    this.each(&mut *workers.of(task), run, alone, steps).map(|_| ())
                }
            };
            if let Err(failure) = result {
                failed
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .get_or_insert(failure);
            }
        });
        let failed = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        failed.map_or(Ok(()), Err)
    }

    /// Puts the first states where steps find them, and tells the body where all else lies.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn begin(&mut self, outer: &Bases, arenas: *mut u8) {
        for state in &mut self.states {
            state.start = state.other.bytes_mut().as_mut_ptr().expose_provenance();
            let (first, last) = (outer.at(state.first), outer.at(state.last));
            // SAFETY: both have as many bytes, in places of their own.
            unsafe { std::ptr::copy_nonoverlapping(first.cast_const(), last, state.bytes) };
        }
        let first = 1 + self.states.len() + self.sequences.len();
        let mut next = arenas;
        for Worker { workspace, own, arena, .. } in &mut self.workers {
            *arena = next.expose_provenance();
            next = next.wrapping_add(workspace.bytes);
            workspace.bases.set_input(0, own.bytes_mut().as_mut_ptr());
            for (index, &address) in self.captured.iter().enumerate() {
                workspace.bases.set_input(first + index, outer.at(address));
            }
        }
        for (index, matrix) in self.matrices.iter_mut().enumerate() {
            let from = outer.at(self.captured[matrix.captured]).cast_const();
            // SAFETY: what is captured is as large as the plan says.
            let matrix = unsafe { matrix.lay_out(from) };
            for Worker { workspace, .. } in &mut self.workers {
                workspace.bases.set_input(first + self.captured.len() + index, matrix);
            }
        }
    }

    /// Runs one step, which reads its states in the second of their places if `swapped`.
    ///
    /// # Safety
    /// As for `run`, after `begin`; nobody else uses the worker.
    unsafe fn step(
        &self,
        Worker { body, workspace, part, own, arena }: &mut Worker,
        run: &Run,
        (pool, threads): (&Pool, usize),
        position: usize,
        swapped: bool,
    ) -> Result<(), Failure> {
        let outer = run.bases;
        let own = own.bytes_mut();
        own[..size_of::<i32>()].copy_from_slice(&(position as i32).to_ne_bytes());
        let goes_on = own[Memory::LINE..].as_mut_ptr();
        let bases = &mut workspace.bases;
        // Where the rows of the part start in something of all rows.
        let first_row = |bytes: usize| *part * (bytes / self.parts);
        if self.conditional {
            bases.set_output(body, 0, goes_on);
        }
        for (index, state) in self.states.iter().enumerate() {
            let mut places = [outer.at(state.last), state.other()];
            if swapped {
                places.reverse();
            }
            let places = places.map(|place| place.wrapping_add(first_row(state.bytes)));
            bases.set_input(1 + index, places[0]);
            bases.set_output(body, state.next, places[1]);
        }
        for (index, &(start, bytes)) in self.sequences.iter().enumerate() {
            let element = outer.at(start).wrapping_add(position * bytes);
            bases.set_input(1 + self.states.len() + index, element);
        }
        for &Stacked { to, bytes, output } in &self.stacked {
            let start = position * bytes + first_row(bytes);
            bases.set_output(body, output, outer.at(to).wrapping_add(start));
        }
        // SAFETY: inputs lie where the plan of the step expects them, and outputs have places of
        // their own, which are as large as the outer plan says.
        unsafe {
            let arena = std::ptr::with_exposed_provenance_mut(*arena);
            super::run_steps(body, workspace, arena, (pool, threads), Course::Straight)?;
            workspace.bring_out(body);
        }
        Ok(())
    }
}

impl Workspace {
    /// Copies the outputs that a run has left in the arena to the places that were told.
    ///
    /// # Safety
    /// These are as large as the plan says, and lie outside of the arena.
    unsafe fn bring_out(&self, plan: &Plan) {
        for (index, output) in plan.outputs.iter().enumerate() {
            if let BufferPlace::Arena(_) = plan.buffers[output.buffer].place {
                let from = self.bases.at(Address::new(plan, output.buffer, output.offset));
                let Signature { shape, dtype } = &output.signature;
                let to = self.bases.output(plan, index);
                // SAFETY: as the caller promises.
                unsafe {
                    let bytes = shape.len() * dtype.bytes();
                    std::ptr::copy_nonoverlapping(from.cast_const(), to, bytes);
                }
            }
        }
    }
}
