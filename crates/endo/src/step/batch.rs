//! The arrays of a batch, and the memory that batches are gathered into.
//!
//! In: rows of a data set. Out: [`Batch`], what a step is run on.

use crate::array::Array;
use crate::data::Dataset;
use crate::error::Result;
use crate::trace::Pool;

/// Keras's.
pub(crate) const BATCH_SIZE: usize = 32;

/// The arrays of a batch, as a step takes them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Batch<'a> {
    pub inputs: &'a [Array],
    pub targets: &'a [Array],
    pub weights: &'a [Array],
    /// What the step of a shard is given besides.
    pub given: &'a [Array],
    /// Which rows of the data they are, for errors; empty where that is not known.
    pub rows: &'a [usize],
}

impl<'a> From<&'a Dataset> for Batch<'a> {
    fn from(data: &'a Dataset) -> Self {
        Self {
            inputs: data.all_inputs(),
            targets: data.all_targets(),
            weights: data.all_sample_weights(),
            given: &[],
            rows: &[],
        }
    }
}

impl<'a> Batch<'a> {
    pub fn arrays(&self) -> impl Iterator<Item = &'a Array> {
        self.inputs.iter().chain(self.targets).chain(self.weights).chain(self.given)
    }

    pub fn counts(&self) -> BatchCounts {
        BatchCounts {
            inputs: self.inputs.len(),
            targets: self.targets.len(),
            weights: self.weights.len(),
            given: self.given.len(),
        }
    }
}

/// The sample weights of the targets at a place: their own, or those of all targets.
pub(super) fn weight_at<T>(weights: &[T], place: usize) -> Option<&T> {
    if weights.len() > 1 { weights.get(place) } else { weights.first() }
}

/// How many arrays of each kind a batch has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BatchCounts {
    pub inputs: usize,
    pub targets: usize,
    pub weights: usize,
    pub given: usize,
}

impl BatchCounts {
    /// Of a batch of inputs alone.
    pub fn of_inputs(inputs: usize) -> Self {
        Self { inputs, targets: 0, weights: 0, given: 0 }
    }

    /// Of all kinds together.
    pub fn total(self) -> usize {
        self.of_data() + self.given
    }

    /// Of the kinds that data have.
    pub fn of_data(self) -> usize {
        self.inputs + self.targets + self.weights
    }
}

/// The arrays that batches are gathered into: one set for full batches, one for the short last one.
#[derive(Default)]
pub(crate) struct BatchBuffers {
    known: Vec<Dataset>,
    latest: usize,
}

impl BatchBuffers {
    /// The samples of `data` at `indices`.
    pub fn gather(&mut self, data: &Dataset, indices: &[usize], pool: &Pool) -> Result<&Dataset> {
        self.latest = match self.known.iter().position(|buffer| buffer.len() == indices.len()) {
            Some(index) => {
                data.share_gathering(indices, &mut self.known[index], &|tasks, task| {
                    pool.run(tasks, task)
                })?;
                index
            }
            None => {
                self.known.push(data.take(indices)?);
                self.known.len() - 1
            }
        };
        Ok(&self.known[self.latest])
    }

    /// What was gathered last; there has to be something.
    pub fn latest(&self) -> &Dataset {
        &self.known[self.latest]
    }
}
