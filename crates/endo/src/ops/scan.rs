//! Running sums and products along an axis, and linear recurrences.
//!
//! In: a tensor, or two for a recurrence. Out: the same shape; each element combines those before
//! it (with or without itself), or after it. The gradients are recurrences too, so gradients of any
//! order take one pass along the axis.

use std::sync::Arc;

use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, flag,
};
use crate::shape::Shape;
use crate::simd::Float;
use crate::site::Site;

use super::view::axis_error;

/// Which elements a running sum or product takes in.
#[derive(Clone, Debug)]
struct Scan {
    axis: usize,
    product: bool,
    exclusive: bool,
    reverse: bool,
}

/// The linear recurrence `y[t] = b[t] + a[t] y[t - 1]` along an axis, 0 before the first; from the
/// end when reversed.
#[derive(Clone, Debug)]
struct Recurrence {
    axis: usize,
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
        self.scan(
            axis,
            |axis| Scan { axis, product: false, exclusive: false, reverse: false },
            Site::caller(),
        )
    }

    /// Running products along an axis; `exclusive` leaves out the element itself, `reverse` runs
    /// from the end.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.cumprod(0, true, false)]);
    /// assert_eq!(f.run([&[2, 3, 4].into()])?[0], Array::from([1, 2, 6]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize, exclusive: bool, reverse: bool) -> Tensor {
        self.scan(axis, |axis| Scan { axis, product: true, exclusive, reverse }, Site::caller())
    }

    /// `y[t] = b[t] + a[t] y[t - 1]` for this `a`.
    fn recurrence(&self, b: &Tensor, recurrence: Recurrence) -> Tensor {
        self.push(recurrence, &[self, b], self.shape(), self.dtype(), Site::caller())
    }

    /// Each element replaced by its neighbour along an axis: the one before, or after when
    /// reversed; 0 at the end.
    fn neighbours(&self, axis: usize, reverse: bool) -> Tensor {
        let length = self.shape()[axis];
        if length == 0 {
            return self.clone();
        }
        let mut parts = vec![(0, 1); self.rank()];
        parts[axis] = (usize::from(!reverse), 1);
        let kept = if reverse { 1..length } else { 0..length - 1 };
        self.slice(axis as isize, kept).unslice(self.shape(), &parts)
    }

    fn scan(&self, axis: isize, scan: impl Fn(usize) -> Scan, site: Site) -> Tensor {
        match self.shape().axis(axis) {
            Some(axis) => self.push(scan(axis), &[self], self.shape(), self.dtype(), site),
            None => self.fail(axis_error("cumsum", axis, self.shape()), self.shape(), site),
        }
    }
}

impl Kernel for Scan {
    fn name(&self) -> &'static str {
        if self.product { "cumprod" } else { "cumsum" }
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        macro_rules! run {
            ($type:ty, $x:expr, $y:expr, $sum:expr, $product:expr) => {{
                let combine: fn($type, $type) -> $type = if self.product { $product } else { $sum };
                let start = <$type>::from(self.product);
                along(inputs[0].shape, self.axis, self.reverse, start, |index, before| {
                    let next = combine(before, $x[index]);
                    $y[index] = if self.exclusive { before } else { next };
                    next
                });
            }};
        }
        match (inputs[0].values, output.values) {
            (Values::F32(x), ValuesMut::F32(y)) => run!(f32, x, y, |a, b| a + b, |a, b| a * b),
            (Values::F64(x), ValuesMut::F64(y)) => run!(f64, x, y, |a, b| a + b, |a, b| a * b),
            (Values::I32(x), ValuesMut::I32(y)) => {
                run!(i32, x, y, i32::wrapping_add, i32::wrapping_mul)
            }
            (Values::Bool(x), ValuesMut::Bool(y)) => run!(u8, x, y, |a, b| a | b, |a, b| a & b),
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let (axis, site) = (self.axis, Site::caller());
        if !self.product {
            let undo = Scan { reverse: !self.reverse, ..self.clone() };
            return vec![Some(dy.scan(axis as isize, |_| undo.clone(), site))];
        }
        // The slope at x[i] is the product of all before it times r[i] = dy[i] + x[i + 1] r[i + 1],
        // the sum over the products that hold it without what comes before: exact also where
        // elements are 0. An exclusive product holds x[i] one position later.
        let x = &inputs[0];
        let before =
            x.scan(axis as isize, |axis| Scan { axis, exclusive: true, ..self.clone() }, site);
        let next = |x: &Tensor| x.neighbours(axis, !self.reverse);
        let dy = if self.exclusive { next(dy) } else { dy.clone() };
        let after = next(x).recurrence(&dy, Recurrence { axis, reverse: !self.reverse });
        vec![Some(before * after)]
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.axis as i64, i64::from(self.exclusive), i64::from(self.reverse)]
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        *inputs == [output] && self.axis < output.0.rank()
    }
}

impl Kernel for Recurrence {
    fn name(&self) -> &'static str {
        "linear_recurrence"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        fn run<T: Float>(recurrence: &Recurrence, shape: &Shape, a: &[T], b: &[T], y: &mut [T]) {
            along(shape, recurrence.axis, recurrence.reverse, T::ZERO, |index, before| {
                y[index] = b[index] + a[index] * before;
                y[index]
            });
        }
        let shape = inputs[0].shape;
        match (inputs[0].values, inputs[1].values, output.values) {
            (Values::F32(a), Values::F32(b), ValuesMut::F32(y)) => run(self, shape, a, b, y),
            (Values::F64(a), Values::F64(b), ValuesMut::F64(y)) => run(self, shape, a, b, y),
            _ => unreachable!("recurrences are of floats of one type"),
        }
    }

    /// The slope at `b` is the recurrence `db[t] = dy[t] + a[t + 1] db[t + 1]`, and that at `a` is
    /// `db[t] y[t - 1]`.
    fn gradient(&self, inputs: &[Tensor], y: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let back = Recurrence { reverse: !self.reverse, ..self.clone() };
        let db = inputs[0].neighbours(self.axis, !self.reverse).recurrence(dy, back);
        vec![Some(&db * y.neighbours(self.axis, self.reverse)), Some(db)]
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.axis as i64, i64::from(self.reverse)]
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        *inputs == [output, output] && output.1.is_float() && self.axis < output.0.rank()
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("cumsum", |attributes| Some(Arc::new(Scan::read(attributes, false)?))),
    KernelReader::new("cumprod", |attributes| Some(Arc::new(Scan::read(attributes, true)?))),
    KernelReader::new("linear_recurrence", |attributes| {
        let &[axis, reverse] = attributes else { return None };
        Some(Arc::new(Recurrence { axis: axis.try_into().ok()?, reverse: flag(reverse)? }))
    }),
];

impl Scan {
    fn read(attributes: &[i64], product: bool) -> Option<Self> {
        let &[axis, exclusive, reverse] = attributes else { return None };
        Some(Self {
            axis: axis.try_into().ok()?,
            product,
            exclusive: flag(exclusive)?,
            reverse: flag(reverse)?,
        })
    }
}

/// Goes along an axis from one end to the other, for each position of the other axes: `step` gets
/// the place of an element and what it returned for the one before, `start` at first.
fn along<T: Copy>(
    shape: &Shape,
    axis: usize,
    reverse: bool,
    start: T,
    mut step: impl FnMut(usize, T) -> T,
) {
    if shape.is_empty() {
        return; // however long its other axes are
    }
    let (length, stride) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    for block in 0..shape.len() / (length * stride) {
        for offset in 0..stride {
            let mut total = start;
            for step_number in 0..length {
                let position = if reverse { length - 1 - step_number } else { step_number };
                total = step((block * length + position) * stride + offset, total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn the_second_gradient_of_a_running_product_has_as_many_operations_for_any_length() {
        let slope = |x: &Tensor, y: &Tensor, cx: &mut Context| {
            let loss = y.square().sum();
            cx.gradients(&loss, [x]).into_tensors().remove(0).unwrap()
        };
        let operations = |length: usize| {
            let mut f = Function::new(|[x], cx| {
                let first = slope(&x, &x.cumprod(0, false, false), cx);
                [slope(&x, &first, cx)]
            });
            f.graph([&Array::full([length], 1.01, DType::F64)]).unwrap().nodes.len()
        };
        assert_eq!(operations(1000), operations(20));
        assert!(operations(20) < 100);
    }
}
