//! What a model's `call` assigns, outside training: it goes from batch to batch, and is afterwards what it was before.
//!
//! In: variables, before a batch is run. Out: their values, put back when the batches are done, however they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::array::Array;
use crate::variable::Variable;

/// The values of variables before the first batch, which they have again when this is dropped.
#[derive(Default)]
pub(crate) struct States(Vec<(Variable, Array)>);

impl States {
    /// Keeps the values of variables that were not seen before.
    pub fn keep(&mut self, variables: &[Variable]) {
        for variable in variables {
            if self.0.iter().all(|(known, _)| known != variable) {
                self.0.push((variable.clone(), variable.value()));
            }
        }
    }
}

impl Drop for States {
    fn drop(&mut self) {
        for (variable, value) in &self.0 {
            variable.set(value).expect("a value that it had");
        }
    }
}

/// What a prediction carries on from part to part, with the right to do so: of the predictions of one model, one at a time has it.
#[derive(Default)]
pub(crate) struct Carried<'m>(Option<(States, MutexGuard<'m, ()>)>);

impl<'m> Carried<'m> {
    /// Keeps what the next part assigns, before it is run.
    pub fn keep(&mut self, states: &[Variable], right: &'m Mutex<()>) {
        if !states.is_empty() {
            let alone = || right.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.get_or_insert_with(|| (States::default(), alone())).0.keep(states);
        }
    }
}
