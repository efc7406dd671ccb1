//! A graph made runnable: fused loops, matrix products and kernels in an order, every value at a
//! place decided beforehand.
//!
//! In: a [`Graph`]. Out: a [`Plan`], plain data that any runner walks. One file per pass:
//! `simplify` rewrites the graph, `read` turns views into layouts of buffers, `fuse` and `regroup`
//! group operations into steps, `emit` writes the steps, `write` lets variables be written where
//! they live, `schedule` orders, the runner's own passes ([`Tuning`]) follow, and `place` lays out
//! the arena.

pub mod display;
pub mod layout;

mod access;
mod algebra;
mod buffer;
mod emit;
mod fuse;
mod place;
mod progress;
mod pruned;
mod read;
mod regroup;
mod rounded;
mod scan;
mod schedule;
mod simplify;
mod tuning;
mod windowed;
mod write;

#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::{Elementwise, Graph, Kernel, Node, NodeId, Op};
use crate::shape::Shape;
use crate::simd::{CombinedFormula, Reduction, Routine};

pub use buffer::{Buffer, BufferPlace};
pub use emit::Draft;
pub use layout::Layout;
pub use scan::{LoopOverSteps, LoopState};
pub use schedule::Users;
pub use tuning::{Tuning, Untuned};
pub use windowed::WindowedProduct;

/// A function from (inputs, variables) to (outputs, new variables), as a list of steps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is done, in order.
    pub steps: Vec<PlanStep>,
    /// Ranges of steps that know nothing of each other, and whose values have places of their own:
    /// a runner may run those of a range at once.
    pub independent: Vec<Range<usize>>,
    /// The stretches of memory that steps read and write.
    pub buffers: Vec<Buffer>,
    /// The run's inputs, by index.
    pub inputs: Vec<Signature>,
    /// The variables, by index in the graph.
    pub variables: Vec<PlanVariable>,
    /// The values that a run returns, each in the arena; of a step of a loop, each where the runner
    /// says, if it can.
    pub outputs: Vec<Output>,
    /// Numbers known beforehand.
    pub constants: Constants,
    /// The bytes of the memory that intermediate values share.
    pub arena: usize,
    /// Paths of layers, for displays.
    pub scopes: Vec<String>,
}

/// Numbers known beforehand, and where they lie in the memory that a runner gives them.
#[derive(Clone, Default, Debug)]
pub struct Constants {
    /// The byte at which each array starts.
    pub arrays: Vec<(usize, Array)>,
    /// The bytes of all.
    pub bytes: usize,
}

impl Constants {
    /// The bytes of an array from one of them on.
    pub fn from(&self, start: usize) -> &[u8] {
        let index = self.arrays.partition_point(|&(first, _)| first <= start) - 1;
        let (first, array) = &self.arrays[index];
        &array.bytes()[start - first..]
    }
}

/// A shape and an element type.
#[derive(Clone, PartialEq, Debug)]
pub struct Signature {
    /// The sizes of the axes.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
}

/// A variable as displays need it.
#[derive(Clone, Debug)]
pub struct PlanVariable {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Whether a run writes it.
    pub written: bool,
}

/// A value that a run returns.
#[derive(Clone, Debug)]
pub struct Output {
    /// The buffer that holds it.
    pub buffer: usize,
    /// Its first element in the buffer.
    pub offset: usize,
    /// Its shape and type.
    pub signature: Signature,
}

/// One thing to do, and the layer it belongs to.
#[derive(Clone, Debug)]
pub struct PlanStep {
    /// What is done.
    pub action: Action,
    /// The layer: an index into [`Plan::scopes`].
    pub scope: u32,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Elementwise operations in one pass, with reductions at the end.
    Loop(FusedLoop),
    /// Matrix products.
    Product(Product),
    /// An operation with code of its own.
    Call(Call),
    /// Stops the run if a value is not finite; everything that writes a variable comes after it.
    Guard(Guard),
    /// A product that is computed for an update, and the update.
    Update(Update),
    /// A product of windows of an image, or whose rows are windows to add up.
    Windowed(WindowedProduct),
    /// What a plan of its own does, once for each step.
    Scan(LoopOverSteps),
}

/// Elementwise operations on the elements of row-major sequences of one length.
///
/// Values are numbered: first the loads, then the instructions.
#[derive(Clone, Default, Debug)]
pub struct FusedLoop {
    /// The length of the sequences.
    pub length: usize,
    /// What is read.
    pub loads: Vec<Load>,
    /// What is computed from what was read, in order.
    pub instructions: Vec<Instruction>,
    /// The values that are kept.
    pub stores: Vec<Store>,
    /// The values that are combined.
    pub reduces: Vec<Reduce>,
    /// Further sequences to which the same is done; then nothing is reduced.
    pub repeats: Vec<Repeat>,
    /// The machine code for all of it, if there is some.
    pub whole: Option<LoopRoutine>,
    /// The loop before it read and wrote halves: sums are added in the order of that one.
    pub unhalved: Option<Box<FusedLoop>>,
}

/// A routine that computes all that a loop stores.
#[derive(Clone, PartialEq, Debug)]
pub struct LoopRoutine {
    /// The routine.
    pub routine: &'static Routine,
    /// The loads that are its values.
    pub loads: Vec<usize>,
    /// The stores that its results are for.
    pub stores: Vec<usize>,
}

/// Other buffers for the sequences that a loop reads and writes. Single elements stay the same.
#[derive(Clone, PartialEq, Debug)]
pub struct Repeat {
    /// The length of the sequences.
    pub length: usize,
    /// The buffer of each load.
    pub loads: Vec<usize>,
    /// The buffer of each store.
    pub stores: Vec<usize>,
}

/// A sequence that a loop reads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Load {
    /// The buffer that is read.
    pub buffer: usize,
    /// Where in it each element of the sequence lies.
    pub layout: Layout,
}

/// An operation of a fused loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Instruction {
    /// What is computed.
    pub function: LoopFunction,
    /// The values it is computed from.
    pub inputs: Vec<usize>,
    /// The type of the last input, by which loops are chosen.
    pub from: DType,
    /// The type of the result.
    pub to: DType,
}

/// What an instruction computes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum LoopFunction {
    /// An elementwise function.
    Elementwise(&'static Elementwise),
    /// Several of them at once.
    Combined(&'static CombinedFormula),
    /// A conversion between element types.
    Cast,
    /// From the upper half of an `f32` to the whole, as it is loaded.
    Expand,
    /// To the upper half of an `f32`, as it is stored.
    Halve,
}

/// A value of a loop that is written to a buffer of the loop's length.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Store {
    /// The value.
    pub value: usize,
    /// Where to.
    pub buffer: usize,
}

/// A value of a loop that is combined along the middle one of three axes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reduce {
    /// The value.
    pub value: usize,
    /// How elements are combined.
    pub reduction: Reduction,
    /// The sizes of the axes: kept, combined, kept. Their product is the loop's length.
    pub sizes: [usize; 3],
    /// Where the `sizes[0] * sizes[2]` results go.
    pub buffer: usize,
}

/// `output[b] = left[b] right[b] + bias` for every `b` of the batch.
#[derive(Clone, Debug)]
pub struct Product {
    /// The sizes of the batch axes.
    pub batch: Vec<usize>,
    /// Rows of the result, terms of each sum, columns of the result.
    pub sizes: [usize; 3],
    /// The left operand.
    pub left: Matrix,
    /// The right operand.
    pub right: Matrix,
    /// Whether each number of both operands is one that a bfloat16 holds.
    pub rounded: bool,
    /// A row that is added to every row: its buffer and first element.
    pub bias: Option<(usize, usize)>,
    /// Whether what is less than 0 becomes 0 in the end; a runner's passes may ask for it.
    pub rectified: bool,
    /// Where the result goes, contiguous.
    pub output: usize,
}

/// An operand of a matrix product.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The buffer it lies in.
    pub buffer: usize,
    /// Its first element in the buffer.
    pub offset: usize,
    /// The distances between neighbours along the rows' axis and along the columns' axis of the
    /// operand as multiplied.
    pub strides: [isize; 2],
    /// The distances along the batch axes.
    pub batch_strides: Vec<isize>,
}

/// An operation with code of its own.
#[derive(Clone, Debug)]
pub struct Call {
    /// The code.
    pub kernel: Arc<dyn Kernel>,
    /// Its inputs.
    pub inputs: Vec<Argument>,
    /// Its output.
    pub output: Argument,
}

/// A whole contiguous array given to a kernel.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The buffer it lies in.
    pub buffer: usize,
    /// Its first element in the buffer.
    pub offset: usize,
    /// The sizes of its axes.
    pub shape: Shape,
}

/// What has to be finite before a variable is written.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The values.
    pub checks: Vec<CheckedValue>,
    /// Products of later updates among the values. They are finite if their operands are small
    /// enough: no sum is larger than its terms times the largest number of the left operand times
    /// that of the right one. If this does not show that they all are, all are computed here.
    pub deferred: Vec<Product>,
}

/// A product whose result nobody needs but a loop over it, and perhaps the guard before.
#[derive(Clone, Debug)]
pub struct Update {
    /// The product: one matrix, without a bias.
    pub product: Product,
    /// The loop, which is one routine.
    pub body: FusedLoop,
    /// Whether the product is one of those that the guard knows.
    pub checked: bool,
}

/// A value that has to be finite.
#[derive(Clone, Debug)]
pub struct CheckedValue {
    /// Its index in [`Graph::checks`].
    pub index: usize,
    /// The buffer it lies in.
    pub buffer: usize,
    /// Its first element in the buffer.
    pub offset: usize,
    /// The number of its elements.
    pub length: usize,
}

/// How a plan is built.
struct Building {
    /// Whether operations are fused.
    fused: bool,
    /// Whether outputs lie where the runner says.
    outside: bool,
    /// Which inputs are known to be numbers that a bfloat16 holds, as far as it goes.
    rounded: Vec<bool>,
}

impl Default for Building {
    fn default() -> Self {
        Self { fused: true, outside: false, rounded: Vec::new() }
    }
}

impl Plan {
    /// The fastest plan for a graph, for the runner whose passes are given.
    pub fn new(graph: &Graph, tuning: &dyn Tuning) -> Plan {
        Self::build(graph, &simplify::simplify(graph), tuning, Building::default())
    }

    /// The same for the steps of a loop, whose outputs lie where the runner says if it can, given
    /// what is known of their inputs.
    fn of_step(graph: &Graph, tuning: &dyn Tuning, rounded: Vec<bool>) -> Plan {
        let building = Building { outside: tuning.places_outputs(), fused: true, rounded };
        Self::build(graph, &simplify::simplify(graph), tuning, building)
    }

    /// A plan that does what the graph says and no more: every elementwise operation is a loop of
    /// its own.
    pub fn unfused(graph: &Graph, tuning: &dyn Tuning) -> Plan {
        let building = Building { fused: false, ..Building::default() };
        Self::build(graph, &simplify::normalize(graph), tuning, building)
    }

    /// # Panics
    /// If no array may have the shape of a node. All that plans and runners multiply of sizes
    /// relies on this: offsets, strides, bytes, the places that unchecked code reads and writes.
    fn build(
        graph: &Graph,
        simplified: &Graph,
        tuning: &dyn Tuning,
        Building { fused, outside, rounded }: Building,
    ) -> Plan {
        for node in graph.nodes.iter().chain(&simplified.nodes) {
            assert!(node.shape.is_possible(), "a node of shape {}", node.shape);
        }
        let reads = read::Reads::new(simplified);
        let groups = fuse::Groups::new(simplified, &reads, fused);
        let rounded = rounded::rounded(simplified, &rounded);
        let planned = |(position, node): (usize, &Node)| {
            let Op::Scan(scan) = &node.op else { return None };
            let body = scan.graph();
            let inputs = node.inputs.iter().map(|input| rounded[input.index()]);
            let plan = if fused {
                Plan::of_step(body, tuning, rounded::given_to_steps(scan, inputs))
            } else {
                Plan::unfused(body, tuning)
            };
            Some((NodeId(position as u32), Arc::new(plan)))
        };
        let bodies = simplified.nodes.iter().enumerate().filter_map(planned).collect();
        let mut draft = Draft::new(simplified, &reads, &groups, bodies, rounded, tuning.line());
        if outside {
            draft.place_outputs();
        }
        let written = write::write(&mut draft, simplified, &reads, fused);
        schedule::order(&mut draft, &written);
        if fused {
            tuning.tune(&mut draft, &graph.routines);
        }
        let arena = place::place(&mut draft, tuning, fused);
        let signature = |shape: &Shape, dtype| Signature { shape: shape.clone(), dtype };
        let named = |(index, variable): (usize, &crate::variable::Variable)| PlanVariable {
            name: variable.name().to_string(),
            bytes: variable.shape().len() * variable.dtype().bytes(),
            written: graph.writes.iter().any(|&(written, _)| written == index),
        };
        Plan {
            steps: draft.steps,
            independent: draft.independent,
            buffers: draft.buffers,
            inputs: graph
                .inputs
                .iter()
                .map(|&id| signature(&graph.node(id).shape, graph.node(id).dtype))
                .collect(),
            variables: graph.variables.iter().enumerate().map(named).collect(),
            outputs: draft.outputs,
            constants: draft.constants,
            arena,
            scopes: graph.scopes.clone(),
        }
    }

    /// The bytes of the memory that intermediate values share, with those of one step of a loop:
    /// one loop runs at a time. One that threads share needs the latter for each of them.
    pub fn arena_bytes(&self) -> usize {
        let of_a_step = |action: &Action| match action {
            Action::Scan(scan) => scan.body.arena_bytes(),
            _ => 0,
        };
        let of_steps = self.steps.iter().map(|step| of_a_step(&step.action));
        self.arena.saturating_add(of_steps.max().unwrap_or(0))
    }

    /// The order in which the variables are to lie in memory, by index: then one loop updates many
    /// of them at once.
    pub fn order(&self) -> Vec<usize> {
        access::order(self)
    }

    /// Whether a run writes any variable.
    pub fn writes(&self) -> bool {
        self.variables.iter().any(|variable| variable.written)
    }
}
