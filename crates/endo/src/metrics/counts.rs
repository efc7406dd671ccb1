//! Counts of right and wrong predictions of labels 0/1, at one threshold or several, and the ratios
//! of them.
//!
//! In: labels 0/1 and predictions. Out: one number, or one for each threshold.

use crate::array::Array;
use crate::error::Error;
use crate::graph::Tensor;
use crate::losses::reduction::spread_weights;
use crate::named::{Named, Setting, optional};
use crate::site::Site;

use super::define::{MetricMaker, metric};
use super::totals::Totals;
use super::{of_class, paired};

/// The rows of this file.
pub(super) const ROWS: &[Named<MetricMaker>] = &[
    TruePositives::ROW,
    TrueNegatives::ROW,
    FalsePositives::ROW,
    FalseNegatives::ROW,
    Precision::ROW,
    Recall::ROW,
];

/// One threshold, or several, each with a result of its own. A prediction above it counts as 1.
///
/// ```
/// use endo::prelude::*;
/// let (y_true, y_pred) = (Array::from([0, 1, 1]), Array::from([0.3_f32, 0.6, 0.9]));
/// assert_eq!(Recall::new().thresholds(0.7).update_on(&y_true, &y_pred)?.item()?, 0.5);
/// assert_eq!(
///     Recall::new().thresholds([0.2, 0.7]).update_on(&y_true, &y_pred)?,
///     Array::from([1.0_f32, 0.5])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds(Vec<f64>);

impl Thresholds {
    /// The thresholds in the order given.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

impl From<f64> for Thresholds {
    fn from(threshold: f64) -> Self {
        Self(vec![threshold])
    }
}

impl<const N: usize> From<[f64; N]> for Thresholds {
    fn from(thresholds: [f64; N]) -> Self {
        Self(thresholds.to_vec())
    }
}

impl From<Vec<f64>> for Thresholds {
    fn from(thresholds: Vec<f64>) -> Self {
        Self(thresholds)
    }
}

impl Setting for Thresholds {
    const EXPECTED: &'static str = "a number or a list of numbers such as `[0.25, 0.5]`";

    fn read(text: &str) -> Option<Self> {
        f64::read(text).map(Self::from).or_else(|| <Vec<f64>>::read(text).map(Self::from))
    }

    fn write(&self) -> String {
        match self.as_slice() {
            [threshold] => threshold.write(),
            several => several.to_vec().write(),
        }
    }
}

optional! {
    Thresholds, "a number, a list of numbers such as `[0.25, 0.5]`, or `none`";
}

/// Which predictions are looked at, and from where on they count as 1.
struct Rule<'a> {
    thresholds: Option<&'a Thresholds>,
    top_k: Option<usize>,
    class_id: Option<usize>,
}

/// What a prediction can be.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    TruePositive,
    TrueNegative,
    FalsePositive,
    FalseNegative,
}

impl Rule<'_> {
    fn thresholds(&self) -> Vec<f64> {
        match (self.thresholds, self.top_k) {
            (Some(Thresholds(thresholds)), _) => thresholds.clone(),
            // Those that are not among the top are below every threshold.
            (None, Some(_)) => vec![f64::NEG_INFINITY],
            (None, None) => vec![0.5],
        }
    }

    fn check(&self, metric: &str, y_pred: &Tensor) -> Result<(), Error> {
        let thresholds = self.thresholds.into_iter().flat_map(|Thresholds(thresholds)| thresholds);
        if let Some(threshold) =
            thresholds.clone().find(|threshold| !(0.0..=1.0).contains(*threshold))
        {
            let message = format!("`{metric}` has the threshold {threshold}");
            return Err(Error::argument(message, "thresholds are between 0 and 1"));
        }
        if let Some(k) = self.top_k.filter(|&k| k > y_pred.features()) {
            let message =
                format!("`{metric}` looks at the top {k} of predictions {}", y_pred.shape());
            return Err(Error::argument(message, "`top_k` is at most the size of the last axis"));
        }
        Ok(())
    }

    /// The weight of each outcome at each threshold: `[thresholds]`.
    #[track_caller]
    fn count<const N: usize>(
        &self,
        metric: &str,
        y_true: &Tensor,
        y_pred: &Tensor,
        weight: Option<&Tensor>,
        outcomes: [Outcome; N],
    ) -> [Tensor; N] {
        let (y_true, y_pred) = paired(metric, y_true, y_pred);
        let thresholds = self.thresholds();
        if let Err(error) = self.check(metric, &y_pred) {
            let stand_in = y_pred.fail(error, [thresholds.len()], Site::caller());
            return std::array::from_fn(|_| stand_in.clone());
        }
        let y_pred = match self.top_k {
            Some(k) => {
                let chosen = y_pred.top_k(k).1.one_hot(y_pred.features()).sum_axes([-2]);
                chosen.greater(0.0).where_(&y_pred, f64::NEG_INFINITY)
            }
            None => y_pred,
        };
        let (y_true, y_pred) = of_class(metric, y_true, y_pred, self.class_id);
        let row = |x: &Tensor| x.reshape([1, x.shape().len()]);
        let weights = weight.map_or_else(
            || row(&y_pred).ones_like(),
            |weight| row(&spread_weights(weight, &y_pred)),
        );

        let site = Site::caller();
        let limits = y_pred.trace().constant(Array::from(thresholds).cast(y_pred.dtype()), site);
        let chosen = row(&y_pred).greater(limits.expand_dims(-1));
        let holds = row(&y_true).not_equal(0);
        outcomes.map(|outcome| {
            let counted = match outcome {
                Outcome::TruePositive => &holds & &chosen,
                Outcome::TrueNegative => !(&holds | &chosen),
                Outcome::FalsePositive => !&holds & &chosen,
                Outcome::FalseNegative => &holds & !&chosen,
            };
            counted.where_(&weights, 0.0).sum_axes([-1])
        })
    }
}

/// The number of a single threshold without its axis.
fn one_or_all(result: Tensor) -> Tensor {
    if result.shape().len() == 1 { result.reshape(()) } else { result }
}

macro_rules! counting_metric {
    ($(#[$doc:meta])* $Metric:ident [$name:literal] {$($options:tt)*}, |$self:ident| $rule:expr,
     [$($part:ident = $Outcome:ident),+], |$a:ident $(, $b:ident)?| $result:expr) => {
        metric! {
            $(#[$doc])*
            $Metric [$name] {
                /// The threshold above which predictions count as 1, or several, each with a result
                /// of its own; 0.5 unless set.
                thresholds: Option<Thresholds> => Thresholds = None,
                $($options)*
            };
            totals($self, name) => {
                let count = $self.rule().thresholds().len();
                Totals::of_shape(name, [$(stringify!($part)),+], [count])
            };
            update($self, y_true, y_pred, sample_weight, cx) => {
                let outcomes = [$(Outcome::$Outcome),+];
                let counts = $self.rule().count($name, y_true, y_pred, sample_weight, outcomes);
                $self.totals.add(counts, cx);
            };
            result(self, cx) => {
                let [$a $(, $b)?] = self.totals.read(cx);
                one_or_all($result)
            };
        }

        impl $Metric {
            fn rule(&$self) -> Rule<'_> {
                Rule { thresholds: $self.thresholds.as_ref(), ..$rule }
            }
        }
    };
}

/// Of all classes, and of all predictions by a threshold.
const ALL: Rule<'static> = Rule { thresholds: None, top_k: None, class_id: None };

counting_metric! {
    /// The number (or weight) of labels 1 that are predicted as 1.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = TruePositives::new().update_on(&[0, 1, 1, 1].into(), &[1, 0, 1, 1].into())?;
    /// assert_eq!(value.item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    TruePositives ["true_positives"] {}, |self| ALL, [accumulator = TruePositive], |count| count
}

counting_metric! {
    /// The number (or weight) of labels 0 that are predicted as 0.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = TrueNegatives::new().update_on(&[0, 1, 0, 0].into(), &[1, 1, 0, 0].into())?;
    /// assert_eq!(value.item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    TrueNegatives ["true_negatives"] {}, |self| ALL, [accumulator = TrueNegative], |count| count
}

counting_metric! {
    /// The number (or weight) of labels 0 that are predicted as 1.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = FalsePositives::new().update_on(&[0, 1, 0, 0].into(), &[0, 0, 1, 1].into())?;
    /// assert_eq!(value.item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    FalsePositives ["false_positives"] {}, |self| ALL, [accumulator = FalsePositive], |count| count
}

counting_metric! {
    /// The number (or weight) of labels 1 that are predicted as 0.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = FalseNegatives::new().update_on(&[0, 1, 1, 1].into(), &[0, 1, 0, 0].into())?;
    /// assert_eq!(value.item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    FalseNegatives ["false_negatives"] {}, |self| ALL, [accumulator = FalseNegative], |count| count
}

counting_metric! {
    /// The share of what was predicted as 1 that is 1: `tp / (tp + fp)`, 0 if nothing was.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let precision = Precision::new();
    /// let first = precision
    ///     .update_on(&[0, 1, 1, 1, 0, 1, 0, 1].into(), &[1, 1, 0, 1, 0, 1, 0, 1].into())?;
    /// assert_eq!(first, Array::scalar(0.8_f32));
    /// let both = precision
    ///     .update_on(&[0, 1, 0, 0, 1, 0, 1, 1].into(), &[1, 0, 1, 1, 0, 0, 0, 0].into())?;
    /// assert_eq!(both, Array::scalar(0.5_f32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Precision ["precision"] {
        /// Counts as 1 the `k` largest predictions of each row, those of them above the threshold
        /// if one is set.
        top_k: Option<usize> as usize = None,
        /// Looks at one class of several: a position on the last axis.
        class_id: Option<usize> as usize = None,
    },
    |self| Rule { top_k: self.top_k, class_id: self.class_id, ..ALL },
    [true_positives = TruePositive, false_positives = FalsePositive],
    |hits, wrong| hits.divide_no_nan(&hits + wrong)
}

counting_metric! {
    /// The share of what is 1 that was predicted as 1: `tp / (tp + fn)`, 0 if nothing is.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = Recall::new().update_on(&[0, 1, 1, 1].into(), &[1, 0, 1, 1].into())?;
    /// assert_eq!(value, Array::scalar(2.0_f32 / 3.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Recall ["recall"] {
        /// Counts as 1 the `k` largest predictions of each row, those of them above the threshold
        /// if one is set.
        top_k: Option<usize> as usize = None,
        /// Looks at one class of several: a position on the last axis.
        class_id: Option<usize> as usize = None,
    },
    |self| Rule { top_k: self.top_k, class_id: self.class_id, ..ALL },
    [true_positives = TruePositive, false_negatives = FalseNegative],
    |hits, missed| hits.divide_no_nan(&hits + missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn weights_count_instead_of_samples() {
        let metric = TruePositives::new();
        metric
            .update_weighted_on(&[1, 1].into(), &[0.9_f32, 0.8].into(), &[0.5_f32, 0.25].into())
            .unwrap();
        assert_eq!(metric.value().unwrap().item().unwrap(), 0.75);
    }

    #[test]
    fn the_top_of_each_row_counts_and_ties_go_to_the_first() {
        let y_pred = [[0.3_f32, 0.3, 0.1]].into();
        let hits = |y_true: Array| {
            Precision::new().top_k(1).update_on(&y_true, &y_pred).unwrap().item().unwrap()
        };
        assert_eq!(hits([[1, 0, 0]].into()), 1.0);
        assert_eq!(hits([[0, 1, 0]].into()), 0.0);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_at_the_first_update() {
        let (y_true, y_pred) = ([[1, 0]].into(), [[0.9_f32, 0.1]].into());
        let message = |metric: Precision| {
            metric.update_on(&y_true, &y_pred).unwrap_err().message().to_string()
        };
        assert_eq!(message(Precision::new().thresholds(1.5)), "`precision` has the threshold 1.5");
        assert_eq!(
            message(Precision::new().class_id(2)),
            "`precision` looks at class 2 of predictions [1, 2]"
        );
        assert_eq!(
            message(Precision::new().top_k(3)),
            "`precision` looks at the top 3 of predictions [1, 2]"
        );
    }
}
