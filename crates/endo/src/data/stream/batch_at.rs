//! Which batch of a stream.
//!
//! In: the number of a pass and of a batch in it. Out: [`BatchAt`], and random numbers that belong
//! to it.

use crate::random::Random;

/// Which batch of a stream: both numbers count from 0. A pass goes through all of the data once,
/// and is an epoch unless [`Fit::steps_per_epoch`](crate::training::Fit::steps_per_epoch) says
/// otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BatchAt {
    /// The pass through the data. A second `fit` goes on counting: its first pass has the number of
    /// the epochs that the model was trained before.
    pub pass: usize,
    /// The batch in it.
    pub batch: usize,
}

impl BatchAt {
    /// Random numbers of this batch, which are the same for the same seed.
    ///
    /// ```
    /// use endo::data::BatchAt;
    /// let (a, b) = (BatchAt { pass: 0, batch: 1 }, BatchAt { pass: 1, batch: 0 });
    /// assert_eq!(a.random(7).uniform(), a.random(7).uniform());
    /// assert_ne!(a.random(7).uniform(), b.random(7).uniform());
    /// ```
    pub fn random(self, seed: u64) -> Random {
        // Passes have streams that are far apart. The highest bit keeps them from the orders of
        // epochs.
        Random::new(seed, 1 << 63 | (self.pass as u64) << 40 | self.batch as u64)
    }

    /// The batch after this one, in its pass.
    pub(crate) fn next(self) -> Self {
        Self { batch: self.batch + 1, ..self }
    }

    /// The first batch of the next pass.
    pub(crate) fn next_pass(self) -> Self {
        Self { pass: self.pass + 1, batch: 0 }
    }
}
