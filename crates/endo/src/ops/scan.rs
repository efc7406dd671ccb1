//! Running sums and products along an axis.
//!
//! In: a tensor. Out: the same shape; each element combines those before it (with or without itself), or after it.

use std::panic::Location;
use std::sync::Arc;

use crate::graph::{Form, Kernel, KernelReader, Op, Operand, OperandMut, Tensor, Values, ValuesMut};

use super::saved::flag;
use super::view::axis_error;

/// Which elements a running sum or product takes in.
#[derive(Clone, Debug)]
struct Scan {
    axis: usize,
    product: bool,
    exclusive: bool,
    reverse: bool,
}

impl Tensor {
    /// Running sums along an axis: each element plus all before it.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.cumsum(0)]);
    /// assert_eq!(f.run([&[1, 2, 3].into()])?[0], Array::from([1, 3, 6]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Tensor {
        self.scan(axis, |axis| Scan { axis, product: false, exclusive: false, reverse: false }, Location::caller())
    }

    /// Running products along an axis; `exclusive` leaves out the element itself, `reverse` runs from the end.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.cumprod(0, true, false)]);
    /// assert_eq!(f.run([&[2, 3, 4].into()])?[0], Array::from([1, 2, 6]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize, exclusive: bool, reverse: bool) -> Tensor {
        self.scan(axis, |axis| Scan { axis, product: true, exclusive, reverse }, Location::caller())
    }

    fn scan(&self, axis: isize, scan: impl Fn(usize) -> Scan, site: &'static Location<'static>) -> Tensor {
        match self.shape().axis(axis) {
            Some(axis) => self.push(Op::Kernel(Arc::new(scan(axis))), &[self], self.shape(), self.dtype(), site),
            None => self.fail(axis_error("cumsum", axis, self.shape()), self.shape(), site),
        }
    }
}

impl Kernel for Scan {
    fn name(&self) -> &'static str {
        if self.product { "cumprod" } else { "cumsum" }
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let shape = inputs[0].shape;
        let (length, stride) = (shape[self.axis], shape[self.axis + 1..].iter().product());
        match (inputs[0].values, output.values) {
            (Values::F32(x), ValuesMut::F32(y)) => self.run_typed(x, y, length, stride, [0.0, 1.0], [|a, b| a + b, |a, b| a * b]),
            (Values::F64(x), ValuesMut::F64(y)) => self.run_typed(x, y, length, stride, [0.0, 1.0], [|a, b| a + b, |a, b| a * b]),
            (Values::I32(x), ValuesMut::I32(y)) => {
                self.run_typed(x, y, length, stride, [0, 1], [i32::wrapping_add, i32::wrapping_mul])
            }
            (Values::Bool(x), ValuesMut::Bool(y)) => self.run_typed(x, y, length, stride, [0, 1], [|a, b| a | b, |a, b| a & b]),
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let site = Location::caller();
        let undo = Scan { product: false, reverse: !self.reverse, ..self.clone() };
        if !self.product {
            return vec![Some(dy.scan(self.axis as isize, |_| undo.clone(), site))];
        }
        // d(prod)/dx_i, summed over the products that hold x_i, one product at a time: exact also where elements are 0.
        let (x, axis) = (&inputs[0], self.axis as isize);
        let length = x.shape()[self.axis];
        let mut total = x.zeros_like();
        for position in 0..length {
            let held = match (self.exclusive, self.reverse) {
                (false, false) => 0..position + 1,
                (true, false) => 0..position,
                (false, true) => position..length,
                (true, true) => position + 1..length,
            };
            if held.is_empty() {
                continue;
            }
            let part = x.slice(axis, held.clone());
            let before = part.cumprod(axis, true, false);
            let after = part.cumprod(axis, true, true);
            let share = before * after * dy.slice(axis, position..position + 1);
            let mut parts = vec![(0, 1); x.rank()];
            parts[self.axis] = (held.start, 1);
            total = total + share.unslice(x.shape(), &parts);
        }
        vec![Some(total)]
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.axis as i64, i64::from(self.exclusive), i64::from(self.reverse)]
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        *inputs == [output] && self.axis < output.0.rank()
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader { name: "cumsum", read: |attributes| Some(Arc::new(Scan::read(attributes, false)?)) },
    KernelReader { name: "cumprod", read: |attributes| Some(Arc::new(Scan::read(attributes, true)?)) },
];

impl Scan {
    fn read(attributes: &[i64], product: bool) -> Option<Self> {
        let &[axis, exclusive, reverse] = attributes else { return None };
        Some(Self { axis: axis.try_into().ok()?, product, exclusive: flag(exclusive)?, reverse: flag(reverse)? })
    }

    fn run_typed<T: Copy>(&self, x: &[T], y: &mut [T], length: usize, stride: usize, start: [T; 2], combine: [fn(T, T) -> T; 2]) {
        let (start, combine) = (start[usize::from(self.product)], combine[usize::from(self.product)]);
        for block in 0..x.len() / (length * stride).max(1) {
            for offset in 0..stride {
                let mut total = start;
                for step in 0..length {
                    let position = if self.reverse { length - 1 - step } else { step };
                    let index = block * length * stride + position * stride + offset;
                    let next = combine(total, x[index]);
                    y[index] = if self.exclusive { total } else { next };
                    total = next;
                }
            }
        }
    }
}
