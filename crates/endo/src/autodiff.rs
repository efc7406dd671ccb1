//! Gradients as graphs: one backward walk, one place where gradients add up.
//!
//! In: a scalar and the tensors it may depend on. Out: tensors of the same trace, so they are
//! fused, printed, and differentiated again (reverse-mode differentiation, Griewank and Walther
//! 2008, chapter 3).

use std::ops::Range;

use crate::error::{Error, ErrorKind};
use crate::graph::{Node, NodeId, Op, Tensor};
use crate::ops;
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
    let trace = value.trace().clone();
    // Nodes on a path from a target to the value: the others need no gradient.
    let count = value.id().index() + 1;
    let nodes: Vec<Node> = (0..count as u32).map(|id| trace.node(NodeId(id))).collect();
    let varies = varying(&nodes, targets, &ways);
    let mut sums: Vec<Option<Tensor>> = vec![None; count];
    if varies[count - 1] {
        sums[count - 1] = Some(dy.clone());
    }
    for position in (0..count).rev() {
        let node = &nodes[position];
        if !ways.contains(&position) || !varies[position] || node.inputs.is_empty() {
            continue;
        }
        let Some(dy) = sums[position].clone() else { continue };
        let handle = |id: NodeId| {
            Tensor::new(trace.clone(), id, nodes[id.index()].shape.clone(), nodes[id.index()].dtype)
        };
        let inputs: Vec<Tensor> = node.inputs.iter().map(|&id| handle(id)).collect();
        let scope = trace.reenter(node);
        let shares = input_gradients(node, &inputs, &handle(NodeId(position as u32)), &dy);
        for (id, share) in node.inputs.iter().zip(shares) {
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
                trace.record(Error::new(ErrorKind::Shape, message).help(help).at(node.site));
                continue;
            }
            let sum = &mut sums[id.index()];
            *sum = Some(match sum.take() {
                Some(sum) => sum + share,
                None => share,
            });
        }
        trace.leave(scope);
    }
    targets.iter().map(|target| sums.get(target.id().index()).cloned().flatten()).collect()
}

/// Whether a value depends on one of some others by nodes among `ways`, so that it has a gradient.
pub(crate) fn depends(value: &Tensor, others: &[Tensor], ways: &Range<usize>) -> bool {
    let last = value.id();
    let nodes: Vec<Node> = (0..=last.0).map(|id| value.trace().node(NodeId(id))).collect();
    varying(&nodes, others, ways)[last.index()]
}

/// Which nodes are targets, or depend on them by nodes among `ways`.
fn varying(nodes: &[Node], targets: &[Tensor], ways: &Range<usize>) -> Vec<bool> {
    let mut varies = vec![false; nodes.len()];
    for target in targets.iter().filter(|target| target.id().index() < nodes.len()) {
        varies[target.id().index()] = true;
    }
    for (position, node) in nodes.iter().enumerate().take(ways.end).skip(ways.start) {
        let inputs = differentiable_inputs(node);
        varies[position] |= node.dtype.is_float() && inputs.iter().any(|id| varies[id.index()]);
    }
    varies
}

/// What the nodes from `since` on take for a value from outside of them, but for what is `known`:
/// nodes before them, and variables.
pub(crate) fn taken_from_outside(value: &Tensor, known: &[&Tensor], since: usize) -> Vec<Tensor> {
    let trace = value.trace();
    let mut reached = vec![false; value.id().index() + 1];
    reached[value.id().index()] = true;
    let mut taken = Vec::new();
    for position in (0..reached.len())
        .rev()
        .filter(|&position| known.iter().all(|known| known.id().index() != position))
    {
        if !std::mem::take(&mut reached[position]) {
            continue;
        }
        let id = NodeId(position as u32);
        let node = trace.node(id);
        if position >= since && !node.inputs.is_empty() {
            for id in differentiable_inputs(&node) {
                reached[id.index()] = true;
            }
        } else if node.dtype.is_float() && !matches!(node.op, Op::Constant(_)) {
            taken.push(Tensor::new(trace.clone(), id, node.shape, node.dtype));
        }
    }
    taken
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
        Op::Input(_) | Op::Variable(_) | Op::Constant(_) => &[],
        Op::Elementwise(operation) if operation.gradient.is_none() => &[],
        Op::Identity(_) => &node.inputs[1..],
        Op::Elementwise(_)
        | Op::Cast
        | Op::Reduce(..)
        | Op::Matmul { .. }
        | Op::View(_)
        | Op::Kernel(_) => &node.inputs,
    }
}

fn input_gradients(node: &Node, inputs: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
    match &node.op {
        Op::Input(_) | Op::Variable(_) | Op::Constant(_) => Vec::new(),
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
