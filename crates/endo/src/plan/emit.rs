//! Writes the steps of a plan: what each group of operations reads, computes and stores.
//!
//! In: a graph, its reads and its groups. Out: a [`Draft`]: steps in no order yet, and buffers
//! without places in the arena.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::{Graph, NodeId, Op, Scan};

use super::fuse::{Group, Groups};
use super::read::{Read, Reads};
use super::{
    Action, Argument, Buffer, BufferPlace, Call, CheckedValue, Constants, FusedLoop, Guard,
    Instruction, Load, LoopFunction, LoopOverSteps, LoopState, Matrix, Output, Plan,
};
use super::{PlanStep, Product, Reduce, Signature, Store};

/// A plan in the making.
pub struct Draft {
    /// The steps; from `schedule` on in order.
    pub steps: Vec<PlanStep>,
    /// For each step the last of its operations in the traced order: ties are broken by it.
    pub positions: Vec<usize>,
    /// As [`Plan::independent`](super::Plan::independent); a runner's last pass says which.
    pub independent: Vec<Range<usize>>,
    /// What steps read and write; from `place` on with their places.
    pub buffers: Vec<Buffer>,
    /// The values that a run returns.
    pub outputs: Vec<Output>,
    /// Numbers known beforehand.
    pub constants: Constants,
    /// The plans of the steps of loops.
    bodies: FxHashMap<NodeId, Arc<Plan>>,
    /// Whether each node is known to be of numbers that a bfloat16 holds.
    rounded: Vec<bool>,
    /// The bytes that the places of constants are multiples of.
    line: usize,
    /// The buffer of each operation that has one.
    of: Vec<Option<usize>>,
    /// The buffer of each variable's value at the start of the run, if anything reads it.
    pub variables: Vec<Option<usize>>,
}

impl Draft {
    /// Writes the steps of all groups, the outputs and the guard; constants start at
    /// multiples of `line` bytes. `bodies` are the plans of the steps of loops; `rounded` says of
    /// each node whether it is known to be of numbers that a bfloat16 holds.
    pub fn new(
        graph: &Graph,
        reads: &Reads,
        groups: &Groups<'_>,
        bodies: FxHashMap<NodeId, Arc<Plan>>,
        rounded: Vec<bool>,
        line: usize,
    ) -> Self {
        let mut draft = Self {
            steps: Vec::new(),
            positions: Vec::new(),
            independent: Vec::new(),
            buffers: Vec::new(),
            outputs: Vec::new(),
            constants: Constants::default(),
            bodies,
            rounded,
            line,
            of: vec![None; graph.nodes.len()],
            variables: vec![None; graph.variables.len()],
        };
        let kept = groups.kept();
        for group in groups.list.iter().filter(|group| !group.members.is_empty()) {
            let scope = graph.node(group.members[0]).scope;
            let last = *group.members.last().expect("groups have members");
            let action = if group.is_loop {
                Action::Loop(draft.fused(groups, group, &kept))
            } else {
                draft.whole(groups, last)
            };
            draft.push(action, scope, last.index());
        }
        for (&id, read) in graph.outputs.iter().zip(&reads.outputs) {
            draft.output(graph, id, read);
        }
        draft.guard(graph, reads);
        draft
    }

    /// Adds a step.
    fn push(&mut self, action: Action, scope: u32, position: usize) -> usize {
        self.steps.push(PlanStep { action, scope });
        self.positions.push(position);
        self.steps.len() - 1
    }

    /// Removes the steps that are marked.
    pub fn remove(&mut self, marked: &[bool]) {
        let mut left = marked.iter();
        self.steps.retain(|_| left.next() == Some(&false));
        let mut left = marked.iter();
        self.positions.retain(|_| left.next() == Some(&false));
    }

    /// Adds a buffer.
    pub fn buffer(&mut self, dtype: DType, length: usize, place: BufferPlace) -> usize {
        self.buffers.push(Buffer { dtype, length, place, halved: false });
        self.buffers.len() - 1
    }

    /// Adds a constant, and tells at which byte it starts.
    fn constant(&mut self, array: &Array) -> usize {
        let start = self.constants.bytes;
        self.constants.bytes += array.bytes().len().max(1).next_multiple_of(self.line);
        self.constants.arrays.push((start, array.clone()));
        start
    }

    /// The buffer that holds the value of an operation.
    pub fn buffer_of(&mut self, graph: &Graph, id: NodeId) -> usize {
        if let Some(buffer) = self.of[id.index()] {
            return buffer;
        }
        let node = graph.node(id);
        if let Op::Variable(index) = node.op
            && let Some(buffer) = self.variables[index]
        {
            return buffer;
        }
        let place = match &node.op {
            Op::Input(index) => BufferPlace::Input(*index),
            Op::Variable(index) => BufferPlace::Variable(*index),
            Op::Constant(array) => BufferPlace::Constant(self.constant(array)),
            Op::Elementwise(_)
            | Op::Cast
            | Op::Reduce(..)
            | Op::Matmul { .. }
            | Op::View(_)
            | Op::Kernel(_)
            | Op::Identity(_)
            | Op::Scan(_)
            | Op::Part(_)
            | Op::Parameter => BufferPlace::Arena(0),
        };
        let buffer = self.buffer(node.dtype, node.shape.len(), place);
        self.of[id.index()] = Some(buffer);
        if let BufferPlace::Variable(index) = place {
            self.variables[index] = Some(buffer);
        }
        buffer
    }

    /// Lets every output lie in a place of its own, which is told when the plan is run.
    pub fn place_outputs(&mut self) {
        for index in 0..self.outputs.len() {
            let Output { buffer, offset, signature } = self.outputs[index].clone();
            let length = signature.shape.len();
            let whole = offset == 0 && self.buffers[buffer].length == length;
            let place = BufferPlace::Output(index);
            if whole && self.buffers[buffer].place.is_arena() {
                self.buffers[buffer].place = place;
                continue;
            }
            let own = self.buffer(signature.dtype, length, place);
            let layout =
                super::Layout::new(offset, [super::layout::Axis { size: length, stride: 1 }]);
            self.copy(Load { buffer, layout }, own);
            self.outputs[index] = Output { buffer: own, offset: 0, signature };
        }
    }

    /// Adds a step that copies what lies in a buffer, in some layout, to another buffer.
    pub fn copy(&mut self, from: Load, to: usize) -> usize {
        self.push(Action::Loop(copy(from, to)), 0, usize::MAX)
    }

    fn output(&mut self, graph: &Graph, id: NodeId, read: &Read) {
        let node = graph.node(id);
        let mut buffer = self.buffer_of(graph, read.base);
        let mut offset = read.layout.offset;
        // Where outputs have places of their own, they are copied there.
        if !self.buffers[buffer].place.is_arena() {
            buffer = self.buffer(node.dtype, node.shape.len(), BufferPlace::Arena(0));
            offset = 0;
            let from = self.load(graph, read);
            self.copy(from, buffer);
        }
        self.outputs.push(Output {
            buffer,
            offset,
            signature: Signature { shape: node.shape.clone(), dtype: node.dtype },
        });
    }

    fn guard(&mut self, graph: &Graph, reads: &Reads) {
        let mut checks: Vec<CheckedValue> = Vec::new();
        for (index, read) in reads.checks.iter().enumerate() {
            if graph.node(read.base).dtype.is_float() {
                let buffer = self.buffer_of(graph, read.base);
                checks.push(CheckedValue {
                    index,
                    buffer,
                    offset: read.layout.offset,
                    length: read.layout.length(),
                });
            }
        }
        if !checks.is_empty() {
            let position = reads.checks.iter().map(|read| read.base.index()).max().unwrap_or(0);
            self.push(Action::Guard(Guard { checks, deferred: Vec::new() }), 0, position);
        }
    }

    /// What a loop reads where an operation does.
    pub fn load(&mut self, graph: &Graph, read: &Read) -> Load {
        Load { buffer: self.buffer_of(graph, read.base), layout: read.layout.clone() }
    }

    fn fused(&mut self, groups: &Groups<'_>, group: &Group, kept: &[bool]) -> FusedLoop {
        let (graph, reads) = (groups.graph, groups.reads);
        let mut body = FusedLoop { length: group.length, ..FusedLoop::default() };
        // Values are numbered loads first, so the loads have to be known before the instructions
        // are written.
        let mut loads: FxHashMap<Load, usize> = FxHashMap::default();
        let own = |id: NodeId| group.members.binary_search(&id).is_ok();
        let is_direct = |read: &Read| own(read.base) && groups.is_direct(read, group.length);
        for &id in &group.members {
            for read in reads.inputs[id.index()].iter().filter(|read| !is_direct(read)) {
                let load = self.load(graph, read);
                if !loads.contains_key(&load) {
                    loads.insert(load.clone(), body.loads.len());
                    body.loads.push(load);
                }
            }
        }
        let mut values: FxHashMap<NodeId, usize> = FxHashMap::default();
        for &id in &group.members {
            let node = graph.node(id);
            let inputs: Vec<usize> = reads.inputs[id.index()]
                .iter()
                .map(|read| {
                    if is_direct(read) {
                        values[&read.base]
                    } else {
                        loads[&self.load(graph, read)]
                    }
                })
                .collect();
            let next = body.loads.len() + body.instructions.len();
            let from = reads.inputs[id.index()]
                .last()
                .map_or(node.dtype, |read| graph.node(read.base).dtype);
            let mut instruction = |function| {
                body.instructions.push(Instruction {
                    function,
                    inputs: inputs.clone(),
                    from,
                    to: node.dtype,
                });
                next
            };
            let value = match &node.op {
                Op::Elementwise(elementwise) => instruction(LoopFunction::Elementwise(elementwise)),
                Op::Cast => instruction(LoopFunction::Cast),
                Op::View(_) => inputs[0],
                Op::Reduce(reduction, axes) => {
                    let sizes = middle(&graph.node(node.inputs[0]).shape, axes);
                    let buffer = self.buffer_of(graph, id);
                    body.reduces.push(Reduce {
                        value: inputs[0],
                        reduction: *reduction,
                        sizes,
                        buffer,
                    });
                    continue;
                }
                Op::Input(_)
                | Op::Variable(_)
                | Op::Constant(_)
                | Op::Matmul { .. }
                | Op::Kernel(_)
                | Op::Identity(_)
                | Op::Scan(_)
                | Op::Part(_)
                | Op::Parameter => {
                    unreachable!("not computed in loops")
                }
            };
            values.insert(id, value);
            if kept[id.index()] {
                body.stores.push(Store { value, buffer: self.buffer_of(graph, id) });
            }
        }
        body
    }

    fn whole(&mut self, groups: &Groups<'_>, id: NodeId) -> Action {
        let graph = groups.graph;
        if let Op::Scan(scan) = &graph.node(id).op {
            return Action::Scan(self.scan(graph, id, scan, groups.reads(id)));
        }
        let output = self.buffer_of(graph, id);
        let node = graph.node(groups.biased(id).map_or(id, |biased| biased.product));
        let inputs = groups.reads(id);
        match &node.op {
            Op::Matmul { transposed } => {
                let sides = [(0, transposed.left), (1, transposed.right)];
                let [left, right] = sides.map(|(side, is_transposed)| {
                    let shape = &graph.node(node.inputs[side]).shape;
                    self.matrix(graph, &inputs[side], shape, is_transposed)
                });
                let bias =
                    inputs.get(2).map(|row| (self.buffer_of(graph, row.base), row.layout.offset));
                let rank = node.shape.rank();
                let operand = &graph.node(node.inputs[0]).shape;
                let terms = operand[if transposed.left { rank - 2 } else { rank - 1 }];
                let sizes = [node.shape[rank - 2], terms, node.shape[rank - 1]];
                let rounded = node.inputs.iter().all(|input| self.rounded[input.index()]);
                Action::Product(Product {
                    batch: node.shape[..rank - 2].to_vec(),
                    sizes,
                    left,
                    right,
                    rounded: rounded && node.dtype == DType::F32,
                    bias,
                    rectified: false,
                    output,
                })
            }
            Op::Kernel(kernel) => {
                let argument = |(read, id): (&Read, &NodeId)| {
                    let shape = graph.node(*id).shape.clone();
                    Argument {
                        buffer: self.buffer_of(graph, read.base),
                        offset: read.layout.offset,
                        shape,
                    }
                };
                let inputs = inputs.iter().zip(&node.inputs).map(argument).collect();
                let output = Argument { buffer: output, offset: 0, shape: node.shape.clone() };
                Action::Call(Call { kernel: kernel.clone(), inputs, output })
            }
            Op::View(_) => Action::Loop(copy(self.load(graph, &inputs[0]), output)),
            Op::Elementwise(_) | Op::Cast | Op::Reduce(..) => unreachable!("computed in loops"),
            Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::Identity(_) => {
                unreachable!("not computed")
            }
            Op::Scan(_) | Op::Part(_) | Op::Parameter => unreachable!("not computed so"),
        }
    }

    fn scan(&mut self, graph: &Graph, id: NodeId, scan: &Scan, reads: &[Read]) -> LoopOverSteps {
        let argument = |(read, id): (&Read, &NodeId)| {
            let shape = graph.node(*id).shape.clone();
            Argument { buffer: self.buffer_of(graph, read.base), offset: read.layout.offset, shape }
        };
        let mut inputs = reads.iter().zip(&graph.node(id).inputs).map(argument);
        let count = inputs.by_ref().take(scan.first_input()).next();
        let first: Vec<Argument> = inputs.by_ref().take(scan.states).collect();
        let sequences = inputs.by_ref().take(scan.sequences).collect();
        let captured = inputs.collect();
        let mut parts: Vec<Option<usize>> = vec![None; 1 + scan.graph().outputs.len()];
        for (position, node) in graph.nodes.iter().enumerate().skip(id.index()) {
            if let Op::Part(part) = node.op
                && node.inputs[0] == id
            {
                parts[part] = Some(self.buffer_of(graph, NodeId(position as u32)));
            }
        }
        let body = self.bodies[&id].clone();
        // A state that nobody wants in the end needs a place all the same.
        let states = first.into_iter().enumerate().map(|(state, first)| {
            let dtype = self.buffers[first.buffer].dtype;
            let own =
                |draft: &mut Self| draft.buffer(dtype, first.shape.len(), BufferPlace::Arena(0));
            let last = parts[1 + state].unwrap_or_else(|| own(self));
            LoopState { first, last }
        });
        LoopOverSteps {
            states: states.collect(),
            body,
            steps: scan.steps,
            backwards: scan.backwards,
            conditional: scan.conditional,
            count,
            sequences,
            captured,
            stacked: parts[1 + scan.states..].iter().copied().flatten().collect(),
            done: parts[0],
        }
    }

    fn matrix(
        &mut self,
        graph: &Graph,
        read: &Read,
        shape: &crate::shape::Shape,
        transposed: bool,
    ) -> Matrix {
        let mut batch_strides =
            read.layout.strides(shape).expect("operands of products have been given strides");
        let mut strides = [batch_strides[shape.rank() - 2], batch_strides[shape.rank() - 1]];
        batch_strides.truncate(shape.rank() - 2);
        if transposed {
            strides.reverse();
        }
        Matrix {
            buffer: self.buffer_of(graph, read.base),
            offset: read.layout.offset,
            strides,
            batch_strides,
        }
    }
}

/// A loop that copies what lies in a buffer, in some layout, to another buffer.
fn copy(from: Load, to: usize) -> FusedLoop {
    let (length, store) = (from.layout.length(), Store { value: 0, buffer: to });
    FusedLoop { length, loads: vec![from], stores: vec![store], ..FusedLoop::default() }
}

/// The sizes before, of, and after a group of neighbouring axes.
fn middle(shape: &[usize], axes: &[usize]) -> [usize; 3] {
    let (first, end) = (axes[0], axes[axes.len() - 1] + 1);
    [&shape[..first], &shape[first..end], &shape[end..]].map(|sizes| sizes.iter().product())
}
