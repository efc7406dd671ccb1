//! `tf.function`: a Python function that is traced once for each shape of its tensors, then run as
//! a plan.
//!
//! In: a callable of a list of tensors, and arrays. Out: arrays.

use std::sync::Mutex;

use endo::trace::{Context, TracedClosure};
use endo::{Array, Tensor as Inner};
use pyo3::prelude::*;

use crate::arrays;
use crate::callables;
use crate::errors::usage;
use crate::frames::{failure, seed};
use crate::tensor::Tensor;

/// The plans of a function, by the shapes of its tensors.
#[pyclass(frozen, module = "endo._native")]
pub struct TracedFunction {
    traced: Mutex<TracedClosure>,
}

#[pymethods]
impl TracedFunction {
    #[new]
    fn new() -> Self {
        let mut traced = TracedClosure::new();
        traced.set_seed(seed());
        Self { traced: Mutex::new(traced) }
    }

    /// Runs it: `function` takes a list of tensors and returns one, and is called when their shapes
    /// are new.
    fn run(
        &self,
        py: Python<'_>,
        function: Py<PyAny>,
        inputs: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Tensor>> {
        let inputs: Vec<Array> =
            inputs.try_iter()?.map(|input| arrays::array(&input?)).collect::<PyResult<_>>()?;
        let outputs = py.detach(|| {
            let mut traced = self.traced.try_lock().map_err(|_| {
                usage(
                    "a function is called while it runs: by itself, or from another thread",
                    "call functions made by `tf.function` from one thread at a time; inside \
                     another traced function they are traced with it",
                )
            })?;
            let inputs: Vec<&Array> = inputs.iter().collect();
            let closure = |tensors: &[Inner], cx: &mut Context| {
                callables::call_with_list(&function, tensors, cx)
            };
            let outputs = traced.run(&inputs, &closure).map(<[Array]>::to_vec);
            outputs.map_err(|error| Python::attach(|py| failure(py, error)))
        })?;
        Ok(outputs.into_iter().map(Tensor::of_array).collect())
    }

    /// How many shapes it was traced for.
    fn traces(&self) -> usize {
        self.traced.lock().unwrap_or_else(std::sync::PoisonError::into_inner).traces()
    }
}
