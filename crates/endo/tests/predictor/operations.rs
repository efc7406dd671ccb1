//! Every elementwise operation and every kernel; shapes that depend on the number of rows; reads of
//! variables.

use endo::Site;

use endo::ops::{elementwise, tables};
use endo::prelude::*;

use super::exported::{KERNELS, SIZES_BY_ROWS};
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

#[test]
fn every_kernel_predicts_the_same_bits_from_a_file() {
    for (name, compare) in KERNELS {
        compare(name);
    }
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
    for (name, compare) in SIZES_BY_ROWS {
        compare(name);
    }
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
