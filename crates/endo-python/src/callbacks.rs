//! Callbacks: Python's, told of what they define; and the one that lets Ctrl-C stop a run.
//!
//! In: events of a run. Out: calls of Python, and requests to stop.

use std::time::{Duration, Instant};

use endo::training::{Callback, Epoch, Ledger, Logs, Training};
use endo::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::callables::kept_outside;

/// How often a run looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(20);

/// Ends a run after the step or part at hand when the user presses Ctrl-C.
pub struct Interruptible {
    looked: Instant,
}

impl Interruptible {
    pub fn new() -> Self {
        Self { looked: Instant::now() }
    }

    fn look(&mut self) -> Result<()> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        Python::attach(|py| py.check_signals().map_err(|error| kept(py, error)))
    }
}

fn kept(py: Python<'_>, error: PyErr) -> Error {
    kept_outside(py, ErrorKind::Usage, "a Python exception was raised", error)
}

impl Callback for Interruptible {
    fn batch_end(&mut self, _: usize, _: &dyn Fn() -> Ledger, _: &Training) -> Result<()> {
        self.look()
    }

    fn test_batch_end(&mut self, _: usize, _: &dyn Fn() -> Ledger, _: &Training) -> Result<()> {
        self.look()
    }
}

/// Which events a list of callbacks wants to hear of.
#[derive(Clone, Copy, Default)]
pub struct Events {
    batches: bool,
    tests: bool,
    test_batches: bool,
}

/// Python's callbacks, as one object with a method for each event.
pub struct PythonCallbacks {
    list: Py<PyAny>,
    events: Events,
}

impl PythonCallbacks {
    /// What the list says that it wants to hear of.
    pub fn events(py: Python<'_>, list: &Py<PyAny>) -> PyResult<Events> {
        let list = list.bind(py);
        let wants = |name: &str| list.call_method1("wants", (name,))?.extract::<bool>();
        Ok(Events {
            batches: wants("train_batch")?,
            tests: wants("test")?,
            test_batches: wants("test_batch")?,
        })
    }

    pub fn new(list: Py<PyAny>, events: Events) -> Self {
        Self { list, events }
    }

    /// Calls an event; a true answer stops the training.
    fn tell(
        &self,
        event: &str,
        number: Option<usize>,
        logs: impl IntoIterator<Item = (String, f64)>,
        training: &Training,
    ) -> Result<()> {
        Python::attach(|py| {
            let told = || -> PyResult<bool> {
                let dictionary = PyDict::new(py);
                for (name, value) in logs {
                    dictionary.set_item(name, value)?;
                }
                self.list.bind(py).call_method1(event, (number, dictionary))?.extract()
            };
            match told() {
                Ok(stop) => {
                    if stop {
                        training.stop();
                    }
                    Ok(())
                }
                Err(error) => Err(kept(py, error)),
            }
        })
    }
}

/// The means of a ledger by name.
fn means(ledger: &Ledger) -> Vec<(String, f64)> {
    std::iter::once(("loss".to_string(), ledger.total)).chain(ledger.terms.clone()).collect()
}

impl Callback for PythonCallbacks {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        self.tell("train_begin", None, [], training)
    }

    fn epoch_begin(&mut self, epoch: usize, training: &Training) -> Result<()> {
        self.tell("epoch_begin", Some(epoch), [], training)
    }

    fn batch_begin(&mut self, batch: usize, training: &Training) -> Result<()> {
        if !self.events.batches {
            return Ok(());
        }
        self.tell("train_batch_begin", Some(batch), [], training)
    }

    fn batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        if !self.events.batches {
            return Ok(());
        }
        self.tell("train_batch_end", Some(batch), means(&ledger()), training)
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        self.tell("epoch_end", Some(epoch), report.logs.0.clone(), training)
    }

    fn train_end(&mut self, training: &Training) -> Result<()> {
        self.tell("train_end", None, [], training)
    }

    fn test_begin(&mut self, training: &Training) -> Result<()> {
        if !self.events.tests {
            return Ok(());
        }
        self.tell("test_begin", None, [], training)
    }

    fn test_batch_begin(&mut self, batch: usize, training: &Training) -> Result<()> {
        if !self.events.test_batches {
            return Ok(());
        }
        self.tell("test_batch_begin", Some(batch), [], training)
    }

    fn test_batch_end(
        &mut self,
        batch: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        if !self.events.test_batches {
            return Ok(());
        }
        self.tell("test_batch_end", Some(batch), means(&ledger()), training)
    }

    fn test_end(&mut self, logs: &Logs, training: &Training) -> Result<()> {
        if !self.events.tests {
            return Ok(());
        }
        self.tell("test_end", None, logs.0.clone(), training)
    }
}
