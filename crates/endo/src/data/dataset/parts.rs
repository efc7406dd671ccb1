//! Parts of a data set: rows of a range, samples by their indices, in random order, and the two
//! parts of a split.
//!
//! In: a [`Dataset`], and which samples are wanted. Out: a data set of them, which has copies of
//! their numbers; or the error for samples that are not there.

use std::ops::Range;

use super::super::checks::{check_fraction, check_split};
use super::Dataset;
use crate::error::{Error, Result};
use crate::random::Random;

impl Dataset {
    /// The samples of a range.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// assert_eq!(data.rows(1..3)?, Dataset::new([[2], [3]], [2, 3])?);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn rows(&self, range: Range<usize>) -> Result<Self> {
        if range.is_empty() || range.end > self.len() {
            let message = format!("rows {range:?} of a dataset of {} samples", self.len());
            let help = "give a range of at least one row that ends within the dataset";
            return Err(Error::argument(message, help));
        }
        Ok(self.map(|array| array.rows(range.clone())))
    }

    /// The samples with the given indices, in their order; an index may come more than once.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// assert_eq!(data.take(&[2, 0])?, Dataset::new([[3], [1]], [3, 1])?);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn take(&self, indices: &[usize]) -> Result<Self> {
        self.check_indices(indices)?;
        Ok(self.map(|array| array.take(indices)))
    }

    /// One of `count` parts of the samples: those at `index`, `index + count`, and so on, as
    /// tf.data's `shard` takes them. Every sample is in one part, and parts differ by one sample at
    /// most.
    ///
    /// It is for what each process does with data of its own, such as predictions that it writes
    /// down itself. A training on several ranks takes all of the data on every rank: the model that
    /// is [distributed](crate::model::Model::distribute) cuts each batch itself.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// assert_eq!(data.shard(2, 0)?, Dataset::inputs_only([1, 3, 5])?);
    /// assert_eq!(data.shard(2, 1)?, Dataset::inputs_only([2, 4])?);
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such part, or it has no sample.
    pub fn shard(&self, count: usize, index: usize) -> Result<Self> {
        if index >= count {
            let message = format!("there is no part {index} of {count} parts of a dataset");
            return Err(Error::argument(message, "count the parts from 0: `data.shard(2, 1)`"));
        }
        let indices: Vec<usize> = (index..self.len()).step_by(count).collect();
        if indices.is_empty() {
            let message = format!(
                "part {index} of {count} parts of a dataset of {} samples has none",
                self.len()
            );
            return Err(Error::argument(message, "take fewer parts"));
        }
        self.take(&indices)
    }

    /// The samples in random order, a function of the seed.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// assert_eq!(data.shuffled(42), data.shuffled(42));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        // Its own stream of the seed: not the order of any epoch of `Order::shuffle`.
        const STREAM: u64 = u64::MAX;
        let order = Random::new(seed, STREAM).permutation(self.len());
        self.map(|array| array.take(&order))
    }

    /// The samples, shuffled by seed, in two parts: the rest, and the nearest whole number of
    /// samples to `fraction`.
    /// Fails when the fraction is not between 0 and 1, or when a part would be empty.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// let (train, test) = data.split(0.2, 42)?;
    /// assert_eq!((train.len(), test.len()), (4, 1));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        check_fraction(fraction)?;
        let part = (self.len() as f64 * fraction).round() as usize;
        self.shuffled(seed).cut(self.len() - part, fraction)
    }

    /// The samples, as they lie, in two parts: the first ones, and the last `fraction` of them. As
    /// Keras's `validation_split`, which cuts after `floor(samples * (1 - fraction))`.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// let (train, valid) = data.split_last(0.3)?;
    /// assert_eq!((train.len(), valid.inputs()), (3, &[4, 5].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn split_last(&self, fraction: f64) -> Result<(Self, Self)> {
        check_fraction(fraction)?;
        let first = (self.len() as f64 * (1.0 - fraction)).floor() as usize;
        self.cut(first, fraction)
    }

    fn cut(&self, first: usize, fraction: f64) -> Result<(Self, Self)> {
        check_split("samples", first, self.len(), fraction)?;
        Ok((self.rows(0..first)?, self.rows(first..self.len())?))
    }

    pub(super) fn check_indices(&self, indices: &[usize]) -> Result<()> {
        if let Some(index) = indices.iter().find(|&&index| index >= self.len()) {
            let message =
                format!("there is no sample {index} in a dataset of {} samples", self.len());
            return Err(Error::argument(message, "indices count from 0"));
        }
        if indices.is_empty() {
            let message = "no indices were given: a dataset has at least one sample";
            return Err(Error::argument(message, "give at least one index"));
        }
        Ok(())
    }
}
