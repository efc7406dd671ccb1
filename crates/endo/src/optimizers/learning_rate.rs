//! The learning rate of an optimizer: a number that may be set between steps, or a schedule.
//!
//! In: whatever an optimizer's `new` takes. Out: its value now, and its value in a trace.

use std::fmt;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::trace::{Context, evaluate_now};
use crate::variable::Variable;

use super::schedules::{self, LearningRateSchedule};

/// A learning rate: the factor of an optimizer's steps. Clones of a number are the same number.
///
/// ```
/// use endo::prelude::*;
/// use endo::optimizers::IntoLearningRate;
/// let shared = 0.1.into_learning_rate();
/// let (lower, upper) = (Sgd::new(shared.clone()), Nadam::new(shared));
/// lower.settings().set_learning_rate(0.01)?;
/// assert_eq!(upper.settings().learning_rate()?, 0.01);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub enum LearningRate {
    /// A scalar, read at every step: setting it needs no new trace.
    Number(Variable),
    /// A function of the number of steps.
    Schedule(Arc<dyn LearningRateSchedule>),
}

/// What can be a learning rate: a number, a schedule, or a closure that is one.
///
/// ```
/// use endo::prelude::*;
/// use endo::optimizers::schedules::ExponentialDecay;
/// let fixed = Sgd::new(0.1);
/// let falling = Sgd::new(ExponentialDecay::new(0.1, 1000, 0.9));
/// let by_closure = Sgd::new(|step: &Tensor| 0.1 / (1.0 + 0.01 * step));
/// ```
pub trait IntoLearningRate {
    /// The learning rate.
    fn into_learning_rate(self) -> LearningRate;
}

impl IntoLearningRate for f64 {
    fn into_learning_rate(self) -> LearningRate {
        LearningRate::Number(Variable::new("learning_rate", Array::scalar(self)).frozen())
    }
}

impl<S: LearningRateSchedule + 'static> IntoLearningRate for S {
    fn into_learning_rate(self) -> LearningRate {
        LearningRate::Schedule(Arc::new(self))
    }
}

impl IntoLearningRate for LearningRate {
    fn into_learning_rate(self) -> LearningRate {
        self
    }
}

impl LearningRate {
    /// The learning rate that a text says: a number, or a schedule as [`schedules::get`] reads it.
    pub(crate) fn read(text: &str) -> Result<Self> {
        match text.parse::<f64>() {
            Ok(number) => Ok(number.into_learning_rate()),
            Err(_) => Ok(schedules::get(text)?.into_learning_rate()),
        }
    }

    /// Its value after a number of steps.
    pub(crate) fn value(&self, iterations: &Variable) -> Result<f64> {
        match self {
            Self::Number(rate) => rate.value().item(),
            Self::Schedule(_) => evaluate_now(|cx| {
                let step = cx.read(iterations);
                self.trace(&step, cx)
            })?
            .item(),
        }
    }

    /// Gives a number another value.
    pub(crate) fn set(&self, value: f64) -> Result<()> {
        match self {
            Self::Number(rate) => match problem(value) {
                Some(problem) => Err(problem),
                None => rate.set(&Array::full((), value, rate.dtype())),
            },
            Self::Schedule(_) => {
                let help = "make the optimizer with a number, as in `Sgd::new(0.1)`, to set it \
                    during training";
                Err(Error::usage("a learning rate that follows a schedule cannot be set", help))
            }
        }
    }

    /// What is wrong with it, if that can be seen before it is traced.
    pub(crate) fn problem(&self) -> Option<Error> {
        match self {
            Self::Number(rate) => problem(rate.value().get(0)),
            Self::Schedule(_) => None,
        }
    }

    /// Its value in a trace, at a step counted from 0: a scalar.
    pub(crate) fn trace(&self, step: &Tensor, cx: &mut Context) -> Tensor {
        let rate = match self {
            Self::Number(rate) => cx.read(rate),
            Self::Schedule(schedule) => {
                let rate = schedule.rate(&step.cast(DType::F64));
                cx.trace().check(&rate, "the learning rate");
                rate
            }
        };
        if rate.shape().is_scalar() {
            return rate;
        }
        let message = format!("the learning rate must be a scalar, got shape {}", rate.shape());
        let error = Error::shape(message, "a schedule computes one number from the step");
        cx.trace().fail(error, ().into(), rate.dtype())
    }
}

fn problem(value: f64) -> Option<Error> {
    let help = "learning rates are numbers such as 0.001";
    (!value.is_finite()).then(|| Error::argument(format!("the learning rate is {value}"), help))
}

impl fmt::Debug for LearningRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(rate) => write!(f, "{}", rate.value().get(0)),
            Self::Schedule(_) => f.write_str("schedule"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iterations(count: i32) -> Variable {
        Variable::new("iterations", Array::scalar(count))
    }

    #[test]
    fn numbers_keep_every_digit_and_can_be_set() {
        let rate = 0.001.into_learning_rate();
        assert_eq!(rate.value(&iterations(5)).unwrap(), 0.001);
        rate.set(0.1).unwrap();
        assert_eq!(rate.value(&iterations(5)).unwrap(), 0.1);
        rate.set(f64::NAN).unwrap_err().reads("the learning rate is NaN");
    }

    #[test]
    fn schedules_follow_the_iterations_and_cannot_be_set() {
        let rate = (|step: &Tensor| 1.0 / (1.0 + step)).into_learning_rate();
        assert_eq!(rate.value(&iterations(3)).unwrap(), 0.25);
        rate.set(0.1).unwrap_err().says("follows a schedule");
    }

    #[test]
    fn a_schedule_gives_one_number() {
        let rate = (|step: &Tensor| step.broadcast_to([2])).into_learning_rate();
        let error = rate.value(&iterations(0)).unwrap_err();
        error.reads("the learning rate must be a scalar, got shape [2]");
    }
}
