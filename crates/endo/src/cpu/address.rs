//! Addresses of operands: which memory, and which byte of it. Memories are known only when a run starts.
//!
//! In: the plan's places. Out: [`Address`], resolved by [`Bases`] with one addition; and [`Tiles`], room for single elements
//! repeated to the length of a tile.

use std::collections::HashMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::plan::{Place, Plan};
use crate::simd::Memory;

use super::VariableMemory;
use super::fused::LONGEST_TILE;

/// A byte of one of the memories of a run.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Which memory: an index into [`Bases`].
    pub base: u32,
    /// The byte.
    pub offset: usize,
}

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
        let offset = offset * buffer.dtype.bytes();
        match buffer.place {
            Place::Arena(start) => Self { base: ARENA, offset: start + offset },
            Place::Constant(start) => Self { base: CONSTANTS, offset: start + offset },
            Place::Variable(index) => Self { base: FIRST_VARIABLE + index as u32, offset },
            Place::Input(index) => Self { base: FIRST_VARIABLE + (plan.variables.len() + index) as u32, offset },
        }
    }

    /// A byte of a thread's registers.
    pub fn register(offset: usize) -> Self {
        Self { base: REGISTERS, offset }
    }
}

/// Where the memories of a run start.
pub struct Bases(Vec<*mut u8>);

// SAFETY: the pointers are set when a run starts and used while it lasts; steps write apart from each other.
unsafe impl Send for Bases {}
// SAFETY: as above.
unsafe impl Sync for Bases {}

impl Bases {
    /// Room for the memories of a plan.
    pub fn new(plan: &Plan) -> Self {
        Self(vec![std::ptr::null_mut(); FIRST_VARIABLE as usize + plan.variables.len() + plan.inputs.len()])
    }

    /// Takes the memories that a run is given.
    ///
    /// # Panics
    /// If one is not as large as the plan says.
    pub fn set(&mut self, plan: &Plan, inputs: &[&Array], variables: VariableMemory<'_>, offsets: &[usize]) {
        assert_eq!(inputs.len(), plan.inputs.len(), "inputs of the plan");
        assert_eq!(offsets.len(), plan.variables.len(), "variables of the plan");
        // Without writes nothing is written through the pointer.
        let (memory, length) = match variables {
            VariableMemory::Read(bytes) => {
                assert!(!plan.writes(), "the plan writes variables");
                (bytes.as_ptr().cast_mut(), bytes.len())
            }
            VariableMemory::Write(bytes) => (bytes.as_mut_ptr(), bytes.len()),
        };
        self.0[CONSTANTS as usize] = plan.constants.bytes().as_ptr().cast_mut();
        let first = FIRST_VARIABLE as usize;
        for ((base, &offset), variable) in self.0[first..].iter_mut().zip(offsets).zip(&plan.variables) {
            // Loops may go on to the end of the last line.
            let end = offset + Memory::round_up(variable.bytes);
            assert!(end <= length && offset.is_multiple_of(Memory::LINE), "the place of `{}`", variable.name);
            *base = memory.wrapping_add(offset);
        }
        for ((base, input), signature) in self.0[first + offsets.len()..].iter_mut().zip(inputs).zip(&plan.inputs) {
            assert!(
                input.shape() == &signature.shape && input.dtype() == signature.dtype,
                "expected {signature:?}, got {input:?}"
            );
            *base = input.bytes().as_ptr().cast_mut();
        }
    }

    /// Takes the memories of the workspace.
    pub fn set_own(&mut self, arena: &mut Memory, tiles: &mut Memory) {
        self.0[ARENA as usize] = arena.bytes_mut().as_mut_ptr();
        self.0[TILES as usize] = tiles.bytes_mut().as_mut_ptr();
    }

    /// Where an address that is no register lies.
    #[inline(always)]
    pub fn at(&self, address: Address) -> *mut u8 {
        self.0[address.base as usize].wrapping_add(address.offset)
    }

    /// Where an address lies, given a thread's registers.
    #[inline(always)]
    pub fn at_or_register(&self, address: Address, registers: *mut u8) -> *mut u8 {
        let base = if address.base == REGISTERS { registers } else { self.0[address.base as usize] };
        base.wrapping_add(address.offset)
    }
}

/// Room for single elements repeated to the length of the longest tile, each once.
#[derive(Default)]
pub struct Tiles {
    constants: HashMap<(DType, Vec<u8>), usize>,
    computed: HashMap<(usize, usize), usize>,
    memory: Memory,
}

impl Tiles {
    /// A tile of the constant element with these bytes.
    pub fn constant(&mut self, dtype: DType, element: &[u8]) -> Address {
        let memory = &mut self.memory;
        let offset = *self.constants.entry((dtype, element.to_vec())).or_insert_with(|| append(memory, element));
        Address { base: TILES, offset }
    }

    /// A tile for an element of a buffer, and whether it is new.
    pub fn computed(&mut self, buffer: usize, element: usize, size: usize) -> (Address, bool) {
        let (memory, known) = (&mut self.memory, self.computed.len());
        let offset = *self.computed.entry((buffer, element)).or_insert_with(|| append(memory, &vec![0; size]));
        (Address { base: TILES, offset }, self.computed.len() > known)
    }

    /// The tiles.
    pub fn into_memory(self) -> Memory {
        self.memory
    }
}

/// Adds a tile and a line, which keeps tiles from starting at distances that fall into one set of the cache.
fn append(memory: &mut Memory, element: &[u8]) -> usize {
    memory.append(&element.repeat(LONGEST_TILE + Memory::LINE / element.len()))
}
