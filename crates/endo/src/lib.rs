//! tour comes later
#![allow(missing_docs)]
pub mod activations;
pub mod array;
pub mod autodiff;
pub mod constraints;
pub mod data;
pub mod dtype;
pub mod error;
pub mod graph;
pub mod initializers;
pub mod layers;
pub mod ops;
pub mod random;
pub mod regularizers;
pub mod shape;
pub mod simd;
mod spelling;
pub mod trace;
pub mod variable;
pub use array::Array;
pub use dtype::{DType, Element};
pub use error::{Error, ErrorKind, Result};
pub use graph::Tensor;
pub use shape::Shape;
pub use variable::Variable;
