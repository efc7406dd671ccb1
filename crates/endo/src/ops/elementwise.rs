//! How an elementwise operation is defined, and how it is applied to tensors.
//!
//! In: a formula generic over the float type, a gradient written in tensors, and the interval for
//! tests, given to one of the macros here. Out: a module with the static [`Elementwise`], a method
//! of [`Tensor`], and a row in the file's `TABLE`.

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::{Elementwise, Op, Tensor};
use crate::shape::Shape;
use crate::site::Site;

/// The module of an operation: its arity, the type of its result, its loops by type, its gradient,
/// the interval for tests, its formula for expressions, and what makes a formula of `Formula`.
macro_rules! operation {
    ($name:ident, $arity:literal => $output:ident, $loops:expr, $gradient:expr, $domain:expr,
     $meaning:expr; $($formula:item)+) => {
        /// The definition of the method of this name of [`Tensor`](crate::graph::Tensor).
        pub mod $name {
            #[allow(unused_imports)]
            use super::*;
            use $crate::graph::{Elementwise, Output};
            use $crate::simd::Loops;

            struct Formula;

            $($formula)+

            /// The operation.
            pub static OPERATION: Elementwise = Elementwise {
                name: stringify!($name),
                arity: $arity,
                output: Output::$output,
                formula: $meaning,
                loops: $loops,
                #[allow(unused_variables)]
                gradient: $gradient,
                domain: $domain,
            };
        }
    };
}

/// Functions of one number. Without a formula for them, a value of integers or truth values is
/// converted to `f32` first.
macro_rules! unary {
    ($TABLE:ident; $(
        $(#[$doc:meta])*
        $name:ident($x:ident) = $formula:expr;
        $(integers = $integers:expr;)?
        gradient($y:ident, $dy:ident) = $gradient:expr;
        domain = $domain:expr;
    )+) => {
        $(operation! {
            $name, 1 => Same,
            [
                Some(Loops::unary::<Formula, f32>()),
                Some(Loops::unary::<Formula, f64>()),
                unary!(@integers $($integers)?),
                None,
            ],
            Some(|inputs, $y, $dy| {
                let $x = &inputs[0];
                vec![Option::from($gradient)]
            }),
            $domain,
            unary!(@formula $($integers)?);
            impl $crate::simd::Unary for Formula {
                #[inline(always)]
                fn apply<F: $crate::simd::Scalar>($x: F) -> F {
                    $formula
                }
            }
            $(impl $crate::simd::Integer1 for Formula {
                #[inline(always)]
                fn apply<I: $crate::simd::Integer>($x: I) -> I {
                    $integers
                }
            })?
        })+

        unary_methods! { $($(#[$doc])* $name;)+ }

        /// These operations, for what goes through all of them.
        pub static $TABLE: &[&$crate::graph::Elementwise] = &[$(&$name::OPERATION),+];
    };
    (@formula) => {
        |x, _| <Formula as $crate::simd::Unary>::apply(x[0])
    };
    (@formula $integers:expr) => {
        |x, dtype| match dtype {
            $crate::dtype::DType::I32 => <Formula as $crate::simd::Integer1>::apply(x[0]),
            _ => <Formula as $crate::simd::Unary>::apply(x[0]),
        }
    };
    (@integers) => { None };
    (@integers $integers:expr) => { Some(Loops::integer1::<Formula>()) };
}

/// The methods of operations of one operand.
macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        impl $crate::graph::Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self) -> $crate::graph::Tensor {
                    let site = $crate::Site::caller();
                    $crate::ops::elementwise::apply(&$name::OPERATION, &[self], site)
                }
            )+
        }
    };
}

/// Methods for operations of two operands, the second a tensor or a number; both are broadcast and
/// promoted to one type.
macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        impl $crate::graph::Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, other: impl $crate::ops::Argument) -> $crate::graph::Tensor {
                    let site = $crate::Site::caller();
                    let other = other.tensor(self, site);
                    $crate::ops::elementwise::apply(&$name::OPERATION, &[self, &other], site)
                }
            )+
        }
    };
}

/// Applies an elementwise operation: promotes the operands to one type, broadcasts them to one
/// shape.
pub fn apply(operation: &'static Elementwise, operands: &[&Tensor], site: Site) -> Tensor {
    let first = operands[0];
    let mut shape = Shape::scalar();
    for operand in operands {
        match shape.broadcast(operand.shape()) {
            Some(broadcast) => shape = broadcast,
            None => {
                let shapes: Vec<String> =
                    operands.iter().map(|operand| operand.shape().to_string()).collect();
                let message = format!(
                    "`{}` cannot broadcast shapes {}",
                    operation.name,
                    shapes.join(" and ")
                );
                let help = "sizes must be equal or 1, axis by axis from the last; `reshape` or \
                    `expand_dims` one of them";
                return first.fail(Error::shape(message, help), first.shape(), site);
            }
        }
    }
    // The condition of `where_` keeps its type; the loops are chosen by the last operand's.
    let chosen = if operation.arity == 3 { &operands[1..] } else { operands };
    let promoted = chosen
        .iter()
        .map(|operand| operand.dtype())
        .reduce(DType::promote)
        .expect("at least one operand");
    let dtype = match operation.loops_for(promoted) {
        Some(_) => promoted,
        None if operation.loops_for(DType::F32).is_some() => DType::F32,
        None => {
            let message = format!("`{}` takes truth values, got {promoted}", operation.name);
            return first.fail(
                Error::new(ErrorKind::DType, message).help("compare or `cast` to bool first"),
                shape,
                site,
            );
        }
    };
    let skipped = operands.len() - chosen.len();
    let operands: Vec<Tensor> = operands
        .iter()
        .enumerate()
        .map(|(i, operand)| {
            if i < skipped {
                operand.expand(&shape, site)
            } else {
                operand.convert(dtype, site).expand(&shape, site)
            }
        })
        .collect();
    let operands: Vec<&Tensor> = operands.iter().collect();
    first.push(Op::Elementwise(operation), &operands, shape, operation.output_dtype(dtype), site)
}

impl Tensor {
    /// The same numbers as another type: toward zero for integers, `!= 0` for truth values. The
    /// gradient is cast back.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.cast(DType::I32)]);
    /// assert_eq!(f.run([&[1.7_f32, -1.7].into()])?[0], Array::from([1, -1]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        self.convert(dtype, Site::caller())
    }

    pub(crate) fn convert(&self, dtype: DType, site: Site) -> Tensor {
        if self.dtype() == dtype {
            return self.clone();
        }
        if dtype == DType::U8 {
            let error = Error::new(
                ErrorKind::DType,
                "a tensor cannot be of type `u8`: nothing computes with bytes",
            );
            return self.fail(
                error.help(
                    "cast to `i32`, and the array of the result to `u8` where that is wanted",
                ),
                self.shape(),
                site,
            );
        }
        self.push(Op::Cast, &[self], self.shape(), dtype, site)
    }
}
