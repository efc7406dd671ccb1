//! How the values of a loss become one number, with sample weights.
//!
//! In: values `[batch]` or `[batch, t..]`, weights that match their leading axes. Out: a scalar, or the weighted values.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;

/// How the values of a loss become one number. Names as Keras's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reduction {
    /// The weighted sum divided by the number of values.
    #[default]
    SumOverBatchSize,
    /// The same: Keras's other name for it.
    Mean,
    /// The weighted sum divided by the sum of the weights.
    MeanWithSampleWeight,
    /// The weighted sum.
    Sum,
    /// The weighted values, not reduced.
    None,
}

impl Reduction {
    /// Applies weights and reduces. Weights are `[batch]` or `[batch, 1]`, one for each sample whatever follows, or match
    /// further axes of the values too.
    #[track_caller]
    pub fn apply(self, values: &Tensor, sample_weight: Option<&Tensor>) -> Tensor {
        let site = Location::caller();
        let weighted = sample_weight.map(|weight| {
            let weight = weight.convert(values.dtype(), site);
            let spread = spread_weights(&weight, values);
            (values * &spread, weight)
        });
        let (weighted, weight) = match weighted {
            Some((weighted, weight)) => (weighted, Some(weight)),
            None => (values.clone(), None),
        };
        match (self, weight) {
            (Reduction::None, _) => weighted,
            (Reduction::Sum, _) => weighted.sum(),
            (Reduction::SumOverBatchSize | Reduction::Mean, _) | (Reduction::MeanWithSampleWeight, None) => weighted.mean(),
            (Reduction::MeanWithSampleWeight, Some(weight)) => weighted.sum().divide_no_nan(weight.sum()),
        }
    }
}

/// Weights in the shape of the values: they match the leading axes, and a last axis of size 1 stands for none.
#[track_caller]
pub(crate) fn spread_weights(weight: &Tensor, values: &Tensor) -> Tensor {
    let site = Location::caller();
    let leading = if weight.rank() > 1 && weight.features() == 1 { weight.squeeze(-1) } else { weight.clone() };
    let fits = leading.rank() <= values.rank() && leading.shape().sizes() == &values.shape()[..leading.rank()];
    if !fits {
        let message = format!("sample weights of shape {} for loss values of shape {}", weight.shape(), values.shape());
        let help = "give one weight per sample: an array `[batch]` or `[batch, 1]`";
        return values.fail(Error::new(ErrorKind::Shape, message).help(help), values.shape(), site);
    }
    let ones = std::iter::repeat_n(1, values.rank() - leading.rank());
    let aligned: Vec<usize> = leading.shape().iter().copied().chain(ones).collect();
    leading.reshape(aligned).broadcast_to(values.shape())
}
