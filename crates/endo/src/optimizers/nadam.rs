//! Nadam: Adam with Nesterov's look ahead.
//!
//! In: a gradient. Out: a step along a mean of the next momentum and the gradient, divided by the gradient's running size.

use crate::graph::Tensor;

use super::adam::{moments, power_of};
use super::settings::options;
use super::{Optimizer, Settings, Slots};

/// Dozat 2016, with the momentum schedule `u_t = beta_1 (1 - 0.96^t / 2)` of Keras.
///
/// ```
/// use endo::prelude::*;
/// let optimizer = Nadam::new(0.001).clipvalue(1.0);
/// ```
#[derive(Debug)]
pub struct Nadam {
    settings: Settings,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

/// The product of all `u_t` so far.
const U_PRODUCT: &str = "u_product";

impl Nadam {
    /// Keras's defaults but for the learning rate, which is 0.001 there.
    pub fn new(learning_rate: f64) -> Self {
        Self { settings: Settings::new(learning_rate), beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    fn u(&self, t: &Tensor) -> Tensor {
        self.beta_1 * (1.0 - 0.5 * power_of(0.96, t))
    }
}

options!(Nadam);
moments!(Nadam);

impl Default for Nadam {
    fn default() -> Self {
        Self::new(0.001)
    }
}

impl Optimizer for Nadam {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn begin(&self, slots: &mut Slots) {
        let product = slots.get_shared(U_PRODUCT, 1.0) * self.u(&slots.step());
        slots.set_shared(U_PRODUCT, 1.0, &product);
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let t = slots.step();
        let (u, u_next) = (self.u(&t), self.u(&(&t + 1.0)));
        let product = slots.get_shared(U_PRODUCT, 1.0);
        let momentum = slots.get("momentum");
        let momentum = slots.set("momentum", &momentum + (gradient - &momentum) * (1.0 - self.beta_1));
        let velocity = slots.get("velocity");
        let velocity = slots.set("velocity", &velocity + (gradient.square() - &velocity) * (1.0 - self.beta_2));
        let momentum_share = &u_next / (1.0 - &product * &u_next);
        let gradient_share = (1.0 - u) / (1.0 - &product);
        let momentum_hat = momentum * momentum_share + gradient * gradient_share;
        let velocity_hat = velocity / (1.0 - power_of(self.beta_2, &t));
        weight - momentum_hat * slots.rate() / (velocity_hat.sqrt() + self.epsilon)
    }
}
