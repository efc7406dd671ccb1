//! Operations that take functions: `tf.cond`, loops, and values with a gradient of one's own.
//!
//! In: callables of tensors. Out: tensors of the trace at hand.

use endo::trace::{Context, ScanOptions};
use endo::{DType, Tensor as Inner};
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

/// A loop over the first axis of `xs`: `step` takes the states and the elements, both lists, and
/// returns the next states and what it gives, one list. The last states, and what all steps give,
/// stacked.
#[pyfunction]
#[pyo3(signature = (step, first, xs, steps=None, reverse=false, recompute=false))]
fn scan(
    step: Py<PyAny>,
    first: &Bound<'_, PyAny>,
    xs: &Bound<'_, PyAny>,
    steps: Option<usize>,
    reverse: bool,
    recompute: bool,
) -> PyResult<Vec<Tensor>> {
    in_context(first.py(), |frame| {
        let [first, xs] = [callables::list(first, frame)?, callables::list(xs, frame)?];
        let options = ScanOptions::new().reverse(reverse).recompute(recompute);
        let options = steps.into_iter().fold(options, ScanOptions::steps);
        let states = first.len();
        let step = |before: Vec<Inner>, x: Vec<Inner>, cx: &mut Context| {
            let mut made = callables::call_with_lists(&step, [&before, &x], cx);
            if made.len() < states {
                return (before, Vec::new()); // Python has raised
            }
            let gives = made.split_off(states);
            (made, gives)
        };
        let (last, stacked) = frame.context().scan_with(&options, first, &xs, step);
        Ok(last.iter().chain(&stacked).map(|value| Tensor::wrap(value, frame)).collect())
    })
}

/// What a further state of the loop at hand is before the step, which is `first` before the first
/// one.
#[pyfunction]
fn carried(first: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    in_context(first.py(), |frame| {
        let first = operand(first, None, frame)?;
        Ok(Tensor::wrap(&frame.context().carried(&first), frame))
    })
}

/// Says what the state asked for last is after the step.
#[pyfunction]
fn carry(next: &Bound<'_, PyAny>) -> PyResult<()> {
    in_context(next.py(), |frame| {
        let next = operand(next, None, frame)?;
        frame.context().carry(&next);
        Ok(())
    })
}

/// These states after the last step of the loop that has ended last.
#[pyfunction]
fn take_carried(py: Python<'_>) -> PyResult<Vec<Tensor>> {
    in_context(py, |frame| {
        let last = frame.context().take_carried();
        Ok(last.iter().map(|value| Tensor::wrap(value, frame)).collect())
    })
}

/// A loop for as long as `condition` holds of the states, a list, of which `step` makes the next
/// ones.
#[pyfunction]
#[pyo3(signature = (condition, step, first, maximum_iterations=None))]
fn while_loop(
    condition: Py<PyAny>,
    step: Py<PyAny>,
    first: &Bound<'_, PyAny>,
    maximum_iterations: Option<usize>,
) -> PyResult<Vec<Tensor>> {
    in_context(first.py(), |frame| {
        let first = callables::list(first, frame)?;
        let count = first.len();
        let holds = |states: &Vec<Inner>, cx: &mut Context| {
            let value = callables::call_with_list(&condition, states, cx).remove(0);
            if value.dtype() == DType::Bool { value } else { value.cast(DType::Bool) }
        };
        let next = |states: Vec<Inner>, cx: &mut Context| {
            let made = callables::call_with_list(&step, &states, cx);
            if made.len() == count { made } else { states }
        };
        let last = frame.context().while_loop(first, maximum_iterations, holds, next);
        Ok(last.iter().map(|value| Tensor::wrap(value, frame)).collect())
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
    for function in [
        wrap_pyfunction!(scan, module)?,
        wrap_pyfunction!(carried, module)?,
        wrap_pyfunction!(carry, module)?,
        wrap_pyfunction!(take_carried, module)?,
    ] {
        module.add_function(function)?;
    }
    module.add_function(wrap_pyfunction!(while_loop, module)?)?;
    module.add_function(wrap_pyfunction!(custom_gradient, module)?)
}
