//! The area under a curve that the thresholds of a classifier draw.
//!
//! In: labels 0/1 and predictions between 0 and 1. Out: the area, approximated by as many steps as
//! there are thresholds.

use crate::array::Array;
use crate::error::Error;
use crate::graph::Tensor;
use crate::losses::warn_of_linear;
use crate::named::{Named, words};
use crate::ops::Argument;
use crate::site::Site;

use super::curve::{Counts, Scale, Tally};
use super::define::{MetricMaker, metric};
use super::{paired, weights_or_ones};

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[Auc::ROW];

words! {
    /// What the thresholds of a classifier draw.
    Curve, "`ROC`, `PR` or `PRGAIN`" {
        /// The receiver operating characteristic: recall over the false positive rate.
        Roc = "ROC",
        /// Precision over recall.
        Pr = "PR",
        /// Precision gain over recall gain (Flach and Kull 2015).
        PrGain = "PRGAIN",
    }
}

words! {
    /// How the area between two thresholds is approximated.
    SummationMethod, "`interpolation`, `minoring` or `majoring`" {
        /// By the mean of both heights; for precision and recall by the formula of Davis and
        /// Goadrich (2006).
        Interpolation = "interpolation",
        /// By the lower of both heights.
        Minoring = "minoring",
        /// By the greater of both heights.
        Majoring = "majoring",
    }
}

/// How far the first and last thresholds are from 0 and 1. As Keras.
const EPSILON: f64 = 1e-7;

metric! {
    /// The area under a curve: for ROC the probability that a label 1 has a larger prediction than
    /// a label 0.
    ///
    /// The curve is drawn by evenly distributed thresholds: more of them approximate the area
    /// better.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let (y_true, y_pred) = (Array::from([0, 0, 1, 1]), Array::from([0.0_f32, 0.5, 0.3, 0.9]));
    /// assert_eq!(Auc::new().num_thresholds(3).update_on(&y_true, &y_pred)?.item()?, 0.75);
    /// let curve = Auc::new().thresholds([0.4]).curve(Curve::Pr);
    /// let lower = curve.summation_method(SummationMethod::Minoring);
    /// assert_eq!(lower.update_on(&y_true, &y_pred)?.item()?, 0.25);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Auc ["auc"] {
        /// The number of evenly distributed thresholds, at least 2; 200 unless set.
        num_thresholds: usize = 200,
        /// The curve; ROC unless set.
        curve: Curve = Curve::Roc,
        /// How the area is approximated; by interpolation unless set.
        summation_method: SummationMethod = SummationMethod::Interpolation,
        /// Thresholds between 0 and 1 instead of evenly distributed ones; one below 0 and one above
        /// 1 are added.
        thresholds: Option<Vec<f64>> => Vec<f64> = None,
        /// Whether each column of labels has a curve of its own; the result is the mean of their
        /// areas. Unless set, all labels draw one curve.
        multi_label: bool = false,
        /// The number of columns, if it has to be known before the first batch.
        num_labels: Option<usize> as usize = None,
        /// The weight of each column of labels: in the mean of the areas, or of its labels if all
        /// draw one curve.
        label_weights: Option<Vec<f64>> => Vec<f64> = None,
        /// Whether predictions are log-odds instead of probabilities.
        from_logits: bool = false,
    };
    totals(self, name) => {
        self.scale().totals(name, if self.multi_label { self.num_labels } else { Some(1) })
    };
    update(self, y_true, y_pred, sample_weight, cx) => {
        if !self.from_logits {
            warn_of_linear("auc", "sigmoid", y_pred);
        }
        let (y_true, y_pred) = paired("auc", y_true, y_pred);
        if let Err(error) = self.check(&y_pred) {
            return cx.trace().record(error.at(Site::caller()));
        }
        let y_pred = if self.from_logits { y_pred.sigmoid() } else { y_pred };
        let label_weights = self.label_weights_like(&y_pred).filter(|_| !self.multi_label);
        let weight = match label_weights {
            Some(labels) => Some(weights_or_ones(sample_weight, &y_pred) * labels),
            None => sample_weight.cloned(),
        };
        self.tally().add(&y_true, &y_pred, weight.as_ref(), self.multi_label, cx);
    };
    result(self, cx) => {
        let Some(counts) = self.tally().counts(cx) else {
            return cx.constant(0.0_f32);
        };
        let areas = self.areas(&counts).sum_axes([-1]);
        match self.label_weights_like(&areas).filter(|_| self.multi_label) {
            Some(weights) => (areas * &weights).sum().divide_no_nan(weights.sum()),
            None => areas.mean(),
        }
    };
}

impl Auc {
    /// The thresholds: those that are listed, with one below 0 and one above 1, or evenly
    /// distributed ones.
    fn scale(&self) -> Scale {
        let Some(listed) = &self.thresholds else {
            return Scale::Even { count: self.num_thresholds, open_ends: true };
        };
        let mut all = [&[-EPSILON][..], listed, &[1.0 + EPSILON]].concat();
        all.sort_by(f64::total_cmp);
        Scale::Listed(all)
    }

    fn tally(&self) -> Tally<'_> {
        Tally { scale: self.scale(), totals: &self.totals }
    }

    fn check(&self, y_pred: &Tensor) -> Result<(), Error> {
        if self.scale().len() < 2 {
            let message = format!("the option `num_thresholds` of `auc` is {}", self.scale().len());
            return Err(Error::argument(message, "a curve takes at least 2"));
        }
        if (self.multi_label || self.label_weights.is_some()) && y_pred.rank() < 2 {
            let message = format!("`auc` of several labels and predictions {}", y_pred.shape());
            return Err(Error::shape(message, "give predictions `[batch, labels]`"));
        }
        if let Some(weights) =
            self.label_weights.as_ref().filter(|weights| weights.len() != y_pred.features())
        {
            let message = format!(
                "`auc` has {} label weights for predictions {}",
                weights.len(),
                y_pred.shape()
            );
            let help = "give one weight for each position of the last axis";
            return Err(Error::argument(message, help));
        }
        Ok(())
    }

    #[track_caller]
    fn label_weights_like(&self, like: &Tensor) -> Option<Tensor> {
        let weights = self.label_weights.clone()?;
        Some(Array::from(weights).tensor(like, Site::caller()))
    }

    /// The areas between neighbouring thresholds: `[columns, thresholds - 1]`.
    fn areas(&self, counts: &Counts) -> Tensor {
        let last = counts.true_positives.features() - 1;
        let neighbours = |x: &Tensor| (x.slice(-1, ..last), x.slice(-1, 1..));
        let (x, y) = match (self.curve, self.summation_method) {
            (Curve::Pr, SummationMethod::Interpolation) => return interpolated_precision(counts),
            (Curve::Roc, _) => (counts.false_positive_rate(), counts.recall()),
            (Curve::Pr, _) => (counts.recall(), counts.precision()),
            (Curve::PrGain, _) => gains(counts),
        };
        let ((x0, x1), (y0, y1)) = (neighbours(&x), neighbours(&y));
        let height = match self.summation_method {
            SummationMethod::Interpolation => (y0 + y1) / 2.0,
            SummationMethod::Minoring => y0.minimum(y1),
            SummationMethod::Majoring => y0.maximum(y1),
        };
        (x0 - x1) * height
    }
}

/// The area under precision over recall, with true and false positives linear between thresholds
/// (Davis and Goadrich 2006, as Keras): `slope (dTP + intercept log(P0 / P1)) / labels`.
fn interpolated_precision(counts: &Counts) -> Tensor {
    let last = counts.true_positives.features() - 1;
    let neighbours = |x: &Tensor| (x.slice(-1, ..last), x.slice(-1, 1..));
    let positives = &counts.true_positives + &counts.false_positives;
    let ((hits0, hits1), (p0, p1)) = (neighbours(&counts.true_positives), neighbours(&positives));
    let gained = hits0 - &hits1;
    let slope = gained.divide_no_nan((&p0 - &p1).maximum(0.0));
    let intercept = &hits1 - &slope * &p1;
    let ratio = (p0.greater(0.0) & p1.greater(0.0)).where_(p0.divide_no_nan(p1.maximum(0.0)), 1.0);
    let labels = (hits1 + neighbours(&counts.false_negatives).1).maximum(0.0);
    (slope * (gained + intercept * ratio.log())).divide_no_nan(labels)
}

/// Recall gain and precision gain: `1 - odds * fn / tp` and `1 - odds * fp / tp`, with the odds of
/// a label 1 (Flach and Kull 2015).
fn gains(counts: &Counts) -> (Tensor, Tensor) {
    let hits = &counts.true_positives;
    let odds = (hits + &counts.false_negatives)
        .divide_no_nan(&counts.true_negatives + &counts.false_positives);
    let nothing = hits.equal(0.0);
    let gain = |wrong: &Tensor| 1.0 - &odds * wrong.divide_no_nan(hits);
    let recall = nothing.where_(0.0, gain(&counts.false_negatives)).maximum(0.0);
    (recall, nothing.where_(1.0, gain(&counts.false_positives)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    fn area(metric: Auc) -> f64 {
        metric
            .update_on(&[0, 0, 1, 1].into(), &[0.0_f32, 0.5, 0.3, 0.9].into())
            .unwrap()
            .item()
            .unwrap()
    }

    #[test]
    fn majoring_bounds_minoring_on_every_curve() {
        for curve in [Curve::Roc, Curve::Pr, Curve::PrGain] {
            let by =
                |method| area(Auc::new().num_thresholds(3).curve(curve).summation_method(method));
            assert!(by(SummationMethod::Minoring) <= by(SummationMethod::Majoring), "{curve:?}");
        }
    }

    #[test]
    fn listed_thresholds_that_are_even_are_the_same_as_even_ones() {
        assert_eq!(area(Auc::new().thresholds([0.5])), area(Auc::new().num_thresholds(3)));
    }

    #[test]
    fn label_weights_that_do_not_fit_are_refused_at_the_first_update() {
        let weighted = Auc::new().label_weights([1.0, 2.0]);
        let error =
            weighted.update_on(&[[0, 1, 1]].into(), &[[0.1_f32, 0.2, 0.3]].into()).unwrap_err();
        error.reads("`auc` has 2 label weights for predictions [1, 3]");
        let error = Auc::new()
            .multi_label(true)
            .update_on(&[0, 1].into(), &[0.1_f32, 0.2].into())
            .unwrap_err();
        error.reads("`auc` of several labels and predictions [2]");
        let error = Auc::new()
            .num_thresholds(1)
            .update_on(&[0, 1].into(), &[0.1_f32, 0.2].into())
            .unwrap_err();
        error.says("`num_thresholds` of `auc` is 1");
    }
}
