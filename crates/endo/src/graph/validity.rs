//! Whether an operation fits its inputs: what tensors' methods see to in a trace, asked of a graph
//! that a file says.
//!
//! In: a node and the graph before it. Out: nothing, or what is wrong with it. Runners trust
//! shapes, so no graph from outside may come to them unasked.

use crate::dtype::DType;
use crate::shape::Shape;

use super::{Form, Graph, Node, Op, Transposed, View};

/// An array of one number, of which a file has that number alone, is made whole when the graph is.
/// It has at most this many elements, or a short file could ask for all memory.
pub const LARGEST_FILL: usize = 1 << 30;

/// The most elements of any value of a graph in a file. One that is seen through views, or summed
/// up as it is computed, needs no memory, so that a short file could ask for hours of sums.
pub const LARGEST: usize = 1 << 36;

/// What is wrong with a node whose inputs are in the graph.
pub fn check(node: &Node, graph: &Graph) -> Result<(), &'static str> {
    let inputs: Vec<&Node> = node.inputs.iter().map(|&id| graph.node(id)).collect();
    // Bytes enter a graph to be converted, and nothing else.
    let is_byte = |node: &Node| node.dtype == DType::U8;
    if is_byte(node) && !matches!(node.op, Op::Input(_))
        || inputs.iter().any(|&x| is_byte(x)) && !matches!(node.op, Op::Cast)
    {
        return Err("computes with bytes, which have to be converted first");
    }
    let same_type = |of: &[&Node]| of.iter().all(|input| input.dtype == node.dtype);
    let fits = match (&node.op, &inputs[..]) {
        (Op::Input(index), []) => *index == graph.inputs.len(),
        (Op::Variable(index), []) => graph
            .variables
            .get(*index)
            .is_some_and(|known| (known.shape(), known.dtype()) == (&node.shape, node.dtype)),
        (Op::Constant(array), []) => (array.shape(), array.dtype()) == (&node.shape, node.dtype),
        (Op::Elementwise(operation), [.., last]) => {
            let chosen = if operation.arity == 3 { &inputs[1..] } else { &inputs[..] };
            let condition = operation.arity != 3 || inputs[0].dtype == DType::Bool;
            inputs.len() == operation.arity
                && condition
                && chosen.iter().all(|input| input.dtype == last.dtype)
                && inputs.iter().all(|input| input.shape == node.shape)
                && operation.loops_for(last.dtype).is_some()
                && node.dtype == operation.output_dtype(last.dtype)
        }
        (Op::Cast, [x]) => x.shape == node.shape,
        (Op::Reduce(_, axes), [x]) => {
            let ascending = axes.windows(2).all(|pair| pair[0] < pair[1])
                && axes.iter().all(|&axis| axis < x.shape.rank());
            ascending && x.shape.without(axes) == node.shape && x.dtype == node.dtype
        }
        (Op::Matmul { transposed }, [a, b]) => {
            same_type(&inputs)
                && node.dtype.is_float()
                && product(*transposed, &a.shape, &b.shape) == Some(node.shape.clone())
        }
        (Op::View(view), [x]) => x.dtype == node.dtype && looks(view, &x.shape, &node.shape),
        (Op::Kernel(kernel), _) => {
            let forms: Vec<Form> = inputs.iter().map(|input| (&input.shape, input.dtype)).collect();
            kernel.fits(&forms, (&node.shape, node.dtype))
        }
        (Op::Identity(_), [x, ..]) => x.shape == node.shape && x.dtype == node.dtype,
        _ => false, // another number of inputs
    };
    if fits { Ok(()) } else { Err("does not fit its inputs, its type or its shape") }
}

/// The shape of a matrix product.
fn product(transposed: Transposed, a: &[usize], b: &[usize]) -> Option<Shape> {
    let (batch, [am, ak]) = a.split_last_chunk::<2>()?;
    let (other, [bk, bn]) = b.split_last_chunk::<2>()?;
    let (m, k) = if transposed.left { (ak, am) } else { (am, ak) };
    let (k2, n) = if transposed.right { (bn, bk) } else { (bk, bn) };
    (batch == other && k == k2).then(|| batch.iter().chain([m, n]).copied().collect())
}

/// Whether a view of one shape can have another.
pub fn looks(view: &View, from: &Shape, to: &Shape) -> bool {
    match view {
        View::Reshape => from.len() == to.len(),
        View::Transpose(permutation) => {
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            sorted.into_iter().eq(0..from.rank())
                && permutation.iter().map(|&axis| from[axis]).eq(to.iter().copied())
        }
        View::Broadcast => {
            from.rank() == to.rank()
                && from.iter().zip(to.iter()).all(|(&from, &to)| from == to || from == 1)
        }
        View::Slice(parts) => {
            let within = |((&(first, step), &from), &to): ((&(usize, isize), &usize), &usize)| {
                let last = (to as isize - 1)
                    .checked_mul(step)
                    .and_then(|way| (first as isize).checked_add(way));
                to == 0
                    || (first < from && last.is_some_and(|last| (0..from as isize).contains(&last)))
            };
            parts.len() == from.rank()
                && from.rank() == to.rank()
                && parts.iter().zip(from.iter()).zip(to.iter()).all(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_within_their_axis() {
        let looks =
            |first, step, to| looks(&View::Slice(vec![(first, step)]), &[5].into(), &[to].into());
        assert!(
            looks(0, 1, 5) && looks(4, -1, 5) && looks(1, 2, 2) && looks(9, 1, 0) && looks(2, 0, 9)
        );
        assert!(!looks(1, 1, 5) && !looks(3, -1, 5) && !looks(5, 1, 1) && !looks(1, isize::MAX, 3));
    }

    #[test]
    fn products_have_one_inner_size() {
        assert_eq!(product(Transposed::RIGHT, &[7, 2, 3], &[7, 4, 3]), Some([7, 2, 4].into()));
        assert_eq!(product(Transposed::LEFT, &[2, 3], &[3, 4]), None);
        assert_eq!(product(Transposed::NEITHER, &[7, 2, 3], &[3, 4]), None);
    }
}
