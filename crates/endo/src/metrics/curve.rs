//! Labels counted by their predictions, so that right and wrong predictions are known at every
//! threshold at once.
//!
//! In: labels 0/1 and predictions. Out: for each of many thresholds the true and false positives
//! and negatives. Kept are not these but how many labels lie between neighbouring thresholds, which
//! costs one addition per prediction.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::site::Site;
use crate::trace::Context;

use super::totals::Totals;
use super::weights_or_ones;

/// The thresholds that predictions are compared with.
#[derive(Clone, Debug)]
pub(super) enum Scale {
    /// `i / (count - 1)` for `i < count`; with `open_ends` the first is a little below 0 and the
    /// last a little above 1.
    Even { count: usize, open_ends: bool },
    /// These, in ascending order.
    Listed(Vec<f64>),
}

/// The weight of each outcome at each threshold: `[columns, thresholds]`.
pub(super) struct Counts {
    pub true_positives: Tensor,
    pub true_negatives: Tensor,
    pub false_positives: Tensor,
    pub false_negatives: Tensor,
}

impl Scale {
    pub fn len(&self) -> usize {
        match self {
            Scale::Even { count, .. } => *count,
            Scale::Listed(thresholds) => thresholds.len(),
        }
    }

    /// How many of the thresholds each prediction is above.
    #[track_caller]
    fn passed(&self, y_pred: &Tensor) -> Tensor {
        match self {
            Scale::Even { count, open_ends } => {
                let steps = (y_pred.clip(0.0, 1.0) * (*count as f64 - 1.0)).ceil();
                if *open_ends { steps.maximum(1.0) } else { steps }.cast(DType::I32)
            }
            Scale::Listed(thresholds) => {
                y_pred.expand_dims(-1).greater(Array::from(thresholds.clone())).sum_axes([-1])
            }
        }
    }

    /// How many labels of each kind lie between neighbouring thresholds, nothing yet, for a number
    /// of columns of labels that are counted apart (`None`: as many as there are).
    pub fn totals(&self, name: String, columns: Option<usize>) -> Totals {
        let parts = ["true_labels", "false_labels"];
        match columns {
            Some(columns) => Totals::of_shape(name, parts, [columns, self.len().saturating_add(1)]),
            None => Totals::of_first(name, parts),
        }
    }
}

/// Labels counted between neighbouring thresholds.
pub(super) struct Tally<'a> {
    pub scale: Scale,
    pub totals: &'a Totals,
}

impl Tally<'_> {
    /// Counts labels; `apart` says that those of each column (the last axis) are counted apart.
    #[track_caller]
    pub fn add(
        &self,
        y_true: &Tensor,
        y_pred: &Tensor,
        weight: Option<&Tensor>,
        apart: bool,
        cx: &mut Context,
    ) {
        let bins = self.scale.len().saturating_add(1);
        let columns = if apart { y_pred.features() } else { 1 };
        if i32::try_from(bins.saturating_mul(columns)).is_err() {
            let name = self.totals.name();
            let message = format!(
                "`{name}` has {} thresholds for {columns} columns of labels",
                self.scale.len()
            );
            let error = Error::argument(message, "a few hundred thresholds are enough");
            return cx.trace().record(error.at(Site::caller()));
        }
        let first =
            cx.trace().constant_from_fn([columns], |column| (column * bins) as i32, Site::caller());
        let flat = |x: Tensor| x.reshape([y_pred.shape().len()]);
        let bin = flat(self.scale.passed(y_pred) + first);
        let weight = weights_or_ones(weight, y_pred);
        let holds = y_true.not_equal(0);
        let count = |x: Tensor| flat(x).segment_sum(&bin, columns * bins).reshape([columns, bins]);
        self.totals.add([count(holds.where_(&weight, 0.0)), count(holds.where_(0.0, &weight))], cx);
    }

    /// The outcomes at each threshold, if the number of columns is known.
    #[track_caller]
    pub fn counts(&self, cx: &mut Context) -> Option<Counts> {
        let [holds, fails] = self.totals.get(cx)?;
        let count = self.scale.len();
        let above = |bins: &Tensor| bins.flip(-1).cumsum(-1).flip(-1).slice(-1, 1..);
        let below = |bins: &Tensor| bins.cumsum(-1).slice(-1, ..count);
        Some(Counts {
            true_positives: above(&holds),
            true_negatives: below(&fails),
            false_positives: above(&fails),
            false_negatives: below(&holds),
        })
    }
}

impl Counts {
    /// `tp / (tp + fp)`, 0 where nothing was predicted as 1.
    pub fn precision(&self) -> Tensor {
        ratio(&self.true_positives, &self.false_positives)
    }

    /// `tp / (tp + fn)`, 0 where nothing is 1: also called sensitivity.
    pub fn recall(&self) -> Tensor {
        ratio(&self.true_positives, &self.false_negatives)
    }

    /// `tn / (tn + fp)`, 0 where nothing is 0.
    pub fn specificity(&self) -> Tensor {
        ratio(&self.true_negatives, &self.false_positives)
    }

    /// `fp / (fp + tn)`, 0 where nothing is 0.
    pub fn false_positive_rate(&self) -> Tensor {
        ratio(&self.false_positives, &self.true_negatives)
    }
}

fn ratio(part: &Tensor, rest: &Tensor) -> Tensor {
    part.divide_no_nan(part + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::evaluate_now;

    #[test]
    fn a_prediction_on_a_threshold_is_not_above_it() {
        let passed = |scale: Scale| {
            let y_pred = Array::from([0.0_f32, 0.25, 0.5, 1.0, 1.5]);
            evaluate_now(|cx| scale.passed(&cx.constant(y_pred.clone()))).unwrap().to_vec::<i32>()
        };
        assert_eq!(passed(Scale::Even { count: 3, open_ends: false }), [0, 1, 1, 2, 2]);
        assert_eq!(passed(Scale::Even { count: 3, open_ends: true }), [1, 1, 1, 2, 2]);
        assert_eq!(passed(Scale::Listed(vec![0.0, 0.5, 1.0])), [0, 1, 1, 2, 3]);
    }

    #[test]
    fn outcomes_add_up_to_the_labels_at_every_threshold() {
        let scale = Scale::Even { count: 3, open_ends: true };
        let tally = Tally { totals: &scale.totals("tally".to_string(), Some(1)), scale };
        let outcomes = evaluate_now(|cx| {
            let (y_true, y_pred) =
                (cx.constant([0, 0, 1, 1]), cx.constant([0.0_f32, 0.5, 0.3, 0.9]));
            tally.add(&y_true, &y_pred, None, false, cx);
            let Counts { true_positives, false_positives, false_negatives, true_negatives } =
                tally.counts(cx).unwrap();
            Tensor::concatenate(
                &[true_positives, false_positives, false_negatives, true_negatives],
                -1,
            )
        });
        assert_eq!(outcomes.unwrap().to_vec::<i32>(), [2, 1, 0, 2, 0, 0, 0, 1, 2, 0, 2, 2]);
    }
}
