//! What a model's `call` assigns, outside training: it goes from batch to batch, and is afterwards
//! what it was before.
//!
//! In: variables, before a batch is run. Out: their values, put back when the batches are done,
//! however they end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::variable::Variable;

/// The right to carry on what `call` assigns: of the tests and predictions of one model, one at a
/// time has it.
#[derive(Default)]
pub(crate) struct CarryLock {
    right: Mutex<()>,
    /// The thread that has it.
    by: Mutex<Option<ThreadId>>,
}

/// What a test or prediction carries on from part to part, with the right to do so.
#[derive(Default)]
pub(crate) struct CarriedStates<'m>(Option<CarryGuard<'m>>);

/// When it is dropped, values are put back, then another may carry.
struct CarryGuard<'m> {
    /// The values of variables before the first batch.
    states: Vec<(Variable, Array)>,
    by: &'m Mutex<Option<ThreadId>>,
    _right: MutexGuard<'m, ()>,
}

impl Drop for CarryGuard<'_> {
    fn drop(&mut self) {
        for (variable, value) in &self.states {
            variable.set(value).expect("a value that it had");
        }
        *self.by.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<'m> CarriedStates<'m> {
    /// Keeps what the next part assigns, before it is run.
    ///
    /// # Errors
    /// If the same thread carries for the model already: a callback that predicts in the midst of a
    /// test would wait for itself.
    pub fn keep(&mut self, states: &[Variable], carrying: &'m CarryLock) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        if self.0.is_none() {
            let this = Some(thread::current().id());
            if *carrying.by.lock().unwrap_or_else(PoisonError::into_inner) == this {
                let message = "a callback predicts or evaluates in the midst of a test or \
                    prediction of the same model, whose `call` assigns \
                               variables: each would change what the other carries on";
                let help = "do it at the end: in `test_end`, `predict_end` or `epoch_end`";
                return Err(Error::usage(message, help));
            }
            let right = carrying.right.lock().unwrap_or_else(PoisonError::into_inner);
            *carrying.by.lock().unwrap_or_else(PoisonError::into_inner) = this;
            self.0 = Some(CarryGuard { states: Vec::new(), by: &carrying.by, _right: right });
        }
        if let Some(guard) = &mut self.0 {
            for variable in states {
                if guard.states.iter().all(|(known, _)| known != variable) {
                    guard.states.push((variable.clone(), variable.value()));
                }
            }
        }
        Ok(())
    }
}
