//! Python's functions where the library takes closures.
//!
//! In: callables of tensors. Out: tensors of the trace at hand. An exception that one raises is
//! kept, and goes on where Python called the library.

use endo::Tensor as Inner;
use endo::trace::Context;
use pyo3::prelude::*;

use crate::frames::{self, Frame, enter, keep_pending};
use crate::tensor::{Tensor, operand};

/// What a callable returns for tensors: one.
pub fn call(function: &Py<PyAny>, tensors: &[&Inner], cx: &mut Context) -> Inner {
    let result = Python::attach(|py| {
        let (_on_stack, frame) = enter(cx);
        let arguments: Vec<Tensor> =
            tensors.iter().map(|tensor| Tensor::wrap(tensor, &frame)).collect();
        let arguments = pyo3::types::PyTuple::new(py, arguments)?;
        let value = function.bind(py).call1(arguments)?;
        operand(&value, tensors.first().copied(), cx, &frame)
    });
    result.unwrap_or_else(|error| {
        Python::attach(|py| keep_pending(py, cx, error));
        tensors.last().map_or_else(|| cx.constant(0.0_f32), |tensor| (*tensor).clone())
    })
}

/// What a callable returns for tensors: a list.
pub fn call_list(function: &Py<PyAny>, tensors: &[Inner], cx: &mut Context) -> Vec<Inner> {
    let result = Python::attach(|py| {
        let (_on_stack, frame) = enter(cx);
        let arguments: Vec<Tensor> =
            tensors.iter().map(|tensor| Tensor::wrap(tensor, &frame)).collect();
        let arguments = pyo3::types::PyTuple::new(py, arguments)?;
        let values = function.bind(py).call1(arguments)?;
        list(&values, cx, &frame)
    });
    result.unwrap_or_else(|error| {
        Python::attach(|py| keep_pending(py, cx, error));
        vec![cx.constant(0.0_f32)]
    })
}

/// As [`call_list`], of a callable that takes a list.
pub fn call_with_list(function: &Py<PyAny>, tensors: &[Inner], cx: &mut Context) -> Vec<Inner> {
    let result = Python::attach(|py| {
        let (_on_stack, frame) = enter(cx);
        let arguments: Vec<Tensor> =
            tensors.iter().map(|tensor| Tensor::wrap(tensor, &frame)).collect();
        let values = function.bind(py).call1((arguments,))?;
        list(&values, cx, &frame)
    });
    result.unwrap_or_else(|error| {
        Python::attach(|py| keep_pending(py, cx, error));
        vec![cx.constant(0.0_f32)]
    })
}

/// The tensors of a list.
pub fn list(values: &Bound<'_, PyAny>, cx: &mut Context, frame: &Frame) -> PyResult<Vec<Inner>> {
    values.try_iter()?.map(|value| operand(&value?, None, cx, frame)).collect()
}

/// What the gradient of one's own returns: in the trace at hand, in which the gradient is taken.
pub fn call_gradient(function: &Py<PyAny>, dy: &Inner) -> Vec<Inner> {
    let Some(frame) = frames::innermost() else { return Vec::new() };
    Python::attach(|py| {
        let argument = Tensor::wrap(dy, &frame);
        let values = function.bind(py).call1((argument,));
        let found = values.and_then(|values| {
            let values: Vec<Bound<'_, PyAny>> = values.try_iter()?.collect::<PyResult<_>>()?;
            values
                .iter()
                .map(|value| match value.cast::<Tensor>() {
                    Ok(tensor) => tensor.get().resolve_in(&frame),
                    Err(_) => Ok(dy.constant_like(value.extract::<f64>()?)),
                })
                .collect::<PyResult<Vec<Inner>>>()
        });
        found.unwrap_or_else(|error| {
            frames::keep_pending_in(py, &frame, error);
            Vec::new()
        })
    })
}

/// A callable as a function of one tensor.
pub fn of_one(function: Py<PyAny>) -> impl Fn(&Inner, &mut Context) -> Inner + Send + Sync {
    move |x, cx| call(&function, &[x], cx)
}
