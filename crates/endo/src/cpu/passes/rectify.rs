//! Lets products rectify what they compute, in registers, instead of a loop after them.
//!
//! In: a draft with its steps in order. Out: products whose sums are 0 where they were less, and no
//! loop that does nothing else to a product which nobody else reads. Rectified linear units are
//! told by their formula.

use crate::dtype::DType;
use crate::plan::{Action, BufferPlace, Draft, FusedLoop, LoopFunction, Product, Users};
use crate::simd::{Arithmetic, Expression, Expressions, Scalar};

/// Joins products with the loops that rectify them.
pub fn rectify(draft: &mut Draft) {
    let users = Users::new(draft);
    let mut gone = vec![false; draft.steps.len()];
    for (at, gone) in gone.iter_mut().enumerate() {
        let Action::Loop(body) = &draft.steps[at].action else { continue };
        let Some((from, to)) = rectified(draft, body) else { continue };
        let is_inner = users.readers(from) == [at]
            && draft.outputs.iter().all(|output| output.buffer != from)
            && [from, to].map(|buffer| draft.buffers[buffer].place.variable()) == [None; 2];
        let Some(writer) = users.writer(from).filter(|_| is_inner) else { continue };
        if let Some(product) = product(&mut draft.steps[writer].action) {
            product.output = to;
            product.rectified = true;
            draft.buffers[from].place = BufferPlace::Nowhere;
            *gone = true;
        }
    }
    draft.remove(&gone);
}

/// The buffer that a loop reads and the one that it writes, if it rectifies all of the one to all
/// of the other and does nothing else.
fn rectified(draft: &Draft, body: &FusedLoop) -> Option<(usize, usize)> {
    let ([load], [instruction], [store]) =
        (&body.loads[..], &body.instructions[..], &body.stores[..])
    else {
        return None;
    };
    let LoopFunction::Elementwise(operation) = instruction.function else { return None };
    let of = &draft.buffers[load.buffer];
    let is_all = load.layout.is_plain() && of.length == body.length && store.value == 1;
    let is_alone = body.reduces.is_empty() && body.repeats.is_empty();
    let is_unit = || {
        let [said, wanted] = [(); 2].map(|()| Expressions::default());
        let result = (operation.formula)(&[said.value(0)], instruction.from).number(&said);
        let unit = wanted.value(0).maximum(Expression::ZERO).number(&wanted);
        result == unit && *said.nodes() == *wanted.nodes()
    };
    let is_float = matches!(of.dtype, DType::F32 | DType::F64) && instruction.to == of.dtype;
    (is_all && is_alone && operation.arity == 1 && is_float && is_unit())
        .then_some((load.buffer, store.buffer))
}

/// The product of a step that can rectify its sums: of matrices, or of windows by a matrix.
fn product(action: &mut Action) -> Option<&mut Product> {
    match action {
        Action::Product(product) => Some(product),
        Action::Windowed(windowed) if windowed.has_windows_as_rows() => Some(&mut windowed.product),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::prelude::*;

    /// The plan of a function of a matrix and a kernel, and that its results are those of a run
    /// node by node, bit by bit.
    fn plan<const N: usize>(of: fn([Tensor; 2]) -> [Tensor; N]) -> Plan {
        let x = Array::from_fn([40, 9], |i| (i as f32).sin());
        let kernel = Array::from_fn([9, 33], |i| (i as f32).cos());
        let mut f = Function::new(move |[x, kernel]: [Tensor; 2], _cx| of([x, kernel]));
        let got = f.run([&x, &kernel]).unwrap();
        let zero = |array: &Array| array.to_vec::<f32>().into_iter().filter(|&y| y == 0.0).count();
        assert!(got.iter().any(|array| zero(array) > 100));
        let program = f.program([&x, &kernel]).unwrap();
        program.plan().clone()
    }

    #[test]
    fn a_product_rectifies_what_nobody_else_reads() {
        let alone = plan(|[x, kernel]| [x.matmul(&kernel).relu()]);
        assert!(alone.steps.len() == 1 && alone.to_string().contains("relu("), "{alone}");
        let with_bias = plan(|[x, kernel]| [(x.matmul(&kernel) + kernel.slice(0, 0..1)).relu()]);
        assert!(with_bias.to_string().contains("relu(input"), "{with_bias}");
    }

    #[test]
    fn what_is_read_elsewhere_or_returned_stays() {
        let returned = plan(|[x, kernel]| {
            let y = x.matmul(&kernel);
            [y.relu(), y]
        });
        assert!(!returned.to_string().contains("relu(input"), "{returned}");
        let read = plan(|[x, kernel]| {
            let y = x.matmul(&kernel);
            [y.relu(), y.sum_axes([0])]
        });
        assert!(!read.to_string().contains("relu(input"), "{read}");
    }

    #[test]
    fn other_functions_stay_loops() {
        let other = plan(|[x, kernel]| [x.matmul(&kernel).relu().sqrt()]);
        assert!(!other.to_string().contains("relu(input"), "{other}");
    }
}
