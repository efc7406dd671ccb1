//! Every elementwise operation of every type, by the library's own tables.

mod support;

use endo::Site;
use endo::ops::{elementwise, tables};
use endo::prelude::*;

use support::{check, numbers, together};

#[test]
fn every_elementwise_operation_is_computed_in_c() {
    together(|| {
        for operation in tables().into_iter().flatten() {
            for dtype in
                DType::ALL.into_iter().filter(|&dtype| operation.loops_for(dtype).is_some())
            {
                let apply = move |x: &Vec<Tensor>, _: &mut Context| {
                    let operand = |(i, x): (usize, &Tensor)| {
                        if operation.arity == 3 && i == 0 { x.greater(0) } else { x.clone() }
                    };
                    let operands: Vec<Tensor> = x.iter().enumerate().map(operand).collect();
                    elementwise::apply(
                        operation,
                        &operands.iter().collect::<Vec<_>>(),
                        Site::caller(),
                    )
                };
                let inputs = |rows: usize| -> Vec<Array> {
                    (0..operation.arity)
                        .map(|seed| numbers([rows, 5], dtype, [-3.0, 3.0], seed as u64))
                        .collect()
                };
                check(&format!("{operation:?} of {dtype}"), &Model::new(apply), inputs);
            }
        }
    });
}
