//! The share of predictions that are right.
//!
//! In: labels and predictions. Out: truth values, and the means of zeros and ones that metrics make
//! of them.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::losses::Targets;
use crate::named::Named;
use crate::site::Site;

use super::define::MetricMaker;
use super::mean::mean_metric;
use super::paired;

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[
    AccuracyByShape::ROW,
    BinaryAccuracy::ROW,
    CategoricalAccuracy::ROW,
    SparseCategoricalAccuracy::ROW,
    TopKCategoricalAccuracy::ROW,
    SparseTopKCategoricalAccuracy::ROW,
];

// Text that asks for `accuracy` means that of the shapes at hand, `AccuracyByShape`.
const _: Named<MetricMaker> = Accuracy::ROW;

mean_metric! {
    /// The share of predictions equal to the targets: both are labels. A model's probabilities are
    /// rarely equal to anything; for those use the name `"accuracy"`, which looks at the shapes, or
    /// one of the metrics below.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = Accuracy::new().update_on(&[1, 2, 3, 4].into(), &[0, 2, 3, 4].into())?;
    /// assert_eq!(value.item()?, 0.75);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Accuracy ["accuracy"],
    |self, y_true, y_pred| accuracy(y_true, y_pred)
}

mean_metric! {
    /// The share of labels 0/1 that predictions are on the right side of the threshold for.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = BinaryAccuracy::new()
    ///     .update_on(&[1, 1, 0, 0].into(), &[0.98_f32, 1.0, 0.0, 0.6].into())?;
    /// assert_eq!(value.item()?, 0.75);
    /// # Ok::<(), endo::Error>(())
    /// ```
    BinaryAccuracy ["binary_accuracy"] {
        /// Predictions above it count as 1; 0.5 unless set.
        threshold: f64 = 0.5
    },
    |self, y_true, y_pred| binary_accuracy(y_true, y_pred, self.threshold)
}

mean_metric! {
    /// The share of rows whose largest prediction is where the one-hot target has its 1.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_pred = Array::from([[0.1_f32, 0.9, 0.8], [0.05, 0.95, 0.0]]);
    /// let value = CategoricalAccuracy::new().update_on(&[[0, 0, 1], [0, 1, 0]].into(), &y_pred)?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    CategoricalAccuracy ["categorical_accuracy"],
    |self, y_true, y_pred| categorical_accuracy(y_true, y_pred)
}

mean_metric! {
    /// The share of rows whose largest prediction is at the target's class number.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_pred = Array::from([[0.1_f32, 0.6, 0.3], [0.05, 0.95, 0.0]]);
    /// let value = SparseCategoricalAccuracy::new().update_on(&[2, 1].into(), &y_pred)?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SparseCategoricalAccuracy ["sparse_categorical_accuracy"],
    |self, y_true, y_pred| sparse_categorical_accuracy(y_true, y_pred),
    targets(y_true, y_pred) => Targets::classes(y_true, y_pred, -1, None)
}

mean_metric! {
    /// The share of rows in which the class of the one-hot target is among the `k` with the largest
    /// predictions.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_pred = Array::from([[0.1_f32, 0.9, 0.8], [0.05, 0.95, 0.0]]);
    /// let value = TopKCategoricalAccuracy::new()
    ///     .k(1)
    ///     .update_on(&[[0, 0, 1], [0, 1, 0]].into(), &y_pred)?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    TopKCategoricalAccuracy ["top_k_categorical_accuracy"] {
        /// How many classes count; 5 unless set.
        k: usize = 5
    },
    |self, y_true, y_pred| top_k_categorical_accuracy(y_true, y_pred, self.k)
}

mean_metric! {
    /// The share of rows in which the target's class number is among the `k` with the largest
    /// predictions.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_pred = Array::from([[0.1_f32, 0.9, 0.8], [0.05, 0.95, 0.0]]);
    /// let value = SparseTopKCategoricalAccuracy::new().k(1).update_on(&[2, 1].into(), &y_pred)?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SparseTopKCategoricalAccuracy ["sparse_top_k_categorical_accuracy"] {
        /// How many classes count; 5 unless set.
        k: usize = 5,
        /// Whether the predictions are class numbers, the likeliest first, instead of numbers for
        /// the classes; false unless set.
        from_sorted_ids: bool = false
    },
    |self, y_true, y_pred| {
        sparse_top_k_categorical_accuracy(y_true, y_pred, self.k, self.from_sorted_ids)
    },
    targets(y_true, y_pred) => if self.from_sorted_ids {
        Targets::Any
    } else {
        Targets::classes(y_true, y_pred, -1, None)
    }
}

mean_metric! {
    /// What the name `"accuracy"` stands for: [`BinaryAccuracy`] of predictions `[batch]` or
    /// `[batch, 1]`, [`CategoricalAccuracy`] of targets in the shape of the predictions, else
    /// [`SparseCategoricalAccuracy`].
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(10).activation("softmax"));
    /// model.compile(Adam::default(), SparseCategoricalCrossentropy::new(), ["accuracy"]);
    /// ```
    AccuracyByShape ["accuracy", "acc"],
    |self, y_true, y_pred| match (
        y_pred.rank() < 2 || y_pred.features() == 1,
        y_true.shape() == y_pred.shape(),
    ) {
        (true, _) => binary_accuracy(y_true, y_pred, 0.5),
        (false, true) => categorical_accuracy(y_true, y_pred),
        (false, false) => sparse_categorical_accuracy(y_true, y_pred),
    },
    targets(y_true, y_pred) => match y_pred.last() {
        None | Some(1) => Targets::Any,
        Some(_) => Targets::classes(y_true, y_pred, -1, None),
    }
}

/// Where predictions are equal to targets.
#[track_caller]
pub fn accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = paired("accuracy", y_true, y_pred);
    y_true.equal(y_pred)
}

/// Where labels 0/1 are what `y_pred > threshold` says.
#[track_caller]
pub fn binary_accuracy(y_true: &Tensor, y_pred: &Tensor, threshold: f64) -> Tensor {
    let (y_true, y_pred) = paired("binary_accuracy", y_true, y_pred);
    y_pred.greater(threshold).cast(y_true.dtype()).equal(y_true)
}

/// Where the largest prediction of a row is at the largest target: `[batch]` from
/// `[batch, classes]`. The first of ties counts.
#[track_caller]
pub fn categorical_accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = paired("categorical_accuracy", y_true, y_pred);
    y_true.argmax(-1).equal(y_pred.argmax(-1))
}

/// Where the largest prediction of a row is at the class number: `[batch]` from targets `[batch]`
/// or `[batch, 1]` and predictions `[batch, classes]`. The first of ties counts.
#[track_caller]
pub fn sparse_categorical_accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let labels = class_numbers("sparse_categorical_accuracy", y_true, y_pred);
    labels.equal(y_pred.argmax(-1))
}

/// Where the largest of a row's targets is among the `k` classes with the largest predictions.
#[track_caller]
pub fn top_k_categorical_accuracy(y_true: &Tensor, y_pred: &Tensor, k: usize) -> Tensor {
    let (y_true, y_pred) = paired("top_k_categorical_accuracy", y_true, y_pred);
    in_top_k(&y_true.argmax(-1), &y_pred, k)
}

/// Where the class number is among the `k` classes with the largest predictions, or,
/// `from_sorted_ids`, among the first `k` class numbers that are the predictions.
#[track_caller]
pub fn sparse_top_k_categorical_accuracy(
    y_true: &Tensor,
    y_pred: &Tensor,
    k: usize,
    from_sorted_ids: bool,
) -> Tensor {
    let labels = class_numbers("sparse_top_k_categorical_accuracy", y_true, y_pred);
    if !from_sorted_ids {
        return in_top_k(&labels, y_pred, k);
    }
    let first = y_pred.slice(-1, ..k.min(y_pred.features()));
    first.equal(labels.expand_dims(-1)).any_axes([-1])
}

/// Whether fewer than `k` predictions are larger than that of the class; classes out of range and
/// numbers that are not finite are in no top. As TensorFlow's `in_top_k`: all that tie at the
/// border are in.
#[track_caller]
fn in_top_k(labels: &Tensor, y_pred: &Tensor, k: usize) -> Tensor {
    let chosen = y_pred
        .cast(y_pred.dtype().promote(DType::F32))
        .take_along_axis(&labels.expand_dims(-1), -1);
    let larger = y_pred.greater(&chosen).sum_axes([-1]);
    let known = chosen.squeeze(-1).is_finite() & labels.greater_equal(0);
    larger.less(i32::try_from(k).unwrap_or(i32::MAX)) & known
}

/// Class numbers, one for each row of predictions.
#[track_caller]
fn class_numbers(function: &str, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let column = y_true.rank() == y_pred.rank() && y_true.features() == 1;
    let labels = if column { y_true.squeeze(-1) } else { y_true.clone() };
    let rows = y_pred.shape().without(&[y_pred.rank().saturating_sub(1)]);
    if y_pred.rank() == 0 || *labels.shape() != rows {
        let message = format!(
            "`{function}` of targets {} and predictions {}",
            y_true.shape(),
            y_pred.shape()
        );
        let help =
            "give one class number for each row of predictions: targets `[batch]` or `[batch, 1]`";
        let site = Site::caller();
        return y_pred.fail(Error::shape(message, help), rows, site).cast(DType::I32);
    }
    labels.cast(DType::I32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::metrics::Metric;

    #[test]
    fn the_name_accuracy_chooses_by_the_shapes() {
        let value = |y_true: Array, y_pred: Array| {
            AccuracyByShape::new().update_on(&y_true, &y_pred).unwrap().item().unwrap()
        };
        assert_eq!(value([[1], [0]].into(), [[0.9_f32], [0.8]].into()), 0.5);
        assert_eq!(value([1, 0].into(), [[0.9_f32], [0.8]].into()), 0.5);
        assert_eq!(value([1, 0].into(), [0.9_f32, 0.8].into()), 0.5);
        assert_eq!(value([[0, 1], [1, 0]].into(), [[0.1_f32, 0.9], [0.2, 0.8]].into()), 0.5);
        assert_eq!(value([1, 0].into(), [[0.1_f32, 0.9], [0.2, 0.8]].into()), 0.5);
    }

    #[test]
    fn classes_that_tie_at_the_border_are_all_in_the_top() {
        let metric = SparseTopKCategoricalAccuracy::new().k(1);
        let value = metric.update_on(&[0, 1, 2].into(), &[[0.4_f32, 0.4, 0.2]; 3].into()).unwrap();
        assert_eq!(value, Array::scalar(2.0_f32 / 3.0));
        let out_of_range = SparseTopKCategoricalAccuracy::new()
            .k(9)
            .update_on(&[-1, 3].into(), &[[0.4_f32, 0.6]; 2].into());
        assert_eq!(out_of_range.unwrap(), Array::scalar(0.0_f32));
    }

    #[test]
    fn sorted_ids_are_looked_through_up_to_k() {
        let metric = SparseTopKCategoricalAccuracy::new().k(2).from_sorted_ids(true);
        let value = metric.update_on(&[1, 2].into(), &[[3, 1, 2], [0, 1, 2]].into()).unwrap();
        assert_eq!(value.item().unwrap(), 0.5);
    }

    #[test]
    fn targets_that_do_not_fit_are_an_error() {
        let y_pred = [[0.4_f32, 0.6]; 2].into();
        let error = SparseCategoricalAccuracy::new()
            .update_on(&[[0, 1], [1, 0]].into(), &y_pred)
            .unwrap_err();
        error.says("`sparse_categorical_accuracy` of targets [2, 2]");
        let error = CategoricalAccuracy::new().update_on(&[0, 1].into(), &y_pred).unwrap_err();
        error.says("`categorical_accuracy` of targets [2] and predictions [2, 2]");
    }
}
