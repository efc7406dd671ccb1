//! What all optimizers have: a learning rate, a count of steps, clipping, weight decay, and their slots.
//!
//! In: options with Keras's names. Out: the pieces of a step that do not depend on the kind of optimizer.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;
use crate::trace::Context;
use crate::variable::Variable;

/// The learning rate, clipping and decay of an optimizer, and the variables it keeps.
#[derive(Debug)]
pub struct Settings {
    learning_rate: Variable,
    iterations: Variable,
    clipvalue: Option<f64>,
    clipnorm: Option<f64>,
    global_clipnorm: Option<f64>,
    weight_decay: Option<f64>,
    /// By the identity of a weight and the slot's name.
    slots: Mutex<BTreeMap<(u64, String), Variable>>,
}

/// The values of one step that all updates share.
pub(crate) struct Step {
    pub rate: Tensor,
    pub number: Tensor,
}

/// The slots that belong to no weight are kept under this identity, which no variable has.
const SHARED: u64 = u64::MAX;

impl Settings {
    /// A learning rate, and nothing else.
    pub fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate: Variable::new("learning_rate", Array::scalar(learning_rate as f32)).frozen(),
            iterations: Variable::new("iterations", Array::scalar(0)).frozen(),
            clipvalue: None,
            clipnorm: None,
            global_clipnorm: None,
            weight_decay: None,
            slots: Mutex::new(BTreeMap::new()),
        }
    }

    /// The learning rate, which may be set between steps.
    pub fn learning_rate(&self) -> &Variable {
        &self.learning_rate
    }

    /// The number of steps taken.
    pub fn iterations(&self) -> &Variable {
        &self.iterations
    }

    /// Every variable that the optimizer keeps, slots in the order of the weights' making.
    pub fn variables(&self) -> Vec<Variable> {
        let slots = self.slots.lock().expect("no thread panics while it makes a slot");
        [self.iterations.clone(), self.learning_rate.clone()].into_iter().chain(slots.values().cloned()).collect()
    }

    pub(crate) fn set_clipvalue(&mut self, limit: f64) {
        self.clipvalue = Some(limit);
    }

    pub(crate) fn set_clipnorm(&mut self, limit: f64) {
        self.clipnorm = Some(limit);
    }

    pub(crate) fn set_global_clipnorm(&mut self, limit: f64) {
        self.global_clipnorm = Some(limit);
    }

    pub(crate) fn set_weight_decay(&mut self, decay: f64) {
        self.weight_decay = Some(decay);
    }

    /// The share of a weight that decays in a step of rate 1, if any.
    pub(crate) fn decay(&self, _weight: &Variable) -> Option<f64> {
        self.weight_decay
    }

    /// Gradients clipped: by value, or by the norm of each, or by the norm of all together (Pascanu, Mikolov and Bengio 2013).
    pub(crate) fn clip(&self, gradients: &[Tensor]) -> Vec<Tensor> {
        let square_norm = |gradient: &Tensor| gradient.square().sum();
        let mut clipped = gradients.to_vec();
        if let Some(limit) = self.clipnorm {
            clipped = clipped.iter().map(|gradient| gradient * limit / square_norm(gradient).sqrt().maximum(limit)).collect();
        }
        if let Some(limit) = self.global_clipnorm
            && let Some(norm) = clipped.iter().map(square_norm).reduce(|sum, square| sum + square)
        {
            let scale = limit / norm.sqrt().maximum(limit);
            clipped = clipped.iter().map(|gradient| gradient * &scale).collect();
        }
        if let Some(limit) = self.clipvalue {
            clipped = clipped.iter().map(|gradient| gradient.clip(-limit, limit)).collect();
        }
        clipped
    }

    /// Counts a step.
    pub(crate) fn next_step(&self, cx: &mut Context) -> Step {
        let next = cx.read(&self.iterations) + 1;
        cx.assign(&self.iterations, &next);
        Step { rate: cx.read(&self.learning_rate), number: next.cast(DType::F32) }
    }

    /// The slot of a weight (of none: shared by all), made at first use with `first` in every element.
    pub(crate) fn slot(&self, weight: Option<&Variable>, name: &str, first: f64) -> Variable {
        let key = (weight.map_or(SHARED, Variable::id), name.to_string());
        let mut slots = self.slots.lock().expect("no thread panics while it makes a slot");
        let make = || match weight {
            Some(weight) => {
                Variable::new(format!("{}/{name}", weight.name()), Array::full(weight.shape(), first, weight.dtype()))
            }
            None => Variable::new(name, Array::full((), first, DType::F32)),
        };
        slots.entry(key).or_insert_with(|| make().frozen()).clone()
    }
}

/// Gives an optimizer with a field `settings` Keras's options.
macro_rules! options {
    ($Optimizer:ty) => {
        impl $Optimizer {
            /// Clips every element of every gradient to `[-limit, limit]`.
            #[must_use]
            pub fn clipvalue(mut self, limit: f64) -> Self {
                self.settings.set_clipvalue(limit);
                self
            }

            /// Scales every gradient whose norm exceeds the limit down to it.
            #[must_use]
            pub fn clipnorm(mut self, limit: f64) -> Self {
                self.settings.set_clipnorm(limit);
                self
            }

            /// Scales all gradients when the norm of all together exceeds the limit.
            #[must_use]
            pub fn global_clipnorm(mut self, limit: f64) -> Self {
                self.settings.set_global_clipnorm(limit);
                self
            }

            /// Moves every weight towards 0 by this share, times the learning rate, before its update (Loshchilov and
            /// Hutter 2019).
            #[must_use]
            pub fn weight_decay(mut self, decay: f64) -> Self {
                self.settings.set_weight_decay(decay);
                self
            }
        }
    };
}
pub(crate) use options;
