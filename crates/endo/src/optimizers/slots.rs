//! What an optimizer's update can reach besides weight and gradient: the rate, the step, and variables kept for the weight.
//!
//! In: names of slots. Out: their values, and their new ones assigned.

use crate::graph::Tensor;
use crate::trace::Context;
use crate::variable::Variable;

use super::settings::{Settings, Step};

/// The rate, the number of the step, and the slots of one weight, during an update.
pub struct Slots<'a> {
    settings: &'a Settings,
    step: &'a Step,
    weight: Option<&'a Variable>,
    cx: &'a mut Context,
}

impl<'a> Slots<'a> {
    pub(crate) fn of(settings: &'a Settings, step: &'a Step, weight: &'a Variable, cx: &'a mut Context) -> Self {
        Self { settings, step, weight: Some(weight), cx }
    }

    pub(crate) fn shared(settings: &'a Settings, step: &'a Step, cx: &'a mut Context) -> Self {
        Self { settings, step, weight: None, cx }
    }

    /// The learning rate, a scalar of the weight's type.
    pub fn rate(&self) -> Tensor {
        self.typed(&self.step.rate)
    }

    /// The number of this step, from 1, a scalar of the weight's type.
    pub fn step(&self) -> Tensor {
        self.typed(&self.step.number)
    }

    /// The slot called `name`: zeros in the weight's shape until set.
    pub fn get(&mut self, name: &str) -> Tensor {
        self.cx.read(&self.settings.slot(self.weight, name, 0.0))
    }

    /// Keeps a value in a slot for the next step, and returns it.
    pub fn set(&mut self, name: &str, value: Tensor) -> Tensor {
        self.cx.assign(&self.settings.slot(self.weight, name, 0.0), &value);
        value
    }

    /// A scalar that all weights share, `first` until set.
    pub fn get_shared(&mut self, name: &str, first: f64) -> Tensor {
        let value = self.cx.read(&self.settings.slot(None, name, first));
        self.typed(&value)
    }

    /// Keeps a scalar that all weights share for the next step. To be used in [`Optimizer::begin`](super::Optimizer::begin),
    /// once a step.
    pub fn set_shared(&mut self, name: &str, first: f64, value: &Tensor) {
        self.cx.assign(&self.settings.slot(None, name, first), value);
    }

    fn typed(&self, value: &Tensor) -> Tensor {
        self.weight.map_or_else(|| value.clone(), |weight| value.cast(weight.dtype()))
    }
}
