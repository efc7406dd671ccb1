//! Elements picked by index, and added back by index; one-hot rows.
//!
//! In: values and `i32` indices, negative ones counting from the end. Out: the values picked. An
//! index out of range picks NaN (0 for integers and truth values), which the checks of a training
//! step then find.

use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, flag,
};
use crate::shape::Shape;
use crate::site::Site;

use super::view::axis_error;

/// Whole positions of an axis, for every index; with `along`, one element for every index, which
/// has the values' rank.
#[derive(Clone, Debug)]
struct Gather {
    axis: usize,
    along: bool,
}

/// The gradient of [`Gather`]: values added where they were picked; and sums by index.
#[derive(Clone, Debug)]
struct ScatterAdd {
    gather: Gather,
    shape: Shape,
}

impl Tensor {
    /// Positions of an axis by index: `[4, 3]` gathered along axis 0 by indices `[2, 5]` is
    /// `[2, 5, 3]` (Keras's `ops.take`).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, i], _cx| [x.gather(&i, 0)]);
    /// let picked = f.run([&[[1, 2], [3, 4]].into(), &[1, 0, 1].into()])?;
    /// assert_eq!(picked[0], Array::from([[3, 4], [1, 2], [3, 4]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(&self, indices: &Tensor, axis: isize) -> Tensor {
        let site = Site::caller();
        let Some(axis) = self.shape().axis(axis) else {
            return self.fail(axis_error("gather", axis, self.shape()), self.shape(), site);
        };
        let shape = around(self.shape(), axis, indices.shape());
        self.push(
            Gather { axis, along: false },
            &[self, &indices.indices(site)],
            shape,
            self.dtype(),
            site,
        )
    }

    /// One element along an axis for every index; `indices` has this tensor's shape but for that
    /// axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, i], _cx| [x.take_along_axis(&i, -1)]);
    /// assert_eq!(
    ///     f.run([&[[1, 2], [3, 4]].into(), &[[1], [0]].into()])?[0],
    ///     Array::from([[2], [3]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn take_along_axis(&self, indices: &Tensor, axis: isize) -> Tensor {
        let site = Site::caller();
        let Some(axis) = self.shape().axis(axis) else {
            return self.fail(
                axis_error("take_along_axis", axis, self.shape()),
                self.shape(),
                site,
            );
        };
        if indices.rank() != self.rank()
            || indices.shape().with(axis, 0) != self.shape().with(axis, 0)
        {
            let message = format!(
                "`take_along_axis` of {} by indices {}: only axis {axis} may differ",
                self.shape(),
                indices.shape()
            );
            let help = "give indices of the tensor's shape but for that axis, or take whole \
                slices with `gather`";
            return self.fail(Error::shape(message, help), indices.shape(), site);
        }
        let kernel = Gather { axis, along: true };
        self.push(kernel, &[self, &indices.indices(site)], indices.shape(), self.dtype(), site)
    }

    /// Sums of the elements, or rows, that share an index: `[n, ..]` by indices `[n]` is
    /// `[count, ..]`, 0 where none goes (Keras's `ops.segment_sum`). Those whose index is out of
    /// range are left out; negative ones count from the end.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, segments], _cx| [x.segment_sum(&segments, 3)]);
    /// let sums = f.run([&[1.0_f32, 2.0, 4.0].into(), &[2, 0, 2].into()])?;
    /// assert_eq!(sums[0], Array::from([2.0_f32, 0.0, 5.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn segment_sum(&self, segments: &Tensor, count: usize) -> Tensor {
        let site = Site::caller();
        if self.rank() == 0 || segments.shape().sizes() != [self.batch()] {
            let message =
                format!("`segment_sum` of {} by indices {}", self.shape(), segments.shape());
            let help = "give one index for each position of the first axis; `reshape` both first";
            return self.fail(Error::shape(message, help), [count], site);
        }
        let shape = self.shape().with(0, count);
        let kernel = ScatterAdd { gather: Gather { axis: 0, along: false }, shape: shape.clone() };
        let values = self.countable(site);
        values.push(kernel, &[&values, &segments.indices(site)], shape, values.dtype(), site)
    }

    /// Rows of `depth` numbers, 1 at the index and 0 elsewhere; all 0 for an index out of range. Of
    /// type `f32`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.one_hot(3)]);
    /// assert_eq!(
    ///     f.run([&[2, 0].into()])?[0],
    ///     Array::from([[0.0_f32, 0.0, 1.0], [1.0, 0.0, 0.0]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, depth: usize) -> Tensor {
        let site = Site::caller();
        let classes = self.trace().constant_from_fn([depth], |i| i as i32, site);
        self.indices(site).expand_dims(-1).equal(&classes).convert(DType::F32, site)
    }

    fn indices(&self, site: Site) -> Tensor {
        self.convert(DType::I32, site)
    }
}

/// A shape with the axes of indices in the place of one of its own.
fn around(shape: &Shape, axis: usize, indices: &Shape) -> Shape {
    [&shape[..axis], indices, &shape[axis + 1..]].concat().into()
}

/// Where an index leads along an axis of a size, if it is in range.
pub(super) fn position(index: i32, size: usize) -> Option<usize> {
    let index = if index < 0 { index as isize + size as isize } else { index as isize };
    (0..size as isize).contains(&index).then_some(index as usize)
}

/// Which indices of an axis of a size are in range.
pub(crate) fn in_range(indices: &Tensor, size: i32) -> Tensor {
    indices.less(size) & indices.greater_equal(-size)
}

impl Gather {
    fn read(attributes: &[i64], along: bool) -> Option<Self> {
        let &[axis] = attributes else { return None };
        Some(Self { axis: axis.try_into().ok()?, along })
    }

    /// Calls `visit(output index, Some(input index) or None when out of range, run length)` for
    /// every run of elements.
    fn each(
        &self,
        shape: &Shape,
        indices: &[i32],
        mut visit: impl FnMut(usize, Option<usize>, usize),
    ) {
        let size = shape[self.axis];
        let inner: usize = shape[self.axis + 1..].iter().product();
        let outer: usize = shape[..self.axis].iter().product();
        if inner == 0 || indices.is_empty() {
            return; // however many empty runs there are
        }
        let position = |index: i32| position(index, size);
        if self.along {
            let count = indices.len() / (outer * inner).max(1);
            for (at, &index) in indices.iter().enumerate() {
                let (block, offset) = (at / (count * inner).max(1), at % inner.max(1));
                visit(at, position(index).map(|index| (block * size + index) * inner + offset), 1);
            }
        } else {
            for block in 0..outer {
                for (at, &index) in indices.iter().enumerate() {
                    visit(
                        (block * indices.len() + at) * inner,
                        position(index).map(|index| (block * size + index) * inner),
                        inner,
                    );
                }
            }
        }
    }
}

impl Kernel for Gather {
    fn name(&self) -> &'static str {
        if self.along { "take_along_axis" } else { "gather" }
    }

    fn complaint(&self, inputs: &[&Array]) -> Option<String> {
        let size = inputs[0].shape()[self.axis];
        let range = -(size as f64)..size as f64;
        let wrong = (0..inputs[1].len())
            .map(|place| inputs[1].get(place))
            .find(|index| !range.contains(index))?;
        Some(format!("`{}` was asked for the index {wrong} of an axis of {size}", self.name()))
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let Values::I32(indices) = inputs[1].values else {
            unreachable!("indices are converted to i32")
        };
        macro_rules! pick {
            ($from:expr, $to:expr, $missing:expr) => {
                self.each(inputs[0].shape, indices, |to, from, run| match from {
                    Some(from) => $to[to..to + run].copy_from_slice(&$from[from..from + run]),
                    None => $to[to..to + run].fill($missing),
                })
            };
        }
        match (inputs[0].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => pick!(from, to, f32::NAN),
            (Values::F64(from), ValuesMut::F64(to)) => pick!(from, to, f64::NAN),
            (Values::I32(from), ValuesMut::I32(to)) => pick!(from, to, 0),
            (Values::Bool(from), ValuesMut::Bool(to)) => pick!(from, to, 0),
            _ => unreachable!("input and output have one type"),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let kernel = ScatterAdd { gather: self.clone(), shape: inputs[0].shape().clone() };
        let shape = inputs[0].shape();
        vec![Some(dy.push(kernel, &[dy, &inputs[1]], shape, dy.dtype(), Site::caller())), None]
    }

    fn attributes(&self) -> Vec<i64> {
        vec![self.axis as i64]
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(x, of), (indices, DType::I32)] = inputs else { return false };
        let picked = || {
            if self.along {
                (x.rank() == indices.rank() && x.with(self.axis, 0) == indices.with(self.axis, 0))
                    .then(|| indices.clone())
            } else {
                Some(around(x, self.axis, indices))
            }
        };
        of == dtype && self.axis < x.rank() && picked().as_ref() == Some(shape)
    }
}

impl Kernel for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let Values::I32(indices) = inputs[1].values else {
            unreachable!("indices are converted to i32")
        };
        macro_rules! add {
            ($from:expr, $to:expr, $plus:expr) => {{
                $to.fill(Default::default());
                self.gather.each(&self.shape, indices, |from, to, run| {
                    if let Some(to) = to {
                        for (sum, x) in $to[to..to + run].iter_mut().zip(&$from[from..from + run]) {
                            *sum = $plus(*sum, *x);
                        }
                    }
                })
            }};
        }
        match (inputs[0].values, output.values) {
            (Values::F32(from), ValuesMut::F32(to)) => add!(from, to, |a: f32, b: f32| a + b),
            (Values::F64(from), ValuesMut::F64(to)) => add!(from, to, |a: f64, b: f64| a + b),
            (Values::I32(from), ValuesMut::I32(to)) => add!(from, to, i32::wrapping_add),
            _ => unreachable!(
                "input and output have one type, and truth values are counted as integers"
            ),
        }
    }

    fn gradient(&self, inputs: &[Tensor], _: &Tensor, dy: &Tensor) -> Vec<Option<Tensor>> {
        let gather = self.gather.clone();
        let (indices, Gather { axis, along }) = (&inputs[1], &self.gather);
        let picked = dy.push(gather, &[dy, indices], inputs[0].shape(), dy.dtype(), Site::caller());
        // What was left out has no part in the sums.
        let mut is_in = in_range(indices, self.shape[*axis] as i32);
        if !along {
            let before = std::iter::repeat_n(1, *axis);
            let after = std::iter::repeat_n(1, picked.rank() - axis - indices.rank());
            is_in = is_in.reshape(
                before.chain(indices.shape().iter().copied()).chain(after).collect::<Vec<usize>>(),
            );
        }
        vec![Some(is_in.where_(picked, dy.constant_like(0.0))), None]
    }

    fn attributes(&self) -> Vec<i64> {
        let own = [self.gather.axis as i64, i64::from(self.gather.along)];
        own.into_iter().chain(self.shape.iter().map(|&size| size as i64)).collect()
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[values, indices] = inputs else { return false };
        dtype != DType::Bool
            && *shape == self.shape
            && self.gather.fits(&[(shape, dtype), indices], values)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("gather", |attributes| Some(Arc::new(Gather::read(attributes, false)?))),
    KernelReader::new("take_along_axis", |attributes| {
        Some(Arc::new(Gather::read(attributes, true)?))
    }),
    KernelReader::new("scatter_add", |attributes| {
        let [axis, along, sizes @ ..] = attributes else { return None };
        let shape = sizes.iter().map(|&size| size.try_into().ok()).collect::<Option<Shape>>()?;
        Some(Arc::new(ScatterAdd { gather: Gather::read(&[*axis], flag(*along)?)?, shape }))
    }),
];
