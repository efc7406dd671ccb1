//! What most programs need, in one `use`.

pub use crate::activations::{ActivationFunction, normalized::*, piecewise::*, smooth::*};
pub use crate::array::Array;
pub use crate::constraints::{Axes, Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
pub use crate::data::{Dataset, StandardScaler, Table};
pub use crate::dtype::DType;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::graph::Tensor;
pub use crate::initializers::{Initializer, constant::*, orthogonal::*, random::*, scaled::*};
pub use crate::layers::*;
pub use crate::losses::{
    BinaryCrossentropy, CategoricalCrossentropy, Huber, Loss, MeanAbsoluteError, MeanSquaredError, Reduction,
    SparseCategoricalCrossentropy, binary_crossentropy, categorical_crossentropy, huber, mean_absolute_error, mean_squared_error,
    sparse_categorical_crossentropy,
};
pub use crate::metrics::*;
pub use crate::model::Model;
pub use crate::optimizers::{Adam, AdamW, Nadam, Optimizer, RmsProp, Sgd};
pub use crate::regularizers::{L1, L1L2, L2, OrthogonalRegularizer, Regularizer, Vectors};
pub use crate::shape::Shape;
pub use crate::trace::{Context, Function, Gradients, Weight};
pub use crate::training::{Callback, Epoch, Fit, History, Ledger, Logs};
pub use crate::variable::Variable;
