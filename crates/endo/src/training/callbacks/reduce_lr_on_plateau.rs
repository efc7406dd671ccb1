//! A smaller learning rate when training no longer helps.
//!
//! In: one number of every epoch. Out: the learning rate, lowered by a factor after some epochs
//! without improvement.

use crate::error::{Error, Result};

use super::monitor::{Monitor, monitor_options};
use super::{Callback, Epoch, State, Training};

/// Multiplies the learning rate by a factor when a number has not improved for some epochs. Keras's
/// `ReduceLROnPlateau`, with its defaults.
///
/// The rate of each epoch is in the logs as `learning_rate`.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let reduce = ReduceLrOnPlateau::on("val_loss").factor(0.5).patience(5).min_lr(0.001);
/// let history = model.fit(&data, Fit::epochs(100).validation_split(0.25).callback(reduce))?;
/// assert!(history.last("learning_rate").unwrap() < 0.1);
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// `fit` fails before the first step if the factor is not below 1 or the optimizer follows a
/// schedule, and after the first epoch if the number that is watched is not reported.
#[derive(Debug)]
pub struct ReduceLrOnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f64,
    cooling: usize,
    waited: usize,
}

impl ReduceLrOnPlateau {
    /// Watches a number of the logs: `"val_loss"`, `"val_reconstruction"`.
    pub fn on(monitor: impl Into<String>) -> Self {
        let mut monitor = Monitor::new("`ReduceLrOnPlateau`", monitor.into());
        monitor.min_delta = 1e-4;
        Self { monitor, factor: 0.1, patience: 10, cooldown: 0, min_lr: 0.0, cooling: 0, waited: 0 }
    }

    /// What the learning rate is multiplied by; 0.1 unless set. Below 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The epochs without improvement after which the rate is lowered; 10 unless set.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    monitor_options! { min_delta = "0.0001" }

    /// The epochs after a lowering that do not count; 0 unless set.
    #[must_use]
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// What the rate is not lowered below; 0 unless set.
    #[must_use]
    pub fn min_lr(mut self, learning_rate: f64) -> Self {
        self.min_lr = learning_rate;
        self
    }
}

impl Callback for ReduceLrOnPlateau {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        if !(0.0..1.0).contains(&self.factor) {
            let message =
                format!("the factor of `ReduceLrOnPlateau` must be in [0, 1), got {}", self.factor);
            return Err(Error::argument(message, "0.1 divides the learning rate by ten"));
        }
        // Fails now if it cannot be set later.
        training.set_learning_rate(training.learning_rate()?)?;
        (self.monitor.best, self.cooling, self.waited) = (None, 0, 0);
        Ok(())
    }

    fn state(&self) -> State {
        self.monitor.state().with("cooling", self.cooling as f64).with("waited", self.waited as f64)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.monitor.restore(state)?;
        (self.cooling, self.waited) = (state.count("cooling")?, state.count("waited")?);
        Ok(())
    }

    fn epoch_begin(&mut self, _: usize, training: &Training) -> Result<()> {
        training.report("learning_rate", training.learning_rate()?);
        Ok(())
    }

    fn epoch_end(&mut self, _: usize, report: &Epoch, training: &Training) -> Result<()> {
        if self.monitor.is_left_out(report, training) {
            return Ok(());
        }
        let improved = self.monitor.improves(report)?;
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if improved {
            self.waited = 0;
        } else if self.cooling == 0 {
            self.waited += 1;
            let rate = training.learning_rate()?;
            if self.waited >= self.patience && rate > self.min_lr {
                training.set_learning_rate((rate * self.factor).max(self.min_lr))?;
                (self.cooling, self.waited) = (self.cooldown, 0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{epoch, training};
    use super::*;

    /// The rates after epochs with these numbers.
    fn rates<const N: usize>(
        mut reduce: ReduceLrOnPlateau,
        start: f64,
        losses: [f64; N],
    ) -> [f64; N] {
        let training = training(Vec::new(), start);
        reduce.train_begin(&training).unwrap();
        losses.map(|loss| {
            reduce.epoch_end(0, &epoch(&[("val_loss", loss)]), &training).unwrap();
            training.learning_rate().unwrap()
        })
    }

    /// What keras 3.15.1 does with
    /// `ReduceLROnPlateau(factor=0.5, patience=2, cooldown=2, min_delta=0.1, min_lr=0.2)` and a
    /// rate of 1 on these losses.
    #[test]
    fn patience_cooldown_and_the_smallest_rate_are_keras_s() {
        let reduce = ReduceLrOnPlateau::on("val_loss")
            .factor(0.5)
            .patience(2)
            .cooldown(2)
            .min_delta(0.1)
            .min_lr(0.2);
        let losses = [
            4.0, 3.0, 2.95, 2.92, 2.91, 2.9, 2.9, 2.85, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5,
        ];
        let lowered = [1.0, 0.5, 0.25, 0.2].into_iter().zip([3, 3, 4, 7]);
        let expected: Vec<f64> =
            lowered.flat_map(|(rate, epochs)| std::iter::repeat_n(rate, epochs)).collect();
        assert_eq!(rates(reduce, 1.0, losses).to_vec(), expected);
    }

    #[test]
    fn a_factor_that_does_not_lower_is_refused() {
        let training = training(Vec::new(), 0.5);
        let error = ReduceLrOnPlateau::on("loss").factor(1.0).train_begin(&training).unwrap_err();
        error.reads("the factor of `ReduceLrOnPlateau` must be in [0, 1), got 1");
    }
}
