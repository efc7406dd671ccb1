//! Addresses of operands: which memory, and which byte of it. Memories are known only when a run
//! starts.
//!
//! In: the plan's places. Out: [`Address`], resolved by [`Bases`] with one addition; and [`Tiles`],
//! room for single elements repeated to the length of a tile.

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::plan::{BufferPlace, Plan};
use crate::simd::Memory;

use super::VariableMemory;

/// A byte of one of the memories of a run.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Which memory: an index into [`Bases`].
    pub base: u32,
    /// The byte.
    pub offset: usize,
}

/// The most elements that an instruction works on at a time.
pub const LONGEST_TILE: usize = 1024;

/// The memory of a thread's registers, which is not among the bases.
pub const REGISTERS: u32 = u32::MAX;
const ARENA: u32 = 0;
const TILES: u32 = 1;
const CONSTANTS: u32 = 2;
const FIRST_VARIABLE: u32 = 3;

impl Address {
    /// The element at `offset` of a buffer.
    pub fn new(plan: &Plan, buffer: usize, offset: usize) -> Self {
        let buffer = &plan.buffers[buffer];
        let offset = offset * buffer.element_bytes();
        match buffer.place {
            BufferPlace::Arena(start) => Self { base: ARENA, offset: start + offset },
            BufferPlace::Constant(start) => Self { base: CONSTANTS, offset: start + offset },
            BufferPlace::Variable(index) => Self { base: FIRST_VARIABLE + index as u32, offset },
            BufferPlace::Input(index) => {
                Self { base: FIRST_VARIABLE + (plan.variables.len() + index) as u32, offset }
            }
            BufferPlace::Nowhere => unreachable!("no step has it as a whole"),
            BufferPlace::Output(index) => {
                let before = plan.variables.len() + plan.inputs.len();
                Self { base: FIRST_VARIABLE + (before + index) as u32, offset }
            }
        }
    }

    /// A byte of a thread's registers.
    pub fn register(offset: usize) -> Self {
        Self { base: REGISTERS, offset }
    }
}

/// Where the memories of a run start, as exposed addresses: steps keep what they make of them, and
/// a run that is given the same memories again has nothing to resolve.
pub struct Bases {
    starts: Vec<usize>,
    /// Where the memory of the variables starts, how long it is, and where in it each of them lies.
    variables: [usize; 2],
    offsets: Vec<usize>,
    /// Whether any lies elsewhere than when this was last asked.
    moved: bool,
}

impl Bases {
    /// Room for the memories of a plan.
    pub fn new(plan: &Plan) -> Self {
        let memories = plan.variables.len() + plan.inputs.len() + plan.outputs.len();
        let starts = vec![0; FIRST_VARIABLE as usize + memories];
        let offsets = vec![usize::MAX; plan.variables.len()];
        Self { starts, variables: [0; 2], offsets, moved: true }
    }

    /// Whether any memory lies elsewhere than when this was last asked.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Takes the memories that a run is given.
    ///
    /// # Panics
    /// If one is not as large as the plan says.
    pub fn set(
        &mut self,
        plan: &Plan,
        inputs: &[&Array],
        variables: VariableMemory<'_>,
        offsets: &[usize],
    ) {
        assert_eq!(inputs.len(), plan.inputs.len(), "inputs of the plan");
        assert_eq!(offsets.len(), plan.variables.len(), "variables of the plan");
        // Without writes nothing is written through the address.
        let memory = match variables {
            VariableMemory::Read(bytes) => {
                assert!(!plan.writes(), "the plan writes variables");
                [bytes.as_ptr().expose_provenance(), bytes.len()]
            }
            VariableMemory::Write(bytes) => [bytes.as_mut_ptr().expose_provenance(), bytes.len()],
        };
        let first = FIRST_VARIABLE as usize;
        if memory != self.variables || offsets != self.offsets {
            self.moved = true;
            for ((base, &offset), variable) in
                self.starts[first..].iter_mut().zip(offsets).zip(&plan.variables)
            {
                // Loops may go on to the end of the last line.
                let end = offset + Memory::round_up(variable.bytes);
                assert!(
                    end <= memory[1] && offset.is_multiple_of(Memory::LINE),
                    "the place of `{}`",
                    variable.name
                );
                *base = memory[0] + offset;
            }
            self.variables = memory;
            self.offsets.copy_from_slice(offsets);
        }
        for ((index, input), signature) in inputs.iter().enumerate().zip(&plan.inputs) {
            assert!(
                input.shape() == &signature.shape && input.dtype() == signature.dtype,
                "expected {signature:?}, got {input:?}"
            );
            self.replace(first + offsets.len() + index, input.bytes().as_ptr().expose_provenance());
        }
    }

    /// Takes the place of an input, of a plan that is run within another.
    pub fn set_input(&mut self, index: usize, start: *mut u8) {
        self.replace(
            FIRST_VARIABLE as usize + self.offsets.len() + index,
            start.expose_provenance(),
        );
    }

    /// Takes the place of an output, of a plan that is run within another.
    pub fn set_output(&mut self, plan: &Plan, index: usize, start: *mut u8) {
        let before = FIRST_VARIABLE as usize + plan.variables.len() + plan.inputs.len();
        self.replace(before + index, start.expose_provenance());
    }

    /// The place of an output, of a plan that is run within another.
    pub fn output(&self, plan: &Plan, index: usize) -> *mut u8 {
        let before = plan.variables.len() + plan.inputs.len();
        self.at(Address { base: FIRST_VARIABLE + (before + index) as u32, offset: 0 })
    }

    /// Takes the memories of the workspace.
    pub fn set_own(&mut self, arena: *mut u8, tiles: &mut Memory, constants: &Memory) {
        self.replace(ARENA as usize, arena.expose_provenance());
        self.replace(CONSTANTS as usize, constants.bytes().as_ptr().expose_provenance());
        self.replace(TILES as usize, tiles.bytes_mut().as_mut_ptr().expose_provenance());
    }

    fn replace(&mut self, base: usize, start: usize) {
        self.moved |= std::mem::replace(&mut self.starts[base], start) != start;
    }

    /// Where an address that is no register lies.
    #[inline(always)]
    pub fn at(&self, address: Address) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.starts[address.base as usize] + address.offset)
    }

    /// Where an address lies, given a thread's registers.
    #[inline(always)]
    pub fn at_or_register(&self, address: Address, registers: *mut u8) -> *mut u8 {
        if address.base == REGISTERS {
            registers.wrapping_add(address.offset)
        } else {
            self.at(address)
        }
    }
}

/// Room for single elements repeated to the length of the longest tile, each once.
#[derive(Default)]
pub struct Tiles {
    constants: FxHashMap<(DType, Vec<u8>), usize>,
    computed: FxHashMap<(usize, usize), usize>,
    memory: Memory,
}

impl Tiles {
    /// A tile of the constant element with these bytes.
    pub fn constant(&mut self, dtype: DType, element: &[u8]) -> Address {
        let memory = &mut self.memory;
        let offset = *self
            .constants
            .entry((dtype, element.to_vec()))
            .or_insert_with(|| append(memory, element));
        Address { base: TILES, offset }
    }

    /// A tile for an element of a buffer, and whether it is new.
    pub fn computed(&mut self, buffer: usize, element: usize, size: usize) -> (Address, bool) {
        let (memory, known) = (&mut self.memory, self.computed.len());
        let offset = *self
            .computed
            .entry((buffer, element))
            .or_insert_with(|| append(memory, &vec![0; size]));
        (Address { base: TILES, offset }, self.computed.len() > known)
    }

    /// The tiles.
    pub fn into_memory(self) -> Memory {
        self.memory
    }
}

/// Adds a tile and a line, which keeps tiles from starting at distances that fall into one set of
/// the cache.
fn append(memory: &mut Memory, element: &[u8]) -> usize {
    memory.append(&element.repeat(LONGEST_TILE + Memory::LINE / element.len()))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::pool::Pool;
    use super::super::tests::noise;
    use super::super::{Workspace, run};
    use super::*;
    use crate::plan::tests::{optimizer, tuned};
    use crate::variable::VariableBlock;

    #[test]
    fn runs_find_memories_that_have_moved_also_after_one_that_panicked() {
        const LENGTHS: [usize; 4] = [900, 30, 17, 240];
        let plan = tuned(&optimizer(&LENGTHS, true));
        let (pool, mut kept) = (Pool::new(1), Workspace::new(&plan, 1));
        // As they were made, and so that one loop goes through them all.
        let made = (0..plan.variables.len()).collect::<Vec<_>>();
        for order in [made, plan.order()] {
            let graph = optimizer(&LENGTHS, true);
            let variables: Vec<_> =
                order.iter().map(|&index| graph.variables[index].clone()).collect();
            VariableBlock::gather(&variables).unwrap();
            let (block, offsets) = VariableBlock::gather(&graph.variables).unwrap();
            let content = block.read().bytes().to_vec();
            for round in 0..3 {
                // New places for everything.
                let inputs = LENGTHS.map(|length| {
                    let numbers = noise([length + round]).to_vec::<f32>();
                    Array::new([length], numbers[round..].to_vec()).unwrap()
                });
                let inputs = inputs.each_ref();
                let step = |workspace: &mut Workspace, inputs: &[&Array]| {
                    let mut memory = Memory::default();
                    memory.append(&content);
                    run(
                        &plan,
                        workspace,
                        inputs,
                        VariableMemory::Write(memory.bytes_mut()),
                        &offsets,
                        &pool,
                    )
                    .unwrap();
                    memory
                };
                let got = step(&mut kept, &inputs);
                let expected = step(&mut Workspace::new(&plan, 1), &inputs);
                assert!(got.bytes() == expected.bytes() && got.bytes() != content, "round {round}");
                let short = noise([1]);
                let wrong = [inputs[0], inputs[1], inputs[2], &short];
                assert!(catch_unwind(AssertUnwindSafe(|| step(&mut kept, &wrong))).is_err());
                assert!(step(&mut kept, &inputs).bytes() == expected.bytes(), "round {round}");
            }
        }
    }
}
