//! Testing and predicting with the moving averages of the weights.
//!
//! In: an optimizer with [`use_ema`](crate::optimizers::Settings::use_ema). Out: the averages in
//! the place of the weights while a model is tested, and the weights again afterwards.

use crate::error::Result;
use crate::optimizers::Averages;
use crate::training::Logs;

use super::{Callback, Epoch, Training};

/// Puts the optimizer's moving averages in the place of the weights while the model is validated,
/// evaluated or predicts, and the weights back afterwards. Keras's `SwapEMAWeights`.
///
/// ```
/// use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1).use_ema(true).ema_momentum(0.9), "mse", ());
/// // `val_loss` is that of the averages.
/// model.fit(&data, Fit::epochs(3).validation(&data).callback(SwapEmaWeights::new()))?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit`, `evaluate` and `predict` fail where the compiled optimizer keeps no averages.
#[derive(Default)]
pub struct SwapEmaWeights {
    swap_on_epoch: bool,
    /// The averages that are in the place of the weights now, if they are.
    swapped: Option<Averages>,
}

impl SwapEmaWeights {
    /// Swaps for tests and predictions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the averages stay in the place of the weights from the end of an epoch to the begin
    /// of the next, so that callbacks after this one, such as
    /// [`ModelCheckpoint`](super::ModelCheckpoint), save them; false unless set.
    #[must_use]
    pub fn swap_on_epoch(mut self, swap: bool) -> Self {
        self.swap_on_epoch = swap;
        self
    }

    fn swap_in(&mut self, training: &Training) -> Result<()> {
        if self.swapped.is_none() {
            self.swapped.insert(training.averages()?).swap_in()?;
        }
        Ok(())
    }

    fn swap_out(&mut self) -> Result<()> {
        self.swapped.take().map_or(Ok(()), |averages| averages.swap_out())
    }
}

/// What ends with an error leaves the weights, too.
impl Drop for SwapEmaWeights {
    fn drop(&mut self) {
        let _ = self.swap_out();
    }
}

impl Callback for SwapEmaWeights {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        training.averages().map(drop)
    }

    fn epoch_begin(&mut self, _: usize, _: &Training) -> Result<()> {
        self.swap_out()
    }

    fn epoch_end(&mut self, _: usize, _: &Epoch, training: &Training) -> Result<()> {
        if self.swap_on_epoch { self.swap_in(training) } else { Ok(()) }
    }

    fn train_end(&mut self, _: &Training) -> Result<()> {
        self.swap_out()
    }

    fn test_begin(&mut self, training: &Training) -> Result<()> {
        self.swap_in(training)
    }

    fn test_end(&mut self, _: &Logs, _: &Training) -> Result<()> {
        self.swap_out()
    }

    fn predict_begin(&mut self, training: &Training) -> Result<()> {
        self.swap_in(training)
    }

    fn predict_end(&mut self, _: &Training) -> Result<()> {
        self.swap_out()
    }
}
