//! Metrics: numbers about a model, accumulated over batches in variables.
//!
//! In: predictions and targets, or any value, while traced. Out: a result computed from the variables. Updates are ordinary
//! traced code: part of the step's plan, in `fit`, `evaluate` and custom loops alike.

mod accuracy;
mod auc;
mod correlation;
mod counts;
mod curve;
mod f_score;
mod iou;
mod mean;
mod names;
mod operating_point;
mod regression;
mod totals;

use std::panic::Location;
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tensor;
use crate::losses::{Loss, align};
use crate::trace::{Context, HeldMetric, evaluate_now};
use crate::variable::Variable;

pub use accuracy::{
    Accuracy, AccuracyByShape, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy, accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy, top_k_categorical_accuracy,
};
pub use auc::{Auc, Curve, SummationMethod};
pub use correlation::{
    ConcordanceCorrelation, CosineSimilarity, PearsonCorrelation, concordance_correlation, cosine_similarity, pearson_correlation,
};
pub use counts::{FalseNegatives, FalsePositives, Precision, Recall, Thresholds, TrueNegatives, TruePositives};
pub use f_score::{Averaging, F1Score, FBetaScore};
pub use iou::{BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU};
pub use mean::{Mean, MeanMetricWrapper, Sum};
pub use names::{get, names};
pub use operating_point::{PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity};
pub use regression::{ClassAggregation, LogCoshError, R2Score, RootMeanSquaredError};

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

    /// The result of what was taken in so far: a scalar, or a vector with one number for each class or threshold, which a
    /// model reports as `f1_score_0`, `f1_score_1`, ...
    fn result(&self, cx: &mut Context) -> Tensor;

    /// What it accumulates in; all zero at the start. What is made at the first update is missing before.
    fn variables(&self) -> Vec<Variable>;

    /// Has the metric reported under its name when a layer holds it as a field and updates it in `call`. The metrics of this
    /// library do so in `update`; one of your own says `self.report(cx)` there. Clones must share their variables.
    fn report(&self, cx: &mut Context)
    where
        Self: Clone + Sized + 'static,
    {
        let metric = self.clone();
        cx.hold_metric(HeldMetric {
            name: Metric::name(self).to_string(),
            variables: self.variables(),
            result: Arc::new(move |cx| metric.result(cx)),
        });
    }

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

    /// Takes in a batch of arrays, outside of any model or trace, and returns the result so far: what Keras's
    /// `metric(y_true, y_pred)` does.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let recall = Recall::new();
    /// recall.update_on(&[1, 1].into(), &[1, 0].into())?;
    /// let both = recall.update_on(&[1, 1].into(), &[1, 1].into())?;
    /// assert_eq!(both.item()?, 0.75);
    /// # Ok::<(), endo::Error>(())
    /// ```
    fn update_on(&self, y_true: &Array, y_pred: &Array) -> Result<Array> {
        evaluate_now(|cx| {
            let [y_true, y_pred] = [y_true, y_pred].map(|array| cx.constant(array.clone()));
            self.update(&y_true, &y_pred, None, cx);
            self.result(cx)
        })
    }

    /// Takes in a batch of arrays with the weights of its samples, and returns the result so far.
    fn update_weighted_on(&self, y_true: &Array, y_pred: &Array, sample_weight: &Array) -> Result<Array> {
        evaluate_now(|cx| {
            let [y_true, y_pred, weight] = [y_true, y_pred, sample_weight].map(|array| cx.constant(array.clone()));
            self.update(&y_true, &y_pred, Some(&weight), cx);
            self.result(cx)
        })
    }
}

/// Anything that becomes a metric when a model is compiled: a metric, a loss (its mean over the epoch), or a name that
/// [`get`] knows.
///
/// ```
/// # use endo::prelude::*;
/// let metrics = ["mae".into_metric(), Huber.delta(2.0).into_metric(), Precision::new().into_metric()];
/// assert_eq!(metrics.each_ref().map(|metric| metric.name().to_string()), ["mae", "huber", "precision"]);
/// ```
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
    LogCoshError,
    R2Score,
    CosineSimilarity,
    PearsonCorrelation,
    ConcordanceCorrelation,
    Accuracy,
    AccuracyByShape,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TruePositives,
    TrueNegatives,
    FalsePositives,
    FalseNegatives,
    Precision,
    Recall,
    F1Score,
    FBetaScore,
    Auc,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    MeanIoU,
    IoU,
    OneHotIoU,
    OneHotMeanIoU,
    BinaryIoU
);

/// The metrics that a model is compiled with: an array or vector of one kind, a tuple of several kinds, or `()` for none.
///
/// ```
/// # use endo::prelude::*;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("sgd", "mse", ["mae", "huber"]);
/// model.compile("sgd", "mse", (RootMeanSquaredError::new(), MeanAbsoluteError, "huber"));
/// ```
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

/// Targets and predictions as floats of one shape, aligned as for a loss; an error and stand-ins if their shapes do not fit.
#[track_caller]
fn paired(metric: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let (y_true, y_pred) = align(y_true, y_pred);
    let dtype = y_pred.dtype().promote(DType::F32);
    let y_pred = y_pred.cast(dtype);
    if y_true.shape() == y_pred.shape() {
        return (y_true.cast(dtype), y_pred);
    }
    let message = format!("`{metric}` of targets {} and predictions {}: the shapes differ", y_true.shape(), y_pred.shape());
    let help = "targets have the shape of the predictions, but for a last axis of size 1";
    y_true.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(Location::caller()));
    (y_pred.clone(), y_pred)
}

/// Targets and predictions of one class of several, if one is asked for: a column of each.
#[track_caller]
fn of_class(metric: &str, y_true: Tensor, y_pred: Tensor, class_id: Option<usize>) -> (Tensor, Tensor) {
    let Some(class) = class_id else { return (y_true, y_pred) };
    if y_pred.rank() < 2 || class >= y_pred.features() {
        let message = format!("`{metric}` looks at class {class} of predictions {}", y_pred.shape());
        let help = "`class_id` is a position on the last axis of `[batch, classes]`";
        y_pred.trace().record(Error::new(ErrorKind::Argument, message).help(help).at(Location::caller()));
        return (y_true, y_pred);
    }
    (y_true.slice(-1, class..class + 1), y_pred.slice(-1, class..class + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_without_the_axis_of_a_single_output_are_compared_sample_by_sample() {
        let metric = "mse".into_metric();
        metric.update_weighted_on(&[1.0_f32, 2.0].into(), &[[1.0_f32], [4.0]].into(), &[1.0_f32, 3.0].into()).unwrap();
        assert_eq!(metric.value().unwrap().item().unwrap(), 3.0);
    }

    #[test]
    fn a_list_holds_names_losses_and_metrics() {
        let metrics = ("accuracy", crate::losses::MeanSquaredError, Precision::new().name("p"), Auc::new()).into_metrics();
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
        assert_eq!(names, ["accuracy", "mean_squared_error", "p", "auc"]);
    }
}
