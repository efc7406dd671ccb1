//! Which values are known to be numbers that a bfloat16 holds.
//!
//! In: a graph, and which of its inputs are. Out: the same of each node: what was rounded, and what
//! is seen of it through views and in windows, also within the steps of loops.

use crate::array::Array;
use crate::graph::{Graph, Op, Scan, Windowing};

/// Whether each node is known to be of such numbers. `inputs` says it of the graph's inputs; those
/// that it says nothing of are unknown.
pub fn rounded(graph: &Graph, inputs: &[bool]) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        all.push(match &node.op {
            Op::Elementwise(operation) => operation.rounds_to_bf16(),
            Op::View(_) | Op::Identity(_) => all[node.inputs[0].index()],
            // What is outside of the image is 0.
            Op::Kernel(kernel) if matches!(kernel.windowing(), Some(Windowing::Take(_))) => {
                all[node.inputs[0].index()]
            }
            Op::Constant(array) => is_rounded(array),
            Op::Input(index) => inputs.get(*index).is_some_and(|&rounded| rounded),
            _ => false,
        });
    }
    all
}

/// Whether an array has such numbers alone.
fn is_rounded(array: &Array) -> bool {
    let numbers = array.as_slice::<f32>();
    numbers.is_some_and(|numbers| numbers.iter().all(|x| x.to_bits() & 0xffff == 0))
}

/// The same of what a step of a loop is given, in the order of its graph's inputs, from that of the
/// loop's inputs: of the parts of sequences, and of what is the same for all steps. A state is not
/// known to be so after the first step.
pub fn given_to_steps(scan: &Scan, inputs: impl Iterator<Item = bool>) -> Vec<bool> {
    let others = inputs.skip(scan.first_input() + scan.states);
    std::iter::repeat_n(false, 1 + scan.states).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Builder, round_to_bf16, square};
    use super::*;
    use crate::graph::View;
    use crate::plan::Action;
    use crate::prelude::*;

    #[test]
    fn what_was_rounded_is_seen_through_views() {
        let mut build = Builder::default();
        let x = build.input([4, 6]);
        let rounded_x = build.elementwise(&round_to_bf16::OPERATION, &[x]);
        let turned = build.view(View::Transpose(vec![1, 0]), rounded_x, [6, 4]);
        let flat = build.view(View::Reshape, turned, [24]);
        let other = build.elementwise(&square::OPERATION, &[flat]);
        let graph = build.outputs([other]);
        assert_eq!(rounded(&graph, &[]), [false, true, true, true, false]);
        assert_eq!(rounded(&graph, &[true]), [true, true, true, true, false]);
    }

    #[test]
    fn products_in_steps_of_loops_know_of_it() {
        let x = Array::from_fn([3, 4, 5], |i| (i as f32).sin());
        let kernel = Array::from_fn([5, 5], |i| (i as f32).cos());
        let products = |rounds_kernel: bool| {
            let mut f = Function::new(|[x, kernel], cx| {
                let kernel = if rounds_kernel { kernel.round_to_bf16() } else { kernel.clone() };
                let zero = x.slice(0, 0..1).reshape([4, 5]).zeros_like();
                let step = |h: Tensor, x: Tensor, _: &mut Context| {
                    let next = x.matmul(&kernel) + h.matmul(&kernel);
                    (next.clone(), next)
                };
                [cx.scan(zero, &x.round_to_bf16(), step).1]
            });
            f.run([&x, &kernel]).unwrap();
            let program = f.program([&x, &kernel]).unwrap();
            let body = program.plan().steps.iter().find_map(|step| match &step.action {
                Action::Scan(scan) => Some(scan.body.clone()),
                _ => None,
            });
            let body = body.expect("it loops");
            let flag = |step: &crate::plan::PlanStep| match &step.action {
                Action::Product(product) => Some(product.rounded),
                _ => None,
            };
            let mut all: Vec<bool> = body.steps.iter().filter_map(flag).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(products(true), [false, true]);
        assert_eq!(products(false), [false, false]);
    }
}
