//! Stopping when training no longer helps, and going back to the best weights.
//!
//! In: one number of every epoch. Out: a request to stop, and at the end the weights of the best
//! epoch.

use crate::array::Array;
use crate::error::Result;
use crate::variable::Variable;

use super::monitor::{Monitor, monitor_options};
use super::{Callback, Epoch, State, Training};

/// Stops training when a number has not improved for some epochs, and can restore the weights of
/// the best one. Keras's `EarlyStopping`.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let stopping = EarlyStopping::on("val_loss").patience(3).restore_best_weights(true);
/// let history = model.fit(&data, Fit::epochs(1000).validation_split(0.25).callback(stopping))?;
/// assert!(history.epochs.len() < 1000);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    restore_best_weights: bool,
    baseline: Option<f64>,
    start_from_epoch: usize,
    /// The weights of which the best values are kept; none if nothing will be restored.
    weights: Vec<Variable>,
    /// The best epoch and its weights.
    best: Option<(usize, Vec<Array>)>,
    waited: usize,
}

impl EarlyStopping {
    /// Watches a number of the logs: `"val_loss"`, `"val_reconstruction"`, `"val_accuracy"`.
    pub fn on(monitor: impl Into<String>) -> Self {
        let monitor = Monitor::new("`EarlyStopping`", monitor.into());
        Self {
            monitor,
            patience: 0,
            restore_best_weights: false,
            baseline: None,
            start_from_epoch: 0,
            weights: Vec::new(),
            best: None,
            waited: 0,
        }
    }

    /// The epochs without improvement after which training stops; 0 unless set: the first one.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    monitor_options! { min_delta = "0" }

    /// A number that has to be beaten for epochs to count as improvements; none unless set.
    #[must_use]
    pub fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// The first epoch that is looked at, counted from 0; 0 unless set. Before it training does not
    /// stop.
    #[must_use]
    pub fn start_from_epoch(mut self, epoch: usize) -> Self {
        self.start_from_epoch = epoch;
        self
    }

    /// Whether training ends with the weights of the best epoch instead of the last one's; false
    /// unless set.
    #[must_use]
    pub fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore_best_weights = restore;
        self
    }

    /// The best epoch so far, counted from 0, and its number.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best.as_ref().map(|&(epoch, _)| epoch).zip(self.monitor.best)
    }
}

impl Callback for EarlyStopping {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        self.weights = if self.restore_best_weights { training.weights() } else { Vec::new() };
        (self.monitor.best, self.best, self.waited) = (None, None, 0);
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        if epoch < self.start_from_epoch || self.monitor.is_left_out(report, training) {
            return Ok(());
        }
        self.waited += 1;
        let improved = self.monitor.improves(report)?;
        if improved || (self.best.is_none() && self.restore_best_weights) {
            self.best = Some((epoch, self.weights.iter().map(Variable::value).collect()));
        }
        if improved {
            // As in Keras: an epoch that is the best so far and yet no better than the baseline
            // does not count, but does not stop.
            if self
                .baseline
                .is_none_or(|baseline| self.monitor.beats(report, baseline).unwrap_or(true))
            {
                self.waited = 0;
            }
            return Ok(());
        }
        if self.waited >= self.patience && epoch > 0 {
            training.stop();
        }
        Ok(())
    }

    fn state(&self) -> State {
        let state = self.monitor.state().with("waited", self.waited as f64);
        let Some((epoch, weights)) = &self.best else { return state };
        let state = state.with("best_epoch", *epoch as f64).with("weights", weights.len() as f64);
        weights.iter().enumerate().fold(state, |state, (index, weight)| {
            state.with(format!("weight {index}"), weight.clone())
        })
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.monitor.restore(state)?;
        self.waited = state.count("waited")?;
        if !state.contains("best_epoch") {
            return Ok(());
        }
        let count = state.count("weights")?;
        if count != self.weights.len() {
            return Err(state.unexpected("weights", self.weights.len(), count));
        }
        let value = |(index, weight): (usize, &Variable)| {
            state.array(&format!("weight {index}"), weight.shape(), weight.dtype()).cloned()
        };
        let weights = self.weights.iter().enumerate().map(value).collect::<Result<_>>()?;
        self.best = Some((state.count("best_epoch")?, weights));
        Ok(())
    }

    fn train_end(&mut self, _: &Training) -> Result<()> {
        if let Some((_, weights)) = &self.best {
            self.weights.iter().zip(weights).try_for_each(|(weight, value)| weight.set(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{epoch, training};
    use super::*;
    use crate::variable::Variable;

    #[test]
    fn training_stops_after_patience_and_ends_with_the_best_weights() {
        let weight = Variable::new("w", Array::scalar(0.0_f32));
        let training = training(vec![weight.clone()], 0.1);
        let mut stopping = EarlyStopping::on("loss").patience(2).restore_best_weights(true);
        stopping.train_begin(&training).unwrap();
        for (index, value) in [3.0, 1.0, 2.0, 1.5].into_iter().enumerate() {
            assert!(!training.stopped.get());
            weight.set(&Array::scalar(index as f32)).unwrap();
            stopping.epoch_end(index, &epoch(&[("loss", value)]), &training).unwrap();
        }
        assert!(training.stopped.get());
        stopping.train_end(&training).unwrap();
        assert_eq!((stopping.best(), weight.value().get(0)), (Some((1, 1.0)), 1.0));
    }

    /// The epoch after which training stops on these losses, counted from 0.
    fn stops<const N: usize>(mut stopping: EarlyStopping, losses: [f64; N]) -> Option<usize> {
        let training = training(Vec::new(), 0.1);
        stopping.train_begin(&training).unwrap();
        losses.into_iter().enumerate().position(|(index, loss)| {
            stopping.epoch_end(index, &epoch(&[("loss", loss)]), &training).unwrap();
            training.stopped.get()
        })
    }

    /// What keras 3.15.1 does on these losses.
    #[test]
    fn baseline_and_first_epoch_are_keras_s() {
        let losses = [5.0, 4.0, 4.5, 3.9, 3.8, 3.9, 3.7, 3.9, 3.9, 3.9];
        let stopping = || EarlyStopping::on("loss").patience(3);
        assert_eq!(stops(stopping(), losses), Some(9));
        assert_eq!(stops(stopping().baseline(3.85), losses), Some(2));
        assert_eq!(stops(stopping().baseline(1.0), losses), Some(2));
        assert_eq!(stops(EarlyStopping::on("loss").start_from_epoch(2), losses), Some(5));
        assert_eq!(stops(EarlyStopping::on("loss"), [1.0, 2.0]), Some(1));
        assert_eq!(stops(EarlyStopping::on("loss"), [f64::NAN, f64::NAN]), Some(1));
    }
}
