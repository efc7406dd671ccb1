//! The cosine of the angle between targets and predictions. A file of its own: the loss of the same
//! name is its negative, so that the prelude has neither.
//!
//! In: targets and predictions `[batch, features]`. Out: one cosine per row, and their mean.

use crate::graph::Tensor;
use crate::losses::{self, Loss};
use crate::named::Named;

use super::define::MetricMaker;
use super::mean::mean_metric;
use super::paired;

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[CosineSimilarity::ROW];

mean_metric! {
    /// The mean cosine of the angle between targets and predictions: 1 where they point the same
    /// way, -1 where opposite. The loss of the same name,
    /// [`losses::CosineSimilarity`](struct@crate::losses::CosineSimilarity), is its negative.
    ///
    /// ```
    /// use endo::metrics::{CosineSimilarity, Metric};
    /// let metric = CosineSimilarity::new();
    /// let value = metric.update_on(
    ///     &[[0.0_f32, 1.0], [1.0, 1.0]].into(),
    ///     &[[1.0_f32, 0.0], [1.0, 1.0]].into(),
    /// )?;
    /// assert!((value.item()? - 0.5).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    CosineSimilarity ["cosine_similarity"] {
        /// The axis of the vectors; -1 (the features of a sample) unless set.
        axis: i32 = -1
    },
    |self, y_true, y_pred| cosine_similarity(y_true, y_pred, self.axis)
}

/// The cosine of the angle between targets and predictions along an axis, `sum(t * p) / (|t| |p|)`.
#[track_caller]
pub fn cosine_similarity(y_true: &Tensor, y_pred: &Tensor, axis: i32) -> Tensor {
    let (y_true, y_pred) = paired("cosine_similarity", y_true, y_pred);
    -losses::CosineSimilarity.axis(axis).call(&y_true, &y_pred)
}
