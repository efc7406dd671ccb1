//! The model on disk after every epoch, or after every epoch that was the best so far.
//!
//! In: an epoch's numbers. Out: a file, written beside its place and renamed, so that it is always
//! whole.

use crate::error::{Result, not_zero};

use super::monitor::{Monitor, monitor_options};
use super::template::Template;
use super::{Callback, Epoch, Ledger, State, Training};
use crate::training::Logs;

/// Saves the model after every epoch, or only if it is the best so far. Keras's `ModelCheckpoint`,
/// with its defaults.
///
/// The path may name the epoch, counted from 1, and any number of the logs: `{epoch:02}`,
/// `{val_loss:.2}`. Without such a field one file is replaced again and again, at once or not at
/// all. Missing folders are made.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let folder = std::env::temp_dir().join(format!("endo-checkpoint-{}", std::process::id()));
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let path = format!("{}/best.safetensors", folder.display());
/// let best = ModelCheckpoint::new(&path).monitor("val_loss").save_best_only(true);
/// model.fit(&data, Fit::epochs(5).validation_split(0.25).callback(best))?;
/// model.load(&path)?; // the weights of the best epoch
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails before the first step if a field of the path cannot be read; and after the first
/// epoch if one names a number that is not reported, if the number that is watched is not, or if
/// the file cannot be written.
#[derive(Debug)]
pub struct ModelCheckpoint {
    path: String,
    template: Option<Template>,
    monitor: Monitor,
    save_best_only: bool,
    save_weights_only: bool,
    save_freq: Option<usize>,
    /// The batches since the last save.
    batches: usize,
}

impl ModelCheckpoint {
    /// Saves to a path, which may have fields.
    pub fn new(path: impl Into<String>) -> Self {
        let monitor = Monitor::new("`ModelCheckpoint`", "val_loss".to_string());
        Self {
            path: path.into(),
            template: None,
            monitor,
            save_best_only: false,
            save_weights_only: false,
            save_freq: None,
            batches: 0,
        }
    }

    /// The number of the logs by which epochs are compared, where only the best is saved;
    /// `val_loss` unless set.
    #[must_use]
    pub fn monitor(mut self, monitor: impl Into<String>) -> Self {
        self.monitor.name = monitor.into();
        self
    }

    /// Whether an epoch that is not the best so far is not saved; false unless set.
    #[must_use]
    pub fn save_best_only(mut self, best_only: bool) -> Self {
        self.save_best_only = best_only;
        self
    }

    /// Whether weights are saved alone, without the hyperparameters of losses, metrics and layers;
    /// false unless set.
    #[must_use]
    pub fn save_weights_only(mut self, weights_only: bool) -> Self {
        self.save_weights_only = weights_only;
        self
    }

    monitor_options! {}

    /// Saves once every `batches` batches instead of after every epoch. The path can then name the
    /// loss and its terms, as means over the epoch so far, and so can [`monitor`](Self::monitor).
    #[must_use]
    pub fn save_freq(mut self, batches: usize) -> Self {
        self.save_freq = Some(batches);
        self
    }

    /// What an epoch has to be better than to be saved as the best; anything is unless set.
    #[must_use]
    pub fn initial_value_threshold(mut self, value: f64) -> Self {
        self.monitor.best = Some(value);
        self
    }

    fn save(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        let Some(template) = &self.template else { return Ok(()) };
        let path = template.fill(epoch + 1, report)?;
        match (self.save_best_only && !self.monitor.improves(report)?, self.save_weights_only) {
            (true, _) => Ok(()),
            (false, true) => training.save_weights(path),
            (false, false) => training.save(path),
        }
    }
}

impl Callback for ModelCheckpoint {
    fn train_begin(&mut self, _: &Training) -> Result<()> {
        let help = "give the number of batches between two saves, or leave it out to save after \
            every epoch";
        not_zero(self.save_freq, "the `save_freq` of `ModelCheckpoint` is 0", help)?;
        self.batches = 0;
        self.template = Some(Template::parse(&self.path)?);
        Ok(())
    }

    fn state(&self) -> State {
        self.monitor.state().with("batches", self.batches as f64)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.batches = state.count("batches")?;
        self.monitor.restore(state)
    }

    fn batch_end(
        &mut self,
        _: usize,
        ledger: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        self.batches += 1;
        if self.save_freq.is_none_or(|freq| self.batches < freq) {
            return Ok(());
        }
        self.batches = 0;
        let ledger = ledger();
        let logs = Logs(ledger.logs());
        self.save(training.epoch(), &Epoch { ledger, logs, ..Epoch::default() }, training)
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        match self.save_freq {
            Some(_) => Ok(()),
            None if self.save_best_only && self.monitor.is_left_out(report, training) => Ok(()),
            None => self.save(epoch, report, training),
        }
    }
}
