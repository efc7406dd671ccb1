//! What of a graph is saved, read in the form in which graphs for different numbers of rows are
//! compared.
//!
//! In: the graph for one number of rows. Out: [`GraphReading`]: its operations by name, with the
//! numbers that the names leave open, and where two graphs differ.

use crate::array::Array;
use crate::error::Error;
use crate::variable::Variable;

use super::super::{Graph, Node, NodeId, Op, View};
use super::{OCCASION, REDUCTIONS};

/// The name of an operation and the numbers that the name leaves open; inputs, variables and
/// constants have their own.
fn described(op: &Op) -> (&str, Vec<i64>) {
    let numbers = |sizes: &[usize]| sizes.iter().map(|&size| size as i64).collect::<Vec<i64>>();
    match op {
        Op::Input(index) => ("input", vec![*index as i64]),
        Op::Variable(_) => ("variable", Vec::new()),
        Op::Constant(_) => ("constant", Vec::new()),
        Op::Elementwise(operation) => (operation.name, Vec::new()),
        Op::Cast => ("cast", Vec::new()),
        Op::Reduce(reduction, axes) => {
            let name = REDUCTIONS
                .iter()
                .find(|(_, known)| known == reduction)
                .map_or("", |(name, _)| name);
            (name, numbers(axes))
        }
        Op::Matmul { transposed } => {
            ("matmul", vec![transposed.left.into(), transposed.right.into()])
        }
        Op::View(View::Reshape) => ("reshape", Vec::new()),
        Op::View(View::Transpose(permutation)) => ("transpose", numbers(permutation)),
        Op::View(View::Broadcast) => ("broadcast", Vec::new()),
        Op::View(View::Slice(parts)) => {
            ("slice", parts.iter().flat_map(|&(first, step)| [first as i64, step as i64]).collect())
        }
        Op::Kernel(kernel) => (kernel.name(), kernel.attributes()),
        Op::Identity(_) => ("identity", Vec::new()),
        Op::Scan(_) => ("scan", Vec::new()),
        Op::Part(index) => ("part", numbers(&[*index])),
        Op::Parameter => ("parameter", Vec::new()),
    }
}

/// The bits of the number that all elements equal, if they do.
pub(super) fn uniform(array: &Array) -> Option<i64> {
    let mut elements = array.bytes().chunks(array.dtype().bytes());
    let first = elements.next()?;
    let mut bits = [0; 8];
    bits[..first.len()].copy_from_slice(first);
    elements.all(|element| element == first).then_some(i64::from_ne_bytes(bits))
}

/// The nodes that a saved graph needs, by position, and the writes whose variables they read: what
/// is read by nothing but other writes of its kind is carried on for nobody.
fn read_writes(graph: &Graph) -> (Vec<bool>, Vec<(usize, NodeId)>) {
    let mut kept = Graph { writes: Vec::new(), ..graph.clone() };
    loop {
        let needed = kept.needed();
        let is_read = |variable: usize| {
            graph.nodes.iter().zip(&needed).any(|(node, &needed)| {
                needed && matches!(node.op, Op::Variable(read) if read == variable)
            })
        };
        let writes: Vec<(usize, NodeId)> =
            graph.writes.iter().filter(|(variable, _)| is_read(*variable)).copied().collect();
        if writes.len() == kept.writes.len() {
            return (needed, writes);
        }
        kept.writes = writes;
    }
}

/// What of a graph is saved, in the form in which graphs for different numbers of rows are
/// compared.
pub(super) struct GraphReading<'g> {
    pub(super) rows: usize,
    pub(super) graph: &'g Graph,
    pub(super) lines: Vec<NodeLine<'g>>,
    pub(super) variables: Vec<Variable>,
    pub(super) constants: Vec<&'g Array>,
    pub(super) outputs: Vec<usize>,
    pub(super) checks: Vec<(&'g str, usize)>,
    pub(super) writes: Vec<(usize, usize)>,
}

pub(super) struct NodeLine<'g> {
    pub(super) node: &'g Node,
    pub(super) operation: String,
    pub(super) inputs: Vec<usize>,
    pub(super) attributes: Vec<i64>,
    pub(super) shape: Vec<i64>,
}

impl<'g> GraphReading<'g> {
    pub(super) fn new(rows: usize, graph: &'g Graph) -> Self {
        let (needed, writes) = read_writes(graph);
        let mut reading = Self {
            rows,
            graph,
            lines: Vec::new(),
            variables: Vec::new(),
            constants: Vec::new(),
            outputs: Vec::new(),
            checks: Vec::new(),
            writes: Vec::new(),
        };
        let mut places = vec![usize::MAX; graph.nodes.len()];
        for (position, node) in graph.nodes.iter().enumerate() {
            // A run is given all inputs, whether they are needed or not.
            if needed[position] || matches!(node.op, Op::Input(_)) {
                places[position] = reading.lines.len();
                reading.add(node, &places);
            }
        }
        reading.outputs = graph.outputs.iter().map(|id| places[id.index()]).collect();
        reading.checks = graph
            .checks
            .iter()
            .map(|check| (check.what.as_str(), places[check.node.index()]))
            .collect();
        let position = |index: usize| {
            reading.variables.iter().position(|known| *known == graph.variables[index])
        };
        reading.writes = writes
            .iter()
            .filter_map(|&(index, id)| Some((position(index)?, places[id.index()])))
            .collect();
        reading
    }

    fn add(&mut self, node: &'g Node, places: &[usize]) {
        let (mut operation, mut attributes) = described(&node.op);
        match &node.op {
            Op::Variable(index) => {
                attributes.push(self.variables.len() as i64);
                self.variables.push(self.graph.variables[*index].clone());
            }
            Op::Constant(array) => match uniform(array) {
                Some(bits) => (operation, attributes) = ("fill", vec![bits]),
                None => {
                    attributes.push(self.constants.len() as i64);
                    self.constants.push(array);
                }
            },
            Op::Input(index) if self.graph.occasion == Some(self.graph.inputs[*index]) => {
                operation = OCCASION
            }
            _ => {}
        }
        let inputs = node.inputs.iter().map(|id| places[id.index()]).collect();
        let shape = node.shape.iter().map(|&size| size as i64).collect();
        self.lines.push(NodeLine {
            node,
            operation: operation.to_string(),
            inputs,
            attributes,
            shape,
        });
    }

    pub(super) fn path(&self, place: usize) -> &str {
        &self.graph.scopes[self.lines[place].node.scope as usize]
    }

    /// The first operation in which two graphs differ by more than numbers.
    pub(super) fn differs(&self, other: &GraphReading) -> Option<usize> {
        let shortest = self.lines.len().min(other.lines.len());
        let unlike = |&place: &usize| {
            let (a, b) = (&self.lines[place], &other.lines[place]);
            let counts = |line: &NodeLine| (line.attributes.len(), line.shape.len());
            let values = match (&a.node.op, &b.node.op) {
                // Arrays of one number may be of any shape; a number that is not one need not equal
                // itself.
                (Op::Constant(x), Op::Constant(y)) => {
                    if a.operation == "fill" {
                        a.attributes == b.attributes
                    } else {
                        x.shape() == y.shape() && x.bytes() == y.bytes()
                    }
                }
                _ => true,
            };
            !values
                || (&a.operation, &a.inputs, a.node.dtype)
                    != (&b.operation, &b.inputs, b.node.dtype)
                || counts(a) != counts(b)
        };
        let ends = self.outputs != other.outputs
            || self.checks != other.checks
            || self.writes != other.writes
            || self.lines.len() != other.lines.len();
        (0..shortest).find(unlike).or_else(|| ends.then(|| shortest.saturating_sub(1)))
    }

    /// The error of an operation that depends on the number of rows in a way that cannot be saved.
    pub(super) fn depends(&self, other: &GraphReading, place: usize) -> Error {
        let line = &self.lines[place];
        let of = |reading: &GraphReading| {
            let line = &reading.lines[place];
            let what = match &line.node.op {
                Op::Constant(array) => format!("the numbers {array:?}"),
                _ => format!("`{}` of {}{}", line.operation, line.node.dtype, line.node.shape),
            };
            format!("{what} for {} rows", reading.rows)
        };
        let message = format!(
            "what the model computes depends on the number of rows: {}, and {}",
            of(self),
            of(other)
        );
        let help = "a file holds sizes of the form `a + b * rows`: let numbers not depend on how \
            many rows are predicted together, and the outputs of a row on that row alone";
        Error::usage(message, help).in_layer(self.path(place)).at(line.node.site)
    }
}
