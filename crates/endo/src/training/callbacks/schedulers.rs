//! Numbers that change from epoch to epoch: the learning rate, and any variable that the model
//! reads.
//!
//! In: a closure of the epoch and the number so far. Out: the number of this epoch, which is also
//! in the logs. Nothing is traced anew.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::variable::Variable;

use super::{Callback, Training};

/// Sets the learning rate at the start of every epoch. Keras's `LearningRateScheduler`.
///
/// The closure gets the epoch, counted from 0, and the learning rate so far. The rate is in the
/// logs as `learning_rate`. For a rate that changes from step to step give the optimizer one of the
/// [`schedules`](crate::optimizers::schedules) instead.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let halving =
///     LearningRateScheduler::new(|epoch, rate| if epoch < 2 { rate } else { rate / 2.0 });
/// let history = model.fit(&data, Fit::epochs(4).callback(halving))?;
/// assert_eq!(history.get("learning_rate"), [0.1, 0.1, 0.05, 0.025]);
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// `fit` fails if the rate is not finite, or the optimizer was made with a schedule.
pub struct LearningRateScheduler<F> {
    schedule: F,
}

impl<F: FnMut(usize, f64) -> f64> LearningRateScheduler<F> {
    /// Follows a closure of the epoch and the rate so far.
    pub fn new(schedule: F) -> Self {
        Self { schedule }
    }
}

impl<F: FnMut(usize, f64) -> f64> Callback for LearningRateScheduler<F> {
    fn epoch_begin(&mut self, epoch: usize, training: &Training) -> Result<()> {
        let rate = (self.schedule)(epoch, training.learning_rate()?);
        training.set_learning_rate(rate)?;
        training.report("learning_rate", rate);
        Ok(())
    }
}

/// Sets a scalar variable that the model reads at the start of every epoch: the weight of a term of
/// the loss, a temperature.
///
/// The closure gets the epoch, counted from 0, and the value so far. The value is in the logs under
/// the variable's name, and stays as it was last set.
///
/// ```
/// use endo::prelude::*;
///
/// struct Annealed { out: Dense, beta: Variable }
///
/// impl Layer for Annealed {
///     fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
///         let y = self.out.apply(x, cx);
///         cx.add_loss("size", cx.read(&self.beta) * y.square().mean());
///         y
///     }
/// }
///
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// let beta = Variable::new("beta", 0.0_f32).frozen();
/// let mut model = Model::new(Annealed { out: Dense::new(1), beta: beta.clone() });
/// model.compile("sgd", "mse", ());
/// let anneal = VariableScheduler::new(&beta, |epoch, _| (epoch as f64 / 4.0).min(1.0));
/// let history = model.fit(&data, Fit::epochs(3).callback(anneal))?;
/// assert_eq!(history.get("beta"), [0.0, 0.25, 0.5]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails if the variable is no scalar, or the value is not finite.
pub struct VariableScheduler<F> {
    variable: Variable,
    schedule: F,
}

impl<F: FnMut(usize, f64) -> f64> VariableScheduler<F> {
    /// Sets `variable` to what a closure makes of the epoch and the value so far.
    pub fn new(variable: &Variable, schedule: F) -> Self {
        Self { variable: variable.clone(), schedule }
    }
}

impl<F: FnMut(usize, f64) -> f64> Callback for VariableScheduler<F> {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        let (name, shape) = (self.variable.name(), self.variable.shape());
        if shape.is_scalar() {
            training.keep(&self.variable);
            return Ok(());
        }
        let message = format!(
            "`VariableScheduler` sets one number, and the variable `{name}` has shape {shape}"
        );
        let help = "make it of one number, as in `Variable::new(\"beta\", 0.0_f32)`";
        Err(Error::shape(message, help))
    }

    fn epoch_begin(&mut self, epoch: usize, training: &Training) -> Result<()> {
        let value = (self.schedule)(epoch, self.variable.value().item()?);
        if !value.is_finite() {
            let message = format!(
                "epoch {}: the schedule of the variable `{}` gave {value}",
                epoch + 1,
                self.variable.name()
            );
            return Err(Error::argument(message, "schedules give finite numbers"));
        }
        self.variable.set(&Array::full((), value, self.variable.dtype()))?;
        training.report(self.variable.name(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::training;
    use super::*;

    #[test]
    fn the_rate_follows_the_closure_and_is_reported() {
        let training = training(Vec::new(), 0.5);
        let mut scheduler = LearningRateScheduler::new(|epoch, rate| rate / (1.0 + epoch as f64));
        for (epoch, rate) in [0.5, 0.25, 0.25 / 3.0].into_iter().enumerate() {
            scheduler.epoch_begin(epoch, &training).unwrap();
            assert_eq!(training.learning_rate().unwrap(), rate);
            assert_eq!(training.reported.take(), [("learning_rate".to_string(), rate)]);
        }
        let error =
            LearningRateScheduler::new(|_, _| f64::NAN).epoch_begin(0, &training).unwrap_err();
        error.reads("the learning rate is NaN");
    }

    #[test]
    fn only_a_finite_number_for_a_scalar() {
        let training = training(Vec::new(), 0.5);
        let scalar = Variable::new("beta", 1.0_f32);
        let error = VariableScheduler::new(&scalar, |_, _| f64::INFINITY)
            .epoch_begin(2, &training)
            .unwrap_err();
        error.reads("epoch 3: the schedule of the variable `beta` gave inf");
        assert_eq!(scalar.value().item().unwrap(), 1.0);
        let pair = Variable::new("beta", [1.0_f32, 2.0]);
        let error =
            VariableScheduler::new(&pair, |_, value| value).train_begin(&training).unwrap_err();
        error.reads("`VariableScheduler` sets one number, and the variable `beta` has shape [2]");
    }
}
