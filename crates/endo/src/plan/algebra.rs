//! Elementwise operations that return one of their operands bit by bit.
//!
//! In: an operation and what is known of its operands. Out: the operand that can stand for the result. The only place in
//! plans that knows operations by name.

use crate::dtype::DType;
use crate::graph::Elementwise;

/// The index of the operand that the operation returns unchanged, given the operands that are known numbers.
///
/// Signs of zero count: `x + 0` turns -0 to 0 and has to stay, `x + -0` has not.
pub fn neutral(operation: &Elementwise, operands: &[(Option<f64>, DType)]) -> Option<usize> {
    let &[(left, dtype), (right, _)] = operands else { return None };
    let is = |operand: Option<f64>, number: f64| operand.is_some_and(|x| x.to_bits() == number.to_bits());
    let zero = |operand: Option<f64>| if dtype.is_float() { is(operand, -0.0) } else { operand == Some(0.0) };
    match operation.name {
        "add" if zero(right) => Some(0),
        "add" if zero(left) => Some(1),
        "subtract" if is(right, 0.0) => Some(0),
        "multiply" if is(right, 1.0) => Some(0),
        "multiply" if is(left, 1.0) => Some(1),
        "divide" if is(right, 1.0) => Some(0),
        _ => None,
    }
}

/// Whether the operation is the sum of its two operands.
pub fn is_sum(operation: &Elementwise) -> bool {
    operation.name == "add"
}
