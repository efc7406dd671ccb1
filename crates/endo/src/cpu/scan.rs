//! Runs loops over steps: a plan of its own, once for each step.
//!
//! In: a loop of the plan. Out: its last states, and what the steps give, each at its position. The
//! elements of sequences are read where they lie, and what steps give is written where it stays.
//! Matrices that all steps multiply by are laid out for that once.

use std::sync::Arc;

use crate::plan::{Argument, BufferPlace, LoopOverSteps, LoopState, Plan};
use crate::simd::Memory;

use super::address::{Address, Bases};
use super::laid_out::{LaidOut, laid_out};
use super::{Failure, Run, Workspace, constants};

/// A loop with its addresses, and what its steps work with.
pub struct Scan {
    body: Arc<Plan>,
    workspace: Workspace,
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
    /// Where a step finds its position, and in another line says whether there is a next one.
    own: Memory,
}

/// A state, in two places: steps read one and write the other.
struct State {
    first: Address,
    last: Address,
    other: Memory,
    bytes: usize,
    /// The output of a step that is the next state.
    next: usize,
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
        let workspace = Workspace::try_new(&body, constants(&body)?, threads)?;
        let output_bytes = |index: usize| {
            let signature = &body.outputs[index].signature;
            signature.shape.len() * signature.dtype.bytes()
        };
        let state = |(index, state): (usize, &LoopState)| {
            Some(State {
                first: address(&state.first),
                last: Address::new(plan, state.last, 0),
                other: Memory::try_zeroed(bytes(&state.first))?,
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
            workspace,
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
            own: Memory::try_zeroed(2 * Memory::LINE)?,
            body,
        })
    }

    /// Runs all steps.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes what is read or touches what is
    /// written meanwhile.
    pub unsafe fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let outer = run.bases;
        let mut steps = self.steps;
        if let Some(count) = self.count {
            // SAFETY: the plan says that a number is there.
            let count = unsafe { outer.at(count).cast::<i32>().read() };
            steps = steps.min(usize::try_from(count).unwrap_or(0));
        }
        // SAFETY: as the caller promises.
        unsafe { self.begin(outer) };
        let mut done = 0;
        while done < steps {
            let position = if self.backwards { steps - 1 - done } else { done };
            // SAFETY: as the caller promises.
            unsafe { self.step(run, position, done % 2 == 1)? };
            done += 1;
            if self.conditional && self.own.bytes()[Memory::LINE] == 0 {
                break;
            }
        }
        // SAFETY: the buffers are as long as the plan says, and the positions from `done` on have
        // not been written: only loops that go forwards end before their last step.
        unsafe {
            for state in self.states.iter().filter(|_| done % 2 == 1) {
                let last = state.other.bytes().as_ptr();
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

    /// Puts the first states where steps find them, and tells the body where all else lies.
    ///
    /// # Safety
    /// As for `run`.
    unsafe fn begin(&mut self, outer: &Bases) {
        let bases = &mut self.workspace.bases;
        bases.set_input(0, self.own.bytes_mut().as_mut_ptr());
        for state in &self.states {
            let (first, last) = (outer.at(state.first), outer.at(state.last));
            // SAFETY: both have as many bytes, in places of their own.
            unsafe { std::ptr::copy_nonoverlapping(first.cast_const(), last, state.bytes) };
        }
        let first = 1 + self.states.len() + self.sequences.len();
        for (index, &address) in self.captured.iter().enumerate() {
            bases.set_input(first + index, outer.at(address));
        }
        for (index, matrix) in self.matrices.iter_mut().enumerate() {
            let from = outer.at(self.captured[matrix.captured]).cast_const();
            // SAFETY: what is captured is as large as the plan says.
            let matrix = unsafe { matrix.lay_out(from) };
            bases.set_input(first + self.captured.len() + index, matrix);
        }
    }

    /// Runs one step, which reads its states in the second of their places if `swapped`.
    ///
    /// # Safety
    /// As for `run`, after `begin`.
    unsafe fn step(&mut self, run: &Run, position: usize, swapped: bool) -> Result<(), Failure> {
        let outer = run.bases;
        let own = self.own.bytes_mut();
        own[..size_of::<i32>()].copy_from_slice(&(position as i32).to_ne_bytes());
        let goes_on = own[Memory::LINE..].as_mut_ptr();
        let bases = &mut self.workspace.bases;
        if self.conditional {
            bases.set_output(&self.body, 0, goes_on);
        }
        for (index, state) in self.states.iter_mut().enumerate() {
            let mut places = [outer.at(state.last), state.other.bytes_mut().as_mut_ptr()];
            if swapped {
                places.reverse();
            }
            bases.set_input(1 + index, places[0]);
            bases.set_output(&self.body, state.next, places[1]);
        }
        for (index, &(start, bytes)) in self.sequences.iter().enumerate() {
            let element = outer.at(start).wrapping_add(position * bytes);
            bases.set_input(1 + self.states.len() + index, element);
        }
        for &Stacked { to, bytes, output } in &self.stacked {
            bases.set_output(&self.body, output, outer.at(to).wrapping_add(position * bytes));
        }
        // SAFETY: inputs lie where the plan of the step expects them, and outputs have places of
        // their own, which are as large as the outer plan says.
        unsafe {
            super::run_steps(&self.body, &mut self.workspace, run.pool, run.threads)?;
            self.workspace.bring_out(&self.body);
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
                let bytes = self.output(plan, index);
                let to = self.bases.output(plan, index);
                // SAFETY: as the caller promises.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
            }
        }
    }
}
