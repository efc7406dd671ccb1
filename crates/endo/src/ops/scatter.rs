//! Parts of a tensor replaced, and rows added where indices say.
//!
//! In: a tensor, and what goes into it. Out: the tensor with it. Tensors do not change: the result
//! is another one.

use std::sync::Arc;

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut};
use crate::site::Site;

use super::gather::{in_range, position};

/// Rows put in the place of those of the numbers given.
#[derive(Debug)]
struct ScatterUpdate;

impl Tensor {
    /// With rows in the place of those of these numbers, along the first axis; of several with one
    /// number the last one stays, and numbers out of range are left out. Keras's
    /// `ops.scatter_update` of rows.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, rows], cx| {
    ///     let numbers = cx.constant([2, 0]);
    ///     [x.scatter_update(&numbers, &rows)]
    /// });
    /// let (x, rows) = ([[1.0_f32], [2.0], [3.0]].into(), [[10.0_f32], [20.0]].into());
    /// assert_eq!(f.run([&x, &rows])?[0], Array::from([[20.0_f32], [2.0], [10.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_update(&self, numbers: &Tensor, rows: &Tensor) -> Tensor {
        let site = Site::caller();
        if let Some(error) = self.unfit("scatter_update", numbers, rows) {
            return self.fail(error, self.shape(), site);
        }
        let (numbers, rows) = (numbers.convert(DType::I32, site), rows.convert(self.dtype(), site));
        self.push(ScatterUpdate, &[self, &numbers, &rows], self.shape(), self.dtype(), site)
    }

    /// What is wrong with rows for the rows of these numbers, if anything.
    fn unfit(&self, what: &str, numbers: &Tensor, rows: &Tensor) -> Option<Error> {
        let fits = self.rank() > 0
            && rows.rank() == self.rank()
            && rows.shape()[1..] == self.shape()[1..]
            && numbers.shape().sizes() == [rows.batch()];
        let error = || {
            let message = format!(
                "`{what}` of rows {} and numbers {} into {}",
                rows.shape(),
                numbers.shape(),
                self.shape()
            );
            let help = "rows have the shape of those of the tensor, and a first axis that counts \
                them; there is one number for each";
            Error::shape(message, help)
        };
        (!fits).then(error)
    }

    /// With rows added to those of these numbers, along the first axis; what has one number twice
    /// is added twice, and numbers out of range are left out. `tf.tensor_scatter_nd_add` of rows.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, rows], cx| {
    ///     let numbers = cx.constant([2, 0, 2]);
    ///     [x.scatter_add(&numbers, &rows)]
    /// });
    /// let (x, rows) = ([[1.0_f32], [2.0], [3.0]].into(), [[10.0_f32], [20.0], [30.0]].into());
    /// assert_eq!(f.run([&x, &rows])?[0], Array::from([[21.0_f32], [2.0], [43.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_add(&self, numbers: &Tensor, rows: &Tensor) -> Tensor {
        if let Some(error) = self.unfit("scatter_add", numbers, rows) {
            return self.fail(error, self.shape(), Site::caller());
        }
        self + rows.segment_sum(numbers, self.batch())
    }

    /// With another tensor in the place of a part of an axis, from `start` on. Keras's
    /// `ops.slice_update`, along one axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, part], _| [x.slice_update(1, 1, &part)]);
    /// let (x, part) = ([[1.0_f32, 2.0, 3.0]].into(), [[9.0_f32]].into());
    /// assert_eq!(f.run([&x, &part])?[0], Array::from([[1.0_f32, 9.0, 3.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn slice_update(&self, axis: isize, start: usize, part: &Tensor) -> Tensor {
        let site = Site::caller();
        let fits = |position: usize| {
            let (length, size) = (part.shape()[position], self.shape()[position]);
            part.shape().with(position, size) == *self.shape()
                && start.checked_add(length).is_some_and(|end| end <= size)
        };
        let position = self
            .shape()
            .axis(axis)
            .filter(|&position| part.rank() == self.rank() && fits(position));
        let Some(position) = position else {
            let message = format!(
                "`slice_update` of axis {axis} of {} from {start} on by {}",
                self.shape(),
                part.shape()
            );
            let help =
                "the part has the sizes of the tensor but along the axis, where it ends within it";
            return self.fail(Error::shape(message, help), self.shape(), site);
        };
        let end = start + part.shape()[position];
        let (axis, part) = (position as isize, part.convert(self.dtype(), site));
        let parts = [self.slice(axis, ..start), part, self.slice(axis, end..)];
        let parts: Vec<Tensor> =
            parts.into_iter().filter(|part| part.shape()[position] > 0).collect();
        if parts.is_empty() { self.clone() } else { Tensor::concatenate(&parts, axis) }
    }
}

impl Kernel for ScatterUpdate {
    fn name(&self) -> &'static str {
        "scatter_update"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let Values::I32(numbers) = inputs[0].values else {
            unreachable!("numbers are converted to i32")
        };
        let count = output.shape.batch();
        let size = output.shape[1..].iter().product();
        if size == 0 {
            return; // however many empty rows there are
        }
        macro_rules! put {
            ($from:expr, $to:expr) => {
                for (&number, row) in numbers.iter().zip($from.chunks_exact(size)) {
                    if let Some(place) = position(number, count) {
                        $to[place * size..][..size].copy_from_slice(row);
                    }
                }
            };
        }
        match (inputs[1].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => put!(from, to),
            (Values::F64(from), ValuesMut::F64(to)) => put!(from, to),
            (Values::I32(from), ValuesMut::I32(to)) => put!(from, to),
            (Values::Bool(from), ValuesMut::Bool(to)) => put!(from, to),
            _ => unreachable!("rows are converted to the tensor's type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let [x, numbers, rows] = inputs else { unreachable!("it has three inputs") };
        let (site, zeros) = (Site::caller(), rows.constant_like(0.0));
        let around = dy.scatter_update(numbers, &zeros.broadcast_to(rows.shape()));
        // Of several rows with one number, the last one is there; of numbers out of range, none.
        let own = x.trace().constant_from_fn([rows.batch()], |place| place as i32, site);
        let none = x.trace().constant_from_fn([x.batch()], |_| -1_i32, site);
        let last = none.scatter_update(numbers, &own).gather(numbers, 0);
        let stays = last.equal(&own) & in_range(numbers, x.batch() as i32);
        let stays = stays.with_rank(rows.rank());
        vec![Some(around), None, Some(stays.where_(dy.gather(numbers, 0), zeros))]
    }

    fn attributes(&self) -> Vec<i64> {
        Vec::new()
    }

    fn changes_first(&self) -> bool {
        true
    }

    fn fits(&self, inputs: &[Form<'_>], output: Form<'_>) -> bool {
        let &[x, (numbers, DType::I32), (rows, dtype)] = inputs else { return false };
        x == output
            && dtype == output.1
            && rows.rank() == output.0.rank()
            && rows.rank() > 0
            && rows[1..] == output.0[1..]
            && numbers.sizes() == [rows.batch()]
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[KernelReader::new("scatter_update", |attributes| {
    attributes.is_empty().then(|| Arc::new(ScatterUpdate) as Arc<dyn Kernel>)
})];
