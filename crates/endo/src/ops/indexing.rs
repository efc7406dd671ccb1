//! Why tensors have no `[..]`, told by the compiler.
//!
//! In: `x[0]`, `x[1..3]`. Out: an error at compile time that names what to write: Rust's brackets
//! return a reference to what is there already, and a part of a tensor is a new tensor.

use std::ops::Index;

use crate::graph::Tensor;

/// What a tensor can be indexed with: nothing.
#[diagnostic::on_unimplemented(
    message = "a tensor has no parts in brackets",
    note = "write `x.at(0, i)` for `x[i]`, `x.slice(0, a..b)` for `x[a:b]`, and `x.slice_step(-1, \
        .., 2)` for `x[..., ::2]`"
)]
pub trait TensorIndex: sealed::Nothing {
    /// What lies there.
    fn part(self, tensor: &Tensor) -> &Tensor;
}

impl<I: TensorIndex> Index<I> for Tensor {
    type Output = Tensor;

    fn index(&self, index: I) -> &Tensor {
        index.part(self)
    }
}

mod sealed {
    /// What nothing is.
    pub trait Nothing {}
}
