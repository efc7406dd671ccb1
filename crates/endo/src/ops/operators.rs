//! Rust's operators on tensors and numbers: formulas look like formulas.
//!
//! In: tensors by value or reference, and numbers on either side. Out: the methods of `arithmetic` and `logical`.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

use crate::graph::Tensor;

macro_rules! operators {
    ($($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators!(@pair $Trait $operator $method Tensor, Tensor);
            operators!(@pair $Trait $operator $method Tensor, &Tensor);
            operators!(@pair $Trait $operator $method &Tensor, Tensor);
            operators!(@pair $Trait $operator $method &Tensor, &Tensor);
        )+
    };
    (numbers $($Trait:ident $operator:ident $method:ident;)+) => {
        $(
            operators!(@number $Trait $operator $method f64);
            operators!(@number $Trait $operator $method i32);
        )+
    };
    (@number $Trait:ident $operator:ident $method:ident $Number:ty) => {
        operators!(@pair $Trait $operator $method Tensor, $Number);
        operators!(@pair $Trait $operator $method &Tensor, $Number);

        impl $Trait<Tensor> for $Number {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: Tensor) -> Tensor {
                $Trait::$operator(self, &other)
            }
        }

        impl $Trait<&Tensor> for $Number {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: &Tensor) -> Tensor {
                use crate::ops::Argument;
                self.tensor(other, std::panic::Location::caller()).$method(other)
            }
        }
    };
    (@pair $Trait:ident $operator:ident $method:ident $A:ty, $B:ty) => {
        impl $Trait<$B> for $A {
            type Output = Tensor;

            #[track_caller]
            fn $operator(self, other: $B) -> Tensor {
                Tensor::$method(&self, other)
            }
        }
    };
}

operators! {
    Add add add;
    Sub sub subtract;
    Mul mul multiply;
    Div div divide;
    BitAnd bitand logical_and;
    BitOr bitor logical_or;
    BitXor bitxor logical_xor;
}

operators! { numbers
    Add add add;
    Sub sub subtract;
    Mul mul multiply;
    Div div divide;
}

impl Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        self.negative()
    }
}

impl Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        self.negative()
    }
}

impl Not for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn not(self) -> Tensor {
        self.logical_not()
    }
}

impl Not for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn not(self) -> Tensor {
        self.logical_not()
    }
}
