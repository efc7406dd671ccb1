//! Metrics: numbers about a model, accumulated over batches in variables.
//!
//! In: predictions and targets, or any value, while traced. Out: a result computed from the
//! variables. Updates are ordinary traced code: part of the step's plan, in `fit`, `evaluate` and
//! custom loops alike.

pub(crate) mod accuracy;
pub(crate) mod auc;
pub(crate) mod correlation;
mod cosine_similarity;
pub(crate) mod counts;
mod curve;
mod define;
pub(crate) mod f_score;
pub(crate) mod into;
pub(crate) mod iou;
pub(crate) mod mean;
mod names;
pub(crate) mod operating_point;
pub(crate) mod regression;
pub(crate) mod streaming;
pub(crate) mod totals;

use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::losses::{Targets, align, covered, reduction::spread_weights};
use crate::named::Hyperparameters;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::{Context, HeldMetric, evaluate_now};
use crate::variable::Variable;

pub use crate::named::kinds;
pub use accuracy::*;
pub use auc::*;
pub use correlation::*;
pub use cosine_similarity::*;
pub use counts::*;
pub use f_score::*;
pub use into::*;
pub use iou::*;
pub use mean::*;
pub use names::{get, get_as, names};
pub use operating_point::*;
pub use regression::*;
pub use streaming::*;
pub use totals::*;

/// A number accumulated over batches.
///
/// One's own is a type with [`Totals`], an `update` that adds to them and a `result` made of them;
/// one with variables of its own says [`name`](Self::name) and [`variables`](Self::variables)
/// instead of [`totals`](Self::totals).
///
/// ```
/// use endo::prelude::*;
///
/// #[derive(Clone)]
/// struct Bias { totals: Totals }
///
/// impl Metric for Bias {
///     fn totals(&self) -> Option<&Totals> {
///         Some(&self.totals)
///     }
///     fn update(
///         &self,
///         y_true: &Tensor,
///         y_pred: &Tensor,
///         _sample_weight: Option<&Tensor>,
///         cx: &mut Context,
///     ) {
///         self.totals.add([(y_pred - y_true).sum(), y_true.ones_like().sum()], cx);
///     }
///     fn result(&self, cx: &mut Context) -> Tensor {
///         let [total, count] = self.totals.read(cx);
///         total / count
///     }
/// }
///
/// let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [1.0]])?;
/// let bias = Bias { totals: Totals::new("bias", ["total", "count"]) };
/// let mut model = Model::new(Sequential::new());
/// model.compile(Sgd::new(0.1), MeanSquaredError, (bias.clone(), "mae"));
/// assert_eq!(model.evaluate(&data)?.get("bias"), Some(0.5));
/// assert_eq!(bias.value()?.item()?, 0.5); // clones share their totals
/// assert_eq!(model.metric("bias").unwrap().value()?.item()?, 0.5);
/// # Ok::<(), Error>(())
/// ```
pub trait Metric: Send + Sync {
    /// What reports call it: what its totals are called, unless it says otherwise.
    fn name(&self) -> &str {
        self.totals().map_or("metric", Totals::name)
    }

    /// What it accumulates in; `None` for a metric that names its [`variables`](Self::variables)
    /// itself.
    fn totals(&self) -> Option<&Totals> {
        None
    }

    /// Takes in a batch. Never changes gradients.
    fn update(
        &self,
        y_true: &Tensor,
        y_pred: &Tensor,
        sample_weight: Option<&Tensor>,
        cx: &mut Context,
    );

    /// The result of what was taken in so far: a scalar, or a vector with one number for each class
    /// or threshold, which a model reports as `f1_score_0`, `f1_score_1`, ...
    fn result(&self, cx: &mut Context) -> Tensor;

    /// The variables that it accumulates in; all zero at the start. What is made at the first
    /// update is missing before. Those of its totals, unless it says otherwise.
    fn variables(&self) -> Vec<Variable> {
        self.totals().map_or_else(Vec::new, Totals::variables)
    }

    /// What it depends on besides what it takes in, to be saved with a model
    /// ([`Model::save`](crate::model::Model::save)); none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }

    /// What the numbers of targets have to be, for targets and predictions of these shapes;
    /// anything unless it says otherwise. A model checks it in data.
    fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
        let _ = (y_true, y_pred);
        Targets::Any
    }

    /// Has the metric reported under its name when a layer holds it as a field and updates it in
    /// `call`. The metrics of this library do so in `update`; one of your own says
    /// `self.report(cx)` there. Clones must share their variables. Of several of one name the
    /// second is reported as `name_1`.
    #[track_caller]
    fn report(&self, cx: &mut Context)
    where
        Self: Clone + Sized + 'static,
    {
        let (metric, held) = (self.clone(), self.clone());
        cx.hold_metric(HeldMetric {
            is_outside: false,
            name: Metric::name(self).to_string(),
            variables: Arc::new(move || held.variables()),
            hyperparameters: self.hyperparameters(),
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

    /// Takes in a batch of arrays, outside of any model or trace, and returns the result so far:
    /// what Keras's `metric(y_true, y_pred)` does.
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
            let (y_true, y_pred) = (cx.constant(y_true.clone()), cx.constant(y_pred.clone()));
            self.update(&y_true, &y_pred, None, cx);
            self.result(cx)
        })
    }

    /// Takes in a batch of arrays with the weights of its samples, and returns the result so far.
    /// The targets of samples of weight 0 may be NaN.
    fn update_weighted_on(
        &self,
        y_true: &Array,
        y_pred: &Array,
        sample_weight: &Array,
    ) -> Result<Array> {
        evaluate_now(|cx| {
            let (y_true, y_pred) = (cx.constant(y_true.clone()), cx.constant(y_pred.clone()));
            take_in(
                self,
                &y_true,
                &y_pred,
                Some(&cx.constant(sample_weight.clone())),
                None,
                true,
                cx,
            );
            self.result(cx)
        })
    }
}

/// Has a metric take in a batch of a model: with the mask of its predictions, and with the sample
/// weights if the metric is `weighted`. What the mask or a weight of 0 covers may be NaN; a metric
/// that is not weighted leaves samples out whose label is missing so.
#[track_caller]
pub(crate) fn take_in(
    metric: &(impl Metric + ?Sized),
    y_true: &Tensor,
    y_pred: &Tensor,
    sample_weight: Option<&Tensor>,
    mask: Option<&Tensor>,
    weighted: bool,
    cx: &mut Context,
) {
    let weight = covered::metric_weights(y_true, y_pred, sample_weight, mask, weighted);
    let counted = covered::counted(sample_weight, mask);
    let (y_true, y_pred) = covered::without_covered(y_true, y_pred, counted.as_ref(), &[-1]);
    metric.update(&y_true, &y_pred, weight.as_ref(), cx);
}

/// Targets and predictions as floats of one shape, aligned as for a loss; an error and stand-ins if
/// their shapes do not fit.
#[track_caller]
fn paired(metric: &str, y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let (y_true, y_pred) = align(y_true, y_pred);
    let dtype = y_pred.dtype().promote(DType::F32);
    let y_pred = y_pred.cast(dtype);
    if y_true.shape() == y_pred.shape() {
        return (y_true.cast(dtype), y_pred);
    }
    let message = format!(
        "`{metric}` of targets {} and predictions {}: the shapes differ",
        y_true.shape(),
        y_pred.shape()
    );
    let help = "targets have the shape of the predictions, but for a last axis of size 1";
    y_true.trace().record(Error::shape(message, help).at(Site::caller()));
    (y_pred.clone(), y_pred)
}

/// The weight of each value, 1 without sample weights.
#[track_caller]
fn weights_or_ones(weight: Option<&Tensor>, values: &Tensor) -> Tensor {
    match weight {
        Some(weight) => spread_weights(weight, values),
        None => values.ones_like(),
    }
}

/// Targets and predictions of one class of several, if one is asked for: a column of each.
#[track_caller]
fn of_class(
    metric: &str,
    y_true: Tensor,
    y_pred: Tensor,
    class_id: Option<usize>,
) -> (Tensor, Tensor) {
    let Some(class) = class_id else { return (y_true, y_pred) };
    if y_pred.rank() < 2 || class >= y_pred.features() {
        let message =
            format!("`{metric}` looks at class {class} of predictions {}", y_pred.shape());
        let help = "`class_id` is a position on the last axis of `[batch, classes]`";
        y_pred.trace().record(Error::argument(message, help).at(Site::caller()));
        return (y_true, y_pred);
    }
    (y_true.slice(-1, class..class + 1), y_pred.slice(-1, class..class + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_without_a_label_changes_no_metric_weighted_or_not() {
        for name in names().filter(|name| !name.contains("io_u")) {
            let of = |mark: f32, weighted: bool| {
                let sparse = name.starts_with("sparse");
                let (y_true, y_pred) = if sparse {
                    (
                        [0.0, mark, 2.0].into(),
                        [[0.6_f32, 0.4, 0.0], [0.5, mark, 0.0], [0.1, 0.2, 0.7]].into(),
                    )
                } else {
                    (
                        Array::from([[1.0, 0.0], [mark, mark], [0.0, 1.0]]),
                        Array::from([[0.75_f32, 0.25], [mark, 0.5], [0.5, 0.25]]),
                    )
                };
                let Ok(metric) = get(name) else { return Vec::new() };
                let result = evaluate_now(|cx| {
                    let (y_true, y_pred) =
                        (cx.constant(y_true.clone()), cx.constant(y_pred.clone()));
                    let weight = cx.constant([1.0_f32, 0.0, 1.0]);
                    take_in(&*metric, &y_true, &y_pred, Some(&weight), None, weighted, cx);
                    metric.result(cx)
                });
                result.unwrap_or_else(|error| panic!("{name}: {error}")).to_vec::<f64>()
            };
            let (weighted, missing, plain) =
                (of(0.0, true), of(f32::NAN, true), of(f32::NAN, false));
            assert!(
                weighted.iter().all(|value| !value.is_nan()) || name.contains("correlation"),
                "{name}: {weighted:?}"
            );
            assert_eq!(format!("{missing:?}"), format!("{weighted:?}"), "{name}");
            assert_eq!(format!("{plain:?}"), format!("{weighted:?}"), "{name}, not weighted");
        }
    }

    #[test]
    fn an_unweighted_metric_counts_samples_of_weight_0_that_have_a_label() {
        let mse = "mse".into_metric();
        let result = evaluate_now(|cx| {
            let (y_true, y_pred) = (
                cx.constant([[0.0_f32], [0.0], [f32::NAN]]),
                cx.constant([[1.0_f32], [3.0], [5.0]]),
            );
            let weight = cx.constant([1.0_f32, 0.0, 0.0]);
            take_in(&*mse, &y_true, &y_pred, Some(&weight), None, false, cx);
            mse.result(cx)
        });
        assert_eq!(result.unwrap().item().unwrap(), 5.0);
    }

    #[test]
    fn targets_without_the_axis_of_a_single_output_are_compared_sample_by_sample() {
        let metric = "mse".into_metric();
        metric
            .update_weighted_on(
                &[1.0_f32, 2.0].into(),
                &[[1.0_f32], [4.0]].into(),
                &[1.0_f32, 3.0].into(),
            )
            .unwrap();
        assert_eq!(metric.value().unwrap().item().unwrap(), 3.0);
    }
}
