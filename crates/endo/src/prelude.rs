//! What most programs need, in one `use`.

pub use crate::activations::{ActivationFunction, normalized::*, piecewise::*, smooth::*};
pub use crate::array::Array;
pub use crate::constraints::{Axes, Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
pub use crate::data::{Dataset, Samples, StandardScaler, Stream, Table};
pub use crate::dtype::DType;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::graph::{Tensor, Tree};
pub use crate::initializers::{Initializer, constant::*, orthogonal::*, random::*, scaled::*};
pub use crate::layers::{Layer, built_in::*};
pub use crate::losses::{
    BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy,
    CategoricalFocalCrossentropy, CategoricalGeneralizedCrossEntropy, CategoricalHinge, Circle,
    Ctc, Dice, Hinge, Huber, KLDivergence, LogCosh, Loss, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError, PerClass, Poisson,
    Reduction, SparseCategoricalCrossentropy, SquaredHinge, Tversky, binary_crossentropy,
    binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy,
    categorical_generalized_cross_entropy, categorical_hinge, circle, ctc, dice, hinge, huber,
    kl_divergence, log_cosh, mean_absolute_error, mean_absolute_percentage_error,
    mean_squared_error, mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy,
    squared_hinge, tversky,
};
pub use crate::metrics::{
    Accuracy, Auc, Averaging, BinaryAccuracy, BinaryIoU, CategoricalAccuracy, ClassAggregation,
    ConcordanceCorrelation, Curve, F1Score, FBetaScore, FalseNegatives, FalsePositives, IntoMetric,
    IntoMetrics, IoU, LogCoshError, Mean, MeanIoU, MeanMetricWrapper, Metric, OneHotIoU,
    OneHotMeanIoU, PearsonCorrelation, Precision, PrecisionAtRecall, R2Score, Recall,
    RecallAtPrecision, RootMeanSquaredError, SensitivityAtSpecificity, SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, SpecificityAtSensitivity, Streaming, Sum, SummationMethod,
    Thresholds, TopKCategoricalAccuracy, Totals, TrueNegatives, TruePositives,
};
pub use crate::model::{LoadWeights, Model, Saved};
pub use crate::named::Hyperparameters;
pub use crate::optimizers::schedules::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, LearningRateSchedule,
    PiecewiseConstantDecay, PolynomialDecay,
};
pub use crate::optimizers::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, Optimizer, RmsProp,
    Settings, Sgd, Slots,
};
pub use crate::regularizers::{L1, L1L2, L2, OrthogonalRegularizer, Regularizer, Vectors};
pub use crate::report::Report;
pub use crate::shape::Shape;
pub use crate::trace::{Context, Function, Gradients, TensorSpec, Weight, compute};
pub use crate::training::{
    BackupAndRestore, Callback, CsvLogger, EarlyStopping, Epoch, Evaluate, Fit, History,
    LambdaCallback, LearningRateScheduler, Ledger, Logs, ModelCheckpoint, NonFinite, Predict,
    Predictor, Probe, Reading, ReduceLrOnPlateau, SwapEmaWeights, TensorBoard, Terms, Training,
    VariableScheduler,
};
pub use crate::tree;
pub use crate::variable::Variable;
