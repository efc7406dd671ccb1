//! Counts of right and wrong predictions of labels 0/1, at one threshold or several, and the ratios of them.
//!
//! In: labels 0/1 and predictions. Out: one number, or one for each threshold.

use crate::array::Array;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::losses::reduction::spread_weights;
use crate::named::Hyperparameters;
use crate::trace::Context;

use super::totals::Totals;
use super::{Metric, of_class, paired};

/// One threshold, or several, each with a result of its own. A prediction above it counts as 1.
///
/// ```
/// use endo::prelude::*;
/// let (y_true, y_pred) = (Array::from([0, 1, 1]), Array::from([0.3_f32, 0.6, 0.9]));
/// assert_eq!(Recall::new().thresholds(0.7).update_on(&y_true, &y_pred)?.item()?, 0.5);
/// assert_eq!(Recall::new().thresholds([0.2, 0.7]).update_on(&y_true, &y_pred)?, Array::from([1.0_f32, 0.5]));
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

/// Which predictions are looked at, and from where on they count as 1.
#[derive(Clone, Debug)]
struct Rule {
    thresholds: Option<Thresholds>,
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

impl Rule {
    const NEW: Rule = Rule { thresholds: None, top_k: None, class_id: None };

    /// The options that are set.
    fn hyperparameters(&self) -> Hyperparameters {
        let mut set = Hyperparameters::new();
        if let Some(thresholds) = &self.thresholds {
            set = set.with("thresholds", thresholds.clone());
        }
        for (name, option) in [("top_k", self.top_k), ("class_id", self.class_id)] {
            set = option.into_iter().fold(set, |set, value| set.with(name, value));
        }
        set
    }

    fn thresholds(&self) -> Vec<f64> {
        match (&self.thresholds, self.top_k) {
            (Some(Thresholds(thresholds)), _) => thresholds.clone(),
            // Those that are not among the top are below every threshold.
            (None, Some(_)) => vec![f64::NEG_INFINITY],
            (None, None) => vec![0.5],
        }
    }

    fn check(&self, metric: &str, y_pred: &Tensor) -> Result<(), Error> {
        let thresholds = self.thresholds.iter().flat_map(|Thresholds(thresholds)| thresholds);
        if let Some(threshold) = thresholds.clone().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            let message = format!("`{metric}` has the threshold {threshold}");
            return Err(Error::new(ErrorKind::Argument, message).help("thresholds are between 0 and 1"));
        }
        if let Some(k) = self.top_k.filter(|&k| k > y_pred.features()) {
            let message = format!("`{metric}` looks at the top {k} of predictions {}", y_pred.shape());
            return Err(Error::new(ErrorKind::Argument, message).help("`top_k` is at most the size of the last axis"));
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
            let stand_in = y_pred.fail(error, [thresholds.len()], std::panic::Location::caller());
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
        let weights = weight.map(|weight| row(&spread_weights(&weight.cast(y_pred.dtype()), &y_pred)));
        let weights = weights.unwrap_or_else(|| row(&y_pred).ones_like());

        let site = std::panic::Location::caller();
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
    ($(#[$doc:meta])* $Metric:ident = $name:literal, [$($part:ident = $Outcome:ident),+],
     |$a:ident $(, $b:ident)?| $result:expr $(, $($option:ident: $meaning:literal),+)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Metric {
            totals: Totals,
            rule: Rule,
        }

        impl $Metric {
            #[doc = concat!("A metric named `", $name, "`.")]
            pub fn new() -> Self {
                Self { totals: Totals::of_shape($name, [$(stringify!($part)),+], [1]), rule: Rule::NEW }
            }

            /// The threshold above which predictions count as 1, or several, each with a result of its own; 0.5 unless set.
            #[must_use]
            pub fn thresholds(mut self, thresholds: impl Into<Thresholds>) -> Self {
                self.rule.thresholds = Some(thresholds.into());
                self.totals.resize(Some([self.rule.thresholds().len()].into()));
                self
            }

            $($(
                #[doc = $meaning]
                #[must_use]
                pub fn $option(mut self, $option: usize) -> Self {
                    self.rule.$option = Some($option);
                    self
                }
            )+)?

            /// The same metric under another name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.totals.rename(name);
                self
            }
        }

        impl Default for $Metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Metric for $Metric {
            fn totals(&self) -> Option<&Totals> {
                Some(&self.totals)
            }

            fn hyperparameters(&self) -> Hyperparameters {
                self.rule.hyperparameters()
            }

            #[track_caller]
            fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
                self.report(cx);
                let counts = self.rule.count($name, y_true, y_pred, sample_weight, [$(Outcome::$Outcome),+]);
                self.totals.add(counts, cx);
            }

            fn result(&self, cx: &mut Context) -> Tensor {
                match self.totals.get(cx) {
                    Some([$a $(, $b)?]) => one_or_all($result),
                    None => cx.constant(0.0_f32),
                }
            }
        }
    };
}

counting_metric! {
    /// The number (or weight) of labels 1 that are predicted as 1.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let value = TruePositives::new().update_on(&[0, 1, 1, 1].into(), &[1, 0, 1, 1].into())?;
    /// assert_eq!(value.item()?, 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    TruePositives = "true_positives", [accumulator = TruePositive], |count| count
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
    TrueNegatives = "true_negatives", [accumulator = TrueNegative], |count| count
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
    FalsePositives = "false_positives", [accumulator = FalsePositive], |count| count
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
    FalseNegatives = "false_negatives", [accumulator = FalseNegative], |count| count
}

counting_metric! {
    /// The share of what was predicted as 1 that is 1: `tp / (tp + fp)`, 0 if nothing was.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let precision = Precision::new();
    /// let first = precision.update_on(&[0, 1, 1, 1, 0, 1, 0, 1].into(), &[1, 1, 0, 1, 0, 1, 0, 1].into())?;
    /// assert_eq!(first, Array::scalar(0.8_f32));
    /// let both = precision.update_on(&[0, 1, 0, 0, 1, 0, 1, 1].into(), &[1, 0, 1, 1, 0, 0, 0, 0].into())?;
    /// assert_eq!(both, Array::scalar(0.5_f32));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Precision = "precision", [true_positives = TruePositive, false_positives = FalsePositive],
    |hits, wrong| hits.divide_no_nan(&hits + wrong),
    top_k: "Counts as 1 the `k` largest predictions of each row, those of them above the threshold if one is set.",
    class_id: "Looks at one class of several: a position on the last axis."
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
    Recall = "recall", [true_positives = TruePositive, false_negatives = FalseNegative],
    |hits, missed| hits.divide_no_nan(&hits + missed),
    top_k: "Counts as 1 the `k` largest predictions of each row, those of them above the threshold if one is set.",
    class_id: "Looks at one class of several: a position on the last axis."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count_instead_of_samples() {
        let metric = TruePositives::new();
        metric.update_weighted_on(&[1, 1].into(), &[0.9_f32, 0.8].into(), &[0.5_f32, 0.25].into()).unwrap();
        assert_eq!(metric.value().unwrap().item().unwrap(), 0.75);
    }

    #[test]
    fn the_top_of_each_row_counts_and_ties_go_to_the_first() {
        let y_pred = [[0.3_f32, 0.3, 0.1]].into();
        let hits = |y_true: Array| Precision::new().top_k(1).update_on(&y_true, &y_pred).unwrap().item().unwrap();
        assert_eq!(hits([[1, 0, 0]].into()), 1.0);
        assert_eq!(hits([[0, 1, 0]].into()), 0.0);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_at_the_first_update() {
        let (y_true, y_pred) = ([[1, 0]].into(), [[0.9_f32, 0.1]].into());
        let message = |metric: Precision| metric.update_on(&y_true, &y_pred).unwrap_err().message().to_string();
        assert_eq!(message(Precision::new().thresholds(1.5)), "`precision` has the threshold 1.5");
        assert_eq!(message(Precision::new().class_id(2)), "`precision` looks at class 2 of predictions [1, 2]");
        assert_eq!(message(Precision::new().top_k(3)), "`precision` looks at the top 3 of predictions [1, 2]");
    }
}
