//! Metrics by the names that Keras gives them.
//!
//! In: a name, in parentheses its options, in a list that a model is compiled with or on a command line. Out: the metric,
//! reported under the name as it was written. Names of losses are looked up among the losses.

use std::panic::Location;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tensor;
use crate::losses;
use crate::named::{self, Named, Setting};
use crate::spelling::{listed, nearest};
use crate::trace::Context;
use crate::variable::Variable;

use super::*;

/// What a row makes: a metric under a name.
type Make = dyn Fn(&str) -> Arc<dyn Metric>;

/// Metrics with the names that text gives them, the arguments they need, and their options.
macro_rules! rows {
    ($([$name:literal $(, $other:literal)*] $Metric:ident($($argument:ident: $Argument:ty),*)
       { $($option:ident: $Option:ty),* };)+) => {
        &[$(Named {
            names: &[$name $(, $other)*],
            options: &[$(stringify!($argument),)* $(stringify!($option)),*],
            make: |_settings| {
                $(
                    let given = _settings.take(stringify!($argument), Given::<$Argument>(None))?;
                    let $argument = given.required($name, stringify!($argument))?;
                )*
                $(let $option = _settings.take(stringify!($option), Given::<$Option>(None))?;)*
                Ok(Arc::new(move |name: &str| -> Arc<dyn Metric> {
                    let metric = $Metric::new($($argument.clone()),*).name(name);
                    $(let metric = match $option.0.clone() {
                        Some(value) => metric.$option(value),
                        None => metric,
                    };)*
                    Arc::new(metric)
                }))
            },
        }),+]
    };
}

/// The metrics that are not the mean of the loss of their name.
const ROWS: &[Named<Make>] = rows! {
    ["accuracy", "acc"] AccuracyByShape() {};
    ["binary_accuracy"] BinaryAccuracy() { threshold: f64 };
    ["categorical_accuracy"] CategoricalAccuracy() {};
    ["sparse_categorical_accuracy"] SparseCategoricalAccuracy() {};
    ["top_k_categorical_accuracy"] TopKCategoricalAccuracy() { k: usize };
    ["sparse_top_k_categorical_accuracy"] SparseTopKCategoricalAccuracy() { k: usize, from_sorted_ids: bool };
    ["root_mean_squared_error", "rmse"] RootMeanSquaredError() {};
    ["logcosh", "log_cosh_error"] LogCoshError() {};
    ["cosine_similarity"] CosineSimilarity() { axis: i32 };
    ["pearson_correlation"] PearsonCorrelation() { axis: i32 };
    ["concordance_correlation"] ConcordanceCorrelation() { axis: i32 };
    ["r2_score"] R2Score() { class_aggregation: Option<ClassAggregation>, num_regressors: usize };
    ["true_positives"] TruePositives() { thresholds: Thresholds };
    ["true_negatives"] TrueNegatives() { thresholds: Thresholds };
    ["false_positives"] FalsePositives() { thresholds: Thresholds };
    ["false_negatives"] FalseNegatives() { thresholds: Thresholds };
    ["precision"] Precision() { thresholds: Thresholds, top_k: usize, class_id: usize };
    ["recall"] Recall() { thresholds: Thresholds, top_k: usize, class_id: usize };
    ["f1_score"] F1Score() { average: Averaging, threshold: f64 };
    ["fbeta_score"] FBetaScore() { average: Averaging, beta: f64, threshold: f64 };
    ["auc"] Auc() {
        num_thresholds: usize, curve: Curve, summation_method: SummationMethod, thresholds: Vec<f64>, multi_label: bool,
        num_labels: usize, label_weights: Vec<f64>, from_logits: bool
    };
    ["precision_at_recall"] PrecisionAtRecall(recall: f64) { num_thresholds: usize, class_id: usize };
    ["recall_at_precision"] RecallAtPrecision(precision: f64) { num_thresholds: usize, class_id: usize };
    ["sensitivity_at_specificity"] SensitivityAtSpecificity(specificity: f64) { num_thresholds: usize, class_id: usize };
    ["specificity_at_sensitivity"] SpecificityAtSensitivity(sensitivity: f64) { num_thresholds: usize, class_id: usize };
    ["mean_io_u", "mean_iou"] MeanIoU(num_classes: usize) {
        ignore_class: i32, sparse_y_true: bool, sparse_y_pred: bool, axis: i32
    };
    ["io_u", "iou"] IoU(num_classes: usize, target_class_ids: Vec<usize>) {
        ignore_class: i32, sparse_y_true: bool, sparse_y_pred: bool, axis: i32
    };
    ["one_hot_io_u", "one_hot_iou"] OneHotIoU(num_classes: usize, target_class_ids: Vec<usize>) {
        ignore_class: i32, sparse_y_pred: bool, axis: i32
    };
    ["one_hot_mean_io_u", "one_hot_mean_iou"] OneHotMeanIoU(num_classes: usize) {
        ignore_class: i32, sparse_y_pred: bool, axis: i32
    };
    ["binary_io_u", "binary_iou"] BinaryIoU() { target_class_ids: Vec<usize>, threshold: f64 };
};

/// The metric that a text names, with its options in parentheses, by name or in their order: Keras's names and defaults.
/// Neither case nor underscores count; reports call the metric by the name as it is written. The mean of a loss has the
/// loss's name.
///
/// ```
/// use endo::metrics;
/// use endo::prelude::*;
/// assert_eq!(metrics::get("mse")?.update_on(&[[1.0_f32]].into(), &[[3.0_f32]].into())?.item()?, 4.0);
/// assert_eq!(metrics::get("precision(top_k=1)")?.name(), "precision");
/// let error = metrics::get("recal").err().unwrap();
/// assert_eq!(error.to_string(), "there is no metric called `recal`\n  help: did you mean `recall`?");
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such metric or option, or an argument that the metric needs is missing; the error names the nearest.
pub fn get(text: &str) -> Result<Arc<dyn Metric>> {
    let name = text.split('(').next().unwrap_or(text).trim();
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    if ROWS.iter().any(|row| row.names.iter().any(|known| plain(known) == plain(name))) {
        return Ok(named::get("metric", text, ROWS.iter())?(name));
    }
    let known = || names().chain(losses::names());
    match losses::get(text) {
        Ok(loss) => Ok(Arc::new(MeanMetricWrapper::new(loss).name(name))),
        Err(error) if known().any(|known| plain(known) == plain(name)) => Err(error),
        Err(_) => {
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}; and every loss is a metric", listed(names())),
            };
            Err(Error::new(ErrorKind::Argument, format!("there is no metric called `{name}`")).help(help))
        }
    }
}

/// The names of all metrics that are not the mean of a loss.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.names[0])
}

/// An argument or option that may be given; the metric knows its default.
struct Given<S>(Option<S>);

impl<S> Given<S> {
    fn required(self, metric: &str, argument: &str) -> Result<S> {
        self.0.ok_or_else(|| {
            let message = format!("the metric `{metric}` needs the argument `{argument}`");
            Error::new(ErrorKind::Argument, message).help(format!("write `{metric}({argument}=..)`"))
        })
    }
}

impl<S: Setting> Setting for Given<S> {
    const EXPECTED: &'static str = S::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        match S::read(text) {
            None if text == "none" => Some(Self(None)),
            value => value.map(|value| Self(Some(value))),
        }
    }

    fn write(&self) -> String {
        self.0.as_ref().map_or("none".to_string(), S::write)
    }
}

impl Setting for Thresholds {
    const EXPECTED: &'static str = "a number or a list of numbers such as `[0.25, 0.5]`";

    fn read(text: &str) -> Option<Self> {
        f64::read(text).map(Self::from).or_else(|| <Vec<f64>>::read(text).map(Self::from))
    }

    fn write(&self) -> String {
        match self.as_slice() {
            [threshold] => threshold.write(),
            several => several.to_vec().write(),
        }
    }
}

impl Setting for Option<ClassAggregation> {
    const EXPECTED: &'static str = ClassAggregation::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { ClassAggregation::read(text).map(Some) }
    }

    fn write(&self) -> String {
        self.map_or("none".to_string(), |aggregation| aggregation.write())
    }
}

/// What stands in for a metric that a text does not name: the error comes out where the metric is first used.
pub(super) struct Unknown {
    pub text: &'static str,
    pub error: Error,
}

impl Metric for Unknown {
    fn name(&self) -> &str {
        self.text
    }

    #[track_caller]
    fn update(&self, _: &Tensor, _: &Tensor, _: Option<&Tensor>, cx: &mut Context) {
        cx.trace().record(self.error.clone().at(Location::caller()));
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        cx.trace().record(self.error.clone());
        cx.constant(0.0_f32)
    }

    fn variables(&self) -> Vec<Variable> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_name_and_keep_it() {
        for name in ["acc", "AUC", "mae", "R2Score", "hinge", "binary_iou"] {
            assert_eq!(get(name).unwrap().name(), name);
        }
        assert_eq!(get("huber(delta=2.0)").unwrap().name(), "huber");
    }

    #[test]
    fn options_are_read_and_arguments_asked_for() {
        let counts = get("true_positives(thresholds=[0.2, 0.7])").unwrap();
        let value = counts.update_on(&[1, 1].into(), &[0.5_f32, 0.9].into()).unwrap();
        assert_eq!(value.to_vec::<f64>(), [2.0, 1.0]);
        assert!(get("mean_iou(num_classes=3)").is_ok());
        let error = get("mean_iou").err().unwrap();
        assert_eq!(error.message(), "the metric `mean_io_u` needs the argument `num_classes`");
        let error = get("auc(curve=PT)").err().unwrap();
        assert!(error.message().contains("is `ROC`, `PR` or `PRGAIN`, got `PT`"), "{error}");
        assert!(get("huber(dleta=2.0)").err().unwrap().message().contains("no option `dleta`"));
    }

    #[test]
    fn a_name_that_is_not_known_is_an_error_where_it_is_used() {
        let error = "precisoin".into_metric().update_on(&[1].into(), &[1].into()).unwrap_err();
        assert_eq!(error.message(), "there is no metric called `precisoin`");
        assert_eq!(error.advice(), Some("did you mean `precision`?"));
    }

    #[test]
    fn a_name_is_that_of_one_metric() {
        let mut names: Vec<&str> = ROWS.iter().flat_map(|row| row.names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
