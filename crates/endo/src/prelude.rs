//! What most programs need, in one `use`.
//!
//! It leaves out the layers named after a word of arithmetic, such as
//! [`endo::layers::Add`](crate::layers::Add), whose names stay free for the traits of `std::ops`
//! and for types of your own:
//!
//! ```
//! use std::ops::*;
//!
//! use endo::prelude::*;
//!
//! struct Dot(f32);
//!
//! impl Add for Dot {
//!     type Output = Dot;
//!     fn add(self, other: Dot) -> Dot {
//!         Dot(self.0 + other.0)
//!     }
//! }
//! ```

pub use crate::activations::{ActivationFunction, normalized::*, piecewise::*, smooth::*};
pub use crate::array::Array;
pub use crate::constraints::{Axes, Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
pub use crate::data::{Dataset, Samples, StandardScaler, Stream, Table};
pub use crate::dtype::DType;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::graph::{Tensor, Transposed, Tree};
pub use crate::initializers::{Initializer, constant::*, orthogonal::*, random::*, scaled::*};
pub use crate::layers::{Layer, built_in::*};
pub use crate::losses::{
    Loss, PerClass, Reduction, binary::*, categorical::*, circle::*, ctc::*, divergence::*,
    hinge::*, regression::*, segmentation::*, sparse::*,
};
pub use crate::metrics::{
    IntoMetric, IntoMetrics, Mean, MeanMetricWrapper, Metric, Streaming, Sum, Totals, accuracy::*,
    auc::*, correlation::*, counts::*, f_score::*, iou::*, operating_point::*, regression::*,
};
pub use crate::model::{LoadWeights, Model, Saved};
pub use crate::named::Hyperparameters;
pub use crate::optimizers::schedules::{LearningRateSchedule, cosine::*, decay::*};
pub use crate::optimizers::{
    Optimizer, Settings, Slots, adafactor::*, adagrad::*, adam::*, ftrl::*, sgd::*,
};
pub use crate::regularizers::{L1, L1L2, L2, OrthogonalRegularizer, Regularizer, Vectors};
pub use crate::report::Report;
pub use crate::shape::Shape;
pub use crate::trace::{Context, Function, Gradients, ScanOptions, TensorSpec, Weight, compute};
pub use crate::training::{
    BackupAndRestore, Callback, CsvLogger, EarlyStopping, Epoch, Evaluate, Fit, History,
    LambdaCallback, LearningRateScheduler, Ledger, Logs, ModelCheckpoint, NonFinite, Predict,
    Predictor, Probe, Reading, ReduceLrOnPlateau, SwapEmaWeights, TensorBoard, Terms, Training,
    VariableScheduler,
};
pub use crate::tree;
pub use crate::variable::Variable;
