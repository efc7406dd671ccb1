//! Gradients as graphs: one backward walk, one place where gradients add up.
//!
//! In: a scalar and the tensors it may depend on. Out: tensors of the same trace, so they are
//! fused, printed, and differentiated again (reverse-mode differentiation, Griewank and Walther
//! 2008, chapter 3).

mod scan;

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::error::{Error, ErrorKind};
use crate::graph::{Node, NodeId, Op, Tensor, View};
use crate::ops;
use crate::ops::arithmetic::round_to_bf16;
use crate::shape::Shape;
use crate::site::Site;

/// The gradients of a scalar with respect to each target; `None` where it does not depend on the
/// target.
///
/// Anything but a scalar of floats is an error that asks for `.sum()` or `.mean()`.
pub fn gradients(loss: &Tensor, targets: &[Tensor], site: Site) -> Vec<Option<Tensor>> {
    let trace = loss.trace().clone();
    let refuse = |kind, message: String, help: &str| {
        trace.record(Error::new(kind, message).help(help).at(site));
        vec![None; targets.len()]
    };
    if !loss.shape().is_scalar() || !loss.dtype().is_float() {
        let message = format!(
            "gradients of a {}{}: only a scalar of floats has gradients",
            loss.dtype(),
            loss.shape()
        );
        let help = "reduce the loss with `.sum()` or `.mean()` first";
        return refuse(ErrorKind::Shape, message, help);
    }
    if let Some(target) = targets.iter().find(|target| !target.dtype().is_float()) {
        let message = format!(
            "gradient with respect to a tensor of type {}: only floats have gradients",
            target.dtype()
        );
        return refuse(ErrorKind::DType, message, "`cast` it to f32 before the loss uses it");
    }
    pulled_back(loss, &loss.ones_like(), targets, 0..usize::MAX)
}

/// The gradients of a value's part in a loss: those of `(value * dy).sum()` with `dy` taken for a
/// constant, which gradients of these gradients do not. A node outside of `ways` is no way from a
/// target to the value.
#[track_caller]
pub(crate) fn pulled_back(
    value: &Tensor,
    dy: &Tensor,
    targets: &[Tensor],
    ways: Range<usize>,
) -> Vec<Option<Tensor>> {
    pulled_back_all(&[(value.clone(), dy.clone())], targets, &|position| ways.contains(&position))
}

/// As [`pulled_back`], of several values of one trace, each with its gradient.
#[track_caller]
fn pulled_back_all(
    values: &[(Tensor, Tensor)],
    targets: &[Tensor],
    ways: &dyn Fn(usize) -> bool,
) -> Vec<Option<Tensor>> {
    let Some((first, _)) = values.first() else { return vec![None; targets.len()] };
    let trace = first.trace().clone();
    // Nodes on a path from a target to a value: the others need no gradient.
    let count = values.iter().map(|(value, _)| value.id().index() + 1).max().unwrap_or(0);
    let nodes: Vec<Node> = (0..count as u32).map(|id| trace.node(NodeId(id))).collect();
    let varies = varying(&nodes, targets, ways);
    let mut shares: Vec<Vec<Share>> = vec![Vec::new(); count];
    for (value, dy) in values.iter().filter(|(value, _)| varies[value.id().index()]) {
        shares[value.id().index()].push(Share::whole(dy.clone()));
    }
    let rounded = rounded(&nodes);
    let mut sums: Vec<Option<Tensor>> = vec![None; count];
    for position in (0..count).rev() {
        let node = &nodes[position];
        sums[position] = sum(std::mem::take(&mut shares[position]), &node.shape);
        if !ways(position) || !varies[position] || node.inputs.is_empty() {
            continue;
        }
        let handle = |id: NodeId| {
            Tensor::new(trace.clone(), id, nodes[id.index()].shape.clone(), nodes[id.index()].dtype)
        };
        let scope = trace.reenter(node);
        let y = handle(rounded.get(&position).copied().unwrap_or(NodeId(position as u32)));
        let own = match (&node.op, sums[position].clone()) {
            (Op::Scan(scan), _) => scan::gradients(&y, node, scan, parts(&nodes, position, &sums)),
            (_, None) => Vec::new(),
            (Op::View(View::Slice(parts)), Some(dy))
                if let Some(share) = Share::slice(parts, &nodes[node.inputs[0].index()], &dy) =>
            {
                shares[node.inputs[0].index()].push(share);
                Vec::new()
            }
            (_, Some(dy)) => {
                let inputs: Vec<Tensor> = node.inputs.iter().map(|&id| handle(id)).collect();
                input_gradients(node, &inputs, &y, &dy)
            }
        };
        for (id, share) in node.inputs.iter().zip(own) {
            let Some(share) = share.filter(|_| varies[id.index()]) else { continue };
            if (share.shape(), share.dtype()) != (&nodes[id.index()].shape, nodes[id.index()].dtype)
            {
                let wanted = format!("{}{}", nodes[id.index()].dtype, nodes[id.index()].shape);
                let message = format!(
                    "a gradient is {}{}, but the value that it belongs to is {wanted}",
                    share.dtype(),
                    share.shape()
                );
                let help =
                    "a custom gradient returns one tensor of each input's own shape and type";
                trace.record(Error::shape(message, help).at(node.site));
                continue;
            }
            shares[id.index()].push(Share::whole(share));
        }
        trace.leave(scope);
    }
    targets.iter().map(|target| sums.get(target.id().index()).cloned().flatten()).collect()
}

/// For each result of an elementwise operation that is rounded to a bfloat16, what it is then: the
/// slope of an activation is computed from that, so that its result need not be kept besides.
fn rounded(nodes: &[Node]) -> FxHashMap<usize, NodeId> {
    let mut rounded = FxHashMap::default();
    for (position, node) in nodes.iter().enumerate() {
        if let (Op::Elementwise(operation), &[input]) = (&node.op, node.inputs.as_slice())
            && **operation == round_to_bf16::OPERATION
            && matches!(nodes[input.index()].op, Op::Elementwise(_))
        {
            rounded.entry(input.index()).or_insert(NodeId(position as u32));
        }
    }
    rounded
}

/// A part of a gradient.
#[derive(Clone)]
struct Share {
    gradient: Tensor,
    /// Where it begins along an axis, if it is that of a stretch of the value along one axis.
    stretch: Option<(usize, usize)>,
}

impl Share {
    fn whole(gradient: Tensor) -> Self {
        Self { gradient, stretch: None }
    }

    /// As large as the value, 0 outside of the stretch.
    #[track_caller]
    fn extended(self, shape: &Shape) -> Self {
        let Some((axis, start)) = self.stretch else { return self };
        let parts: Vec<(usize, isize)> =
            (0..shape.rank()).map(|of| (if of == axis { start } else { 0 }, 1)).collect();
        Self::whole(self.gradient.unslice(shape, &parts))
    }

    /// The share of a view of a stretch along one axis.
    fn slice(parts: &[(usize, isize)], value: &Node, dy: &Tensor) -> Option<Self> {
        let mut cut = (0..parts.len()).filter(|&axis| dy.shape()[axis] != value.shape[axis]);
        let (axis, None) = (cut.next()?, cut.next()) else { return None };
        let is_plain = parts.iter().all(|&(_, step)| step == 1);
        is_plain.then(|| Self { gradient: dy.clone(), stretch: Some((axis, parts[axis].0)) })
    }
}

/// The sum of shares. Those of stretches that make up the whole value are put side by side.
#[track_caller]
fn sum(mut shares: Vec<Share>, shape: &Shape) -> Option<Tensor> {
    let first = shares.iter().position(|share| share.stretch.is_some());
    if let Some(first) = first {
        let (apart, whole): (Vec<Share>, Vec<Share>) =
            shares.into_iter().partition(|share| share.stretch.is_some());
        shares = whole;
        let joined = side_by_side(&apart, shape).map_or_else(
            || apart.into_iter().map(|share| share.extended(shape)).collect(),
            |joined| vec![Share::whole(joined)],
        );
        shares.splice(first.min(shares.len())..first.min(shares.len()), joined);
    }
    shares.into_iter().map(|share| share.gradient).reduce(|sum, share| sum + share)
}

/// The stretches as one value, if they are all of it and none is of the same elements as another.
#[track_caller]
fn side_by_side(stretches: &[Share], shape: &Shape) -> Option<Tensor> {
    let mut places: Vec<(usize, usize, &Tensor)> = stretches
        .iter()
        .filter_map(|share| share.stretch.map(|(axis, start)| (axis, start, &share.gradient)))
        .collect();
    places.sort_by_key(|&(axis, start, _)| (axis, start));
    let &(axis, ..) = places.first()?;
    let mut end = 0;
    for &(along, start, gradient) in &places {
        if along != axis || start != end {
            return None;
        }
        end += gradient.shape()[axis];
    }
    let parts: Vec<Tensor> = places.into_iter().map(|(.., gradient)| gradient.clone()).collect();
    (end == shape[axis]).then(|| Tensor::concatenate(&parts, axis as isize))
}

/// The gradients of the parts of a loop's results, by part.
#[track_caller]
fn parts(nodes: &[Node], scan: usize, sums: &[Option<Tensor>]) -> BTreeMap<usize, Tensor> {
    let mut parts: BTreeMap<usize, Tensor> = BTreeMap::new();
    for (node, sum) in nodes.iter().zip(sums).skip(scan) {
        if let (Op::Part(part), Some(sum)) = (&node.op, sum)
            && node.inputs[0].index() == scan
        {
            let both = parts.get(part).map_or_else(|| sum.clone(), |known| known + sum);
            parts.insert(*part, both);
        }
    }
    parts
}

/// Whether a value depends on one of some others by nodes among `ways`, so that it has a gradient.
pub(crate) fn depends(value: &Tensor, others: &[Tensor], ways: &Range<usize>) -> bool {
    let last = value.id();
    let nodes: Vec<Node> = (0..=last.0).map(|id| value.trace().node(NodeId(id))).collect();
    varying(&nodes, others, &|position| ways.contains(&position))[last.index()]
}

/// Which nodes are targets, or depend on them by nodes among `ways`.
fn varying(nodes: &[Node], targets: &[Tensor], ways: &dyn Fn(usize) -> bool) -> Vec<bool> {
    let mut varies = vec![false; nodes.len()];
    for target in targets.iter().filter(|target| target.id().index() < nodes.len()) {
        varies[target.id().index()] = true;
    }
    for (position, node) in nodes.iter().enumerate().filter(|&(position, _)| ways(position)) {
        let inputs = differentiable_inputs(node);
        varies[position] |= node.dtype.is_float() && inputs.iter().any(|id| varies[id.index()]);
    }
    varies
}

/// For each of some values of a trace, which of its nodes it depends on in a way that gradients can
/// follow.
pub(crate) fn reached(values: &[Tensor]) -> Vec<Vec<bool>> {
    let count = values.iter().map(|value| value.id().index() + 1).max().unwrap_or(0);
    let trace = values.first().map(Tensor::trace);
    let nodes: Vec<Node> =
        (0..count as u32).filter_map(|id| trace.map(|trace| trace.node(NodeId(id)))).collect();
    let reach = |value: &Tensor| {
        let mut reached = vec![false; count];
        reached[value.id().index()] = true;
        for (position, node) in nodes.iter().enumerate().rev() {
            if reached[position] && node.dtype.is_float() {
                for id in differentiable_inputs(node) {
                    reached[id.index()] = true;
                }
            }
        }
        reached
    };
    values.iter().map(reach).collect()
}

/// The inputs through which gradients can flow.
fn differentiable_inputs(node: &Node) -> &[NodeId] {
    match &node.op {
        Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::Parameter => &[],
        Op::Elementwise(operation) if operation.gradient.is_none() => &[],
        Op::Identity(_) => &node.inputs[1..],
        Op::Elementwise(_)
        | Op::Cast
        | Op::Reduce(..)
        | Op::Matmul { .. }
        | Op::View(_)
        | Op::Kernel(_)
        | Op::Scan(_)
        | Op::Part(_) => &node.inputs,
    }
}

fn input_gradients(node: &Node, inputs: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
    match &node.op {
        Op::Input(_) | Op::Variable(_) | Op::Constant(_) | Op::Parameter => Vec::new(),
        // The loop takes the gradients of its parts itself.
        Op::Scan(_) | Op::Part(_) => Vec::new(),
        Op::Elementwise(operation) => {
            operation.gradient.map_or_else(Vec::new, |rule| rule(inputs, y, dy))
        }
        Op::Cast => {
            vec![inputs[0].dtype().is_float().then(|| dy.convert(inputs[0].dtype(), node.site))]
        }
        Op::Reduce(..) => ops::reduce::gradient(node, inputs, y, dy),
        Op::Matmul { .. } => ops::matmul::gradient(node, inputs, dy),
        Op::View(_) => ops::view::gradient(node, inputs, dy),
        Op::Kernel(kernel) => kernel.gradient(inputs, y, dy),
        Op::Identity(rule) => std::iter::once(None).chain((rule.gradient)(dy)).collect(),
    }
}
