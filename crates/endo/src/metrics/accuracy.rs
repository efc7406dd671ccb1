//! The share of predictions that are right.
//!
//! In: labels and predictions. Out: a mean of zeros and ones.

use std::panic::Location;

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::trace::Context;
use crate::variable::Variable;

use super::{Mean, Metric, aligned};

macro_rules! accuracy {
    ($(#[$doc:meta])* $Metric:ident = $name:literal $({ $($(#[$field_doc:meta])* $field:ident: $Type:ty = $default:expr),* })?, |$self:ident, $y_true:ident, $y_pred:ident| $matches:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Metric {
            mean: Mean,
            $($($field: $Type,)*)?
        }

        impl $Metric {
            #[doc = concat!("A metric named `", $name, "`.")]
            pub fn new() -> Self {
                Self { mean: Mean::new($name), $($($field: $default,)*)? }
            }

            $($(
                $(#[$field_doc])*
                #[must_use]
                pub fn $field(mut self, $field: $Type) -> Self {
                    self.$field = $field;
                    self
                }
            )*)?
        }

        impl Default for $Metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Metric for $Metric {
            fn name(&self) -> &str {
                self.mean.name()
            }

            #[track_caller]
            fn update(&$self, $y_true: &Tensor, $y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
                let matches = $matches.cast(DType::F32);
                match sample_weight {
                    Some(weight) => $self.mean.update_weighted(&matches, weight, cx),
                    None => $self.mean.update(&matches, cx),
                }
            }

            fn result(&self, cx: &mut Context) -> Tensor {
                self.mean.result(cx)
            }

            fn variables(&self) -> Vec<Variable> {
                self.mean.variables()
            }
        }
    };
}

accuracy! {
    /// The share of predictions equal to the targets. Compiled on predictions of several classes it compares the class with
    /// the largest prediction, as `"accuracy"` does in Keras; on a single output, the prediction rounded at 1/2.
    Accuracy = "accuracy",
    |self, y_true, y_pred| match (y_pred.features(), y_true.rank() == y_pred.rank() && y_true.features() == y_pred.features()) {
        (1, _) => binary_matches(y_true, y_pred, 0.5),
        (_, true) => categorical_matches(y_true, y_pred),
        (_, false) => sparse_matches(y_true, y_pred),
    }
}

accuracy! {
    /// The share of labels 0/1 that predictions are on the right side of the threshold for.
    BinaryAccuracy = "binary_accuracy" {
        /// Predictions above it count as 1; 0.5 unless set.
        threshold: f64 = 0.5
    },
    |self, y_true, y_pred| binary_matches(y_true, y_pred, self.threshold)
}

accuracy! {
    /// The share of rows whose largest prediction is where the one-hot target has its 1.
    CategoricalAccuracy = "categorical_accuracy",
    |self, y_true, y_pred| categorical_matches(y_true, y_pred)
}

accuracy! {
    /// The share of rows whose largest prediction is at the target's class number.
    SparseCategoricalAccuracy = "sparse_categorical_accuracy",
    |self, y_true, y_pred| sparse_matches(y_true, y_pred)
}

#[track_caller]
fn binary_matches(y_true: &Tensor, y_pred: &Tensor, threshold: f64) -> Tensor {
    let (y_true, y_pred) = aligned(y_true, y_pred);
    if y_true.shape() != y_pred.shape() {
        return mismatch(&y_true, &y_pred, Location::caller());
    }
    let matches = y_true.equal(y_pred.greater(threshold).cast(y_true.dtype())).cast(DType::F32);
    if matches.rank() == 0 { matches } else { matches.mean_axes(&[-1]) }
}

#[track_caller]
fn categorical_matches(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    if y_true.shape() != y_pred.shape() {
        return mismatch(y_true, y_pred, Location::caller());
    }
    y_true.argmax(-1).equal(y_pred.argmax(-1))
}

#[track_caller]
fn sparse_matches(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let labels = if y_true.rank() == y_pred.rank() && y_true.features() == 1 { y_true.squeeze(-1) } else { y_true.clone() };
    let classes = y_pred.argmax(-1);
    if labels.shape() != classes.shape() {
        return mismatch(y_true, y_pred, Location::caller());
    }
    labels.cast(DType::I32).equal(classes)
}

fn mismatch(y_true: &Tensor, y_pred: &Tensor, site: &'static Location<'static>) -> Tensor {
    let message = format!("accuracy of targets {} and predictions {}: the shapes do not fit", y_true.shape(), y_pred.shape());
    let help = "targets are 0/1 or one-hot in the shape of the predictions, or class numbers without the last axis";
    y_pred.fail(Error::new(ErrorKind::Shape, message).help(help), [y_pred.batch()], site)
}
