//! Batches that are changed on their way.
//!
//! In: a source and a closure. Out: the source of what the closure makes of its batches.

use crate::data::Dataset;
use crate::error::Result;

use super::{BatchAt, BatchSource, IntoBatch, Length, Sampling};

pub(super) struct MappedSource<'a, F> {
    source: Box<dyn BatchSource + 'a>,
    change: F,
    next: BatchAt,
    /// Whether the last batch has as many samples as it was made of.
    keeps_rows: bool,
}

impl<'a, F> MappedSource<'a, F> {
    pub fn new(source: Box<dyn BatchSource + 'a>, change: F) -> Self {
        Self { source, change, next: BatchAt::default(), keeps_rows: true }
    }
}

impl<B: IntoBatch, F: FnMut(Dataset, BatchAt) -> B + Send> BatchSource for MappedSource<'_, F> {
    fn length(&self) -> Length {
        self.source.length()
    }

    fn sample(&mut self, sampling: Sampling) -> Result<()> {
        self.source.sample(sampling)
    }

    fn can_seek(&self) -> bool {
        self.source.can_seek()
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        self.source.seek(to)?;
        self.next = to;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        let Some(batch) = self.source.next_batch()? else { return Ok(None) };
        let at = self.next;
        self.next = at.next();
        let samples = batch.len();
        let changed = (self.change)(batch, at).into_batch()?;
        self.keeps_rows = changed.len() == samples;
        Ok(Some(changed))
    }

    fn rows(&self) -> &[usize] {
        if self.keeps_rows { self.source.rows() } else { &[] }
    }
}
