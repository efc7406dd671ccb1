//! Batches that closures make: of a batch's number, or an iterator of them for each pass.
//!
//! In: closures. Out: sources that can go to any batch.

use crate::data::Dataset;
use crate::error::Result;

use super::{BatchAt, BatchSource, IntoBatch, Length};

/// What a closure makes of the number of the batch. It has one pass, which does not end.
pub(super) struct NumberedSource<F> {
    batch: F,
    number: usize,
}

impl<F> NumberedSource<F> {
    pub fn new(batch: F) -> Self {
        Self { batch, number: 0 }
    }
}

impl<B: IntoBatch, F: FnMut(usize) -> B + Send> BatchSource for NumberedSource<F> {
    fn length(&self) -> Length {
        Length::Endless
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        self.number = to.batch;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        let number = self.number;
        self.number += 1;
        (self.batch)(number).into_batch().map(Some)
    }
}

/// An iterator of batches for each pass.
pub(super) struct ByEpoch<F, It: IntoIterator> {
    make: F,
    batches: Option<It::IntoIter>,
    length: Length,
}

impl<F, It: IntoIterator> ByEpoch<F, It> {
    pub fn new(make: F) -> Self {
        Self { make, batches: None, length: Length::Unknown }
    }
}

impl<F, It> BatchSource for ByEpoch<F, It>
where
    F: FnMut(usize) -> It + Send,
    It: IntoIterator<Item: IntoBatch, IntoIter: Send>,
{
    fn length(&self) -> Length {
        self.length
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        let mut batches = (self.make)(to.pass).into_iter();
        self.length = length_of(&batches);
        if to.batch > 0 {
            batches.nth(to.batch - 1);
        }
        self.batches = Some(batches);
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        self.batches.as_mut().and_then(Iterator::next).map(IntoBatch::into_batch).transpose()
    }
}

/// How many batches an iterator has left, where it says so.
pub(super) fn length_of(batches: &impl Iterator) -> Length {
    match batches.size_hint() {
        (least, Some(most)) if least == most => Length::Batches(least),
        (usize::MAX, None) => Length::Endless,
        (_, _) => Length::Unknown,
    }
}
