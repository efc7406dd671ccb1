//! Gradient tapes: a trace whose values are computed at once, kept open for gradients.
//!
//! In: what is computed while it is open. Out: gradients of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use endo::trace::{Context, Target};
use endo::{Tensor as Inner, Variable as InnerVariable};
use pyo3::prelude::*;

use crate::errors::usage;
use crate::frames::{self, Frame, Mailbox, in_session};
use crate::operands::operand;
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
    /// The nodes of the trace that were pushed while it recorded.
    recorded: Range<usize>,
    /// The mailbox of the thread whose trace it is.
    mailbox: Weak<Mailbox>,
}

impl Recording {
    fn is_here(&self) -> bool {
        self.mailbox
            .upgrade()
            .is_some_and(|mailbox| Mailbox::here().is_some_and(|here| Arc::ptr_eq(&here, &mailbox)))
    }

    fn release(&mut self) {
        let (trace, is_open) = (self.trace, self.is_open);
        (self.trace, self.is_open) = (0, false);
        if trace == 0 {
            return;
        }
        if !self.is_here() {
            // A thread that has ended has taken its traces along.
            if let Some(mailbox) = self.mailbox.upgrade() {
                mailbox.leave(trace, is_open);
            }
            return;
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
        let (recorded, mailbox) = (0..0, Weak::new());
        let recording = Recording { trace: 0, is_open: false, recorded, mailbox };
        Self { recording: Mutex::new(recording) }
    }

    /// Has it record: in the trace at hand, or in a new one.
    fn open(&self, py: Python<'_>) -> PyResult<()> {
        let mut recording = self.lock();
        if recording.is_open {
            return Err(usage(
                "the tape is recording already",
                "make another tape for a `with` inside another",
            ));
        }
        recording.release();
        let trace = frames::open_session();
        let start = in_session(py, trace, |frame| Ok(frame.context().trace().node_count()))
            .unwrap_or(Ok(0))?;
        *recording = Recording {
            trace,
            is_open: true,
            recorded: start..usize::MAX,
            mailbox: Mailbox::here().as_ref().map_or_else(Weak::new, Arc::downgrade),
        };
        Ok(())
    }

    /// Ends what it records.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
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
        let end = in_session(py, recording.trace, |frame| Ok(frame.context().trace().node_count()));
        frames::stop_recording(recording.trace);
        // An exception on its way through the `with` has its own error: it is not raised twice.
        recording.recorded.end = end.and_then(Result::ok).unwrap_or(0);
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
        self.within(py, |recorded, frame| {
            let target = operand(target, None, frame)?;
            let dy = match output_gradients {
                Some(weights) => operand(weights, Some(&target), frame)?
                    .cast(target.dtype())
                    .broadcast_to(target.shape().clone()),
                None => target.ones_like(),
            };
            let sources = targets(&sources, frame)?;
            let gradients = frame.context().recorded_gradients(&target, &dy, &sources, recorded);
            Ok(gradients
                .into_iter()
                .map(|gradient| gradient.map(|gradient| Tensor::wrap(&gradient, frame)))
                .collect())
        })
    }

    /// The trainable variables that were read while it recorded.
    fn variables(&self, py: Python<'_>) -> PyResult<Vec<Variable>> {
        if self.lock().trace == 0 {
            return Ok(Vec::new());
        }
        self.within(py, |recorded, frame| {
            let trainable = trainable_variables(&recorded, frame.context());
            Ok(trainable.into_iter().map(Variable::of).collect())
        })
    }

    /// Whether a tensor was computed of what is watched while it recorded: `watched`, and the
    /// trainable variables where `watches_variables` says so.
    fn is_computed(
        &self,
        py: Python<'_>,
        tensor: &Tensor,
        watched: Vec<Bound<'_, PyAny>>,
        watches_variables: bool,
    ) -> PyResult<bool> {
        let number = self.lock().trace;
        if tensor.trace != number {
            return Ok(false);
        }
        self.within(py, |recorded, frame| {
            let mut watched = targets(&watched, frame)?;
            if watches_variables {
                watched.extend(
                    trainable_variables(&recorded, frame.context()).into_iter().map(Target::from),
                );
            }
            let tensor = tensor.resolve(frame)?;
            Ok(frame.context().recorded_dependence(&tensor, &watched, &recorded))
        })
    }

    /// The derivatives of each element of a tensor by each element of a source.
    fn jacobian(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        source: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Tensor>> {
        self.within(py, |recorded, frame| {
            let target = operand(target, None, frame)?;
            let source = targets(std::slice::from_ref(source), frame)?.remove(0);
            let jacobian = frame.context().recorded_jacobian(&target, &source, &recorded);
            Ok(jacobian.map(|jacobian| Tensor::wrap(&jacobian, frame)))
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
        f: impl FnOnce(Range<usize>, &Frame) -> PyResult<R>,
    ) -> PyResult<R> {
        let (number, is_here, recorded) = {
            let recording = self.lock();
            (recording.trace, recording.is_here(), recording.recorded.clone())
        };
        if number != 0 && !is_here {
            return Err(elsewhere());
        }
        in_session(py, number, |frame| f(recorded, frame)).unwrap_or_else(|| {
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

fn trainable_variables(recorded: &Range<usize>, cx: &Context) -> Vec<InnerVariable> {
    let mut variables = cx.recorded_variables(recorded);
    variables.retain(InnerVariable::is_trainable);
    variables
}

fn targets(sources: &[Bound<'_, PyAny>], frame: &Frame) -> PyResult<Vec<Target>> {
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
        let tensor: Inner = tensor.get().resolve(frame)?;
        Ok(Target::Tensor(tensor))
    };
    sources.iter().map(target).collect()
}
