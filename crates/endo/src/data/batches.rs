//! Samples a few at a time: the order of an epoch, and the batches cut from it.
//!
//! In: a number of samples, a batch size, a seed and the epoch. Out: [`Order`], whose indices are
//! shuffled in place, and [`Batches`], an iterator of arrays.

use crate::error::{Error, Result};
use crate::random::Random;

/// The order in which an epoch goes through the samples. One allocation serves all epochs.
///
/// ```
/// use endo::data::Order;
/// let mut order = Order::new(5);
/// assert_eq!(order.batches(2)?.last(), Some(&[4][..]));
/// order.shuffle(42, 0);
/// let first = order.clone();
/// order.shuffle(42, 1);
/// assert_ne!(order, first);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    indices: Vec<usize>,
}

impl Order {
    /// The samples as they lie: 0, 1, 2, ...
    pub fn new(samples: usize) -> Self {
        Self { indices: (0..samples).collect() }
    }

    /// Back to 0, 1, 2, ...
    pub fn reset(&mut self) {
        for (place, index) in self.indices.iter_mut().enumerate() {
            *index = place;
        }
    }

    /// A random order for an epoch: a function of the seed and the epoch, whatever the order was
    /// before.
    pub fn shuffle(&mut self, seed: u64, epoch: usize) {
        self.reset();
        Random::new(seed, epoch as u64).shuffle(&mut self.indices);
    }

    /// The indices in order.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The indices in batches, the last one as short as it comes. Fails when the batch size is 0.
    pub fn batches(&self, batch_size: usize) -> Result<std::slice::Chunks<'_, usize>> {
        check_batch_size(batch_size)?;
        Ok(self.indices.chunks(batch_size))
    }
}

/// An iterator of batches: of `(x, y)`, of `(x, y, weight)` or of `x`, as the method of
/// [`Dataset`](super::Dataset) that made it says.
///
/// ```
/// use endo::data::Dataset;
/// let train = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
/// for epoch in 0..2 {
///     for (x, y) in train.batches(2)?.shuffled(42, epoch) {
///         assert_eq!(x.get(0), y.get(0));
///     }
/// }
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct Batches<B> {
    source: B,
    take: fn(&B, &[usize]) -> B,
    order: Order,
    batch_size: usize,
    remaining: std::ops::Range<usize>,
}

impl<B> Batches<B> {
    pub(super) fn new(
        samples: usize,
        batch_size: usize,
        source: B,
        take: fn(&B, &[usize]) -> B,
    ) -> Result<Self> {
        check_batch_size(batch_size)?;
        Ok(Self { source, take, order: Order::new(samples), batch_size, remaining: 0..samples })
    }

    /// The same samples in random order, another one in each epoch: a function of the seed and the
    /// epoch.
    #[must_use]
    pub fn shuffled(mut self, seed: u64, epoch: usize) -> Self {
        self.order.shuffle(seed, epoch);
        self
    }

    /// Without the last batch if it is short, as Keras's `drop_remainder=True`. Fails when that
    /// leaves no batch at all.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let train = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// assert_eq!(train.batches(2)?.drop_remainder()?.len(), 1);
    /// assert!(train.batches(4)?.drop_remainder().is_err());
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn drop_remainder(mut self) -> Result<Self> {
        let samples = self.remaining.len();
        if samples < self.batch_size {
            let message = format!(
                "{samples} samples do not fill one batch of {}: without the remainder there are \
                    none",
                self.batch_size
            );
            let help = "use a smaller batch size, or keep the remainder";
            return Err(Error::argument(message, help));
        }
        self.remaining.end -= samples % self.batch_size;
        Ok(self)
    }
}

impl<B> Iterator for Batches<B> {
    type Item = B;

    fn next(&mut self) -> Option<B> {
        let size = self.remaining.len().min(self.batch_size);
        let start = self.remaining.start;
        self.remaining.start += size;
        (size > 0).then(|| (self.take)(&self.source, &self.order.indices[start..start + size]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.remaining.len().div_ceil(self.batch_size);
        (count, Some(count))
    }
}

impl<B> ExactSizeIterator for Batches<B> {}

pub(super) fn check_batch_size(batch_size: usize) -> Result<()> {
    if batch_size == 0 {
        let help = "use a batch size of at least 1; 32 is usual";
        return Err(Error::argument("the batch size is 0", help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::data::Dataset;

    fn counted(samples: i32) -> Dataset {
        let numbers: Vec<i32> = (0..samples).collect();
        Dataset::new(numbers.clone(), numbers).unwrap()
    }

    fn numbers(batches: Batches<(Array, Array)>) -> Vec<Vec<i32>> {
        batches.map(|(_, y)| y.to_vec()).collect()
    }

    #[test]
    fn batches_come_in_order_and_the_last_is_short() {
        let batches = counted(5).batches(2).unwrap();
        assert_eq!(batches.len(), 3);
        assert_eq!(numbers(batches), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(
            numbers(counted(5).batches(2).unwrap().drop_remainder().unwrap()),
            [[0, 1], [2, 3]]
        );
    }

    #[test]
    fn a_batch_size_of_0_is_an_error() {
        counted(5).batches(0).err().unwrap().reads("the batch size is 0");
        assert!(counted(5).input_batches(0).is_err() && Order::new(5).batches(0).is_err());
    }

    #[test]
    fn each_epoch_has_an_order_of_its_own_that_the_seed_repeats() {
        let epoch =
            |seed, epoch| numbers(counted(20).batches(8).unwrap().shuffled(seed, epoch)).concat();
        assert_eq!(epoch(42, 3), epoch(42, 3));
        assert_ne!(epoch(42, 3), epoch(42, 4));
        assert_ne!(epoch(42, 3), epoch(43, 3));
        let mut all = epoch(42, 3);
        all.sort();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_an_epoch_does_not_depend_on_the_epochs_before_it() {
        let (mut resumed, mut through) = (Order::new(20), Order::new(20));
        for epoch in 0..=5 {
            through.shuffle(1, epoch);
        }
        resumed.shuffle(1, 5);
        assert_eq!(resumed, through);
        assert_eq!(
            resumed.indices(),
            counted(20).batches(20).unwrap().shuffled(1, 5).order.indices()
        );
    }

    #[test]
    fn nothing_of_a_sample_is_left_out_in_silence() {
        let weighted = counted(2).with_sample_weight([1.0_f32, 2.0]).unwrap();
        weighted.batches(2).err().unwrap().says("sample weights");
        assert!(weighted.clone().without_sample_weight().batches(2).is_ok());
        assert_eq!(
            weighted.weighted_batches(2).unwrap().next().unwrap().2,
            Array::from([1.0_f32, 2.0])
        );
        Dataset::inputs_only([1]).unwrap().batches(2).err().unwrap().says("no targets");
    }
}
