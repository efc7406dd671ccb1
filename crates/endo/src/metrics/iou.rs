//! The overlap of predicted and true regions, class by class.
//!
//! In: class numbers or rows with one number per class. Out: intersection over union, `tp / (tp + fp + fn)`, the mean over
//! classes.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::losses::{Targets, reduction::spread_weights};
use crate::named::Hyperparameters;
use crate::shape::Shape;
use crate::trace::Context;

use super::Metric;
use super::totals::Totals;

/// Keras's epsilon: what keeps a denominator from 0.
const EPSILON: f64 = 1e-7;

/// How often each class is predicted for each class: the state and settings that the metrics of this file share.
#[derive(Clone, Debug)]
struct Confusion {
    totals: Totals,
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

/// All classes; where there are too many, which is an error at the first update, some more than there may be.
fn all_classes(num_classes: usize) -> Vec<usize> {
    (0..num_classes.min(MOST_CLASSES + 1)).collect()
}

impl Confusion {
    fn new(name: &str, num_classes: usize, target_class_ids: Vec<usize>, sparse: bool) -> Self {
        Self {
            totals: Totals::of_shape(name, ["total_confusion_matrix"], [num_classes, num_classes]),
            num_classes,
            target_class_ids,
            ignore_class: None,
            sparse_y_true: sparse,
            sparse_y_pred: sparse,
            axis: -1,
            threshold: None,
        }
    }

    /// What says how places are counted.
    fn hyperparameters(&self) -> Hyperparameters {
        let mut set = Hyperparameters::new();
        if self.target_class_ids != all_classes(self.num_classes) {
            set = set.with("target_class_ids", self.target_class_ids.clone());
        }
        set = self.ignore_class.into_iter().fold(set, |set, class| set.with("ignore_class", class));
        if let Some(threshold) = self.threshold {
            return set.with("threshold", threshold);
        }
        if self.axis != -1 {
            set = set.with("axis", self.axis);
        }
        set.with("num_classes", self.num_classes)
            .with("sparse_y_true", self.sparse_y_true)
            .with("sparse_y_pred", self.sparse_y_pred)
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        let site = std::panic::Location::caller();
        if self.num_classes > MOST_CLASSES {
            let message = format!("`{}` has {} classes, and may have {MOST_CLASSES}", self.totals.name(), self.num_classes);
            let help = "give the number of classes: labels are counted from 0";
            return cx.trace().record(Error::new(ErrorKind::Argument, message).help(help).at(site));
        }
        let labels = |x: &Tensor, sparse: bool| if sparse { x.cast(DType::I32) } else { x.argmax(self.axis as isize) };
        let expected = labels(y_true, self.sparse_y_true);
        let predicted = match self.threshold {
            Some(threshold) => y_pred.greater_equal(threshold).cast(DType::I32),
            None => labels(y_pred, self.sparse_y_pred),
        };
        let (targets, count) = (&self.target_class_ids, expected.shape().len());
        if let Some(class) = targets.iter().find(|&&class| class >= self.num_classes) {
            let message = format!("`{}` has the target class {class} of {} classes", self.totals.name(), self.num_classes);
            return cx.trace().record(Error::new(ErrorKind::Argument, message).help("classes are counted from 0").at(site));
        }
        if predicted.shape().len() != count {
            let message = format!("`{}` of targets {} and predictions {}", self.totals.name(), y_true.shape(), y_pred.shape());
            let help = "give both one class number for each place, or say with `sparse_y_true` and `sparse_y_pred` which has one \
                        number for each class instead";
            return cx.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(site));
        }
        let classes = self.num_classes as i32;
        let weight = match weight {
            Some(weight) => spread_weights(&weight.cast(DType::F32), &expected).reshape([count]),
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
        let cells = counted.where_(&weight, 0).segment_sum(&cell, self.num_classes * self.num_classes);
        self.totals.add([cells.reshape([self.num_classes, self.num_classes])], cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        let Some([matrix]) = self.totals.get(cx) else {
            return cx.constant(0.0_f32);
        };
        let classes = self.num_classes;
        let target = |x: Tensor, step: usize| {
            let ids = cx.constant(Array::from_fn([self.target_class_ids.len()], |i| (self.target_class_ids[i] * step) as i32));
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
    ($(#[$doc:meta])* $Metric:ident = $name:literal, ($($argument:ident: $Argument:ty),*) $confusion:expr,
     $($option:ident),+) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Metric {
            confusion: Confusion,
        }

        impl $Metric {
            #[doc = concat!("A metric named `", $name, "`.")]
            #[allow(clippy::new_without_default)]
            pub fn new($($argument: $Argument),*) -> Self {
                Self { confusion: $confusion }
            }

            $(overlap_metric! { @option $option })+

            /// The same metric under another name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.confusion.totals.rename(name);
                self
            }
        }

        impl Metric for $Metric {
            fn totals(&self) -> Option<&Totals> {
                Some(&self.confusion.totals)
            }

            #[track_caller]
            fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
                self.report(cx);
                self.confusion.update(y_true, y_pred, sample_weight, cx);
            }

            fn hyperparameters(&self) -> Hyperparameters {
                self.confusion.hyperparameters()
            }

            fn targets(&self, _: &Shape, _: &Shape) -> Targets {
                let Confusion { num_classes, ignore_class, sparse_y_true, .. } = self.confusion;
                if sparse_y_true { Targets::Classes { count: num_classes, ignored: ignore_class } } else { Targets::Any }
            }

            fn result(&self, cx: &mut Context) -> Tensor {
                self.confusion.result(cx)
            }
        }
    };
    (@option ignore_class) => {
        /// A class whose places do not count, such as -1 for places without a label. None unless set.
        #[must_use]
        pub fn ignore_class(mut self, ignore_class: i32) -> Self {
            self.confusion.ignore_class = Some(ignore_class);
            self
        }
    };
    (@option sparse_y_true) => {
        /// Whether targets are class numbers rather than one number per class. True unless set.
        #[must_use]
        pub fn sparse_y_true(mut self, sparse_y_true: bool) -> Self {
            self.confusion.sparse_y_true = sparse_y_true;
            self
        }
    };
    (@option sparse_y_pred) => {
        /// Whether predictions are class numbers rather than one number per class.
        #[must_use]
        pub fn sparse_y_pred(mut self, sparse_y_pred: bool) -> Self {
            self.confusion.sparse_y_pred = sparse_y_pred;
            self
        }
    };
    (@option axis) => {
        /// The axis of the classes where there is one number per class; -1 unless set.
        #[must_use]
        pub fn axis(mut self, axis: i32) -> Self {
            self.confusion.axis = axis;
            self
        }
    };
    (@option target_class_ids) => {
        /// The classes whose overlaps are averaged; both unless set.
        #[must_use]
        pub fn target_class_ids(mut self, target_class_ids: impl Into<Vec<usize>>) -> Self {
            self.confusion.target_class_ids = target_class_ids.into();
            self
        }
    };
    (@option threshold) => {
        /// Predictions of at least this count as 1; 0.5 unless set.
        #[must_use]
        pub fn threshold(mut self, threshold: f64) -> Self {
            self.confusion.threshold = Some(threshold);
            self
        }
    };
}

overlap_metric! {
    /// The mean overlap of all classes: of each, `tp / (tp + fp + fn)`. Classes that occur nowhere do not count.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = MeanIoU::new(2).update_on(&[0, 0, 1, 1].into(), &[0, 1, 0, 1].into())?;
    /// assert!((value.item()? - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    MeanIoU = "mean_io_u",
    (num_classes: usize) Confusion::new("mean_io_u", num_classes, all_classes(num_classes), true),
    ignore_class, sparse_y_true, sparse_y_pred, axis
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
    IoU = "io_u",
    (num_classes: usize, target_class_ids: impl Into<Vec<usize>>)
    Confusion::new("io_u", num_classes, target_class_ids.into(), true),
    ignore_class, sparse_y_true, sparse_y_pred, axis
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
    OneHotIoU = "one_hot_io_u",
    (num_classes: usize, target_class_ids: impl Into<Vec<usize>>)
    Confusion::new("one_hot_io_u", num_classes, target_class_ids.into(), false),
    ignore_class, sparse_y_pred, axis
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
    OneHotMeanIoU = "one_hot_mean_io_u",
    (num_classes: usize) Confusion::new("one_hot_mean_io_u", num_classes, all_classes(num_classes), false),
    ignore_class, sparse_y_pred, axis
}

overlap_metric! {
    /// The mean overlap of the classes 0 and 1, or one of them, where predictions are compared with a threshold.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = BinaryIoU::new().threshold(0.3).update_on(&[0, 1, 0, 1].into(), &[0.1_f32, 0.2, 0.4, 0.7].into())?;
    /// assert!((value.item()? - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    BinaryIoU = "binary_io_u",
    () Confusion { threshold: Some(0.5), ..Confusion::new("binary_io_u", 2, vec![0, 1], true) },
    target_class_ids, threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_out_of_range_do_not_count() {
        let value = MeanIoU::new(2).update_on(&[0, 1, -1, 5].into(), &[0, 1, 1, 0].into()).unwrap();
        assert!((value.item().unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn weights_may_be_fractions() {
        let metric = IoU::new(2, [1]);
        let value = metric.update_weighted_on(&[1, 1].into(), &[1, 0].into(), &[0.25_f32, 0.75].into()).unwrap();
        assert!((value.item().unwrap() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_at_the_first_update() {
        let error = IoU::new(2, [2]).update_on(&[0].into(), &[0].into()).unwrap_err();
        assert_eq!(error.message(), "`io_u` has the target class 2 of 2 classes");
        let error = MeanIoU::new(2).update_on(&[0].into(), &[[0.1_f32, 0.9]].into()).unwrap_err();
        assert_eq!(error.message(), "`mean_io_u` of targets [1] and predictions [1, 2]");
    }
}
