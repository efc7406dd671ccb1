//! What watches training: called at the begin and end of epochs and after every batch.
//!
//! In: the numbers so far. Out: whatever the callback does with them; an error stops training.

mod early_stopping;
mod progress;

use std::cell::Cell;

use crate::error::Result;
use crate::variable::Variable;

use super::{Epoch, Ledger};

pub use early_stopping::EarlyStopping;
pub use progress::Progress;

/// Something told of every batch and epoch of `fit`. A closure `|epoch: usize, logs: &Epoch| ...` is told of every epoch.
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
pub trait Callback {
    /// Training begins.
    fn train_begin(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// An epoch begins.
    fn epoch_begin(&mut self, _epoch: usize) -> Result<()> {
        Ok(())
    }

    /// A batch is done; `ledger` computes the means of the epoch so far.
    fn batch_end(&mut self, _batch: usize, _ledger: &dyn Fn() -> Ledger) -> Result<()> {
        Ok(())
    }

    /// An epoch is done, validation included.
    fn epoch_end(&mut self, _epoch: usize, _report: &Epoch, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// Training is done, or was stopped.
    fn train_end(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }
}

/// The training that callbacks watch, and may stop.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// /// Stops as soon as the loss is small enough.
/// struct SmallEnough(f64);
///
/// impl Callback for SmallEnough {
///     fn epoch_end(&mut self, _epoch: usize, report: &Epoch, training: &endo::training::Training) -> Result<()> {
///         if report.ledger.total < self.0 {
///             training.stop();
///         }
///         Ok(())
///     }
/// }
///
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let history = model.fit(&data, Fit::epochs(100).callback(SmallEnough(1e6)))?;
/// assert_eq!(history.epochs.len(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Debug)]
pub struct Training {
    epochs: usize,
    batches: usize,
    weights: Vec<Variable>,
    stopped: Cell<bool>,
}

impl Training {
    pub(crate) fn new(epochs: usize, batches: usize, weights: Vec<Variable>) -> Self {
        Self { epochs, batches, weights, stopped: Cell::new(false) }
    }

    /// How many epochs were asked for.
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// The batches of an epoch.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The model's weights.
    pub fn weights(&self) -> &[Variable] {
        &self.weights
    }

    /// Ends training after this epoch.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl<F: FnMut(usize, &Epoch)> Callback for F {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        self(epoch, report);
        Ok(())
    }
}
