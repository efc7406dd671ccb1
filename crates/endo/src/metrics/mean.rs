//! Running means and sums, of any value or of a loss.
//!
//! In: values and weights, while traced. Out: `total / count`, or the total.

use crate::array::Array;
use crate::graph::Tensor;
use crate::losses::{Loss, align, reduction::spread_weights};
use crate::trace::Context;
use crate::variable::Variable;

use super::Metric;

/// The weighted mean of all values taken in: `sum(value * weight) / sum(weight)`, 0 while nothing was taken in.
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
#[derive(Debug)]
pub struct Mean {
    name: String,
    total: Variable,
    count: Variable,
}

impl Mean {
    /// A mean of nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let [total, count] =
            ["total", "count"].map(|part| Variable::new(format!("{name}/{part}"), Array::scalar(0.0_f32)).frozen());
        Self { name, total, count }
    }

    /// Takes in values, each with weight 1.
    #[track_caller]
    pub fn update(&self, values: &Tensor, cx: &mut Context) {
        self.add(&values.sum(), values.shape().len() as f64, cx);
    }

    /// Takes in values with weights, which match the values' leading axes.
    #[track_caller]
    pub fn update_weighted(&self, values: &Tensor, weights: &Tensor, cx: &mut Context) {
        let weights = spread_weights(&weights.cast(values.dtype()), values);
        cx.assign_add(&self.total, (values * &weights).sum().stop_gradient());
        cx.assign_add(&self.count, weights.sum().stop_gradient());
    }

    /// Takes in a sum of values of a known total weight.
    #[track_caller]
    pub(crate) fn add(&self, total: &Tensor, count: f64, cx: &mut Context) {
        cx.assign_add(&self.total, total.stop_gradient());
        cx.assign_add(&self.count, cx.constant(count as f32));
    }
}

impl Metric for Mean {
    fn name(&self) -> &str {
        &self.name
    }

    /// As a compiled metric: the mean of the predictions.
    #[track_caller]
    fn update(&self, _: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        match sample_weight {
            Some(weight) => self.update_weighted(y_pred, weight, cx),
            None => self.update(y_pred, cx),
        }
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        cx.read(&self.total).divide_no_nan(cx.read(&self.count))
    }

    fn variables(&self) -> Vec<Variable> {
        vec![self.total.clone(), self.count.clone()]
    }
}

/// The weighted sum of all values taken in.
#[derive(Debug)]
pub struct Sum {
    name: String,
    total: Variable,
}

impl Sum {
    /// A sum of nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let total = Variable::new(format!("{name}/total"), Array::scalar(0.0_f32)).frozen();
        Self { name, total }
    }

    /// Takes in values, each with weight 1.
    #[track_caller]
    pub fn update(&self, values: &Tensor, cx: &mut Context) {
        cx.assign_add(&self.total, values.sum().stop_gradient());
    }

    /// Takes in values with weights, which match the values' leading axes.
    #[track_caller]
    pub fn update_weighted(&self, values: &Tensor, weights: &Tensor, cx: &mut Context) {
        let weights = spread_weights(&weights.cast(values.dtype()), values);
        cx.assign_add(&self.total, (values * weights).sum().stop_gradient());
    }
}

impl Metric for Sum {
    fn name(&self) -> &str {
        &self.name
    }

    /// As a compiled metric: the sum of the predictions.
    #[track_caller]
    fn update(&self, _: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        match sample_weight {
            Some(weight) => self.update_weighted(y_pred, weight, cx),
            None => self.update(y_pred, cx),
        }
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        cx.read(&self.total)
    }

    fn variables(&self) -> Vec<Variable> {
        vec![self.total.clone()]
    }
}

/// The running mean of a loss: any loss function as a metric.
pub struct MeanMetricWrapper {
    loss: Box<dyn Loss>,
    mean: Mean,
}

impl MeanMetricWrapper {
    /// The running mean of a loss, under the loss's name.
    pub fn new(loss: impl Loss + 'static) -> Self {
        Self { mean: Mean::new(loss.name()), loss: Box::new(loss) }
    }

    /// The same metric under another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.mean.name = name.into();
        self
    }
}

impl Metric for MeanMetricWrapper {
    fn name(&self) -> &str {
        &self.mean.name
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        let (y_true, y_pred) = align(y_true, y_pred);
        let values = self.loss.call(&y_true, &y_pred);
        match sample_weight {
            Some(weight) => self.mean.update_weighted(&values, weight, cx),
            None => self.mean.update(&values, cx),
        }
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        self.mean.result(cx)
    }

    fn variables(&self) -> Vec<Variable> {
        self.mean.variables()
    }
}
