//! Groups operations into steps: chains of elementwise operations and the reductions at their ends
//! become one loop.
//!
//! In: a graph and its reads. Out: for every operation the group that computes it. Groups have
//! depths, every group reads only from groups of smaller depth, and an operation joins the deepest
//! group it reads from: so there are no cycles, and one walk in order suffices. [`super::regroup`]
//! improves on what one walk cannot see.

use crate::graph::{Graph, NodeId, Op};

use super::read::{Read, Reads};

/// Loops with more operations than this keep too many values at once.
pub const LARGEST_LOOP: usize = 48;

/// A step to be: which operations it computes.
#[derive(Clone, Debug)]
pub struct Group {
    /// Whether it is a loop, or a single product or kernel.
    pub is_loop: bool,
    /// The operations, in order; none once it was merged into another group.
    pub members: Vec<NodeId>,
    /// The length of the loop.
    pub length: usize,
    /// The length of the longest chain of groups that ends here.
    pub depth: usize,
    /// Whether it waits for the checks.
    pub after: bool,
}

/// A product whose sum with a row is the step's result.
#[derive(Clone, Debug)]
pub struct BiasedProduct {
    /// The product.
    pub product: NodeId,
    /// What it reads, and the row.
    pub reads: Vec<Read>,
}

/// The groups of a graph.
pub struct Groups<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// What its operations read.
    pub reads: &'a Reads,
    /// The groups.
    pub list: Vec<Group>,
    /// The group of each operation.
    of: Vec<Option<usize>>,
    /// For the sum of a matrix product and a row, by its position: the two as one.
    biased: Vec<Option<BiasedProduct>>,
}

/// How an operation is computed.
#[derive(Clone, Copy, PartialEq)]
enum Execution {
    /// Element by element; copies of views too.
    Elementwise,
    /// At the end of a loop.
    Reduce,
    /// By a step of its own.
    Whole,
}

impl<'a> Groups<'a> {
    /// Groups the operations; each for itself unless `fused`.
    pub fn new(graph: &'a Graph, reads: &'a Reads, fused: bool) -> Self {
        let count = graph.nodes.len();
        let mut groups = Self {
            graph,
            reads,
            list: Vec::new(),
            of: vec![None; count],
            biased: vec![None; count],
        };
        let uses = groups.uses();
        let after = if fused { groups.updates() } else { vec![false; count] };
        for (position, &after) in after.iter().enumerate() {
            let id = NodeId(position as u32);
            if let Op::Part(_) = graph.node(id).op {
                groups.of[position] = groups.of(graph.node(id).inputs[0]);
            }
            if let Some(kind) = groups.kind(id) {
                if fused && let Some(biased) = groups.bias(id, &uses) {
                    groups.absorb(id, biased, after);
                } else {
                    groups.place(id, kind, after, fused);
                }
            }
        }
        if fused {
            groups.regroup();
        }
        groups
    }

    /// The group that computes an operation; none for inputs, variables, constants, views and what
    /// was absorbed.
    pub fn of(&self, id: NodeId) -> Option<usize> {
        self.of[id.index()]
    }

    /// The product and the row that the result of an operation is the sum of, if they are one step.
    pub fn biased(&self, id: NodeId) -> Option<&BiasedProduct> {
        self.biased[id.index()].as_ref()
    }

    /// What the step of an operation reads for it.
    pub fn reads(&self, id: NodeId) -> &[Read] {
        match &self.biased[id.index()] {
            Some(biased) => &biased.reads,
            None => &self.reads.inputs[id.index()],
        }
    }

    /// Whether an operation in a loop of this length can use the value that is read without a trip
    /// to memory, if it is computed in the same loop.
    pub fn is_direct(&self, read: &Read, length: usize) -> bool {
        let whole =
            self.graph.node(read.base).shape.len() == length && read.layout.length() == length;
        let in_loop = self.kind(read.base) == Some(Execution::Elementwise)
            && self.biased(read.base).is_none();
        whole && read.layout.is_plain() && in_loop
    }

    /// Whether an operation is computed element by element.
    pub fn is_elementwise(&self, id: NodeId) -> bool {
        self.kind(id) == Some(Execution::Elementwise)
    }

    /// Moves an operation to another group.
    pub fn move_to(&mut self, id: NodeId, group: usize) {
        if let Some(old) = self.of[id.index()].replace(group) {
            self.list[old].members.retain(|&member| member != id);
        }
        let members = &mut self.list[group].members;
        let position = members.partition_point(|&member| member < id);
        members.insert(position, id);
    }

    /// Moves all operations of a group to another.
    pub fn merge(&mut self, from: usize, into: usize) {
        let members = std::mem::take(&mut self.list[from].members);
        for id in &members {
            self.of[id.index()] = Some(into);
        }
        self.list[into].members.extend(members);
        self.list[into].members.sort_unstable();
    }

    /// `None` for what is not computed.
    fn kind(&self, id: NodeId) -> Option<Execution> {
        match &self.graph.node(id).op {
            Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::Identity(_) => None,
            Op::Part(_) | Op::Parameter => None,
            Op::View(_) if self.reads.is_turned(id) => Some(Execution::Whole),
            Op::View(_) => self.reads.copied[id.index()].then_some(Execution::Elementwise),
            Op::Elementwise(_) | Op::Cast => Some(Execution::Elementwise),
            Op::Reduce(..) => Some(Execution::Reduce),
            Op::Matmul { .. } | Op::Kernel(_) | Op::Scan(_) => Some(Execution::Whole),
        }
    }

    /// How often each value is used.
    pub fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0; self.graph.nodes.len()];
        for read in self.reads.inputs.iter().flatten().chain(self.reads.roots()) {
            uses[read.base.index()] += 1;
        }
        uses
    }

    /// The depth of the deepest group among those of what is read; 0 without groups.
    fn depth(&self, reads: &mut dyn Iterator<Item = &Read>) -> usize {
        reads
            .filter_map(|read| self.of(read.base))
            .map(|group| self.list[group].depth)
            .max()
            .unwrap_or(0)
    }

    /// Starts a group with an operation.
    fn start(&mut self, id: NodeId, is_loop: bool, length: usize, depth: usize, after: bool) {
        self.of[id.index()] = Some(self.list.len());
        self.list.push(Group { is_loop, members: vec![id], length, depth, after });
    }

    /// Gives an operation its group.
    fn place(&mut self, id: NodeId, kind: Execution, after: bool, fused: bool) {
        let (graph, inputs) = (self.graph, &self.reads.inputs[id.index()]);
        let length = match kind {
            Execution::Whole => 0,
            Execution::Elementwise => graph.node(id).shape.len(),
            Execution::Reduce => graph.node(graph.node(id).inputs[0]).shape.len(),
        };
        // The deepest groups that could compute this too, if all else that it reads is computed
        // before them.
        let could_join = |read: &Read| {
            let group = self
                .of(read.base)
                .filter(|_| fused && kind != Execution::Whole && self.is_direct(read, length));
            group.filter(|&group| {
                self.list[group].after == after && self.list[group].length == length
            })
        };
        let mut joined: Vec<usize> = inputs.iter().filter_map(could_join).collect();
        joined.sort_unstable();
        joined.dedup();
        let deepest = joined.iter().map(|&group| self.list[group].depth).max().unwrap_or(0);
        joined.retain(|&group| self.list[group].depth == deepest);
        let below = self.depth(
            &mut inputs
                .iter()
                .filter(|read| could_join(read).is_none_or(|group| !joined.contains(&group))),
        );
        let size: usize = joined.iter().map(|&group| self.list[group].members.len()).sum();
        match joined[..] {
            [first, ref rest @ ..] if below < deepest && size < LARGEST_LOOP => {
                for &other in rest {
                    self.merge(other, first);
                }
                self.move_to(id, first);
            }
            [..] => {
                let depth = below.max(deepest) + 1;
                self.start(id, kind != Execution::Whole, length, depth, after);
            }
        }
    }

    /// Makes a product and its sum with a row one step.
    fn absorb(&mut self, id: NodeId, biased: BiasedProduct, after: bool) {
        if let Some(group) = self.of[biased.product.index()].take() {
            self.list[group].members.clear();
        }
        let depth = self.depth(&mut biased.reads.iter()) + 1;
        self.biased[id.index()] = Some(biased);
        self.start(id, false, 0, depth, after);
    }

    /// The product and the row that a sum adds to it, if the product is used for nothing else.
    fn bias(&self, id: NodeId, uses: &[u32]) -> Option<BiasedProduct> {
        let node = self.graph.node(id);
        let (Op::Elementwise(operation), [left, right]) =
            (&node.op, &self.reads.inputs[id.index()][..])
        else {
            return None;
        };
        let product_and_row = |product: &Read, row: &Read| {
            let factors = self.graph.node(product.base);
            let only = uses[product.base.index()] == 1
                && product.layout.is_plain()
                && factors.shape.len() == node.shape.len();
            let columns = factors.shape.features();
            let one_row = row.layout.is_contiguous() && row.layout.length() == columns;
            let is_row = one_row
                || row.layout.period() == Some(columns)
                || columns == 1 && row.layout.is_uniform();
            let both =
                self.reads.inputs[product.base.index()].iter().chain([row]).cloned().collect();
            let is_product = matches!(factors.op, Op::Matmul { .. });
            (is_product && only && is_row)
                .then_some(BiasedProduct { product: product.base, reads: both })
        };
        if !operation.is_sum() {
            return None;
        }
        product_and_row(left, right).or_else(|| product_and_row(right, left))
    }

    /// Which operations wait for the checks: those that compute what variables are given, element
    /// by element from what the checks do not depend on, and all that depends on them. They can
    /// then write variables where they live.
    fn updates(&self) -> Vec<bool> {
        let (graph, reads) = (self.graph, self.reads);
        let count = graph.nodes.len();
        let mut after = vec![false; count];
        if graph.checks.is_empty() {
            return after;
        }
        let mut checked = vec![false; count];
        for read in &reads.checks {
            checked[read.base.index()] = true;
        }
        for (_, read) in &reads.writes {
            after[read.base.index()] = read.layout.is_plain();
        }
        for position in (0..count).rev() {
            let inputs = &reads.inputs[position];
            if checked[position] {
                for read in inputs {
                    checked[read.base.index()] = true;
                }
            }
            let id = NodeId(position as u32);
            after[position] &= !checked[position];
            if after[position] && self.is_elementwise(id) {
                let length = graph.node(id).shape.len();
                for read in inputs.iter().filter(|read| self.is_direct(read, length)) {
                    after[read.base.index()] = true;
                }
            }
        }
        for position in 0..count {
            after[position] |= reads.inputs[position].iter().any(|read| after[read.base.index()]);
        }
        after
    }
}
