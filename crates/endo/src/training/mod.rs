//! Training: `fit`, `evaluate`, `predict`, and single steps.
//!
//! In: a compiled model and data. Out: a history of what every term of the loss and every metric did.

mod balance;
pub mod callbacks;
mod evaluate;
mod fit;
pub mod history;
mod lints;
mod predict;
pub mod probes;
pub(crate) mod step;
mod targets;
mod terms;

pub use callbacks::{
    Callback, CsvLogger, EarlyStopping, LambdaCallback, LearningRateScheduler, ModelCheckpoint, Progress, ReduceLrOnPlateau,
    TensorBoard, Training, VariableScheduler,
};
pub use fit::Fit;
pub use history::{Epoch, History, Ledger, Logs};
pub use probes::{Probe, Reading};
pub use step::Stepper;
