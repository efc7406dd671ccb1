//! The best value of one ratio of a classifier among the thresholds at which another is good
//! enough.
//!
//! In: labels 0/1 and predictions between 0 and 1. Out: the best value, 0 if no threshold is good
//! enough.

use crate::error::Error;
use crate::named::Named;
use crate::site::Site;

use super::curve::{Scale, Tally};
use super::define::{MetricMaker, metric};
use super::{of_class, paired};

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[
    PrecisionAtRecall::ROW,
    RecallAtPrecision::ROW,
    SensitivityAtSpecificity::ROW,
    SpecificityAtSensitivity::ROW,
];

/// As many thresholds from 0 to 1, both of them included; a single one is 0.5.
fn scale(num_thresholds: usize) -> Scale {
    match num_thresholds {
        1 => Scale::Listed(vec![0.5]),
        count => Scale::Even { count, open_ends: false },
    }
}

/// What is wrong with the ratio that is asked for, or with the number of thresholds.
fn check(metric: &str, ratio: (&str, f64), num_thresholds: usize) -> Result<(), Error> {
    let (name, least) = ratio;
    if !(0.0..=1.0).contains(&least) {
        let message = format!("`{metric}` is given the {name} {least}");
        return Err(Error::argument(message, "it is between 0 and 1"));
    }
    if num_thresholds == 0 {
        let message = format!("the option `num_thresholds` of `{metric}` is 0");
        return Err(Error::argument(message, "it takes at least one threshold"));
    }
    Ok(())
}

macro_rules! operating_point {
    ($(#[$doc:meta])* $Metric:ident [$name:literal], $constrained:ident: $constraint:ident,
     best $dependent:ident) => {
        metric! {
            $(#[$doc])*
            $Metric [$name] ($constrained: f64) {
                /// The number of thresholds, evenly distributed from 0 to 1; 200 unless set.
                num_thresholds: usize = 200,
                /// Looks at one class of several: a position on the last axis.
                class_id: Option<usize> as usize = None,
            };
            totals(self, name) => scale(self.num_thresholds).totals(name, Some(1));
            update(self, y_true, y_pred, sample_weight, cx) => {
                let constrained = (stringify!($constrained), self.$constrained);
                if let Err(error) = check($name, constrained, self.num_thresholds) {
                    return cx.trace().record(error.at(Site::caller()));
                }
                let (y_true, y_pred) = paired($name, y_true, y_pred);
                let (y_true, y_pred) = of_class($name, y_true, y_pred, self.class_id);
                self.tally().add(&y_true, &y_pred, sample_weight, false, cx);
            };
            result(self, cx) => match self.tally().counts(cx) {
                Some(counts) => {
                    let feasible = counts.$constraint().greater_equal(self.$constrained);
                    feasible.where_(counts.$dependent(), 0.0).max()
                }
                None => cx.constant(0.0_f32),
            };
        }

        impl $Metric {
            fn tally(&self) -> Tally<'_> {
                Tally { scale: scale(self.num_thresholds), totals: &self.totals }
            }
        }
    };
}

operating_point! {
    /// The best precision among the thresholds with at least a given recall.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = PrecisionAtRecall::new(0.5)
    ///     .update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    PrecisionAtRecall ["precision_at_recall"], recall: recall, best precision
}

operating_point! {
    /// The best recall among the thresholds with at least a given precision.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = RecallAtPrecision::new(0.8)
    ///     .update_on(&[0, 0, 1, 1].into(), &[0.0_f32, 0.5, 0.3, 0.9].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    RecallAtPrecision ["recall_at_precision"], precision: precision, best recall
}

operating_point! {
    /// The best sensitivity, `tp / (tp + fn)`, among the thresholds with at least a given
    /// specificity, `tn / (tn + fp)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = SensitivityAtSpecificity::new(0.5)
    ///     .update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SensitivityAtSpecificity ["sensitivity_at_specificity"], specificity: specificity, best recall
}

operating_point! {
    /// The best specificity, `tn / (tn + fp)`, among the thresholds with at least a given
    /// sensitivity, `tp / (tp + fn)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = SpecificityAtSensitivity::new(0.5)
    ///     .update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value, Array::scalar(2.0_f32 / 3.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    SpecificityAtSensitivity ["specificity_at_sensitivity"], sensitivity: recall, best specificity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn the_result_is_zero_where_no_threshold_is_good_enough() {
        let metric = RecallAtPrecision::new(1.0);
        assert_eq!(metric.value().unwrap().item().unwrap(), 0.0);
        assert_eq!(
            metric.update_on(&[0, 1].into(), &[0.9_f32, 0.1].into()).unwrap().item().unwrap(),
            0.0
        );
    }

    #[test]
    fn what_is_asked_for_is_between_0_and_1() {
        let error = PrecisionAtRecall::new(1.5)
            .update_on(&[0, 1].into(), &[0.9_f32, 0.1].into())
            .unwrap_err();
        error.reads("`precision_at_recall` is given the recall 1.5");
    }
}
