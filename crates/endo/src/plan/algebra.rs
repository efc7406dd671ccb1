//! What plans know of arithmetic: operations that return one of their operands bit by bit, and
//! those that can be combined.
//!
//! In: an operation and what is known of its operands. Out: the operand that can stand for the
//! result, or its symbol. The only place in plans that knows operations by name.

use crate::dtype::DType;
use crate::graph::Elementwise;
use crate::simd::Symbol;

/// The index of the operand that the operation returns unchanged, given the operands that are known
/// numbers.
///
/// Signs of zero count: `x + 0` turns -0 to 0 and has to stay, `x + -0` has not.
pub fn neutral(operation: &Elementwise, operands: &[(Option<f64>, DType)]) -> Option<usize> {
    let &[(left, dtype), (right, _)] = operands else { return None };
    let is = |operand: Option<f64>, number: f64| {
        operand.is_some_and(|x| x.to_bits() == number.to_bits())
    };
    let zero = |operand: Option<f64>| {
        if dtype.is_float() { is(operand, -0.0) } else { operand == Some(0.0) }
    };
    match operation.name {
        "add" if zero(right) => Some(0),
        "add" if zero(left) => Some(1),
        "subtract" if is(right, 0.0) => Some(0),
        "multiply" if is(right, 1.0) => Some(0),
        "multiply" if is(left, 1.0) => Some(1),
        "divide" | "multiply_no_nan" if is(right, 1.0) => Some(0),
        _ => None,
    }
}

/// Whether the operation is the sum of its two operands.
pub fn is_sum(operation: &Elementwise) -> bool {
    operation.name == "add"
}

/// The operation as a part of combinations.
pub fn symbol(operation: &Elementwise) -> Option<Symbol> {
    match operation.name {
        "add" => Some(Symbol::Add),
        "subtract" => Some(Symbol::Subtract),
        "multiply" => Some(Symbol::Multiply),
        "divide" => Some(Symbol::Divide),
        "square" => Some(Symbol::Square),
        "sqrt" => Some(Symbol::Sqrt),
        "elu_slope" => Some(Symbol::EluSlope),
        "selu_slope" => Some(Symbol::SeluSlope),
        "greater" => Some(Symbol::Greater),
        "where" => Some(Symbol::Where),
        _ => None,
    }
}
