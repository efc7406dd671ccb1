//! Python's functions where the library takes closures.
//!
//! In: callables of tensors. Out: tensors of the trace at hand. An exception that one raises is
//! kept, and goes on where Python called the library.

use endo::trace::Context;
use endo::{Array, DType, Error, ErrorKind, Shape, Tensor as Inner};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::usage;
use crate::frames::{Frame, FrameKey, OnStack, enter, enter_as, keep_outside, keep_pending};
use crate::operands::operand;
use crate::tensor::Tensor;

/// Calls Python in the trace at hand. What it raises is kept until the library returns to Python,
/// and `otherwise` stands for the result.
pub fn call_python<R>(
    cx: &mut Context,
    call: impl FnOnce(Python<'_>, &Frame) -> PyResult<R>,
    otherwise: impl FnOnce(&mut Context) -> R,
) -> R {
    call_entered(enter, cx, call, otherwise)
}

/// The same, with how the trace is put on the stack. Until it leaves the stack again the context is
/// reached by its frame alone.
fn call_entered<R>(
    enter: impl FnOnce(&mut Context) -> (OnStack, Frame),
    cx: &mut Context,
    call: impl FnOnce(Python<'_>, &Frame) -> PyResult<R>,
    otherwise: impl FnOnce(&mut Context) -> R,
) -> R {
    Python::attach(|py| {
        let (on_stack, frame) = enter(cx);
        let result = call(py, &frame);
        drop(on_stack);
        result.unwrap_or_else(|error| {
            keep_pending(py, cx, error);
            otherwise(cx)
        })
    })
}

/// What stands for a list of tensors that Python failed to return.
pub fn zero(cx: &mut Context) -> Vec<Inner> {
    vec![cx.constant(0.0_f32)]
}

/// The library's error for an exception that data or a callback raised, outside of traces. The
/// exception is kept until it comes out where Python called the library.
pub fn kept_outside(py: Python<'_>, kind: ErrorKind, what: &str, error: PyErr) -> Error {
    let text = format!("{what}: {}", error.value(py));
    keep_outside(error);
    Error::new(kind, text)
}

fn wrapped<'a>(tensors: impl IntoIterator<Item = &'a Inner>, frame: &Frame) -> Vec<Tensor> {
    tensors.into_iter().map(|tensor| Tensor::wrap(tensor, frame)).collect()
}

/// What a callable returns for tensors: one.
pub fn call(function: &Py<PyAny>, tensors: &[&Inner], cx: &mut Context) -> Inner {
    let call = |py: Python<'_>, frame: &Frame| {
        let arguments = PyTuple::new(py, wrapped(tensors.iter().copied(), frame))?;
        let value = function.bind(py).call1(arguments)?;
        if value.is_none() {
            let name = function.bind(py).getattr("__name__").map_or_else(
                |_| "a function of the program".to_string(),
                |name| format!("`{name}`"),
            );
            return Err(usage(format!("{name} returned None"), "end it with `return`"));
        }
        operand(&value, tensors.first().copied(), frame)
    };
    call_python(cx, call, |cx| {
        tensors.last().map_or_else(|| cx.constant(0.0_f32), |tensor| (*tensor).clone())
    })
}

/// What a callable without arguments returns: a list of tensors.
pub fn call_list(function: &Py<PyAny>, cx: &mut Context) -> Vec<Inner> {
    call_python(cx, |py, frame| list(&function.bind(py).call0()?, frame), zero)
}

/// What a callable returns for a list of tensors: a list.
pub fn call_with_list(function: &Py<PyAny>, tensors: &[Inner], cx: &mut Context) -> Vec<Inner> {
    let call = |py: Python<'_>, frame: &Frame| {
        list(&function.bind(py).call1((wrapped(tensors, frame),))?, frame)
    };
    call_python(cx, call, zero)
}

/// What a callable returns for two lists of tensors: a list.
pub fn call_with_lists(
    function: &Py<PyAny>,
    [first, second]: [&[Inner]; 2],
    cx: &mut Context,
) -> Vec<Inner> {
    let call = |py: Python<'_>, frame: &Frame| {
        let arguments = (wrapped(first, frame), wrapped(second, frame));
        list(&function.bind(py).call1(arguments)?, frame)
    };
    call_python(cx, call, |_| Vec::new())
}

/// The tensors of a list.
pub fn list(values: &Bound<'_, PyAny>, frame: &Frame) -> PyResult<Vec<Inner>> {
    values.try_iter()?.map(|value| operand(&value?, None, frame)).collect()
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
    let call = |py: Python<'_>, frame: &Frame| {
        let values = function.bind(py).call1((Tensor::wrap(dy, frame),))?;
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
                frame.constant(Array::zeros(shape.clone(), *dtype))
            } else {
                let gradient = operand(value, Some(dy), frame)?.cast(*dtype);
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
    };
    call_entered(
        |cx| enter_as(key, cx),
        cx,
        call,
        |cx| {
            let zeros = |(shape, dtype): &(Shape, DType)| Array::zeros(shape.clone(), *dtype);
            arguments.iter().map(|argument| cx.constant(zeros(argument))).collect()
        },
    )
}

/// A callable as a function of one tensor.
pub fn of_one(function: Py<PyAny>) -> impl Fn(&Inner, &mut Context) -> Inner + Send + Sync {
    move |x, cx| call(&function, &[x], cx)
}
