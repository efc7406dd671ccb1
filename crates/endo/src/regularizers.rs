//! Penalties on weights and activations.
//!
//! In: a tensor. Out: a scalar to be added to the loss. A closure serves as well as the structs here.

use crate::graph::Tensor;

/// A penalty on a tensor.
pub trait Regularizer: Send + Sync {
    /// The penalty, a scalar.
    fn penalty(&self, x: &Tensor) -> Tensor;
}

impl<F: Fn(&Tensor) -> Tensor + Send + Sync> Regularizer for F {
    #[track_caller]
    fn penalty(&self, x: &Tensor) -> Tensor {
        self(x)
    }
}

/// `factor * sum(|x|)`, which drives weights to exactly 0 (Tibshirani 1996).
///
/// ```
/// use endo::prelude::*;
/// let layer = Dense::new(30).kernel_regularizer(L1(0.01));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1(pub f64);

/// `factor * sum(x^2)` (Hoerl and Kennard 1970).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2(pub f64);

/// `l1 * sum(|x|) + l2 * sum(x^2)` (Zou and Hastie 2005).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1L2 {
    /// The factor of the absolute values.
    pub l1: f64,
    /// The factor of the squares.
    pub l2: f64,
}

/// Half the sum of absolute products of different rows (or columns) of a matrix, each scaled to length 1: zero when they
/// are orthogonal. As Keras's `OrthogonalRegularizer`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrthogonalRegularizer {
    /// The factor of the penalty; 0.01 in Keras unless given.
    pub factor: f64,
    /// Whether rows are compared, or columns.
    pub rows: bool,
}

impl Default for OrthogonalRegularizer {
    fn default() -> Self {
        Self { factor: 0.01, rows: true }
    }
}

impl Regularizer for L1 {
    #[track_caller]
    fn penalty(&self, x: &Tensor) -> Tensor {
        self.0 * x.abs().sum()
    }
}

impl Regularizer for L2 {
    #[track_caller]
    fn penalty(&self, x: &Tensor) -> Tensor {
        self.0 * x.square().sum()
    }
}

impl Regularizer for L1L2 {
    #[track_caller]
    fn penalty(&self, x: &Tensor) -> Tensor {
        self.l1 * x.abs().sum() + self.l2 * x.square().sum()
    }
}
