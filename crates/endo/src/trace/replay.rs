//! Where a number went wrong: the operation that first made one that is not finite out of numbers
//! that are.
//!
//! In: the graph, the inputs and the check of a run that failed. Out: its error, which names the
//! operation, its layer, the user's line and the rows of the batch. The step is computed again one
//! operation at a time; variables are read, never written.

use super::runner::Pool;
use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Op, View};
use crate::site::Site;

use super::program::{Program, not_finite};

/// The number of rows that are listed; the others are counted.
const LISTED: usize = 5;

const ROWS: &str = "remove or replace the rows whose numbers are missing or infinite: \
    `Dataset::check_finite` finds them";
const VARIABLE: &str = "load weights saved before, or set it anew: steps that `fit` runs and \
    those of `Optimizer::apply` do not write such a number, so it was set so or made by an \
    assignment in a loop";
const CONSTANT: &str =
    "take a large finite number instead, as -1e9 for what a softmax has to leave out";
const OPERATION: &str = "keep what it is given where it is defined, as in \
    `x.maximum(1e-7).log()`; where numbers have grown too large, lower the learning rate, clip the \
    gradients (`clipnorm`) or scale the data";
const ASKED: &str = "indices count from 0, and negative ones from the end; those of an \
    `Embedding` are below its `input_dim`";
const GRADIENT: &str =
    "; the line may stand for the gradient of its operation, as that of `sqrt` at 0";

/// A run that failed, to be computed again.
pub(crate) struct Replay<'a> {
    /// The arrays that it was run on.
    pub inputs: &'a [&'a Array],
    /// What messages call them.
    pub called: InputNames<'a>,
    /// The threads to compute with.
    pub pool: &'a Pool,
}

/// What messages call that which a run was given.
#[derive(Clone, Copy)]
pub(crate) struct InputNames<'a> {
    /// The name of the input of an index.
    pub input: &'a dyn Fn(usize) -> String,
    /// Which row of the data each row of the batch is; empty where the batch is all that is known.
    pub rows: &'a [usize],
    /// How many of the inputs, the first ones, are the batch's; all unless a number is given.
    pub data: Option<usize>,
}

impl InputNames<'_> {
    /// Inputs by number, rows as they are in the batch.
    pub const NUMBERED: Self =
        Self { input: &|index| format!("input {index}"), rows: &[], data: None };
}

/// What made a number that is not finite.
struct Cause {
    what: String,
    layer: String,
    site: Site,
    help: &'static str,
    constant: bool,
}

impl Program {
    /// The same with what made the number, looked for in the graph that was planned, traced once
    /// more: graphs are not kept.
    pub(crate) fn explain(
        &self,
        check: usize,
        retraced: Result<Graph>,
        replay: &Replay<'_>,
    ) -> Error {
        let same = |graph: &Graph| {
            graph.checks.get(check).is_some_and(|known| known.what == self.checks[check])
        };
        match retraced {
            Ok(graph) if same(&graph) => replay.error(graph, check),
            Ok(_) | Err(_) => self.failure(check), // a closure that does something else each time
        }
    }
}

impl Replay<'_> {
    /// The error for the check of this index, with its cause. Without one when all numbers are
    /// finite if computed one operation at a time: sums near the largest number may overflow in one
    /// order and not in another.
    pub fn error(&self, mut graph: Graph, check: usize) -> Error {
        let check = graph.checks.swap_remove(check);
        graph.outputs = vec![check.node];
        graph.writes.clear();
        graph.checks.clear();
        let plain = not_finite(&check.what);
        // What an effect does is not to be done once more.
        if graph.nodes.iter().any(|node| node.op.is_effect()) {
            return plain;
        }
        let Some(cause) = self.cause(&graph, check.node) else { return plain };
        let help = if check.what.starts_with("the gradient") && cause.help == OPERATION {
            format!("{OPERATION}{GRADIENT}")
        } else {
            cause.help.to_string()
        };
        let message = format!("{}: {}", plain.message(), cause.what);
        plain.with_message(message).in_layer(cause.layer).at(cause.site).help(help)
    }

    /// The first operation from which a value that is not finite comes, through values that are
    /// not. Infinities that were meant, and chosen away, are thus no cause.
    fn cause(&self, graph: &Graph, failed: NodeId) -> Option<Cause> {
        let needed = graph.needed();
        let steps = || graph.nodes.iter().enumerate().filter(|&(position, _)| needed[position]);
        let mut last_use = vec![0; graph.nodes.len()];
        for (position, node) in steps() {
            for id in &node.inputs {
                last_use[id.index()] = position;
            }
        }
        let batch = self.batch(graph);
        let mut values: Vec<Option<Array>> = vec![None; graph.nodes.len()];
        let (mut finite, mut of_batch) =
            (vec![true; graph.nodes.len()], vec![false; graph.nodes.len()]);
        let mut causes: Vec<Option<Cause>> = graph.nodes.iter().map(|_| None).collect();
        for (position, node) in steps() {
            let inputs: Vec<&Array> =
                node.inputs.iter().filter_map(|id| values[id.index()].as_ref()).collect();
            let value = self.value(graph, node, &inputs);
            of_batch[position] = batch.is_some_and(|batch| is_of_batch(node, batch, &of_batch));
            finite[position] = value.is_finite();
            if !finite[position] && node.inputs.iter().all(|id| finite[id.index()]) {
                let rows =
                    if of_batch[position] { rows(&value, self.called.rows) } else { String::new() };
                causes[position] = Some(self.describe(graph, node, &inputs, &value, &rows));
            }
            values[position] = Some(value);
            for id in node.inputs.iter().filter(|id| last_use[id.index()] == position) {
                values[id.index()] = None;
            }
        }
        let mut reached = vec![false; graph.nodes.len()];
        reached[failed.index()] = !finite[failed.index()];
        for position in (0..=failed.index()).rev().filter(|&position| needed[position]) {
            if reached[position] {
                for id in &graph.nodes[position].inputs {
                    reached[id.index()] |= !finite[id.index()];
                }
            } else {
                causes[position] = None
            }
        }
        // An infinite constant was written down by someone, and probably meant.
        causes.into_iter().flatten().min_by_key(|cause| cause.constant)
    }

    /// The size of the inputs' first axis, if they have one in common.
    fn batch(&self, graph: &Graph) -> Option<usize> {
        let all = self.inputs.len() - usize::from(graph.occasion.is_some());
        let data = self.called.data.unwrap_or(all);
        let mut sizes =
            self.inputs[..data].iter().filter_map(|input| input.shape().first().copied());
        let first = sizes.next()?;
        sizes.all(|size| size == first).then_some(first)
    }

    fn value(&self, graph: &Graph, node: &Node, inputs: &[&Array]) -> Array {
        match &node.op {
            Op::Input(index) => self.inputs[*index].clone(),
            Op::Variable(index) => graph.variables[*index].value(),
            Op::Constant(array) => array.clone(),
            Op::Identity(_) => inputs[0].clone(),
            _ => self.compute(node, inputs),
        }
    }

    /// The value of one operation, by a plan of its own: the node-by-node reference sums in another
    /// type, where less overflows, and is too slow for large products.
    fn compute(&self, node: &Node, inputs: &[&Array]) -> Array {
        let mut graph = Graph { scopes: vec![String::new()], ..Graph::default() };
        for (index, input) in inputs.iter().enumerate() {
            let (shape, dtype) = (input.shape().clone(), input.dtype());
            graph.nodes.push(Node {
                op: Op::Input(index),
                inputs: Vec::new(),
                shape,
                dtype,
                scope: 0,
                site: node.site,
            });
            graph.inputs.push(NodeId(index as u32));
        }
        graph.nodes.push(Node { inputs: graph.inputs.clone(), scope: 0, ..node.clone() });
        graph.outputs.push(NodeId(inputs.len() as u32));
        let mut outputs = [Array::zeros(&node.shape, node.dtype)];
        let program = Program::new(&graph).expect("a graph without constants needs no memory");
        program.run(inputs, &mut outputs, self.pool).expect("a plan without checks does not fail");
        let [value] = outputs;
        value
    }

    fn describe(
        &self,
        graph: &Graph,
        node: &Node,
        inputs: &[&Array],
        value: &Array,
        rows: &str,
    ) -> Cause {
        let place =
            (0..value.len()).find(|&place| !value.get(place).is_finite()).unwrap_or_default();
        let got = number(value, place);
        let gave = |what: String| (format!("{what} gave {got}{rows}"), OPERATION);
        let (what, help) = match &node.op {
            Op::Input(index) => {
                (format!("`{}` held {got}{rows}", (self.called.input)(*index)), ROWS)
            }
            Op::Variable(index) => (
                format!("`{}` held {got} before the step", graph.variables[*index].name()),
                VARIABLE,
            ),
            Op::Constant(_) => (format!("a constant is {got}"), CONSTANT),
            Op::Elementwise(elementwise) => {
                let taken: Vec<String> = inputs.iter().map(|input| number(input, place)).collect();
                gave(format!("`{}` of {}", elementwise.name, taken.join(" and ")))
            }
            Op::Cast => gave(format!("`cast` of {} to {}", number(inputs[0], place), node.dtype)),
            Op::Reduce(reduction, _) => gave(format!("`{reduction:?}`").to_lowercase()),
            Op::Matmul { .. } => gave("`matmul`".to_string()),
            Op::View(_) => gave("a view".to_string()),
            Op::Kernel(kernel) => match kernel.complaint(inputs) {
                Some(complaint) => (format!("{complaint}{rows}"), ASKED),
                None => gave(format!("`{}`", kernel.name())),
            },
            Op::Identity(rule) => gave(format!("`{}`", rule.name)),
            Op::Scan(_) | Op::Part(_) | Op::Parameter => gave("a loop".to_string()),
        };
        let (layer, site) = (graph.scopes[node.scope as usize].clone(), node.site);
        let constant = matches!(node.op, Op::Constant(_));
        Cause { what, layer, site, help, constant }
    }
}

/// Whether the rows of a node's value belong to the samples of the batch, given which nodes' before
/// it do.
fn is_of_batch(node: &Node, batch: usize, of_batch: &[bool]) -> bool {
    let mut inputs = node.inputs.iter().map(|id| of_batch[id.index()]);
    let sized = node.shape.first() == Some(&batch);
    sized
        && match &node.op {
            Op::Input(_) => true,
            Op::Variable(_) | Op::Constant(_) => false,
            Op::Scan(_) | Op::Part(_) | Op::Parameter => false,
            Op::Cast | Op::Identity(_) | Op::View(View::Reshape | View::Broadcast) => {
                inputs.next() == Some(true)
            }
            Op::View(View::Transpose(permutation)) => {
                permutation[0] == 0 && inputs.next() == Some(true)
            }
            Op::View(View::Slice(parts)) => parts[0] == (0, 1) && inputs.next() == Some(true),
            Op::Reduce(_, axes) => !axes.contains(&0) && inputs.next() == Some(true),
            Op::Matmul { transposed } if node.shape.rank() == 2 => {
                !transposed.left && inputs.next() == Some(true)
            }
            Op::Elementwise(_) | Op::Matmul { .. } | Op::Kernel(_) => {
                inputs.any(|of_batch| of_batch)
            }
        }
}

/// Which rows hold a number that is not finite: ` in rows 0 and 3 of the batch, counted from 0`; of
/// the data, where it is known which row of it each one is.
fn rows(value: &Array, of_data: &[usize]) -> String {
    let rows = value.shape()[0];
    let length = value.len() / rows.max(1);
    let bad = |&row: &usize| {
        (row * length..(row + 1) * length).any(|place| !value.get(place).is_finite())
    };
    let mut found: Vec<usize> = (0..rows).filter(bad).collect();
    let whole = if of_data.len() == rows { "data" } else { "batch" };
    if of_data.len() == rows {
        for row in &mut found {
            *row = of_data[*row];
        }
        found.sort_unstable();
    }
    let mut parts: Vec<String> = found.iter().take(LISTED).map(usize::to_string).collect();
    if found.len() > LISTED {
        parts.push(format!("{} more", found.len() - LISTED));
    }
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        format!(" in row {last} of the {whole}, counted from 0")
    } else {
        format!(" in rows {} and {last} of the {whole}, counted from 0", parts.join(", "))
    }
}

/// A number of an array as it is written in its own type.
fn number(array: &Array, place: usize) -> String {
    let value = array.get(place);
    let plain = !value.is_finite() || value == 0.0 || (1e-4..1e7).contains(&value.abs());
    match (array.dtype(), plain) {
        (DType::F32, true) => (value as f32).to_string(),
        (DType::F32, false) => format!("{:e}", value as f32),
        (DType::F64, false) => format!("{value:e}"),
        (DType::F64 | DType::I32 | DType::U8, _) => value.to_string(),
        (DType::Bool, _) => (value != 0.0).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn many_rows_are_counted() {
        let value = |bad: &[usize]| {
            Array::from_fn([9, 2], |place| if bad.contains(&(place / 2)) { f32::NAN } else { 1.0 })
        };
        assert_eq!(rows(&value(&[8]), &[]), " in row 8 of the batch, counted from 0");
        assert_eq!(rows(&value(&[0, 3]), &[]), " in rows 0 and 3 of the batch, counted from 0");
        assert_eq!(
            rows(&value(&[0, 2, 3, 4, 5, 7, 8]), &[]),
            " in rows 0, 2, 3, 4, 5 and 2 more of the batch, counted from 0"
        );
        let shuffled = [30, 17, 18, 4, 22, 9, 1, 0, 12];
        assert_eq!(
            rows(&value(&[0, 3]), &shuffled),
            " in rows 4 and 30 of the data, counted from 0"
        );
    }

    #[test]
    fn numbers_are_written_in_their_own_type() {
        assert_eq!(number(&Array::scalar(0.1_f32), 0), "0.1");
        assert_eq!(number(&Array::scalar(3e38_f32), 0), "3e38");
        assert_eq!(number(&Array::scalar(-0.25_f64), 0), "-0.25");
        assert_eq!(number(&Array::scalar(f32::NEG_INFINITY), 0), "-inf");
        assert_eq!(number(&Array::scalar(true), 0), "true");
    }

    /// The message of a step that minimizes the mean of `f`, after the part that names the
    /// gradient.
    fn cause(f: impl Fn(&Tensor, &Tensor) -> Tensor, x: Array) -> String {
        let w = Variable::new("w", Array::scalar(1.0_f32));
        let optimizer = Sgd::new(0.1);
        let mut step = Function::new(|[x], cx| {
            let loss = f(&x, &cx.read(&w)).mean();
            optimizer.apply(&cx.gradients(&loss, [&w]), cx);
            []
        });
        let error = step.run([&x]).unwrap_err();
        let start = "the gradient of `w` is not finite; nothing was updated: ";
        error.message().strip_prefix(start).unwrap_or_else(|| panic!("{error}")).to_string()
    }

    #[test]
    fn infinities_that_are_chosen_away_are_no_cause() {
        let guarded = |x: &Tensor, w: &Tensor| x.greater(0.0).where_(x.log(), 0.0) + (w * x).exp();
        let got = cause(guarded, Array::from([0.0_f32, 100.0, 1.0]));
        assert_eq!(got, "`exp` of 100 gave inf in row 1 of the batch, counted from 0");
    }

    #[test]
    fn rows_are_named_only_where_the_first_axis_is_the_batch() {
        let summed = |x: &Tensor, w: &Tensor| (w * x).sum_axes([0]).square();
        assert_eq!(cause(summed, Array::from([[3e38_f32, 0.0], [3e38, 0.0]])), "`sum` gave inf");
        let turned = |x: &Tensor, w: &Tensor| (w * x.transpose()).exp();
        assert_eq!(
            cause(turned, Array::from([[1.0_f32, 1.0], [1.0, 99.0]])),
            "`exp` of 99 gave inf"
        );
    }
}
