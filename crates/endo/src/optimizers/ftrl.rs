//! Follow the regularized leader: weights computed anew from sums of gradients, exactly 0 where the
//! sum is small.
//!
//! In: a gradient. Out: the weight that would have been best so far, given penalties. What
//! click-through models are trained with.

use crate::graph::Tensor;
use crate::named::Named;

use super::declare::{optimizer, shared_options};
use super::{Optimizer, Slots};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] = &[Ftrl::ROW];

optimizer! {
    /// McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches", algorithm 1, with
    /// Keras's shrinkage.
    ///
    /// With `n = n_before + gradient^2`, `p = -learning_rate_power` and
    /// `shrunk = gradient + 2 * l2_shrinkage * weight`:
    /// `linear += shrunk - (n^p - n_before^p) / rate * weight`, then
    /// `weight = (clip(linear, -l1, l1) - linear) / (n^p / rate + 2 * l2 + beta / rate)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Ftrl;
    /// let optimizer = Ftrl::new(0.1).l1_regularization_strength(0.01);
    /// ```
    Ftrl ["ftrl"] learning_rate = 0.001 {
        /// The power of the sum of squares by which the rate falls; -0.5 unless set, 0 for a rate
        /// that does not fall.
        learning_rate_power: f64 {..=0.0} = -0.5,
        /// What the sums of squares start from; 0.1 unless set.
        initial_accumulator_value: f64 {0.0..} = 0.1,
        /// The strength of the penalty on `|weight|`; 0 unless set.
        l1_regularization_strength: f64 {0.0..} = 0.0,
        /// The strength of the penalty on `weight^2`; 0 unless set.
        l2_regularization_strength: f64 {0.0..} = 0.0,
        /// The strength of a penalty on `weight^2` that is part of the gradient alone; 0 unless
        /// set.
        l2_shrinkage_regularization_strength: f64 {0.0..} = 0.0,
        /// The `beta` of the paper, what is added to the root of the sum of squares; 0 unless set.
        beta: f64 {0.0..} = 0.0,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let rate = slots.rate();
        let before = slots.get_full("accumulator", weight.shape(), self.initial_accumulator_value);
        let accumulator = slots.set("accumulator", &before + gradient.square());
        let power = |sum: &Tensor| match self.learning_rate_power {
            -0.5 => sum.sqrt(),
            exponent => sum.powf(-exponent),
        };
        let mut shrunk = gradient.clone();
        if self.l2_shrinkage_regularization_strength != 0.0 {
            shrunk = shrunk + weight * (2.0 * self.l2_shrinkage_regularization_strength);
        }
        let linear =
            slots.get("linear") + shrunk - (power(&accumulator) - power(&before)) / &rate * weight;
        let linear = slots.set("linear", linear);
        let penalty = 2.0 * self.l2_regularization_strength + self.beta / &rate;
        let l1 = self.l1_regularization_strength;
        (linear.clip(-l1, l1) - linear) / (power(&accumulator) / rate + penalty)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::walk;
    use super::*;

    #[test]
    fn the_first_step_is_that_of_adagrad() {
        let optimizer = Ftrl::new(0.5).initial_accumulator_value(0.0);
        assert_eq!(walk(&optimizer, 0.0, [4.0]), [-0.5]);
    }

    #[test]
    fn weights_of_small_gradients_are_exactly_zero() {
        let optimizer =
            || Ftrl::new(0.5).l1_regularization_strength(1.0).initial_accumulator_value(1.0);
        assert_eq!(walk(&optimizer(), 0.0, [0.5, -1.0, 0.75]), [0.0, 0.0, 0.0]);
        assert!(walk(&optimizer(), 0.0, [3.0])[0] < 0.0);
    }

    #[test]
    fn penalties_are_not_negative() {
        let optimizer = Ftrl::new(0.5).l2_regularization_strength(-1.0);
        let problem = optimizer.settings().problem().unwrap().message().to_string();
        assert_eq!(problem, "`l2_regularization_strength` must be in 0.0.., got -1.0");
    }
}
