//! Metrics of numbers against numbers that are not plain means of a loss of their name.
//!
//! In: targets and predictions. Out: the root of a mean, the mean logarithm of a hyperbolic cosine,
//! the share of the variance that is explained.

use crate::array::Array;
use crate::graph::Tensor;
use crate::losses::{log_cosh, mean_squared_error};
use crate::named::{Named, optional, words};

use super::define::{MetricMaker, metric};
use super::mean::{mean_metric, weighted};
use super::totals::Totals;
use super::{mean, paired, weights_or_ones};

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] =
    &[RootMeanSquaredError::ROW, LogCoshError::ROW, R2Score::ROW];

mean_metric! {
    /// The mean of `log(cosh(y_pred - y_true))`: the loss [`LogCosh`](crate::losses::LogCosh) under
    /// the metric's name.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let metric = LogCoshError::new();
    /// let value = metric.update_on(
    ///     &[[0.0_f32, 1.0], [0.0, 0.0]].into(),
    ///     &[[1.0_f32, 1.0], [0.0, 0.0]].into(),
    /// )?;
    /// assert!((value.item()? - 0.1084452).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    LogCoshError ["logcosh", "log_cosh_error"],
    |self, y_true, y_pred| {
        let (y_true, y_pred) = paired("logcosh", y_true, y_pred);
        log_cosh(&y_true, &y_pred)
    }
}

metric! {
    /// The root of the mean squared error over all values, `sqrt(mean((y_true - y_pred)^2))`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let metric = RootMeanSquaredError::new();
    /// let value = metric.update_on(
    ///     &[[0.0_f32, 1.0], [0.0, 0.0]].into(),
    ///     &[[1.0_f32, 1.0], [0.0, 0.0]].into(),
    /// )?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    RootMeanSquaredError ["root_mean_squared_error", "rmse"];
    totals(self, name) => Totals::new(name, mean::PARTS);
    update(self, y_true, y_pred, sample_weight, cx) => {
        let (y_true, y_pred) = paired("root_mean_squared_error", y_true, y_pred);
        mean::take(&self.totals, &mean_squared_error(&y_true, &y_pred), sample_weight, cx);
    };
    result(self, cx) => mean::of(&self.totals, cx).sqrt();
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

optional! {
    ClassAggregation, ClassAggregation::EXPECTED;
}

metric! {
    /// The coefficient of determination,
    /// `1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2)` for each output: 1 for
    /// perfect predictions, 0 for those no better than the mean. NaN while nothing was taken in, as
    /// in Keras, and 0 for targets that are all the same. Targets `[batch]` are of a single output.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = R2Score::new()
    ///     .update_on(&[[1.0_f32], [4.0], [3.0]].into(), &[[2.0_f32], [4.0], [4.0]].into())?;
    /// assert!((value.item()? - 4.0 / 7.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    R2Score ["r2_score"] {
        /// How the scores of several outputs become one; `None` keeps one for each. Their mean
        /// unless set.
        class_aggregation: Option<ClassAggregation> => Option<ClassAggregation> =
            Some(ClassAggregation::UniformAverage),
        /// The number of independent variables `p` for the adjusted score,
        /// `1 - (1 - r2) (n - 1) / (n - p - 1)`, where `n` counts the elements of the targets; it
        /// is not adjusted while `n` is not above `p + 1`. 0, no adjustment, unless set.
        num_regressors: usize = 0,
    };
    totals(self, name) => {
        Totals::of_first(name, ["sum", "squared_sum", "residual", "count", "num_samples"])
    };
    update(self, y_true, y_pred, sample_weight, cx) => {
        let (y_true, y_pred) = paired("r2_score", y_true, y_pred);
        let outputs = if y_true.rank() < 2 { 1 } else { y_true.features() };
        let weights = weights_or_ones(sample_weight, &y_true);
        let rows = [y_true.shape().len() / outputs.max(1), outputs];
        let sum = |x: Tensor| weighted(&x, &weights).reshape(rows).sum_axes([0]);
        let count = weights.reshape(rows).sum_axes([0]);
        let samples = Array::full([outputs], y_true.shape().len() as f64, count.dtype());
        let samples = cx.constant(samples);
        let (sum_true, sum_squares) = (sum(y_true.clone()), sum(y_true.square()));
        let residual = sum((&y_true - y_pred).square());
        self.totals.add([sum_true, sum_squares, residual, count, samples], cx);
    };
    result(self, cx) => {
        let Some([sum, squared_sum, residual, count, samples]) = self.totals.get(cx) else {
            return cx.constant(f32::NAN);
        };
        let total = squared_sum - &sum * (&sum / count);
        let raw = 1.0 - residual / &total;
        let scores = (raw.is_finite() | raw.is_nan()).where_(&raw, 0.0);
        let score = match self.class_aggregation {
            Some(ClassAggregation::UniformAverage) => scores.mean(),
            Some(ClassAggregation::VarianceWeightedAverage) => {
                (&total * scores).sum() / total.sum()
            }
            None => scores,
        };
        if self.num_regressors == 0 {
            return score;
        }
        // Of all outputs alike.
        let samples = if score.shape().is_scalar() { samples.mean() } else { samples };
        let freedom = &samples - (self.num_regressors as f64 + 1.0);
        let adjusted = 1.0 - (1.0 - &score) * (samples - 1.0) / &freedom;
        freedom.greater(0.0).where_(&adjusted, &score)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn the_score_is_not_adjusted_while_there_are_too_few_samples() {
        let metric = R2Score::new().num_regressors(2);
        let plain = R2Score::new();
        let (y_true, y_pred) = ([[1.0_f32], [4.0], [3.0]].into(), [[2.0_f32], [4.0], [4.0]].into());
        assert_eq!(
            metric.update_on(&y_true, &y_pred).unwrap(),
            plain.update_on(&y_true, &y_pred).unwrap()
        );
        let adjusted = metric.update_on(&y_true, &y_pred).unwrap().item().unwrap();
        assert!((adjusted - (1.0 - 3.0 / 7.0 * 5.0 / 3.0)).abs() < 1e-6, "{adjusted}");
    }

    #[test]
    fn one_score_is_kept_for_each_output() {
        let metric = R2Score::new().class_aggregation(None);
        let value = metric
            .update_on(&[[1.0_f32, 1.0], [3.0, 1.0]].into(), &[[1.0_f32, 2.0], [3.0, 1.0]].into())
            .unwrap();
        assert_eq!(value.to_vec::<f64>(), [1.0, 0.0]);
        metric.reset();
        assert!(metric.value().unwrap().get(0).is_nan());
    }
}
