//! Runs operations with code of their own on whole arrays, or on some samples at a time.
//!
//! In: a call of the plan. Out: its output, written by the kernel. Samples are shared among threads
//! where the kernel treats each by itself. What a kernel changes is copied first, unless it is
//! changed where it lies.

use std::mem::MaybeUninit;

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Kernel, Operand, OperandMut, Values, ValuesMut};
use crate::plan::{Action, Argument, Plan};
use crate::shape::Shape;

use super::Run;
use super::address::{Address, Bases};
use super::cost::Cost;

/// Kernels with up to this many inputs find their operands on the stack; more need a list.
const ON_STACK: usize = 16;
/// The most tasks that samples are shared out in.
const MOST_TASKS: usize = 32;

/// A call with its addresses.
pub struct Call {
    /// What the kernel changes a part of, if it does.
    changed: Option<Bytes>,
    inputs: Box<[Bytes]>,
    output: Bytes,
    /// The samples, if tasks can share them.
    samples: Option<usize>,
    /// The samples of a task.
    task: usize,
    cost: Cost,
}

/// An argument's memory.
struct Bytes {
    address: Address,
    length: usize,
    dtype: DType,
    /// The shapes of the samples of a task, and of those of the last task.
    parts: [Shape; 2],
}

impl Call {
    /// Resolves a call of the plan.
    pub fn new(plan: &Plan, call: &crate::plan::Call) -> Self {
        let size = |argument: &Argument| {
            argument.shape.len() * plan.buffers[argument.buffer].dtype.bytes()
        };
        let total: usize = call.inputs.iter().chain([&call.output]).map(size).sum();
        let cost = Cost::of_kernel(total);
        let samples = (call.kernel.by_samples() && cost.team(MOST_TASKS) > 1)
            .then(|| call.output.shape.batch())
            .filter(|&samples| {
                let has = |argument: &Argument| {
                    argument.shape.first() == Some(&samples) || is_for_all(argument)
                };
                samples > 1 && call.kernel.effect().is_none() && call.inputs.iter().all(has)
            });
        let task = samples.map_or(1, |samples| samples.div_ceil(MOST_TASKS));
        let last = samples.map_or(1, |samples| samples - (samples - 1) / task * task);
        let bytes = |argument: &Argument| {
            let dtype = plan.buffers[argument.buffer].dtype;
            let address = Address::new(plan, argument.buffer, argument.offset);
            let part = |count: usize| match samples {
                Some(_) if !is_for_all(argument) => {
                    [count].iter().chain(&argument.shape[1..]).copied().collect()
                }
                _ => argument.shape.clone(),
            };
            let parts = [part(task), part(last)];
            Bytes { address, length: argument.shape.len() * dtype.bytes(), dtype, parts }
        };
        let changed = call.kernel.changes_first().then(|| bytes(&call.inputs[0]));
        let inputs = arguments(call).iter().map(bytes).collect();
        Self { changed, inputs, output: bytes(&call.output), samples, task, cost }
    }

    /// In how many parts threads can share it.
    pub fn tasks(&self) -> usize {
        self.samples.map_or(1, |samples| samples.div_ceil(self.task))
    }

    /// Runs the kernel, which can fail if it is an effect.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes the inputs or touches the output
    /// meanwhile.
    pub unsafe fn run(&self, run: &Run, action: &Action) -> Result<()> {
        let Action::Call(call) = action else { unreachable!("resolved from a call") };
        if self.samples.is_none() || self.cost.team(run.threads) == 1 {
            // SAFETY: as the caller promises.
            return unsafe { self.part(run.bases, call, None) };
        }
        run.share(self.cost, self.tasks(), |_, task| {
            // SAFETY: as the caller promises; tasks write samples of their own.
            let done = unsafe { self.part(run.bases, call, Some(task)) };
            debug_assert!(done.is_ok(), "effects have no samples");
        });
        Ok(())
    }

    /// Runs the kernel on the samples of a task, or on all.
    ///
    /// # Safety
    /// As for `run`, for these samples.
    unsafe fn part(
        &self,
        bases: &Bases,
        call: &crate::plan::Call,
        task: Option<usize>,
    ) -> Result<()> {
        let output = self.output.part(&call.output, task.map(|task| (task, self)));
        let start = bases.at(self.output.address).wrapping_add(output.start);
        if let Some(changed) = &self.changed {
            let before = changed.part(&call.inputs[0], task.map(|task| (task, self)));
            let from = bases.at(changed.address).cast_const().wrapping_add(before.start);
            if from != start.cast_const() {
                // SAFETY: as the caller promises; both are as long, and lie apart.
                unsafe { std::ptr::copy_nonoverlapping(from, start, output.length) };
            }
        }
        // SAFETY: as the caller promises.
        let values = unsafe { std::slice::from_raw_parts_mut(start, output.length) };
        let output = OperandMut {
            shape: output.shape,
            values: ValuesMut::from_bytes(self.output.dtype, values),
        };
        let operands = self.inputs.iter().zip(arguments(call)).map(|(bytes, argument)| {
            let part = bytes.part(argument, task.map(|task| (task, self)));
            // SAFETY: as the caller promises.
            let values = unsafe {
                let start = bases.at(bytes.address).cast_const().wrapping_add(part.start);
                std::slice::from_raw_parts(start, part.length)
            };
            Operand { shape: part.shape, values: Values::from_bytes(bytes.dtype, values) }
        });
        if self.inputs.len() > ON_STACK {
            return run(&*call.kernel, &operands.collect::<Vec<_>>(), output);
        }
        let mut list = [const { MaybeUninit::uninit() }; ON_STACK];
        for (entry, operand) in list.iter_mut().zip(operands) {
            entry.write(operand);
        }
        // SAFETY: as many entries have been written as there are inputs.
        let operands = unsafe {
            std::slice::from_raw_parts(list.as_ptr().cast::<Operand<'_>>(), self.inputs.len())
        };
        run(&*call.kernel, operands, output)
    }
}

/// The samples of a task, or all.
struct Part<'a> {
    shape: &'a Shape,
    /// The first byte, and how many.
    start: usize,
    length: usize,
}

impl Bytes {
    /// The part of an argument that a task of a call has; all of it if there are no tasks, or it is
    /// for all of them.
    fn part<'a>(&'a self, argument: &'a Argument, task: Option<(usize, &Call)>) -> Part<'a> {
        let Some((task, call)) = task.filter(|_| !is_for_all(argument)) else {
            return Part { shape: &argument.shape, start: 0, length: self.length };
        };
        let samples = argument.shape.batch();
        let (sample, first) = (self.length / samples, task * call.task);
        let shape = &self.parts[usize::from(first + call.task >= samples)];
        Part { shape, start: first * sample, length: shape.batch() * sample }
    }
}

/// Whether an argument of a kernel that treats each sample by itself is the same for all of them.
fn is_for_all(argument: &Argument) -> bool {
    argument.shape.first() == Some(&1)
}

/// The inputs that the kernel is given: all but one that it changes.
fn arguments(call: &crate::plan::Call) -> &[Argument] {
    &call.inputs[usize::from(call.kernel.changes_first())..]
}

fn run(kernel: &dyn Kernel, operands: &[Operand<'_>], output: OperandMut<'_>) -> Result<()> {
    match kernel.effect() {
        Some(effect) => effect.run(operands, output),
        None => {
            kernel.run(operands, output);
            Ok(())
        }
    }
}
