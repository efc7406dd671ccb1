//! Terms and metrics that a model was given for the outputs of layers, from outside their `call`.
//!
//! In: a pattern of paths and a function of an output. Out: what the layer would have added itself
//! at the end of its call.

use std::sync::Arc;

use crate::graph::Tensor;
use crate::site::Site;

use super::Context;
use super::pattern::Pattern;

/// A term or metric of every layer whose path matches.
pub(crate) struct AttachedTerm {
    pub pattern: Pattern,
    pub name: String,
    pub adds: Addition,
    pub value: Box<Value>,
    /// The line that gave it.
    pub site: Site,
}

/// What an attachment adds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Addition {
    Loss,
    Metric,
}

/// A scalar made of a layer's output.
pub(crate) type Value = dyn Fn(&Tensor) -> Tensor + Send + Sync;

impl Context {
    /// Adds what is attached to the innermost layer, whose call is about to end with these outputs.
    pub(super) fn add_attached(&mut self, outputs: &[&Tensor]) {
        let path = self.scopes.path();
        let matching: Vec<Arc<AttachedTerm>> =
            self.attached.iter().filter(|entry| entry.pattern.matches(path)).cloned().collect();
        for entry in matching {
            for (index, output) in outputs.iter().enumerate() {
                let name = if index == 0 {
                    entry.name.clone()
                } else {
                    format!("{}_output_{index}", entry.name)
                };
                let value = (entry.value)(output);
                match entry.adds {
                    Addition::Loss => self.add_scalar_loss(&name, &value, entry.site),
                    Addition::Metric => self.add_scalar_metric(&name, &value, entry.site),
                }
            }
        }
    }
}
