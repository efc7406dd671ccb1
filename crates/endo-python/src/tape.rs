//! Gradient tapes: a trace whose values are computed at once, kept open for gradients.
//!
//! In: what is computed while it is open. Out: gradients of it.

use std::sync::Mutex;

use endo::Tensor as Inner;
use endo::trace::{Context, Target};
use pyo3::prelude::*;

use crate::errors::usage;
use crate::frames::{self, Frame, OnStack, in_session};
use crate::tensor::Tensor;
use crate::variable::Variable;

/// A tape: opened, computed in, closed, and asked for gradients.
#[pyclass(frozen, module = "endo._native")]
pub struct Tape {
    /// The number of its trace; 0 while it has none.
    trace: Mutex<u64>,
}

fn lock(trace: &Mutex<u64>) -> std::sync::MutexGuard<'_, u64> {
    trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[pymethods]
impl Tape {
    #[new]
    fn new() -> Self {
        Self { trace: Mutex::new(0) }
    }

    /// Opens it: in the trace at hand, or in a new one. Whether it is new.
    fn open(&self) -> bool {
        let mut trace = lock(&self.trace);
        if *trace != 0 {
            frames::close_session(*trace);
        }
        let (number, on_stack) = frames::open_session(true);
        *trace = number;
        let is_new = on_stack.is_some();
        std::mem::forget::<Option<OnStack>>(on_stack); // until it is closed
        is_new
    }

    /// Ends what it records, if `is_new` is what `open` returned.
    fn close(&self, is_new: bool) {
        if is_new {
            drop(OnStack);
        }
    }

    /// Forgets what it has recorded.
    fn forget(&self) {
        let mut trace = lock(&self.trace);
        if *trace != 0 {
            frames::close_session(*trace);
            *trace = 0;
        }
    }

    /// The gradients of a scalar, or of the sum of a tensor's elements, by each source: variables
    /// and tensors.
    fn gradient(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        sources: Vec<Bound<'_, PyAny>>,
        output_gradients: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Option<Tensor>>> {
        self.within(py, |cx, frame| {
            let loss = crate::tensor::operand(target, None, cx, frame)?;
            let loss = match output_gradients {
                Some(weights) => {
                    let weights = crate::tensor::operand(weights, Some(&loss), cx, frame)?;
                    loss * weights.stop_gradient()
                }
                None => loss,
            };
            let loss = if loss.rank() == 0 { loss } else { loss.sum() };
            let targets = targets(&sources, cx, frame)?;
            let gradients = cx.quiet_gradients(&loss, &targets);
            Ok(gradients
                .into_iter()
                .map(|gradient| gradient.map(|gradient| Tensor::wrap(&gradient, frame)))
                .collect())
        })
    }

    /// Whether a tensor was computed in its trace: it is neither a constant nor given from outside.
    fn is_computed(&self, py: Python<'_>, tensor: &Tensor) -> bool {
        let number = *lock(&self.trace);
        tensor.trace == number
            && in_session(py, number, |cx, _| {
                let node = cx.trace().node(endo::graph::NodeId(tensor.node));
                Ok(!node.inputs.is_empty())
            })
            .is_some_and(|computed| computed.unwrap_or(false))
    }

    /// The derivatives of each element of a tensor by each element of a source.
    fn jacobian(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        source: &Bound<'_, PyAny>,
    ) -> PyResult<Tensor> {
        self.within(py, |cx, frame| {
            let target = crate::tensor::operand(target, None, cx, frame)?;
            let source = targets(std::slice::from_ref(source), cx, frame)?.remove(0);
            Ok(Tensor::wrap(&cx.jacobian(&target, source), frame))
        })
    }
}

impl Tape {
    fn within<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Context, &Frame) -> PyResult<R>,
    ) -> PyResult<R> {
        let number = *lock(&self.trace);
        in_session(py, number, f).unwrap_or_else(|| {
            Err(usage(
                "the tape has recorded nothing, or has given its gradients already",
                "compute the loss in `with tf.GradientTape() as tape:`, and ask once; or make the \
                 tape with `persistent=True`",
            ))
        })
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let trace = *lock(&self.trace);
        if trace != 0 {
            frames::close_session(trace);
        }
    }
}

fn targets(sources: &[Bound<'_, PyAny>], cx: &mut Context, frame: &Frame) -> PyResult<Vec<Target>> {
    let target = |source: &Bound<'_, PyAny>| {
        if let Ok(variable) = source.cast::<Variable>() {
            return Ok(Target::Variable(variable.get().inner.clone()));
        }
        let tensor = source.cast::<Tensor>().map_err(|_| {
            usage(
                format!("a gradient by {source}, which is neither a tensor nor a variable"),
                "give variables, or tensors that the tape watches",
            )
        })?;
        let tensor: Inner = tensor.get().resolve(cx, frame)?;
        Ok(Target::Tensor(tensor))
    };
    sources.iter().map(target).collect()
}
