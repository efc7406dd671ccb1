//! Values at once: what a closure makes of arrays, and arithmetic of arrays.
//!
//! In: arrays. Out: an array, computed node by node by the operations of tensors, so that the
//! numbers are theirs.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use crate::array::Array;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{Argument, AxisList};

use super::Context;
use super::follow::TraceOptions;
use super::replay::InputNames;

/// What a closure makes of arrays, computed now, node by node: a loss of two arrays, an activation
/// of one. For what is computed often, a [`Function`](super::Function) is faster.
///
/// ```
/// use endo::compute;
/// use endo::prelude::*;
/// let (y_true, y_pred) = (Array::from([[1.0_f32], [3.0]]), Array::from([[2.0_f32], [5.0]]));
/// let loss = compute([&y_true, &y_pred], |[y_true, y_pred], _| {
///     mean_squared_error(&y_true, &y_pred).mean()
/// })?;
/// assert_eq!(loss.item()?, 2.5);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// The first mistake in the closure, with its line.
#[track_caller]
pub fn compute<const N: usize>(
    inputs: [&Array; N],
    closure: impl FnOnce([Tensor; N], &mut Context) -> Tensor,
) -> Result<Array> {
    let call = Box::new(|tensors: &[Tensor], cx: &mut Context| {
        let mut given = tensors.iter().cloned();
        vec![closure(std::array::from_fn(|_| given.next().expect("a tensor for each array")), cx)]
    });
    let (mut values, ..) =
        TraceOptions::new(false, 0).run_eagerly(&inputs, InputNames::NUMBERED, call)?;
    Ok(values.remove(0))
}

/// What an operation gives, or a panic with its message.
#[track_caller]
fn of<const N: usize>(inputs: [&Array; N], closure: impl FnOnce([Tensor; N]) -> Tensor) -> Array {
    compute(inputs, |tensors, _| closure(tensors)).unwrap_or_else(|error| panic!("{error}"))
}

/// An operator on arrays and numbers, as of tensors: types are promoted, shapes broadcast; numbers
/// take the float type of the array.
macro_rules! operators {
    ($($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators!(
                @one $Trait $operator &Array, &Array, |a, b| of([a, b], |[x, y]| x.$method(y))
            );
            operators!(
                @one $Trait $operator &Array, Array, |a, b| of([a, &b], |[x, y]| x.$method(y))
            );
            operators!(@one $Trait $operator &Array, f64, |a, b| of([a], |[x]| x.$method(b)));
            operators!(@one $Trait $operator &Array, i32, |a, b| of([a], |[x]| x.$method(b)));
            operators!(
                @one $Trait $operator Array, &Array, |a, b| of([&a, b], |[x, y]| x.$method(y))
            );
            operators!(
                @one $Trait $operator Array, Array, |a, b| of([&a, &b], |[x, y]| x.$method(y))
            );
            operators!(@one $Trait $operator Array, f64, |a, b| of([&a], |[x]| x.$method(b)));
            operators!(@one $Trait $operator Array, i32, |a, b| of([&a], |[x]| x.$method(b)));
            operators!(@before $Trait $operator f64);
            operators!(@before $Trait $operator i32);
        )+
    };
    (@one $Trait:ident $operator:ident $Left:ty, $Right:ty, |$a:ident, $b:ident| $value:expr) => {
        impl $Trait<$Right> for $Left {
            type Output = Array;

            /// # Panics
            /// If the shapes cannot be broadcast.
            #[track_caller]
            fn $operator(self, other: $Right) -> Array {
                let ($a, $b) = (self, other);
                $value
            }
        }
    };
    (@before $Trait:ident $operator:ident $Number:ty) => {
        impl $Trait<&Array> for $Number {
            type Output = Array;

            #[track_caller]
            fn $operator(self, other: &Array) -> Array {
                of([other], |[x]| $Trait::$operator(self, x))
            }
        }

        impl $Trait<Array> for $Number {
            type Output = Array;

            #[track_caller]
            fn $operator(self, other: Array) -> Array {
                $Trait::$operator(self, &other)
            }
        }
    };
}

operators! {
    Add add add;
    Sub sub subtract;
    Mul mul multiply;
    Div div divide;
    Rem rem remainder;
}

impl Neg for &Array {
    type Output = Array;

    fn neg(self) -> Array {
        of([self], |[x]| x.negative())
    }
}

/// Functions of the elements.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident)+) => {
        impl Array {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> Array {
                    of([self], |[x]| x.$name())
                }
            )+
        }
    };
}

functions! {
    /// The absolute values.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let (y, p) = (Array::from([1.0_f32, 2.0]), Array::from([3.0_f32, 1.0]));
    /// assert_eq!(((&y - &p).abs().mean(), (&y - &p).square().sum()), (1.5, 5.0));
    /// ```
    abs
    /// The squares.
    square
    /// The square roots; NaN of negative numbers.
    sqrt
    /// The exponentials.
    exp
    /// The natural logarithms; NaN of negative numbers.
    log
}

/// Comparisons with an array or a number, element by element.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If the shapes cannot be broadcast.
            #[track_caller]
            pub fn $name(&self, other: impl Argument) -> Array {
                of([self], |[x]| x.$name(other))
            }
        )+
    };
}

impl Array {
    comparisons! {
        /// Where it is equal.
        equal
        /// Where it is not equal.
        not_equal
        /// Where it is less.
        less
        /// Where it is less or equal.
        less_equal
        /// Where it is greater.
        greater
        /// Where it is greater or equal.
        greater_equal
    }

    /// The sum of all elements, as `f64`; truth values count.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let (a, b) = (Array::from([[1.0_f32, 2.0], [3.0, 4.0]]), Array::from([10.0_f32, 20.0]));
    /// assert_eq!(&a + &b, Array::from([[11.0_f32, 22.0], [13.0, 24.0]]));
    /// assert_eq!(2.0 * &a - 1.0, Array::from([[1.0_f32, 3.0], [5.0, 7.0]]));
    /// assert_eq!((a.greater(1.5).sum(), a.mean(), a.at([1, 0])), (3.0, 2.5, 3.0));
    /// ```
    pub fn sum(&self) -> f64 {
        self.to_vec::<f64>().into_iter().sum()
    }

    /// The mean of all elements, as `f64`; NaN where there are none.
    pub fn mean(&self) -> f64 {
        self.sum() / self.len() as f64
    }

    /// The sums along axes.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn sum_axes(&self, axes: impl AxisList) -> Array {
        of([self], |[x]| x.sum_axes(axes))
    }

    /// The position of the greatest number along an axis.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Array {
        of([self], |[x]| x.argmax(axis))
    }

    /// The means along axes.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn mean_axes(&self, axes: impl AxisList) -> Array {
        of([self], |[x]| x.mean_axes(axes))
    }
}
