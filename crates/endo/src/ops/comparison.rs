//! Comparisons of numbers, tests of floats, and the choice between two values.
//!
//! Out: truth values, without gradients; `where_` passes the gradient to the value it chose.

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::{Elementwise, Output, Tensor};
use crate::simd::{Loops, Ordered};
use crate::site::Site;

use super::{Argument, elementwise};

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $(operation! {
            $name, 2 => Bool,
            [
                Some(Loops::comparison::<Formula, f32>()),
                Some(Loops::comparison::<Formula, f64>()),
                Some(Loops::comparison::<Formula, i32>()),
                Some(Loops::comparison::<Formula, u8>()),
            ],
            None, [-2.0, 2.0],
            |x, _| <Formula as $crate::simd::Comparison>::apply(x[0], x[1]);
            impl $crate::simd::Comparison for Formula {
                #[inline(always)]
                fn apply<T: $crate::simd::Ordered>(a: T, b: T) -> T::Truth {
                    a.$name(b)
                }
            }
        })+

        binary_methods! { $($(#[$doc])* $name;)+ }

        /// The comparisons, for what goes through all operations.
        pub static COMPARISONS: &[&Elementwise] = &[$(&$name::OPERATION),+];
    };
}

comparisons! {
    /// Where `self == other`.
    equal;
    /// Where `self != other`.
    not_equal;
    /// Where `self < other`.
    less;
    /// Where `self <= other`.
    less_equal;
    /// Where `self > other`.
    greater;
    /// Where `self >= other`.
    greater_equal;
}

macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $formula:expr;)+) => {
        $(operation! {
            $name, 1 => Bool,
            [
                Some(Loops::predicate::<Formula, f32>()),
                Some(Loops::predicate::<Formula, f64>()),
                None,
                None,
            ],
            None, [-2.0, 2.0],
            |x, _| <Formula as $crate::simd::Predicate>::apply(x[0]);
            impl $crate::simd::Predicate for Formula {
                #[inline(always)]
                fn apply<F: $crate::simd::Scalar>($x: F) -> F::Truth {
                    $formula
                }
            }
        })+

        unary_methods! { $($(#[$doc])* $name;)+ }

        /// The tests of floats, for what goes through all operations.
        pub static PREDICATES: &[&Elementwise] = &[$(&$name::OPERATION),+];
    };
}

predicates! {
    /// Where the value is NaN.
    is_nan(x) = x.is_nan();
    /// Where the value is neither NaN nor infinite.
    is_finite(x) = x.is_finite();
}

/// The definition of [`Tensor::where_`](crate::graph::Tensor::where_).
pub mod choice {
    use super::*;

    /// The operation.
    pub static OPERATION: Elementwise = Elementwise {
        name: "where",
        arity: 3,
        output: Output::Same,
        formula: |x, _| Ordered::select(x[0], x[1], x[2]),
        loops: [
            Some(Loops::select::<f32>()),
            Some(Loops::select::<f64>()),
            Some(Loops::select::<i32>()),
            Some(Loops::select::<u8>()),
        ],
        gradient: Some(|inputs, _, dy| {
            let condition = &inputs[0];
            vec![None, Some(condition.where_(dy, 0.0)), Some(condition.where_(0.0, dy))]
        }),
        domain: [-2.0, 2.0],
    };
}

impl Tensor {
    /// `yes` where this condition holds, else `no`; all three are broadcast. Both sides are
    /// computed, and a NaN in the side that is not chosen does not reach the result, nor the
    /// gradient of the other side.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.greater(0.0).where_(&x, 0.0)]);
    /// assert_eq!(f.run([&[-1.0_f32, 2.0].into()])?[0], Array::from([0.0_f32, 2.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(&self, yes: impl Argument, no: impl Argument) -> Tensor {
        let site = Site::caller();
        if self.dtype() != DType::Bool {
            let message = format!(
                "`where_` takes a condition of truth values, got {}{}",
                self.dtype(),
                self.shape()
            );
            return self.fail(
                Error::new(ErrorKind::DType, message)
                    .help("compare first: `x.greater(0.0).where_(..)`"),
                self.shape(),
                site,
            );
        }
        // A number on one side takes the type of a tensor on the other.
        let (yes, no) = (yes.tensor(self, site), no.tensor(self, site));
        let both = yes.dtype().promote(no.dtype());
        let number = |x: Tensor, other: &Tensor| {
            if x.rank() == 0 && other.dtype().is_float() {
                x.convert(other.dtype(), site)
            } else {
                x
            }
        };
        let (yes, no) = match (yes.dtype() == both, no.dtype() == both) {
            (false, true) => (number(yes, &no), no),
            (true, false) => {
                let no = number(no, &yes);
                (yes, no)
            }
            _ => (yes, no),
        };
        elementwise::apply(&choice::OPERATION, &[self, &yes, &no], site)
    }
}

/// The choice, for what goes through all operations.
pub static CHOICES: &[&Elementwise] = &[&choice::OPERATION];
