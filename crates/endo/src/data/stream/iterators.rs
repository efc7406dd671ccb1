//! Batches of an iterator, which can be gone through once.
//!
//! In: an iterator. Out: a source that cannot go back.

use std::iter::Fuse;

use crate::data::Dataset;
use crate::error::{Error, Result};

use super::closures::length_of;
use super::{BatchAt, BatchSource, IntoBatch, Length};

/// The batches of an iterator.
pub(super) struct IteratorSource<It> {
    batches: Fuse<It>,
    length: Length,
    /// The place of the next one.
    next: BatchAt,
}

impl<It: Iterator> IteratorSource<It> {
    pub fn new(batches: It) -> Self {
        Self { length: length_of(&batches), batches: batches.fuse(), next: BatchAt::default() }
    }
}

impl<It: Iterator<Item: IntoBatch> + Send> BatchSource for IteratorSource<It> {
    fn length(&self) -> Length {
        self.length
    }

    fn can_seek(&self) -> bool {
        false
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        if to == self.next || (to.batch, self.next.batch) == (0, 0) {
            self.next = to;
            return Ok(());
        }
        let message = format!(
            "the data is an iterator that has yielded {} batches: it cannot go to batch {} of \
                pass {} (both counted from 0)",
            self.next.batch, to.batch, to.pass
        );
        let help = "make the batches anew for each pass with `Stream::by_epoch`, or by their \
            numbers with `Stream::from_fn`; or read \
                    samples by their numbers with `Stream::samples`";
        Err(Error::usage(message, help))
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        self.next = self.next.next();
        batch.into_batch().map(Some)
    }
}
