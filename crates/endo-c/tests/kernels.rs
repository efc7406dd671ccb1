//! Kernels by their names and attributes, also those that no method of a tensor makes alone.

mod support;

use endo::Site;
use endo::graph::{Graph, Node, NodeId, Op};
use endo::ops::saved;
use endo::prelude::*;

use support::{Bound, Session, numbers};

#[test]
fn every_kernel_of_the_library_has_text_in_c() {
    let known: Vec<&str> = endo_c::kernel_names().collect();
    let missing: Vec<&str> = saved::kernel_names().filter(|name| !known.contains(name)).collect();
    assert!(missing.is_empty(), "kernels to be added to `KERNELS` in src/kernels: {missing:?}");
}

/// A graph of one kernel.
fn kernel(name: &str, attributes: &[i64], inputs: &[Array], output: (&[usize], DType)) -> Graph {
    let op = saved::named(name, attributes).unwrap_or_else(|| panic!("{name} of {attributes:?}"));
    let mut graph = Graph { scopes: vec![String::new()], ..Graph::default() };
    let site = Site::caller();
    let mut node = |op, inputs: Vec<NodeId>, shape: Shape, dtype| {
        graph.nodes.push(Node { op, inputs, shape, dtype, scope: 0, site });
        NodeId(graph.nodes.len() as u32 - 1)
    };
    let ids: Vec<NodeId> = inputs
        .iter()
        .enumerate()
        .map(|(index, x)| node(Op::Input(index), Vec::new(), x.shape().clone(), x.dtype()))
        .collect();
    let last = node(op, ids.clone(), output.0.into(), output.1);
    graph.inputs = ids;
    graph.outputs = vec![last];
    graph
}

#[test]
fn kernels_are_computed_for_all_types_and_attributes() {
    let mut session = Session::default();
    let mut check = |name: &str, attributes: &[i64], inputs: &[&Array], shape: &[usize], dtype| {
        let inputs: Vec<Array> = inputs.iter().map(|&x| x.clone()).collect();
        let graph = kernel(name, attributes, &inputs, (shape, dtype));
        session.train(&format!("{name} {attributes:?}"), &graph, &[inputs], Bound::ONCE);
    };
    let of = |shape: &[usize], dtype, seed| numbers(shape, dtype, [-3.0, 3.0], seed);
    let (shape, all) = ([2, 5, 3], DType::ALL);
    for (seed, dtype) in all.into_iter().enumerate() {
        let x = of(&shape, dtype, seed as u64);
        let indices = numbers([4], DType::I32, [-7.0, 7.0], 1);
        for [exclusive, reverse] in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            check("cumsum", &[1, exclusive, reverse], &[&x], &shape, dtype);
            check("cumprod", &[2, exclusive, reverse], &[&x], &shape, dtype);
        }
        for descending in [0, 1] {
            check("argsort", &[descending], &[&x], &shape, DType::I32);
        }
        check("argmax", &[], &[&x], &[2, 5], DType::I32);
        check("argmin", &[], &[&x], &[2, 5], DType::I32);
        check("gather", &[1], &[&x, &indices], &[2, 4, 3], dtype);
        check("gather", &[1], &[&of(&[2, 0, 3], dtype, 1), &indices], &[2, 4, 3], dtype);
        let along = numbers([2, 4, 3], DType::I32, [-7.0, 7.0], 2);
        check("take_along_axis", &[1], &[&x, &along], &[2, 4, 3], dtype);
        if dtype != DType::Bool {
            let values = of(&[2, 4, 3], dtype, 5);
            let to = [1, 0, 2, 5, 3];
            check("scatter_add", &to, &[&values, &indices], &shape, dtype);
            let to = [1, 1, 2, 5, 3];
            check("scatter_add", &to, &[&values, &along], &shape, dtype);
        }
        let (rows, places) = (of(&[4, 5, 3], dtype, 6), numbers([4], DType::I32, [-3.0, 3.0], 3));
        check("scatter_update", &[], &[&x, &places, &rows], &shape, dtype);
        let parts = [x.clone(), of(&[2, 0, 3], dtype, 3), of(&[2, 2, 3], dtype, 4)];
        check("concatenate", &[1], &parts.each_ref(), &[2, 7, 3], dtype);
        check("unslice", &[1, 1, 9, -2, 0, 1], &[&x], &[3, 10, 3], dtype);
        check("unslice", &[], &[&of(&[], dtype, 1)], &[], dtype);
        // Sizes, strides, dilations, beginnings and counts of windows over two axes.
        let fill = 0.5_f64.to_bits() as i64;
        let windows = [[3, 2, 1, 1, 3], [2, 1, 2, 0, 4]];
        let numbers: Vec<i64> = windows.concat();
        let image = of(&[2, 5, 6, 2], dtype, 6);
        let taken = [2, 3, 4, 3, 2, 2];
        let attributes = [vec![fill], numbers.clone()].concat();
        check("windows", &attributes, &[&image], &taken, dtype);
        let (few, many) = (of(&[2, 3, 4, 2], dtype, 8), of(&[2, 5, 6, 2], dtype, 9));
        for outside in [0, 1] {
            let attributes = [vec![outside], numbers.clone()].concat();
            check("take_greatest", &attributes, &[&image, &many], &[2, 3, 4, 2], dtype);
        }
        check("add_to_greatest", &numbers, &[&image, &few], &[2, 5, 6, 2], dtype);
        check("overlap_add", &numbers, &[&of(&taken, dtype, 7)], &[2, 5, 6, 2], dtype);
    }
    for dtype in [DType::F32, DType::F64] {
        let [a, b] = [1, 2].map(|seed| of(&shape, dtype, seed));
        check("linear_recurrence", &[1, 0], &[&a, &b], &shape, dtype);
        // An image, numbers for windows, and kernels: one for all samples and one for each.
        let windows = [3, 2, 1, 1, 3, 2, 1, 2, 0, 4];
        let shapes = [[2, 5, 6, 2], [2, 3, 4, 2], [1, 3, 2, 2], [2, 3, 2, 2]];
        let [image, few, one, each] = shapes.map(|shape| of(&shape, dtype, 4));
        for kernel in [&one, &each] {
            check("depthwise", &windows, &[&image, kernel], &shapes[1], dtype);
            check("depthwise_add", &windows, &[&few, kernel], &shapes[0], dtype);
        }
        check("depthwise_sums", &windows, &[&image, &few], &shapes[3], dtype);
        check("linear_recurrence", &[0, 1], &[&a, &b], &shape, dtype);
        check("dots", &[0, 1, 1, 1], &[&a, &b], &[2], DType::F64);
        let bits = |bound: f64| bound.to_bits() as i64;
        let bounds = [-1.0, 1.0, f64::NEG_INFINITY, f64::INFINITY].map(bits);
        let attributes = [vec![4], bounds.to_vec()].concat();
        check("summaries", &attributes, &[&a, &b], &[2, 11], DType::F64);
        for counter in [vec![7, 3], vec![7, 3, 1, 1_000_003, 5]] {
            let counter = Array::new([counter.len()], counter).unwrap();
            check("random_uniform", &[9], &[&counter], &[23], dtype);
            check("random_uniform", &[9, 23], &[&counter], &[23], dtype);
        }
    }
    let nan = Array::from([2.0_f32, f32::NAN, -0.0, 0.0, f32::NAN, 2.0]);
    check("argsort", &[0], &[&nan], &[6], DType::I32);
    check("argsort", &[1], &[&nan], &[6], DType::I32);
    session.run();
}
