//! Formulas on tensors: what [`Arithmetic`] is written with becomes operations of a trace.
//!
//! In: tensors, each given a place in [`TracedValues`]. Out: places of the tensors that a formula
//! makes of them, in the order in which it is written.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

use crate::graph::Tensor;
use crate::simd::Arithmetic;

/// The tensors of a formula: what it is given, and what it makes.
#[derive(Default)]
pub struct TracedValues(RefCell<Vec<Tensor>>);

impl TracedValues {
    /// A tensor as a value of a formula.
    pub fn value(&self, tensor: Tensor) -> TracedValue<'_> {
        let mut all = self.0.borrow_mut();
        all.push(tensor);
        TracedValue { all: self, number: all.len() - 1 }
    }
}

/// A tensor as a value of a formula.
#[derive(Clone, Copy)]
pub struct TracedValue<'a> {
    all: &'a TracedValues,
    number: usize,
}

impl TracedValue<'_> {
    /// The tensor.
    pub fn tensor(self) -> Tensor {
        self.all.0.borrow()[self.number].clone()
    }

    #[track_caller]
    fn with(self, function: fn(&Tensor) -> Tensor) -> Self {
        self.all.value(function(&self.tensor()))
    }
}

macro_rules! operators {
    ($($Operator:ident $operator:ident;)+) => {
        $(
            impl $Operator for TracedValue<'_> {
                type Output = Self;

                #[track_caller]
                fn $operator(self, other: Self) -> Self {
                    self.all.value(self.tensor().$operator(&other.tensor()))
                }
            }
        )+
    };
}
operators! { Add add; Sub sub; Mul mul; Div div; }

impl Arithmetic for TracedValue<'_> {
    #[track_caller]
    fn sqrt(self) -> Self {
        self.with(Tensor::sqrt)
    }
    #[track_caller]
    fn abs(self) -> Self {
        self.with(Tensor::abs)
    }
    #[track_caller]
    fn sign(self) -> Self {
        self.with(Tensor::sign)
    }
    #[track_caller]
    fn maximum(self, other: Self) -> Self {
        self.all.value(self.tensor().maximum(other.tensor()))
    }
    #[track_caller]
    fn square(self) -> Self {
        self.with(Tensor::square)
    }
}
