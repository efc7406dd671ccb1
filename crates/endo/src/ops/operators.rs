//! Rust's operators on tensors and numbers: formulas look like formulas.
//!
//! In: tensors by value or reference, and numbers and arrays on either side. Out: the methods of
//! `arithmetic` and `logical`.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use crate::array::Array;
use crate::graph::Tensor;
use crate::site::Site;

use super::Argument;

/// An operator on tensors, with whatever can stand beside one: as one impl for all of it, so that
/// Rust knows the type of `x * 2.0` before it has seen the rest of the formula.
macro_rules! operators {
    ($($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators!(@of $Trait $operator $method Tensor);
            operators!(@of $Trait $operator $method &Tensor);
        )+
    };
    (@of $Trait:ident $operator:ident $method:ident $Left:ty) => {
        impl<A: Argument> $Trait<A> for $Left {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: A) -> Tensor {
                Tensor::$method(&self, other)
            }
        }
    };
}

/// The same with the tensor on the right.
macro_rules! operators_before {
    ($($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators_before!(@of $Trait $operator $method f64);
            operators_before!(@of $Trait $operator $method i32);
            operators_before!(@of $Trait $operator $method &Array);
        )+
    };
    (@of $Trait:ident $operator:ident $method:ident $Left:ty) => {
        impl $Trait<Tensor> for $Left {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: Tensor) -> Tensor {
                $Trait::$operator(self, &other)
            }
        }

        impl $Trait<&Tensor> for $Left {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: &Tensor) -> Tensor {
                self.tensor(other, Site::caller()).$method(other)
            }
        }
    };
}

/// An operator on a tensor alone.
macro_rules! operators_alone {
    ($($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators_alone!(@of $Trait $operator $method Tensor);
            operators_alone!(@of $Trait $operator $method &Tensor);
        )+
    };
    (@of $Trait:ident $operator:ident $method:ident $Operand:ty) => {
        impl $Trait for $Operand {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self) -> Tensor {
                Tensor::$method(&self)
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
    BitAnd bitand logical_and;
    BitOr bitor logical_or;
    BitXor bitxor logical_xor;
}

operators_before! {
    Add add add;
    Sub sub subtract;
    Mul mul multiply;
    Div div divide;
    Rem rem remainder;
}

operators_alone! {
    Neg neg negative;
    Not not logical_not;
}
