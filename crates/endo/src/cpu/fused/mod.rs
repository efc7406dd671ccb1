//! Runs fused loops: a list of instructions over tiles that stay in the first-level cache.
//!
//! In: a loop of the plan, resolved by [`lower`] to function pointers, addresses and registers.
//! Out: stored sequences and reduced values. Long loops are cut into chunks whose size depends on
//! shapes only, so results do not depend on threads.

mod fold;
pub mod gather;
mod lower;
mod table;

use crate::simd::Loop;

use super::address::{Address, Bases, REGISTERS};
use super::cost::Cost;
use super::{Run, Scratch};

use fold::Fold;
use gather::Gather;
pub use gather::Spread;

/// The elements of 4 bytes that fill a cache line; of smaller ones, more do.
const LINE_ELEMENTS: usize = 16;

/// A fused loop as it is run.
pub struct Body {
    length: usize,
    /// Elements of a tile.
    tile: usize,
    /// Elements of a chunk, which one thread works on; the loop's length if it is not cut.
    chunk: usize,
    cost: Cost,
    /// The operands of all instructions, each one's inputs and output one after the other, then
    /// those of folds.
    operands: Box<[Operand]>,
    /// Broadcast rows that are repeated to a tile once.
    fills: Box<[Gather]>,
    /// Values that are brought together for each tile.
    gathers: Box<[Gather]>,
    instructions: Box<[Instruction]>,
    folds: Box<[Fold]>,
    /// Values that must not be stored before all is read.
    copies: Box<[Instruction]>,
    /// Bytes of registers, after the table of operands.
    registers: usize,
    /// Bytes of partial results of all chunks.
    partials: usize,
    /// Copies of short sequences to registers and from them, of just the elements that they have.
    arrivals: Box<[RegisterCopy]>,
    departures: Box<[RegisterCopy]>,
    /// Whether everything that is read and written goes on to the end of its last line, so that
    /// loops may.
    padded: bool,
    /// Whether all instructions work on registers, and on a whole line of them.
    short: bool,
    /// Whether there are elements, and instructions and folds are all that is done to them.
    direct: bool,
    /// Where the loop's own sequences lie, then further ones to which the same is done.
    sequences: Box<[SequenceAddresses]>,
    /// What the loop goes through in the memories that it is bound to.
    stretches: Vec<Stretch>,
    /// Where the operands lie there, for each stretch one after the other.
    spots: Vec<BoundOperand>,
}

/// Where sequences of one length lie, in the order of the operands that are sequences.
struct SequenceAddresses {
    length: usize,
    addresses: Box<[Address]>,
}

/// Where an operand of an instruction lies for the tile that starts at element `i`: at
/// `address + i * step`.
#[derive(Clone, Copy)]
struct Operand {
    address: Address,
    /// Bytes from element to element of a sequence in memory; 0 for what lies in a register.
    step: usize,
}

/// Sequences that are gone through at once: the loop's own or those of a repeat, with all that
/// continue them in memory.
#[derive(Clone, Copy)]
struct Stretch {
    length: usize,
    /// Which of the spots is that of the first operand.
    first: usize,
}

/// Where an operand lies in memories that are known, for the first thread.
#[derive(Clone, Copy)]
struct BoundOperand {
    /// An exposed address.
    at: usize,
    step: usize,
    /// All bits where it is a register, which each thread has elsewhere, and none for memory.
    apart: usize,
}

/// A loop over a tile; its operands are those of the body from `first` on.
#[derive(Clone, Copy)]
struct Instruction {
    code: Loop,
    first: u32,
    inputs: u16,
    /// The elements that make a vector.
    vector: u16,
}

/// A copy of a short sequence between a register and memory.
#[derive(Clone, Copy)]
struct RegisterCopy {
    from: Address,
    to: Address,
    /// Bytes of an element.
    size: usize,
}

/// A part of a loop that one thread works on.
#[derive(Clone, Copy)]
struct LoopRange {
    start: usize,
    end: usize,
    /// The sequences that it is a part of.
    stretch: Stretch,
    /// The number of the chunk, if the loop is cut into several.
    chunk: Option<usize>,
}

impl Body {
    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        table_bytes(self.operands.len()) + self.registers
    }

    /// The bytes of scratch that all threads share.
    pub fn partial_bytes(&self) -> usize {
        self.partials
    }

    /// In how many parts threads can share it.
    pub fn chunks(&self) -> usize {
        self.length.div_ceil(self.chunk.max(1)).max(1)
    }

    /// Finds where everything lies in the memories of the runs that follow, until they are told of
    /// others. Allocates nothing.
    pub fn bind(&mut self, bases: &Bases, scratch: Scratch) {
        let registers = scratch.of(0).wrapping_add(table_bytes(self.operands.len()));
        let (mut stretches, mut spots) =
            (std::mem::take(&mut self.stretches), std::mem::take(&mut self.spots));
        stretches.clear();
        spots.clear();
        let mut next = 0;
        while next < self.sequences.len() {
            let (length, after) = self.stretch(bases, next);
            stretches.push(Stretch { length, first: spots.len() });
            let mut sequences = self.sequences[next].addresses.iter();
            for operand in &self.operands {
                let address = if operand.step > 0 {
                    *sequences.next().expect("one for each")
                } else {
                    operand.address
                };
                let apart = if address.base == REGISTERS { usize::MAX } else { 0 };
                spots.push(BoundOperand {
                    at: bases.at_or_register(address, registers).addr(),
                    step: operand.step,
                    apart,
                });
            }
            next = after;
        }
        (self.stretches, self.spots) = (stretches, spots);
    }

    /// The length of the sequences of a number, with all those that continue them in memory; and
    /// the number of the first one that does not.
    fn stretch(&self, bases: &Bases, next: usize) -> (usize, usize) {
        let first = &self.sequences[next];
        let steps = || self.operands.iter().map(|operand| operand.step).filter(|&step| step > 0);
        let (mut end, mut after) = (first.length, next + 1);
        while self.padded && after < self.sequences.len() {
            let other = &self.sequences[after];
            // Between the end of a sequence and the end of its line lies what is nobody else's.
            let start = end.next_multiple_of(LINE_ELEMENTS);
            let mut both = first.addresses.iter().zip(&other.addresses).zip(steps());
            if !both.all(|((&first, &other), step)| {
                bases.at(other) == bases.at(first).wrapping_add(start * step)
            }) {
                break;
            }
            end = start + other.length;
            after += 1;
        }
        (end, after)
    }

    /// Runs the loop.
    ///
    /// # Safety
    /// It is bound to the memories of the run and its scratch. The addresses hold what the plan
    /// says; nobody else writes what is read or touches what is written meanwhile. The loop was
    /// resolved for the level of the run.
    pub unsafe fn run(&self, run: &Run) {
        let &Run { bases, scratch, .. } = run;
        if self.chunk >= self.length {
            for &stretch in &self.stretches {
                let range = LoopRange { start: 0, end: stretch.length, stretch, chunk: None };
                // SAFETY: as the caller promises.
                unsafe {
                    if self.direct {
                        self.range::<true>(bases, scratch, run.thread, range)
                    } else {
                        self.range::<false>(bases, scratch, run.thread, range)
                    }
                }
            }
            return;
        }
        let chunks = self.chunks();
        run.share(self.cost, chunks, |thread, chunk| {
            let start = chunk * self.chunk;
            let end = self.length.min(start + self.chunk);
            let range = LoopRange { start, end, stretch: self.stretches[0], chunk: Some(chunk) };
            // SAFETY: as the caller promises; chunks store apart, and each thread has scratch of
            // its own.
            unsafe { self.range::<false>(bases, scratch, thread, range) };
        });
        for fold in &self.folds {
            // SAFETY: all chunks have left their partial results.
            unsafe { fold.combine(bases, scratch.partials(), chunks) };
        }
    }

    /// # Safety
    /// As for `run`; no other thread has this number. Nothing is brought to registers or copied
    /// from them if `DIRECT`.
    unsafe fn range<const DIRECT: bool>(
        &self,
        bases: &Bases,
        scratch: Scratch,
        thread: usize,
        range: LoopRange,
    ) {
        let (start, partials) = (scratch.of(thread), scratch.partials());
        let table = start.cast::<*mut u8>();
        let registers = start.wrapping_add(table_bytes(self.operands.len()));
        let apart = thread * scratch.stride;
        if !DIRECT {
            for fill in &self.fills {
                // SAFETY: broadcast values repeat from every start of a chunk, and the register
                // holds a tile.
                unsafe {
                    fill.run(bases, registers, range.start, self.tile.min(range.end - range.start))
                };
            }
        }
        let spots = &self.spots[range.stretch.first..][..self.operands.len()];
        let mut start = range.start;
        while start < range.end {
            let count = self.tile.min(range.end - start);
            // Loops are faster on whole vectors. What lies behind the end of a sequence is nobody
            // else's.
            let is_last = self.padded && start + count == range.stretch.length;
            let padded = if is_last {
                (start + count).next_multiple_of(LINE_ELEMENTS) - start
            } else {
                count
            };
            // SAFETY: the table has an entry for each operand, and every sequence, with those that
            // continue it, has `count` elements from `start` on, or `padded` elements where lines
            // are filled. They continue each other within one memory, that of the variables or the
            // arena. Values that overwrite what is still to be read are copied last.
            unsafe {
                for (index, spot) in spots.iter().enumerate() {
                    let at = spot.at + start * spot.step + (apart & spot.apart);
                    table.add(index).write(std::ptr::with_exposed_provenance_mut(at));
                }
                if !DIRECT {
                    for gather in &self.gathers {
                        gather.run(bases, registers, start, count);
                    }
                    for step in &self.arrivals {
                        step.run(bases, registers, count);
                    }
                }
                if !DIRECT && self.short {
                    let vectors = |instruction: &Instruction| {
                        count.next_multiple_of(instruction.vector.into())
                    };
                    for instruction in &self.instructions {
                        instruction.run(table, vectors(instruction));
                    }
                } else {
                    for instruction in &self.instructions {
                        instruction.run(table, padded);
                    }
                }
                for fold in &self.folds {
                    fold.run(
                        bases,
                        registers,
                        partials,
                        *table.add(fold.operand),
                        start..start + count,
                        range,
                    );
                }
                if !DIRECT {
                    for copy in &self.copies {
                        copy.run(table, padded);
                    }
                    for step in &self.departures {
                        step.run(bases, registers, count);
                    }
                }
            }
            start += count;
        }
        if !DIRECT && self.length == 0 {
            for fold in &self.folds {
                // SAFETY: as the caller promises.
                unsafe { fold.of_nothing(bases) };
            }
        }
    }
}

impl Instruction {
    /// # Safety
    /// The table's entries point to `count` elements each.
    #[inline(always)]
    unsafe fn run(&self, table: *mut *mut u8, count: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            let inputs = table.add(self.first as usize);
            (self.code)(inputs.cast(), *inputs.add(self.inputs as usize), count);
        }
    }
}

impl RegisterCopy {
    /// # Safety
    /// Both places have `count` elements.
    unsafe fn run(&self, bases: &Bases, registers: *mut u8, count: usize) {
        let (from, to) =
            (bases.at_or_register(self.from, registers), bases.at_or_register(self.to, registers));
        // SAFETY: as the caller promises.
        unsafe {
            match count * self.size {
                // Single numbers without a call for each.
                4 => std::ptr::copy_nonoverlapping(from, to, 4),
                8 => std::ptr::copy_nonoverlapping(from, to, 8),
                bytes => std::ptr::copy_nonoverlapping(from, to, bytes),
            }
        }
    }
}

/// The bytes of a table of operands, in whole cache lines.
fn table_bytes(operands: usize) -> usize {
    crate::simd::Memory::round_up(operands * size_of::<*mut u8>())
}
