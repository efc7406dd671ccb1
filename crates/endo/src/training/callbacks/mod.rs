//! What watches training, testing and predicting: called at the start and end of each, of epochs
//! and of batches.
//!
//! In: the numbers so far. Out: whatever the callback does with them; an error stops training.

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod event_file;
mod lambda;
mod model_checkpoint;
mod monitor;
mod progress;
mod reduce_lr_on_plateau;
mod schedulers;
mod swap_ema_weights;
mod template;
mod tensorboard;
mod training;

use crate::array::Array;
use crate::error::Result;

use super::probes::{Reading, TermReading};
use super::{Epoch, Ledger, Logs, State};

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use lambda::LambdaCallback;
pub use model_checkpoint::ModelCheckpoint;
pub use progress::Progress;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use schedulers::{LearningRateScheduler, VariableScheduler};
pub use swap_ema_weights::SwapEmaWeights;
pub use tensorboard::TensorBoard;
pub use training::Training;

/// Something told of every batch and epoch of `fit`, of its validations, and of `evaluate` and
/// `predict` where it is given to them ([`Evaluate::callback`](super::Evaluate::callback),
/// [`Predict::callback`](super::Predict::callback)). A closure `|epoch: usize, logs: &Epoch| ...`
/// is told of every epoch.
///
/// | Keras's | |
/// |---|---|
/// | [`EarlyStopping`], [`ReduceLrOnPlateau`], [`ModelCheckpoint`] | watch a number by its name |
/// | [`BackupAndRestore`] | keeps the whole run on disk, and goes on with an interrupted one |
/// | [`LearningRateScheduler`], [`VariableScheduler`] | set a number at the start of each epoch |
/// | [`SwapEmaWeights`] | validates with the moving averages of the weights |
/// | [`CsvLogger`], [`TensorBoard`], [`Progress`] | show all numbers |
/// | [`LambdaCallback`] | closures |
///
/// There is no `TerminateOnNaN`: a step whose loss or gradient is not finite changes nothing, and
/// `fit` returns an error that names the term.
///
/// They are called in the order in which they were given.
///
/// ```
/// # use endo::prelude::*;
/// # let train = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let print = |epoch: usize, report: &Epoch| println!("{epoch}: {}", report.ledger);
/// model.fit(&train, Fit::epochs(2).callback(print))?;
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no callback",
    note = "a callback is a value that implements `Callback`, or a closure `|epoch: usize, logs: \
        &Epoch| ..`"
)]
pub trait Callback {
    /// Training begins.
    fn train_begin(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// An epoch begins; epochs count from 0.
    fn epoch_begin(&mut self, _epoch: usize, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A batch is about to be trained on; batches count from 0 in each epoch. Keras's
    /// `on_train_batch_begin`.
    fn batch_begin(&mut self, _batch: usize, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A batch is done; `ledger` computes the means of the epoch so far. The terms of the batch
    /// itself are [`training.batch_ledger()`](Training::batch_ledger).
    fn batch_end(
        &mut self,
        _batch: usize,
        _ledger: &dyn Fn() -> Ledger,
        _training: &Training,
    ) -> Result<()> {
        Ok(())
    }

    /// A probe has read a value ([`Fit::probe`](super::Fit::probe)): before the end of its batch.
    fn reading(&mut self, _reading: &Reading) -> Result<()> {
        Ok(())
    }

    /// A probe has read what the terms of the loss do.
    fn term_reading(&mut self, _reading: &TermReading) -> Result<()> {
        Ok(())
    }

    /// An epoch is done, validation included.
    fn epoch_end(&mut self, _epoch: usize, _report: &Epoch, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A validation or evaluation begins.
    fn test_begin(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A batch is about to be tested with.
    fn test_batch_begin(&mut self, _batch: usize, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A batch was tested with; `ledger` computes the means of the test so far.
    fn test_batch_end(
        &mut self,
        _batch: usize,
        _ledger: &dyn Fn() -> Ledger,
        _training: &Training,
    ) -> Result<()> {
        Ok(())
    }

    /// A validation or evaluation is done, with what it reports, by names without `val_`.
    fn test_end(&mut self, _logs: &Logs, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A prediction begins.
    fn predict_begin(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A part of the rows is about to be predicted; parts count from 0.
    fn predict_batch_begin(&mut self, _batch: usize, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A part of the rows was predicted: an array for each output.
    fn predict_batch_end(
        &mut self,
        _batch: usize,
        _outputs: &[Array],
        _training: &Training,
    ) -> Result<()> {
        Ok(())
    }

    /// A prediction is done.
    fn predict_end(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// Training is done, or was stopped.
    fn train_end(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// What is to be kept when the run is saved: all that the callback would do otherwise without.
    fn state(&self) -> State {
        State::new()
    }

    /// Takes up what [`state`](Self::state) gave when the run that is now resumed was saved; after
    /// [`train_begin`](Self::train_begin).
    ///
    /// # Errors
    /// If it is not the state of such a callback.
    fn restore(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<F: FnMut(usize, &Epoch)> Callback for F {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        self(epoch, report);
        Ok(())
    }
}

/// What the callbacks' own tests share: a training without a model, and epochs of one number.
#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::training::TrainedModel;
    use super::*;
    use crate::data::Stream;
    use crate::net::Structure;
    use crate::optimizers::{Optimizer, Sgd};
    use crate::training::Fit;
    use crate::variable::Variable;

    /// A model of weights and an optimizer alone.
    struct BareModel {
        weights: Vec<Variable>,
        optimizer: Sgd,
    }

    impl TrainedModel for BareModel {
        fn weights(&self) -> Vec<Variable> {
            self.weights.clone()
        }

        fn optimizer(&self) -> Option<&dyn Optimizer> {
            Some(&self.optimizer)
        }

        fn structure(&self) -> Structure {
            Structure::default()
        }

        fn save(&self, _: &Path) -> Result<()> {
            Ok(())
        }

        fn save_weights(&self, _: &Path) -> Result<()> {
            Ok(())
        }

        fn predict(&self, _: &[Array]) -> Result<Vec<Array>> {
            Ok(Vec::new())
        }

        fn evaluate(&self, _: Stream<'_>) -> Result<Logs> {
            Ok(Logs::default())
        }
    }

    /// A training of 100 epochs with these weights and a learning rate.
    pub fn training(weights: Vec<Variable>, learning_rate: f64) -> Training<'static> {
        // They are held here to the end, so that a check for leaks finds them.
        static MODELS: Mutex<Vec<&BareModel>> = Mutex::new(Vec::new());
        let model: &BareModel =
            Box::leak(Box::new(BareModel { weights, optimizer: Sgd::new(learning_rate) }));
        MODELS.lock().unwrap().push(model);
        Training::new(&Fit::epochs(100), false, model)
    }

    /// An epoch that reports these numbers.
    pub fn epoch(logs: &[(&str, f64)]) -> Epoch {
        let logs = logs.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        Epoch { logs: Logs(logs), ..Epoch::default() }
    }

    #[test]
    fn what_is_reported_last_counts_once() {
        let training = training(Vec::new(), 0.1);
        training.report("rate", 1.0);
        training.report("beta", 2.0);
        training.report("rate", 3.0);
        assert_eq!(
            training.take_reported(),
            [("beta".to_string(), 2.0), ("rate".to_string(), 3.0)]
        );
        assert!(training.take_reported().is_empty());
    }
}
