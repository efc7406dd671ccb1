//! Stochastic gradient descent, with momentum if asked for.
//!
//! In: a gradient. Out: `weight - rate * gradient`, or a step along the velocity.

use crate::graph::Tensor;

use super::settings::options;
use super::{Optimizer, Settings, Slots};

/// Gradient descent with momentum (Polyak 1964), also Nesterov's (Sutskever et al. 2013).
///
/// `velocity = momentum * velocity - rate * gradient; weight += velocity`; with Nesterov
/// `weight += momentum * velocity - rate * gradient`.
///
/// ```
/// use endo::prelude::*;
/// let optimizer = Sgd::new(0.01).momentum(0.9).nesterov(true).clipnorm(1.0);
/// ```
#[derive(Debug)]
pub struct Sgd {
    settings: Settings,
    momentum: f64,
    nesterov: bool,
}

impl Sgd {
    /// Plain descent with a learning rate; Keras's default is 0.01.
    pub fn new(learning_rate: f64) -> Self {
        Self { settings: Settings::new(learning_rate), momentum: 0.0, nesterov: false }
    }

    /// The share of the velocity that is kept; 0 unless set.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Whether to take the gradient's step beyond the velocity.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }
}

options!(Sgd);

impl Default for Sgd {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl Optimizer for Sgd {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let descent = gradient * slots.rate();
        if self.momentum == 0.0 {
            return weight - descent;
        }
        let velocity = slots.get("momentum") * self.momentum - &descent;
        let velocity = slots.set("momentum", velocity);
        if self.nesterov { weight + velocity * self.momentum - descent } else { weight + velocity }
    }
}
