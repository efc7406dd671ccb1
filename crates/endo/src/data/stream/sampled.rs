//! Samples that are read by their numbers, shuffled and cut into batches.
//!
//! In: samples, a batch size and a seed. Out: the batches that a data set of the same samples is
//! cut into.

use std::ops::Range;

use crate::data::Dataset;
use crate::data::batches::{Order, check_batch_size};
use crate::error::Result;

use super::{BatchAt, BatchSource, Length};

/// Samples that are read by their numbers, each time anew: what Keras calls a `PyDataset`.
pub trait Samples: Send {
    /// How many there are; at least one.
    fn count(&self) -> usize;

    /// The samples with these numbers, in this order.
    ///
    /// # Errors
    /// If they cannot be read.
    fn take(&mut self, numbers: &[usize]) -> Result<Dataset>;
}

impl Samples for Dataset {
    fn count(&self) -> usize {
        self.len()
    }

    fn take(&mut self, numbers: &[usize]) -> Result<Dataset> {
        Dataset::take(self, numbers)
    }
}

/// How samples are cut into batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sampling {
    /// Samples in a batch; the last of a pass may have fewer.
    pub batch_size: usize,
    /// The seed of the order of each pass; none where they come in their own.
    pub seed: Option<u64>,
}

pub(super) struct SampledSource<S> {
    samples: S,
    sampling: Sampling,
    order: Order,
    next: Range<usize>,
    rows: Vec<usize>,
}

impl<S: Samples> SampledSource<S> {
    pub fn new(samples: S) -> Self {
        let sampling = Sampling { batch_size: 1, seed: None };
        let order = Order::new(samples.count());
        Self { samples, sampling, order, next: 0..0, rows: Vec::new() }
    }
}

impl<S: Samples> BatchSource for SampledSource<S> {
    fn length(&self) -> Length {
        Length::Batches(self.order.indices().len().div_ceil(self.sampling.batch_size))
    }

    fn sample(&mut self, sampling: Sampling) -> Result<()> {
        check_batch_size(sampling.batch_size)?;
        self.sampling = sampling;
        Ok(())
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        let Sampling { batch_size, seed } = self.sampling;
        match seed {
            Some(seed) => self.order.shuffle(seed, to.pass),
            None => self.order.reset(),
        }
        let samples = self.order.indices().len();
        self.next = (to.batch.saturating_mul(batch_size)).min(samples)..samples;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        let Range { start, end } = self.next;
        if start >= end {
            return Ok(None);
        }
        let stop = start.saturating_add(self.sampling.batch_size).min(end);
        self.next.start = stop;
        self.rows.clear();
        self.rows.extend_from_slice(&self.order.indices()[start..stop]);
        self.samples.take(&self.rows).map(Some)
    }

    fn rows(&self) -> &[usize] {
        &self.rows
    }
}
