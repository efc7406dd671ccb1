//! Predictions: of a model, and of a file that needs none of its code.
//!
//! In: rows. Out: a row of outputs for each.

pub(crate) mod export;
pub(crate) mod predict;
mod predictor;
mod shared;

pub use predictor::Predictor;
