//! Operations that take functions: `tf.cond`, and values with a gradient of one's own.
//!
//! In: callables of tensors. Out: tensors of the trace at hand.

use endo::Tensor as Inner;
use endo::trace::Context;
use pyo3::prelude::*;
use pyo3::wrap_pyfunction;

use crate::callables;
use crate::frames::{counter, in_context};
use crate::operands::operand;
use crate::tensor::Tensor;

/// The value of `yes` or `no`, callables without arguments, as a truth value says.
#[pyfunction]
fn cond(predicate: &Bound<'_, PyAny>, yes: Py<PyAny>, no: Py<PyAny>) -> PyResult<Vec<Tensor>> {
    let py = predicate.py();
    in_context(py, |frame| {
        let predicate = operand(predicate, None, frame)?;
        let branch =
            |function: Py<PyAny>| move |cx: &mut Context| callables::call_list(&function, cx);
        let values: Vec<Inner> = frame.context().cond(&predicate, branch(yes), branch(no));
        Ok(values.iter().map(|value| Tensor::wrap(value, frame)).collect())
    })
}

/// A value with a gradient of one's own: `gradient` takes that of the value, and returns a list of
/// those of the inputs.
#[pyfunction]
fn custom_gradient(
    value: &Bound<'_, PyAny>,
    inputs: &Bound<'_, PyAny>,
    gradient: Py<PyAny>,
) -> PyResult<Tensor> {
    in_context(value.py(), |frame| {
        let value = operand(value, None, frame)?;
        let inputs: Vec<Inner> = inputs
            .try_iter()?
            .map(|input| operand(&input?, None, frame))
            .collect::<PyResult<_>>()?;
        let inputs: Vec<&Inner> = inputs.iter().collect();
        let arguments: Vec<_> =
            inputs.iter().map(|input| (input.shape().clone(), input.dtype())).collect();
        let (key, training) = (frame.key(), frame.context().training());
        // Gradients may be asked for once the context of the call is gone.
        let rule = move |dy: &Inner| {
            let mut cx = Context::of_trace(dy.trace(), training, counter());
            callables::call_gradient(&gradient, &arguments, dy, &key, &mut cx)
        };
        Ok(Tensor::wrap(&Inner::custom_gradient(&value, &inputs, rule), frame))
    })
}

/// Adds the functions of this file to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(cond, module)?)?;
    module.add_function(wrap_pyfunction!(custom_gradient, module)?)
}
