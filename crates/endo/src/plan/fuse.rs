//! Groups operations into steps: chains of elementwise operations and the reductions at their ends become one loop.
//!
//! In: a graph and its reads. Out: for every operation the group that computes it. Groups have depths, every group reads only
//! from groups of smaller depth, and an operation joins the deepest group it reads from: so there are no cycles, and one walk
//! in order suffices.

use crate::graph::{Graph, NodeId, Op};

use super::algebra;
use super::read::{Read, Reads};

/// Loops with more operations than this keep too many values at once.
const LARGEST_LOOP: usize = 48;

/// A step to be: which operations it computes.
#[derive(Clone, Debug)]
pub struct Group {
    /// Whether it is a loop, or a single product or kernel.
    pub is_loop: bool,
    /// The operations, in order.
    pub members: Vec<NodeId>,
    /// The length of the loop.
    pub length: usize,
    /// The length of the longest chain of groups that ends here.
    depth: usize,
    /// Whether it waits for the checks.
    after: bool,
}

/// The groups of a graph.
pub struct Groups {
    /// The groups; those that were merged into others have no members.
    pub list: Vec<Group>,
    /// The group of each operation.
    of: Vec<Option<usize>>,
    /// For a matrix product with a bias, by the position of the sum: the product, and what is added.
    pub biased: Vec<Option<(NodeId, Read)>>,
}

impl Groups {
    /// Groups the operations; each for itself unless `fused`.
    pub fn new(graph: &Graph, reads: &Reads, fused: bool) -> Self {
        let count = graph.nodes.len();
        let mut groups = Self { list: Vec::new(), of: vec![None; count], biased: vec![None; count] };
        let uses = reads.uses(graph);
        let after = if fused { updates(graph, reads) } else { vec![false; count] };
        for position in 0..count {
            let id = NodeId(position as u32);
            if let Some(kind) = Kind::of(graph, reads, id) {
                groups.place(graph, reads, id, kind, &uses, after[position], fused);
            }
        }
        if fused {
            groups.sink(graph, reads);
            groups.gather_scalars();
        }
        groups
    }

    /// The group that computes an operation; none for inputs, variables, constants, views and what was absorbed.
    pub fn of(&self, id: NodeId) -> Option<usize> {
        self.of[id.index()]
    }

    /// Whether an operation in a loop of this length can use the value that is read without a trip to memory, if it is
    /// computed in the same loop.
    pub fn is_direct(graph: &Graph, reads: &Reads, read: &Read, length: usize) -> bool {
        let elementwise = matches!(Kind::of(graph, reads, read.base), Some(Kind::Elementwise));
        elementwise && read.layout.is_plain() && graph.node(read.base).shape.len() == length && read.layout.length() == length
    }

    #[allow(clippy::too_many_arguments)]
    fn place(&mut self, graph: &Graph, reads: &Reads, id: NodeId, kind: Kind, uses: &[u32], after: bool, fused: bool) {
        let inputs = &reads.inputs[id.index()];
        if fused && let Some((product, bias)) = bias(graph, inputs, id, uses) {
            let group = self.of[product.index()].take().expect("products have groups of their own");
            self.list[group].members.clear();
            let depth = self.below(&reads.inputs[product.index()]).max(self.below(std::slice::from_ref(&bias))) + 1;
            self.biased[id.index()] = Some((product, bias));
            return self.start(Group { is_loop: false, members: vec![id], length: 0, depth, after });
        }
        let length = match kind {
            Kind::Whole => return self.start(Group { is_loop: false, members: vec![id], length: 0, depth: self.below(inputs) + 1, after }),
            Kind::Elementwise => graph.node(id).shape.len(),
            Kind::Reduce => graph.node(graph.node(id).inputs[0]).shape.len(),
        };
        // Groups that could compute this too, if all else that it reads is computed before them.
        let mut joined: Vec<usize> = Vec::new();
        for read in inputs {
            if let Some(group) = self.of[read.base.index()]
                && fused
                && self.list[group].after == after
                && self.list[group].length == length
                && Self::is_direct(graph, reads, read, length)
                && !joined.contains(&group)
            {
                joined.push(group);
            }
        }
        let deepest = joined.iter().map(|&group| self.list[group].depth).max().unwrap_or(0);
        joined.retain(|&group| self.list[group].depth == deepest);
        let others = inputs.iter().filter(|read| {
            let group = self.of[read.base.index()];
            !(group.is_some_and(|group| joined.contains(&group)) && Self::is_direct(graph, reads, read, length))
        });
        let below = others.filter_map(|read| self.of[read.base.index()]).map(|group| self.list[group].depth).max().unwrap_or(0);
        let size: usize = joined.iter().map(|&group| self.list[group].members.len()).sum();
        match joined[..] {
            [first, ref rest @ ..] if below < deepest && size < LARGEST_LOOP => {
                for &other in rest {
                    self.merge(other, first);
                }
                self.of[id.index()] = Some(first);
                self.list[first].members.push(id);
            }
            _ => {
                let depth = below.max(deepest) + 1;
                self.start(Group { is_loop: true, members: vec![id], length, depth, after });
            }
        }
    }

    fn start(&mut self, group: Group) {
        self.of[group.members[0].index()] = Some(self.list.len());
        self.list.push(group);
    }

    /// The depth of the deepest group that is read from.
    fn below(&self, inputs: &[Read]) -> usize {
        inputs.iter().filter_map(|read| self.of[read.base.index()]).map(|group| self.list[group].depth).max().unwrap_or(0)
    }

    fn merge(&mut self, from: usize, into: usize) {
        let members = std::mem::take(&mut self.list[from].members);
        members.iter().for_each(|id| self.of[id.index()] = Some(into));
        self.list[into].members.extend(members);
        self.list[into].members.sort_unstable();
    }

    /// Merges loops into the only loop that uses their values: `velocity * momentum` waits for the gradient.
    fn sink(&mut self, graph: &Graph, reads: &Reads) {
        // What uses each group's values: nothing yet, one loop that needs no trip to memory, or more.
        #[derive(Clone, Copy, PartialEq)]
        enum Users {
            None,
            One(usize),
            Many,
        }
        let mut order: Vec<usize> = (0..self.list.len()).filter(|&group| !self.list[group].members.is_empty()).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(self.list[group].depth));
        // Deepest first: when a group's turn comes, its users have found their last place.
        let mut users = vec![Users::None; self.list.len()];
        for group in order {
            if let (Users::One(user), true) = (users[group], self.list[group].is_loop) {
                let [own, other] = [group, user].map(|g| &self.list[g]);
                let alike = other.is_loop && own.after == other.after && own.length == other.length;
                if alike && own.members.len() + other.members.len() <= LARGEST_LOOP {
                    self.merge(group, user);
                    for id in self.list[user].members.clone() {
                        self.note_reads(graph, reads, id, |read_from, direct| {
                            if read_from != user {
                                let one = if direct { Users::One(user) } else { Users::Many };
                                users[read_from] = if matches!(users[read_from], Users::None) || users[read_from] == one { one } else { Users::Many };
                            }
                        });
                    }
                    continue;
                }
            }
            for id in self.list[group].members.clone() {
                self.note_reads(graph, reads, id, |read_from, direct| {
                    if read_from != group {
                        let one = if direct { Users::One(group) } else { Users::Many };
                        users[read_from] = if matches!(users[read_from], Users::None) || users[read_from] == one { one } else { Users::Many };
                    }
                });
            }
        }
    }

    fn note_reads(&self, graph: &Graph, reads: &Reads, id: NodeId, mut note: impl FnMut(usize, bool)) {
        let group = self.of[id.index()].expect("members have groups");
        let length = self.list[group].length;
        let bias = self.biased[id.index()].iter().flat_map(|(product, bias)| reads.inputs[product.index()].iter().chain([bias]));
        let own = if self.biased[id.index()].is_some() { &[][..] } else { &reads.inputs[id.index()][..] };
        for read in own.iter().chain(bias) {
            if let Some(from) = self.of[read.base.index()] {
                note(from, Self::is_direct(graph, reads, read, length));
            }
        }
    }

    /// Merges loops over single elements of the same depth: each costs little more than starting it.
    fn gather_scalars(&mut self) {
        let mut first: std::collections::HashMap<(usize, bool), usize> = std::collections::HashMap::new();
        for group in 0..self.list.len() {
            let Group { is_loop, length, depth, after, ref members } = self.list[group];
            if is_loop && length == 1 && !members.is_empty() {
                let into = *first.entry((depth, after)).or_insert(group);
                if into != group {
                    self.merge(group, into);
                }
            }
        }
    }
}

/// How an operation is computed.
#[derive(Clone, Copy)]
enum Kind {
    /// Element by element; copies of views too.
    Elementwise,
    /// At the end of a loop.
    Reduce,
    /// By a step of its own.
    Whole,
}

impl Kind {
    /// `None` for what is not computed.
    fn of(graph: &Graph, reads: &Reads, id: NodeId) -> Option<Kind> {
        match &graph.node(id).op {
            Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::Identity(_) => None,
            Op::View(_) => reads.copied[id.index()].then_some(Kind::Elementwise),
            Op::Elementwise(_) | Op::Cast => Some(Kind::Elementwise),
            Op::Reduce(..) => Some(Kind::Reduce),
            Op::Matmul { .. } | Op::Kernel(_) => Some(Kind::Whole),
        }
    }
}

/// The product and the row that a sum adds to it, if the product is used for nothing else.
fn bias(graph: &Graph, inputs: &[Read], id: NodeId, uses: &[u32]) -> Option<(NodeId, Read)> {
    let (Op::Elementwise(operation), [left, right]) = (&graph.node(id).op, inputs) else { return None };
    if !algebra::is_sum(operation) {
        return None;
    }
    let product_and_row = |product: &Read, row: &Read| {
        let node = graph.node(product.base);
        let is_product = matches!(node.op, Op::Matmul { .. }) && product.layout.is_plain() && uses[product.base.index()] == 1;
        let columns = node.shape.features();
        let one_row = row.layout.is_contiguous() && row.layout.length() == columns;
        let is_row = row.layout.period() == Some(columns) || one_row || columns == 1 && row.layout.is_uniform();
        (is_product && is_row && node.shape.len() == graph.node(id).shape.len()).then(|| (product.base, row.clone()))
    };
    product_and_row(left, right).or_else(|| product_and_row(right, left))
}

/// Which operations wait for the checks: those that compute what variables are given, element by element from what the checks
/// do not depend on, and all that depends on them. They can then write variables where they live.
fn updates(graph: &Graph, reads: &Reads) -> Vec<bool> {
    let count = graph.nodes.len();
    let mut after = vec![false; count];
    if graph.checks.is_empty() {
        return after;
    }
    let mut checked = vec![false; count];
    reads.checks.iter().for_each(|read| checked[read.base.index()] = true);
    reads.writes.iter().for_each(|(_, read)| after[read.base.index()] = read.layout.is_plain());
    for position in (0..count).rev() {
        let id = NodeId(position as u32);
        if checked[position] {
            reads.inputs[position].iter().for_each(|read| checked[read.base.index()] = true);
        }
        let elementwise = matches!(Kind::of(graph, reads, id), Some(Kind::Elementwise));
        after[position] &= !checked[position];
        if after[position] && elementwise {
            let length = graph.node(id).shape.len();
            let direct = reads.inputs[position].iter().filter(|read| Groups::is_direct(graph, reads, read, length));
            direct.for_each(|read| after[read.base.index()] = true);
        }
    }
    for position in 0..count {
        after[position] |= reads.inputs[position].iter().any(|read| after[read.base.index()]);
    }
    after
}

impl Reads {
    /// How often each value is used.
    fn uses(&self, graph: &Graph) -> Vec<u32> {
        let mut uses = vec![0; graph.nodes.len()];
        let roots = self.outputs.iter().chain(self.writes.iter().map(|(_, read)| read)).chain(&self.checks);
        self.inputs.iter().flatten().chain(roots).for_each(|read| uses[read.base.index()] += 1);
        uses
    }
}
