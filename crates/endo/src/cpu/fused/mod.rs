//! Runs fused loops: a list of instructions over tiles that stay in the first-level cache.
//!
//! In: a loop of the plan, resolved by [`lower`] to function pointers, addresses and registers. Out: stored sequences and
//! reduced values. Long loops are cut into chunks whose size depends on shapes only, so results do not depend on threads.

mod fold;
pub mod gather;
mod lower;
mod table;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::simd::Loop;

use super::Scratch;
use super::address::{Address, Bases};
use super::pool::Pool;

use fold::Fold;
use gather::Gather;
pub use gather::Spread;

/// The most elements that an instruction works on at a time.
pub const LONGEST_TILE: usize = 1024;
/// The elements of 4 bytes that fill a cache line; of smaller ones, more do.
const LINE_ELEMENTS: usize = 16;

/// A fused loop as it is run.
pub struct Body {
    length: usize,
    /// Elements of a tile.
    tile: usize,
    /// Elements of a chunk, which one thread works on; the loop's length if it is not cut.
    chunk: usize,
    /// The operands of all instructions, each one's inputs and output one after the other, then those of folds.
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
    /// Copies of short sequences from registers, of just the elements that they have.
    moves: Box<[Move]>,
    /// Whether everything that is read and written goes on to the end of its last line, so that loops may.
    padded: bool,
    /// Whether all instructions work on registers, and on a whole line of them.
    short: bool,
    /// Further sequences to which the same is done.
    repeats: Box<[Others]>,
}

/// Where the sequences of a repeat lie, in the order of the operands that are sequences.
struct Others {
    length: usize,
    addresses: Box<[Address]>,
}

/// Where an operand of an instruction lies for the tile that starts at element `i`: at `address + i * step`.
#[derive(Clone, Copy)]
struct Operand {
    address: Address,
    /// Bytes from element to element of a sequence in memory; 0 for what lies in a register.
    step: usize,
}

/// A loop over a tile; its operands are those of the body from `first` on.
#[derive(Clone, Copy)]
struct Instruction {
    code: Loop,
    first: u32,
    inputs: u32,
}

/// A copy of a computed sequence to memory.
#[derive(Clone, Copy)]
struct Move {
    from: Address,
    to: Address,
    /// Bytes of an element.
    size: usize,
}

/// A part of a loop that one thread works on.
#[derive(Clone, Copy)]
struct Range<'a> {
    start: usize,
    end: usize,
    /// The end of the sequences that it is a part of.
    whole: usize,
    /// The addresses of sequences that are not the loop's own.
    sequences: Option<&'a [Address]>,
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

    /// Runs the loop.
    ///
    /// # Safety
    /// The addresses hold what the plan says; nobody else writes what is read or touches what is written meanwhile. The
    /// processor has the level that the loop was resolved for, and scratch is as large as asked for, for `threads` threads.
    pub unsafe fn run(&self, bases: &Bases, scratch: Scratch, threads: usize, pool: &Pool) {
        if self.chunk >= self.length {
            let mut next = 0;
            while next <= self.repeats.len() {
                let (range, after) = self.stretch(bases, next);
                // SAFETY: as the caller promises.
                unsafe { self.range(bases, scratch.of(0), scratch.partials(), range) };
                next = after;
            }
            return;
        }
        let next = AtomicUsize::new(0);
        let work = |thread| {
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                let start = chunk * self.chunk;
                if start >= self.length {
                    break;
                }
                let end = self.length.min(start + self.chunk);
                let range = Range { start, end, whole: self.length, sequences: None, chunk: Some(chunk) };
                // SAFETY: as the caller promises; chunks store apart, and each thread has scratch of its own.
                unsafe { self.range(bases, scratch.of(thread), scratch.partials(), range) };
            }
        };
        if threads > 1 {
            pool.run(threads, work)
        } else {
            work(0)
        }
        let chunks = self.length.div_ceil(self.chunk);
        for fold in &self.folds {
            // SAFETY: all chunks have left their partial results.
            unsafe { fold.combine(bases, scratch.partials(), chunks) };
        }
    }

    /// The loop's own sequences, or those of the repeat before `next`, with all those that continue them in memory; and the number
    /// of the first one that does not.
    fn stretch(&self, bases: &Bases, next: usize) -> (Range<'_>, usize) {
        let of = |number: usize| number.checked_sub(1).map(|repeat| &self.repeats[repeat]);
        let length = |number: usize| of(number).map_or(self.length, |repeat| repeat.length);
        let own = || self.operands.iter().filter(|operand| operand.step > 0);
        let sequences = of(next).map(|repeat| &repeat.addresses[..]);
        let (mut end, mut after) = (length(next), next + 1);
        while self.padded && after <= self.repeats.len() {
            // Between the end of a sequence and the end of its line lies what is nobody else's.
            let start = end.next_multiple_of(LINE_ELEMENTS);
            let continued = own().zip(&self.repeats[after - 1].addresses).enumerate().all(|(index, (operand, &address))| {
                let first = sequences.map_or(operand.address, |addresses| addresses[index]);
                bases.at(address) == bases.at(first).wrapping_add(start * operand.step)
            });
            if !continued {
                break;
            }
            end = start + length(after);
            after += 1;
        }
        (Range { start: 0, end, whole: end, sequences, chunk: None }, after)
    }

    /// # Safety
    /// As for `run`; `scratch` is the thread's own.
    unsafe fn range(&self, bases: &Bases, scratch: *mut u8, partials: *mut u8, range: Range<'_>) {
        let table = scratch.cast::<*mut u8>();
        let registers = scratch.wrapping_add(table_bytes(self.operands.len()));
        for fill in &self.fills {
            // SAFETY: broadcast values repeat from every start of a chunk, and the register holds a tile.
            unsafe { fill.run(bases, registers, range.start, self.tile.min(range.end - range.start)) };
        }
        let mut start = range.start;
        while start < range.end {
            let count = self.tile.min(range.end - start);
            // Loops are faster on whole vectors. What lies behind the end of a sequence is nobody else's.
            let is_last = self.padded && start + count == range.whole;
            let padded = if is_last || self.short { (start + count).next_multiple_of(LINE_ELEMENTS) - start } else { count };
            // SAFETY: the table has an entry for each operand, and every sequence, with those that continue it, has `count`
            // elements from `start` on, or `padded` elements where lines are filled. They continue each other within one memory,
            // that of the variables or the arena. Values that overwrite what is still to be read are copied last.
            unsafe {
                let mut sequences = range.sequences.unwrap_or(&[]).iter();
                for (index, operand) in self.operands.iter().enumerate() {
                    let other = if operand.step > 0 { sequences.next() } else { None };
                    let address = bases.at_or_register(*other.unwrap_or(&operand.address), registers);
                    table.add(index).write(address.wrapping_add(start * operand.step));
                }
                for gather in &self.gathers {
                    gather.run(bases, registers, start, count);
                }
                self.instructions.iter().for_each(|instruction| instruction.run(table, padded));
                for fold in &self.folds {
                    fold.run(bases, registers, partials, *table.add(fold.operand), start..start + count, range);
                }
                self.copies.iter().for_each(|copy| copy.run(table, padded));
                for step in &self.moves {
                    let from = bases.at_or_register(step.from, registers);
                    std::ptr::copy_nonoverlapping(from, bases.at(step.to), count * step.size);
                }
            }
            start += count;
        }
        if self.length == 0 {
            // SAFETY: as the caller promises.
            self.folds.iter().for_each(|fold| unsafe { fold.of_nothing(bases) });
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

/// The bytes of a table of operands, in whole cache lines.
fn table_bytes(operands: usize) -> usize {
    crate::simd::Memory::round_up(operands * size_of::<*mut u8>())
}
