//! Every operation and layer against central finite differences in 64 bits, node by node and as a
//! plan.
//!
//! In: closures of variables; those of elementwise operations come from the tables. A gradient that
//! does not agree with `(f(x + h) - f(x - h)) / 2h` fails, named.

#[path = "gradients/layers.rs"]
mod layers;

use std::cell::RefCell;

use endo::ops::{self, Window, elementwise};
use endo::prelude::*;

const STEP: f64 = 1e-5;

/// Numbers strictly within an interval, irregular, no two alike, none at a kink.
fn points(shape: impl Into<Shape>, domain: [f64; 2], stream: usize) -> Array {
    let [low, high] = domain;
    Array::from_fn(shape, |i| {
        let share =
            ((i + 1) as f64 * 0.618_033_988_749 + stream as f64 * 0.271_828_182_845 + 0.01).fract();
        low + (high - low) * (0.02 + 0.96 * share)
    })
}

fn around_zero(shape: impl Into<Shape>, stream: usize) -> Array {
    points(shape, [-2.0, 2.0], stream)
}

/// Compares the gradients of the sum of `f`, weighted irregularly, with differences, for each input
/// and each trainable weight that `f` makes.
fn check(name: &str, inputs: &[Array], f: impl Fn(&[Tensor], &mut Context) -> Tensor) {
    check_in(true, name, inputs, f);
}

fn check_in(
    training: bool,
    name: &str,
    inputs: &[Array],
    f: impl Fn(&[Tensor], &mut Context) -> Tensor,
) {
    let variables: Vec<Variable> =
        inputs.iter().map(|input| Variable::new("input", input.clone())).collect();
    let weights = RefCell::new(Vec::new());
    let loss_of = |cx: &mut Context| {
        let tensors: Vec<Tensor> = variables.iter().map(|variable| cx.read(variable)).collect();
        let y = f(&tensors, cx);
        *weights.borrow_mut() =
            cx.weights().filter(|weight| weight.is_trainable()).cloned().collect();
        let cotangent = cx.constant(points(y.shape(), [0.5, 1.5], 7));
        (y * cotangent).sum()
    };
    let mut value = Function::new(|[], cx| [loss_of(cx)]).dtype(DType::F64).training(training);
    let mut run =
        || value.run([]).unwrap_or_else(|error| panic!("{name}: {error}"))[0].item().unwrap();
    run();
    for (stream, weight) in weights.borrow().iter().enumerate() {
        weight.set(&around_zero(weight.shape(), stream + 3)).unwrap();
    }
    let targets: Vec<Variable> = variables.iter().chain(weights.borrow().iter()).cloned().collect();
    let slopes = |cx: &mut Context| {
        let loss = loss_of(cx);
        let gradients = cx.gradients(&loss, &targets).into_tensors();
        let flat = gradients.into_iter().zip(&targets).map(|(gradient, target)| {
            let gradient =
                gradient.unwrap_or_else(|| cx.constant(Array::zeros(target.shape(), DType::F64)));
            gradient.reshape([target.shape().len()])
        });
        Tensor::concatenate(&flat.collect::<Vec<_>>(), 0)
    };
    let [planned, eager] = [false, true].map(|eager| {
        let mut run = Function::new(|[], cx| [slopes(cx)])
            .dtype(DType::F64)
            .training(training)
            .run_eagerly(eager);
        run.run([]).unwrap_or_else(|error| panic!("{name}: {error}"))[0].to_vec::<f64>()
    });
    let mut gradients = planned.into_iter().zip(eager);
    for (position, target) in targets.iter().enumerate() {
        let start = target.value();
        for index in 0..start.len() {
            let mut at = |offset: f64| {
                let mut moved = start.clone();
                moved.as_mut_slice::<f64>().expect("targets are f64")[index] += offset;
                target.set(&moved).unwrap();
                run()
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let (planned, eager) = gradients.next().unwrap();
            for (how, gradient) in [("as a plan", planned), ("node by node", eager)] {
                let close = (gradient - difference).abs() <= 1e-6 * (1.0 + difference.abs());
                assert!(
                    close,
                    "{name}: d/d(target {position})[{index}] is {gradient} {how}, by differences \
                        {difference}"
                );
            }
        }
        target.set(&start).unwrap();
    }
}

/// The gradient of the sum of `f(x)^2 / 2` as a value: differentiated once more by [`check`].
fn slope(x: &Tensor, y: &Tensor, cx: &mut Context) -> Tensor {
    let loss = (y.square() * 0.5).sum();
    cx.gradients(&loss, [x]).into_tensors().remove(0).expect("y depends on x")
}

#[test]
fn elementwise_operations_of_every_table() {
    let site = endo::Site::caller();
    for operation in ops::tables().into_iter().flatten() {
        let floats = operation.loops_for(DType::F64).is_some()
            && operation.output_dtype(DType::F64) == DType::F64;
        if !floats {
            assert!(
                operation.gradient.is_none(),
                "`{}` has a gradient but no loops for f64",
                operation.name
            );
            continue;
        }
        // Its values are steps, and its gradient is that of the line through them.
        if operation.name == "round_to_bf16" {
            continue;
        }
        let values = if operation.arity == 3 { 2 } else { operation.arity };
        let inputs: Vec<Array> =
            (0..values).map(|stream| points([2, 5], operation.domain, stream)).collect();
        let apply = |x: &[Tensor], cx: &mut Context| {
            let condition =
                cx.constant([[true, false, true, true, false], [false, false, true, false, true]]);
            let operands: Vec<&Tensor> =
                (operation.arity == 3).then_some(&condition).into_iter().chain(x).collect();
            elementwise::apply(operation, &operands, site)
        };
        check(operation.name, &inputs, apply);
        if operation.gradient.is_some()
            && !["sign", "floor", "ceil", "round"].contains(&operation.name)
        {
            check(&format!("second derivative of {}", operation.name), &inputs, |x, cx| {
                let y = apply(x, cx);
                slope(&x[0], &y, cx)
            });
        }
    }
}

#[test]
fn elementwise_operations_broadcast() {
    let inputs = [points([2, 1, 3], [0.5, 2.0], 0), points([4, 1], [0.5, 2.0], 1)];
    check("multiply", &inputs, |x, _| &x[0] * &x[1]);
    check("divide", &inputs, |x, _| &x[0] / &x[1]);
    check("power", &inputs, |x, _| x[0].power(&x[1]));
    check("numbers on both sides", &inputs[..1], |x, _| 2.0 / (1.0 - &x[0] * 3.0) + 1);
    check("where_ with a scalar", &inputs, |x, _| x[0].greater(&x[1]).where_(&x[0] * &x[1], 0.0));
    check("power of a number", &inputs[..1], |x, _| {
        x[0].powf(2.5) + x[0].powf(3.0) + x[0].powf(4.0) + x[0].powf(-1.0)
    });
}

#[test]
fn reductions() {
    type Reduction = fn(&Tensor, &[isize]) -> Tensor;
    let reductions: [(&str, Reduction); 8] = [
        ("sum", |x, axes| x.sum_axes(axes)),
        ("mean", |x, axes| x.mean_axes(axes)),
        ("product", |x, axes| x.product_axes(axes)),
        ("max", |x, axes| x.max_axes(axes)),
        ("min", |x, axes| x.min_axes(axes)),
        ("variance", |x, axes| x.variance_axes(axes)),
        ("logsumexp", |x, axes| x.logsumexp_axes(axes)),
        ("mean with axes kept", |x, axes| x - x.mean_axes(axes).keep_dims(x, axes).square()),
    ];
    let x = [around_zero([2, 3, 4], 0)];
    for (name, reduce) in reductions {
        for axes in [&[0][..], &[1], &[-1], &[0, 2], &[1, 2], &[0, 1, 2], &[]] {
            check(&format!("{name} along {axes:?}"), &x, |x, _| reduce(&x[0], axes));
            check(&format!("second derivative of {name} along {axes:?}"), &x, |x, cx| {
                let y = reduce(&x[0], axes);
                slope(&x[0], &y, cx)
            });
        }
    }
    check("logsumexp of large values", &[points([6], [700.0, 800.0], 0)], |x, _| x[0].logsumexp());
}

#[test]
fn products_with_zeros() {
    let x = [Array::from([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.5, 2.0, -1.0]])];
    check("product", &x, |x, _| x[0].product_axes([-1]));
    check("product along the first axis", &x, |x, _| x[0].product_axes([0]));
    for (exclusive, reverse) in [(false, false), (false, true), (true, false), (true, true)] {
        check("cumprod", &x, |x, _| x[0].cumprod(-1, exclusive, reverse));
    }
}

#[test]
fn second_gradients_of_products_with_zeros() {
    let x = [Array::from([[0.5, 0.0, 2.0, -1.5], [0.0, 1.5, 0.0, 2.0], [1.5, -0.5, 0.75, 2.0]])];
    for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
        let y = |x: &Tensor| x.cumprod(-1, exclusive, reverse);
        check("the second gradient of cumprod", &x, |x, cx| {
            slope(&x[0], &(slope(&x[0], &y(&x[0]), cx) * 1.5), cx)
        });
    }
    check("the second gradient of product", &x, |x, cx| slope(&x[0], &x[0].product_axes([-1]), cx));
}

#[test]
fn extremes_share_their_gradient_among_ties() {
    let mut f = Function::new(|[x], cx| {
        let y = x.max() + x.min();
        [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap()]
    });
    assert_eq!(
        f.run([&[3.0_f32, 1.0, 3.0, 2.0].into()]).unwrap()[0],
        Array::from([0.5_f32, 1.0, 0.5, 0.0])
    );
}

#[test]
fn matrix_products_in_all_transpositions() {
    for [left, right] in [[false, false], [false, true], [true, false], [true, true]] {
        let transposed = Transposed { left, right };
        let sizes = |transposed: bool, rows: usize, columns: usize| {
            if transposed { [columns, rows] } else { [rows, columns] }
        };
        let [left, right] = [sizes(left, 2, 3), sizes(right, 3, 4)];
        let batches: [(&[usize], &[usize]); 6] =
            [(&[], &[]), (&[2], &[2]), (&[2], &[]), (&[], &[2]), (&[2, 1], &[3]), (&[1], &[2])];
        for (before_left, before_right) in batches {
            let shapes = [[before_left, &left].concat(), [before_right, &right].concat()];
            let inputs = [around_zero(&shapes[0][..], 0), around_zero(&shapes[1][..], 1)];
            let name =
                format!("matmul of {:?} and {:?}, transposed {transposed:?}", shapes[0], shapes[1]);
            check(&name, &inputs, |x, _| x[0].matmul_transposed(&x[1], transposed));
            check(&format!("second derivative of {name}"), &inputs, |x, cx| {
                let y = x[0].matmul_transposed(&x[1], transposed);
                slope(&x[0], &y, cx)
            });
        }
    }
    let [row, matrix, column] = [around_zero([3], 0), around_zero([3, 4], 1), around_zero([4], 2)];
    check("row times matrix", &[row.clone(), matrix.clone()], |x, _| x[0].matmul(&x[1]));
    check("matrix times column", &[matrix.clone(), column], |x, _| x[0].matmul(&x[1]));
    check("row times column", &[row.clone(), row.clone()], |x, _| x[0].matmul(&x[1]));
    check("row times batch", &[row, around_zero([2, 3, 4], 3)], |x, _| x[0].matmul(&x[1]));
    check("matrix times itself", &[matrix], |x, _| x[0].matmul(&x[0].transpose()));
}

#[test]
fn views() {
    let x = [around_zero([2, 3, 4], 0)];
    check("reshape", &x, |x, _| x[0].reshape([4, 6]).square());
    check("flatten", &x, |x, _| x[0].flatten().square());
    check("expand_dims", &x, |x, _| x[0].expand_dims(-1).square().squeeze(-1));
    check("permute", &x, |x, _| x[0].permute(&[2, 0, 1]).square());
    check("transpose", &x, |x, _| x[0].transpose().square());
    check("broadcast_to", &[around_zero([3, 1], 0)], |x, _| x[0].broadcast_to([2, 3, 4]));
    check("broadcast of a scalar", &[around_zero((), 0)], |x, _| {
        x[0].broadcast_to([2, 3]).square()
    });
    check("slice", &x, |x, _| x[0].slice(1, 1..).square());
    check("slice of nothing", &x, |x, _| x[0].slice(1, 1..1).sum() + x[0].sum());
    check("slice by 2", &x, |x, _| x[0].slice_step(-1, 1.., 2).square());
    check("slice backwards", &x, |x, _| x[0].slice_step(-1, .., -1).square());
    check("slice backwards by 2", &x, |x, _| x[0].slice_step(1, 0..3, -2).square());
    check("slice of a slice", &x, |x, _| x[0].slice_step(-1, .., -2).slice(0, 1..).square());
    check("flip", &x, |x, _| x[0].flip(0) * &x[0]);
    check("split", &x, |x, _| x[0].split(2, -1).into_iter().reduce(|a, b| a * b).unwrap());
}

#[test]
fn tensors_put_side_by_side() {
    let inputs = [around_zero([2, 3], 0), around_zero([2, 2], 1)];
    check("concatenate", &inputs, |x, _| Tensor::concatenate(x, -1).square());
    check("concatenate along the first axis", &inputs, |x, _| {
        Tensor::concatenate(&[x[0].transpose(), x[1].transpose()], 0).square()
    });
    check("concatenate with itself", &inputs[..1], |x, _| {
        Tensor::concatenate(&[x[0].clone(), x[0].square()], 0)
    });
    check("stack", &inputs[..1], |x, _| Tensor::stack(&[x[0].clone(), x[0].exp()], 1).square());
    check("pad", &inputs[..1], |x, _| x[0].pad(&[(1, 0), (2, 1)], 0.5).square());
    check("tile", &inputs[..1], |x, _| x[0].tile(&[2, 3]).square());
}

#[test]
fn elements_picked_by_index() {
    let x = [around_zero([3, 4], 0)];
    check("gather of rows", &x, |x, cx| x[0].gather(&cx.constant([[2, 0], [2, -1]]), 0).square());
    check("gather of columns", &x, |x, cx| x[0].gather(&cx.constant([3, 3, 1]), -1).square());
    check("take_along_axis", &x, |x, cx| {
        x[0].take_along_axis(&cx.constant([[0, 0], [3, 1], [-1, 2]]), 1).square()
    });
    check("take_along_axis of the first", &x, |x, cx| {
        x[0].take_along_axis(&cx.constant([[0, 2, 1, 1], [2, 2, 0, 1]]), 0).square()
    });
    check("second derivative of gather", &x, |x, cx| {
        let y = x[0].gather(&cx.constant([2, 0, 2]), 0).exp();
        slope(&x[0], &y, cx)
    });
}

#[test]
fn running_sums_and_products() {
    let x = [around_zero([2, 3, 2], 0)];
    for axis in [0, 1, -1] {
        check("cumsum", &x, |x, _| x[0].cumsum(axis).square());
        for (exclusive, reverse) in [(false, false), (false, true), (true, false), (true, true)] {
            let name = format!("cumprod along {axis}, exclusive {exclusive}, reverse {reverse}");
            check(&name, &x, |x, _| x[0].cumprod(axis, exclusive, reverse));
            check(&format!("second derivative of {name}"), &x, |x, cx| {
                let y = x[0].cumprod(axis, exclusive, reverse);
                slope(&x[0], &y, cx)
            });
        }
    }
}

#[test]
fn windows() {
    let window =
        |size, stride, dilation, before, count| Window { size, stride, dilation, before, count };
    let (x, all) = ([around_zero([2, 5, 3, 2], 0)], [window(3, 2, 1, 1, 3), window(2, 1, 2, 1, 3)]);
    check("windows", &x, |x, _| x[0].windows(&all, 0.5).square());
    check("second derivative of windows", &x, |x, cx| {
        let y = x[0].windows(&all, 0.5).exp();
        slope(&x[0], &y, cx)
    });
    // Of the last one some windows are outside as a whole.
    for all in [all, [window(2, 1, 1, 0, 4), window(2, 3, 1, 0, 3)]] {
        check("max_windows", &x, |x, _| x[0].max_windows(&all).relu().square());
        check("second derivative of max_windows", &x, |x, cx| {
            let y = x[0].max_windows(&all).maximum(x[0].constant_like(-2.0)).exp();
            slope(&x[0], &y, cx)
        });
    }
    let (kernel, batch) =
        (around_zero([3, 2, 2], 1), [around_zero([2, 5, 3, 2], 0), around_zero([1, 5, 3, 2], 0)]);
    for x in batch {
        let x = [x, kernel.clone()];
        check("depthwise", &x, |x, _| x[0].depthwise(&x[1], &all).square());
        for of in [0, 1] {
            check("second derivative of depthwise", &x, |x, cx| {
                let y = x[0].depthwise(&x[1], &all).exp();
                slope(&x[of], &y, cx)
            });
        }
    }
    let y = [around_zero([2, 3, 3, 3, 2, 2], 0)];
    check("overlap_add", &y, |y, _| y[0].overlap_add(&all, &[5, 3]).square());
    check("second derivative of overlap_add", &y, |y, cx| {
        let sums = y[0].overlap_add(&all, &[5, 3]).exp();
        slope(&y[0], &sums, cx)
    });
}

#[test]
fn orders() {
    let x = [around_zero([3, 4], 0)];
    check("sort", &x, |x, _| x[0].sort(-1).square());
    check("sort along the first axis", &x, |x, _| x[0].sort(0).square());
    check("top_k", &x, |x, _| x[0].top_k(2).0.square());
}

#[test]
fn compositions() {
    let x = [around_zero([3, 4], 0)];
    check("clip", &x, |x, _| x[0].clip(-0.5, 0.7).square());
    check("where_", &x, |x, _| x[0].greater(0.0).where_(x[0].exp(), x[0].square()));
    check("where_ away from an undefined value", &x, |x, _| {
        let positive = x[0].greater(0.0);
        positive.where_(positive.where_(&x[0], 1.0).log(), 0.0)
    });
    check("one tensor in many places", &x, |x, _| {
        &x[0] * x[0].sin() + x[0].sum_axes([0]) * x[0].transpose().matmul(&x[0]).mean()
    });
}

#[test]
fn the_gradient_of_a_cast_is_cast_back() {
    let mut f = Function::new(|[x], cx| {
        let loss = x.cast(DType::F32).square().sum();
        [cx.gradients(&loss, [&x]).into_tensors().remove(0).unwrap()]
    });
    assert_eq!(f.run([&[0.5_f64, -1.5].into()]).unwrap()[0], Array::from([1.0_f64, -3.0]));
}

#[test]
fn an_index_out_of_range_gets_no_gradient() {
    let mut f = Function::new(|[x], cx| {
        let loss = x.gather(&cx.constant([1, 7]), 0).sum();
        [cx.gradients(&loss, [&x]).into_tensors().remove(0).unwrap()]
    });
    assert_eq!(f.run([&[2.0_f32, 3.0].into()]).unwrap()[0], Array::from([0.0_f32, 1.0]));
}

#[test]
fn custom_gradients() {
    check("custom_gradient", &[around_zero([4], 0), around_zero([4], 1)], |x, _| {
        let (a, b) = (x[0].clone(), x[1].clone());
        Tensor::custom_gradient(&(&a * &b), &[&x[0], &x[1]], move |dy| vec![dy * &b, dy * &a])
    });
    let mut f = Function::new(|[x], cx| {
        let loss = (x.stop_gradient() * &x).sum();
        [cx.gradients(&loss, [&x]).into_tensors().remove(0).unwrap()]
    });
    assert_eq!(f.run([&[2.0_f32, 3.0].into()]).unwrap()[0], Array::from([2.0_f32, 3.0]));
}
