//! Learning rates that fall along half a cosine: once, after a warm-up if asked for, or again and
//! again.
//!
//! In: the number of steps so far. Out: the rate.

use std::f64::consts::PI;

use crate::graph::Tensor;
use crate::named::{Named, declare};

use super::{LearningRateSchedule, period};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn LearningRateSchedule>] =
    &[CosineDecay::ROW, CosineDecayRestarts::ROW];

declare! { dyn LearningRateSchedule:
    /// `initial_learning_rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)` up
    /// to `decay_steps`, and what it is then ever after: Loshchilov and Hutter 2017, equation 5,
    /// without restarts, as Keras's.
    ///
    /// With a warm-up the rate first goes from `initial_learning_rate` to `warmup_target` in a
    /// line, and falls from there.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::CosineDecay;
    /// let optimizer =
    ///     Adam::new(CosineDecay::new(0.0, 10_000).warmup_target(0.001).warmup_steps(500));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    CosineDecay ["cosine_decay"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The rate of the first step.
        initial_learning_rate: f64,
        /// The number of steps of the fall.
        decay_steps: usize,
    ) {
        /// The share of the rate that is left in the end; 0 unless set.
        alpha: f64 = 0.0,
        /// The rate at the end of the warm-up; there is none unless set.
        warmup_target: Option<f64> as f64 = None,
        /// The number of steps of the warm-up; 0 unless set.
        warmup_steps: usize = 0,
    }
}

impl LearningRateSchedule for CosineDecay {
    fn rate(&self, step: &Tensor) -> Tensor {
        let fall = period(step, "decay_steps", self.decay_steps);
        let decayed = |top: f64, step: Tensor| {
            top * ((1.0 - self.alpha) * half_cosine(&(step.minimum(fall) / fall)) + self.alpha)
        };
        let Some(target) = self.warmup_target else {
            return decayed(self.initial_learning_rate, step.clone());
        };
        let warmup = self.warmup_steps as f64;
        let rising = (target - self.initial_learning_rate) * (step / warmup.max(1.0))
            + self.initial_learning_rate;
        step.less(warmup).where_(rising, decayed(target, step - warmup))
    }
}

declare! { dyn LearningRateSchedule:
    /// [`CosineDecay`] again and again: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient
    /// Descent with Warm Restarts", equation 5, as Keras's. Every fall is `t_mul` times as long as
    /// the one before, and starts from `m_mul` times its rate.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::CosineDecayRestarts;
    /// let optimizer = Sgd::new(CosineDecayRestarts::new(0.1, 1000).m_mul(0.9));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    CosineDecayRestarts ["cosine_decay_restarts"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The rate of the first step.
        initial_learning_rate: f64,
        /// The number of steps of the first fall.
        first_decay_steps: usize,
    ) {
        /// How many times as long each fall is as the one before; 2 unless set.
        t_mul: f64 = 2.0,
        /// How many times as high each fall begins as the one before; 1 unless set.
        m_mul: f64 = 1.0,
        /// The share of the first rate that is left at the end of a fall; 0 unless set.
        alpha: f64 = 0.0,
    }
}

impl LearningRateSchedule for CosineDecayRestarts {
    fn rate(&self, step: &Tensor) -> Tensor {
        let passed = step / period(step, "first_decay_steps", self.first_decay_steps);
        let (restarts, passed) = match self.t_mul {
            1.0 => {
                let restarts = passed.floor();
                (restarts.clone(), passed - restarts)
            }
            t_mul => {
                // The sum of the first falls' lengths is (t_mul^restarts - 1) / (t_mul - 1). The
                // small term is for logarithms that are rounded down at a restart.
                let restarts = ((1.0 + (t_mul - 1.0) * &passed).log() / t_mul.ln() + 1e-9).floor();
                let length = step.constant_like(t_mul).power(&restarts);
                let start = (&length - 1.0) / (t_mul - 1.0);
                (restarts, (passed - start) / length)
            }
        };
        let height = match self.m_mul {
            1.0 => half_cosine(&passed),
            m_mul => step.constant_like(m_mul).power(restarts) * half_cosine(&passed),
        };
        self.initial_learning_rate * ((1.0 - self.alpha) * height + self.alpha)
    }
}

/// From 1 to 0 as `passed` goes from 0 to 1.
fn half_cosine(passed: &Tensor) -> Tensor {
    0.5 * (1.0 + (PI * passed).cos())
}

#[cfg(test)]
mod tests {
    use super::super::tests::rate;
    use super::*;

    fn rates<const N: usize>(schedule: &dyn LearningRateSchedule, steps: [f64; N]) -> [f64; N] {
        steps.map(|step| (rate(schedule, step).unwrap() * 1e9).round() / 1e9)
    }

    #[test]
    fn the_rate_falls_to_its_share_and_stays() {
        assert_eq!(
            rates(&CosineDecay::new(1.0, 4).alpha(0.5), [0.0, 2.0, 4.0, 9.0]),
            [1.0, 0.75, 0.5, 0.5]
        );
    }

    #[test]
    fn a_warm_up_rises_to_its_target_before_the_fall() {
        let schedule = CosineDecay::new(0.0, 4).warmup_target(1.0).warmup_steps(2);
        assert_eq!(rates(&schedule, [0.0, 1.0, 2.0, 4.0, 6.0]), [0.0, 0.5, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn every_fall_is_longer_and_lower_than_the_one_before() {
        let schedule = CosineDecayRestarts::new(1.0, 2).t_mul(10.0).m_mul(0.5);
        assert_eq!(
            rates(&schedule, [1.0, 2.0, 12.0, 22.0, 222.0, 2222.0]),
            [0.5, 0.5, 0.25, 0.25, 0.125, 0.0625]
        );
    }
}
