//! Weights by class: how rare classes are made to count.
//!
//! In: targets that are classes, and a weight for some of the classes. Out: one weight per sample.

use std::collections::BTreeMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};

use super::Dataset;

/// One weight per sample, `[samples]`, from a weight per class, as Keras's `class_weight`; classes
/// that are not listed weigh 1.
///
/// Targets are whole numbers of shape `[samples]` or `[samples, 1]`, or one-hot rows
/// `[samples, classes]`. Fails when a target is no class, when a weight is negative or not finite,
/// when a class is listed twice, and when a class is listed that is larger than every class among
/// the targets: a sign of counting from 1.
///
/// ```
/// use endo::{Array, data::class_weights};
/// let weights = class_weights(&Array::from([0, 1, 2, 1]), [(1, 0.5), (2, 4.0)])?;
/// assert_eq!(weights, Array::from([1.0_f32, 0.5, 4.0, 0.5]));
/// # Ok::<(), endo::Error>(())
/// ```
pub fn class_weights(
    targets: &Array,
    weights: impl IntoIterator<Item = (usize, f64)>,
) -> Result<Array> {
    weights_of(targets, weights, true)
}

/// The same; of a part of the data, which need not have all classes, without the last of these
/// failures.
fn weights_of(
    targets: &Array,
    weights: impl IntoIterator<Item = (usize, f64)>,
    is_whole: bool,
) -> Result<Array> {
    let (classes, count) = classes_of(targets)?;
    let mut weight_of = BTreeMap::new();
    for (class, weight) in weights {
        if !weight.is_finite() || weight < 0.0 {
            let help = "weights are finite and not negative";
            return Err(Error::argument(format!("the weight of class {class} is {weight}"), help));
        }
        if is_whole && class >= count {
            let message = format!(
                "class {class} has a weight, but the targets' classes go from 0 to {}",
                count - 1
            );
            return Err(Error::argument(message, "classes count from 0"));
        }
        if weight_of.insert(class, weight as f32).is_some() {
            let help = "list each class once";
            return Err(Error::argument(format!("class {class} has two weights"), help));
        }
    }
    Ok(classes
        .iter()
        .map(|class| weight_of.get(class).copied().unwrap_or(1.0))
        .collect::<Vec<f32>>()
        .into())
}

impl Dataset {
    /// Sample weights by class, as in Keras's `fit(class_weight=...)`: see [`class_weights`].
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data =
    ///     Dataset::new([[1.0_f32], [2.0], [3.0]], [0, 1, 1])?.with_class_weight([(0, 2.0)])?;
    /// assert_eq!(data.sample_weight(), Some(&[2.0_f32, 1.0, 1.0].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn with_class_weight(
        self,
        weights: impl IntoIterator<Item = (usize, f64)>,
    ) -> Result<Self> {
        self.require_no_weights()?;
        self.require_one_target()?;
        let weight = class_weights(self.require_targets()?, weights)?;
        self.with_sample_weight(weight)
    }

    /// Sample weights by class of a batch, in which not all classes that have a weight need be.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let batch = Dataset::new([[1.0_f32], [2.0]], [0, 1])?;
    /// let batch = batch.with_class_weight_of_batch([(0, 2.0), (7, 3.0)])?;
    /// assert_eq!(batch.sample_weight(), Some(&[2.0_f32, 1.0].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`with_class_weight`](Self::with_class_weight).
    pub fn with_class_weight_of_batch(
        self,
        weights: impl IntoIterator<Item = (usize, f64)>,
    ) -> Result<Self> {
        self.require_one_target()?;
        self.with_class_weights_at(&[(0, weights.into_iter().collect())], false)
    }

    /// The same with weights by class for the targets at some places, where the others weigh 1.
    /// Of a part of the data, not all classes need be there.
    pub(crate) fn with_class_weights_at(
        &self,
        weights: &[(usize, Vec<(usize, f64)>)],
        is_whole: bool,
    ) -> Result<Self> {
        self.require_no_weights()?;
        self.require_targets()?;
        let ones = Array::full(self.len(), 1.0, DType::F32);
        let mut all = vec![ones; self.targets.len()];
        for (place, weights) in weights {
            all[*place] = weights_of(&self.targets[*place], weights.iter().copied(), is_whole)?;
        }
        Ok(Self { sample_weights: all, ..self.clone() })
    }

    fn require_one_target(&self) -> Result<()> {
        if self.targets.len() > 1 {
            let message = format!(
                "class weights are for one output, and the data has targets for {}",
                self.targets.len()
            );
            let help = "give `Fit::output_class_weight` the output that they are for, or give \
                sample weights: `with_sample_weight((w1, w2))`";
            return Err(Error::usage(message, help));
        }
        Ok(())
    }

    fn require_no_weights(&self) -> Result<()> {
        if self.sample_weights.is_empty() {
            return Ok(());
        }
        let message = "the dataset has sample weights already: class weights would replace them";
        let help = "give one of the two, or multiply them and give the product as sample weights";
        Err(Error::usage(message, help))
    }
}

/// The class of each sample, and how many classes there are.
fn classes_of(targets: &Array) -> Result<(Vec<usize>, usize)> {
    let (samples, width) = match *targets.shape().sizes() {
        [samples] | [samples, 1] if samples > 0 => (samples, 1),
        [samples, width] if samples > 0 && width > 1 => (samples, width),
        _ => {
            let message = format!(
                "class weights need targets of shape [samples] or [samples, classes], got {}",
                targets.shape()
            );
            return Err(Error::shape(message, "give sample weights instead"));
        }
    };
    let class = |row| {
        if width == 1 { class_at(targets, row) } else { hot_of(targets, row, width) }
    };
    let classes = (0..samples).map(class).collect::<Result<Vec<_>>>()?;
    let count = classes.iter().max().map_or(0, |largest| largest + 1);
    Ok((classes, if width == 1 { count } else { width }))
}

fn class_at(targets: &Array, row: usize) -> Result<usize> {
    let class = targets.get(row);
    if class < 0.0 || class.fract() != 0.0 || class > f64::from(i32::MAX) {
        let message =
            format!("the target of row {row} (counted from 0) is {class}, which is no class");
        return Err(Error::data(message, "classes are whole numbers from 0 on"));
    }
    Ok(class as usize)
}

fn hot_of(targets: &Array, row: usize, width: usize) -> Result<usize> {
    let hot: Vec<usize> =
        (0..width).filter(|column| targets.get(row * width + column) != 0.0).collect();
    match hot[..] {
        [class] if targets.get(row * width + class) == 1.0 => Ok(class),
        _ => {
            let message = format!(
                "the targets of row {row} (counted from 0) are not one 1 among zeros, so the row \
                    has no class"
            );
            let help = "give one-hot targets, whole-number classes, or sample weights";
            Err(Error::data(message, help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_come_from_columns_and_one_hot_rows_alike() {
        let expected = Array::from([3.0_f32, 1.0]);
        assert_eq!(class_weights(&Array::from([[1.0_f32], [0.0]]), [(1, 3.0)]).unwrap(), expected);
        assert_eq!(class_weights(&Array::from([[0, 1], [1, 0]]), [(1, 3.0)]).unwrap(), expected);
    }

    #[test]
    fn classes_out_of_range_are_refused() {
        let error = class_weights(&Array::from([0, 1, 2]), [(1, 1.0), (3, 2.0)]).unwrap_err();
        error.says("class 3 has a weight, but the targets' classes go from 0 to 2");
        let error = class_weights(&Array::from([0, -1]), [(0, 1.0)]).unwrap_err();
        error.says("row 1 (counted from 0) is -1");
        assert!(class_weights(&Array::from([0.5_f32]), [(0, 1.0)]).is_err());
        class_weights(&Array::from([[1, 1]]), [(0, 1.0)])
            .unwrap_err()
            .says("not one 1 among zeros");
    }

    #[test]
    fn weights_that_make_no_sense_are_refused() {
        let targets = Array::from([0, 1]);
        class_weights(&targets, [(0, -1.0)]).unwrap_err().says("class 0 is -1");
        class_weights(&targets, [(0, 1.0), (0, 2.0)]).unwrap_err().says("two weights");
    }
}
