//! Projections of weights after an update.
use crate::graph::Tensor;

/// A projection of a weight.
pub trait Constraint: Send + Sync {
    /// The weight nearest to `x` that is allowed.
    fn project(&self, x: &Tensor) -> Tensor;
}
