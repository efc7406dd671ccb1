//! Runs loops over steps: a plan of its own, once for each step.
//!
//! In: a loop of the plan. Out: its last states, and what the steps give, each at its position. The
//! elements of sequences are read where they lie.

use std::sync::Arc;

use crate::plan::{Argument, LoopOverSteps, LoopState, Plan};
use crate::simd::Memory;

use super::address::{Address, Bases};
use super::{Failure, Run, Workspace, constants};

/// A loop with its addresses, and what its steps work with.
pub struct Scan {
    body: Arc<Plan>,
    workspace: Workspace,
    steps: usize,
    backwards: bool,
    /// The first output of a step, if that says whether there is a next one.
    goes_on: Option<usize>,
    count: Option<Address>,
    done: Option<Address>,
    states: Box<[State]>,
    /// Where the first element of each sequence lies, and the bytes of an element.
    sequences: Box<[(Address, usize)]>,
    captured: Box<[Address]>,
    stacked: Box<[Stacked]>,
    /// Where a step finds its position.
    position: Memory,
}

/// A state, as large as the others of its place.
struct State {
    first: Address,
    last: Address,
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
        let body = scan.body.clone();
        let workspace = Workspace::try_new(&body, constants(&body)?, threads)?;
        let first = usize::from(scan.conditional);
        let address = |argument: &Argument| Address::new(plan, argument.buffer, argument.offset);
        let bytes = |argument: &Argument| {
            argument.shape.len() * plan.buffers[argument.buffer].dtype.bytes()
        };
        let output_bytes = |index: usize| {
            let signature = &body.outputs[index].signature;
            signature.shape.len() * signature.dtype.bytes()
        };
        let state = |(index, state): (usize, &LoopState)| State {
            first: address(&state.first),
            last: Address::new(plan, state.last, 0),
            bytes: bytes(&state.first),
            next: first + index,
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
            goes_on: scan.conditional.then_some(0),
            count: scan.count.as_ref().map(address),
            done: scan.done.map(|buffer| Address::new(plan, buffer, 0)),
            states: scan.states.iter().enumerate().map(state).collect(),
            sequences: scan.sequences.iter().map(sequence).collect(),
            captured: scan.captured.iter().map(address).collect(),
            stacked: scan.stacked.iter().enumerate().map(stacked).collect(),
            position: Memory::try_zeroed(size_of::<i32>())?,
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
        self.begin(outer);
        let mut done = 0;
        while done < steps {
            let position = if self.backwards { steps - 1 - done } else { done };
            // SAFETY: as the caller promises.
            let goes_on = unsafe { self.step(run, position)? };
            done += 1;
            if !goes_on {
                break;
            }
        }
        // SAFETY: the buffers are as long as the plan says, and the positions from `done` on have
        // not been written: only loops that go forwards end before their last step.
        unsafe {
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
    fn begin(&mut self, outer: &Bases) {
        let bases = &mut self.workspace.bases;
        bases.set_input(0, self.position.bytes_mut().as_mut_ptr());
        for (index, state) in self.states.iter().enumerate() {
            let (first, last) = (outer.at(state.first), outer.at(state.last));
            // SAFETY: both have as many bytes, in places of their own.
            unsafe { std::ptr::copy_nonoverlapping(first.cast_const(), last, state.bytes) };
            bases.set_input(1 + index, last);
        }
        let first = 1 + self.states.len() + self.sequences.len();
        for (index, &address) in self.captured.iter().enumerate() {
            bases.set_input(first + index, outer.at(address));
        }
    }

    /// Runs one step, and tells whether there is a next one.
    ///
    /// # Safety
    /// As for `run`, after `begin`.
    unsafe fn step(&mut self, run: &Run, position: usize) -> Result<bool, Failure> {
        let outer = run.bases;
        self.position.bytes_mut()[..size_of::<i32>()]
            .copy_from_slice(&(position as i32).to_ne_bytes());
        for (index, &(start, bytes)) in self.sequences.iter().enumerate() {
            let element = outer.at(start).wrapping_add(position * bytes);
            self.workspace.bases.set_input(1 + self.states.len() + index, element);
        }
        // SAFETY: inputs lie where the plan of the step expects them: positions and states in
        // places of their own, elements within sequences, all else as the outer plan says.
        unsafe { super::run_steps(&self.body, &mut self.workspace, run.pool, run.threads)? };
        let output = |index: usize| self.workspace.output(&self.body, index);
        // SAFETY: the buffers of the outer plan are as long as it says, and lie apart from those
        // of the step.
        unsafe {
            for &Stacked { to, bytes, output: index } in &self.stacked {
                let to = outer.at(to).wrapping_add(position * bytes);
                std::ptr::copy_nonoverlapping(output(index).as_ptr(), to, bytes);
            }
            for state in &self.states {
                let next = output(state.next).as_ptr();
                std::ptr::copy_nonoverlapping(next, outer.at(state.last), state.bytes);
            }
        }
        Ok(self.goes_on.is_none_or(|index| output(index)[0] != 0))
    }
}
