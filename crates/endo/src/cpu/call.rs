//! Runs operations with code of their own on whole arrays.
//!
//! In: a call of the plan. Out: its output, written by the kernel.

use std::mem::MaybeUninit;

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Kernel, Operand, OperandMut, Values, ValuesMut};
use crate::plan::{Action, Argument, Plan};

use super::address::{Address, Bases};

/// Kernels with up to this many inputs find their operands on the stack; more need a list.
const ON_STACK: usize = 16;

/// A call with its addresses.
pub struct Call {
    inputs: Box<[Bytes]>,
    output: Bytes,
}

/// An argument's memory.
struct Bytes {
    address: Address,
    length: usize,
    dtype: DType,
}

impl Call {
    /// Resolves a call of the plan.
    pub fn new(plan: &Plan, call: &crate::plan::Call) -> Self {
        let bytes = |argument: &Argument| {
            let dtype = plan.buffers[argument.buffer].dtype;
            let address = Address::new(plan, argument.buffer, argument.offset);
            Bytes { address, length: argument.shape.len() * dtype.bytes(), dtype }
        };
        Self { inputs: call.inputs.iter().map(bytes).collect(), output: bytes(&call.output) }
    }

    /// Runs the kernel, which can fail if it is an effect.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes the inputs or touches the output
    /// meanwhile.
    pub unsafe fn run(&self, bases: &Bases, action: &Action) -> Result<()> {
        let Action::Call(call) = action else { unreachable!("resolved from a call") };
        // SAFETY: as the caller promises.
        let values = unsafe {
            std::slice::from_raw_parts_mut(bases.at(self.output.address), self.output.length)
        };
        let output = OperandMut {
            shape: &call.output.shape,
            values: ValuesMut::from_bytes(self.output.dtype, values),
        };
        let operands = self.inputs.iter().zip(&call.inputs).map(|(bytes, argument)| {
            // SAFETY: as the caller promises.
            let values = unsafe {
                std::slice::from_raw_parts(bases.at(bytes.address).cast_const(), bytes.length)
            };
            Operand { shape: &argument.shape, values: Values::from_bytes(bytes.dtype, values) }
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

fn run(kernel: &dyn Kernel, operands: &[Operand<'_>], output: OperandMut<'_>) -> Result<()> {
    match kernel.effect() {
        Some(effect) => effect.run(operands, output),
        None => {
            kernel.run(operands, output);
            Ok(())
        }
    }
}
