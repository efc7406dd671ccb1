//! `tf.function`: a Python function that is traced once for each shape of its tensors, then run as
//! a plan.
//!
//! In: a callable of a list of tensors, and arrays. Out: arrays.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use endo::graph::Trace;
use endo::trace::{Context, TracedClosure};
use endo::{Array, Site, Tensor as Inner};
use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays;
use crate::callables;
use crate::errors::usage;
use crate::frames::{counter, failure, seed, take_pending, warn};
use crate::holdings::Holdings;
use crate::tensor::{DTypeName, Tensor};

/// The plans of a function, by the shapes of its tensors.
#[pyclass(frozen, module = "endo._native")]
pub struct TracedFunction {
    traced: Mutex<TracedClosure>,
    /// The thread that runs it.
    runner: Mutex<Option<ThreadId>>,
    /// How many shapes it was traced for when it was run last.
    traces: AtomicUsize,
    /// What has to be as it was for [`run_again`](Self::run_again).
    one_tensor: Mutex<Option<OneTensor>>,
}

/// A function that takes tensors alone and has always returned one.
struct OneTensor {
    /// How many tensors it takes.
    count: usize,
    /// The lists and dictionaries of the layers that its traces used.
    holdings: Vec<Py<Holdings>>,
}

#[pymethods]
impl TracedFunction {
    #[new]
    fn new() -> Self {
        let mut traced = TracedClosure::new();
        traced.set_seed(seed());
        traced.set_training(false);
        traced.keep_warnings();
        Self {
            traced: Mutex::new(traced),
            runner: Mutex::new(None),
            traces: AtomicUsize::new(0),
            one_tensor: Mutex::new(None),
        }
    }

    /// Notes that it takes a number of tensors and returns one, for as long as these lists and
    /// dictionaries hold what they do; nothing of the kind without them.
    #[pyo3(signature = (count, holdings=None))]
    fn settle(&self, count: usize, holdings: Option<Vec<Py<Holdings>>>) {
        let now = holdings.map(|holdings| OneTensor { count, holdings });
        // What it held is let go of once it is no longer locked, since that may call Python.
        drop(std::mem::replace(&mut *self.one_tensor(), now));
    }

    /// What it returns for tensors of shapes and types that it was run on before; none where it
    /// may have to be traced, or returns something else than one tensor.
    fn run_again(&self, py: Python<'_>, inputs: &Bound<'_, PyTuple>) -> PyResult<Option<Tensor>> {
        let is_as_it_was = self.one_tensor().as_ref().is_some_and(|known| {
            let mut holdings = known.holdings.iter();
            inputs.len() == known.count && !holdings.any(|one| one.bind(py).get().have_changed(py))
        });
        if !is_as_it_was {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(inputs.len());
        for input in inputs.iter_borrowed() {
            let Some(array) = arrays::plain(&input) else { return Ok(None) };
            arrays.push(array?);
        }
        let output = py.detach(|| {
            let mut traced = self.lock()?;
            let inputs: Vec<&Array> = arrays.iter().collect();
            let output = traced.run_known(&inputs).map(|outputs| outputs.map(<[Array]>::to_vec));
            *self.runner() = None;
            output.transpose().map_err(|error| Python::attach(|py| failure(py, error)))
        })?;
        Ok(output.and_then(|mut outputs| outputs.pop()).map(Tensor::of_array))
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
        let (outputs, warnings) = py.detach(|| {
            let mut traced = self.lock()?;
            let known = traced.warnings().len();
            let inputs: Vec<&Array> = inputs.iter().collect();
            let closure = |tensors: &[Inner], cx: &mut Context| {
                callables::call_with_list(&function, tensors, cx)
            };
            let outputs = traced.run(&inputs, &closure).map(<[Array]>::to_vec);
            self.traces.store(traced.traces(), Ordering::Relaxed);
            *self.runner() = None;
            let outputs = outputs.map_err(|error| Python::attach(|py| failure(py, error)))?;
            Ok::<_, PyErr>((outputs, traced.warnings()[known..].to_vec()))
        })?;
        warn(py, warnings)?;
        Ok(outputs.into_iter().map(Tensor::of_array).collect())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(known) = self.one_tensor.try_lock() else { return Ok(()) };
        known.iter().flat_map(|known| &known.holdings).try_for_each(|one| visit.call(one))
    }

    fn __clear__(&self) {
        drop(self.one_tensor().take());
    }

    /// How many shapes it was traced for.
    fn traces(&self) -> usize {
        self.traces.load(Ordering::Relaxed)
    }
}

impl TracedFunction {
    fn one_tensor(&self) -> MutexGuard<'_, Option<OneTensor>> {
        self.one_tensor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runner(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plans, once no other thread runs them; Ctrl-C ends the wait.
    fn lock(&self) -> PyResult<MutexGuard<'_, TracedClosure>> {
        let this = thread::current().id();
        loop {
            match self.traced.try_lock() {
                Ok(traced) => {
                    *self.runner() = Some(this);
                    return Ok(traced);
                }
                Err(TryLockError::Poisoned(poisoned)) => {
                    *self.runner() = Some(this);
                    return Ok(poisoned.into_inner());
                }
                Err(TryLockError::WouldBlock) if *self.runner() == Some(this) => {
                    return Err(usage(
                        "a function made by `tf.function` calls itself while it runs",
                        "call the function without `tf.function` inside, or use a loop",
                    ));
                }
                Err(TryLockError::WouldBlock) => {
                    Python::attach(|py| py.check_signals())?;
                    thread::sleep(Duration::from_micros(200));
                }
            }
        }
    }
}

/// The shapes and types of what a function returns for tensors of these shapes and types. It is
/// called with a list of tensors and returns one; nothing is computed, and no variable changes.
#[pyfunction]
pub fn traced_shapes<'py>(
    py: Python<'py>,
    function: Py<PyAny>,
    inputs: Vec<(Vec<usize>, Bound<'py, PyAny>)>,
) -> PyResult<Vec<(Bound<'py, PyTuple>, DTypeName)>> {
    let trace = Trace::new();
    let mut cx = Context::of_trace(&trace, false, counter());
    let input = |(sizes, dtype): (Vec<usize>, Bound<'py, PyAny>)| {
        Ok(trace.input(sizes.into(), arrays::dtype(&dtype)?, Site::caller()))
    };
    let tensors: Vec<Inner> = inputs.into_iter().map(input).collect::<PyResult<_>>()?;
    let outputs = callables::call_with_list(&function, &tensors, &mut cx);
    if let Some(error) = take_pending() {
        return Err(error);
    }
    if let Some(error) = trace.error() {
        return Err(failure(py, error));
    }
    let described =
        |output: &Inner| Ok((arrays::shape_tuple(py, output.shape())?, DTypeName(output.dtype())));
    outputs.iter().map(described).collect()
}
