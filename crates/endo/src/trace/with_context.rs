//! Functions of tensors that take a context besides: losses, activations, regularizers and
//! constraints.
//!
//! In: a closure whose last argument is a context. Out: what the trait of its kind is implemented
//! for, and the error where there is no context.

use std::any::type_name;
use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::spelling;

/// A closure whose last argument is a context.
pub(crate) struct WithContext<F>(pub F);

/// What stands for the value of a function that has none without a context.
#[track_caller]
pub(crate) fn without_context<T: ?Sized>(family: &str, with_context: &str, x: &Tensor) -> Tensor {
    let message = format!(
        "the {family} `{}` has no value without a context",
        spelling::short_name(type_name::<T>())
    );
    let help = format!("use `{with_context}`, or implement the method that takes tensors alone");
    x.fail(Error::new(ErrorKind::Usage, message).help(help), x.shape(), Location::caller())
}
