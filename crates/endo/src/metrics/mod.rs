//! Metrics: numbers about a model, accumulated over batches in variables.
//!
//! In: predictions and targets, or any value, while traced. Out: a result computed from the variables. Updates are ordinary
//! traced code: part of the step's plan, in `fit`, `evaluate` and custom loops alike.

mod accuracy;
mod mean;
mod regression;

use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::losses::{Loss, align};
use crate::trace::{Context, evaluate_now};
use crate::variable::Variable;

pub use accuracy::{Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy};
pub use mean::{Mean, MeanMetricWrapper, Sum};
pub use regression::RootMeanSquaredError;

/// A number accumulated over batches.
///
/// ```
/// use endo::prelude::*;
///
/// struct HuberMetric { total: Variable, count: Variable }
///
/// impl Metric for HuberMetric {
///     fn name(&self) -> &str {
///         "huber"
///     }
///     fn update(&self, y_true: &Tensor, y_pred: &Tensor, _sample_weight: Option<&Tensor>, cx: &mut Context) {
///         let values = huber(y_true, y_pred, 1.0);
///         cx.assign_add(&self.total, values.sum());
///         cx.assign_add(&self.count, values.ones_like().sum());
///     }
///     fn result(&self, cx: &mut Context) -> Tensor {
///         cx.read(&self.total) / cx.read(&self.count)
///     }
///     fn variables(&self) -> Vec<Variable> {
///         vec![self.total.clone(), self.count.clone()]
///     }
/// }
/// ```
pub trait Metric: Send + Sync {
    /// What reports call it.
    fn name(&self) -> &str;

    /// Takes in a batch. Never changes gradients.
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context);

    /// The result of what was taken in so far.
    fn result(&self, cx: &mut Context) -> Tensor;

    /// What it accumulates in; all zero at the start.
    fn variables(&self) -> Vec<Variable>;

    /// Forgets what was taken in: sets all variables to zero.
    fn reset(&self) {
        for variable in self.variables() {
            let zeros = Array::zeros(variable.shape(), variable.dtype());
            variable.set(&zeros).expect("zeros of its own shape and type");
        }
    }

    /// The result as numbers, computed now.
    fn value(&self) -> Result<Array> {
        evaluate_now(|cx| self.result(cx))
    }
}

/// Anything that becomes a metric when a model is compiled: a metric, or a loss (its mean over the epoch).
pub trait IntoMetric {
    /// The metric.
    fn into_metric(self) -> Arc<dyn Metric>;
}

impl<L: Loss + 'static> IntoMetric for L {
    fn into_metric(self) -> Arc<dyn Metric> {
        Arc::new(MeanMetricWrapper::new(self))
    }
}

impl<M: Metric + 'static> IntoMetric for Arc<M> {
    fn into_metric(self) -> Arc<dyn Metric> {
        self
    }
}

impl IntoMetric for Arc<dyn Metric> {
    fn into_metric(self) -> Arc<dyn Metric> {
        self
    }
}

macro_rules! metrics {
    ($($Metric:ty),*) => {
        $(
            impl IntoMetric for $Metric {
                fn into_metric(self) -> Arc<dyn Metric> {
                    Arc::new(self)
                }
            }
        )*
    };
}

metrics!(
    Mean,
    Sum,
    MeanMetricWrapper,
    RootMeanSquaredError,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy
);

/// The metrics that a model is compiled with: an array or vector of one kind, a tuple of several kinds, or `()` for none.
pub trait IntoMetrics {
    /// The metrics in order.
    fn into_metrics(self) -> Vec<Arc<dyn Metric>>;
}

impl IntoMetrics for () {
    fn into_metrics(self) -> Vec<Arc<dyn Metric>> {
        Vec::new()
    }
}

impl<M: IntoMetric, const N: usize> IntoMetrics for [M; N] {
    fn into_metrics(self) -> Vec<Arc<dyn Metric>> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

impl<M: IntoMetric> IntoMetrics for Vec<M> {
    fn into_metrics(self) -> Vec<Arc<dyn Metric>> {
        self.into_iter().map(IntoMetric::into_metric).collect()
    }
}

macro_rules! tuples {
    ($(($($Metric:ident $metric:ident),+))+) => {
        $(
            impl<$($Metric: IntoMetric),+> IntoMetrics for ($($Metric,)+) {
                fn into_metrics(self) -> Vec<Arc<dyn Metric>> {
                    let ($($metric,)+) = self;
                    vec![$($metric.into_metric()),+]
                }
            }
        )+
    };
}

tuples! {
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, G g)
}

/// Targets and predictions in one rank, as floats, for a metric.
#[track_caller]
pub(crate) fn aligned(y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let (y_true, y_pred) = align(y_true, y_pred);
    let dtype = y_pred.dtype().promote(DType::F32);
    (y_true.cast(dtype), y_pred.cast(dtype))
}
