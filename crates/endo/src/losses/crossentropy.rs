//! Losses of class labels against probabilities or logits.
//!
//! In: labels 0/1, one-hot rows or class numbers; predictions with the classes on the last axis. Out: one value per sample.

use std::panic::Location;

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;

use super::{Loss, same_shape};

/// Probabilities are clipped to this distance from 0 and 1 before their logarithm is taken. As Keras.
const EPSILON: f64 = 1e-7;

/// `-t log(p) - (1 - t) log(1 - p)`, the mean over the last axis; predictions are probabilities, or with `from_logits` their
/// log-odds.
#[track_caller]
pub fn binary_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let (t, x) = same_shape("binary_crossentropy", y_true, y_pred);
    let values = if from_logits {
        x.relu() - &x * &t + (-x.abs()).exp().log1p()
    } else {
        let p = x.clip(EPSILON, 1.0 - EPSILON);
        -(&t * p.log() + (1.0 - &t) * (1.0 - p).log())
    };
    if values.rank() == 0 { values } else { values.mean_axes(&[-1]) }
}

/// `-sum(t log(p))` over the last axis, for one-hot (or soft) targets; predictions are probabilities, scaled to sum 1, or with
/// `from_logits` unscaled log-probabilities.
#[track_caller]
pub fn categorical_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let (t, x) = same_shape("categorical_crossentropy", y_true, y_pred);
    if from_logits {
        let normalizer = x.logsumexp_axes(&[-1]).expand_dims(-1);
        return (t * (normalizer - x)).sum_axes(&[-1]);
    }
    let p = &x / x.sum_axes(&[-1]).expand_dims(-1);
    -(t * p.clip(EPSILON, 1.0 - EPSILON).log()).sum_axes(&[-1])
}

/// `-log(p[class])` for class numbers `[batch]` or `[batch, 1]`; predictions are probabilities, or with `from_logits` unscaled
/// log-probabilities. A class out of range gives NaN, which stops training with an error.
#[track_caller]
pub fn sparse_categorical_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let site = Location::caller();
    let labels = if y_true.rank() == y_pred.rank() && y_true.features() == 1 { y_true.squeeze(-1) } else { y_true.clone() };
    if y_pred.rank() == 0 || labels.shape().sizes() != &y_pred.shape()[..y_pred.rank() - 1] {
        let message =
            format!("`sparse_categorical_crossentropy` of targets {} and predictions {}", y_true.shape(), y_pred.shape());
        let help = "give one class number for each row of predictions: targets `[batch]` or `[batch, 1]`, predictions `[batch, classes]`";
        let shape = y_pred.shape().without(&[y_pred.rank().saturating_sub(1)]);
        return y_pred.fail(Error::new(ErrorKind::Shape, message).help(help), shape, site);
    }
    let logits = if from_logits { y_pred.clone() } else { y_pred.clip(EPSILON, 1.0 - EPSILON).log() };
    let chosen = logits.take_along_axis(&labels.cast(DType::I32).expand_dims(-1), -1).squeeze(-1);
    logits.logsumexp_axes(&[-1]) - chosen
}

macro_rules! crossentropy {
    ($(#[$doc:meta])* $Loss:ident = $function:ident { $($(#[$field_doc:meta])* $field:ident: $Type:ty),* }, |$self:ident, $y_true:ident, $y_pred:ident| $call:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $Loss {
            $($field: $Type,)*
        }

        impl $Loss {
            /// The loss with Keras's defaults: predictions are probabilities.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$field_doc])*
                #[must_use]
                pub fn $field(mut self, $field: $Type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }

        impl Loss for $Loss {
            #[track_caller]
            fn call(&$self, $y_true: &Tensor, $y_pred: &Tensor) -> Tensor {
                $call
            }

            fn name(&self) -> &str {
                stringify!($function)
            }
        }
    };
}

crossentropy! {
    /// [`binary_crossentropy`] as a loss.
    BinaryCrossentropy = binary_crossentropy {
        /// Whether predictions are log-odds instead of probabilities.
        from_logits: bool,
        /// Moves targets towards 1/2 by this share.
        label_smoothing: f64
    }, |self, y_true, y_pred| {
        let y_true = y_true.convert(y_pred.dtype(), Location::caller());
        let smooth = if self.label_smoothing == 0.0 { y_true } else { y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing };
        binary_crossentropy(&smooth, y_pred, self.from_logits)
    }
}

crossentropy! {
    /// [`categorical_crossentropy`] as a loss.
    CategoricalCrossentropy = categorical_crossentropy {
        /// Whether predictions are unscaled log-probabilities instead of probabilities.
        from_logits: bool,
        /// Moves targets towards equal probabilities by this share.
        label_smoothing: f64
    }, |self, y_true, y_pred| {
        let y_true = y_true.convert(y_pred.dtype(), Location::caller());
        let share = self.label_smoothing / y_true.features() as f64;
        let smooth = if self.label_smoothing == 0.0 { y_true } else { y_true * (1.0 - self.label_smoothing) + share };
        categorical_crossentropy(&smooth, y_pred, self.from_logits)
    }
}

crossentropy! {
    /// [`sparse_categorical_crossentropy`] as a loss.
    SparseCategoricalCrossentropy = sparse_categorical_crossentropy {
        /// Whether predictions are unscaled log-probabilities instead of probabilities.
        from_logits: bool
    }, |self, y_true, y_pred| sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)
}
