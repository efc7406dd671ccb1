//! Learning rates that fall: exponentially, with the inverse of time, in stairs, along a power.
//!
//! In: the number of steps so far. Out: the rate; each after `decay_steps` is a known share of what
//! it was.

use crate::graph::Tensor;
use crate::named::{Named, declare};

use super::{LearningRateSchedule, demand, period};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn LearningRateSchedule>] = &[
    ExponentialDecay::ROW,
    InverseTimeDecay::ROW,
    PiecewiseConstantDecay::ROW,
    PolynomialDecay::ROW,
];

declare! { dyn LearningRateSchedule:
    /// `initial_learning_rate * decay_rate^(step / decay_steps)`, as Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::ExponentialDecay;
    /// let optimizer = Sgd::new(ExponentialDecay::new(0.1, 1000, 0.96).staircase(true));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    ExponentialDecay ["exponential_decay"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The rate of the first step.
        initial_learning_rate: f64,
        /// The number of steps after which the rate was multiplied by `decay_rate` once.
        decay_steps: usize,
        /// The factor.
        decay_rate: f64,
    ) {
        /// Whether the exponent is rounded down to whole numbers. False unless set.
        staircase: bool = false,
    }
}

impl LearningRateSchedule for ExponentialDecay {
    fn rate(&self, step: &Tensor) -> Tensor {
        let periods = periods(step, self.decay_steps, self.staircase);
        self.initial_learning_rate * step.constant_like(self.decay_rate).power(periods)
    }
}

declare! { dyn LearningRateSchedule:
    /// `initial_learning_rate / (1 + decay_rate * step / decay_steps)`, as Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::InverseTimeDecay;
    /// let optimizer = Sgd::new(InverseTimeDecay::new(0.1, 1000, 0.5));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    InverseTimeDecay ["inverse_time_decay"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The rate of the first step.
        initial_learning_rate: f64,
        /// The number of steps after which `decay_rate` was added to the denominator once.
        decay_steps: usize,
        /// What is added.
        decay_rate: f64,
    ) {
        /// Whether `step / decay_steps` is rounded down to whole numbers. False unless set.
        staircase: bool = false,
    }
}

impl LearningRateSchedule for InverseTimeDecay {
    fn rate(&self, step: &Tensor) -> Tensor {
        let periods = periods(step, self.decay_steps, self.staircase);
        self.initial_learning_rate / (1.0 + self.decay_rate * periods)
    }
}

/// How often `decay_steps` have passed.
fn periods(step: &Tensor, decay_steps: usize, staircase: bool) -> Tensor {
    let periods = step / period(step, "decay_steps", decay_steps);
    if staircase { periods.floor() } else { periods }
}

declare! { dyn LearningRateSchedule:
    /// `values[i]` up to and including step `boundaries[i]`, the last value after all of them, as
    /// Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::PiecewiseConstantDecay;
    /// // 0.1 for the first 1001 steps, then 0.01.
    /// let optimizer = Sgd::new(PiecewiseConstantDecay::new([1000], [0.1, 0.01]));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    PiecewiseConstantDecay ["piecewise_constant_decay"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The last steps of all values but the last, ascending.
        boundaries: Vec<usize> => Vec<usize>,
        /// The rates, one more than boundaries.
        values: Vec<f64> => Vec<f64>,
    ) {}
}

impl LearningRateSchedule for PiecewiseConstantDecay {
    fn rate(&self, step: &Tensor) -> Tensor {
        let (boundaries, values) = (&self.boundaries, &self.values);
        let count = || format!("{} values for {} boundaries", values.len(), boundaries.len());
        demand(
            step,
            values.len() == boundaries.len() + 1,
            count,
            "give one value more than boundaries",
        );
        let order = || format!("the boundaries {boundaries:?} do not ascend");
        demand(step, boundaries.is_sorted_by(|a, b| a < b), order, "give them in ascending order");
        let last = step.constant_like(values.last().copied().unwrap_or(0.0));
        let pieces = boundaries.iter().zip(values).rev();
        pieces.fold(last, |later, (&boundary, &value)| {
            step.less_equal(boundary as f64).where_(step.constant_like(value), later)
        })
    }
}

declare! { dyn LearningRateSchedule:
    /// `(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps)^power +
    /// end_learning_rate`, and the end rate after `decay_steps`, as Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::schedules::PolynomialDecay;
    /// let optimizer =
    ///     Sgd::new(PolynomialDecay::new(0.1, 10_000).end_learning_rate(0.01).power(0.5));
    /// ```
    #[derive(Clone, Debug, PartialEq)]
    PolynomialDecay ["polynomial_decay"]
    /// The schedule with Keras's defaults for all else.
    (
        /// The rate of the first step.
        initial_learning_rate: f64,
        /// The number of steps to the end.
        decay_steps: usize,
    ) {
        /// The rate at the end; 0.0001 unless set.
        end_learning_rate: f64 = 0.0001,
        /// The exponent; 1 unless set.
        power: f64 = 1.0,
        /// Whether the end moves to the next multiple of `decay_steps` when it is passed. False
        /// unless set.
        cycle: bool = false,
    }
}

impl LearningRateSchedule for PolynomialDecay {
    fn rate(&self, step: &Tensor) -> Tensor {
        let end = period(step, "decay_steps", self.decay_steps);
        let passed = if self.cycle {
            step / ((step / end).ceil().maximum(1.0) * end)
        } else {
            step.minimum(end) / end
        };
        (self.initial_learning_rate - self.end_learning_rate) * (1.0 - passed).powf(self.power)
            + self.end_learning_rate
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rate;
    use super::*;

    #[test]
    fn a_boundary_belongs_to_the_value_before_it() {
        let schedule = PiecewiseConstantDecay::new([2, 5], [1.0, 0.5, 0.25]);
        let rates: Vec<f64> = [0.0, 2.0, 3.0, 5.0, 6.0]
            .into_iter()
            .map(|step| rate(&schedule, step).unwrap())
            .collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn boundaries_and_values_have_to_fit() {
        let error = rate(&PiecewiseConstantDecay::new([2, 5], [1.0, 0.5]), 0.0).unwrap_err();
        error.reads("2 values for 2 boundaries");
        let error = rate(&PiecewiseConstantDecay::new([5, 2], [1.0, 0.5, 0.25]), 0.0).unwrap_err();
        error.reads("the boundaries [5, 2] do not ascend");
    }

    #[test]
    fn a_cycle_starts_over_with_a_later_end() {
        let schedule = PolynomialDecay::new(1.0, 4).end_learning_rate(0.0).cycle(true);
        let rates: Vec<f64> =
            [0.0, 2.0, 4.0, 6.0].into_iter().map(|step| rate(&schedule, step).unwrap()).collect();
        assert_eq!(rates, [1.0, 0.5, 0.0, 0.25]);
    }
}
