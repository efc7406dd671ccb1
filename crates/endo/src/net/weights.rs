//! The weights of a net: all of them, by their names, those that optimizers may change, and those
//! of the models that belong to it.
//!
//! In: a net that traces have seen. Out: its variables; and [`WeightState`], which says whether
//! something may change one.

use std::sync::atomic::Ordering;

use crate::array::Array;
use crate::error::Result;
use crate::graph::Tree;
use crate::variable::Variable;

use super::{Net, model_layer};

/// What may change a weight: a step is traced for it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct WeightState {
    /// Whether optimizers may.
    pub trainable: bool,
    /// Whether nothing may, layers that keep statistics in it included.
    pub frozen: bool,
    /// What the learning rate is multiplied by for it.
    pub learning_rate_factor: f64,
}

impl WeightState {
    pub fn of(weight: &Variable) -> Self {
        Self {
            trainable: weight.is_trainable(),
            frozen: weight.is_frozen(),
            learning_rate_factor: weight.learning_rate_factor(),
        }
    }
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// Its weights, trainable or not, in the order of their first use, and then those of the models
    /// that belong to it.
    pub fn weights(&self) -> Vec<Variable> {
        self.named_weights().into_iter().map(|(_, variable)| variable).collect()
    }

    /// The same with their names within it.
    pub fn named_weights(&self) -> Vec<(String, Variable)> {
        let mut weights = self.seen().weights.clone();
        for (part, companion) in &self.companions {
            for (name, variable) in companion.named_weights() {
                if weights.iter().all(|(_, known)| *known != variable) {
                    weights.push((format!("{part}/{name}"), variable));
                }
            }
        }
        weights
    }

    /// Its weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.weights().into_iter().filter(Variable::is_trainable).collect()
    }

    /// Those of them that its `call` uses.
    pub fn own_trainable_weights(&self) -> Vec<Variable> {
        self.seen()
            .weights
            .iter()
            .map(|(_, weight)| weight.clone())
            .filter(Variable::is_trainable)
            .collect()
    }

    /// The weight of a name within it; with the name of its outermost layer before it, too.
    pub fn weight(&self, name: &str) -> Option<Variable> {
        let weights = self.named_weights();
        let find = |name: &str| {
            weights.iter().find(|(known, _)| known == name).map(|(_, variable)| variable.clone())
        };
        let outermost = self.seen().layers.first().map(|layer| layer.path.clone());
        let of_outermost = |outermost: String| {
            name.strip_prefix(&outermost).and_then(|rest| rest.strip_prefix('/'))
        };
        find(name).or_else(|| find(outermost.and_then(of_outermost)?))
    }

    /// Overwrites all weights, or none if one does not fit.
    pub fn set_weights(&self, values: &[Array]) -> Result<()> {
        model_layer::set(&self.weights(), values, "the model")
    }

    /// Freezes all its weights, those still to come included, or takes that back.
    pub fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
        for weight in self.weights() {
            if frozen { weight.freeze() } else { weight.unfreeze() }
        }
    }
}
