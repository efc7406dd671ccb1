//! RMSprop: steps divided by the running size of the gradient.
//!
//! In: a gradient. Out: `weight - rate * gradient / sqrt(mean square + epsilon)`.

use crate::graph::Tensor;

use super::settings::options;
use super::{Optimizer, Settings, Slots};

/// Tieleman and Hinton 2012, lecture 6.5: `velocity = rho * velocity + (1 - rho) * gradient^2`,
/// `weight -= rate * gradient / sqrt(velocity + epsilon)`; epsilon is inside the root, as in Keras.
///
/// ```
/// use endo::prelude::*;
/// let optimizer = RmsProp::new(0.001).rho(0.9).centered(true);
/// ```
#[derive(Debug)]
pub struct RmsProp {
    settings: Settings,
    rho: f64,
    momentum: f64,
    epsilon: f64,
    centered: bool,
}

impl RmsProp {
    /// Keras's defaults but for the learning rate, which is 0.001 there.
    pub fn new(learning_rate: f64) -> Self {
        Self { settings: Settings::new(learning_rate), rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false }
    }

    /// The share of the running mean that is kept.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// The share of the last step that is kept; 0 unless set.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// What keeps the division from zero.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether to divide by the variance of the gradient instead of its mean square.
    #[must_use]
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }
}

options!(RmsProp);

impl Default for RmsProp {
    fn default() -> Self {
        Self::new(0.001)
    }
}

impl Optimizer for RmsProp {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let velocity = slots.get("velocity") * self.rho + gradient.square() * (1.0 - self.rho);
        let velocity = slots.set("velocity", velocity);
        let denominator = if self.centered {
            let average = slots.get("average_gradient") * self.rho + gradient * (1.0 - self.rho);
            velocity - slots.set("average_gradient", average).square() + self.epsilon
        } else {
            velocity + self.epsilon
        };
        let increment = gradient * slots.rate() / denominator.sqrt();
        if self.momentum == 0.0 {
            return weight - increment;
        }
        let momentum = slots.get("momentum") * self.momentum + increment;
        weight - slots.set("momentum", momentum)
    }
}
