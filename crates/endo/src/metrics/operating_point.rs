//! The best value of one ratio of a classifier among the thresholds at which another is good enough.
//!
//! In: labels 0/1 and predictions between 0 and 1. Out: the best value, 0 if no threshold is good enough.

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::trace::Context;

use super::curve::{Scale, Tally};
use super::{Metric, Totals, of_class, paired};

/// As many thresholds from 0 to 1, both of them included; a single one is 0.5.
fn scale(num_thresholds: usize) -> Scale {
    match num_thresholds {
        1 => Scale::Listed(vec![0.5]),
        count => Scale::Even { count, open_ends: false },
    }
}

macro_rules! operating_point {
    ($(#[$doc:meta])* $Metric:ident = $name:literal, $constrained:ident: $constraint:ident, best $dependent:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Metric {
            tally: Tally,
            $constrained: f64,
            class_id: Option<usize>,
        }

        impl $Metric {
            #[doc = concat!("A metric named `", $name, "`, for at least this ", stringify!($constrained), ".")]
            pub fn new($constrained: f64) -> Self {
                Self { tally: Tally::new($name, scale(200)), $constrained, class_id: None }
            }

            /// The number of thresholds, evenly distributed from 0 to 1; 200 unless set.
            #[must_use]
            pub fn num_thresholds(mut self, num_thresholds: usize) -> Self {
                self.tally.resize(scale(num_thresholds), Some(1));
                self
            }

            /// Looks at one class of several: a position on the last axis.
            #[must_use]
            pub fn class_id(mut self, class_id: usize) -> Self {
                self.class_id = Some(class_id);
                self
            }

            /// The same metric under another name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.tally.totals.rename(name);
                self
            }

            fn check(&self) -> Result<(), Error> {
                if !(0.0..=1.0).contains(&self.$constrained) {
                    let message = format!("`{}` is given the {} {}", $name, stringify!($constrained), self.$constrained);
                    return Err(Error::new(ErrorKind::Argument, message).help("it is between 0 and 1"));
                }
                if self.tally.scale.len() == 0 {
                    let message = format!("the option `num_thresholds` of `{}` is 0", $name);
                    return Err(Error::new(ErrorKind::Argument, message).help("it takes at least one threshold"));
                }
                Ok(())
            }
        }

        impl Metric for $Metric {
            fn totals(&self) -> Option<&Totals> {
                Some(&self.tally.totals)
            }

            #[track_caller]
            fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
                self.report(cx);
                if let Err(error) = self.check() {
                    return cx.trace().record(error.at(std::panic::Location::caller()));
                }
                let (y_true, y_pred) = paired($name, y_true, y_pred);
                let (y_true, y_pred) = of_class($name, y_true, y_pred, self.class_id);
                self.tally.add(&y_true, &y_pred, sample_weight, false, cx);
            }

            fn hyperparameters(&self) -> Hyperparameters {
                let set = self.tally.scale.hyperparameters().with(stringify!($constrained), self.$constrained);
                self.class_id.into_iter().fold(set, |set, class| set.with("class_id", class))
            }

            fn result(&self, cx: &mut Context) -> Tensor {
                match self.tally.counts(cx) {
                    Some(counts) => {
                        let feasible = counts.$constraint().greater_equal(self.$constrained);
                        feasible.where_(counts.$dependent(), 0.0).max()
                    }
                    None => cx.constant(0.0_f32),
                }
            }
        }
    };
}

operating_point! {
    /// The best precision among the thresholds with at least a given recall.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = PrecisionAtRecall::new(0.5).update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    PrecisionAtRecall = "precision_at_recall", recall: recall, best precision
}

operating_point! {
    /// The best recall among the thresholds with at least a given precision.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = RecallAtPrecision::new(0.8).update_on(&[0, 0, 1, 1].into(), &[0.0_f32, 0.5, 0.3, 0.9].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    RecallAtPrecision = "recall_at_precision", precision: precision, best recall
}

operating_point! {
    /// The best sensitivity, `tp / (tp + fn)`, among the thresholds with at least a given specificity, `tn / (tn + fp)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = SensitivityAtSpecificity::new(0.5).update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value.item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SensitivityAtSpecificity = "sensitivity_at_specificity", specificity: specificity, best recall
}

operating_point! {
    /// The best specificity, `tn / (tn + fp)`, among the thresholds with at least a given sensitivity, `tp / (tp + fn)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = SpecificityAtSensitivity::new(0.5).update_on(&[0, 0, 0, 1, 1].into(), &[0.0_f32, 0.3, 0.8, 0.3, 0.8].into())?;
    /// assert_eq!(value, Array::scalar(2.0_f32 / 3.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    SpecificityAtSensitivity = "specificity_at_sensitivity", sensitivity: recall, best specificity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_zero_where_no_threshold_is_good_enough() {
        let metric = RecallAtPrecision::new(1.0);
        assert_eq!(metric.value().unwrap().item().unwrap(), 0.0);
        assert_eq!(metric.update_on(&[0, 1].into(), &[0.9_f32, 0.1].into()).unwrap().item().unwrap(), 0.0);
    }

    #[test]
    fn what_is_asked_for_is_between_0_and_1() {
        let error = PrecisionAtRecall::new(1.5).update_on(&[0, 1].into(), &[0.9_f32, 0.1].into()).unwrap_err();
        assert_eq!(error.message(), "`precision_at_recall` is given the recall 1.5");
    }
}
