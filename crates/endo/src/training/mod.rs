//! Training: `fit`, `evaluate`, `predict`, and single steps; and predictions without the model's code.
//!
//! In: a compiled model and data. Out: a history of what every term of the loss and every metric did.

pub mod callbacks;
mod columns;
mod evaluate;
mod export;
mod fit;
mod forged;
mod functions;
pub mod history;
mod identity;
mod kept;
mod ledgers;
mod lints;
mod predict;
mod predictor;
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
pub use fit::{Fit, NonFinite};
#[doc(hidden)]
pub use forged::Forged;
pub use history::{Epoch, History, Ledger, Logs};
pub use ledgers::StepRecord;
pub use predictor::Predictor;
pub use probes::{Probe, Reading};
pub use run::Run;
pub use state::State;
pub use step::Stepper;

pub use crate::model::{Terms, TrainStep};
