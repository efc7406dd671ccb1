//! Gradient tapes: a trace whose values are computed at once, kept open for gradients.
//!
//! In: what is computed while it is open. Out: gradients of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use endo::Tensor as Inner;
use endo::trace::{Context, Target};
use pyo3::prelude::*;

use crate::errors::usage;
use crate::frames::{self, Frame, in_session};
use crate::tensor::Tensor;
use crate::variable::Variable;

/// A tape: opened, computed in, closed, and asked for gradients.
#[pyclass(frozen, module = "endo._native")]
pub struct Tape {
    recording: Mutex<Recording>,
}

struct Recording {
    /// The number of its trace; 0 while it has none.
    trace: u64,
    is_open: bool,
    /// The thread whose trace it is.
    thread: ThreadId,
}

impl Recording {
    fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    fn release(&mut self) {
        let (trace, is_open) = (self.trace, self.is_open);
        (self.trace, self.is_open) = (0, false);
        if trace == 0 {
            return;
        }
        if !self.is_here() {
            return frames::abandon_session(self.thread, trace, is_open);
        }
        if is_open {
            frames::stop_recording(trace);
        }
        frames::release_session(trace);
    }
}

#[pymethods]
impl Tape {
    #[new]
    fn new() -> Self {
        let recording = Recording { trace: 0, is_open: false, thread: thread::current().id() };
        Self { recording: Mutex::new(recording) }
    }

    /// Has it record: in the trace at hand, or in a new one.
    fn open(&self) -> PyResult<()> {
        let mut recording = self.lock();
        if recording.is_open {
            return Err(usage(
                "the tape is recording already",
                "make another tape for a `with` inside another",
            ));
        }
        recording.release();
        *recording = Recording {
            trace: frames::open_session(true),
            is_open: true,
            thread: thread::current().id(),
        };
        Ok(())
    }

    /// Ends what it records.
    fn close(&self) -> PyResult<()> {
        let mut recording = self.lock();
        if !recording.is_open {
            return Err(usage(
                "the tape is not recording",
                "open it first: `with tf.GradientTape() as tape:`",
            ));
        }
        if !recording.is_here() {
            return Err(elsewhere());
        }
        recording.is_open = false;
        frames::stop_recording(recording.trace);
        Ok(())
    }

    /// Forgets what it has recorded.
    fn forget(&self) {
        self.lock().release();
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
            let loss = crate::operands::operand(target, None, cx, frame)?;
            let loss = match output_gradients {
                Some(weights) => {
                    let weights = crate::operands::operand(weights, Some(&loss), cx, frame)?;
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
        let number = self.lock().trace;
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
            let target = crate::operands::operand(target, None, cx, frame)?;
            let source = targets(std::slice::from_ref(source), cx, frame)?.remove(0);
            Ok(Tensor::wrap(&cx.jacobian(&target, source), frame))
        })
    }
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn within<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Context, &Frame) -> PyResult<R>,
    ) -> PyResult<R> {
        let (number, is_here) = {
            let recording = self.lock();
            (recording.trace, recording.is_here())
        };
        if number != 0 && !is_here {
            return Err(elsewhere());
        }
        in_session(py, number, f).unwrap_or_else(|| {
            Err(usage(
                "the tape has recorded nothing, or has given its gradients already",
                "compute the loss in `with tf.GradientTape() as tape:`, and ask once; or make the \
                 tape with `persistent=True`",
            ))
        })
    }
}

fn elsewhere() -> PyErr {
    usage(
        "the tape records in another thread",
        "use a tape in the thread that has opened it, and hand on its gradients",
    )
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.lock().release();
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
