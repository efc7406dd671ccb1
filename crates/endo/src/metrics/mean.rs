//! Running means and sums, of any value or of a loss.
//!
//! In: values and weights, while traced. Out: `total / count`, or the total. [`mean_metric!`] makes
//! a metric of a function of targets and predictions.

use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Tensor;
use crate::losses::{Loss, Targets, align, reduction::spread_weights};
use crate::named::Hyperparameters;
use crate::shape::Shape;
use crate::trace::{Context, evaluate_now};

use super::Metric;
use super::totals::Totals;

/// The weighted mean of all values taken in: `sum(value * weight) / sum(weight)`, 0 while nothing
/// was taken in.
///
/// ```
/// use endo::prelude::*;
/// let mean = Mean::new("loss");
/// let mut f = Function::new(|[x], cx| {
///     mean.update(&x, cx);
///     [x]
/// });
/// f.run([&[1.0_f32, 2.0].into()])?;
/// f.run([&[6.0_f32, 7.0].into()])?;
/// assert_eq!(mean.value()?.item()?, 4.0);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mean {
    totals: Totals,
}

impl Mean {
    /// A mean of nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { totals: Totals::new(name, PARTS) }
    }

    /// Takes in values, each with weight 1.
    #[track_caller]
    pub fn update(&self, values: &Tensor, cx: &mut Context) {
        self.report(cx);
        take(&self.totals, values, None, cx);
    }

    /// Takes in values with weights, which match the values' leading axes.
    #[track_caller]
    pub fn update_weighted(&self, values: &Tensor, weights: &Tensor, cx: &mut Context) {
        self.report(cx);
        take(&self.totals, values, Some(weights), cx);
    }

    /// Takes in the values of an array, outside of any trace, and returns the mean so far.
    pub fn update_on(&self, values: &Array) -> Result<Array> {
        evaluate_now(|cx| {
            self.update(&cx.constant(values.clone()), cx);
            self.result(cx)
        })
    }

    /// Takes in a sum of values of a known total weight.
    #[track_caller]
    pub(crate) fn add(&self, total: &Tensor, count: f64, cx: &mut Context) {
        self.totals.add([total.clone(), cx.constant(count as f32)], cx);
    }
}

/// What a mean is made of.
pub(super) const PARTS: [&str; 2] = ["total", "count"];

/// Takes values into the totals of a mean, with weights if there are any.
#[track_caller]
pub(super) fn take(totals: &Totals, values: &Tensor, weights: Option<&Tensor>, cx: &mut Context) {
    match weights {
        Some(weights) => {
            let weights = spread_weights(weights, values);
            totals.add([weighted(values, &weights).sum(), weights.sum()], cx);
        }
        None => totals.add([values.sum(), cx.constant(values.shape().len() as f32)], cx),
    }
}

/// The mean that totals come to.
#[track_caller]
pub(super) fn of(totals: &Totals, cx: &mut Context) -> Tensor {
    let [total, count] = totals.read(cx);
    total.divide_no_nan(count)
}

/// The same as numbers, now. Loops ask for means at each step, and to trace a quotient takes longer
/// than to train on a small batch.
pub(super) fn now(totals: &Totals) -> Result<Array> {
    let numbers = totals.numbers()?;
    let [total, count] = numbers[..] else { unreachable!("a mean has two totals") };
    Ok(if count == 0.0 { 0.0 } else { total / count }.into())
}

/// Values times weights, 0 where the weight is, even if the value is NaN.
#[track_caller]
pub(super) fn weighted(values: &Tensor, weights: &Tensor) -> Tensor {
    values.multiply_no_nan(weights)
}

/// The type of the weights of values.
fn float(values: &Tensor) -> DType {
    values.dtype().promote(DType::F32)
}

impl Metric for Mean {
    fn totals(&self) -> Option<&Totals> {
        Some(&self.totals)
    }

    /// As a compiled metric: the mean of the predictions.
    #[track_caller]
    fn update(&self, _: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        self.report(cx);
        take(&self.totals, y_pred, weight, cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        of(&self.totals, cx)
    }

    fn value(&self) -> Result<Array> {
        now(&self.totals)
    }
}

/// The weighted sum of all values taken in: `sum(value * weight)`.
///
/// ```
/// use endo::prelude::*;
/// let sum = Sum::new("clicks");
/// sum.update_on(&[1, 3].into())?;
/// assert_eq!(sum.update_on(&[5, 7].into())?.item()?, 16.0);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sum {
    totals: Totals,
}

impl Sum {
    /// A sum of nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { totals: Totals::new(name, ["total"]) }
    }

    /// Takes in values, each with weight 1.
    #[track_caller]
    pub fn update(&self, values: &Tensor, cx: &mut Context) {
        self.report(cx);
        self.totals.add([values.sum()], cx);
    }

    /// Takes in values with weights, which match the values' leading axes.
    #[track_caller]
    pub fn update_weighted(&self, values: &Tensor, weights: &Tensor, cx: &mut Context) {
        self.report(cx);
        let weights = spread_weights(weights, values);
        self.totals.add([weighted(values, &weights).sum()], cx);
    }

    /// Takes in the values of an array, outside of any trace, and returns the sum so far.
    pub fn update_on(&self, values: &Array) -> Result<Array> {
        evaluate_now(|cx| {
            self.update(&cx.constant(values.clone()), cx);
            self.result(cx)
        })
    }
}

impl Metric for Sum {
    fn totals(&self) -> Option<&Totals> {
        Some(&self.totals)
    }

    /// As a compiled metric: the sum of the predictions.
    #[track_caller]
    fn update(&self, _: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        match weight {
            Some(weight) => self.update_weighted(y_pred, weight, cx),
            None => self.update(y_pred, cx),
        }
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        let [total] = self.totals.read(cx);
        total
    }
}

/// The running mean of a loss: any loss function as a metric, under its own name unless another is
/// given. Where a metric is compiled, a loss stands for this.
///
/// ```
/// use endo::prelude::*;
/// let metric = MeanMetricWrapper::new(MeanSquaredError).name("mse");
/// let value = metric
///     .update_on(&[[0.0_f32, 1.0], [0.0, 0.0]].into(), &[[1.0_f32, 1.0], [0.0, 0.0]].into())?;
/// assert_eq!(value.item()?, 0.25);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct MeanMetricWrapper {
    loss: Arc<dyn Loss>,
    totals: Totals,
}

impl MeanMetricWrapper {
    /// The running mean of a loss, under the loss's name.
    pub fn new(loss: impl Loss + 'static) -> Self {
        Self { totals: Totals::new(loss.name(), PARTS), loss: Arc::new(loss) }
    }

    /// The same metric under another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.totals.rename(name);
        self
    }
}

impl Metric for MeanMetricWrapper {
    fn totals(&self) -> Option<&Totals> {
        Some(&self.totals)
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        self.report(cx);
        let (y_true, y_pred) = align(y_true, &y_pred.cast(float(y_pred)));
        let values = cx.beside_the_model(false, |cx| self.loss.call_in(&y_true, &y_pred, cx));
        // As Keras: what a mask leaves out weighs nothing, and where there are no weights it counts
        // as 0.
        let weights = weight.map(|weight| {
            let weights = spread_weights(weight, &values);
            self.loss
                .mask(&y_true, &values)
                .map_or(weights.clone(), |mask| mask.where_(&weights, 0.0))
        });
        take(&self.totals, &values, weights.as_ref(), cx);
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.loss.hyperparameters()
    }

    fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
        self.loss.targets(y_true, y_pred)
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        of(&self.totals, cx)
    }

    fn value(&self) -> Result<Array> {
        now(&self.totals)
    }
}

/// A metric that is the mean of a function of targets and predictions.
macro_rules! mean_metric {
    ($(#[$doc:meta])* $Metric:ident [$($names:tt)+] $({$($options:tt)+})?,
     |$self:ident, $y_true:ident, $y_pred:ident| $values:expr
     $(, targets($true_shape:ident, $pred_shape:ident) => $targets:expr)?) => {
        $crate::metrics::define::metric! {
            $(#[$doc])*
            $Metric [$($names)+] $({$($options)+})?;
            totals(self, name) => $crate::metrics::Totals::new(name, $crate::metrics::mean::PARTS);
            update($self, $y_true, $y_pred, sample_weight, cx) => {
                $crate::metrics::mean::take(&$self.totals, &$values, sample_weight, cx);
            };
            result(self, cx) => $crate::metrics::mean::of(&self.totals, cx);
            value(self) => $crate::metrics::mean::now(&self.totals);
            $(targets($self, $true_shape, $pred_shape) => $targets;)?
        }
    };
}

pub(super) use mean_metric;
