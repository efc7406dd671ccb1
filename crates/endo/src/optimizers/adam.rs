//! Steps along the running mean of the gradient, divided by its running size: Adam and those made
//! from it.
//!
//! In: a gradient. Out: `weight - rate * mean / (sqrt(mean square) + epsilon)`, both corrected for
//! their start at 0. The corrections are scalars, the same for all weights.

use crate::graph::Tensor;
use crate::named::Named;
use crate::simd::Routine;

use super::declare::{optimizer, shared_options};
use super::rule::routines;
use super::step::power_of;
use super::{Arithmetic, Optimizer, Slots, UpdateRule};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] =
    &[Adam::ROW, AdamW::ROW, Adamax::ROW, Nadam::ROW, Lamb::ROW];

/// The rules of this file.
pub(super) const RULES: &[[&Routine; 2]] = &[
    routines::<Adam, 2, 4>(),
    routines::<AmsGrad, 3, 4>(),
    routines::<Adamax, 2, 4>(),
    routines::<Nadam, 2, 6>(),
];

/// Moves a slot toward a value, by all but the share that is kept.
fn running(name: &str, value: &Tensor, kept: f64, slots: &mut Slots) -> Tensor {
    let mean = slots.get(name);
    slots.set(name, &mean + (value - &mean) * (1.0 - kept))
}

/// A mean moved toward a value by a share.
fn moved<A: Arithmetic>(mean: A, value: A, share: A) -> A {
    mean + (value - mean) * share
}

impl UpdateRule<2, 4> for Adam {
    const NAME: &'static str = "adam";
    const WITH_PRODUCTS: bool = true;
    const DECAYED_WITH_PRODUCTS: bool = true;

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [momentum, velocity]: [A; 2],
        gradient: A,
        [first, second, rate, epsilon]: [A; 4],
    ) -> (A, [A; 2]) {
        let momentum = moved(momentum, gradient, first);
        let velocity = moved(velocity, gradient.square(), second);
        (weight - momentum * rate / (velocity.sqrt() + epsilon), [momentum, velocity])
    }
}

/// Adam with `amsgrad`.
struct AmsGrad;

impl UpdateRule<3, 4> for AmsGrad {
    const NAME: &'static str = "amsgrad";

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [momentum, velocity, largest]: [A; 3],
        gradient: A,
        [first, second, rate, epsilon]: [A; 4],
    ) -> (A, [A; 3]) {
        let momentum = moved(momentum, gradient, first);
        let velocity = moved(velocity, gradient.square(), second);
        let largest = largest.maximum(velocity);
        let weight = weight - momentum * rate / (largest.sqrt() + epsilon);
        (weight, [momentum, velocity, largest])
    }
}

optimizer! {
    /// Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", in the form at the end of
    /// section 2: the corrections go into the rate, as in Keras. With `amsgrad` Reddi, Kale and
    /// Kumar 2018, algorithm 2.
    ///
    /// `momentum = beta_1 * momentum + (1 - beta_1) * gradient`,
    /// `velocity = beta_2 * velocity + (1 - beta_2) * gradient^2`,
    /// `weight -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * momentum / (sqrt(velocity) +
    /// epsilon)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let optimizer = Adam::new(0.001).beta_1(0.9).global_clipnorm(1.0);
    /// ```
    Adam ["adam"] learning_rate = 0.001 {
        /// The share of the running mean that is kept; 0.9 unless set.
        beta_1: f64 {0.0..1.0} = 0.9,
        /// The share of the running mean square that is kept; 0.999 unless set.
        beta_2: f64 {0.0..1.0} = 0.999,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
        /// Whether to divide by the largest running size so far. False unless set.
        amsgrad: bool = false,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        adam([self.beta_1, self.beta_2], self.epsilon, self.amsgrad, weight, gradient, slots)
    }
}

optimizer! {
    /// [`Adam`] with weight decay, 0.004 unless set: Loshchilov and Hutter 2019, "Decoupled Weight
    /// Decay Regularization".
    ///
    /// ```
    /// use endo::prelude::*;
    /// let optimizer = AdamW::new(0.001).weight_decay(0.01).exclude_from_weight_decay(["bias"]);
    /// ```
    AdamW ["adamw"] learning_rate = 0.001, weight_decay = 0.004 {
        /// The share of the running mean that is kept; 0.9 unless set.
        beta_1: f64 {0.0..1.0} = 0.9,
        /// The share of the running mean square that is kept; 0.999 unless set.
        beta_2: f64 {0.0..1.0} = 0.999,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
        /// Whether to divide by the largest running size so far. False unless set.
        amsgrad: bool = false,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        adam([self.beta_1, self.beta_2], self.epsilon, self.amsgrad, weight, gradient, slots)
    }
}

/// The weight after a step of Adam.
fn adam(
    [beta_1, beta_2]: [f64; 2],
    epsilon: f64,
    amsgrad: bool,
    weight: &Tensor,
    gradient: &Tensor,
    slots: &mut Slots,
) -> Tensor {
    let t = slots.step();
    let rate = slots.rate() * (1.0 - power_of(beta_2, &t)).sqrt() / (1.0 - power_of(beta_1, &t));
    let [first, second, epsilon] =
        [1.0 - beta_1, 1.0 - beta_2, epsilon].map(|number| slots.number(number));
    let numbers = [first, second, rate, epsilon];
    if amsgrad {
        let names = ["momentum", "velocity", "velocity_hat"];
        slots.update::<AmsGrad, 3, 4>(weight, names, gradient, numbers)
    } else {
        slots.update::<Adam, 2, 4>(weight, ["momentum", "velocity"], gradient, numbers)
    }
}

optimizer! {
    /// Adam with the largest gradient, decayed, in place of the mean square: Kingma and Ba 2015,
    /// algorithm 2.
    ///
    /// `norm = max(beta_2 * norm, |gradient|)`,
    /// `weight -= rate / (1 - beta_1^t) * momentum / (norm + epsilon)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Adamax;
    /// let optimizer = Adamax::new(0.002);
    /// ```
    Adamax ["adamax"] learning_rate = 0.001 {
        /// The share of the running mean that is kept; 0.9 unless set.
        beta_1: f64 {0.0..1.0} = 0.9,
        /// The share of the largest gradient that is kept; 0.999 unless set.
        beta_2: f64 {0.0..=1.0} = 0.999,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let rate = slots.rate() / (1.0 - power_of(self.beta_1, &slots.step()));
        let [first, kept, epsilon] =
            [1.0 - self.beta_1, self.beta_2, self.epsilon].map(|number| slots.number(number));
        let numbers = [first, kept, rate, epsilon];
        slots.update::<Self, 2, 4>(weight, ["momentum", "norm"], gradient, numbers)
    }
}

impl UpdateRule<2, 4> for Adamax {
    const NAME: &'static str = "adamax";

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [momentum, norm]: [A; 2],
        gradient: A,
        [first, kept, rate, epsilon]: [A; 4],
    ) -> (A, [A; 2]) {
        let momentum = moved(momentum, gradient, first);
        let norm = (norm * kept).maximum(gradient.abs());
        (weight - momentum * rate / (norm + epsilon), [momentum, norm])
    }
}

/// The product of all `u_t` so far.
const U_PRODUCT: &str = "u_product";

impl Nadam {
    fn u(&self, t: &Tensor) -> Tensor {
        self.beta_1 * (1.0 - 0.5 * power_of(0.96, t))
    }
}

optimizer! {
    /// Adam with Nesterov's look ahead: Dozat 2016, "Incorporating Nesterov Momentum into Adam",
    /// with the momentum schedule `u_t = beta_1 * (1 - 0.96^t / 2)` of Keras.
    ///
    /// `weight -= rate * ahead / (sqrt(velocity / (1 - beta_2^t)) + epsilon)`, where `ahead` is
    /// `u_(t+1) / (1 - u_1 .. u_(t+1)) * momentum + (1 - u_t) / (1 - u_1 .. u_t) * gradient`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let optimizer = Nadam::new(0.001).clipvalue(1.0);
    /// ```
    Nadam ["nadam"] learning_rate = 0.001 {
        /// The share of the running mean that is kept; 0.9 unless set.
        beta_1: f64 {0.0..1.0} = 0.9,
        /// The share of the running mean square that is kept; 0.999 unless set.
        beta_2: f64 {0.0..1.0} = 0.999,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
    }

    fn begin(&self, slots: &mut Slots) {
        let product = slots.get_shared(U_PRODUCT, 1.0) * self.u(&slots.step());
        slots.set_shared(U_PRODUCT, &product);
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let (t, rate) = (slots.step(), slots.rate());
        let (u, u_next) = (self.u(&t), self.u(&(&t + 1.0)));
        let product = slots.get_shared(U_PRODUCT, 1.0);
        let momentum_rate = &rate * &u_next / (1.0 - &product * &u_next);
        let gradient_rate = rate * (1.0 - u) / (1.0 - product);
        let size_correction = (1.0 - power_of(self.beta_2, &t)).rsqrt();
        let [first, second, epsilon] =
            [1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon].map(|number| slots.number(number));
        let numbers = [first, second, momentum_rate, gradient_rate, size_correction, epsilon];
        slots.update::<Self, 2, 6>(weight, ["momentum", "velocity"], gradient, numbers)
    }
}

impl UpdateRule<2, 6> for Nadam {
    const NAME: &'static str = "nadam";
    const WITH_PRODUCTS: bool = true;

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [momentum, velocity]: [A; 2],
        gradient: A,
        [first, second, momentum_rate, gradient_rate, size_correction, epsilon]: [A; 6],
    ) -> (A, [A; 2]) {
        let momentum = moved(momentum, gradient, first);
        let velocity = moved(velocity, gradient.square(), second);
        let ahead = momentum * momentum_rate + gradient * gradient_rate;
        let size = velocity.sqrt() * size_correction + epsilon;
        (weight - ahead / size, [momentum, velocity])
    }
}

optimizer! {
    /// Adam's step of a weight scaled to the norm of the weight, for large batches: You et al.
    /// 2020, "Large Batch Optimization for Deep Learning", algorithm 2, as in Keras with weight
    /// decay apart from the norm.
    ///
    /// `weight -= rate * |weight| / |step| * step`, where `step` is Adam's of rate 1; the ratio is
    /// 1 where a norm is 0.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Lamb;
    /// let optimizer = Lamb::new(0.01).exclude_from_weight_decay(["bias"]).weight_decay(0.01);
    /// ```
    Lamb ["lamb"] learning_rate = 0.001 {
        /// The share of the running mean that is kept; 0.9 unless set.
        beta_1: f64 {0.0..1.0} = 0.9,
        /// The share of the running mean square that is kept; 0.999 unless set.
        beta_2: f64 {0.0..1.0} = 0.999,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let t = slots.step();
        let mean_correction = 1.0 / (1.0 - power_of(self.beta_1, &t));
        let size_correction = (1.0 - power_of(self.beta_2, &t)).rsqrt();
        let momentum = running("momentum", gradient, self.beta_1, slots);
        let velocity = running("velocity", &gradient.square(), self.beta_2, slots);
        let step = momentum * mean_correction / (velocity.sqrt() * size_correction + self.epsilon);
        let [weight_norm, step_norm] = [weight, &step].map(|x| x.square().sum().sqrt());
        let both = weight_norm.greater(0.0) & step_norm.greater(0.0);
        let ratio = both.where_(&weight_norm / &step_norm, step_norm.ones_like());
        weight - step * (ratio * slots.rate())
    }

    fn leaves_unused_rows(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::walk;
    use super::*;

    fn near(got: &[f64], expected: &[f64]) {
        let all = got
            .iter()
            .zip(expected)
            .all(|(got, expected)| (got - expected).abs() < 1e-4 * expected.abs());
        assert!(all && got.len() == expected.len(), "{got:?}, expected {expected:?}");
    }

    #[test]
    fn steps_along_a_steady_gradient_have_the_size_of_the_rate() {
        for gradient in [1.0, 5.0] {
            near(&walk(&Adam::new(0.5), 0.0, [gradient; 3]), &[-0.5, -1.0, -1.5]);
            near(&walk(&Adam::new(0.5).amsgrad(true), 0.0, [gradient; 2]), &[-0.5, -1.0]);
            near(&walk(&Adamax::new(0.5), 0.0, [gradient; 3]), &[-0.5, -1.0, -1.5]);
        }
    }

    #[test]
    fn adam_decays_only_as_adamw() {
        near(&walk(&Adam::new(0.5), 1.0, [0.0]), &[1.0]);
        near(&walk(&AdamW::new(0.5), 1.0, [0.0]), &[0.998]);
        near(&walk(&AdamW::new(0.5).weight_decay(0.5), 1.0, [0.0]), &[0.75]);
    }

    #[test]
    fn nadam_looks_ahead() {
        // u_1 = 0.468, u_2 = 0.48528: momentum counts 0.48528 / (1 - 0.468 * 0.48528) * 0.1, the
        // gradient (1 - u_1) / (1 - u_1).
        near(&walk(&Nadam::new(1.0), 0.0, [2.0]), &[-1.062_786]);
    }

    #[test]
    fn the_steps_of_lamb_are_shares_of_the_weight() {
        near(&walk(&Lamb::new(0.5), 8.0, [3.0, 3.0]), &[4.0, 2.0]);
        near(&walk(&Lamb::new(0.5), 0.0, [3.0]), &[-0.5]);
        assert_eq!(walk(&Lamb::new(0.5), 8.0, [0.0]), [8.0]);
    }
}
