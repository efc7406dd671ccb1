//! What an optimizer keeps, by names, for a file of the model.
//!
//! In: the weights by their names. Out: the count of steps, the learning rate and the slots of these weights; and an optimizer that goes on
//! from them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::array::Array;
use crate::error::Result;
use crate::variable::Variable;

use super::learning_rate::LearningRate;
use super::settings::{SHARED, Settings};

const ITERATIONS: &str = "iterations";
const LEARNING_RATE: &str = "learning_rate";

/// The name of a slot: that of its weight, if it has one, and its own.
fn slot_name(weight: &str, slot: &str) -> String {
    format!("{weight}:{slot}")
}

impl Settings {
    /// The state for these weights, by name.
    pub(crate) fn state(&self, weights: &[(String, Variable)]) -> Vec<(String, Array)> {
        let mut state = vec![(ITERATIONS.to_string(), self.iterations().value())];
        if let LearningRate::Number(rate) = &self.learning_rate {
            state.push((LEARNING_RATE.to_string(), rate.value()));
        }
        for ((of, slot), variable) in self.slots().iter() {
            let weight = weights.iter().find(|(_, weight)| weight.id() == *of).map(|(name, _)| name.as_str());
            if let Some(weight) = weight.or((*of == SHARED).then_some("")) {
                state.push((slot_name(weight, slot), variable.value()));
            }
        }
        // What was read from a file and not used yet is written again.
        for ((of, slot), value) in self.restored().iter() {
            let weight = weights.iter().find(|(_, weight)| weight.id() == *of).map(|(name, _)| name.as_str());
            if let Some(weight) = weight.or((*of == SHARED).then_some("")) {
                state.push((slot_name(weight, slot), value.clone()));
            }
        }
        state
    }

    /// Goes on from what [`state`](Self::state) gave. Slots of these weights are made anew when they are next used, with the values of
    /// then.
    pub(crate) fn restore(&self, weights: &[(String, Variable)], state: BTreeMap<String, Array>) -> Result<()> {
        if let Some(iterations) = state.get(ITERATIONS) {
            self.iterations().set(iterations)?;
        }
        if let (LearningRate::Number(variable), Some(rate)) = (&self.learning_rate, state.get(LEARNING_RATE)) {
            variable.set(rate)?;
        }
        let (mut slots, mut restored) = (self.slots(), self.restored());
        let is_of = |of: u64| of == SHARED || weights.iter().any(|(_, weight)| weight.id() == of);
        slots.retain(|(of, _), _| !is_of(*of));
        restored.retain(|(of, _), _| !is_of(*of));
        for (name, value) in state {
            let Some((weight, slot)) = name.rsplit_once(':') else { continue };
            let known = weights.iter().find(|(known, _)| known == weight).map(|(_, weight)| weight.id());
            if let Some(of) = known.or(weight.is_empty().then_some(SHARED)) {
                restored.insert((of, slot.to_string()), value);
            }
        }
        Ok(())
    }

    /// The value that a slot begins with, if it was read from a file and has the shape and type of the one that it would have otherwise.
    pub(super) fn take_restored(&self, key: &(u64, String), first: &Array) -> Option<Array> {
        let mut restored = self.restored();
        let fits = |value: &Array| (value.dtype(), value.shape()) == (first.dtype(), first.shape());
        if !restored.get(key).is_some_and(fits) {
            return None;
        }
        restored.remove(key)
    }

    /// What was read from a file for these weights and is kept by no slot after a step: the state of another optimizer.
    pub(super) fn take_unused(&self, weights: &[&Variable]) -> Vec<String> {
        let mut restored = self.restored();
        let is_of = |of: u64| of == SHARED || weights.iter().any(|weight| weight.id() == of);
        let names: Vec<String> = restored.keys().filter(|(of, _)| is_of(*of)).map(|(_, slot)| slot.clone()).collect();
        restored.retain(|(of, _), _| !is_of(*of));
        let mut once = Vec::new();
        names.into_iter().for_each(|name| {
            if !once.contains(&name) {
                once.push(name)
            }
        });
        once
    }

    fn restored(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, String), Array>> {
        self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
