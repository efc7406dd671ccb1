//! What plans know of elementwise operations by their formulas: those that return one of their
//! operands bit by bit.

use crate::dtype::DType;
use crate::graph::Elementwise;
use crate::simd::{Expression, Expressions};

/// The index of the operand that the operation returns unchanged, given the operands that are known
/// numbers.
///
/// Signs of zero count for floats: `x + 0` turns -0 to 0 and has to stay, `x + -0` has not. Zero
/// has no sign among integers, so that either will do.
pub fn neutral(operation: &Elementwise, operands: &[(Option<f64>, DType)]) -> Option<usize> {
    if operands.iter().all(|(known, _)| known.is_none()) {
        return None;
    }
    let dtype = operands.last()?.1;
    let all = Expressions::default();
    let returned = |zero: f64| {
        let number = |known: f64| if known == 0.0 && !dtype.is_float() { zero } else { known };
        let operand = |(index, &(known, _)): (usize, &(Option<f64>, DType))| {
            known.map_or(all.value(index), |known| Expression::Constant(number(known)))
        };
        let operands: Vec<Expression<'_>> = operands.iter().enumerate().map(operand).collect();
        (operation.formula)(&operands, dtype).as_value()
    };
    returned(0.0).or_else(|| if dtype.is_float() { None } else { returned(-0.0) })
}
