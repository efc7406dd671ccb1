//! The kinds of formulas that loops are made of, by what they take and give. A type without fields
//! stands for a formula.
//!
//! In: elements. Out: one element. Formulas of floats are generic over [`Float`], so one text
//! serves `f32`, `f64` and both with fused operations.

use super::float::Float;

/// A function of one float.
pub trait Unary: 'static {
    /// The value at `x`.
    fn apply<F: Float>(x: F) -> F;
}

/// A function of two floats.
pub trait Binary: 'static {
    /// The value at `x, y`.
    fn apply<F: Float>(x: F, y: F) -> F;
}

/// A function of three floats.
pub trait Ternary: 'static {
    /// The value at `x, y, z`.
    fn apply<F: Float>(x: F, y: F, z: F) -> F;
}

/// A question about one float.
pub trait Predicate: 'static {
    /// Whether it holds at `x`.
    fn apply<F: Float>(x: F) -> bool;
}

/// A question about two numbers of any type.
pub trait Comparison: 'static {
    /// Whether it holds between `x` and `y`.
    fn apply<T: PartialOrd + Copy>(x: T, y: T) -> bool;
}

/// A function of one integer, defined for every integer.
pub trait Integer1: 'static {
    /// The value at `x`.
    fn apply(x: i32) -> i32;
}

/// A function of two integers, defined for every pair.
pub trait Integer2: 'static {
    /// The value at `x, y`.
    fn apply(x: i32, y: i32) -> i32;
}

/// A function of one truth value.
pub trait Logical1: 'static {
    /// The value at `x`.
    fn apply(x: bool) -> bool;
}

/// A function of two truth values.
pub trait Logical2: 'static {
    /// The value at `x, y`.
    fn apply(x: bool, y: bool) -> bool;
}
