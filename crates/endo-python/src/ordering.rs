//! Operations on the order of elements: sorting, sums along an axis, elements by their places.
//!
//! In: tensors, arrays and numbers. Out: tensors of the trace at hand.

use endo::DType;
use pyo3::prelude::*;
use pyo3::wrap_pyfunction;

use crate::frames::in_context;
use crate::operands::operand;
use crate::ops::of_one;
use crate::tensor::Tensor;

#[pyfunction]
fn gather(x: &Bound<'_, PyAny>, indices: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let indices = operand(indices, None, frame)?;
        Ok(Tensor::wrap(&x.gather(&indices, axis), frame))
    })
}

#[pyfunction]
fn take_along_axis(
    x: &Bound<'_, PyAny>,
    indices: &Bound<'_, PyAny>,
    axis: isize,
) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let indices = operand(indices, None, frame)?;
        Ok(Tensor::wrap(&x.take_along_axis(&indices, axis), frame))
    })
}

#[pyfunction]
fn segment_sum(
    x: &Bound<'_, PyAny>,
    segments: &Bound<'_, PyAny>,
    count: usize,
) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let segments = operand(segments, None, frame)?;
        Ok(Tensor::wrap(&x.segment_sum(&segments, count), frame))
    })
}

/// Rows added to those of their numbers, or put in their place.
#[pyfunction]
fn scatter(
    x: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    rows: &Bound<'_, PyAny>,
    adds: bool,
) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let numbers = operand(numbers, None, frame)?;
        let rows = operand(rows, None, frame)?.cast(x.dtype());
        let changed =
            if adds { x.scatter_add(&numbers, &rows) } else { x.scatter_update(&numbers, &rows) };
        Ok(Tensor::wrap(&changed, frame))
    })
}

#[pyfunction]
fn one_hot(x: &Bound<'_, PyAny>, depth: usize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.cast(DType::I32).one_hot(depth))
}

#[pyfunction]
fn argmax(x: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.argmax(axis))
}

#[pyfunction]
fn argmin(x: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.argmin(axis))
}

/// The sums up to each element: `exclusive` leaves the element itself out, `reverse` begins at the
/// end.
#[pyfunction]
fn cumsum(x: &Bound<'_, PyAny>, axis: isize, exclusive: bool, reverse: bool) -> PyResult<Tensor> {
    of_one(x, |x, _| {
        if !exclusive && !reverse {
            return x.cumsum(axis);
        }
        let sums = if reverse { x.flip(axis).cumsum(axis).flip(axis) } else { x.cumsum(axis) };
        if exclusive { sums - &x } else { sums }
    })
}

/// The products up to each element, as `cumsum`.
#[pyfunction]
fn cumprod(x: &Bound<'_, PyAny>, axis: isize, exclusive: bool, reverse: bool) -> PyResult<Tensor> {
    of_one(x, |x, _| x.cumprod(axis, exclusive, reverse))
}

#[pyfunction]
fn flip(x: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.flip(axis))
}

#[pyfunction]
fn sort(x: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.sort(axis))
}

#[pyfunction]
fn argsort(x: &Bound<'_, PyAny>, axis: isize, descending: bool) -> PyResult<Tensor> {
    of_one(x, |x, _| x.argsort(axis, descending))
}

#[pyfunction]
fn top_k(x: &Bound<'_, PyAny>, k: usize) -> PyResult<(Tensor, Tensor)> {
    in_context(x.py(), |frame| {
        let (values, places) = operand(x, None, frame)?.top_k(k);
        Ok((Tensor::wrap(&values, frame), Tensor::wrap(&places, frame)))
    })
}

/// Adds the functions of this file to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)+) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)+ };
    }
    add! {
        gather take_along_axis segment_sum scatter one_hot argmax argmin cumsum cumprod flip sort
        argsort top_k
    }
    Ok(())
}
