//! What every operation reads: layouts of computed values instead of views.
//!
//! In: a simplified graph. Out: for every operation and every wanted value the value that is behind
//! its views and where in it the elements lie; and the views that have to be copied, because what
//! uses them needs contiguous memory.

use crate::graph::{Graph, NodeId, Op, View};
use crate::shape::Shape;

use super::layout::Layout;

/// A value seen through views: a computed value (or an input, variable or constant), and where the
/// elements lie in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Read {
    /// The value that lies in memory.
    pub base: NodeId,
    /// Where in it the elements lie, in the row-major order of what is read.
    pub layout: Layout,
}

/// The reads of a graph.
pub struct Reads {
    /// For every operation but views, and for every view that is copied, what it reads.
    pub inputs: Vec<Vec<Read>>,
    /// Whether a view is copied to memory of its own.
    pub copied: Vec<bool>,
    /// What each output reads; contiguous.
    pub outputs: Vec<Read>,
    /// What each written variable is given, with its index.
    pub writes: Vec<(usize, Read)>,
    /// What each check reads; contiguous.
    pub checks: Vec<Read>,
}

struct ReadWalk<'a> {
    graph: &'a Graph,
    /// What stands behind each node when it is used from here on.
    behind: Vec<Read>,
    inputs: Vec<Vec<Read>>,
    copied: Vec<bool>,
}

impl Reads {
    /// Walks the graph once.
    pub fn new(graph: &Graph) -> Self {
        let count = graph.nodes.len();
        let mut walk = ReadWalk {
            graph,
            behind: Vec::with_capacity(count),
            inputs: Vec::with_capacity(count),
            copied: vec![false; count],
        };
        for position in 0..count {
            walk.visit(NodeId(position as u32));
        }
        let outputs = graph.outputs.iter().map(|&id| walk.contiguous(id)).collect();
        let checks = graph.checks.iter().map(|check| walk.contiguous(check.node)).collect();
        let writes = graph
            .writes
            .iter()
            .map(|&(index, id)| (index, walk.behind[id.index()].clone()))
            .collect();
        Self { inputs: walk.inputs, copied: walk.copied, outputs, writes, checks }
    }

    /// Whether a view is copied by a step of its own, in blocks.
    pub fn is_turned(&self, id: NodeId) -> bool {
        self.copied[id.index()]
            && self.inputs[id.index()].iter().any(|read| read.layout.is_scattered())
    }

    /// What outputs, writes and checks read.
    pub fn roots(&self) -> impl Iterator<Item = &Read> {
        self.outputs.iter().chain(self.writes.iter().map(|(_, read)| read)).chain(&self.checks)
    }
}

impl ReadWalk<'_> {
    fn visit(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let inputs = node.inputs.iter().copied();
        let inputs = match &node.op {
            Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::View(_) => Vec::new(),
            Op::Elementwise(_) | Op::Cast | Op::Reduce(..) => {
                inputs.map(|input| self.near(input)).collect()
            }
            Op::Kernel(_) | Op::Scan(_) => inputs.map(|input| self.contiguous(input)).collect(),
            Op::Part(_) => vec![self.own(node.inputs[0])],
            Op::Matmul { .. } => inputs.map(|input| self.matrix(input)).collect(),
            Op::Identity(_) => unreachable!("identities have been removed"),
            Op::Parameter => unreachable!("loops have graphs of their own"),
        };
        let behind = match &node.op {
            Op::View(view) => self.view(view, node.inputs[0], &node.shape),
            _ => self.own(id),
        };
        self.inputs.push(inputs);
        self.behind.push(behind);
    }

    /// A value read from memory of its own.
    fn own(&self, id: NodeId) -> Read {
        Read { base: id, layout: Layout::contiguous(self.graph.node(id).shape.len()) }
    }

    fn view(&mut self, view: &View, input: NodeId, shape: &Shape) -> Read {
        let from = &self.graph.node(input).shape;
        let Read { base, layout } = &self.behind[input.index()];
        if let Some(layout) = layout.through(view, from, shape) {
            return Read { base: *base, layout };
        }
        let copy = self.copy(input);
        let layout = copy
            .layout
            .through(view, from, shape)
            .expect("a contiguous value has strides for every shape");
        Read { base: copy.base, layout }
    }

    /// Gives a view memory of its own, which whoever uses it from here on reads.
    fn copy(&mut self, id: NodeId) -> Read {
        let own = self.own(id);
        self.inputs[id.index()] =
            vec![std::mem::replace(&mut self.behind[id.index()], own.clone())];
        self.copied[id.index()] = true;
        own
    }

    /// A read of elements that do not lie scattered.
    fn near(&mut self, id: NodeId) -> Read {
        let read = &self.behind[id.index()];
        if read.layout.is_scattered() { self.copy(id) } else { read.clone() }
    }

    /// A read of one stretch of memory.
    fn contiguous(&mut self, id: NodeId) -> Read {
        let read = &self.behind[id.index()];
        if read.layout.is_contiguous() { read.clone() } else { self.copy(id) }
    }

    /// A read whose last two axes are rows or columns of contiguous elements.
    fn matrix(&mut self, id: NodeId) -> Read {
        let read = &self.behind[id.index()];
        let shape = &self.graph.node(id).shape;
        let fits = shape.is_empty()
            || read.layout.strides(shape).is_some_and(|strides| {
                let [rows, columns] = [strides.len() - 2, strides.len() - 1];
                // An axis of size 1 has no neighbours, and its stride is free.
                let unit = |axis: usize| shape[axis] == 1 || strides[axis] == 1;
                let apart = |axis: usize, other: usize| {
                    shape[axis] == 1 || strides[axis] >= shape[other] as isize
                };
                unit(columns) && apart(rows, columns) || unit(rows) && apart(columns, rows)
            });
        if fits { read.clone() } else { self.copy(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Builder;
    use super::*;

    #[test]
    fn a_transposed_operand_of_a_product_is_read_where_it_lies() {
        let mut build = Builder::default();
        let x = build.input([3, 2]);
        let y = build.view(View::Transpose(vec![1, 0]), x, [2, 3]);
        let product = build.matmul(y, x, [2, 2]);
        let graph = build.outputs([product]);
        let reads = Reads::new(&graph);
        assert_eq!(reads.copied, [false; 3]);
        assert_eq!(reads.inputs[2][0].layout.strides(&[2, 3].into()), Some(vec![1, 2]));
    }

    #[test]
    fn a_transposed_value_that_is_returned_is_copied() {
        let mut build = Builder::default();
        let x = build.input([3, 2]);
        let y = build.view(View::Transpose(vec![1, 0]), x, [2, 3]);
        let graph = build.outputs([y]);
        assert_eq!(Reads::new(&graph).copied, [false, true]);
    }
}
