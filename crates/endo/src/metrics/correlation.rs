//! How predictions and targets move together, row by row.
//!
//! In: targets and predictions `[batch, features]`. Out: one coefficient per row, and the means
//! that metrics make of them.

use crate::graph::Tensor;
use crate::named::Named;

use super::define::MetricMaker;
use super::mean::mean_metric;
use super::paired;

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] =
    &[PearsonCorrelation::ROW, ConcordanceCorrelation::ROW];

/// Keras's epsilon: what keeps a denominator from 0.
const EPSILON: f64 = 1e-7;

mean_metric! {
    /// The mean over rows of [`pearson_correlation`].
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[0.0_f32, 1.0, 0.5], [1.0, 1.0, 0.2]]);
    /// let y_pred = Array::from([[0.1_f32, 0.9, 0.5], [1.0, 0.9, 0.2]]);
    /// let value = PearsonCorrelation::new().update_on(&y_true, &y_pred)?;
    /// assert!((value.item()? - 0.9966996).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    PearsonCorrelation ["pearson_correlation"] {
        /// The axis of what is compared; -1 (the features of a sample) unless set.
        axis: i32 = -1
    },
    |self, y_true, y_pred| pearson_correlation(y_true, y_pred, self.axis)
}

mean_metric! {
    /// The mean over rows of [`concordance_correlation`].
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[0.0_f32, 1.0, 0.5], [1.0, 1.0, 0.2]]);
    /// let y_pred = Array::from([[0.1_f32, 0.9, 0.5], [1.0, 0.9, 0.2]]);
    /// let value = ConcordanceCorrelation::new().update_on(&y_true, &y_pred)?;
    /// assert!((value.item()? - 0.9816320).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    ConcordanceCorrelation ["concordance_correlation"] {
        /// The axis of what is compared; -1 (the features of a sample) unless set.
        axis: i32 = -1
    },
    |self, y_true, y_pred| concordance_correlation(y_true, y_pred, self.axis)
}

/// The correlation coefficient along an axis, `cov(t, p) / (std(t) std(p))` (Pearson 1895): NaN
/// where either is constant.
#[track_caller]
pub fn pearson_correlation(y_true: &Tensor, y_pred: &Tensor, axis: i32) -> Tensor {
    let (y_true, y_pred) = paired("pearson_correlation", y_true, y_pred);
    let axes = [axis as isize];
    let standard = |x: &Tensor| {
        let centered = x - x.mean_keep(axes);
        let deviation = centered.variance_axes(axes).sqrt().keep_dims(x, axes);
        centered / deviation
    };
    (standard(&y_true) * standard(&y_pred)).mean_axes(axes)
}

/// The concordance coefficient along an axis,
/// `2 cov(t, p) / (var(t) + var(p) + (mean(t) - mean(p))^2)` (Lin 1989): 1 only where predictions
/// equal targets. `[batch]` from `[batch, features]`.
#[track_caller]
pub fn concordance_correlation(y_true: &Tensor, y_pred: &Tensor, axis: i32) -> Tensor {
    let (y_true, y_pred) = paired("concordance_correlation", y_true, y_pred);
    let axes = [axis as isize];
    let [true_mean, pred_mean] = [&y_true, &y_pred].map(|x| x.mean_keep(axes));
    let [true_variance, pred_variance] = [&y_true, &y_pred].map(|x| x.variance_keep(axes));
    // Any constant may be taken from the targets here: the deviations of the predictions add up to
    // 0.
    let covariance = (&y_true - &pred_mean) * (&y_pred - &pred_mean);
    let norm = true_variance + pred_variance + (true_mean - pred_mean).square();
    (covariance * 2.0 / (norm + EPSILON)).mean_axes(axes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn a_shift_lowers_concordance_and_not_correlation() {
        let (y_true, y_pred) = ([[1.0_f32, 2.0, 3.0]].into(), [[2.0_f32, 3.0, 4.0]].into());
        let pearson =
            PearsonCorrelation::new().update_on(&y_true, &y_pred).unwrap().item().unwrap();
        let concordance =
            ConcordanceCorrelation::new().update_on(&y_true, &y_pred).unwrap().item().unwrap();
        assert!((pearson - 1.0).abs() < 1e-6, "{pearson}");
        assert!((concordance - 4.0 / 7.0).abs() < 1e-6, "{concordance}");
    }
}
