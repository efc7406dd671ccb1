//! Resolves fused loops of a plan for the processor: where values are kept, how long tiles and
//! chunks are.
//!
//! In: a loop of the plan. Out: a [`Body`]. What is stored is computed where it is stored; all else
//! lives in as few registers as possible, which are as long as a tile.

mod sizes;

use crate::dtype::DType;
use crate::plan::{BufferPlace, FusedLoop, Load, LoopFunction, LoopRoutine, Plan, Reduce, Repeat};
use crate::simd::{Level, Reduction, UpperHalf};

use super::super::address::{Address, Tiles};
use super::super::cost::Cost;
use super::super::matmul::columns::column_sums;
use super::fold::Fold;
use super::gather::{Gather, Spread};
use super::{Body, Instruction, LINE_ELEMENTS, Operand, RegisterCopy, SequenceAddresses, table};

/// Bytes between registers, so that equal places in them fall into different sets of the cache.
const GAP: usize = 64;

/// Where a value is while the loop runs.
#[derive(Clone, Copy)]
enum ValueLocation {
    /// In memory, element by element.
    Sequence(Sequence),
    /// In a tile of equal elements, or for routines in one element.
    Tile(Address),
    /// In a register, by its number.
    Register(usize),
}

/// A sequence in memory, by the load or store that it is.
#[derive(Clone, Copy)]
enum Sequence {
    Load(usize),
    Store(usize),
}

struct Lowering<'a> {
    plan: &'a Plan,
    body: &'a FusedLoop,
    level: Level,
    /// Whether halved numbers count as whole ones.
    unhalved: bool,
    homes: Vec<ValueLocation>,
    /// The element size of each register.
    registers: Vec<usize>,
    free: Vec<usize>,
    /// For each value the last instruction that reads it; the number of instructions if it is read
    /// at the end of a tile.
    last: Vec<usize>,
    /// Tiles are multiples of this, as long as there is more than one.
    row: usize,
    /// Whether all goes through registers, because the sequences are shorter than a line and not
    /// all padded.
    short: bool,
    fills: Vec<usize>,
    gathers: Vec<usize>,
    /// Values and the stores that they are copied to at the end of a tile.
    copies: Vec<(usize, usize)>,
    spreads: Vec<Spread>,
}

impl Body {
    /// Resolves a loop of the plan, and what has to be repeated to tiles before it.
    pub fn new(
        plan: &Plan,
        body: &FusedLoop,
        level: Level,
        tiles: &mut Tiles,
    ) -> (Self, Vec<Spread>) {
        let mut lowering = Lowering::new(plan, body, level, tiles, false);
        let spreads = std::mem::take(&mut lowering.spreads);
        (lowering.finish(), spreads)
    }
}

impl<'a> Lowering<'a> {
    /// What lies where in a loop; as if no number were halved if `unhalved`.
    fn new(
        plan: &'a Plan,
        body: &'a FusedLoop,
        level: Level,
        tiles: &mut Tiles,
        unhalved: bool,
    ) -> Self {
        let mut lowering = Self {
            plan,
            body,
            level,
            unhalved,
            homes: Vec::new(),
            registers: Vec::new(),
            free: Vec::new(),
            last: body.last_reads(),
            row: 1,
            short: false,
            fills: Vec::new(),
            gathers: Vec::new(),
            copies: Vec::new(),
            spreads: Vec::new(),
        };
        lowering.short =
            body.length < LINE_ELEMENTS && body.repeats.is_empty() && !lowering.is_padded();
        lowering.reductions();
        lowering.loads(tiles);
        if lowering.whole().is_none() {
            lowering.instructions();
        }
        lowering
    }

    fn dtype(&self, value: usize) -> DType {
        match value.checked_sub(self.body.loads.len()) {
            None => self.plan.buffers[self.body.loads[value].buffer].dtype,
            Some(instruction) => self.body.instructions[instruction].to,
        }
    }

    /// Whether a value is the upper half of a number.
    fn is_half(&self, value: usize) -> bool {
        match value.checked_sub(self.body.loads.len()) {
            None => !self.unhalved && self.plan.buffers[self.body.loads[value].buffer].halved,
            Some(instruction) => {
                self.body.instructions[instruction].function == LoopFunction::Halve
            }
        }
    }

    /// The size of an element of a value.
    fn bytes(&self, value: usize) -> usize {
        if self.is_half(value) { size_of::<UpperHalf>() } else { self.dtype(value).bytes() }
    }

    fn loads(&mut self, tiles: &mut Tiles) {
        for (value, Load { buffer, layout }) in self.body.loads.iter().enumerate() {
            let place = self.plan.buffers[*buffer].place;
            let dtype = self.dtype(value);
            let size = self.bytes(value);
            let home = if self.is_single(value) {
                ValueLocation::Tile(self.source(value))
            } else if layout.is_contiguous() && !self.short {
                ValueLocation::Sequence(Sequence::Load(value))
            } else if let (true, BufferPlace::Constant(start)) = (layout.is_uniform(), place) {
                let start = start + layout.offset * size;
                ValueLocation::Tile(tiles.constant(dtype, &self.plan.constants.from(start)[..size]))
            } else if layout.is_uniform() && !self.short {
                let (to, is_new) = tiles.computed(*buffer, layout.offset, size);
                if is_new {
                    self.spreads.push(Spread { from: self.source(value), to, size });
                }
                ValueLocation::Tile(to)
            } else {
                let register = self.registers.len();
                self.registers.push(size);
                let repeats = layout.period().is_some_and(|period| self.rows_of(period));
                if repeats {
                    self.fills.push(value)
                } else {
                    self.gathers.push(value)
                }
                ValueLocation::Register(register)
            };
            self.homes.push(home);
        }
    }

    /// Whether everything goes on to the end of its last line, and no element is larger than those
    /// that fill a line.
    fn is_padded(&self) -> bool {
        let values = self.body.loads.len() + self.body.instructions.len();
        let narrow = (0..values).all(|value| self.bytes(value) <= 4);
        let inside = |load: &Load| !load.layout.is_contiguous() || load.layout.offset == 0;
        let given = |buffer: usize| {
            let place = self.plan.buffers[buffer].place;
            matches!(place, BufferPlace::Input(_) | BufferPlace::Output(_))
        };
        let own = |load: &Load| !given(load.buffer) || !load.layout.is_contiguous();
        narrow
            && self.body.loads.iter().all(|load| inside(load) && own(load))
            && self.body.stores.iter().all(|store| !given(store.buffer))
    }

    /// The routine that does all of the loop, where its sequences are read where they lie.
    fn whole(&self) -> Option<&LoopRoutine> {
        self.body.whole.as_ref().filter(|_| !self.short)
    }

    /// Whether a load is a single number to a routine, which reads it where it lies.
    fn is_single(&self, value: usize) -> bool {
        self.whole().is_some_and(|whole| whole.loads[whole.routine.sequences..].contains(&value))
    }

    fn instructions(&mut self) {
        let loads = self.body.loads.len();
        let mut stored: Vec<Option<usize>> = vec![None; self.body.stores.len()];
        for (index, instruction) in self.body.instructions.iter().enumerate() {
            let value = loads + index;
            // A register whose value dies here can take the result: an instruction reads each
            // element before it writes it.
            let mut dying: Vec<usize> = instruction.inputs.clone();
            dying.sort_unstable();
            dying.dedup();
            for input in dying {
                if let ValueLocation::Register(register) = self.homes[input]
                    && self.last[input] == index
                    && !self.fills.contains(&input)
                {
                    self.free.push(register);
                }
            }
            let goes_here = |&store: &usize| {
                self.body.stores[store].value == value && self.is_free(store, index)
            };
            let direct = (0..self.body.stores.len()).find(goes_here).filter(|_| !self.short);
            let home = match direct {
                Some(store) => {
                    stored[store] = Some(value);
                    ValueLocation::Sequence(Sequence::Store(store))
                }
                None => ValueLocation::Register(self.register(self.bytes(value))),
            };
            self.homes.push(home);
        }
        // What was read goes first: what is computed may overwrite it.
        let mut left: Vec<usize> =
            (0..stored.len()).filter(|&store| stored[store].is_none()).collect();
        left.sort_by_key(|&store| self.body.stores[store].value >= loads);
        self.copies =
            left.into_iter().map(|store| (self.body.stores[store].value, store)).collect();
    }

    /// Whether nothing that lies where a store goes is read after an instruction.
    fn is_free(&self, store: usize, instruction: usize) -> bool {
        let stored = &self.plan.buffers[self.body.stores[store].buffer];
        let mut loads = self.body.loads.iter().enumerate();
        loads.all(|(value, load)| {
            let loaded = &self.plan.buffers[load.buffer];
            // Halves, as whole numbers, would lie elsewhere.
            let apart = self.unhalved && (stored.halved || loaded.halved);
            apart || loaded.place != stored.place || self.last[value] <= instruction
        })
    }

    fn register(&mut self, size: usize) -> usize {
        if let Some(position) =
            self.free.iter().position(|&register| self.registers[register] == size)
        {
            return self.free.swap_remove(position);
        }
        self.registers.push(size);
        self.registers.len() - 1
    }

    /// The bytes of an element for what is combined of a tile, if something is.
    fn scratch(&self) -> Option<usize> {
        self.body.reduces.iter().map(|reduce| self.dtype(reduce.value).bytes()).max()
    }

    fn own_tile(&self) -> usize {
        self.tile(self.registers.iter().sum::<usize>() + self.scratch().unwrap_or(0))
    }

    fn finish(self) -> Body {
        let length = self.body.length;
        let scratch = self.scratch();
        let tile = self.body.unhalved.as_ref().map_or_else(
            || self.own_tile(),
            |body| {
                let mut tiles = Tiles::default();
                Lowering::new(self.plan, body, self.level, &mut tiles, true).own_tile()
            },
        );
        let mut offsets = Vec::new();
        let mut bytes = 0;
        for size in self.registers.iter().copied().chain(scratch) {
            offsets.push(bytes);
            bytes += (tile * size).next_multiple_of(64) + GAP;
        }
        let address = |home: ValueLocation| match home {
            ValueLocation::Sequence(sequence) => self.address(sequence, None),
            ValueLocation::Tile(address) => address,
            ValueLocation::Register(register) => Address::register(offsets[register]),
        };
        let mut operands: Vec<Operand> = Vec::new();
        let mut sequences: Vec<Sequence> = Vec::new();
        let mut add = |home: ValueLocation, bytes: usize| {
            let mut step = 0;
            if let ValueLocation::Sequence(sequence) = home {
                step = bytes;
                sequences.push(sequence);
            }
            operands.push(Operand { address: address(home), step });
            operands.len() - 1
        };
        let loads = self.body.loads.len();
        let mut instructions = Vec::new();
        if let Some(whole) = self.whole() {
            // Its operands are all of the table: first the values, then the results.
            for &load in &whole.loads {
                _ = add(self.homes[load], DType::F32.bytes());
            }
            for &store in &whole.stores {
                _ = add(ValueLocation::Sequence(Sequence::Store(store)), DType::F32.bytes());
            }
            let (code, inputs) = (whole.routine.at(self.level), whole.loads.len() as u16);
            instructions.push(Instruction { code, first: 0, inputs, vector: LINE_ELEMENTS as u16 });
        } else {
            for (index, instruction) in self.body.instructions.iter().enumerate() {
                let inputs = instruction.inputs.len();
                let values = instruction.inputs.iter().copied().chain([loads + index]);
                let last = values
                    .map(|value| add(self.homes[value], self.bytes(value)))
                    .last()
                    .unwrap_or(0);
                let code = table::instruction(instruction, self.level);
                let vector =
                    if instruction.to.bytes() == 8 { LINE_ELEMENTS / 2 } else { LINE_ELEMENTS }
                        as u16;
                instructions.push(Instruction {
                    code,
                    first: (last - inputs) as u32,
                    inputs: inputs as u16,
                    vector,
                });
            }
        }
        let values: Vec<usize> = self
            .body
            .reduces
            .iter()
            .map(|reduce| add(self.homes[reduce.value], self.bytes(reduce.value)))
            .collect();
        let mut copies = Vec::new();
        let mut departures = Vec::new();
        for &(value, store) in &self.copies {
            let size = self.bytes(value);
            if self.short {
                let from = address(self.homes[value]);
                let to = self.address(Sequence::Store(store), None);
                departures.push(RegisterCopy { from, to, size });
                continue;
            }
            let first = add(self.homes[value], size) as u32;
            add(ValueLocation::Sequence(Sequence::Store(store)), size);
            let code = if self.is_half(value) {
                table::copy_halves(self.level)
            } else {
                table::copy(self.dtype(value), self.level)
            };
            let vector = LINE_ELEMENTS as u16;
            copies.push(Instruction { code, first, inputs: 1, vector });
        }
        let of_repeat = |repeat: Option<&Repeat>| {
            let addresses =
                sequences.iter().map(|&sequence| self.address(sequence, repeat)).collect();
            SequenceAddresses { length: repeat.map_or(length, |repeat| repeat.length), addresses }
        };
        let repeats = self.body.repeats.iter().map(Some);
        let sequences: Box<[SequenceAddresses]> =
            std::iter::once(None).chain(repeats).map(of_repeat).collect();
        let arrives = |value: &usize| self.short && self.body.loads[*value].layout.is_contiguous();
        let arrival = |&value: &usize| RegisterCopy {
            from: self.source(value),
            to: address(self.homes[value]),
            size: self.bytes(value),
        };
        let gather = |&value: &usize| {
            let ValueLocation::Register(register) = self.homes[value] else {
                unreachable!("gathered values live in registers")
            };
            let (size, layout) = (self.bytes(value), &self.body.loads[value].layout);
            Gather::new(self.source(value), offsets[register], size, layout)
        };
        let chunk = self.chunk();
        let mut partials = 0;
        let register = offsets.last().copied().unwrap_or(0);
        let folds = self.body.reduces.iter().zip(values).map(|(reduce, operand)| {
            let size = self.dtype(reduce.value).bytes();
            let cut = chunk < length && reduce.sizes[0] == 1;
            let start = partials;
            if cut {
                partials += (length.div_ceil(chunk) * reduce.sizes[2] * size).next_multiple_of(64);
            }
            self.fold(reduce, operand, cut.then_some(start), register)
        });
        let direct = [&self.fills, &self.gathers].iter().all(|values| values.is_empty())
            && self.copies.is_empty()
            && length > 0;
        Body {
            length,
            direct,
            tile,
            chunk,
            cost: Cost::of_loop(self.body, &self.plan.buffers, self.level),
            folds: folds.collect(),
            fills: self.fills.iter().map(gather).collect(),
            gathers: self.gathers.iter().filter(|value| !arrives(value)).map(gather).collect(),
            arrivals: self.gathers.iter().filter(|value| arrives(value)).map(arrival).collect(),
            departures: departures.into(),
            instructions: instructions.into(),
            copies: copies.into(),
            registers: bytes,
            partials,
            padded: self.is_padded(),
            short: self.short,
            stretches: Vec::with_capacity(sequences.len()),
            spots: Vec::with_capacity(sequences.len() * operands.len()),
            operands: operands.into(),
            sequences,
        }
    }

    /// Where a sequence starts, of the loop itself or of a repeat.
    fn address(&self, sequence: Sequence, repeat: Option<&Repeat>) -> Address {
        let buffer = match (sequence, repeat) {
            (Sequence::Load(value), None) => return self.source(value),
            (Sequence::Store(store), None) => self.body.stores[store].buffer,
            (Sequence::Load(value), Some(repeat)) => repeat.loads[value],
            (Sequence::Store(store), Some(repeat)) => repeat.stores[store],
        };
        Address::new(self.plan, buffer, 0)
    }

    /// Where a load starts.
    fn source(&self, value: usize) -> Address {
        let Load { buffer, layout } = &self.body.loads[value];
        Address::new(self.plan, *buffer, layout.offset)
    }

    fn fold(
        &self,
        reduce: &Reduce,
        operand: usize,
        partials: Option<usize>,
        register: usize,
    ) -> Fold {
        let dtype = self.dtype(reduce.value);
        Fold {
            operand,
            sizes: reduce.sizes,
            size: dtype.bytes(),
            output: Address::new(self.plan, reduce.buffer, 0),
            partials,
            register,
            fold: table::fold(reduce.reduction, dtype, self.level),
            sums: if reduce.reduction == Reduction::Sum { column_sums(dtype) } else { None },
            level: self.level,
            accumulate: table::accumulate(reduce.reduction, dtype, self.level),
            copy: table::copy(dtype, self.level),
        }
    }
}
