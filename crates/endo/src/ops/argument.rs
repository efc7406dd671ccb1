//! What can stand beside a tensor in an operation: another tensor, or a Rust number.
//!
//! In: `&x`, `x`, `0.5`, `2`. Out: a tensor of the same trace; numbers take the float type of the tensor beside them. Floats are
//! `f64` alone, so that Rust knows the type of `x * 2.0` before it has seen the rest of the formula.

use std::panic::Location;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;

/// A tensor, or a number that becomes one.
///
/// ```
/// # use endo::prelude::*;
/// let mut f = Function::new(|[x], _cx| [x.maximum(0.5) + x.minimum(&x)]);
/// assert_eq!(f.run([&[0.0_f32, 1.0].into()])?[0], Array::from([0.5_f32, 2.0]));
/// # Ok::<(), endo::Error>(())
/// ```
pub trait Argument {
    /// The tensor, or the number as a constant of the type of `like` (of `f32` beside integers, if it is a float).
    fn tensor(self, like: &Tensor, site: &'static Location<'static>) -> Tensor;
}

impl Argument for &Tensor {
    fn tensor(self, _: &Tensor, _: &'static Location<'static>) -> Tensor {
        self.clone()
    }
}

impl Argument for Tensor {
    fn tensor(self, _: &Tensor, _: &'static Location<'static>) -> Tensor {
        self
    }
}

impl Argument for f64 {
    fn tensor(self, like: &Tensor, site: &'static Location<'static>) -> Tensor {
        let dtype = like.dtype().promote(DType::F32);
        like.trace().constant(Array::full((), self, dtype), site)
    }
}

impl Argument for i32 {
    fn tensor(self, like: &Tensor, site: &'static Location<'static>) -> Tensor {
        let dtype = like.dtype().promote(DType::I32);
        like.trace().constant(Array::full((), self.into(), dtype), site)
    }
}

impl Argument for bool {
    fn tensor(self, like: &Tensor, site: &'static Location<'static>) -> Tensor {
        like.trace().constant(Array::scalar(self), site)
    }
}

impl Tensor {
    /// A number of this tensor's type in its trace.
    #[track_caller]
    pub fn constant_like(&self, value: f64) -> Tensor {
        self.trace().constant(Array::full((), value, self.dtype()), Location::caller())
    }

    /// Zeros of this tensor's shape and type.
    #[track_caller]
    pub fn zeros_like(&self) -> Tensor {
        self.constant_like(0.0).expand(self.shape(), Location::caller())
    }

    /// Ones of this tensor's shape and type.
    #[track_caller]
    pub fn ones_like(&self) -> Tensor {
        self.constant_like(1.0).expand(self.shape(), Location::caller())
    }
}
