//! Axes of 0 beside long ones: no loop is longer than the result or the inputs, whatever the
//! product of the other axes.

use endo::ops::Window;
use endo::prelude::*;

const LONG: usize = (1 << 40) - 1;

type Operation = (&'static str, fn(&Tensor) -> Tensor);

/// Operations on tensors of three axes, of which at least one is 0 and one is long.
const OPERATIONS: &[Operation] = &[
    ("exp", |x| x.exp() + 1.0),
    ("sum", |x| x.sum()),
    ("max", |x| x.max()),
    ("mean of one axis", |x| x.sum_axes([0]).sum() + x.sum_axes([1]).sum() + x.sum_axes([2]).sum()),
    ("product", |x| x.product()),
    ("variance", |x| x.variance()),
    ("logsumexp", |x| x.logsumexp()),
    ("permute", |x| x.permute(&[2, 0, 1]) * 2.0),
    ("flip", |x| x.flip(0).flip(1).flip(2) + 1.0),
    ("reshape", |x| x.reshape([0]).exp()),
    ("slice", |x| x.slice_step(0, .., -1).slice_step(1, .., 2)),
    ("broadcast", |x| x.expand_dims(0).broadcast_to([1, x.shape()[0], x.shape()[1], x.shape()[2]])),
    ("concatenate", |x| Tensor::concatenate(&[x.slice(2, 0..0), x.slice(2, 0..0)], 2)),
    ("stack", |x| Tensor::stack(std::slice::from_ref(x), 1)),
    ("pad", |x| x.pad(&[(0, 0), (0, 0), (0, 0)], 1.0)),
    ("tile", |x| x.tile(&[1, 1, 1])),
    ("cumsum", |x| x.cumsum(0) + x.cumsum(1) + x.cumsum(2)),
    ("cumprod", |x| x.cumprod(0, true, false) + x.cumprod(2, false, true)),
    ("gather", |x| x.gather(&x.reshape([0]).cast(DType::I32), 1)),
    ("take_along_axis", |x| x.take_along_axis(&x.slice(1, 0..0).cast(DType::I32), 1)),
    ("segment_sum", |x| x.reshape([0]).segment_sum(&x.reshape([0]).cast(DType::I32), 3)),
    ("one_hot", |x| x.reshape([0]).one_hot(5)),
    ("matmul", |x| x.matmul_transposed(&x.slice(1, 0..0), Transposed::RIGHT)),
    ("matmul of rows", |x| {
        x.reshape([0, x.shape()[2].max(1)]).matmul_transposed(
            &x.slice(0, 0..0).reshape([0, x.shape()[2].max(1)]),
            Transposed::RIGHT,
        )
    }),
    ("windows", |x| {
        x.windows(
            &[Window { size: 1, stride: 1, dilation: 1, before: 0, count: x.shape()[1] }],
            0.0,
        )
    }),
    ("cast", |x| x.cast(DType::Bool).cast(DType::F64)),
    ("where_", |x| x.greater(0.0).where_(x, 0.0)),
    ("stop_gradient", |x| x.stop_gradient() * x),
];

const SHAPES: [[usize; 3]; 6] =
    [[LONG, 1, 0], [LONG, 0, 1], [0, LONG, 1], [1, LONG, 0], [0, 1, LONG], [1, 0, LONG]];

#[test]
fn operations_on_empty_tensors_of_long_axes_take_no_time() {
    for &(name, operation) in OPERATIONS {
        for shape in SHAPES {
            for eager in [false, true] {
                let x = Array::zeros(shape, DType::F32);
                let mut function = Function::new(|[x], cx| {
                    let y = operation(&x);
                    let slope =
                        cx.gradients(&y.cast(DType::F32).sum(), [&x]).into_tensors().remove(0);
                    [y.sum(), slope.unwrap_or(x)]
                })
                .run_eagerly(eager);
                match function.run([&x]) {
                    Ok([_, slope]) => assert_eq!(slope.shape(), x.shape(), "{name} of {shape:?}"),
                    // What is reduced may have as many elements as its long axis, and windows may
                    // reach too far.
                    Err(error) => assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Memory | ErrorKind::Shape | ErrorKind::Argument
                        ),
                        "{name} of {shape:?}, eager {eager}: {error}"
                    ),
                }
            }
        }
    }
}

#[test]
fn data_of_no_features_and_long_axes_is_trained_on() {
    let x = Array::zeros([4, 0, 1 << 30], DType::F32);
    let mut model = Model::new(Sequential::new().add(Flatten::new()).add(Dense::new(2)));
    model.compile("adam", "mse", ());
    let data = Dataset::new(x, Array::zeros([4, 2], DType::F32)).unwrap();
    assert_eq!(model.fit(&data, Fit::epochs(1)).unwrap().last("loss"), Some(0.0));
}
