//! Metrics of numbers against numbers that are not plain means of a loss of their name.
//!
//! In: targets and predictions. Out: the root of a mean, the mean logarithm of a hyperbolic cosine, the share of the variance
//! that is explained.

use crate::graph::Tensor;
use crate::losses::{log_cosh, mean_squared_error, reduction::spread_weights};
use crate::named::words;
use crate::trace::Context;
use crate::variable::Variable;

use super::mean::{mean_metric, weighted};
use super::totals::Totals;
use super::{Mean, Metric, paired};

mean_metric! {
    /// The mean of `log(cosh(y_pred - y_true))`: the loss [`LogCosh`](crate::losses::LogCosh) under the metric's name.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let metric = LogCoshError::new();
    /// let value = metric.update_on(&[[0.0_f32, 1.0], [0.0, 0.0]].into(), &[[1.0_f32, 1.0], [0.0, 0.0]].into())?;
    /// assert!((value.item()? - 0.1084452).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    LogCoshError = "logcosh",
    |self, y_true, y_pred| {
        let (y_true, y_pred) = paired("logcosh", y_true, y_pred);
        log_cosh(&y_true, &y_pred)
    }
}

/// The root of the mean squared error over all values, `sqrt(mean((y_true - y_pred)^2))`.
///
/// ```
/// use endo::prelude::*;
/// let metric = RootMeanSquaredError::new();
/// let value = metric.update_on(&[[0.0_f32, 1.0], [0.0, 0.0]].into(), &[[1.0_f32, 1.0], [0.0, 0.0]].into())?;
/// assert_eq!(value.item()?, 0.5);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RootMeanSquaredError {
    mean: Mean,
}

impl RootMeanSquaredError {
    /// A metric named `root_mean_squared_error`.
    pub fn new() -> Self {
        Self { mean: Mean::new("root_mean_squared_error") }
    }

    /// The same metric under another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.mean.rename(name);
        self
    }
}

impl Default for RootMeanSquaredError {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for RootMeanSquaredError {
    fn totals(&self) -> Option<&Totals> {
        self.mean.totals()
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        self.report(cx);
        let (y_true, y_pred) = paired("root_mean_squared_error", y_true, y_pred);
        self.mean.take(&mean_squared_error(&y_true, &y_pred), sample_weight, cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        self.mean.result(cx).sqrt()
    }
}

words! {
    /// How the scores of several outputs become one.
    ClassAggregation, "`uniform_average`, `variance_weighted_average` or `none`" {
        /// Their mean.
        UniformAverage = "uniform_average",
        /// Their mean weighted by the variances of the targets.
        VarianceWeightedAverage = "variance_weighted_average",
    }
}

/// The coefficient of determination, `1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2)` for each output: 1 for
/// perfect predictions, 0 for those no better than the mean. NaN while nothing was taken in, as in Keras, and 0 for targets
/// that are all the same. Targets `[batch]` are of a single output.
///
/// ```
/// use endo::prelude::*;
/// let value = R2Score::new().update_on(&[[1.0_f32], [4.0], [3.0]].into(), &[[2.0_f32], [4.0], [4.0]].into())?;
/// assert!((value.item()? - 4.0 / 7.0).abs() < 1e-6);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct R2Score {
    totals: Totals,
    samples: Totals,
    class_aggregation: Option<ClassAggregation>,
    num_regressors: usize,
}

impl R2Score {
    /// A metric named `r2_score`.
    pub fn new() -> Self {
        Self {
            totals: Totals::of_first("r2_score", ["sum", "squared_sum", "residual", "count"]),
            samples: Totals::new("r2_score", ["num_samples"]),
            class_aggregation: Some(ClassAggregation::UniformAverage),
            num_regressors: 0,
        }
    }

    /// How the scores of several outputs become one; `None` keeps one for each. Their mean unless set.
    #[must_use]
    pub fn class_aggregation(mut self, class_aggregation: impl Into<Option<ClassAggregation>>) -> Self {
        self.class_aggregation = class_aggregation.into();
        self
    }

    /// The number of independent variables `p` for the adjusted score, `1 - (1 - r2) (n - 1) / (n - p - 1)`, where `n` counts
    /// the elements of the targets; it is not adjusted while `n` is not above `p + 1`. 0, no adjustment, unless set.
    #[must_use]
    pub fn num_regressors(mut self, num_regressors: usize) -> Self {
        self.num_regressors = num_regressors;
        self
    }

    /// The same metric under another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.totals.rename(name.clone());
        self.samples.rename(name);
        self
    }
}

impl Default for R2Score {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for R2Score {
    fn name(&self) -> &str {
        self.totals.name()
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        self.report(cx);
        let (y_true, y_pred) = paired("r2_score", y_true, y_pred);
        let outputs = if y_true.rank() < 2 { 1 } else { y_true.features() };
        let spread = |weight: &Tensor| spread_weights(&weight.cast(y_true.dtype()), &y_true);
        let weights = sample_weight.map_or_else(|| y_true.ones_like(), spread);
        let rows = [y_true.shape().len() / outputs.max(1), outputs];
        let sum = |x: Tensor| weighted(&x, &weights).reshape(rows).sum_axes([0]);
        let count = weights.reshape(rows).sum_axes([0]);
        self.totals.add([sum(y_true.clone()), sum(y_true.square()), sum((&y_true - y_pred).square()), count], cx);
        self.samples.add([cx.constant(y_true.shape().len() as f32)], cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        let (Some([sum, squared_sum, residual, count]), Some([samples])) = (self.totals.get(cx), self.samples.get(cx)) else {
            return cx.constant(f32::NAN);
        };
        let total = squared_sum - &sum * (&sum / count);
        let raw = 1.0 - residual / &total;
        let scores = (raw.is_finite() | raw.is_nan()).where_(&raw, 0.0);
        let score = match self.class_aggregation {
            Some(ClassAggregation::UniformAverage) => scores.mean(),
            Some(ClassAggregation::VarianceWeightedAverage) => (&total * scores).sum() / total.sum(),
            None => scores,
        };
        if self.num_regressors == 0 {
            return score;
        }
        let freedom = &samples - (self.num_regressors as f64 + 1.0);
        let adjusted = 1.0 - (1.0 - &score) * (samples - 1.0) / &freedom;
        freedom.greater(0.0).where_(&adjusted, &score)
    }

    fn variables(&self) -> Vec<Variable> {
        self.totals.variables().into_iter().chain(self.samples.variables()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_not_adjusted_while_there_are_too_few_samples() {
        let metric = R2Score::new().num_regressors(2);
        let plain = R2Score::new();
        let (y_true, y_pred) = ([[1.0_f32], [4.0], [3.0]].into(), [[2.0_f32], [4.0], [4.0]].into());
        assert_eq!(metric.update_on(&y_true, &y_pred).unwrap(), plain.update_on(&y_true, &y_pred).unwrap());
        let adjusted = metric.update_on(&y_true, &y_pred).unwrap().item().unwrap();
        assert!((adjusted - (1.0 - 3.0 / 7.0 * 5.0 / 3.0)).abs() < 1e-6, "{adjusted}");
    }

    #[test]
    fn one_score_is_kept_for_each_output() {
        let metric = R2Score::new().class_aggregation(None);
        let value = metric.update_on(&[[1.0_f32, 1.0], [3.0, 1.0]].into(), &[[1.0_f32, 2.0], [3.0, 1.0]].into()).unwrap();
        assert_eq!(value.to_vec::<f64>(), [1.0, 0.0]);
        metric.reset();
        assert!(metric.value().unwrap().get(0).is_nan());
    }
}
