//! The same numbers looked at in another way: reshape, transpose, broadcast, slices.
//!
//! In: a tensor. Out: a view; plans read through views instead of copying where they can.

use std::ops::{Bound, Range, RangeBounds};

use crate::error::Error;
use crate::graph::{Node, NodeId, Op, Tensor, Trace, View};
use crate::shape::Shape;
use crate::site::Site;

/// The most parts of no elements that a tensor can be split into.
const MOST_EMPTY_PARTS: usize = 1 << 16;

/// The shape that a tensor is to have; one size may be `-1`, which follows from the others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no shape",
    note = "give the sizes of the axes: `[-1, 10]`, `[x.batch(), 10]`, `x.shape()`"
)]
pub trait NewShape {
    /// The shape of a tensor with that count of elements; or the sizes, where there is none.
    fn of(self, elements: usize) -> Result<Shape, Vec<i128>>;
}

impl<T: NewSize, const N: usize> NewShape for [T; N] {
    fn of(self, elements: usize) -> Result<Shape, Vec<i128>> {
        let sizes = self.map(NewSize::to_i128);
        let known = sizes
            .iter()
            .filter(|&&size| size >= 0)
            .fold(1_i128, |known, &size| known.saturating_mul(size));
        let open = sizes.iter().filter(|&&size| size < 0).count();
        let rest = (elements as i128)
            .checked_div(known)
            .filter(|rest| rest.saturating_mul(known) == elements as i128);
        match (open, rest) {
            (0, _) => Ok(sizes.iter().map(|&size| size as usize).collect()),
            (1, Some(rest)) if sizes.iter().all(|&size| size >= -1) => {
                Ok(sizes.iter().map(|&size| if size < 0 { rest } else { size } as usize).collect())
            }
            _ => Err(sizes.to_vec()),
        }
    }
}

/// A size of an axis, or `-1`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no size of an axis",
    note = "sizes are whole numbers of type `usize`, `isize` or `i32`; `-1` stands for what is left"
)]
pub trait NewSize: Copy {
    /// As a type that holds all of them.
    fn to_i128(self) -> i128;
}

impl NewSize for usize {
    fn to_i128(self) -> i128 {
        self as i128
    }
}

impl NewSize for isize {
    fn to_i128(self) -> i128 {
        self as i128
    }
}

impl NewSize for i32 {
    fn to_i128(self) -> i128 {
        self.into()
    }
}

macro_rules! new_shapes {
    ($($Type:ty)+) => {
        $(
            impl NewShape for $Type {
                fn of(self, _: usize) -> Result<Shape, Vec<i128>> {
                    Ok(self.into())
                }
            }
        )+
    };
}

new_shapes! { Shape &Shape Vec<usize> &[usize] () usize }

impl Tensor {
    /// The same row-major sequence in another shape of as many elements; one of its sizes may be
    /// `-1`, which is found out.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.reshape([2, 2]), x.reshape([-1, 1])]);
    /// let [square, column] = f.run([&[1, 2, 3, 4].into()])?;
    /// assert_eq!((square, column), ([[1, 2], [3, 4]].into(), [[1], [2], [3], [4]].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl NewShape) -> Tensor {
        let site = Site::caller();
        let shape = match shape.of(self.shape().len()) {
            Ok(shape) => shape,
            Err(sizes) => {
                let message = format!(
                    "cannot reshape {} to {sizes:?}: {} elements",
                    self.shape(),
                    self.shape().len()
                );
                let help = "one size may be -1, if the product of the others divides the number \
                    of elements";
                return self.fail(Error::shape(message, help), self.shape(), site);
            }
        };
        if shape.len() != self.shape().len() {
            let message = format!(
                "cannot reshape {} to {shape}: {} elements against {}",
                self.shape(),
                self.shape().len(),
                shape.len()
            );
            return self.fail(
                Error::shape(message, "the products of the sizes must be equal"),
                shape,
                site,
            );
        }
        if shape == *self.shape() {
            self.clone()
        } else {
            self.push(View::Reshape, &[self], shape, self.dtype(), site)
        }
    }

    /// All axes after the first in one: `[batch, a, b]` becomes `[batch, a * b]`.
    #[track_caller]
    pub fn flatten(&self) -> Tensor {
        self.reshape([self.batch(), self.shape().iter().skip(1).product()])
    }

    /// A new axis of size 1 at a position, counted from the end when negative.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.expand_dims(-1)]);
    /// assert_eq!(f.run([&[1, 2].into()])?[0], Array::from([[1], [2]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn expand_dims(&self, axis: isize) -> Tensor {
        let site = Site::caller();
        let rank = self.rank() as isize + 1;
        let position = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&position) {
            return self.fail(axis_error("expand_dims", axis, self.shape()), self.shape(), site);
        }
        let mut sizes = self.shape().to_vec();
        sizes.insert(position as usize, 1);
        self.reshape(sizes)
    }

    /// The tensor without an axis of size 1, counted from the end when negative.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.squeeze(-1)]);
    /// assert_eq!(f.run([&[[1], [2]].into()])?[0], Array::from([1, 2]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Tensor {
        let site = Site::caller();
        match self.shape().axis(axis) {
            Some(position) if self.shape()[position] == 1 => {
                self.reshape(self.shape().without(&[position]))
            }
            Some(position) => {
                let message = format!(
                    "`squeeze` needs an axis of size 1, but axis {axis} of {} has {}",
                    self.shape(),
                    self.shape()[position]
                );
                let help = "name an axis of size 1; `reshape` merges others";
                self.fail(Error::shape(message, help), self.shape().without(&[position]), site)
            }
            None => self.fail(axis_error("squeeze", axis, self.shape()), self.shape(), site),
        }
    }

    /// The axes in another order: axis `i` of the result is axis `permutation[i]` of this tensor.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.permute(&[1, 0])]);
    /// assert_eq!(
    ///     f.run([&[[1, 2, 3], [4, 5, 6]].into()])?[0],
    ///     Array::from([[1, 4], [2, 5], [3, 6]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn permute(&self, permutation: &[usize]) -> Tensor {
        let site = Site::caller();
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.rank()) {
            let message = format!(
                "`permute` of {}: {permutation:?} does not name every axis once",
                self.shape()
            );
            let help = format!(
                "name each of its {} axes once, counted from 0, in their new order",
                self.rank()
            );
            return self.fail(Error::argument(message, help), self.shape(), site);
        }
        let shape: Shape = permutation.iter().map(|&axis| self.shape()[axis]).collect();
        self.push(View::Transpose(permutation.to_vec()), &[self], shape, self.dtype(), site)
    }

    /// The last two axes swapped.
    #[track_caller]
    pub fn transpose(&self) -> Tensor {
        if self.rank() < 2 {
            return self.clone();
        }
        let mut permutation: Vec<usize> = (0..self.rank()).collect();
        permutation.swap(self.rank() - 2, self.rank() - 1);
        self.permute(&permutation)
    }

    /// Axes of size 1, and axes in front, repeated until the shape is `shape` (NumPy's rule).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.broadcast_to([2, 2])]);
    /// assert_eq!(f.run([&[1, 2].into()])?[0], Array::from([[1, 2], [1, 2]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Tensor {
        let (shape, site) = (shape.into(), Site::caller());
        if self.shape().broadcast(&shape).as_ref() != Some(&shape) {
            let message = format!("cannot broadcast {} to {shape}", self.shape());
            return self.fail(
                Error::shape(message, "sizes must be equal or 1, axis by axis from the last"),
                shape,
                site,
            );
        }
        self.expand(&shape, site)
    }

    /// With axes of size 1 after its own, up to this number of axes.
    #[track_caller]
    pub(crate) fn with_rank(&self, rank: usize) -> Tensor {
        let ones = std::iter::repeat_n(1, rank - self.rank());
        self.reshape(self.shape().iter().copied().chain(ones).collect::<Shape>())
    }

    /// Broadcasting to a shape already known to fit.
    pub(crate) fn expand(&self, shape: &Shape, site: Site) -> Tensor {
        if self.shape() == shape {
            return self.clone();
        }
        let aligned: Shape = std::iter::repeat_n(1, shape.rank() - self.rank())
            .chain(self.shape().iter().copied())
            .collect();
        let aligned_tensor = if &aligned == self.shape() {
            self.clone()
        } else {
            self.push(View::Reshape, &[self], &aligned, self.dtype(), site)
        };
        if aligned == *shape {
            return aligned_tensor;
        }
        aligned_tensor.push(View::Broadcast, &[&aligned_tensor], shape, self.dtype(), site)
    }

    /// The positions of a range along an axis (negative axes count from the end).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.slice(-1, 1..)]);
    /// assert_eq!(f.run([&[[1, 2, 3], [4, 5, 6]].into()])?[0], Array::from([[2, 3], [5, 6]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl RangeBounds<usize>) -> Tensor {
        self.slice_step(axis, range, 1)
    }

    /// What lies at a position of an axis, without the axis; negative axes and positions count from
    /// the end. `x[0]` in Keras is `x.at(0, 0)`, and `x[:, -1]` is `x.at(1, -1)`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.at(0, 1), x.at(1, -1)]);
    /// let [row, column] = f.run([&[[1, 2, 3], [4, 5, 6]].into()])?;
    /// assert_eq!((row, column), ([4, 5, 6].into(), [3, 6].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn at(&self, axis: isize, position: isize) -> Tensor {
        let site = Site::caller();
        let Some(place) = self.shape().axis(axis) else {
            return self.fail(axis_error("at", axis, self.shape()), self.shape(), site);
        };
        let (size, rest) = (self.shape()[place], self.shape().without(&[place]));
        let start = if position < 0 {
            size.checked_add_signed(position)
        } else {
            Some(position.unsigned_abs())
        };
        let Some(start) = start.filter(|&start| start < size) else {
            let message = format!("`at` {position} is not within axis {axis} of {}", self.shape());
            let help = "positions begin with 0, and -1 is the last one";
            return self.fail(Error::shape(message, help), rest, site);
        };
        self.slice(axis, start..start + 1).reshape(rest)
    }

    /// Every `step`-th position of a range along an axis; a negative step starts at the range's
    /// last position.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.slice_step(0, .., 2)]);
    /// assert_eq!(f.run([&[1, 2, 3, 4, 5].into()])?[0], Array::from([1, 3, 5]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn slice_step(&self, axis: isize, range: impl RangeBounds<usize>, step: isize) -> Tensor {
        let site = Site::caller();
        let Some(position) = self.shape().axis(axis) else {
            return self.fail(axis_error("slice", axis, self.shape()), self.shape(), site);
        };
        let size = self.shape()[position];
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => size,
        };
        if start > end || end > size || step == 0 {
            let message = format!(
                "`slice` {start}..{end} by {step} is not within axis {axis} of {}",
                self.shape()
            );
            return self.fail(
                Error::shape(message, "ranges lie within the axis and steps are not 0"),
                self.shape(),
                site,
            );
        }
        let Range { start, end } = start..end;
        let count = (end - start).div_ceil(step.unsigned_abs());
        // A step that leads nowhere may be of any size: none is as good.
        let step = if count < 2 { step.signum() } else { step };
        if (start, end, step) == (0, size, 1) {
            return self.clone();
        }
        let mut parts: Vec<(usize, isize)> = vec![(0, 1); self.rank()];
        parts[position] = (if step > 0 || count == 0 { start } else { end - 1 }, step);
        self.push(
            View::Slice(parts),
            &[self],
            self.shape().with(position, count),
            self.dtype(),
            site,
        )
    }

    /// Equal parts along an axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| {
    ///     let [left, right] = <[Tensor; 2]>::try_from(x.split(2, 0)).unwrap();
    ///     [left, right]
    /// });
    /// let [left, right] = f.run([&[1, 2, 3, 4].into()])?;
    /// assert_eq!((left, right), (Array::from([1, 2]), Array::from([3, 4])));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn split(&self, parts: usize, axis: isize) -> Vec<Tensor> {
        let site = Site::caller();
        let size = self.shape().axis(axis).map(|position| self.shape()[position]);
        let refused =
            |error: Error| vec![self.fail(error, self.shape(), site); parts.min(MOST_EMPTY_PARTS)];
        match size {
            // Parts may be empty, but must not fill the memory by their number alone.
            Some(size) if parts > 0 && size % parts == 0 && parts <= size.max(MOST_EMPTY_PARTS) => {
                let width = size / parts;
                (0..parts).map(|part| self.slice(axis, part * width..(part + 1) * width)).collect()
            }
            Some(size) => {
                let message = format!(
                    "cannot split axis {axis} of {} into {parts} equal parts",
                    self.shape()
                );
                let help = format!("their number must divide {size}; `slice` takes unequal parts");
                refused(Error::shape(message, help))
            }
            None => refused(axis_error("split", axis, self.shape())),
        }
    }

    /// The order of positions along an axis reversed.
    #[track_caller]
    pub fn flip(&self, axis: isize) -> Tensor {
        self.slice_step(axis, .., -1)
    }
}

/// The node behind views and conversions of a value.
pub(crate) fn seen_through(trace: &Trace, id: NodeId) -> Node {
    let mut node = trace.node(id);
    while let (Op::View(_) | Op::Cast, &[input]) = (&node.op, node.inputs.as_slice()) {
        node = trace.node(input);
    }
    node
}

/// The permutation that undoes another.
pub(super) fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (to, &from) in permutation.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}

/// The error for an axis that a shape does not have.
pub(crate) fn axis_error(operation: &str, axis: isize, shape: &Shape) -> Error {
    let message = format!(
        "`{operation}` along axis {axis} of a tensor of shape {shape}, which has {} axes",
        shape.rank()
    );
    Error::shape(message, "axes count from 0, or from -1 backwards from the last")
}

/// Gradients of views: the view undone, summed over what was repeated, zero where nothing was
/// looked at.
pub fn gradient(node: &Node, inputs: &[Tensor], dy: &Tensor) -> Vec<Option<Tensor>> {
    let Op::View(view) = &node.op else { unreachable!("called for views") };
    let x = &inputs[0];
    let dx = match view {
        View::Reshape => dy.reshape(x.shape()),
        View::Transpose(permutation) => dy.permute(&inverse(permutation)),
        View::Broadcast => {
            let repeated: Vec<isize> = (0..x.rank())
                .filter(|&axis| x.shape()[axis] != dy.shape()[axis])
                .map(|axis| axis as isize)
                .collect();
            dy.sum_axes(&repeated).reshape(x.shape())
        }
        View::Slice(parts) => dy.unslice(x.shape(), parts),
    };
    vec![Some(dx)]
}
