//! Training: `fit`, `evaluate`, `predict`, and single steps.
//!
//! In: a compiled model and data. Out: a history of what every term of the loss and every metric did.

pub mod callbacks;
mod columns;
mod evaluate;
mod fit;
pub mod history;
mod kept;
mod lints;
mod predict;
pub mod probes;
mod resume;
mod run;
pub(crate) mod state;
pub(crate) mod step;
mod targets;
mod terms;
mod train_step;

pub use callbacks::{
    BackupAndRestore, Callback, CsvLogger, EarlyStopping, LambdaCallback, LearningRateScheduler, ModelCheckpoint, Progress,
    ReduceLrOnPlateau, TensorBoard, Training, VariableScheduler,
};
pub use fit::Fit;
pub use history::{Epoch, History, Ledger, Logs};
pub use probes::{Probe, Reading};
pub use run::Run;
pub use state::State;
pub use step::Stepper;

pub use crate::model::{Terms, TrainStep};
