//! The node-by-node reference: one operation computed on arrays, in the plainest way.
//!
//! In: a node and the values of its inputs. Out: its value, or what an effect fails with. Eager
//! mode runs on it, and plans are tested against it.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Node, Op, Operand, OperandMut, Transposed, Values, ValuesMut, View};
use crate::shape::Shape;
use crate::simd::{Memory, Reduction};

/// The value of a node.
///
/// # Panics
/// For inputs, variables and constants, which are not computed; and for a node that the operations'
/// checks do not let pass.
pub fn evaluate(node: &Node, inputs: &[&Array]) -> Result<Array> {
    Ok(match &node.op {
        Op::Input(_) | Op::Variable(_) | Op::Constant(_) => unreachable!("given, not computed"),
        Op::Elementwise(operation) => {
            let dtype = inputs.last().expect("has inputs").dtype();
            let loops = operation.loops_for(dtype).expect("checked when traced");
            let inputs: Vec<&[u8]> = inputs.iter().map(|input| input.bytes()).collect();
            let mut bytes = vec![0; node.shape.len() * node.dtype.bytes()];
            loops.run(&inputs, &mut bytes, node.shape.len());
            Array::from_bytes(&node.shape, node.dtype, &bytes)
        }
        Op::Cast => inputs[0].cast(node.dtype),
        Op::Reduce(reduction, axes) => reduce(*reduction, axes, node, inputs[0]),
        Op::Matmul { transposed } => matmul(*transposed, node, inputs[0], inputs[1]),
        Op::View(view) => look(view, node, inputs[0]),
        Op::Kernel(kernel) => {
            let operands: Vec<Operand> = inputs
                .iter()
                .map(|input| Operand {
                    shape: input.shape(),
                    values: Values::from_bytes(input.dtype(), input.bytes()),
                })
                .collect();
            let size = node.shape.len() * node.dtype.bytes();
            let mut memory = Memory::zeroed(size);
            let changed = usize::from(kernel.changes_first());
            if changed > 0 {
                memory.bytes_mut()[..size].copy_from_slice(inputs[0].bytes());
            }
            let values = ValuesMut::from_bytes(node.dtype, &mut memory.bytes_mut()[..size]);
            let output = OperandMut { shape: &node.shape, values };
            match kernel.effect() {
                Some(effect) => effect.run(&operands, output)?,
                None => kernel.run(&operands[changed..], output),
            }
            Array::from_bytes(&node.shape, node.dtype, &memory.bytes()[..size])
        }
        Op::Identity(_) => inputs[0].clone(),
        Op::Scan(_) | Op::Part(_) | Op::Parameter => {
            unreachable!("loops are traced step by step where nodes are computed")
        }
    })
}

/// The array of a node's type with the number `f(position)` at each position of its shape.
fn build(node: &Node, mut f: impl FnMut(&[usize]) -> f64) -> Array {
    let strides = node.shape.strides();
    let mut position = vec![0; node.shape.rank()];
    let values: Array = Array::from_fn(&node.shape, |index| {
        for (axis, at) in position.iter_mut().enumerate() {
            *at = index / strides[axis] % node.shape[axis];
        }
        f(&position)
    });
    values.cast(node.dtype)
}

/// The element at a position, given the distances along each axis.
fn offset(position: &[usize], strides: &[usize]) -> usize {
    position.iter().zip(strides).map(|(at, stride)| at * stride).sum()
}

fn look(view: &View, node: &Node, x: &Array) -> Array {
    let strides = x.shape().strides();
    match view {
        View::Reshape => x.reshape(&node.shape).expect("checked when traced"),
        View::Transpose(permutation) => {
            let strides: Vec<usize> = permutation.iter().map(|&axis| strides[axis]).collect();
            build(node, |position| x.get(offset(position, &strides)))
        }
        View::Broadcast => {
            let along = |(&stride, &size)| if size == 1 { 0 } else { stride };
            let strides: Vec<usize> = strides.iter().zip(x.shape().iter()).map(along).collect();
            build(node, |position| x.get(offset(position, &strides)))
        }
        View::Slice(parts) => build(node, |position| {
            let along = |((&at, &(start, step)), stride)| {
                (start as isize + at as isize * step) as usize * stride
            };
            x.get(position.iter().zip(parts).zip(&strides).map(along).sum())
        }),
    }
}

fn reduce(reduction: Reduction, axes: &[usize], node: &Node, x: &Array) -> Array {
    let reduced: Shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
    let integers = x.dtype() == DType::I32;
    let wrapped = |f: fn(i32, i32) -> i32, a: f64, b: f64| f64::from(f(a as i32, b as i32));
    let combine = |a: f64, b: f64| match reduction {
        Reduction::Sum if integers => wrapped(i32::wrapping_add, a, b),
        Reduction::Product if integers => wrapped(i32::wrapping_mul, a, b),
        Reduction::Sum => a + b,
        Reduction::Product => a * b,
        Reduction::Max | Reduction::Min if a.is_nan() || b.is_nan() => f64::NAN,
        Reduction::Max => a.max(b),
        Reduction::Min => a.min(b),
    };
    let start = match (reduction, x.dtype()) {
        (Reduction::Sum, _) => 0.0,
        (Reduction::Product, _) => 1.0,
        (Reduction::Max, DType::F32 | DType::F64) => f64::NEG_INFINITY,
        (Reduction::Min, DType::F32 | DType::F64) => f64::INFINITY,
        (Reduction::Max, DType::I32) => i32::MIN.into(),
        (Reduction::Min, DType::I32) => i32::MAX.into(),
        (Reduction::Max, DType::Bool | DType::U8) => 0.0,
        (Reduction::Min, DType::Bool) => 1.0,
        (Reduction::Min, DType::U8) => u8::MAX.into(),
    };
    let strides = x.shape().strides();
    let (of_reduced, of_kept): (Vec<_>, Vec<_>) =
        strides.iter().enumerate().partition(|(axis, _)| axes.contains(axis));
    let distances = |of: Vec<(usize, &usize)>| -> Vec<usize> {
        of.into_iter().map(|(_, &stride)| stride).collect()
    };
    let (of_reduced, of_kept) = (distances(of_reduced), distances(of_kept));
    // Where a term lies, from the first one: computed for each, as a list of them could be longer
    // than memory where the result has no element.
    let within = reduced.strides();
    let place = |index: usize| -> usize {
        let along = |axis: usize| index / within[axis] % reduced[axis] * of_reduced[axis];
        (0..reduced.rank()).map(along).sum()
    };
    build(node, |kept| {
        let first = offset(kept, &of_kept);
        (0..reduced.len()).fold(start, |total, index| combine(total, x.get(first + place(index))))
    })
}

fn matmul(transposed: Transposed, node: &Node, a: &Array, b: &Array) -> Array {
    let rank = node.shape.rank();
    let k = a.shape()[if transposed.left { rank - 2 } else { rank - 1 }];
    // The distances between rows and between columns last, as the operand is multiplied.
    let strides = |x: &Array, swap: bool| {
        let mut strides = x.shape().strides();
        if swap {
            strides.swap(rank - 2, rank - 1);
        }
        strides
    };
    let (of_a, of_b) = (strides(a, transposed.left), strides(b, transposed.right));
    build(node, |position| {
        let (batch, last) = position.split_at(rank - 2);
        let row = offset(batch, &of_a) + last[0] * of_a[rank - 2];
        let column = offset(batch, &of_b) + last[1] * of_b[rank - 1];
        let term = |p: usize| a.get(row + p * of_a[rank - 1]) * b.get(column + p * of_b[rank - 2]);
        // `sum` of no terms would be -0.
        (0..k).map(term).fold(0.0, |sum, term| sum + term)
    })
}
