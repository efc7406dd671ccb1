//! The kinds of formulas that loops are made of, by what they take and give. A type without fields
//! stands for a formula.
//!
//! In: elements. Out: one element. Formulas are generic over what they compute with, so one text
//! serves `f32`, `f64`, both with fused operations, and the
//! [`Expression`](super::Expression) that says what is computed.

use super::arithmetic::{Integer, Ordered, Scalar, Truth};

/// A function of one float.
pub trait Unary: 'static {
    /// The value at `x`.
    fn apply<F: Scalar>(x: F) -> F;
}

/// A function of two floats.
pub trait Binary: 'static {
    /// The value at `x, y`.
    fn apply<F: Scalar>(x: F, y: F) -> F;
}

/// A function of three floats.
pub trait Ternary: 'static {
    /// The value at `x, y, z`.
    fn apply<F: Scalar>(x: F, y: F, z: F) -> F;
}

/// A question about one float.
pub trait Predicate: 'static {
    /// Whether it holds at `x`.
    fn apply<F: Scalar>(x: F) -> F::Truth;
}

/// A question about two numbers of any type.
pub trait Comparison: 'static {
    /// Whether it holds between `x` and `y`.
    fn apply<T: Ordered>(x: T, y: T) -> T::Truth;
}

/// A function of one integer, defined for every integer.
pub trait Integer1: 'static {
    /// The value at `x`.
    fn apply<I: Integer>(x: I) -> I;
}

/// A function of two integers, defined for every pair.
pub trait Integer2: 'static {
    /// The value at `x, y`.
    fn apply<I: Integer>(x: I, y: I) -> I;
}

/// A function of one truth value.
pub trait Logical1: 'static {
    /// The value at `x`.
    fn apply<T: Truth>(x: T) -> T;
}

/// A function of two truth values.
pub trait Logical2: 'static {
    /// The value at `x, y`.
    fn apply<T: Truth>(x: T, y: T) -> T;
}
