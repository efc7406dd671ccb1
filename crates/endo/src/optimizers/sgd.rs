//! Steps against the gradient, with momentum or by its sign: Sgd and Lion.
//!
//! In: a gradient. Out: `weight - rate * gradient`, a step along a velocity, or one of the same
//! size for every element.

use crate::graph::Tensor;
use crate::named::Named;

use super::declare::{optimizer, shared_options};
use super::{Optimizer, Slots};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] = &[Sgd::ROW, Lion::ROW];

optimizer! {
    /// Stochastic gradient descent, with momentum if asked for: Polyak 1964; Nesterov's in the form
    /// of Sutskever et al. 2013.
    ///
    /// `weight -= rate * gradient`; with momentum
    /// `velocity = momentum * velocity - rate * gradient` and `weight += velocity`, with Nesterov's
    /// `weight += momentum * velocity - rate * gradient`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let optimizer = Sgd::new(0.01).momentum(0.9).nesterov(true).clipnorm(1.0);
    /// ```
    Sgd ["sgd"] learning_rate = 0.01 {
        /// The share of the velocity that is kept; 0 unless set.
        momentum: f64 {0.0..=1.0} = 0.0,
        /// Whether to take the gradient's step beyond the velocity. False unless set.
        nesterov: bool = false,
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

optimizer! {
    /// Steps by the sign of a mean of gradient and momentum: Chen et al. 2023, "Symbolic Discovery
    /// of Optimization Algorithms", algorithm 2.
    ///
    /// `weight -= rate * sign(beta_1 * momentum + (1 - beta_1) * gradient)`, then
    /// `momentum = beta_2 * momentum + (1 - beta_2) * gradient`. Good rates are 3 to 10 times
    /// smaller than Adam's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Lion;
    /// let optimizer = Lion::new(0.0001).weight_decay(0.1);
    /// ```
    Lion ["lion"] learning_rate = 0.001 {
        /// The share of the momentum in a step; 0.9 unless set.
        beta_1: f64 {f64::MIN_POSITIVE..=1.0} = 0.9,
        /// The share of the momentum that is kept; 0.99 unless set.
        beta_2: f64 {0.0..=1.0} = 0.99,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let momentum = slots.get("momentum");
        let direction = (&momentum * self.beta_1 + gradient * (1.0 - self.beta_1)).sign();
        slots.set("momentum", momentum * self.beta_2 + gradient * (1.0 - self.beta_2));
        weight - direction * slots.rate()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::walk;
    use super::*;

    #[test]
    fn plain_descent_follows_the_gradient() {
        assert_eq!(walk(&Sgd::new(0.5), 1.0, [1.0, -2.0]), [0.5, 1.5]);
    }

    #[test]
    fn momentum_goes_on_where_the_gradient_ends() {
        assert_eq!(walk(&Sgd::new(1.0).momentum(0.5), 0.0, [1.0, 0.0, 0.0]), [-1.0, -1.5, -1.75]);
        assert_eq!(
            walk(&Sgd::new(1.0).momentum(0.5).nesterov(true), 0.0, [1.0, 0.0]),
            [-1.5, -1.75]
        );
    }

    #[test]
    fn every_step_of_lion_has_the_size_of_the_rate() {
        assert_eq!(walk(&Lion::new(0.25), 0.0, [1e-6, 100.0, -200.0]), [-0.25, -0.5, -0.25]);
    }
}
