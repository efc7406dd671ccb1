//! Orders: sorting, the largest k, the position of the extreme.
//!
//! In: a tensor and an axis. Out: values with gradients, or `i32` positions without. Ties keep
//! their order; NaN comes last.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{
    Form, Kernel, KernelReader, Operand, OperandMut, Tensor, Values, ValuesMut, flag,
};
use crate::shape::Shape;
use crate::site::Site;

use super::view::axis_error;

/// The positions that sort the last axis.
#[derive(Debug)]
struct Argsort {
    descending: bool,
}

/// The position of the largest (or smallest) element of the last axis.
#[derive(Debug)]
struct ArgExtreme {
    smallest: bool,
}

impl Tensor {
    /// The positions that would sort along an axis.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.argsort(-1, false)]);
    /// assert_eq!(f.run([&[3.0_f32, 1.0, 2.0].into()])?[0], Array::from([1, 2, 0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Tensor {
        let site = Site::caller();
        self.along_last("argsort", axis, site, |x| {
            x.push(Argsort { descending }, &[x], x.shape(), DType::I32, site)
        })
    }

    /// The elements in ascending order along an axis.
    #[track_caller]
    pub fn sort(&self, axis: isize) -> Tensor {
        self.take_along_axis(&self.argsort(axis, false), axis)
    }

    /// The `k` largest elements of the last axis, largest first, and their positions (TensorFlow's
    /// `top_k`).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| x.top_k(2).into());
    /// let [values, positions] = f.run([&[3.0_f32, 1.0, 2.0].into()])?;
    /// assert_eq!((values, positions), (Array::from([3.0_f32, 2.0]), Array::from([0, 2])));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn top_k(&self, k: usize) -> (Tensor, Tensor) {
        let site = Site::caller();
        if k > self.features() {
            let message = format!("`top_k` of {k} elements from an axis of {}", self.features());
            let help =
                format!("`k` must be at most {}, the size of the last axis", self.features());
            let stand_in = self.fail(Error::argument(message, help), self.shape(), site);
            return (stand_in.clone(), stand_in.convert(DType::I32, site));
        }
        let positions = self.argsort(-1, true).slice(-1, 0..k);
        let values =
            if self.rank() == 0 { self.clone() } else { self.take_along_axis(&positions, -1) };
        (values, positions)
    }

    /// The position of the largest element along an axis, the first of those that tie.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.argmax(-1)]);
    /// assert_eq!(f.run([&[[1.0_f32, 3.0, 2.0]].into()])?[0], Array::from([1]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        self.arg_extreme("argmax", axis, false, Site::caller())
    }

    /// The position of the smallest element along an axis, the first of those that tie.
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        self.arg_extreme("argmin", axis, true, Site::caller())
    }

    fn arg_extreme(&self, name: &str, axis: isize, smallest: bool, site: Site) -> Tensor {
        let Some(position) = self.shape().axis(axis) else {
            return self.fail(axis_error(name, axis, self.shape()), self.shape(), site);
        };
        let shape = self.shape().without(&[position]);
        if let Some(error) = unnumbered(name, self.shape(), position) {
            return self.fail(error, shape, site);
        }
        let moved = self.permute_last(position);
        moved.push(ArgExtreme { smallest }, &[&moved], shape, DType::I32, site)
    }

    /// The tensor with an axis moved to the end.
    fn permute_last(&self, axis: usize) -> Tensor {
        let order: Vec<usize> =
            (0..self.rank()).filter(|&other| other != axis).chain([axis]).collect();
        if axis + 1 == self.rank() { self.clone() } else { self.permute(&order) }
    }

    /// Applies `f` with an axis moved to the end, and moves it back.
    fn along_last(
        &self,
        name: &str,
        axis: isize,
        site: Site,
        f: impl FnOnce(&Tensor) -> Tensor,
    ) -> Tensor {
        let Some(position) = self.shape().axis(axis) else {
            return self.fail(axis_error(name, axis, self.shape()), self.shape(), site);
        };
        if let Some(error) = unnumbered(name, self.shape(), position) {
            return self.fail(error, self.shape(), site);
        }
        let result = f(&self.permute_last(position));
        if position + 1 == self.rank() {
            return result;
        }
        let mut back: Vec<usize> = (0..self.rank() - 1).collect();
        back.insert(position, self.rank() - 1);
        result.permute(&back)
    }
}

/// The error for an axis whose positions `i32` cannot number.
fn unnumbered(name: &str, shape: &Shape, axis: usize) -> Option<Error> {
    let message = format!(
        "`{name}` along axis {axis} of {shape}: positions are i32, which counts to {}",
        i32::MAX
    );
    let error = || Error::shape(message, "split the axis into shorter parts");
    (i32::try_from(shape[axis]).is_err()).then(error)
}

fn count_up(positions: &mut [i32]) {
    for (i, position) in positions.iter_mut().enumerate() {
        *position = i as i32;
    }
}

/// NaN after everything else, whichever the direction.
fn compare(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if descending => b.total_cmp(&a),
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

impl Kernel for Argsort {
    fn name(&self) -> &'static str {
        "argsort"
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let ValuesMut::I32(positions) = output.values else { unreachable!("positions are i32") };
        let width = output.shape.features().max(1);
        if let Values::I32(values) = inputs[0].values {
            for (values, positions) in
                values.chunks_exact(width).zip(positions.chunks_exact_mut(width))
            {
                count_up(positions);
                positions.sort_unstable_by_key(|&position| {
                    let value = values[position as usize];
                    (if self.descending { !value } else { value }, position)
                });
            }
            return;
        }
        // Zero and minus zero are equal, so that they keep their order.
        let key = |index: usize| inputs[0].values.get(index) + 0.0;
        for (row, positions) in positions.chunks_exact_mut(width).enumerate() {
            count_up(positions);
            positions.sort_unstable_by(|&a, &b| {
                let [x, y] = [a, b].map(|position| key(row * width + position as usize));
                compare(x, y, self.descending).then(a.cmp(&b))
            });
        }
    }

    fn attributes(&self) -> Vec<i64> {
        vec![i64::from(self.descending)]
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(x, _)] = inputs else { return false };
        x == shape && dtype == DType::I32
    }
}

impl Kernel for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.smallest { "argmin" } else { "argmax" }
    }

    fn run(&self, inputs: &[Operand<'_>], output: OperandMut<'_>) {
        let ValuesMut::I32(positions) = output.values else { unreachable!("positions are i32") };
        let width = inputs[0].shape.features();
        for (row, position) in positions.iter_mut().enumerate() {
            let value = |i: usize| inputs[0].values.get(row * width + i);
            let better = |a: f64, b: f64| if self.smallest { a < b } else { a > b };
            *position = (1..width)
                .fold(0, |best, i| if better(value(i), value(best)) { i } else { best })
                as i32;
        }
    }

    fn attributes(&self) -> Vec<i64> {
        Vec::new() // the name says which extreme
    }

    fn fits(&self, inputs: &[Form<'_>], (shape, dtype): Form<'_>) -> bool {
        let &[(x, _)] = inputs else { return false };
        dtype == DType::I32 && x.split_last().is_some_and(|(_, outer)| *outer == **shape)
    }
}

/// The kernels of this file in saved graphs.
pub(super) static READERS: &[KernelReader] = &[
    KernelReader::new("argsort", |attributes| {
        let &[descending] = attributes else { return None };
        Some(Arc::new(Argsort { descending: flag(descending)? }))
    }),
    KernelReader::new("argmax", |attributes| ArgExtreme::read(attributes, false)),
    KernelReader::new("argmin", |attributes| ArgExtreme::read(attributes, true)),
];

impl ArgExtreme {
    fn read(attributes: &[i64], smallest: bool) -> Option<Arc<dyn Kernel>> {
        attributes.is_empty().then(|| Arc::new(Self { smallest }) as Arc<dyn Kernel>)
    }
}
