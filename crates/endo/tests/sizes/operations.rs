//! Every operation that takes a size, with sizes that no array can have.

use endo::ops::Window;
use endo::prelude::*;

/// Sizes that are too large alone or in a product; some products of them wrap to 0 or to a small
/// number.
const ABSURD: [usize; 7] =
    [1 << 40, (1 << 61) + 1, 1 << 62, usize::MAX / 4 + 2, isize::MAX as usize, 1 << 63, usize::MAX];

type Operation = (&'static str, fn(&Tensor, &mut Context, usize) -> Tensor);

/// Operations on `x`, of shape `[2, 4]`, and a size. With an absurd one each is an error.
const OPERATIONS: &[Operation] = &[
    ("reshape", |x, _, n| x.reshape([n, 4])),
    ("reshape that wraps", |x, _, n| x.reshape([n, 2, n])),
    ("reshape of nothing", |x, _, n| x.slice(0, 0..0).reshape([0, n])),
    ("broadcast_to", |x, _, n| x.broadcast_to([n, 2, 4])),
    ("broadcast_to of one element", |x, _, n| x.sum().expand_dims(0).broadcast_to([n])),
    ("broadcast_to that wraps", |x, _, n| x.sum().broadcast_to([n, n])),
    ("broadcast_to of nothing", |x, _, n| x.slice(1, 0..0).expand_dims(0).broadcast_to([n, 2, 0])),
    ("tile", |x, _, n| x.tile(&[n, 1])),
    ("tile of both axes", |x, _, n| x.tile(&[n, n])),
    ("pad before", |x, _, n| x.pad(&[(n, 0), (0, 0)], 0.0)),
    ("pad after", |x, _, n| x.pad(&[(0, 0), (0, n)], 1.0)),
    ("pad on both sides", |x, _, n| x.pad(&[(n, n), (n, n)], 0.0)),
    ("one_hot", |x, _, n| x.one_hot(n)),
    ("segment_sum", |x, _, n| x.flatten().reshape([8]).segment_sum(&x.reshape([8]), n)),
    ("slice", |x, _, n| x.slice(0, 0..n)),
    ("slice from there", |x, _, n| x.slice(0, n..)),
    ("slice to and with it", |x, _, n| x.slice(1, 0..=n)),
    ("split", |x, _, n| x.split(n, 1).swap_remove(0)),
    ("split of nothing", |x, _, n| x.slice(0, 0..0).split(n, 0).swap_remove(0)),
    ("top_k", |x, _, n| x.top_k(n).0),
    ("uniform", |_, cx, n| cx.random().uniform([n], 0.0, 1.0)),
    ("uniform that wraps", |_, cx, n| cx.random().uniform([n, n], 0.0, 1.0)),
    ("normal", |_, cx, n| cx.random().normal([2, n], 0.0, 1.0)),
    ("truncated_normal", |_, cx, n| cx.random().truncated_normal([n, 2], 0.0, 1.0)),
    ("bernoulli", |_, cx, n| cx.random().bernoulli([n], 0.5).cast(DType::F32)),
    ("permutation", |_, cx, n| cx.random().permutation(n)),
    ("expand_dims", |x, _, n| x.expand_dims((n / 2) as isize)),
    ("squeeze", |x, _, n| x.squeeze((n / 2) as isize)),
    ("permute", |x, _, n| x.permute(&[n, 0])),
    ("sum_axes", |x, _, n| x.sum_axes([(n / 2) as isize])),
    ("cumsum", |x, _, n| x.cumsum((n / 2) as isize)),
    ("gather along", |x, _, n| x.gather(&x.cast(DType::I32), (n / 2) as isize)),
    ("concatenate", |x, _, n| Tensor::concatenate(&[x.clone(), x.clone()], (n / 2) as isize)),
    ("windows of a size", |x, _, n| windows(x, Window { size: n, ..WINDOW })),
    ("many windows", |x, _, n| windows(x, Window { count: n, ..WINDOW })),
    ("greatest of windows of a size", |x, _, n| greatest(x, Window { size: n, ..WINDOW })),
    ("greatest of many windows", |x, _, n| greatest(x, Window { count: n, ..WINDOW })),
    ("windows that wrap", |x, _, n| {
        windows(x, Window { size: n, count: n, stride: n, dilation: n, before: n })
    }),
    ("overlap_add to a length", |x, _, n| x.reshape([1, 2, 2, 2]).overlap_add(&[WINDOW], &[n])),
];

/// Operations on the same that may reach far, and then find nothing there.
const FAR: &[Operation] = &[
    ("windows far apart", |x, _, n| windows(x, Window { stride: n, ..WINDOW })),
    ("dilated windows", |x, _, n| windows(x, Window { dilation: n, ..WINDOW })),
    ("windows from before", |x, _, n| windows(x, Window { before: n, ..WINDOW })),
    ("overlap_add far apart", |x, _, n| {
        x.reshape([1, 2, 2, 2]).overlap_add(&[Window { stride: n, ..WINDOW }], &[3])
    }),
];

const WINDOW: Window = Window { size: 2, stride: 1, dilation: 1, before: 0, count: 2 };

fn greatest(x: &Tensor, window: Window) -> Tensor {
    x.reshape([1, 4, 2]).max_windows(&[window])
}

fn windows(x: &Tensor, window: Window) -> Tensor {
    x.reshape([1, 4, 2]).windows(&[window], 0.0)
}

/// What uses a value once it is made: a plan that trusted its size would read or write beside its
/// memory.
const USES: &[fn(&Tensor) -> Tensor] = &[
    |x| x.clone(),
    |x| x.exp().slice(0, 0..1),
    |x| x.cast(DType::F32).cumsum(-1),
    |x| x.argsort(-1, false),
    |x| x.flip(0) + 1.0,
    |x| Tensor::concatenate(&[x.clone(), x.clone()], 0),
    |x| x.sum(),
];

#[test]
fn an_operation_of_an_absurd_size_is_an_error_at_its_line() {
    for &(name, operation) in OPERATIONS {
        for size in ABSURD {
            for (number, using) in USES.iter().enumerate() {
                for eager in [false, true] {
                    let function = Function::new(|[x], cx| [using(&operation(&x, cx, size))]);
                    let x = Array::from_fn([2, 4], |i| i as f32);
                    let outcome = function.run_eagerly(eager).run([&x]).map(|[y]| y.clone());
                    let what = format!("{name} of {size}, use {number}, eager {eager}");
                    let error = outcome.err().unwrap_or_else(|| panic!("{what}: no error"));
                    let site =
                        error.site().unwrap_or_else(|| panic!("{what}: {error} has no line"));
                    assert!(site.file().ends_with("sizes/operations.rs"), "{what}: {error}");
                    assert!(error.to_string().len() < 1000, "{what}: {error}");
                }
            }
        }
    }
}

#[test]
fn windows_that_reach_far_find_nothing_or_are_errors() {
    for &(name, operation) in FAR {
        for size in ABSURD {
            for eager in [false, true] {
                let function = Function::new(|[x], cx| {
                    let y = operation(&x, cx, size);
                    let slope = cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap_or(x);
                    [y, slope]
                });
                let x = Array::from_fn([2, 4], |i| i as f32);
                match function.run_eagerly(eager).run([&x]) {
                    Ok([y, slope]) => {
                        assert!(y.len() <= 8 && slope.shape() == x.shape(), "{name} of {size}")
                    }
                    Err(error) => assert!(
                        error.message().contains("reaches further than any axis"),
                        "{name}: {error}"
                    ),
                }
            }
        }
    }
}

#[test]
fn gradients_and_jacobians_of_absurd_sizes_are_errors() {
    for size in ABSURD {
        let mut function = Function::new(|[x], cx| {
            let y = x.sum().broadcast_to([size]).sum();
            [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap_or(x)]
        });
        let error = function.run([&[1.0_f32, 2.0].into()]).unwrap_err();
        assert!(error.message().contains("has more elements than a machine holds"), "{error}");
    }
    let mut function = Function::new(|[x], cx| [cx.jacobian(&x, &x)]);
    let error = function.run([&Array::zeros([1 << 21], DType::Bool)]).unwrap_err();
    assert!(error.message().contains("has more elements than a machine holds"), "{error}");
}

#[test]
fn a_step_that_leads_nowhere_may_be_of_any_size() {
    for step in [isize::MAX, isize::MIN, isize::MAX / 2] {
        for eager in [false, true] {
            let function = Function::new(|[x], cx| {
                let part = x.slice_step(1, 1..3, step);
                let slope = cx.gradients(&part.sum(), [&x]).into_tensors().remove(0).unwrap_or(x);
                [part, slope]
            });
            let outputs = function
                .run_eagerly(eager)
                .run([&Array::from_fn([2, 4], |i| i as f32)])
                .unwrap()
                .clone();
            let (first, slope) = if step > 0 {
                ([[1.0_f32], [5.0]], [0.0_f32, 1.0, 0.0, 0.0])
            } else {
                ([[2.0], [6.0]], [0.0, 0.0, 1.0, 0.0])
            };
            assert_eq!(outputs, [first.into(), [slope, slope].into()]);
        }
    }
}
