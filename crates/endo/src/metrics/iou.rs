//! The overlap of predicted and true regions, class by class.
//!
//! In: class numbers or rows with one number per class. Out: intersection over union,
//! `tp / (tp + fp + fn)`, the mean over classes.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::losses::{Targets, reduction::spread_weights};
use crate::named::Named;
use crate::site::Site;
use crate::trace::Context;

use super::define::{MetricMaker, metric};
use super::totals::Totals;

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] =
    &[MeanIoU::ROW, IoU::ROW, OneHotIoU::ROW, OneHotMeanIoU::ROW, BinaryIoU::ROW];

/// Keras's epsilon: what keeps a denominator from 0.
const EPSILON: f64 = 1e-7;

/// How places are counted: the settings that the metrics of this file share.
struct Confusion<'a> {
    totals: &'a Totals,
    num_classes: usize,
    target_class_ids: Vec<usize>,
    ignore_class: Option<i32>,
    sparse_y_true: bool,
    sparse_y_pred: bool,
    axis: i32,
    threshold: Option<f64>,
}

/// The most classes whose pairs `i32` numbers.
const MOST_CLASSES: usize = 46_340;

/// All classes; where there are too many, which is an error at the first update, some more than
/// there may be.
fn all_classes(num_classes: usize) -> Vec<usize> {
    (0..num_classes.min(MOST_CLASSES + 1)).collect()
}

impl Confusion<'_> {
    fn targets(&self) -> Targets {
        if self.sparse_y_true {
            Targets::Classes { count: self.num_classes, ignored: self.ignore_class }
        } else {
            Targets::Any
        }
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        let site = Site::caller();
        if self.num_classes > MOST_CLASSES {
            let message = format!(
                "`{}` has {} classes, and may have {MOST_CLASSES}",
                self.totals.name(),
                self.num_classes
            );
            let help = "give the number of classes: labels are counted from 0";
            return cx.trace().record(Error::argument(message, help).at(site));
        }
        let labels = |x: &Tensor, sparse: bool| {
            if sparse { x.cast(DType::I32) } else { x.argmax(self.axis as isize) }
        };
        let expected = labels(y_true, self.sparse_y_true);
        let predicted = match self.threshold {
            Some(threshold) => y_pred.greater_equal(threshold).cast(DType::I32),
            None => labels(y_pred, self.sparse_y_pred),
        };
        let (targets, count) = (&self.target_class_ids, expected.shape().len());
        if let Some(class) = targets.iter().find(|&&class| class >= self.num_classes) {
            let message = format!(
                "`{}` has the target class {class} of {} classes",
                self.totals.name(),
                self.num_classes
            );
            return cx
                .trace()
                .record(Error::argument(message, "classes are counted from 0").at(site));
        }
        if predicted.shape().len() != count {
            let message = format!(
                "`{}` of targets {} and predictions {}",
                self.totals.name(),
                y_true.shape(),
                y_pred.shape()
            );
            let help = "give both one class number for each place, or say with `sparse_y_true` \
                and `sparse_y_pred` which has one \
                        number for each class instead";
            return cx.trace().record(Error::shape(message, help).at(site));
        }
        let classes = self.num_classes as i32;
        let weight = match weight {
            Some(weight) => spread_weights(weight, &expected).reshape([count]),
            // Whole numbers stay exact however many places there are.
            None => expected.ones_like().reshape([count]),
        };
        let (expected, predicted) = (expected.reshape([count]), predicted.reshape([count]));
        let known = |x: &Tensor| x.greater_equal(0) & x.less(classes);
        let counted = known(&expected) & known(&predicted);
        let counted = match self.ignore_class {
            Some(class) => counted & expected.not_equal(class),
            None => counted,
        };
        let cell = counted.where_(&expected * classes + &predicted, 0);
        let cells =
            counted.where_(&weight, 0).segment_sum(&cell, self.num_classes * self.num_classes);
        self.totals.add([cells.reshape([self.num_classes, self.num_classes])], cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        let Some([matrix]) = self.totals.get(cx) else {
            return cx.constant(0.0_f32);
        };
        let classes = self.num_classes;
        let target = |x: Tensor, step: usize| {
            let ids = cx.constant(Array::from_fn([self.target_class_ids.len()], |i| {
                (self.target_class_ids[i] * step) as i32
            }));
            x.gather(&ids, 0)
        };
        let hits = target(matrix.reshape([classes * classes]), classes + 1);
        let either = target(matrix.sum_axes([0]), 1) + target(matrix.sum_axes([1]), 1) - &hits;
        let seen = either.greater(1e-9);
        let overlap = seen.where_(hits / (either + EPSILON), 0.0);
        overlap.sum() / (seen.cast(DType::F32).sum() + EPSILON)
    }
}

macro_rules! overlap_metric {
    ($(#[$doc:meta])* $Metric:ident [$($names:tt)+] $(($($arguments:tt)+))? {$($options:tt)+},
     |$self:ident| $num_classes:expr, $target_class_ids:expr,
     { $($option:ident: $value:expr),+ $(,)? }) => {
        metric! {
            $(#[$doc])*
            $Metric [$($names)+] $(($($arguments)+))? {$($options)+};
            totals($self, name) => {
                Totals::of_shape(name, ["total_confusion_matrix"], [$num_classes, $num_classes])
            };
            update($self, y_true, y_pred, sample_weight, cx) => {
                $self.confusion().update(y_true, y_pred, sample_weight, cx)
            };
            result(self, cx) => self.confusion().result(cx);
            targets(self, _y_true, _y_pred) => self.confusion().targets();
        }

        impl $Metric {
            fn confusion(&$self) -> Confusion<'_> {
                let usual = Confusion {
                    totals: &$self.totals,
                    num_classes: $num_classes,
                    target_class_ids: $target_class_ids,
                    ignore_class: None,
                    sparse_y_true: false,
                    sparse_y_pred: false,
                    axis: -1,
                    threshold: None,
                };
                Confusion { $($option: $value,)+ ..usual }
            }
        }
    };
}

overlap_metric! {
    /// The mean overlap of all classes: of each, `tp / (tp + fp + fn)`. Classes that occur nowhere
    /// do not count.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = MeanIoU::new(2).update_on(&[0, 0, 1, 1].into(), &[0, 1, 0, 1].into())?;
    /// assert!((value.item()? - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    MeanIoU ["mean_io_u", "mean_iou"] (num_classes: usize) {
        /// A class whose places do not count, such as -1 for places without a label. None unless
        /// set.
        ignore_class: Option<i32> as i32 = None,
        /// Whether targets are class numbers rather than one number per class. True unless set.
        sparse_y_true: bool = true,
        /// Whether predictions are class numbers rather than one number per class. True unless set.
        sparse_y_pred: bool = true,
        /// The axis of the classes where there is one number per class; -1 unless set.
        axis: i32 = -1,
    },
    |self| self.num_classes, all_classes(self.num_classes),
    {
        ignore_class: self.ignore_class,
        sparse_y_true: self.sparse_y_true,
        sparse_y_pred: self.sparse_y_pred,
        axis: self.axis,
    }
}

overlap_metric! {
    /// The mean overlap of some classes: of each, `tp / (tp + fp + fn)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = IoU::new(2, [0]).update_on(&[0, 0, 1, 1].into(), &[0, 1, 0, 1].into())?;
    /// assert!((value.item()? - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    IoU ["io_u", "iou"] (num_classes: usize, target_class_ids: Vec<usize> => Vec<usize>) {
        /// A class whose places do not count, such as -1 for places without a label. None unless
        /// set.
        ignore_class: Option<i32> as i32 = None,
        /// Whether targets are class numbers rather than one number per class. True unless set.
        sparse_y_true: bool = true,
        /// Whether predictions are class numbers rather than one number per class. True unless set.
        sparse_y_pred: bool = true,
        /// The axis of the classes where there is one number per class; -1 unless set.
        axis: i32 = -1,
    },
    |self| self.num_classes, self.target_class_ids.clone(),
    {
        ignore_class: self.ignore_class,
        sparse_y_true: self.sparse_y_true,
        sparse_y_pred: self.sparse_y_pred,
        axis: self.axis,
    }
}

overlap_metric! {
    /// [`IoU`] of one-hot targets and of predictions with one number per class.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[0, 0, 1], [1, 0, 0]]);
    /// let y_pred = Array::from([[0.2_f32, 0.3, 0.5], [0.1, 0.2, 0.7]]);
    /// let value = OneHotIoU::new(3, [0, 2]).update_on(&y_true, &y_pred)?;
    /// assert!((value.item()? - 0.25).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    OneHotIoU ["one_hot_io_u", "one_hot_iou"]
        (num_classes: usize, target_class_ids: Vec<usize> => Vec<usize>)
    {
        /// A class whose places do not count, such as -1 for places without a label. None unless
        /// set.
        ignore_class: Option<i32> as i32 = None,
        /// Whether predictions are class numbers rather than one number per class. False unless
        /// set.
        sparse_y_pred: bool = false,
        /// The axis of the classes where there is one number per class; -1 unless set.
        axis: i32 = -1,
    },
    |self| self.num_classes, self.target_class_ids.clone(),
    { ignore_class: self.ignore_class, sparse_y_pred: self.sparse_y_pred, axis: self.axis }
}

overlap_metric! {
    /// [`MeanIoU`] of one-hot targets and of predictions with one number per class.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[0, 0, 1], [1, 0, 0]]);
    /// let y_pred = Array::from([[0.2_f32, 0.3, 0.5], [0.1, 0.2, 0.7]]);
    /// let value = OneHotMeanIoU::new(3).update_on(&y_true, &y_pred)?;
    /// assert!((value.item()? - 0.25).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    OneHotMeanIoU ["one_hot_mean_io_u", "one_hot_mean_iou"] (num_classes: usize) {
        /// A class whose places do not count, such as -1 for places without a label. None unless
        /// set.
        ignore_class: Option<i32> as i32 = None,
        /// Whether predictions are class numbers rather than one number per class. False unless
        /// set.
        sparse_y_pred: bool = false,
        /// The axis of the classes where there is one number per class; -1 unless set.
        axis: i32 = -1,
    },
    |self| self.num_classes, all_classes(self.num_classes),
    { ignore_class: self.ignore_class, sparse_y_pred: self.sparse_y_pred, axis: self.axis }
}

overlap_metric! {
    /// The mean overlap of the classes 0 and 1, or one of them, where predictions are compared with
    /// a threshold.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = BinaryIoU::new()
    ///     .threshold(0.3)
    ///     .update_on(&[0, 1, 0, 1].into(), &[0.1_f32, 0.2, 0.4, 0.7].into())?;
    /// assert!((value.item()? - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    BinaryIoU ["binary_io_u", "binary_iou"] {
        /// The classes whose overlaps are averaged; both unless set.
        target_class_ids: Vec<usize> => Vec<usize> = vec![0, 1],
        /// Predictions of at least this count as 1; 0.5 unless set.
        threshold: f64 = 0.5,
    },
    |self| 2, self.target_class_ids.clone(),
    { sparse_y_true: true, sparse_y_pred: true, threshold: Some(self.threshold) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn labels_out_of_range_do_not_count() {
        let value = MeanIoU::new(2).update_on(&[0, 1, -1, 5].into(), &[0, 1, 1, 0].into()).unwrap();
        assert!((value.item().unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn weights_may_be_fractions() {
        let metric = IoU::new(2, [1]);
        let value = metric
            .update_weighted_on(&[1, 1].into(), &[1, 0].into(), &[0.25_f32, 0.75].into())
            .unwrap();
        assert!((value.item().unwrap() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_at_the_first_update() {
        let error = IoU::new(2, [2]).update_on(&[0].into(), &[0].into()).unwrap_err();
        error.reads("`io_u` has the target class 2 of 2 classes");
        let error = MeanIoU::new(2).update_on(&[0].into(), &[[0.1_f32, 0.9]].into()).unwrap_err();
        error.reads("`mean_io_u` of targets [1] and predictions [1, 2]");
    }
}
