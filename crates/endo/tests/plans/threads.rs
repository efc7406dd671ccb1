//! Results do not depend on the number of threads: the same bits on 1, 2 and 3, at sizes that are
//! shared among them.
//!
//! In: closures large enough to be split. Loops, reductions along every side, matrix products, and
//! a whole training step.

use endo::ops::Window;
use endo::prelude::*;

use super::running::{Closure, Way, Within, difference, numbers, run};

fn same_on_any_number_of_threads(
    name: &str,
    closure: Closure,
    inputs: &[Array],
    variables: &[Variable],
) {
    let [one, two, three] =
        [1, 2, 3].map(|threads| run(Way::Fused(threads), closure, inputs, variables, 2).unwrap());
    for (threads, got) in [(2, two), (3, three)] {
        for (index, (got, want)) in got.iter().zip(&one).enumerate() {
            assert_eq!(
                difference(got, want, Within::Bits),
                None,
                "{name} on {threads} threads, value {index}"
            );
        }
    }
}

#[test]
fn loops() {
    for dtype in [DType::F32, DType::F64] {
        let [x, y] = [1, 2].map(|seed| numbers([1237, 311], dtype, [-2.0, 2.0], seed));
        let row = numbers([311], dtype, [-2.0, 2.0], 3);
        let f = |_: &_, x: &[Tensor]| {
            vec![
                (&x[0] * &x[1]).tanh() + &x[2],
                (x[0].transpose() - 0.5).exp(),
                x[0].greater(&x[1]),
            ]
        };
        same_on_any_number_of_threads("loops", &f, &[x, y, row], &[]);
    }
}

#[test]
fn reductions() {
    for dtype in [DType::F32, DType::F64] {
        for shape in
            [vec![1237, 311], vec![311, 1237], vec![400_000], vec![7, 250, 201], vec![100_000, 3]]
        {
            let x = numbers(shape.clone(), dtype, [-2.0, 2.0], 4);
            for axis in 0..shape.len() as isize {
                let f = |_: &_, x: &[Tensor]| {
                    vec![
                        x[0].sum_axes([axis]),
                        x[0].max_axes([axis]),
                        x[0].square().mean_axes([axis]),
                    ]
                };
                same_on_any_number_of_threads(
                    &format!("reductions of {shape:?} along {axis}"),
                    &f,
                    std::slice::from_ref(&x),
                    &[],
                );
            }
            let all = |_: &_, x: &[Tensor]| {
                vec![x[0].sum(), x[0].variance(), x[0].min(), (&x[0] * 0.01 + 1.0).product()]
            };
            same_on_any_number_of_threads(
                &format!("reductions of all of {shape:?}"),
                &all,
                &[x],
                &[],
            );
        }
    }
}

#[test]
fn matrix_products() {
    for dtype in [DType::F32, DType::F64] {
        let a = numbers([517, 303], dtype, [-2.0, 2.0], 5);
        let b = numbers([303, 411], dtype, [-2.0, 2.0], 6);
        let batch = numbers([6, 64, 303], dtype, [-2.0, 2.0], 7);
        let f = |_: &_, x: &[Tensor]| {
            let product = x[0].matmul(&x[1]);
            vec![
                x[0].transpose().matmul(&product),
                product.matmul_transposed(&x[1], Transposed::RIGHT),
                x[2].matmul(&x[1]),
                x[2].matmul_transposed(&x[2], Transposed::RIGHT),
                product.slice(0, ..1).matmul(&x[1].transpose()),
                product,
            ]
        };
        same_on_any_number_of_threads("matrix products", &f, &[a, b, batch], &[]);
    }
}

#[test]
fn convolutions_and_pooling() {
    let window = Window { size: 3, stride: 1, dilation: 1, before: 1, count: 19 };
    let pool = Window { size: 3, stride: 2, dilation: 1, before: 0, count: 9 };
    for (dtype, channels) in [(DType::F32, 11), (DType::F64, 11), (DType::F32, 1)] {
        let x = numbers([33, 19, 19, channels], dtype, [-2.0, 2.0], 11);
        let kernel = numbers([9 * channels, 20], dtype, [-2.0, 2.0], 12);
        let f = |_: &_, x: &[Tensor]| {
            let seen = x[0].windows(&[window, window], 0.0).reshape([33 * 19 * 19, 9 * channels]);
            let y = seen.matmul(&x[1]).tanh().reshape([33, 19, 19, 20]).max_windows(&[pool, pool]);
            let inputs = [x[0].clone(), x[1].clone()];
            let site = endo::Site::caller();
            let gradients = endo::autodiff::gradients(&y.square().mean(), &inputs, site);
            gradients.into_iter().flatten().chain([y]).collect()
        };
        let name = format!("a convolution in {dtype} of {channels} channels");
        same_on_any_number_of_threads(&name, &f, &[x, kernel], &[]);
    }
}

#[test]
fn a_step_of_gradient_descent() {
    let site = endo::Site::caller();
    let x = numbers([2048, 96], DType::F32, [-1.0, 1.0], 8);
    let y = numbers([2048, 40], DType::F32, [-1.0, 1.0], 9);
    let weights = [[96, 128], [128, 40]]
        .map(|shape| Variable::new("weight", numbers(shape, DType::F32, [-0.2, 0.2], 10)));
    let step = |trace: &std::rc::Rc<endo::graph::Trace>, inputs: &[Tensor]| {
        let [a, b] = [0, 1].map(|i| trace.read(&weights[i], site));
        let loss = (inputs[0].matmul(&a).tanh().matmul(&b) - &inputs[1]).square().mean();
        let gradients = endo::autodiff::gradients(&loss, &[a.clone(), b.clone()], site);
        for ((variable, value), gradient) in weights.iter().zip([a, b]).zip(gradients) {
            trace.assign(variable, &(value - gradient.unwrap() * 0.1), site);
        }
        vec![loss]
    };
    same_on_any_number_of_threads("a step", &step, &[x, y], &weights);
}

/// Products of the first input with each of the others, which threads compute at once.
fn branches(inputs: &[Tensor]) -> Tensor {
    let x = &inputs[0];
    let branch = |kernel: &Tensor| (x.matmul(kernel) * 0.1).tanh().matmul(kernel);
    inputs[1..].iter().map(branch).reduce(|sum, branch| sum + branch).expect("a branch")
}

#[test]
fn branches_of_a_net_and_their_gradients() {
    let site = endo::Site::caller();
    for dtype in [DType::F32, DType::F64] {
        let inputs: Vec<Array> = (0..6)
            .map(|seed| {
                let rows = if seed == 0 { 96 } else { 64 };
                numbers([rows, 64], dtype, [-1.0, 1.0], 30 + seed)
            })
            .collect();
        let f = |_: &_, x: &[Tensor]| {
            let y = branches(x);
            let gradients = endo::autodiff::gradients(&y.square().mean(), x, site);
            gradients.into_iter().flatten().chain([y]).collect()
        };
        same_on_any_number_of_threads("branches", &f, &inputs, &[]);
    }
}
