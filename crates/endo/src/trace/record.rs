//! What a context keeps of a trace: loss terms, metrics, weights, layers.
//!
//! In: from the layers applied. Out: to models and loops, by name.

use std::sync::{Arc, OnceLock, Weak};

use crate::array::Array;
use crate::constraints::Constraint;
use crate::error::Result;
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::regularizers::Regularizer;
use crate::shape::Shape;
use crate::variable::Variable;

use super::Context;

/// The first value of a weight of a name and shape; none where its initializer says it.
pub(super) type FirstValues = Arc<dyn Fn(&str, &Shape) -> Option<Result<Array>> + Send + Sync>;

/// What a layer around another does with the kernel of that one before its value is used, once.
pub(super) struct KernelChange {
    /// How many layers are being applied while the kernel is asked for.
    pub depth: usize,
    pub change: OnKernel,
}

/// What is done with the variable of a kernel.
type OnKernel = Box<dyn FnOnce(&Variable, &mut Context)>;

/// A number to be averaged over an epoch.
#[derive(Clone, Debug)]
pub struct MetricTerm {
    /// The path of its layer and its own name.
    pub name: String,
    /// How many parts of that its own name is.
    pub(crate) parts: usize,
    /// The scalar.
    pub value: Tensor,
    /// How many samples it stands for: the size of the first axis of the input of the outermost
    /// layer.
    pub batch: usize,
    /// Whether it was added outside all models and layers: by a custom step.
    pub(crate) is_outside: bool,
    /// The outermost of the models that were applied.
    pub(crate) outermost: Option<u64>,
}

/// A metric that a layer holds as a field and has updated in its `call`.
#[derive(Clone)]
pub struct HeldMetric {
    /// Whether it was updated outside all models and layers: by a custom step.
    pub(crate) is_outside: bool,
    /// The metric's own name.
    pub name: String,
    /// What it accumulates in; those known so far.
    #[allow(clippy::type_complexity)]
    pub variables: Arc<dyn Fn() -> Vec<Variable> + Send + Sync>,
    /// What else it depends on.
    pub hyperparameters: Hyperparameters,
    /// Its result, traced from the variables.
    #[allow(clippy::type_complexity)]
    pub result: Arc<dyn Fn(&mut Context) -> Tensor + Send + Sync>,
}

impl HeldMetric {
    /// Whether it is the metric of this name that accumulates in these variables: a metric's clones
    /// share them.
    pub(crate) fn is_same(&self, name: &str, variables: &[Variable]) -> bool {
        self.name == name && (self.variables)() == variables
    }
}

/// A weight that the trace has used, with what goes with it.
pub(crate) struct UsedWeight {
    pub variable: Variable,
    /// Whether it was made to be trained; it may be frozen since.
    pub trainable: bool,
    /// The field that holds it, which is gone when its layer is.
    pub owner: Weak<OnceLock<Variable>>,
    pub regularizer: Option<Arc<dyn Regularizer>>,
    pub constraint: Option<Arc<dyn Constraint>>,
    pub penalty: Option<Tensor>,
    /// The path of the layer that was the first to use it.
    pub layer: String,
    /// The models that have used it.
    pub owners: Vec<u64>,
    /// Those of them that were not applied within another.
    pub outermost: Vec<u64>,
}

impl UsedWeight {
    /// The path of its layer in the trace and its own name.
    pub fn path(&self) -> String {
        let name = self.variable.name();
        let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
        if self.layer.is_empty() { name.to_string() } else { format!("{}/{name}", self.layer) }
    }

    /// Whether it has a penalty: not where it is frozen.
    pub fn is_penalized(&self) -> bool {
        self.regularizer.is_some() && self.variable.is_trainable()
    }
}

/// A gradient that an optimizer was given.
pub(crate) struct GivenGradient {
    pub weight: Variable,
    pub gradient: Tensor,
    /// The factor of the loss that it is the gradient of, where the optimizer has one.
    pub scale: Option<f64>,
}

/// The parts of a [`Context`] that begin after a mark: what one application of a model added.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub(super) losses: usize,
    pub(super) metrics: usize,
    pub(super) held: usize,
}

/// A variable that a case of a choice or a step of a loop assigned, and its value before.
pub(super) struct Change {
    pub variable: Variable,
    pub before: Tensor,
}

/// A state that a step has said itself.
pub(super) struct Carried {
    pub first: Tensor,
    pub given: Tensor,
    pub next: Tensor,
    /// Whether the step at hand has said its next value.
    pub is_set: bool,
}

/// One call of a layer.
pub(crate) struct Visit {
    /// The layer's path.
    pub path: String,
    /// How many times it was applied before in this trace.
    pub call: usize,
    pub outputs: Vec<Tensor>,
}

/// What a trace has seen of a layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerRecord {
    /// The names of the layers around it and its own, joined by `/`.
    pub path: String,
    /// Its type: `Dense`.
    pub kind: String,
    /// Its own, and the initializers, regularizers and constraints of its weights.
    pub hyperparameters: Hyperparameters,
    /// The shapes of its outputs, at its last call.
    pub outputs: Vec<Shape>,
    /// The weights that it was the first to use.
    pub weights: Vec<Variable>,
}
