//! Every elementwise operation and every kernel; shapes that depend on the number of rows; reads of
//! variables.

use endo::Site;

use endo::ops::{elementwise, tables};
use endo::prelude::*;

use super::support::{Exported, check, compare, floats, numbers};

#[test]
fn every_elementwise_operation_predicts_the_same_bits_from_a_file() {
    for operation in tables().into_iter().flatten() {
        for dtype in DType::ALL.into_iter().filter(|&dtype| operation.loops_for(dtype).is_some()) {
            let apply = move |x: &Vec<Tensor>, _: &mut Context| {
                let operands: Vec<Tensor> = x
                    .iter()
                    .enumerate()
                    .map(
                        |(i, x)| {
                            if operation.arity == 3 && i == 0 { x.greater(0) } else { x.clone() }
                        },
                    )
                    .collect();
                elementwise::apply(operation, &operands.iter().collect::<Vec<_>>(), Site::caller())
            };
            let inputs = |rows: usize| -> Vec<Array> {
                (0..operation.arity)
                    .map(|seed| numbers([rows, 5], dtype, [-3.0, 3.0], seed as u64))
                    .collect()
            };
            check(&format!("{operation:?} of {dtype}"), &Model::new(apply), inputs);
        }
    }
}

/// A closure of one tensor.
fn one(what: &str, closure: impl Fn(&Tensor, &mut Context) -> Tensor + Send + Sync + 'static) {
    check(what, &Model::new(closure), |rows| vec![floats([rows, 4, 3], 1)]);
}

#[test]
fn every_kernel_predicts_the_same_bits_from_a_file() {
    one("argmax", |x, _| x.argmax(1));
    one("argmin", |x, _| x.argmin(-1));
    one("argsort", |x, _| x.argsort(1, true));
    one("top_k", |x, _| x.top_k(2).0);
    one("sort", |x, _| x.sort(1));
    one("concatenate", |x, _| Tensor::concatenate(&[x.clone(), x.square()], 1));
    one("pad", |x, _| x.pad(&[(0, 0), (1, 2), (0, 1)], 0.5));
    one("cumsum", |x, _| x.cumsum(1));
    one("cumprod", |x, _| x.cumprod(-1, true, true));
    one("one_hot", |x, _| (x + 2.0).one_hot(4));
    one("gather", |x, cx| x.gather(&cx.constant([2, 0, 7]), 1));
    one("segment_sum", |x, cx| {
        x.sum_axes([0, 2]).segment_sum(&cx.constant([1, 0, 1, 5]), 3) * x.sum_axes([1])
    });
}

#[test]
fn gradients_inside_a_model_are_exported() {
    // `unslice` and `scatter_add` come from gradients alone.
    one("gradients", |x, cx| {
        let indices = cx.constant([2, 0, 2]);
        let y = (x.slice_step(1, 1.., 2).exp().sum() + x.gather(&indices, 1).square().sum()) * 0.5;
        cx.gradients(&y, [x]).into_tensors().remove(0).unwrap()
    });
}

#[test]
fn what_a_model_demands_to_be_finite_is_in_the_file() {
    let model = Model::new(|x: &Tensor, cx: &mut Context| {
        cx.trace().check(&x.log(), "the logarithm");
        x + 1.0
    });
    model.build([2, 1]).unwrap();
    compare("checked", &model, |rows| vec![numbers([rows, 1], DType::F32, [0.5, 1.0], 1)]);
    let predictor = Exported::of(&model).load().unwrap();
    let zero = Array::zeros([2, 1], DType::F32);
    let [error, of_model] =
        [predictor.predict(&zero).unwrap_err(), model.predict(&zero).unwrap_err()];
    assert_eq!((error.kind(), of_model.kind()), (ErrorKind::NotFinite, ErrorKind::NotFinite));
    assert!(error.message().contains("the logarithm"), "{error}");
}

#[test]
fn sizes_and_positions_may_depend_on_the_number_of_rows() {
    one("flip", |x, _| x.flip(0));
    one("rows and steps together", |x, _| {
        x.reshape([x.batch() * 4, 3]).exp().cumsum(1).reshape([x.batch(), 12])
    });
    one("all but the last row, and zeros", |x, cx| {
        let zeros = cx.constant(Array::zeros([1, 4, 3], DType::F32));
        Tensor::concatenate(&[zeros, x.slice(0, ..x.batch() - 1)], 0)
    });
    one("ones for each row", |x, cx| {
        x + cx.constant(Array::full([x.batch(), 1, 1], 1.5, DType::F32))
    });
    one("sums over rows", |x, _| x * x.sum_axes([0]));
    one("products of rows", |x, _| {
        x.flatten().matmul(&x.flatten().transpose()).matmul(&x.flatten())
    });
    one("transposed", |x, _| x.permute(&[2, 0, 1]).cumsum(0).permute(&[1, 2, 0]));
}

#[test]
fn inputs_of_every_type_and_some_that_are_not_needed() {
    let mixed = |[a, b, c, _]: &[Tensor; 4], _: &mut Context| {
        (a.cast(DType::F64) + b, (c.logical_not(), c.slice(-1, 0..0)))
    };
    check("mixed", &Model::new(mixed), |rows| {
        let of = |dtype, size: usize| numbers([rows, size], dtype, [-3.0, 3.0], 5);
        vec![of(DType::I32, 2), of(DType::F64, 2), of(DType::Bool, 3), of(DType::F32, 1)]
    });
}

#[test]
fn variables_are_read_and_none_is_written() {
    let scale = Variable::new("scale", [2.0_f32, 3.0]).frozen();
    let inside = scale.clone();
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let doubled = cx.read(&inside) * 2.0;
        cx.assign(&inside, doubled);
        x * cx.read(&inside) + cx.random().uniform([x.batch(), 2], 0.0, 1.0)
    });
    model.build([1, 2]).unwrap();
    compare("assigned", &model, |rows| vec![floats([rows, 2], 1)]);
    assert_eq!(scale.value(), [2.0_f32, 3.0].into());
}

#[test]
fn a_file_carries_what_call_assigns_from_part_to_part_and_each_call_begins_anew() {
    let (runs, unread) =
        (Variable::new("runs", 1.0_f32).frozen(), Variable::new("unread", 0.0_f32).frozen());
    let model = Model::new(move |x: &Tensor, cx: &mut Context| {
        let (now, last) = (cx.read(&runs), cx.read(&unread));
        cx.assign(&runs, &now + 1.0);
        cx.assign(&unread, last + &now);
        x + now
    });
    model.build([1, 1]).unwrap();
    let file = Exported::new();
    model.export(&file).unwrap();
    let predictor = file.load().unwrap();
    // What nothing but itself reads is not in the file.
    assert_eq!(predictor.variables().iter().map(Variable::name).collect::<Vec<_>>(), ["runs"]);
    let x = Array::zeros([600, 1], DType::F32);
    // Parts of 256, 256 and 88 rows.
    let expected = Array::from_fn([600, 1], |row| 1.0 + (row / 256) as f32);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..5).for_each(|_| assert_eq!(predictor.predict(&x).unwrap(), expected))
            });
        }
    });
    assert_eq!(predictor.variables()[0].value(), 1.0_f32.into());
    assert_eq!(model.predict(&x).unwrap(), expected);
}
