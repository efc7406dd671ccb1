//! What a model's `call` assigns, outside training: it goes from batch to batch, and is afterwards what it was before.
//!
//! In: variables, before a batch is run. Out: their values, put back.

use crate::array::Array;
use crate::error::Result;
use crate::variable::Variable;

/// The values of variables before the first batch.
#[derive(Default)]
pub(crate) struct States(Vec<(Variable, Array)>);

impl States {
    /// Keeps the values of variables that were not seen before.
    pub fn keep(&mut self, variables: Vec<Variable>) {
        for variable in variables {
            if self.0.iter().all(|(known, _)| *known != variable) {
                let value = variable.value();
                self.0.push((variable, value));
            }
        }
    }

    /// Puts them back.
    pub fn restore(self) -> Result<()> {
        self.0.iter().try_for_each(|(variable, value)| variable.set(value))
    }
}
