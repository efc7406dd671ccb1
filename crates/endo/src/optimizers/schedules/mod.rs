//! Learning rates that follow the number of steps, as Keras's `keras.optimizers.schedules`.
//!
//! In: the number of the call of `apply`, from 0, in the trace. Out: the learning rate, a scalar. A
//! schedule is traced code like the updates it is for; a closure is one too.

pub(crate) mod cosine;
pub(crate) mod decay;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{self, table};

pub use cosine::*;
pub use decay::*;

/// A learning rate that follows the number of steps.
///
/// ```
/// use endo::prelude::*;
/// use endo::optimizers::schedules::CosineDecay;
/// let optimizer = Sgd::new(CosineDecay::new(0.1, 1000));
/// assert_eq!(optimizer.settings().learning_rate()?, 0.1);
///
/// let by_closure = Sgd::new(|step: &Tensor| 0.1 / (1.0 + 0.01 * step));
/// # Ok::<(), endo::Error>(())
/// ```
pub trait LearningRateSchedule: Send + Sync {
    /// The learning rate of a call of [`apply`](super::Optimizer::apply), a scalar. `step` is the
    /// number of calls before it, a scalar of type `f64`.
    fn rate(&self, step: &Tensor) -> Tensor;
}

impl<F: Fn(&Tensor) -> Tensor + Send + Sync> LearningRateSchedule for F {
    fn rate(&self, step: &Tensor) -> Tensor {
        self(step)
    }
}

impl<S: LearningRateSchedule + ?Sized> LearningRateSchedule for Arc<S> {
    fn rate(&self, step: &Tensor) -> Tensor {
        (**self).rate(step)
    }
}

/// The schedule that a text names, with its options in parentheses, by name or in their order.
///
/// ```
/// use endo::optimizers::{self, schedules};
/// let schedule = schedules::get("exponential_decay(0.1, decay_steps=1000, decay_rate=0.9)")?;
/// let optimizer = optimizers::get("sgd(learning_rate=cosine_decay(0.1, 1000), momentum=0.9)")?;
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such schedule or option, with the nearest; and when an option that it needs is
/// not given.
pub fn get(name: &str) -> Result<Arc<dyn LearningRateSchedule>> {
    named::get("learning rate schedule", name, rows())
}

table! {
    /// The names of all schedules.
    dyn LearningRateSchedule: decay::ROWS, cosine::ROWS
}

/// Records what is wrong with a schedule.
fn demand(step: &Tensor, holds: bool, message: impl FnOnce() -> String, help: &str) {
    if !holds {
        step.trace().record(Error::argument(message(), help));
    }
}

/// The number of steps of a period, which is not 0.
fn period(step: &Tensor, option: &str, steps: usize) -> f64 {
    demand(
        step,
        steps > 0,
        || format!("`{option}` is 0"),
        "a learning rate decays over at least one step",
    );
    steps as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::trace::evaluate_now;

    /// The rate at a step.
    pub fn rate(schedule: &dyn LearningRateSchedule, step: f64) -> Result<f64> {
        evaluate_now(|cx| schedule.rate(&cx.constant(step)))?.item()
    }

    #[test]
    fn text_names_schedules_with_nested_options() {
        let rate = |text: &str, step: f64| rate(&*get(text)?, step);
        assert_eq!(rate("exponential_decay(0.5, 2, 0.5, staircase=true)", 5.0).unwrap(), 0.125);
        assert_eq!(
            rate("PiecewiseConstantDecay([2, 4], values=[1, 0.5, 0.25])", 3.0).unwrap(),
            0.5
        );
        rate("cosine_decay(0.5)", 3.0)
            .unwrap_err()
            .reads("`cosine_decay` needs the option `decay_steps`");
        rate("cosine_decay(0.5, 0)", 3.0).unwrap_err().reads("`decay_steps` is 0");
        let error = rate("cosin_decay(0.5)", 3.0).unwrap_err();
        assert_eq!(error.advice(), Some("did you mean `cosine_decay`?"));
        assert_eq!(names().count(), 6);
    }

    #[test]
    fn steps_are_counted_exactly_for_long() {
        let schedule = |step: &Tensor| step * 1.0;
        let rate = evaluate_now(|cx| schedule.rate(&cx.constant((1 << 24) + 1).cast(DType::F64)));
        assert_eq!(rate.unwrap().item().unwrap(), f64::from((1 << 24) + 1));
    }
}
