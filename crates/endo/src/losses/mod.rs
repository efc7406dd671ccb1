//! Losses: how far predictions are from targets, one value per sample, and how those become one number.
//!
//! In: targets and predictions. Out: `[batch]` or `[batch, t..]` from [`Loss::call`], a scalar from [`Reduction`]. A closure
//! `|y_true: &Tensor, y_pred: &Tensor| ...` is a loss.

mod crossentropy;
pub(crate) mod reduction;
mod regression;

use std::panic::Location;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tensor;
use crate::spelling::{listed, nearest};

pub use crossentropy::{
    BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy, binary_crossentropy, categorical_crossentropy,
    sparse_categorical_crossentropy,
};
pub use reduction::Reduction;
pub use regression::{Huber, MeanAbsoluteError, MeanSquaredError, huber, mean_absolute_error, mean_squared_error};

/// How far predictions are from targets.
///
/// ```
/// use endo::prelude::*;
/// let squared = |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).square().mean_axes(&[-1]);
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), squared, [MeanAbsoluteError::new()]);
/// ```
pub trait Loss: Send + Sync {
    /// One value per sample (and time step): `[batch]` or `[batch, t..]`.
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;

    /// What reports call it: Keras's name of the function.
    fn name(&self) -> &str {
        "loss"
    }

    /// How the values per sample become one number.
    fn reduction(&self) -> Reduction {
        Reduction::SumOverBatchSize
    }

    /// The same loss with another reduction.
    fn with_reduction(self, reduction: Reduction) -> Reduced<Self>
    where
        Self: Sized,
    {
        Reduced { loss: self, reduction }
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Tensor + Send + Sync> Loss for F {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        self(y_true, y_pred)
    }
}

impl Loss for Arc<dyn Loss> {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        (**self).call(y_true, y_pred)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn reduction(&self) -> Reduction {
        (**self).reduction()
    }
}

/// A loss with a reduction other than its own; made by [`Loss::with_reduction`].
#[derive(Clone, Debug)]
pub struct Reduced<L> {
    loss: L,
    reduction: Reduction,
}

impl<L: Loss> Loss for Reduced<L> {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        self.loss.call(y_true, y_pred)
    }

    fn name(&self) -> &str {
        self.loss.name()
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }
}

/// The losses that Keras knows by name, with their names, shortest first.
#[allow(clippy::type_complexity)]
const NAMES: &[(&[&str], fn() -> Arc<dyn Loss>)] = &[
    (&["mse", "mean_squared_error"], || Arc::new(MeanSquaredError)),
    (&["mae", "mean_absolute_error"], || Arc::new(MeanAbsoluteError)),
    (&["huber"], || Arc::new(Huber::default())),
    (&["binary_crossentropy"], || Arc::new(BinaryCrossentropy::default())),
    (&["categorical_crossentropy"], || Arc::new(CategoricalCrossentropy::default())),
    (&["sparse_categorical_crossentropy"], || Arc::new(SparseCategoricalCrossentropy::default())),
];

/// The loss that Keras calls `name`: `"mse"`, `"huber"`, ...
pub fn get(name: &str) -> Result<Arc<dyn Loss>> {
    let found = NAMES.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, make)| make()).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().flat_map(|(names, _)| names.iter().copied()).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known losses: {}", listed(names.iter().copied())),
        };
        Error::new(ErrorKind::Argument, format!("there is no loss called `{name}`")).help(help)
    })
}

/// Targets and predictions of equal rank, as a loss function takes them; anything that would broadcast to more values than
/// either has is an error.
#[track_caller]
pub(crate) fn same_shape(function: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let site = Location::caller();
    let y_true = y_true.convert(y_pred.dtype(), site);
    if y_true.shape() != y_pred.shape() {
        let message = format!("`{function}` of targets {} and predictions {}: the shapes differ", y_true.shape(), y_pred.shape());
        let help = if y_true.rank() != y_pred.rank() {
            "give both the same rank, for example with `expand_dims(-1)` on the targets: broadcasting would compare each with all"
        } else {
            "the last layer must have as many units as the targets have columns"
        };
        y_true.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(site));
        return (y_pred.clone(), y_pred.clone());
    }
    (y_true, y_pred.clone())
}

/// Targets in the rank of the predictions, as a compiled loss takes them: a last axis of size 1 is added or dropped.
#[track_caller]
pub(crate) fn align(y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    match (y_true.rank(), y_pred.rank()) {
        (t, p) if t == p + 1 && y_true.features() == 1 => (y_true.squeeze(-1), y_pred.clone()),
        (t, p) if p == t + 1 && y_pred.features() == 1 => (y_true.clone(), y_pred.squeeze(-1)),
        _ => (y_true.clone(), y_pred.clone()),
    }
}
