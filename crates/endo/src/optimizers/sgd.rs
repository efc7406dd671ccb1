//! Steps against the gradient, with momentum or by its sign: Sgd and Lion.
//!
//! In: a gradient. Out: `weight - rate * gradient`, a step along a velocity, or one of the same
//! size for every element.

use crate::graph::Tensor;
use crate::named::Named;
use crate::simd::Routine;

use super::declare::{optimizer, shared_options};
use super::rule::routines;
use super::{Arithmetic, Optimizer, Slots, UpdateRule};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] = &[Sgd::ROW, Lion::ROW];

/// The rules of this file.
pub(super) const RULES: &[[&Routine; 2]] = &[
    routines::<Sgd, 0, 1>(),
    routines::<Momentum, 1, 2>(),
    routines::<Nesterov, 1, 2>(),
    routines::<Lion, 1, 5>(),
];

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
        let rate = slots.rate();
        if self.momentum == 0.0 {
            return slots.update::<Self, 0, 1>(weight, [], gradient, [rate]);
        }
        let numbers = [slots.number(self.momentum), rate];
        if self.nesterov {
            slots.update::<Nesterov, 1, 2>(weight, ["momentum"], gradient, numbers)
        } else {
            slots.update::<Momentum, 1, 2>(weight, ["momentum"], gradient, numbers)
        }
    }

    fn leaves_unused_rows(&self) -> bool {
        self.momentum == 0.0 || self.settings.is_lazy
    }
}

impl UpdateRule<0, 1> for Sgd {
    const NAME: &'static str = "sgd";
    const WITH_PRODUCTS: bool = true;

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        _slots: [A; 0],
        gradient: A,
        [rate]: [A; 1],
    ) -> (A, [A; 0]) {
        (weight - gradient * rate, [])
    }
}

/// Descent with momentum.
struct Momentum;

impl UpdateRule<1, 2> for Momentum {
    const NAME: &'static str = "momentum";
    const WITH_PRODUCTS: bool = true;

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [velocity]: [A; 1],
        gradient: A,
        [momentum, rate]: [A; 2],
    ) -> (A, [A; 1]) {
        let velocity = velocity * momentum - gradient * rate;
        (weight + velocity, [velocity])
    }
}

/// Descent with Nesterov's momentum.
struct Nesterov;

impl UpdateRule<1, 2> for Nesterov {
    const NAME: &'static str = "nesterov";

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [velocity]: [A; 1],
        gradient: A,
        [momentum, rate]: [A; 2],
    ) -> (A, [A; 1]) {
        let descent = gradient * rate;
        let velocity = velocity * momentum - descent;
        (weight + velocity * momentum - descent, [velocity])
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
        let shares = [self.beta_1, 1.0 - self.beta_1, self.beta_2, 1.0 - self.beta_2];
        let [taken, given, kept, added] = shares.map(|share| slots.number(share));
        let numbers = [taken, given, kept, added, slots.rate()];
        slots.update::<Self, 1, 5>(weight, ["momentum"], gradient, numbers)
    }
}

impl UpdateRule<1, 5> for Lion {
    const NAME: &'static str = "lion";

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [momentum]: [A; 1],
        gradient: A,
        [taken, given, kept, added, rate]: [A; 5],
    ) -> (A, [A; 1]) {
        let direction = (momentum * taken + gradient * given).sign();
        (weight - direction * rate, [momentum * kept + gradient * added])
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
