//! Logic on truth values.
//!
//! In and out: truth values, without gradients.

use std::panic::Location;

use crate::graph::{Elementwise, Output, Tensor};
use crate::simd::{Logical1, Logical2, Loops};

use super::elementwise;

macro_rules! logical2 {
    ($($name:ident($a:ident, $b:ident) = $formula:expr;)+) => {
        $(
            /// The definition of the method of this name of [`Tensor`](crate::graph::Tensor).
            pub mod $name {
                use super::*;

                struct Formula;

                impl Logical2 for Formula {
                    #[inline(always)]
                    fn apply($a: bool, $b: bool) -> bool {
                        $formula
                    }
                }

                /// The operation.
                pub static OPERATION: Elementwise = Elementwise {
                    name: stringify!($name),
                    arity: 2,
                    output: Output::Bool,
                    loops: [None, None, None, Some(Loops::logical2::<Formula>())],
                    gradient: None,
                    domain: [0.0, 1.0],
                };
            }
        )+
    };
}

logical2! {
    logical_and(a, b) = a & b;
    logical_or(a, b) = a | b;
    logical_xor(a, b) = a ^ b;
}

binary_methods! {
    /// Where both hold.
    logical_and;
    /// Where at least one holds.
    logical_or;
    /// Where exactly one holds.
    logical_xor;
}

/// The definition of [`Tensor::logical_not`](crate::graph::Tensor::logical_not).
pub mod logical_not {
    use super::*;

    struct Formula;

    impl Logical1 for Formula {
        #[inline(always)]
        fn apply(x: bool) -> bool {
            !x
        }
    }

    /// The operation.
    pub static OPERATION: Elementwise = Elementwise {
        name: "logical_not",
        arity: 1,
        output: Output::Bool,
        loops: [None, None, None, Some(Loops::logical1::<Formula>())],
        gradient: None,
        domain: [0.0, 1.0],
    };
}

impl Tensor {
    /// Where it does not hold.
    #[track_caller]
    pub fn logical_not(&self) -> Tensor {
        elementwise::apply(&logical_not::OPERATION, &[self], Location::caller())
    }
}

/// The operations of this file, for tests that go through all of them.
pub static TABLE: &[&Elementwise] = &[
    &logical_and::OPERATION,
    &logical_or::OPERATION,
    &logical_xor::OPERATION,
    &logical_not::OPERATION,
];
