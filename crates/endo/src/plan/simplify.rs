//! Rewrites a graph to a smaller one that computes the same.
//!
//! In: the traced graph. Out: a graph without identities, duplicates, views of views, broadcasts
//! before arithmetic that could come after it, and unneeded operations; every reduction combines
//! one group of neighbouring axes.

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::{Graph, Node, NodeId, Op, Scan, Transposed, View};
use crate::shape::Shape;
use crate::simd::Reduction;

use super::algebra;
use super::pruned::{Pruned, has_unwanted_parts, pruned};

/// The graph with every rewrite that leaves the numbers as they are, up to the order of summation.
pub fn simplify(graph: &Graph) -> Graph {
    complete(graph, true)
}

/// The graph with only those rewrites that the later passes need.
pub fn normalize(graph: &Graph) -> Graph {
    complete(graph, false)
}

/// Rewrites a graph until all that is left of loops is wanted.
fn complete(graph: &Graph, rewrites: bool) -> Graph {
    let mut result = Rewriter::new(graph, rewrites).run();
    while has_unwanted_parts(&result) {
        result = Rewriter::new(&result, rewrites).run();
    }
    result
}

/// Constants up to this size are compared, so that equal ones are kept once.
const COMPARED_BYTES: usize = 256;

/// Operations on constants up to this length are computed once for all.
const COMPUTED_ELEMENTS: usize = 1 << 12;

/// What makes two operations equal.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    form: Form,
    inputs: Vec<NodeId>,
    shape: Shape,
    dtype: DType,
}

#[derive(PartialEq, Eq, Hash)]
enum Form {
    Input(usize),
    Variable(usize),
    Constant(Vec<u8>),
    Elementwise(usize),
    Cast,
    Reduce(Reduction, Vec<usize>),
    Matmul(Transposed),
    View(View),
    Kernel(&'static str, Vec<i64>),
    Part(usize),
}

struct Rewriter<'a> {
    source: &'a Graph,
    /// How often each operation of the source is used.
    uses: Vec<u32>,
    rewrites: bool,
    result: Graph,
    known: FxHashMap<Key, NodeId>,
    /// The new places of the parts of each loop.
    parts: FxHashMap<NodeId, Vec<Option<usize>>>,
    /// The node being rewritten: where its replacements come from.
    origin: usize,
}

impl<'a> Rewriter<'a> {
    fn new(source: &'a Graph, rewrites: bool) -> Self {
        let needed = source.needed();
        let mut uses = vec![0; source.nodes.len()];
        for (node, _) in source.nodes.iter().zip(&needed).filter(|&(_, &needed)| needed) {
            for id in &node.inputs {
                uses[id.index()] += 1;
            }
        }
        for id in source.roots() {
            uses[id.index()] += 1;
        }
        let result = Graph {
            variables: source.variables.clone(),
            scopes: source.scopes.clone(),
            outputs: source.outputs.clone(),
            writes: source.writes.clone(),
            checks: source.checks.clone(),
            ..Graph::default()
        };
        let (known, parts) = (FxHashMap::default(), FxHashMap::default());
        Self { source, uses, rewrites, result, known, parts, origin: 0 }
    }

    fn run(mut self) -> Graph {
        let needed = self.source.needed();
        let mut new: Vec<NodeId> = Vec::with_capacity(self.source.nodes.len());
        for (position, node) in self.source.nodes.iter().enumerate() {
            self.origin = position;
            let id = if needed[position] {
                let inputs = node.inputs.iter().map(|id| new[id.index()]).collect();
                self.rewrite(node, inputs)
            } else {
                NodeId(u32::MAX)
            };
            new.push(id);
        }
        renumber_roots(&mut self.result, &new);
        without_unneeded(self.result)
    }

    fn node(&self, id: NodeId) -> &Node {
        self.result.node(id)
    }

    /// The node that computes what `node` does from these inputs.
    fn rewrite(&mut self, node: &Node, inputs: Vec<NodeId>) -> NodeId {
        match &node.op {
            Op::Identity(_) => inputs[0],
            Op::Reduce(reduction, axes) => self.reduce(*reduction, axes, inputs[0], &node.shape),
            Op::Constant(array) if self.rewrites => self.constant(array),
            Op::View(view) if self.rewrites => {
                self.view(view.clone(), inputs[0], node.shape.clone())
            }
            Op::Matmul { transposed } if self.rewrites => self.matmul(*transposed, inputs, node),
            Op::Elementwise(_) | Op::Cast if self.rewrites => {
                self.elementwise(node.op.clone(), inputs, node.shape.clone(), node.dtype)
            }
            Op::Input(_)
            | Op::Variable(_)
            | Op::Constant(_)
            | Op::Elementwise(_)
            | Op::Cast
            | Op::Matmul { .. }
            | Op::View(_)
            | Op::Kernel(_)
            | Op::Parameter => self.push(node.op.clone(), inputs, node.shape.clone(), node.dtype),
            Op::Scan(scan) => self.scan(scan, &inputs, node),
            Op::Part(part) => {
                let part = self.parts[&inputs[0]][*part].expect("wanted parts are kept");
                self.push(Op::Part(part), inputs, node.shape.clone(), node.dtype)
            }
        }
    }

    /// A loop without what nothing depends on.
    fn scan(&mut self, scan: &Scan, inputs: &[NodeId], node: &Node) -> NodeId {
        let wanted = |node: &Node| match node.op {
            Op::Part(part) if node.inputs[0].index() == self.origin => Some(part),
            _ => None,
        };
        let nodes = self.source.nodes.iter().zip(&self.uses);
        let wanted: Vec<usize> =
            nodes.filter(|&(_, &uses)| uses > 0).filter_map(|(node, _)| wanted(node)).collect();
        let Pruned { scan, inputs: kept, parts } = pruned(scan, &wanted);
        let inputs = kept.into_iter().map(|place| inputs[place]).collect();
        let id = self.push(scan.into(), inputs, node.shape.clone(), node.dtype);
        self.parts.insert(id, parts);
        id
    }

    /// The node with this operation: an equal one if there is one already.
    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: Shape, dtype: DType) -> NodeId {
        let form = match &op {
            Op::Input(index) => Some(Form::Input(*index)),
            Op::Variable(index) => Some(Form::Variable(*index)),
            Op::Constant(array) => (array.bytes().len() <= COMPARED_BYTES)
                .then(|| Form::Constant(array.bytes().to_vec())),
            Op::Elementwise(elementwise) => {
                Some(Form::Elementwise(std::ptr::from_ref(*elementwise) as usize))
            }
            Op::Cast => Some(Form::Cast),
            Op::Reduce(reduction, axes) => Some(Form::Reduce(*reduction, axes.clone())),
            Op::Matmul { transposed } => Some(Form::Matmul(*transposed)),
            Op::View(view) => Some(Form::View(view.clone())),
            Op::Kernel(_) if op.is_effect() => None,
            Op::Kernel(kernel) => Some(Form::Kernel(kernel.name(), kernel.attributes())),
            Op::Identity(_) | Op::Scan(_) | Op::Parameter => None,
            Op::Part(index) => Some(Form::Part(*index)),
        };
        let next = NodeId(self.result.nodes.len() as u32);
        // A loop has each part once.
        let shared = |form: &Form| self.rewrites || matches!(form, Form::Part(_));
        if let Some(form) = form.filter(shared) {
            let key = Key { form, inputs: inputs.clone(), shape: shape.clone(), dtype };
            let id = *self.known.entry(key).or_insert(next);
            if id != next {
                return id;
            }
        }
        let origin = &self.source.nodes[self.origin];
        self.result.nodes.push(Node {
            op,
            inputs,
            shape,
            dtype,
            scope: origin.scope,
            site: origin.site,
        });
        next
    }

    /// Numbers that are all equal become one number, broadcast.
    fn constant(&mut self, array: &Array) -> NodeId {
        let (shape, dtype) = (array.shape().clone(), array.dtype());
        let bytes = array.bytes();
        let size = dtype.bytes();
        if array.len() > 1 && bytes.chunks(size).all(|element| *element == bytes[..size]) {
            let scalar = Op::Constant(Array::from_bytes((), dtype, &bytes[..size]));
            let scalar = self.push(scalar, Vec::new(), Shape::scalar(), dtype);
            return self.expand(scalar, &shape);
        }
        self.push(Op::Constant(array.clone()), Vec::new(), shape, dtype)
    }

    /// A single element repeated to a shape.
    fn expand(&mut self, scalar: NodeId, shape: &Shape) -> NodeId {
        let ones: Shape = shape.iter().map(|_| 1).collect();
        let reshaped = self.view(View::Reshape, scalar, ones);
        self.view(View::Broadcast, reshaped, shape.clone())
    }

    fn view(&mut self, view: View, input: NodeId, shape: Shape) -> NodeId {
        let Node { op, inputs, shape: from, dtype, .. } = self.node(input).clone();
        let below = if let Op::View(below) = op { Some((below, inputs[0])) } else { None };
        match (&view, below) {
            (View::Reshape | View::Broadcast, _) if shape == from => return input,
            (View::Reshape, Some((View::Reshape, first)))
            | (View::Broadcast, Some((View::Broadcast, first))) => {
                return self.view(view, first, shape);
            }
            (View::Transpose(permutation), _) if keeps_order(permutation, &from) => {
                return self.view(View::Reshape, input, shape);
            }
            (View::Transpose(second), Some((View::Transpose(first), below))) => {
                let both = second.iter().map(|&axis| first[axis]).collect();
                return self.view(View::Transpose(both), below, shape);
            }
            (View::Slice(slices), _)
                if shape == from && slices.iter().all(|&(_, step)| step == 1) =>
            {
                return input;
            }
            (View::Reshape | View::Transpose(_) | View::Broadcast | View::Slice(_), _) => {}
        }
        if let View::Transpose(permutation) = &view
            && let Some(product) = self.transposed_product(input, permutation, &shape)
        {
            return product;
        }
        self.push(Op::View(view), vec![input], shape, dtype)
    }

    /// The transpose of a matrix product that is not used otherwise: the product of the transposes,
    /// in the other order.
    fn transposed_product(
        &mut self,
        input: NodeId,
        permutation: &[usize],
        shape: &Shape,
    ) -> Option<NodeId> {
        let Node {
            op: Op::Matmul { transposed: Transposed { left, right } }, inputs, dtype, ..
        } = self.node(input).clone()
        else {
            return None;
        };
        let node = &self.source.nodes[self.origin];
        let single = matches!(node.op, Op::View(_)) && self.uses[node.inputs[0].index()] == 1;
        if !single || !swaps_last(permutation) {
            return None;
        }
        let swapped = Op::Matmul { transposed: Transposed { left: !right, right: !left } };
        Some(self.push(swapped, vec![inputs[1], inputs[0]], shape.clone(), dtype))
    }

    fn matmul(
        &mut self,
        mut transposed: Transposed,
        mut inputs: Vec<NodeId>,
        node: &Node,
    ) -> NodeId {
        let sides = [&mut transposed.left, &mut transposed.right];
        for (is_transposed, input) in sides.into_iter().zip(&mut inputs) {
            let operand = self.node(*input);
            if let Op::View(View::Transpose(permutation)) = &operand.op
                && swaps_last(permutation)
            {
                *is_transposed = !*is_transposed;
                *input = operand.inputs[0];
            }
        }
        self.push(Op::Matmul { transposed }, inputs, node.shape.clone(), node.dtype)
    }

    fn elementwise(&mut self, op: Op, inputs: Vec<NodeId>, shape: Shape, dtype: DType) -> NodeId {
        if let (Op::Cast, true) = (&op, self.node(inputs[0]).dtype == dtype) {
            return inputs[0];
        }
        if let Op::Elementwise(elementwise) = &op {
            let operands: Vec<(Option<f64>, DType)> =
                inputs.iter().map(|&id| (self.uniform(id), self.node(id).dtype)).collect();
            if let Some(kept) = algebra::neutral(elementwise, &operands) {
                return inputs[kept];
            }
        }
        if let Some(array) = self.known_result(&op, &inputs, &shape, dtype) {
            return self.constant(&array);
        }
        self.before_broadcast(&op, &inputs, &shape, dtype)
            .unwrap_or_else(|| self.push(op, inputs, shape, dtype))
    }

    /// The result for inputs that are all known, computed by the operation's own loop.
    fn known_result(
        &self,
        op: &Op,
        inputs: &[NodeId],
        shape: &Shape,
        dtype: DType,
    ) -> Option<Array> {
        if shape.len() > COMPUTED_ELEMENTS {
            return None;
        }
        let arrays: Vec<&Array> = inputs.iter().map(|&id| self.known(id)).collect::<Option<_>>()?;
        let Op::Elementwise(elementwise) = op else {
            return arrays[0].cast(dtype).reshape(shape).ok();
        };
        let loops = elementwise.loops_for(arrays.last()?.dtype())?;
        let bytes: Vec<&[u8]> = arrays.iter().map(|array| array.bytes()).collect();
        let mut result = vec![0; shape.len() * dtype.bytes()];
        loops.run(&bytes, &mut result, shape.len());
        Some(Array::from_bytes(shape, dtype, &result))
    }

    /// The numbers of a constant, whatever its shape.
    fn known(&self, id: NodeId) -> Option<&Array> {
        let node = self.node(id);
        match &node.op {
            Op::Constant(array) => Some(array),
            Op::View(View::Reshape) => self.known(node.inputs[0]),
            Op::Input(_) | Op::Variable(_) | Op::Elementwise(_) | Op::Cast | Op::Reduce(..) => None,
            Op::Matmul { .. } | Op::View(_) | Op::Kernel(_) | Op::Identity(_) => None,
            Op::Scan(_) | Op::Part(_) | Op::Parameter => None,
        }
    }

    /// The number that all elements of a constant value equal.
    fn uniform(&self, id: NodeId) -> Option<f64> {
        let node = self.node(id);
        if let Op::View(View::Broadcast) = node.op {
            return self.uniform(node.inputs[0]);
        }
        self.known(id).filter(|array| array.len() == 1).map(|array| array.get(0))
    }

    /// Computes on the small shape that all inputs are broadcast from, and broadcasts the result.
    fn before_broadcast(
        &mut self,
        op: &Op,
        inputs: &[NodeId],
        shape: &Shape,
        dtype: DType,
    ) -> Option<NodeId> {
        let mut small: Option<Shape> = None;
        for &input in inputs {
            let node = self.node(input);
            let Op::View(View::Broadcast) = node.op else { return None };
            let from = &self.node(node.inputs[0]).shape;
            // A single number fits any shape.
            if from.len() > 1
                && small.as_ref().is_some_and(|known| known != from && known.len() > 1)
            {
                return None;
            }
            if small.as_ref().is_none_or(|known| known.len() <= 1) {
                small = Some(from.clone());
            }
        }
        let small = small.filter(|small| small.len() < shape.len())?;
        let operands = inputs
            .iter()
            .map(|&input| {
                let below = self.node(input).inputs[0];
                if self.node(below).shape == small { below } else { self.expand(below, &small) }
            })
            .collect();
        let result = self.elementwise(op.clone(), operands, small, dtype);
        Some(self.view(View::Broadcast, result, shape.clone()))
    }

    /// One reduction for each group of neighbouring axes, the last group first: then each combines
    /// the middle one of three axes.
    fn reduce(
        &mut self,
        reduction: Reduction,
        axes: &[usize],
        input: NodeId,
        shape: &Shape,
    ) -> NodeId {
        let Node { shape: from, dtype, .. } = self.node(input).clone();
        let wide: Vec<usize> = (0..from.rank()).filter(|&axis| from[axis] != 1).collect();
        let squeezed: Shape = wide.iter().map(|&axis| from[axis]).collect();
        let mut axes: Vec<usize> =
            (0..wide.len()).filter(|&axis| axes.contains(&wide[axis])).collect();
        let mut value = if squeezed == from { input } else { self.reshaped(input, squeezed) };
        while let Some(&last) = axes.last() {
            let mut group = vec![last];
            axes.pop();
            while axes.last().is_some_and(|&axis| axis + 1 == group[0]) {
                group.splice(0..0, axes.pop());
            }
            let left = self.node(value).shape.without(&group);
            value = self.push(Op::Reduce(reduction, group), vec![value], left, dtype);
        }
        self.reshaped(value, shape.clone())
    }

    fn reshaped(&mut self, input: NodeId, shape: Shape) -> NodeId {
        let node = self.node(input);
        if node.shape == shape {
            return input;
        }
        let dtype = node.dtype;
        self.push(Op::View(View::Reshape), vec![input], shape, dtype)
    }
}

/// Whether a permutation leaves the axes that are longer than 1 in their order.
fn keeps_order(permutation: &[usize], from: &Shape) -> bool {
    permutation.iter().filter(|&&axis| from[axis] != 1).is_sorted()
}

/// Whether a permutation swaps the last two axes and nothing else.
fn swaps_last(permutation: &[usize]) -> bool {
    let rank = permutation.len();
    rank >= 2
        && permutation[rank - 2..] == [rank - 1, rank - 2]
        && permutation[..rank - 2].is_sorted()
}

/// The graph without operations that nothing depends on.
fn without_unneeded(mut graph: Graph) -> Graph {
    let needed = graph.needed();
    let mut new = vec![NodeId(u32::MAX); graph.nodes.len()];
    let mut nodes = Vec::new();
    for (position, mut node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        if needed[position] {
            for id in &mut node.inputs {
                *id = new[id.index()];
            }
            new[position] = NodeId(nodes.len() as u32);
            nodes.push(node);
        }
    }
    graph.nodes = nodes;
    renumber_roots(&mut graph, &new);
    graph
}

/// Gives the nodes that are wanted their new numbers.
fn renumber_roots(graph: &mut Graph, new: &[NodeId]) {
    for id in &mut graph.outputs {
        *id = new[id.index()];
    }
    for (_, id) in &mut graph.writes {
        *id = new[id.index()];
    }
    for check in &mut graph.checks {
        check.node = new[check.node.index()];
    }
}
