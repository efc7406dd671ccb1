//! Numbers that are not ordinary, and values that leave a run without being computed.
//!
//! In: NaN, infinities, signed zeros, numbers too small to be normal; inputs and variables returned
//! as they are.

use endo::ops::{self, Window, elementwise};
use endo::prelude::*;

use super::running::{Way, Within, check, difference, run};

const SPECIAL: [f64; 14] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    1e-42,
    -1e-310,
    3e38,
    -1e30,
    88.8,
];

#[test]
fn elementwise_operations_of_special_numbers() {
    let site = endo::Site::caller();
    let pairs = SPECIAL.len() * SPECIAL.len();
    for dtype in [DType::F32, DType::F64] {
        let first = Array::from_fn([pairs], |i| SPECIAL[i / SPECIAL.len()]).cast(dtype);
        let second = Array::from_fn([pairs], |i| SPECIAL[i % SPECIAL.len()]).cast(dtype);
        let condition = Array::from_fn([pairs], |i| i % 3 == 0);
        for operation in ops::tables()
            .into_iter()
            .flatten()
            .filter(|operation| operation.loops_for(dtype).is_some())
        {
            let inputs = match operation.arity {
                1 => vec![first.clone()],
                2 => vec![first.clone(), second.clone()],
                _ => vec![condition.clone(), first.clone(), second.clone()],
            };
            let apply = |_: &_, x: &[Tensor]| {
                vec![elementwise::apply(operation, &x.iter().collect::<Vec<_>>(), site)]
            };
            check(operation.name, &apply, &inputs, &[Within::Bits]);
        }
    }
}

#[test]
fn integers_at_their_ends_wrap_alike_everywhere() {
    const ENDS: [i32; 8] = [i32::MIN, i32::MIN + 1, -2, -1, 0, 1, 2_000_000_000, i32::MAX];
    let site = endo::Site::caller();
    let pairs = ENDS.len() * ENDS.len();
    let first = Array::from_fn([pairs], |i| ENDS[i / ENDS.len()]);
    let second = Array::from_fn([pairs], |i| ENDS[i % ENDS.len()]);
    let condition = Array::from_fn([pairs], |i| i % 3 == 0);
    for operation in ops::tables()
        .into_iter()
        .flatten()
        .filter(|operation| operation.loops_for(DType::I32).is_some())
    {
        let inputs = match operation.arity {
            1 => vec![first.clone()],
            2 => vec![first.clone(), second.clone()],
            _ => vec![condition.clone(), first.clone(), second.clone()],
        };
        let apply = |_: &_, x: &[Tensor]| {
            vec![elementwise::apply(operation, &x.iter().collect::<Vec<_>>(), site)]
        };
        check(operation.name, &apply, &inputs, &[Within::Bits]);
    }
    let window = Window { size: 2, stride: 1, dilation: 1, before: 0, count: pairs - 1 };
    let sums = |_: &_, x: &[Tensor]| {
        let (x, segments) = (&x[0], &x[1]);
        vec![
            x.sum(),
            x.product(),
            x.cumsum(0),
            x.cumprod(0, false, true),
            x.segment_sum(&segments.maximum(0).minimum(1), 2),
            x.reshape([1, pairs, 1]).windows(&[window], 0.0).overlap_add(&[window], &[pairs]),
            x.cast(DType::F32).cast(DType::I32),
            -x,
            x.abs(),
            x.square(),
        ]
    };
    check("sums of integers", &sums, &[first, second], &[Within::Bits; 10]);
    let mut f = Function::new(|[x], _| [x.segment_sum(&x.zeros_like(), 1), x.sum().expand_dims(0)]);
    let three = Array::from([2_000_000_000, 2_000_000_000, 2_000_000_000]);
    assert_eq!(f.run([&three]).unwrap(), [[1_705_032_704].into(), [1_705_032_704].into()]);
}

#[test]
fn arithmetic_with_0_and_1_keeps_special_numbers() {
    let inputs = [Array::from(SPECIAL.to_vec()), Array::from(SPECIAL.map(|x| x as f32).to_vec())];
    let f = |_: &_, x: &[Tensor]| {
        let ways = x.iter().flat_map(|x| {
            [
                x + 0.0,
                0.0 + x,
                x - 0.0,
                0.0 - x,
                x * 1.0,
                x * 0.0,
                x / 1.0,
                x * -1.0,
                x - x,
                x / x,
                -(-x),
                x.powf(1.0),
                x.power(0.0),
                x.maximum(x),
                x.where_not_nan(),
                x.square().sqrt(),
                x.abs().abs(),
                (x * 2.0) / 2.0,
                (x + 1.0) - 1.0,
                x.zeros_like() * x,
            ]
        });
        ways.collect()
    };
    check("arithmetic with 0 and 1", &f, &inputs, &[Within::Bits; 40]);
}

/// A choice by a test of the value itself.
trait WhereNotNan {
    fn where_not_nan(&self) -> Tensor;
}

impl WhereNotNan for Tensor {
    fn where_not_nan(&self) -> Tensor {
        self.is_nan().where_(0.0, self)
    }
}

#[test]
fn extremes_of_special_numbers() {
    for dtype in [DType::F32, DType::F64] {
        // Each row has one kind of special number among ordinary ones; the last row has none.
        let x = Array::from_fn([15, 33], |i| {
            if i % 33 == 7 && i / 33 < 14 { SPECIAL[i / 33] } else { (i % 5) as f64 - 2.0 }
        })
        .cast(dtype);
        for axes in [&[0][..], &[1], &[0, 1]] {
            check(
                "extremes",
                &|_, x| vec![x[0].max_axes(axes), x[0].min_axes(axes)],
                std::slice::from_ref(&x),
                &[Within::Bits; 2],
            );
        }
        check(
            "order",
            &|_, x| vec![x[0].argmax(-1), x[0].argsort(-1, true), x[0].is_nan().any_axes([1])],
            &[x],
            &[Within::Bits; 3],
        );
    }
}

#[test]
fn outputs_may_be_inputs_variables_and_constants_or_the_same_twice() {
    let x = Array::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    let v = Variable::new("v", Array::from([5.0_f32, 6.0]));
    let f = |trace: &std::rc::Rc<endo::graph::Trace>, inputs: &[Tensor]| {
        let site = endo::Site::caller();
        let x = &inputs[0];
        let before = trace.read(&v, site);
        trace.assign(&v, &x.sum_axes([0]), site);
        let after = trace.read(&v, site);
        let constant = trace.constant(Array::from([7, 8]), site);
        vec![
            x.clone(),
            x.transpose(),
            x.slice(0, 1..),
            before.clone(),
            before,
            after.clone(),
            constant,
            after * 1.0,
            x.clone(),
        ]
    };
    let want =
        run(Way::NodeByNode, &f, std::slice::from_ref(&x), std::slice::from_ref(&v), 3).unwrap();
    assert_eq!(want[3], Array::from([5.0_f32, 6.0]));
    assert_eq!(want[5], Array::from([4.0_f32, 6.0]));
    for way in [Way::Fused(1), Way::Unfused] {
        let got = run(way, &f, std::slice::from_ref(&x), std::slice::from_ref(&v), 3).unwrap();
        assert_eq!(got, want, "{way:?}");
    }
}

#[test]
fn variables_change_places() {
    let [a, b, c] =
        [1.0_f32, 2.0, 3.0].map(|x| Variable::new("v", Array::full([70], x.into(), DType::F32)));
    let site = endo::Site::caller();
    let rotate = |trace: &std::rc::Rc<endo::graph::Trace>, _: &[Tensor]| {
        let [x, y, z] = [&a, &b, &c].map(|v| trace.read(v, site));
        trace.assign(&a, &y, site);
        trace.assign(&b, &(&z + &x * 0.0), site);
        trace.assign(&c, &x, site);
        vec![&x + 10.0, trace.read(&a, site) + y]
    };
    let variables = [a.clone(), b.clone(), c.clone()];
    let want = run(Way::NodeByNode, &rotate, &[], &variables, 4).unwrap();
    assert_eq!([2, 3, 4].map(|i| want[i].get(0)), [2.0, 3.0, 1.0]);
    for way in [Way::Fused(1), Way::Unfused] {
        for (index, (got, want)) in
            run(way, &rotate, &[], &variables, 4).unwrap().iter().zip(&want).enumerate()
        {
            assert_eq!(difference(got, want, Within::Bits), None, "{way:?}, value {index}");
        }
    }
}

#[test]
fn a_variable_is_shifted_within_itself() {
    let v = Variable::new("v", Array::from_fn([9], |i| i as f32));
    let site = endo::Site::caller();
    let shift = |trace: &std::rc::Rc<endo::graph::Trace>, _: &[Tensor]| {
        let x = trace.read(&v, site);
        trace.assign(
            &v,
            &(Tensor::concatenate(&[x.slice(0, 1..), x.slice(0, ..1)], 0) + x.flip(0) * 0.5),
            site,
        );
        vec![x.flip(0), trace.read(&v, site).flip(0)]
    };
    let want = run(Way::NodeByNode, &shift, &[], std::slice::from_ref(&v), 3).unwrap();
    for way in [Way::Fused(1), Way::Unfused] {
        assert_eq!(run(way, &shift, &[], std::slice::from_ref(&v), 3).unwrap(), want, "{way:?}");
    }
}

#[test]
fn products_of_no_terms_are_zeros() {
    let zeros = |shape: &[usize]| Array::zeros(shape, DType::F32);
    let f = |_: &_, x: &[Tensor]| vec![x[0].matmul(&x[1]), x[0].matmul(&x[1]) + 1.0];
    let got = run(Way::Fused(1), &f, &[zeros(&[2, 3, 0]), zeros(&[0, 4])], &[], 1).unwrap();
    assert_eq!(got, [zeros(&[2, 3, 4]), Array::full([2, 3, 4], 1.0, DType::F32)]);
    // Of two products one has no elements, and the other no terms.
    let f = |_: &_, x: &[Tensor]| vec![x[0].matmul(&x[1]), x[0].matmul(&x[2])];
    check("x y and x z", &f, &[zeros(&[0]), zeros(&[0, 0]), zeros(&[0])], &[Within::Bits; 2]);
}
