//! One operation computed at once, as fast as one by itself can be: what sessions run on.
//!
//! In: a node and the values of its inputs. Out: its value. Products run on the kernels of plans,
//! views and sums in loops of their own; all else is as the node-by-node reference computes it.

use crate::array::Array;
use crate::cpu::immediate::{product_f32, product_f64};
use crate::cpu::matmul::Matmul;
use crate::cpu::pool::Pool;
use crate::dtype::{DType, Element, for_type};
use crate::error::Result;
use crate::graph::{Node, Op, Transposed, View};
use crate::ops;
use crate::simd::Reduction;

/// The value of a node.
pub fn evaluate(node: &Node, inputs: &[&Array]) -> Result<Array> {
    let fast = match &node.op {
        Op::View(View::Reshape) => None,
        Op::View(view) => Some(look(view, node, inputs[0])),
        Op::Reduce(reduction, axes) => reduce(*reduction, axes, node, inputs[0]),
        Op::Matmul { transposed } => product(*transposed, node, inputs[0], inputs[1]),
        _ => None,
    };
    fast.map_or_else(|| ops::evaluate(node, inputs), Ok)
}

/// The elements of a view, gathered row by row.
fn look(view: &View, node: &Node, x: &Array) -> Array {
    let strides: Vec<isize> = x.shape().strides().iter().map(|&stride| stride as isize).collect();
    let (start, steps): (isize, Vec<isize>) = match view {
        View::Transpose(permutation) => {
            (0, permutation.iter().map(|&axis| strides[axis]).collect())
        }
        View::Slice(parts) => (
            parts.iter().zip(&strides).map(|(&(first, _), stride)| first as isize * stride).sum(),
            parts.iter().zip(&strides).map(|(&(_, step), stride)| step * stride).collect(),
        ),
        View::Reshape | View::Broadcast => {
            let step = |(&size, &stride): (&usize, &isize)| if size == 1 { 0 } else { stride };
            (0, x.shape().iter().zip(&strides).map(step).collect())
        }
    };
    for_type!(node.dtype, T => {
        let from = x.as_slice::<T>().expect("views keep the type");
        let mut values: Vec<T> = Vec::with_capacity(node.shape.len());
        rows(&node.shape, &steps, start, |offset, count, step| match step {
            1 => values.extend_from_slice(&from[offset as usize..][..count]),
            0 => values.extend(std::iter::repeat_n(from[offset as usize], count)),
            _ => values
                .extend((0..count as isize).map(|place| from[(offset + place * step) as usize])),
        });
        made(node, values)
    })
}

/// Calls `f` for each row of a shape, row-major: with where it starts, its length and its step.
fn rows(sizes: &[usize], steps: &[isize], start: isize, mut f: impl FnMut(isize, usize, isize)) {
    let Some((&last, outer)) = sizes.split_last() else { return f(start, 1, 1) };
    if sizes.contains(&0) {
        return;
    }
    let (mut position, mut offset) = (vec![0; outer.len()], start);
    loop {
        f(offset, last, steps[outer.len()]);
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            position[axis] += 1;
            offset += steps[axis];
            if position[axis] < outer[axis] {
                break;
            }
            offset -= steps[axis] * outer[axis] as isize;
            position[axis] = 0;
        }
    }
}

fn made<T: Element>(node: &Node, values: Vec<T>) -> Array {
    Array::new(&node.shape, values).expect("one value for each element")
}

/// A reduction of floats, summed as the reference does: in `f64`, in the order of the elements.
fn reduce(reduction: Reduction, axes: &[usize], node: &Node, x: &Array) -> Option<Array> {
    let start = match reduction {
        Reduction::Sum => 0.0,
        Reduction::Product => 1.0,
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
    };
    let mut totals = vec![start; node.shape.len()];
    let mut steps = vec![0; x.shape().rank()];
    let mut kept = node.shape.strides().into_iter();
    for (axis, step) in steps.iter_mut().enumerate() {
        if !axes.contains(&axis) {
            *step = kept.next()? as isize;
        }
    }
    match x.dtype() {
        DType::F32 => accumulate(reduction, x.as_slice::<f32>()?, x, &steps, &mut totals),
        DType::F64 => accumulate(reduction, x.as_slice::<f64>()?, x, &steps, &mut totals),
        _ => return None,
    }
    Some(Array::new(&node.shape, totals).expect("a total for each element").cast(node.dtype))
}

fn accumulate<T: Copy + Into<f64>>(
    reduction: Reduction,
    values: &[T],
    x: &Array,
    steps: &[isize],
    totals: &mut [f64],
) {
    let combine = |total: f64, value: f64| match reduction {
        Reduction::Sum => total + value,
        Reduction::Product => total * value,
        Reduction::Max | Reduction::Min if total.is_nan() || value.is_nan() => f64::NAN,
        Reduction::Max => total.max(value),
        Reduction::Min => total.min(value),
    };
    let mut values = values.iter().map(|&value| value.into());
    rows(x.shape(), steps, 0, |offset, count, step| {
        for place in 0..count as isize {
            let total = &mut totals[(offset + place * step) as usize];
            *total = combine(*total, values.next().expect("a value for each element"));
        }
    });
}

/// A product, or one for each element of the batch.
fn product(transposed: Transposed, node: &Node, a: &Array, b: &Array) -> Option<Array> {
    let rank = node.shape.rank();
    let (m, n) = (node.shape[rank - 2], node.shape[rank - 1]);
    let k = a.shape()[if transposed.left { rank - 2 } else { rank - 1 }];
    let strides = |transposed: bool, columns: usize, rows: usize| {
        if transposed { [1, rows] } else { [columns, 1] }
    };
    let shape = Matmul {
        m,
        n,
        k,
        a: strides(transposed.left, k, m),
        b: strides(transposed.right, n, k),
        c_row: n,
        accumulate: false,
        rectify: false,
        bf16: false,
    };
    let count = node.shape[..rank - 2].iter().product::<usize>();
    let pool = if m * n * k > SHARED_WORK { Pool::default() } else { Pool::new(1) };
    macro_rules! of {
        ($T:ty, $product:ident) => {{
            let (a, b) = (a.as_slice::<$T>()?, b.as_slice::<$T>()?);
            let mut c = vec![0.0; count * m * n];
            for index in 0..if m * n == 0 { 0 } else { count } {
                $product(
                    &shape,
                    &a[index * m * k..][..m * k],
                    &b[index * k * n..][..k * n],
                    &mut c[index * m * n..][..m * n],
                    &pool,
                );
            }
            Some(made(node, c))
        }};
    }
    match node.dtype {
        DType::F32 => of!(f32, product_f32),
        DType::F64 => of!(f64, product_f64),
        _ => None,
    }
}

/// The multiply-adds above which a product is worth the threads that share it.
const SHARED_WORK: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// What a closure gives at once and by the node-by-node reference.
    fn both(shapes: &[&[usize]], closure: impl Fn(&[Tensor]) -> Tensor) -> [Array; 2] {
        let arrays: Vec<Array> = shapes
            .iter()
            .enumerate()
            .map(|(number, &shape)| {
                Array::from_fn(shape, |i| ((i * 7 + number * 5) % 11) as f32 * 0.25 - 1.0)
            })
            .collect();
        [super::evaluate, crate::ops::evaluate].map(|evaluate| {
            let trace = crate::graph::Trace::eager(evaluate, Vec::new());
            let tensors: Vec<Tensor> = arrays
                .iter()
                .map(|array| trace.constant(array.clone(), crate::Site::caller()))
                .collect();
            let value = closure(&tensors);
            assert!(trace.error().is_none(), "{:?}", trace.error());
            trace.value(value.id()).unwrap()
        })
    }

    #[test]
    fn values_at_once_are_those_of_the_reference() {
        type Case = (&'static [&'static [usize]], fn(&[Tensor]) -> Tensor);
        let cases: [Case; 14] = [
            (&[&[3, 4]], |x| x[0].transpose()),
            (&[&[2, 3, 4]], |x| x[0].permute(&[2, 0, 1])),
            (&[&[2, 1, 3]], |x| x[0].broadcast_to([4, 2, 5, 3])),
            (&[&[]], |x| x[0].broadcast_to([2, 3])),
            (&[&[5, 6]], |x| x[0].slice_step(1, 1..6, 2)),
            (&[&[5, 6]], |x| x[0].flip(0)),
            (&[&[0, 6]], |x| x[0].transpose()),
            (&[&[3, 4, 5]], |x| x[0].sum_axes([0, 2])),
            (&[&[3, 4, 5]], |x| x[0].max_axes([1])),
            (&[&[3, 0]], |x| x[0].sum_axes([1])),
            (&[&[3, 4]], |x| x[0].mean()),
            (&[&[3, 4], &[4, 5]], |x| x[0].matmul(&x[1])),
            (&[&[2, 3, 4], &[2, 5, 4]], |x| {
                let transposed = Transposed { left: false, right: true };
                x[0].matmul_transposed(&x[1], transposed)
            }),
            (&[&[3, 0], &[0, 2]], |x| x[0].matmul(&x[1])),
        ];
        for (number, (shapes, closure)) in cases.into_iter().enumerate() {
            let [fast, reference] = both(shapes, closure);
            assert_eq!(fast, reference, "case {number}");
        }
    }
}
