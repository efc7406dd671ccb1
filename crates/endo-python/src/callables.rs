//! Python's functions where the library takes closures.
//!
//! In: callables of tensors. Out: tensors of the trace at hand. An exception that one raises is
//! kept, and goes on where Python called the library.

use endo::trace::Context;
use endo::{Array, DType, Shape, Tensor as Inner};
use pyo3::prelude::*;

use crate::errors::usage;
use crate::frames::{Frame, FrameKey, enter, enter_as, keep_pending};
use crate::operands::operand;
use crate::tensor::Tensor;

/// What a callable returns for tensors: one.
pub fn call(function: &Py<PyAny>, tensors: &[&Inner], cx: &mut Context) -> Inner {
    let result = Python::attach(|py| {
        let (_on_stack, frame) = enter(cx);
        let arguments: Vec<Tensor> =
            tensors.iter().map(|tensor| Tensor::wrap(tensor, &frame)).collect();
        let arguments = pyo3::types::PyTuple::new(py, arguments)?;
        let value = function.bind(py).call1(arguments)?;
        if value.is_none() {
            let name = function.bind(py).getattr("__name__").map_or_else(
                |_| "a function of the program".to_string(),
                |name| format!("`{name}`"),
            );
            return Err(usage(format!("{name} returned None"), "end it with `return`"));
        }
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

/// The gradients by arguments of these shapes and types that a callable makes of `dy`: `None` where
/// there is none.
pub fn call_gradient(
    function: &Py<PyAny>,
    arguments: &[(Shape, DType)],
    dy: &Inner,
    key: &FrameKey,
    cx: &mut Context,
) -> Vec<Inner> {
    let result = Python::attach(|py| {
        let (_on_stack, frame) = enter_as(key, cx);
        let values = function.bind(py).call1((Tensor::wrap(dy, &frame),))?;
        let values: Vec<Bound<'_, PyAny>> = values.try_iter()?.collect::<PyResult<_>>()?;
        if values.len() != arguments.len() {
            let (found, count) = (values.len(), arguments.len());
            let message =
                format!("a custom gradient returned {found} gradients, of {count} wanted");
            return Err(usage(message, "return one for each argument of the function"));
        }
        let mut gradients = Vec::new();
        for (value, (shape, dtype)) in values.iter().zip(arguments) {
            gradients.push(if value.is_none() {
                cx.constant(Array::zeros(shape.clone(), *dtype))
            } else {
                let gradient = operand(value, Some(dy), cx, &frame)?.cast(*dtype);
                if gradient.rank() == 0 { gradient.broadcast_to(shape.clone()) } else { gradient }
            });
            let found = gradients.last().map(Inner::shape);
            if found != Some(shape) {
                let found = found.map(ToString::to_string).unwrap_or_default();
                let message = format!(
                    "a custom gradient returned a gradient of shape {found} for an argument of \
                     shape {shape}"
                );
                return Err(usage(message, "return gradients of the shapes of the arguments"));
            }
        }
        Ok(gradients)
    });
    result.unwrap_or_else(|error| {
        Python::attach(|py| keep_pending(py, cx, error));
        let zeros = |(shape, dtype): &(Shape, DType)| Array::zeros(shape.clone(), *dtype);
        arguments.iter().map(|argument| cx.constant(zeros(argument))).collect()
    })
}

/// A callable as a function of one tensor.
pub fn of_one(function: Py<PyAny>) -> impl Fn(&Inner, &mut Context) -> Inner + Send + Sync {
    move |x, cx| call(&function, &[x], cx)
}
