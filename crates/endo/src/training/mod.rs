//! Training: `fit`, `evaluate`, and single steps.
//!
//! In: a compiled model and data. Out: a history of what every term of the loss and every metric
//! did.

pub mod callbacks;
mod columns;
mod data;
mod epochs;
pub(crate) mod evaluate;
pub(crate) mod feed;
pub(crate) mod fit;
mod forged;
mod functions;
pub mod history;
mod identity;
pub(crate) mod ledger;
mod ledgers;
mod predict;
pub mod probes;
mod resume;
mod run;
mod saved_history;
mod saved_variables;
mod shards;
pub(crate) mod state;
mod stepper;

pub use callbacks::{
    BackupAndRestore, Callback, CsvLogger, EarlyStopping, LambdaCallback, LearningRateScheduler,
    ModelCheckpoint, Progress, ReduceLrOnPlateau, SwapEmaWeights, TensorBoard, Training,
    VariableScheduler,
};
pub use evaluate::Evaluate;
pub use fit::{Fit, NonFinite};
#[doc(hidden)]
pub use forged::ForgedFile;
pub use history::{Epoch, History, Logs};
pub use ledger::Ledger;
pub use ledgers::StepRecord;
pub use predict::Predict;
pub(crate) use predict::{predict, predict_data};
pub use probes::{Probe, Reading};
pub use run::Run;
pub use state::State;
pub use stepper::Stepper;

pub use crate::inference::Predictor;
pub use crate::step::{BatchStep, PredictStep, Terms};
