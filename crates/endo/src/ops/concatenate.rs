//! Tensors put side by side, padded and repeated.
//!
//! In: tensors whose other axes agree. Out: one tensor; the gradient takes it apart again.

use std::sync::Arc;

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, View, looks,
    slice_parts,
};
use crate::shape::Shape;
use crate::site::Site;

use super::view::axis_error;

#[derive(Debug)]
struct Concatenate {
    axis: usize,
}

impl Tensor {
    /// Tensors end to end along an axis; types are promoted. At least one tensor is needed.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], _cx| [Tensor::concatenate(&[a, b], -1)]);
    /// assert_eq!(
    ///     f.run([&[[1], [2]].into(), &[[3, 4], [5, 6]].into()])?[0],
    ///     Array::from([[1, 3, 4], [2, 5, 6]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `tensors` is empty: there is no trace to record an error in.
    #[track_caller]
    pub fn concatenate(tensors: &[Tensor], axis: isize) -> Tensor {
        let site = Site::caller();
        let first = tensors.first().expect("`concatenate` needs at least one tensor");
        let Some(axis) = first.shape().axis(axis) else {
            return first.fail(axis_error("concatenate", axis, first.shape()), first.shape(), site);
        };
        let outer =
            |x: &Tensor| if x.rank() > axis { x.shape().with(axis, 0) } else { Shape::scalar() };
        if let Some(other) = tensors.iter().find(|other| outer(other) != outer(first)) {
            let message = format!(
                "`concatenate` along axis {axis} of shapes {} and {}: other axes differ",
                first.shape(),
                other.shape()
            );
            return first.fail(
                Error::shape(message, "all axes but one must have equal sizes"),
                first.shape(),
                site,
            );
        }
        let dtype = tensors.iter().map(Tensor::dtype).reduce(DType::promote).expect("not empty");
        let parts: Vec<Tensor> = tensors.iter().map(|part| part.convert(dtype, site)).collect();
        let size = parts.iter().map(|part| part.shape()[axis]).fold(0, usize::saturating_add);
        let inputs: Vec<&Tensor> = parts.iter().collect();
        first.push(Concatenate { axis }, &inputs, first.shape().with(axis, size), dtype, site)
    }

    /// Tensors of one shape along a new axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[a, b], _cx| [Tensor::stack(&[a, b], 0)]);
    /// assert_eq!(f.run([&[1, 2].into(), &[3, 4].into()])?[0], Array::from([[1, 2], [3, 4]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `tensors` is empty.
    #[track_caller]
    pub fn stack(tensors: &[Tensor], axis: isize) -> Tensor {
        let expanded: Vec<Tensor> = tensors.iter().map(|tensor| tensor.expand_dims(axis)).collect();
        Self::concatenate(&expanded, axis)
    }

    /// The tensor with `before` and `after` elements of `value` added at the ends of each axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.pad(&[(1, 2)], 0.0)]);
    /// assert_eq!(f.run([&[5, 6].into()])?[0], Array::from([0, 5, 6, 0, 0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], value: f64) -> Tensor {
        let site = Site::caller();
        if widths.len() != self.rank() {
            let message = format!(
                "`pad` needs a pair of widths for each axis of {}, got {}",
                self.shape(),
                widths.len()
            );
            let help = "give `(before, after)` for every axis, and `(0, 0)` for those that stay \
                as they are";
            return self.fail(Error::argument(message, help), self.shape(), site);
        }
        let mut padded = self.clone();
        for (axis, &(before, after)) in widths.iter().enumerate() {
            let fill = |width: usize| {
                self.constant_like(value).expand(&padded.shape().with(axis, width), site)
            };
            let mut parts = Vec::new();
            if before > 0 {
                parts.push(fill(before));
            }
            parts.push(padded.clone());
            if after > 0 {
                parts.push(fill(after));
            }
            if parts.len() > 1 {
                padded = Self::concatenate(&parts, axis as isize);
            }
        }
        padded
    }

    /// The tensor repeated along each axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.tile(&[2])]);
    /// assert_eq!(f.run([&[5, 6].into()])?[0], Array::from([5, 6, 5, 6]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(&self, repeats: &[usize]) -> Tensor {
        let site = Site::caller();
        if repeats.len() != self.rank() {
            let message = format!(
                "`tile` needs a count for each axis of {}, got {}",
                self.shape(),
                repeats.len()
            );
            let help = "give a count for every axis, and 1 for those that stay as they are";
            return self.fail(Error::argument(message, help), self.shape(), site);
        }
        let split: Shape = self.shape().iter().flat_map(|&size| [1, size]).collect();
        let repeated: Shape =
            self.shape().iter().zip(repeats).flat_map(|(&size, &count)| [count, size]).collect();
        let merged: Shape = self
            .shape()
            .iter()
            .zip(repeats)
            .map(|(&size, &count)| size.saturating_mul(count))
            .collect();
        self.reshape(split).expand(&repeated, site).reshape(merged)
    }
}

impl Kernel for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let row = |shape: &Shape| shape[self.axis..].iter().product::<usize>();
        let width = row(output.shape);
        macro_rules! copy {
            ($Variant:ident, $target:expr) => {{
                let mut start = 0;
                for input in inputs {
                    let Values::$Variant(source) = input.values else {
                        unreachable!("all parts have one type")
                    };
                    let part = row(input.shape);
                    if part > 0 {
                        for (to, from) in
                            $target.chunks_exact_mut(width).zip(source.chunks_exact(part))
                        {
                            to[start..start + part].copy_from_slice(from);
                        }
                    }
                    start += part;
                }
            }};
        }
        match output.values {
            ValuesMut::F32(target) => copy!(F32, target),
            ValuesMut::F64(target) => copy!(F64, target),
            ValuesMut::I32(target) => copy!(I32, target),
            ValuesMut::Bool(target) => copy!(Bool, target),
        }
    }

    fn by_samples(&self) -> bool {
        self.axis > 0
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let mut start = 0;
        inputs
            .iter()
            .map(|input| {
                let end = start + input.shape()[self.axis];
                let part = dy.slice(self.axis as isize, start..end);
                start = end;
                Some(part)
            })
            .collect()
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.axis as i64]
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let is_part = |&(part, of): &Form| {
            of == dtype
                && part.rank() == shape.rank()
                && part.with(self.axis, 0) == shape.with(self.axis, 0)
        };
        let size =
            || inputs.iter().try_fold(0_usize, |sum, (part, _)| sum.checked_add(part[self.axis]));
        self.axis < shape.rank() && inputs.iter().all(is_part) && size() == Some(shape[self.axis])
    }
}

/// Puts a slice back where it was taken from, with zeros elsewhere: the gradient of a slice.
#[derive(Debug)]
struct Unslice {
    parts: Vec<(usize, isize)>,
}

impl Tensor {
    /// Zeros of a shape with this tensor's elements at the positions that a slice looked at.
    pub(crate) fn unslice(&self, shape: &Shape, parts: &[(usize, isize)]) -> Tensor {
        let kernel = Unslice { parts: parts.to_vec() };
        self.push(kernel, &[self], shape, self.dtype(), Site::caller())
    }
}

impl Kernel for Unslice {
    fn name(&self) -> &'static str {
        "unslice"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        fn scatter<T: Copy>(
            parts: &[(usize, isize)],
            small: &Shape,
            large: &Shape,
            from: &[T],
            to: &mut [T],
            axis: usize,
            base: [usize; 2],
        ) {
            let [source, target] = base;
            let strides = |shape: &Shape| shape[axis + 1..].iter().product::<usize>();
            let (first, step) = parts[axis];
            for position in 0..small[axis] {
                let index = (first as isize + position as isize * step) as usize;
                let base = [source + position * strides(small), target + index * strides(large)];
                if axis + 1 == small.rank() {
                    to[base[1]] = from[base[0]];
                } else {
                    scatter(parts, small, large, from, to, axis + 1, base);
                }
            }
        }
        let small = inputs[0].shape;
        if output.shape.is_empty() {
            return; // however long its other axes are
        }
        macro_rules! run {
            ($from:expr, $to:expr, $zero:expr) => {{
                $to.fill($zero);
                if small.rank() == 0 {
                    $to.copy_from_slice($from)
                } else if !small.is_empty() {
                    scatter(&self.parts, small, output.shape, $from, $to, 0, [0, 0])
                }
            }};
        }
        match (inputs[0].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => run!(from, to, 0.0),
            (Values::F64(from), ValuesMut::F64(to)) => run!(from, to, 0.0),
            (Values::I32(from), ValuesMut::I32(to)) => run!(from, to, 0),
            (Values::Bool(from), ValuesMut::Bool(to)) => run!(from, to, 0),
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let site = Site::caller();
        let view = View::Slice(self.parts.clone());
        vec![Some(dy.push(view, &[dy], inputs[0].shape(), dy.dtype(), site))]
    }

    fn attributes(&self) -> Vec<i64> {
        self.parts.iter().flat_map(|&(first, step)| [first as i64, step as i64]).collect()
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(slice, of)] = inputs else { return false };
        of == dtype && looks(&View::Slice(self.parts.clone()), shape, slice)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("concatenate", |attributes| {
        let &[axis] = attributes else { return None };
        Some(Arc::new(Concatenate { axis: axis.try_into().ok()? }))
    }),
    KernelReader::new("unslice", |attributes| {
        Some(Arc::new(Unslice { parts: slice_parts(attributes)? }))
    }),
];
