//! The model for tables: what a row's columns are, how they are encoded, and how the model learns.
//!
//! In: rows of numbers, times and codes of categories. Out: a model from such rows to predictions
//! in the targets' unit, or to the probabilities of classes, with all that it takes from the
//! training rows among its weights.

mod encoding;
mod ensemble;
mod folds;
mod learning;
mod linear;
mod logistic;
mod nets;
mod plan;
mod problem;
mod ridge;
mod scale;
mod table_net;

pub use encoding::Encoding;
pub use learning::{LearnedModel, learn, line};
pub use problem::{Feature, LearningOptions, Problem, Task};
