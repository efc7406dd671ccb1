//! Adam and AdamW: steps along the running mean of the gradient, divided by its running size.
//!
//! In: a gradient. Out: `weight - rate * mean / (sqrt(mean square) + epsilon)`, both corrected for their start at 0.

use crate::graph::Tensor;

use super::settings::options;
use super::{Optimizer, Settings, Slots};

/// Kingma and Ba 2015, in the form before section 2.1: the corrections go into the rate,
/// `rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)`, as in Keras; with `amsgrad` Reddi, Kale and Kumar 2018.
///
/// ```
/// use endo::prelude::*;
/// let optimizer = Adam::new(0.001).beta_1(0.9).global_clipnorm(1.0);
/// ```
#[derive(Debug)]
pub struct Adam {
    settings: Settings,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    amsgrad: bool,
}

impl Adam {
    /// Keras's defaults but for the learning rate, which is 0.001 there.
    pub fn new(learning_rate: f64) -> Self {
        Self { settings: Settings::new(learning_rate), beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, amsgrad: false }
    }

    /// Whether to divide by the largest running size so far.
    #[must_use]
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.amsgrad = amsgrad;
        self
    }
}

/// Gives an optimizer with fields `beta_1`, `beta_2` and `epsilon` options for them.
macro_rules! moments {
    ($Optimizer:ty) => {
        impl $Optimizer {
            /// The share of the running mean that is kept.
            #[must_use]
            pub fn beta_1(mut self, beta_1: f64) -> Self {
                self.beta_1 = beta_1;
                self
            }

            /// The share of the running mean square that is kept.
            #[must_use]
            pub fn beta_2(mut self, beta_2: f64) -> Self {
                self.beta_2 = beta_2;
                self
            }

            /// What keeps the division from zero.
            #[must_use]
            pub fn epsilon(mut self, epsilon: f64) -> Self {
                self.epsilon = epsilon;
                self
            }
        }
    };
}
pub(crate) use moments;

options!(Adam);
moments!(Adam);

impl Default for Adam {
    fn default() -> Self {
        Self::new(0.001)
    }
}

impl Optimizer for Adam {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let t = slots.step();
        let rate = slots.rate() * (1.0 - power_of(self.beta_2, &t)).sqrt() / (1.0 - power_of(self.beta_1, &t));
        let momentum = slots.get("momentum");
        let momentum = slots.set("momentum", &momentum + (gradient - &momentum) * (1.0 - self.beta_1));
        let velocity = slots.get("velocity");
        let mut velocity = slots.set("velocity", &velocity + (gradient.square() - &velocity) * (1.0 - self.beta_2));
        if self.amsgrad {
            let largest = slots.get("velocity_hat").maximum(&velocity);
            velocity = slots.set("velocity_hat", largest);
        }
        weight - momentum * rate / (velocity.sqrt() + self.epsilon)
    }
}

/// `base^exponent` for a scalar exponent.
pub(crate) fn power_of(base: f64, exponent: &Tensor) -> Tensor {
    exponent.constant_like(base).power(exponent)
}

/// Adam with weight decay, 0.004 unless set (Loshchilov and Hutter 2019).
///
/// ```
/// use endo::prelude::*;
/// let optimizer = AdamW::new(0.001).weight_decay(0.01);
/// ```
#[derive(Debug)]
pub struct AdamW {
    adam: Adam,
}

impl AdamW {
    /// Keras's defaults but for the learning rate, which is 0.001 there.
    pub fn new(learning_rate: f64) -> Self {
        Self { adam: Adam::new(learning_rate).weight_decay(0.004) }
    }
}

macro_rules! forward {
    ($($(#[$doc:meta])* $option:ident($argument:ident: $Type:ty);)+) => {
        impl AdamW {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $option(self, $argument: $Type) -> Self {
                    Self { adam: self.adam.$option($argument) }
                }
            )+
        }
    };
}

forward! {
    /// Moves every weight towards 0 by this share, times the learning rate, before its update.
    weight_decay(decay: f64);
    /// The share of the running mean that is kept.
    beta_1(beta_1: f64);
    /// The share of the running mean square that is kept.
    beta_2(beta_2: f64);
    /// What keeps the division from zero.
    epsilon(epsilon: f64);
    /// Whether to divide by the largest running size so far.
    amsgrad(amsgrad: bool);
    /// Clips every element of every gradient to `[-limit, limit]`.
    clipvalue(limit: f64);
    /// Scales every gradient whose norm exceeds the limit down to it.
    clipnorm(limit: f64);
    /// Scales all gradients when the norm of all together exceeds the limit.
    global_clipnorm(limit: f64);
}

impl Default for AdamW {
    fn default() -> Self {
        Self::new(0.001)
    }
}

impl Optimizer for AdamW {
    fn settings(&self) -> &Settings {
        self.adam.settings()
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        self.adam.update(weight, gradient, slots)
    }
}
