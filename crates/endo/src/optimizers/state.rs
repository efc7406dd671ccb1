//! What an optimizer keeps, by names, for a file of the model.
//!
//! In: the weights by their names. Out: the count of steps, the learning rate and the slots of
//! these weights; and an optimizer that goes on from them.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::array::Array;
use crate::error::Result;
use crate::variable::Variable;

use super::learning_rate::LearningRate;
use super::settings::{AVERAGE, SHARED, Settings};

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
        if let LearningRate::Number(rate) = self.rate() {
            state.push((LEARNING_RATE.to_string(), rate.value()));
        }
        let is_swapped = self.swapped.load(Ordering::Relaxed);
        let (slots, restored) = (self.slots(), self.restored());
        let values = slots.iter().map(|(key, variable)| (key, variable.value()));
        // What was read from a file and not used yet is written again.
        let unused = restored.iter().map(|(key, value)| (key, value.clone()));
        for ((of, slot), value) in values.chain(unused) {
            let weight = weights.iter().find(|(_, weight)| weight.id() == *of);
            let value = match weight {
                // The averages are in the place of the weights, and are what the file says that the
                // weights are.
                Some((_, weight)) if is_swapped && slot == AVERAGE => weight.value(),
                _ => value,
            };
            if let Some(name) =
                weight.map(|(name, _)| name.as_str()).or((*of == SHARED).then_some(""))
            {
                state.push((slot_name(name, slot), value));
            }
        }
        state
    }

    /// Goes on from what [`state`](Self::state) gave. Slots that are there get their values; others
    /// have them from when they are made. A slot of these weights that the state does not have is
    /// made anew.
    pub(crate) fn restore(
        &self,
        weights: &[(String, Variable)],
        state: BTreeMap<String, Array>,
    ) -> Result<()> {
        if let Some(iterations) = state.get(ITERATIONS) {
            self.iterations().set(iterations)?;
        }
        if let (LearningRate::Number(variable), Some(rate)) =
            (self.rate(), state.get(LEARNING_RATE))
        {
            variable.set(rate)?;
        }
        let (mut slots, mut restored) = (self.slots(), self.restored());
        let mut values = BTreeMap::new();
        for (name, value) in state {
            let Some((weight, slot)) = name.rsplit_once(':') else { continue };
            let known =
                weights.iter().find(|(known, _)| known == weight).map(|(_, weight)| weight.id());
            if let Some(of) = known.or(weight.is_empty().then_some(SHARED)) {
                values.insert((of, slot.to_string()), value);
            }
        }
        let is_of = |of: u64| weights.iter().any(|(_, weight)| weight.id() == of);
        slots.retain(|key, _| !is_of(key.0) || values.contains_key(key));
        restored.retain(|key, _| !is_of(key.0));
        for (key, value) in values {
            match slots.get(&key).filter(|slot| slot.check(&value).is_ok()) {
                Some(slot) => slot.set(&value)?,
                None => drop(restored.insert(key, value)),
            }
        }
        Ok(())
    }

    /// The value that a slot begins with, if it was read from a file and has the shape and type of
    /// the one that it would have otherwise.
    pub(super) fn take_restored(&self, key: &(u64, String), first: &Array) -> Option<Array> {
        let mut restored = self.restored();
        let fits = |value: &Array| (value.dtype(), value.shape()) == (first.dtype(), first.shape());
        if !restored.get(key).is_some_and(fits) {
            return None;
        }
        restored.remove(key)
    }

    /// What was read from a file for these weights and is kept by no slot after a step: the state
    /// of another optimizer.
    pub(super) fn take_unused(&self, weights: &[&Variable]) -> Vec<String> {
        let mut restored = self.restored();
        let is_of = |of: u64| of == SHARED || weights.iter().any(|weight| weight.id() == of);
        let mut names = Vec::new();
        for (_, slot) in restored.keys().filter(|(of, _)| is_of(*of)) {
            if !names.contains(slot) {
                names.push(slot.clone());
            }
        }
        restored.retain(|(of, _), _| !is_of(*of));
        names
    }

    pub(super) fn restored(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, String), Array>> {
        self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
