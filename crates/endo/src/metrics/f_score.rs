//! The harmonic mean of precision and recall, for each class or for all.
//!
//! In: one-hot or multi-hot targets and predictions `[batch, classes]`. Out: one score per class,
//! or their average.

use crate::error::Error;
use crate::graph::Tensor;
use crate::losses::reduction::spread_weights;
use crate::named::{Named, optional, words};
use crate::site::Site;
use crate::trace::Context;

use super::define::{MetricMaker, metric};
use super::mean::weighted;
use super::paired;
use super::totals::Totals;

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[F1Score::ROW, FBetaScore::ROW];

/// Keras's epsilon: what keeps a denominator from 0.
const EPSILON: f64 = 1e-7;

words! {
    /// How the scores of several classes become one.
    Averaging, "`micro`, `macro` or `weighted`" {
        /// The score of the counts of all classes together.
        Micro = "micro",
        /// The mean of the classes' scores.
        Macro = "macro",
        /// Their mean weighted by the number of labels 1 of each class.
        Weighted = "weighted",
    }
}

optional! {
    Averaging, "`micro`, `macro`, `weighted` or `none`";
}

/// What both scores are made of: of the counts of each class, or of all, with recall counting
/// `beta` times as much as precision.
struct Score<'a> {
    metric: &'static str,
    totals: &'a Totals,
    average: Option<Averaging>,
    beta: f64,
    threshold: Option<f64>,
}

impl Score<'_> {
    fn check(&self, y_pred: &Tensor) -> Result<(), Error> {
        if y_pred.rank() != 2 {
            let message = format!("`{}` of predictions {}", self.metric, y_pred.shape());
            return Err(Error::shape(message, "give targets and predictions `[batch, classes]`"));
        }
        if self.beta <= 0.0 {
            let message = format!("the option `beta` of `{}` is {}", self.metric, self.beta);
            return Err(Error::argument(message, "it is the weight of recall, above 0"));
        }
        if let Some(threshold) =
            self.threshold.filter(|&threshold| threshold <= 0.0 || threshold > 1.0)
        {
            let message = format!("the option `threshold` of `{}` is {threshold}", self.metric);
            return Err(Error::argument(message, "it is above 0 and at most 1"));
        }
        Ok(())
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        let (y_true, y_pred) = paired(self.metric, y_true, y_pred);
        if let Err(error) = self.check(&y_pred) {
            return cx.trace().record(error.at(Site::caller()));
        }
        let chosen = match self.threshold {
            Some(threshold) => y_pred.greater(threshold),
            None => {
                y_pred.greater_equal(y_pred.max_axes([-1]).expand_dims(-1))
                    & y_pred.abs().greater(1e-9)
            }
        };
        let chosen = chosen.cast(y_pred.dtype());
        let weights = weight.map(|weight| spread_weights(weight, &y_pred));
        let sum = |x: Tensor| {
            let counted =
                weights.as_ref().map_or_else(|| x.clone(), |weights| weighted(&x, weights));
            if self.average == Some(Averaging::Micro) {
                counted.sum()
            } else {
                counted.sum_axes([0])
            }
        };
        let hits = &chosen * &y_true;
        let (wrong, missed) = (&chosen * (1.0 - &y_true), (1.0 - &chosen) * &y_true);
        self.totals.add([sum(hits), sum(wrong), sum(missed), sum(y_true)], cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        let [hits, wrong, missed, labels] = self.totals.read(cx);
        let precision = &hits / (&hits + wrong + EPSILON);
        let recall = &hits / (&hits + missed + EPSILON);
        let square = self.beta * self.beta;
        let score =
            &precision * &recall / (&precision * square + &recall + EPSILON) * (1.0 + square);
        match self.average {
            None => score,
            Some(Averaging::Micro | Averaging::Macro) => score.mean(),
            Some(Averaging::Weighted) => (score * (&labels / (labels.sum() + EPSILON))).sum(),
        }
    }
}

macro_rules! f_score {
    ($(#[$doc:meta])* $Metric:ident [$name:literal] {$($options:tt)*} |$self:ident| $beta:expr) => {
        metric! {
            $(#[$doc])*
            $Metric [$name] {
                /// How the scores of the classes become one; `None`, which keeps one for each,
                /// unless set.
                average: Option<Averaging> => Option<Averaging> = None,
                $($options)*
                /// The threshold above which predictions count as 1, above 0 and at most 1. Unless
                /// set, the largest prediction of each row does.
                threshold: Option<f64> as f64 = None,
            };
            totals(self, name) => {
                Totals::of_first(
                    name,
                    [
                        "true_positives",
                        "false_positives",
                        "false_negatives",
                        "intermediate_weights",
                    ],
                )
            };
            update($self, y_true, y_pred, sample_weight, cx) => {
                $self.score().update(y_true, y_pred, sample_weight, cx)
            };
            result($self, cx) => $self.score().result(cx);
        }

        impl $Metric {
            fn score(&$self) -> Score<'_> {
                let Self { totals, average, threshold, .. } = $self;
                let (average, threshold) = (*average, *threshold);
                Score { metric: $name, totals, average, beta: $beta, threshold }
            }
        }
    };
}

f_score! {
    /// The harmonic mean of precision and recall, `2 precision recall / (precision + recall)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[1, 1, 1], [1, 0, 0], [1, 1, 0]]);
    /// let y_pred = Array::from([[0.2_f32, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]);
    /// let value = F1Score::new().threshold(0.5).update_on(&y_true, &y_pred)?;
    /// assert!((value.get(1) - 0.8).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    F1Score ["f1_score"] {}
    |self| 1.0
}

f_score! {
    /// The weighted harmonic mean of precision and recall,
    /// `(1 + beta^2) precision recall / (beta^2 precision + recall)` (van Rijsbergen 1979).
    ///
    /// ```
    /// use endo::prelude::*;
    /// let y_true = Array::from([[1, 1, 1], [1, 0, 0], [1, 1, 0]]);
    /// let y_pred = Array::from([[0.2_f32, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]);
    /// let value = FBetaScore::new().beta(2.0).threshold(0.5).update_on(&y_true, &y_pred)?;
    /// assert!((value.get(1) - 0.9090909).abs() < 1e-6);
    /// # Ok::<(), endo::Error>(())
    /// ```
    FBetaScore ["fbeta_score"] {
        /// How much more recall counts than precision; 1 unless set.
        beta: f64 = 1.0,
    }
    |self| self.beta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn predictions_of_nothing_but_zeros_choose_no_class() {
        let value = F1Score::new().update_on(&[[1, 0]].into(), &[[0.0_f32, 0.0]].into()).unwrap();
        assert_eq!(value.to_vec::<f64>(), [0.0, 0.0]);
    }

    #[test]
    fn the_result_is_zero_before_the_number_of_classes_is_known() {
        let metric = F1Score::new();
        assert_eq!(metric.value().unwrap().item().unwrap(), 0.0);
        metric.reset();
        assert!(metric.variables().is_empty());
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_at_the_first_update() {
        let error = FBetaScore::new()
            .beta(0.0)
            .update_on(&[[1, 0]].into(), &[[0.0_f32, 0.0]].into())
            .unwrap_err();
        error.reads("the option `beta` of `fbeta_score` is 0");
    }
}
