//! Parts of a tensor replaced, and rows added where indices say.
//!
//! In: a tensor, and what goes into it. Out: the tensor with it. Tensors do not change: the result
//! is another one.

use crate::error::Error;
use crate::graph::Tensor;
use crate::site::Site;

impl Tensor {
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
        let fits = self.rank() > 0
            && rows.rank() == self.rank()
            && rows.shape().sizes()[1..] == self.shape().sizes()[1..];
        if !fits {
            let message = format!("`scatter_add` of rows {} into {}", rows.shape(), self.shape());
            let help =
                "rows have the shape of those of the tensor, and a first axis that counts them";
            return self.fail(Error::shape(message, help), self.shape(), Site::caller());
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
