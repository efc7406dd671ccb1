//! Python's functions where the library takes closures.
//!
//! In: callables of tensors. Out: tensors of the trace at hand. An exception that one raises is
//! kept, and goes on where Python called the library.

use endo::trace::Context;
use endo::{DType, Shape, Tensor as Inner};
use pyo3::prelude::*;

use crate::errors::usage;
use crate::frames::{Frame, FrameKey, enter, keep_pending};
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

/// What the gradient of one's own returns, in the trace of `dy`: as many as there are `inputs`.
pub fn call_gradient(
    function: &Py<PyAny>,
    key: &FrameKey,
    inputs: &[(Shape, DType)],
    dy: &Inner,
) -> Vec<Inner> {
    let mut cx = Context::beside(dy.trace());
    let result = Python::attach(|py| {
        let (_on_stack, frame) = key.enter(&mut cx);
        let values = function.bind(py).call1((Tensor::wrap(dy, &frame),))?;
        let found = values
            .try_iter()?
            .zip(inputs)
            .map(|(value, (_, dtype))| {
                let value = value?;
                // An input without a gradient, as in TensorFlow.
                if value.is_none() {
                    return Ok(None);
                }
                Ok(Some(operand(&value, Some(dy), &mut cx, &frame)?.cast(*dtype)))
            })
            .collect::<PyResult<Vec<_>>>()?;
        let count = values.len().unwrap_or(found.len());
        if count != inputs.len() {
            return Err(usage(
                format!(
                    "the gradient of a `tf.custom_gradient` returned {count} gradients for {} \
                     arguments",
                    inputs.len()
                ),
                "return one for each argument of the function, of its shape; None where there is \
                 none",
            ));
        }
        Ok(found)
    });
    let found = result.unwrap_or_else(|error| {
        Python::attach(|py| keep_pending(py, &cx, error));
        vec![None; inputs.len()]
    });
    let zeros = |(shape, dtype): &(Shape, DType)| {
        cx.constant(endo::Array::zeros(shape.clone(), *dtype))
    };
    found
        .into_iter()
        .zip(inputs)
        .map(|(gradient, input)| gradient.unwrap_or_else(|| zeros(input)))
        .collect()
}

/// A callable as a function of one tensor.
pub fn of_one(function: Py<PyAny>) -> impl Fn(&Inner, &mut Context) -> Inner + Send + Sync {
    move |x, cx| call(&function, &[x], cx)
}
