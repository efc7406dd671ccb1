//! How the values of a loss become one number, with sample weights and masks.
//!
//! In: values `[batch]` or `[batch, t..]`, weights and masks that match their leading axes. Out: a
//! scalar, or the weighted values.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::words;
use crate::site::Site;
use crate::trace::Context;

words! {
    /// How the values of a loss become one number. Names as Keras's.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[values, weights], _cx| {
    ///     [Reduction::SumOverBatchSize, Reduction::MeanWithSampleWeight]
    ///         .map(|how| how.apply(&values, Some(&weights), None))
    /// });
    /// let [per_sample, per_weight] = f.run([&[1.0_f32, 4.0].into(), &[3.0_f32, 1.0].into()])?;
    /// assert_eq!((per_sample.item()?, per_weight.item()?), (3.5, 1.75));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Default)]
    Reduction, "`sum_over_batch_size`, `mean`, `mean_with_sample_weight`, `sum` or `none`" {
        /// The weighted sum divided by the number of values: `sum(w * l) / n`.
        #[default]
        SumOverBatchSize = "sum_over_batch_size",
        /// The same: Keras's other name for it.
        Mean = "mean",
        /// The weighted sum divided by the sum of the weights: `sum(w * l) / sum(w)`.
        MeanWithSampleWeight = "mean_with_sample_weight",
        /// The weighted sum: `sum(w * l)`.
        Sum = "sum",
        /// The weighted values, not reduced: `w * l`.
        None = "none",
    }
}

impl Reduction {
    /// Applies weights and a mask, and reduces. Both are `[batch]` or `[batch, 1]`, one for each
    /// sample whatever follows, or match further axes of the values too. Values that the mask
    /// leaves out are 0, and not counted by a mean: it divides by the number, or the weights, of
    /// the others. Those of weight 0 are 0, even if they are NaN.
    #[track_caller]
    pub fn apply(
        self,
        values: &Tensor,
        sample_weight: Option<&Tensor>,
        mask: Option<&Tensor>,
    ) -> Tensor {
        self.apply_in(values, sample_weight, mask, None)
    }

    /// The same in a context, where the values may be those of a shard: sums, and what they are
    /// divided by, are then those over the whole batch.
    #[track_caller]
    pub(crate) fn apply_in(
        self,
        values: &Tensor,
        sample_weight: Option<&Tensor>,
        mask: Option<&Tensor>,
        mut cx: Option<&mut Context>,
    ) -> Tensor {
        let site = Site::caller();
        let given = sample_weight.map(|weight| weight.convert(values.dtype(), site));
        let weight = given.as_ref().map(|weight| spread("sample weights", weight, values, site));
        let mask = mask.map(|mask| spread("a mask", mask, values, site));
        let kept = |x: &Tensor| mask.as_ref().map_or_else(|| x.clone(), |mask| mask.where_(x, 0.0));
        let weighted = match &weight {
            // Chosen before they are multiplied: 0 times NaN is NaN, in values and in slopes.
            Some(weight) => kept(&weight.not_equal(0.0).where_(values, 0.0)) * kept(weight),
            None => kept(values),
        };
        let valid = || mask.as_ref().map(|mask| mask.convert(values.dtype(), site).sum());
        let divisor = match (self, given, weight, &mask) {
            (Self::None, ..) => return weighted,
            (Self::Sum, ..) => {
                let sum = weighted.sum();
                return cx.map_or(sum.clone(), |cx| cx.over_shards(sum));
            }
            (Self::MeanWithSampleWeight, Some(given), _, None) => Some(given.sum()),
            (Self::MeanWithSampleWeight, _, Some(weight), Some(_)) => Some(kept(&weight).sum()),
            (Self::SumOverBatchSize | Self::Mean | Self::MeanWithSampleWeight, ..) => valid(),
        };
        match (divisor, &mut cx) {
            (None, _) => weighted.mean(),
            (Some(divisor), None) => weighted.sum().divide_no_nan(divisor),
            (Some(divisor), Some(cx)) => weighted.sum().divide_no_nan(cx.divisor(divisor)),
        }
    }
}

/// Weights in the shape of the values: they match the leading axes, and a last axis of size 1
/// stands for none.
#[track_caller]
pub(crate) fn spread_weights(weight: &Tensor, values: &Tensor) -> Tensor {
    let site = Site::caller();
    let weight = weight.convert(values.dtype().promote(DType::F32), site);
    spread("sample weights", &weight, values, site)
}

fn spread(what: &str, weight: &Tensor, values: &Tensor, site: Site) -> Tensor {
    let leading = if weight.rank() > 1 && weight.features() == 1 {
        weight.squeeze(-1)
    } else {
        weight.clone()
    };
    let fits = leading.rank() <= values.rank()
        && leading.shape().sizes() == &values.shape()[..leading.rank()];
    if !fits {
        let message = format!(
            "{what} of shape {} for loss values of shape {}",
            weight.shape(),
            values.shape()
        );
        let help = match values.rank() {
            0 => {
                "this loss has one value for the whole batch: predictions `[batch]` lack a last \
                    axis, regions an `axis`"
            }
            _ => "give one weight per sample: an array `[batch]` or `[batch, 1]`",
        };
        return weight.fail(Error::shape(message, help), values.shape(), site);
    }
    leading.with_rank(values.rank()).broadcast_to(values.shape())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::error::Result;
    use crate::trace::Function;

    const ALL: [Reduction; 5] = [
        Reduction::None,
        Reduction::Sum,
        Reduction::Mean,
        Reduction::SumOverBatchSize,
        Reduction::MeanWithSampleWeight,
    ];

    fn reduced(
        reduction: Reduction,
        values: impl Into<Array>,
        weights: impl Into<Array>,
        mask: Option<Array>,
    ) -> Result<Vec<f64>> {
        let masked = mask.is_some();
        let apply = |[values, weights, mask]: [Tensor; 3], _: &mut Context| {
            [reduction.apply(&values, Some(&weights), masked.then_some(&mask))]
        };
        let mut f = Function::new(apply);
        f.run([&values.into(), &weights.into(), &mask.unwrap_or(Array::scalar(true))])
            .map(|[value]| value.to_vec())
    }

    #[test]
    fn means_divide_by_values_or_weights() {
        let results =
            ALL.map(|reduction| reduced(reduction, [1.0_f32, 3.0], [0.5_f32, 1.5], None).unwrap());
        assert_eq!(results, [vec![0.5, 4.5], vec![5.0], vec![2.5], vec![2.5], vec![2.5]]);
        assert_eq!(
            reduced(Reduction::MeanWithSampleWeight, [1.0_f32], [0.0_f32], None).unwrap(),
            [0.0]
        );
    }

    #[test]
    fn masked_values_are_not_counted_even_if_nan() {
        let mask = Array::from([true, false, true]);
        let results = ALL.map(|reduction| {
            reduced(reduction, [1.0_f32, f32::NAN, 3.0], [0.5_f32, 9.0, 1.5], Some(mask.clone()))
                .unwrap()
        });
        assert_eq!(results, [vec![0.5, 0.0, 4.5], vec![5.0], vec![2.5], vec![2.5], vec![2.5]]);
        assert_eq!(
            reduced(Reduction::Mean, [1.0_f32], [1.0_f32], Some([false].into())).unwrap(),
            [0.0]
        );
    }

    #[test]
    fn values_of_weight_0_are_0_even_if_nan() {
        let results = ALL.map(|reduction| {
            reduced(reduction, [1.0_f32, f32::NAN, 3.0], [0.5_f32, 0.0, 1.5], None).unwrap()
        });
        let third = f64::from(5.0_f32 / 3.0);
        assert_eq!(results, [vec![0.5, 0.0, 4.5], vec![5.0], vec![third], vec![third], vec![2.5]]);
    }

    #[test]
    fn weights_per_sample_hold_for_all_that_follows() {
        let values = [[1.0_f32, 2.0], [3.0, 4.0]];
        assert_eq!(
            reduced(Reduction::None, values, [1.0_f32, 10.0], None).unwrap(),
            [1.0, 2.0, 30.0, 40.0]
        );
        assert_eq!(
            reduced(Reduction::None, values, [[1.0_f32], [10.0]], None).unwrap(),
            [1.0, 2.0, 30.0, 40.0]
        );
        assert_eq!(
            reduced(Reduction::None, [1.0_f32, 2.0], [[1.0_f32], [10.0]], None).unwrap(),
            [1.0, 20.0]
        );
    }

    #[test]
    fn weights_that_match_no_axis_are_refused() {
        let error = reduced(Reduction::Mean, [[1.0_f32, 2.0]], [1.0_f32, 2.0], None).unwrap_err();
        error.reads("sample weights of shape [2] for loss values of shape [1, 2]");
        let error = reduced(Reduction::Mean, 1.0_f32, [1.0_f32, 2.0], None).unwrap_err();
        error.advises("one value for the whole batch");
    }
}
