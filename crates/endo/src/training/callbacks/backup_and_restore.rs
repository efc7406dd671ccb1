//! A run that goes on where it was interrupted.
//!
//! In: a file that an interrupted run left, if there is one. Out: that file, written anew after
//! every epoch or a number of batches, and removed when training is done.

use std::path::PathBuf;

use crate::error::{Result, not_zero};

use super::{Callback, Epoch, Ledger, State, Training};

/// Keeps the whole run on disk, and goes on from there when the program is started again after an
/// interruption. Keras's `BackupAndRestore`.
///
/// In the file are the weights, the optimizer's slots, the metrics, the random counters, the number
/// of calls of `predict`, the callbacks' states, the history, and the position in the data: the run
/// goes on as if nothing had happened, with the same numbers to the last bit. The program is the
/// same one, started again: same model, same data, same options. A file is written beside its place
/// and renamed, and the one before it is kept as `<path>.previous`, so that one is whole whenever
/// the process is killed; both are removed when training is done. While training lasts,
/// `<path>.lock` is locked, so that a second run with this file is refused at once, in this process
/// or another.
///
/// ```
/// use endo::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("endo-backup-{}", std::process::id()));
/// let data = Dataset::new(
///     Array::from_fn([64, 1], |i| i as f32 / 64.0),
///     Array::from_fn([64, 1], |i| i as f32 / 32.0),
/// )?;
/// let train = |stop_after: usize| {
///     let mut model = Model::new(Dense::new(1));
///     model.compile("adam", "mse", ["mae"]);
///     let interrupt =
///         LambdaCallback::new().on_epoch_begin(move |epoch, _| match epoch == stop_after {
///             // As if the process was killed.
///             true => Err(Error::new(ErrorKind::Usage, "interrupted")),
///             false => Ok(()),
///         });
///     model.fit(&data, Fit::epochs(6).callback(BackupAndRestore::new(&path)).callback(interrupt))
/// };
/// assert!(train(4).is_err());
/// let resumed = train(6)?; // begins at epoch 4
/// assert!(!path.exists());
/// let uninterrupted = train(6)?;
/// assert_eq!(resumed.get("loss"), uninterrupted.get("loss"));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails before the first step if another run uses the file; if it is of another model,
/// optimizer, data or options, or all that is there is damaged; later if the file cannot be
/// written.
#[derive(Debug)]
pub struct BackupAndRestore {
    path: PathBuf,
    save_freq: Option<usize>,
    delete_checkpoint: bool,
}

impl BackupAndRestore {
    /// Keeps the run in a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), save_freq: None, delete_checkpoint: true }
    }

    /// Writes once every `batches` batches within an epoch too; after every epoch only unless set.
    #[must_use]
    pub fn save_freq(mut self, batches: usize) -> Self {
        self.save_freq = Some(batches);
        self
    }

    /// Whether the files are removed when training is done; true unless set. A run that is done and
    /// kept can be gone on with for more epochs, unless something has stopped it.
    #[must_use]
    pub fn delete_checkpoint(mut self, delete: bool) -> Self {
        self.delete_checkpoint = delete;
        self
    }
}

impl Callback for BackupAndRestore {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        let help = "give the number of batches between two backups, or leave it out for one after \
            every epoch";
        not_zero(self.save_freq, "the `save_freq` of `BackupAndRestore` is 0", help)?;
        training.resume(&self.path).map(|_| ())
    }

    fn batch_end(
        &mut self,
        batch: usize,
        _: &dyn Fn() -> Ledger,
        training: &Training,
    ) -> Result<()> {
        if self.save_freq.is_some_and(|batches| (batch + 1).is_multiple_of(batches)) {
            training.save_run(&self.path);
        }
        Ok(())
    }

    fn epoch_end(&mut self, _: usize, _: &Epoch, training: &Training) -> Result<()> {
        training.save_run(&self.path);
        Ok(())
    }

    fn train_end(&mut self, training: &Training) -> Result<()> {
        // What a custom loop has left early can be gone on with.
        if self.delete_checkpoint && training.is_done() && training.writes_files() {
            State::remove(&self.path)
        } else {
            Ok(())
        }
    }
}
