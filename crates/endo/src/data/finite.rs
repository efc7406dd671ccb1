//! That all numbers of a data set are finite, but for those that do not count.
//!
//! In: a data set. Out: nothing, or an error that names the row and the column.

use crate::error::Result;

use super::checks::{check_finite, check_uncovered};
use super::dataset::Dataset;

impl Dataset {
    /// Fails when a number is not finite, but for targets that a weight of 0 covers, and for NaN in
    /// those at some places, which a mask of the model may cover.
    pub(crate) fn check_finite_but(&self, masked: &[usize]) -> Result<()> {
        self.inputs.iter().try_for_each(|array| check_finite("inputs", array))?;
        let weights = &self.sample_weights;
        for (place, targets) in self.targets.iter().enumerate() {
            let weight = if weights.len() > 1 { weights.get(place) } else { weights.first() };
            check_uncovered("targets", targets, weight, masked.contains(&place))?;
        }
        weights.iter().try_for_each(|array| check_finite("sample_weight", array))
    }
}
