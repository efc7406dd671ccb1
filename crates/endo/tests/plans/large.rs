//! Sizes at which plans take other ways than at small ones: copies of views, blocked products,
//! loops shared by threads.
//!
//! In: inputs of a hundred thousand elements and more. Out: what the node-by-node reference gives.

use endo::prelude::*;

use super::running::{Closure, Way, Within, difference, epsilon, numbers, run};

fn check(name: &str, closure: Closure, inputs: &[Array], within: Within) {
    let run =
        |way| run(way, closure, inputs, &[], 1).unwrap_or_else(|error| panic!("{name}: {error}"));
    let want = run(Way::NodeByNode);
    for way in [Way::Fused(1), Way::Fused(2), Way::Unfused] {
        for (index, (got, want)) in run(way).iter().zip(&want).enumerate() {
            assert_eq!(difference(got, want, within), None, "{name} as {way:?}, output {index}");
        }
    }
}

#[test]
fn transposed_matrices() {
    for dtype in DType::ALL {
        for shape in [[500, 300], [300, 511], [3, 50_000], [50_000, 3]] {
            let x = numbers(shape, dtype, [-3.0, 3.0], 1);
            let f = |_: &_, x: &[Tensor]| {
                let turned = x[0].transpose();
                let number = turned.cast(DType::F64) * 2.0 + 1.0;
                vec![
                    turned.clone(),
                    number.clone(),
                    turned.flip(0),
                    number.transpose() + &x[0].cast(DType::F64),
                ]
            };
            check("transpose", &f, &[x], Within::Bits);
        }
    }
}

#[test]
fn permuted_sliced_and_repeated_arrays() {
    let x = numbers([40, 70, 60], DType::F32, [-3.0, 3.0], 2);
    let row = numbers([60], DType::F32, [-3.0, 3.0], 3);
    for permutation in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let f = |_: &_, x: &[Tensor]| {
            let y = x[0].permute(&permutation);
            let strip = y.slice_step(1, 3.., 2).flip(-1);
            vec![
                y.exp(),
                strip.clone() * 0.5,
                strip,
                y.reshape([x[0].shape().len()]) + 1.0,
                (&x[0] + &x[1]).permute(&permutation).tanh(),
            ]
        };
        check("permute", &f, &[x.clone(), row.clone()], Within::Bits);
    }
    let f = |_: &_, x: &[Tensor]| {
        let wide = x[0].reshape([60, 1, 1]).broadcast_to([60, 50, 60]);
        vec![wide.permute(&[2, 1, 0]) * 2.0, wide.transpose() + 1.0, wide]
    };
    check("broadcast", &f, &[row], Within::Bits);
}

#[test]
fn reductions_of_views() {
    for dtype in [DType::F32, DType::F64] {
        let x = numbers([400, 300], dtype, [-2.0, 2.0], 4);
        // 120,000 terms of at most 2 at most, added in any order.
        let bound = |terms: f64| Within::Absolute(terms * 2.0 * terms * epsilon(dtype));
        for axis in [0, 1] {
            let f = |_: &_, x: &[Tensor]| {
                vec![
                    x[0].transpose().sum_axes([axis]),
                    x[0].flip(0).sum_axes([axis]),
                    (&x[0] * 0.5).sum_axes([axis]),
                ]
            };
            check("sums", &f, std::slice::from_ref(&x), bound(400.0));
            let f = |_: &_, x: &[Tensor]| {
                vec![x[0].transpose().max_axes([axis]), x[0].square().min_axes([axis])]
            };
            check("extremes", &f, std::slice::from_ref(&x), Within::Bits);
        }
        check(
            "mean of all",
            &|_, x| vec![x[0].transpose().mean()],
            &[x],
            Within::Absolute(2.0 * 120_000.0 * epsilon(dtype)),
        );
    }
}

#[test]
fn matrix_products() {
    for dtype in [DType::F32, DType::F64] {
        let [a, b] = [[150, 133], [133, 140]].map(|shape| numbers(shape, dtype, [-2.0, 2.0], 5));
        let f = |_: &_, x: &[Tensor]| {
            let [left, right] = [x[0].transpose(), x[1].transpose()];
            vec![
                x[0].matmul(&x[1]),
                right.matmul(&left),
                x[0].matmul_transposed(&right, Transposed::RIGHT),
                left.flip(0).transpose().matmul(&x[1].flip(0)),
            ]
        };
        check("matmul", &f, &[a, b], Within::Absolute(134.0 * 4.0 * 133.0 * epsilon(dtype)));
    }
}

#[test]
fn weights_that_are_updated_while_their_gradients_are_computed() {
    type Compile = fn(&mut Model);
    // Where a gradient is nothing but rounding, a small epsilon would make whole steps of it.
    let optimizers: [(&str, Compile); 6] = [
        ("adam", |model| {
            model.compile(Adam::default().epsilon(0.01), "mse", ());
        }),
        ("nadam", |model| {
            model.compile(Nadam::default().epsilon(0.01), "mse", ());
        }),
        // The same rule, after weight decay.
        ("adam", |model| {
            model.compile(AdamW::default().epsilon(0.01), "mse", ());
        }),
        ("rmsprop", |model| {
            model.compile(RmsProp::default().epsilon(0.01), "mse", ());
        }),
        ("momentum", |model| {
            model.compile(Sgd::new(0.01).momentum(0.9), "mse", ());
        }),
        ("sgd", |model| {
            model.compile(Sgd::new(0.01), "mse", ());
        }),
    ];
    let [x, y] =
        [150, 2].map(|columns| numbers([20, columns], DType::F32, [-1.0, 1.0], columns as u64));
    let data = Dataset::new(x, y).unwrap();
    for (name, compile) in optimizers {
        let train = |threads, eager| {
            let net = Sequential::new().add(Dense::new(120).activation(Tanh)).add(Dense::new(2));
            let mut model = Model::new(net).seed(7).threads(threads).run_eagerly(eager);
            compile(&mut model);
            let plan = model.training_program(&data).unwrap().plan().to_string();
            assert!(plan.contains("150x20x120, and with each part of it"), "{name}: {plan}");
            assert!(plan.contains(&format!("in one pass: {name}\n")), "{name}: {plan}");
            for _ in 0..3 {
                drop(model.train_on_batch(&data).unwrap());
            }
            model.weights().iter().map(Variable::value).collect::<Vec<_>>()
        };
        let (one, two, nodes) = (train(1, false), train(2, false), train(1, true));
        for ((one, two), nodes) in one.iter().zip(&two).zip(&nodes) {
            assert_eq!(difference(one, two, Within::Bits), None, "{name}");
            assert_eq!(difference(one, nodes, Within::Absolute(1e-5)), None, "{name}");
        }
    }
}
