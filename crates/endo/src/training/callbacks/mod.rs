//! What watches training: called at the begin and end of epochs and after every batch.
//!
//! In: the numbers so far. Out: whatever the callback does with them; an error stops training.

mod progress;

use crate::error::Result;

use super::{Epoch, Ledger};

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
    /// Training begins: so many epochs of so many batches.
    fn train_begin(&mut self, _epochs: usize, _batches: usize) -> Result<()> {
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
    fn epoch_end(&mut self, _epoch: usize, _report: &Epoch) -> Result<()> {
        Ok(())
    }
}

impl<F: FnMut(usize, &Epoch)> Callback for F {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch) -> Result<()> {
        self(epoch, report);
        Ok(())
    }
}
