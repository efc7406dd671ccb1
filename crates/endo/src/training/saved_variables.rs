//! The variables of a run by the names under which they are saved.
//!
//! In: variables as programs are traced that use them, and the values of a saved run. Out: each
//! variable given its saved value when it is first seen, since slots and totals are made while a
//! step is traced; and the values of all, to be saved.

use std::collections::{HashMap, HashSet};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::variable::Variable;

use super::State;

/// How to fix it.
pub(super) const OTHER_MODEL: &str =
    "resume with the model, optimizer and metrics that the run was saved with, or delete its file";

#[derive(Default)]
pub(crate) struct SavedVariables {
    known: Vec<(String, Variable)>,
    /// Their identities.
    seen: HashSet<u64>,
    /// How many variables have a name.
    names: HashMap<String, usize>,
    /// Values of variables that have not been seen yet.
    saved: HashMap<String, Array>,
    /// Whether the names of these may begin with that of the model's outermost layer.
    layer_in_names: bool,
    /// What the variables had that were given saved values, as long as nothing was run with these.
    before: Vec<(Variable, Array)>,
    /// Whether values were restored, and the first variable that had none among them.
    restored: bool,
    unsaved: Option<String>,
}

impl SavedVariables {
    /// Takes the values of a saved run: for the variables that are known, and for those to come.
    pub fn restore(&mut self, state: &State, layer_in_names: bool) -> Result<()> {
        (self.restored, self.layer_in_names) = (true, layer_in_names);
        self.saved = state.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        for (name, variable) in self.known.clone() {
            let value = self.take(&name);
            self.give(&variable, value)?;
        }
        Ok(())
    }

    /// The saved value of a name.
    fn take(&mut self, name: &str) -> Option<Array> {
        let value = self.saved.remove(name);
        if value.is_some() || !self.layer_in_names {
            return value;
        }
        // Of several, none is known to be the one.
        let mut before = self.saved.keys().filter(|known| is_old_name(known, name));
        let (only, None) = (before.next()?.clone(), before.next()) else { return None };
        self.saved.remove(&only)
    }

    /// Gives a variable its saved value, or if that does not fit all variables what they had
    /// before.
    fn give(&mut self, variable: &Variable, value: Option<Array>) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        self.before.push((variable.clone(), variable.value()));
        variable.set(&value).map_err(|error| {
            self.undo();
            let message = format!("the saved run is of another model: {}", error.message());
            Error::new(error.kind(), message).help(OTHER_MODEL)
        })
    }

    /// Gives all variables what they had before they were given saved values.
    pub fn undo(&mut self) {
        for (variable, value) in self.before.drain(..).rev() {
            variable.set(&value).expect("a variable takes its own value");
        }
    }

    /// The saved values have been used: from now on they stay.
    pub fn settle(&mut self) {
        self.before = Vec::new();
    }

    /// Whether values wait for variables that have not been seen.
    pub fn is_waiting(&self) -> bool {
        !self.saved.is_empty()
    }

    /// That all variables that were seen had a saved value.
    pub fn require_saved(&self) -> Result<()> {
        self.unsaved
            .as_ref()
            .map_or(Ok(()), |name| Err(another(format!("it has no value of `{name}`"))))
    }

    /// That all saved values had a variable.
    pub fn require_claimed(&self) -> Result<()> {
        let left = self.saved.keys().min();
        left.map_or(Ok(()), |name| {
            Err(another(format!("it has a value of `{name}`, which nothing uses now")))
        })
    }

    /// Sees to it that these variables are saved, and gives those that were saved before their
    /// values. What it has seen before stays as it is.
    pub fn adopt<'v>(&mut self, variables: impl IntoIterator<Item = &'v Variable>) -> Result<()> {
        for variable in variables {
            if !self.seen.insert(variable.id()) {
                continue;
            }
            let count = self.names.entry(variable.name().to_string()).or_default();
            *count += 1;
            let name = key(variable.name(), *count);
            let value = self.take(&name);
            if value.is_none() && self.restored {
                self.unsaved.get_or_insert_with(|| name.clone());
            }
            self.give(variable, value)?;
            self.known.push((name, variable.clone()));
        }
        Ok(())
    }

    /// The values of all, those among them that still wait; of some variables zeros.
    pub fn state(&self, reset: &[Variable]) -> State {
        let value = |variable: &Variable| {
            if reset.contains(variable) {
                Array::zeros(variable.shape(), variable.dtype())
            } else {
                variable.value()
            }
        };
        let known = self.known.iter().map(|(name, variable)| (name.clone(), value(variable)));
        let waiting = self.saved.iter().map(|(name, value)| (name.clone(), value.clone()));
        known.chain(waiting).fold(State::new(), |state, (name, value)| state.with(name, value))
    }
}

/// Whether a name of a file of the formats before 3 is that of a weight called `name` now: the
/// model's outermost layer stood before it.
pub(super) fn is_old_name(known: &str, name: &str) -> bool {
    known.split_once('/').is_some_and(|(_, rest)| rest == name)
}

/// What a variable is saved as, the first of its name or one that comes later: a number is added to
/// the latter, and to names that end like one with a number.
pub(super) fn key(name: &str, count: usize) -> String {
    let numbered = name
        .rsplit_once('#')
        .is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()));
    if count == 1 && !numbered { name.to_string() } else { format!("{name}#{count}") }
}

fn another(how: String) -> Error {
    let message = format!("the saved run is of another model, optimizer or metrics: {how}");
    Error::data(message, OTHER_MODEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_get_their_saved_values_when_they_are_first_seen() {
        let variables = |first: f32| ["a", "b", "a"].map(|name| Variable::new(name, first));
        let (old, new) = (variables(0.0), variables(0.0));
        for (variable, value) in old.iter().zip([1.0_f32, 2.0, 3.0]) {
            variable.set(&value.into()).unwrap();
        }
        let mut kept = SavedVariables::default();
        kept.adopt(&old).unwrap();
        let state = kept.state(&[]);
        let mut resumed = SavedVariables::default();
        resumed.adopt(&new[..1]).unwrap();
        resumed.restore(&state, false).unwrap();
        assert_eq!(resumed.state(&[]), state); // what was not seen yet is saved again
        resumed.adopt(&new).unwrap();
        assert_eq!(new.map(|variable| variable.value().get(0)), [1.0, 2.0, 3.0]);
        assert!(resumed.saved.is_empty());
    }

    #[test]
    fn no_two_variables_are_saved_as_one() {
        let names = ["a", "a#2", "a#1", "a", "a#2", "a#2#1", "a#", "a#", "#1", "", "", "a#x"];
        let variables: Vec<Variable> =
            (0..).zip(names).map(|(value, name)| Variable::new(name, value)).collect();
        let mut kept = SavedVariables::default();
        kept.adopt(&variables).unwrap();
        assert_eq!(kept.state(&[]).iter().count(), names.len());
        let again: Vec<Variable> = names.iter().map(|name| Variable::new(*name, 0)).collect();
        let mut resumed = SavedVariables::default();
        resumed.restore(&kept.state(&[]), false).unwrap();
        resumed.adopt(&again).unwrap();
        assert!((0..).zip(&again).all(|(value, variable)| variable.value() == Array::from(value)));
    }

    #[test]
    fn a_run_of_another_model_is_refused() {
        let mut kept = SavedVariables::default();
        kept.restore(&State::new().with("bias", 1.0_f32).with("kernel", [1.0_f32, 2.0]), false)
            .unwrap();
        let [bias, kernel] = ["bias", "kernel"].map(|name| Variable::new(name, 0.0_f32));
        let error = kept.adopt([&bias, &kernel]).unwrap_err();
        let message = "the saved run is of another model: variable `kernel` is f32[], got f32[2]";
        error.reads(message);
        assert_eq!(bias.value().item().unwrap(), 0.0); // as it was before
    }
}
