//! Steps divided by the size that gradients have had: Adagrad, Adadelta and RMSprop.
//!
//! In: a gradient. Out: `weight - rate * gradient / sqrt(size + epsilon)`; as in Keras, epsilon is
//! inside the root.

use crate::graph::Tensor;
use crate::named::Named;
use crate::simd::Routine;

use super::declare::{optimizer, shared_options};
use super::rule::routines;
use super::{Arithmetic, Optimizer, Slots, UpdateRule};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] = &[Adagrad::ROW, Adadelta::ROW, RmsProp::ROW];

/// The rules of this file.
pub(super) const RULES: &[[&Routine; 2]] =
    &[routines::<Adagrad, 1, 2>(), routines::<RmsProp, 1, 4>()];

/// The running mean of values, of which the share `kept` is kept in a step.
fn running(name: &str, value: &Tensor, kept: f64, slots: &mut Slots) -> Tensor {
    let mean = slots.get(name) * kept + value * (1.0 - kept);
    slots.set(name, mean)
}

optimizer! {
    /// Divides by the root of the sum of all squared gradients: Duchi, Hazan and Singer 2011,
    /// "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", figure 1
    /// with diagonal matrices.
    ///
    /// `accumulator += gradient^2; weight -= rate * gradient / sqrt(accumulator + epsilon)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Adagrad;
    /// let optimizer = Adagrad::new(0.1).initial_accumulator_value(0.5);
    /// ```
    Adagrad ["adagrad"] learning_rate = 0.001 {
        /// What the sums start from; 0.1 unless set.
        initial_accumulator_value: f64 {0.0..} = 0.1,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let accumulator =
            slots.get_full("accumulator", weight.shape(), self.initial_accumulator_value);
        let numbers = [slots.rate(), slots.number(self.epsilon)];
        let (names, before) = (["accumulator"], [accumulator]);
        slots.update_from::<Self, 1, 2>(weight, names, before, gradient, numbers)
    }

    /// A gradient of 0 adds nothing; without an epsilon, it may be divided by 0.
    fn leaves_unused_rows(&self) -> bool {
        self.epsilon > 0.0 || self.settings.is_lazy
    }
}

impl UpdateRule<1, 2> for Adagrad {
    const NAME: &'static str = "adagrad";

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [accumulator]: [A; 1],
        gradient: A,
        [rate, epsilon]: [A; 2],
    ) -> (A, [A; 1]) {
        let accumulator = accumulator + gradient.square();
        (weight - gradient * rate / (accumulator + epsilon).sqrt(), [accumulator])
    }
}

optimizer! {
    /// Divides by the running size of gradients and multiplies by that of steps, so that units
    /// agree: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1.
    ///
    /// `delta = -gradient * sqrt(mean of delta^2 + epsilon) / sqrt(mean of gradient^2 + epsilon)`,
    /// `weight += rate * delta`,
    /// with running means `mean = rho * mean + (1 - rho) * value`. The paper has rate 1.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Adadelta;
    /// let optimizer = Adadelta::new(1.0).rho(0.95);
    /// ```
    Adadelta ["adadelta"] learning_rate = 0.001 {
        /// The share of the running means that is kept; 0.95 unless set.
        rho: f64 {0.0..=1.0} = 0.95,
        /// What keeps the division from zero and the first steps from being 0; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let gradients = running("accumulated_grad", &gradient.square(), self.rho, slots);
        let deltas = slots.get("accumulated_delta_var");
        let delta = (deltas + self.epsilon).sqrt() * gradient / (gradients + self.epsilon).sqrt();
        running("accumulated_delta_var", &delta.square(), self.rho, slots);
        weight - delta * slots.rate()
    }
}

optimizer! {
    /// Divides by the running size of gradients: Tieleman and Hinton 2012, lecture 6.5; centered as
    /// in Graves 2013, "Generating Sequences with Recurrent Neural Networks", equations 38 to 41.
    ///
    /// `velocity = rho * velocity + (1 - rho) * gradient^2`,
    /// `weight -= rate * gradient / sqrt(velocity + epsilon)`;
    /// centered, the square of the running mean gradient is subtracted from `velocity` in the root.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let optimizer = RmsProp::new(0.001).rho(0.9).centered(true);
    /// ```
    RmsProp ["rmsprop"] learning_rate = 0.001 {
        /// The share of the running mean that is kept; 0.9 unless set.
        rho: f64 {0.0..=1.0} = 0.9,
        /// The share of the last step that is kept; 0 unless set.
        momentum: f64 {0.0..=1.0} = 0.0,
        /// What keeps the division from zero; 1e-7 unless set.
        epsilon: f64 {0.0..} = 1e-7,
        /// Whether to divide by the variance of the gradient instead of its mean square. False
        /// unless set.
        centered: bool = false,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        if self.momentum == 0.0 && !self.centered {
            let [kept, added, epsilon] =
                [self.rho, 1.0 - self.rho, self.epsilon].map(|number| slots.number(number));
            let numbers = [kept, added, slots.rate(), epsilon];
            return slots.update::<Self, 1, 4>(weight, ["velocity"], gradient, numbers);
        }
        let velocity = running("velocity", &gradient.square(), self.rho, slots);
        let size = if self.centered {
            let average = running("average_gradient", gradient, self.rho, slots);
            velocity - average.square() + self.epsilon
        } else {
            velocity + self.epsilon
        };
        let increment = gradient * slots.rate() / size.sqrt();
        if self.momentum == 0.0 {
            return weight - increment;
        }
        let momentum = slots.get("momentum") * self.momentum + increment;
        weight - slots.set("momentum", momentum)
    }
}

impl UpdateRule<1, 4> for RmsProp {
    const NAME: &'static str = "rmsprop";
    const WITH_PRODUCTS: bool = true;

    #[inline(always)]
    fn update<A: Arithmetic>(
        weight: A,
        [velocity]: [A; 1],
        gradient: A,
        [kept, added, rate, epsilon]: [A; 4],
    ) -> (A, [A; 1]) {
        let velocity = velocity * kept + gradient.square() * added;
        (weight - gradient * rate / (velocity + epsilon).sqrt(), [velocity])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::walk;
    use super::*;

    #[test]
    fn the_steps_of_adagrad_shrink() {
        let optimizer = Adagrad::new(1.0).initial_accumulator_value(0.0).epsilon(0.0);
        assert_eq!(walk(&optimizer, 0.0, [3.0, 4.0]), [-1.0, -1.0 - 0.8_f32].map(f64::from));
    }

    #[test]
    fn the_steps_of_adadelta_do_not_depend_on_the_units_of_the_gradient() {
        let optimizer = || Adadelta::new(1.0).epsilon(1e-4);
        let small = walk(&optimizer(), 0.0, [10.0, 10.0]);
        let large = walk(&optimizer(), 0.0, [1000.0, 1000.0]);
        assert!((small[1] / large[1] - 1.0).abs() < 1e-4, "{small:?} {large:?}");
    }

    #[test]
    fn the_first_step_of_rmsprop_is_as_long_for_every_gradient() {
        let optimizer = || RmsProp::new(0.5).rho(0.75).epsilon(0.0);
        assert_eq!(walk(&optimizer(), 0.0, [4.0]), [-1.0]);
        assert_eq!(walk(&optimizer(), 0.0, [-0.25]), [1.0]);
        assert_eq!(walk(&optimizer().momentum(0.5), 0.0, [4.0, 0.0]), [-1.0, -1.5]);
    }
}
