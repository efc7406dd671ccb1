//! What a run or a test goes through: the batches of a data set in memory, or those of a stream.
//!
//! In: a [`Stream`], and how its samples are cut into batches. Out: one batch after the other, as
//! steps take it, with its place.

use std::borrow::Cow;
use std::ops::Range;

use crate::data::{BatchAt, BatchSource, Dataset, Length, Order, Sampling};
use crate::error::{Error, Result, not_zero};
use crate::graph::Tree;
use crate::step::{Batch, BatchBuffers, ClassWeights, ShardSource, Steps};
use crate::trace::Pool;

/// Batches to train on or to test with.
pub(crate) enum Feed<'a> {
    Memory(MemoryFeed<'a>),
    Stream(StreamFeed<'a>),
}

/// The batches of a data set, whose targets are in the order of the model's outputs. After the
/// first of a size nothing is allocated.
pub(crate) struct MemoryFeed<'a> {
    pub data: Cow<'a, Dataset>,
    sampling: Sampling,
    order: Order,
    /// The pass that the order is of.
    ordered: Option<usize>,
    next: BatchAt,
    /// The places in the order of the batch that was given out.
    given: Range<usize>,
    buffers: BatchBuffers,
    /// Whether batches are not gathered whole, since they are taken in parts.
    in_parts: bool,
    /// Where the parts of batches are gathered.
    parts: BatchBuffers,
}

/// The batches of a stream. Each is arranged and checked before it is given out.
pub(crate) struct StreamFeed<'a> {
    source: Box<dyn BatchSource + 'a>,
    class_weights: Vec<ClassWeights>,
    /// Whether numbers have to be finite.
    checks_finite: bool,
    next: BatchAt,
    /// Whether the source is at the next batch.
    is_there: bool,
    /// The next batch, where it was looked at before its turn.
    ahead: Option<Dataset>,
    given: Option<Dataset>,
    /// The part of it that was taken last.
    part: Option<Dataset>,
}

impl<'a> Feed<'a> {
    pub fn memory(data: Cow<'a, Dataset>, sampling: Sampling) -> Result<Self> {
        let order = data.order();
        order.batches(sampling.batch_size).map(drop)?;
        Ok(Self::Memory(MemoryFeed {
            data,
            sampling,
            order,
            ordered: None,
            next: BatchAt::default(),
            given: 0..0,
            buffers: BatchBuffers::default(),
            in_parts: false,
            parts: BatchBuffers::default(),
        }))
    }

    pub fn stream(
        mut source: Box<dyn BatchSource + 'a>,
        sampling: Sampling,
        class_weights: Vec<ClassWeights>,
        checks_finite: bool,
    ) -> Result<Self> {
        source.sample(sampling)?;
        Ok(Self::Stream(StreamFeed {
            source,
            class_weights,
            checks_finite,
            next: BatchAt::default(),
            is_there: false,
            ahead: None,
            given: None,
            part: None,
        }))
    }

    /// How many batches a pass has.
    pub fn length(&self) -> Length {
        match self {
            Self::Memory(memory) => {
                Length::Batches(memory.data.len().div_ceil(memory.sampling.batch_size))
            }
            Self::Stream(stream) => stream.source.length(),
        }
    }

    /// Whether it can go to any batch.
    pub fn can_seek(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Stream(stream) => stream.source.can_seek(),
        }
    }

    /// Which batch is the next one.
    pub fn next_at(&self) -> BatchAt {
        match self {
            Self::Memory(memory) => memory.next,
            Self::Stream(stream) => stream.next,
        }
    }

    /// Goes to a batch: it is the next one.
    pub fn seek(&mut self, to: BatchAt) -> Result<()> {
        match self {
            Self::Memory(memory) => {
                memory.next = to;
                Ok(())
            }
            Self::Stream(stream) => stream.seek(to),
        }
    }

    /// Fails for batches without end where nobody has said how many are wanted.
    pub fn require_end(&self, batches: Option<usize>, message: &str, how: &str) -> Result<()> {
        not_zero(batches, "0 batches are asked for", &format!("ask for at least one: {how}"))?;
        if batches.is_none() && self.length() == Length::Endless {
            let help = format!("say how many of its batches are wanted: {how}");
            return Err(Error::usage(message, help));
        }
        Ok(())
    }

    /// The data, where all of it is in memory.
    pub fn in_memory(&self) -> Option<&Dataset> {
        match self {
            Self::Memory(memory) => Some(&memory.data),
            Self::Stream(_) => None,
        }
    }

    /// The first batch, or the next one of a stream, before its turn.
    #[track_caller]
    pub fn first<I: Tree, O: Tree>(&mut self, steps: &Steps<I, O>) -> Result<Dataset> {
        match self {
            Self::Memory(memory) => {
                memory.data.rows(0..memory.sampling.batch_size.min(memory.data.len()))
            }
            Self::Stream(stream) => match stream.peek()? {
                Some(batch) => Ok(steps.arranged(Cow::Owned(batch))?.into_owned()),
                None => Err(nothing()),
            },
        }
    }

    /// The last batch of a data set, where it is shorter than the others.
    pub fn short_last(&self) -> Result<Option<Dataset>> {
        let Self::Memory(memory) = self else { return Ok(None) };
        let (samples, batch_size) = (memory.data.len(), memory.sampling.batch_size);
        let last = samples - samples % batch_size;
        if last > 0 && last < samples {
            memory.data.rows(last..samples).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Goes back to the first batch, where it can.
    pub fn restart(&mut self) -> Result<()> {
        if self.can_seek() { self.seek(BatchAt::default()) } else { Ok(()) }
    }

    /// Gives out the next batch; false at the end of a pass, after which comes the first of the
    /// next pass.
    pub fn next<I: Tree, O: Tree>(&mut self, steps: &Steps<I, O>) -> Result<bool> {
        match self {
            Self::Memory(memory) => memory.next(steps),
            Self::Stream(stream) => stream.next(steps),
        }
    }

    /// The batch that was given out last; there has to be one.
    pub fn batch(&self) -> &Dataset {
        match self {
            Self::Memory(memory) => memory.buffers.latest(),
            Self::Stream(stream) => stream.given.as_ref().expect("a batch that was given out"),
        }
    }

    /// Has batches be gathered in parts alone.
    pub fn take_in_parts(&mut self) {
        if let Self::Memory(memory) = self {
            memory.in_parts = true;
        }
    }

    /// How many samples the batch has that was given out last.
    pub fn batch_len(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.given.len(),
            Self::Stream(stream) => stream.given.as_ref().map_or(0, Dataset::len),
        }
    }

    /// The batch that was given out last, gathered if it was not yet.
    pub fn whole(&mut self, pool: &Pool) -> Result<&Dataset> {
        if let Self::Memory(memory) = self
            && memory.in_parts
        {
            let rows = &memory.order.indices()[memory.given.clone()];
            memory.buffers.gather(&memory.data, rows, pool)?;
        }
        Ok(self.batch())
    }

    /// Which samples of the data it is made of; none where they have no numbers.
    pub fn rows(&self) -> &[usize] {
        match self {
            Self::Memory(memory) => &memory.order.indices()[memory.given.clone()],
            Self::Stream(stream) => stream.source.rows(),
        }
    }
}

impl MemoryFeed<'_> {
    fn next<I: Tree, O: Tree>(&mut self, steps: &Steps<I, O>) -> Result<bool> {
        let Sampling { batch_size, seed } = self.sampling;
        let BatchAt { pass, batch } = self.next;
        if let Some(seed) = seed.filter(|_| self.ordered != Some(pass)) {
            self.order.shuffle(seed, pass);
            self.ordered = Some(pass);
        }
        let samples = self.order.indices().len();
        let start = batch.saturating_mul(batch_size).min(samples);
        self.given = start..start.saturating_add(batch_size).min(samples);
        if self.given.is_empty() {
            self.next = self.next.next_pass();
            return Ok(false);
        }
        if !self.in_parts {
            let rows = &self.order.indices()[self.given.clone()];
            self.buffers.gather(&self.data, rows, &steps.pool)?;
        }
        self.next = self.next.next();
        Ok(true)
    }
}

impl StreamFeed<'_> {
    fn seek(&mut self, to: BatchAt) -> Result<()> {
        if to != self.next || !self.is_there {
            (self.next, self.is_there, self.ahead) = (to, false, None);
            self.source.seek(to)?;
            self.is_there = true;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Dataset>> {
        if let Some(batch) = self.ahead.take() {
            return Ok(Some(batch));
        }
        self.seek(self.next)?;
        self.source.next_batch().map_err(|error| at(self.next, error))
    }

    /// The next batch, without giving it out; at the end of a pass that of the next one, if there
    /// is one.
    fn peek(&mut self) -> Result<Option<Dataset>> {
        self.ahead = self.read()?;
        if self.ahead.is_some() || self.next.batch == 0 || !self.source.can_seek() {
            return Ok(self.ahead.clone());
        }
        let end = self.next;
        self.seek(end.next_pass())?;
        let first = self.read()?;
        self.seek(end)?;
        Ok(first)
    }

    fn next<I: Tree, O: Tree>(&mut self, steps: &Steps<I, O>) -> Result<bool> {
        let Some(batch) = self.read()? else {
            if self.source.can_seek() {
                (self.next, self.is_there) = (self.next.next_pass(), false);
            }
            return Ok(false);
        };
        self.given = Some(self.prepared(batch, steps)?);
        self.next = self.next.next();
        Ok(true)
    }

    /// A batch with targets and weights in the order of the outputs, checked.
    fn prepared<I: Tree, O: Tree>(&self, batch: Dataset, steps: &Steps<I, O>) -> Result<Dataset> {
        let mut batch = steps.arranged(Cow::Owned(batch))?.into_owned();
        if !self.class_weights.is_empty() {
            batch = steps.class_weighted(&batch, &self.class_weights, false)?;
        }
        let check = || -> Result<()> {
            if self.checks_finite {
                steps.check_finite(&batch)?;
            }
            if steps.try_compiled()?.is_some() { steps.check_targets(&batch) } else { Ok(()) }
        };
        check().map_err(|error| at(self.next, error))?;
        Ok(batch)
    }
}

/// The shards of the batch that a feed has given out.
pub(crate) struct FeedShards<'f, 'a> {
    pub feed: &'f mut Feed<'a>,
    pub pool: &'f Pool,
}

impl ShardSource for FeedShards<'_, '_> {
    fn rows(&self) -> usize {
        self.feed.batch_len()
    }

    fn shard(&mut self, rows: Range<usize>) -> Result<Batch<'_>> {
        match self.feed {
            Feed::Memory(memory) => {
                let given = &memory.order.indices()[memory.given.clone()];
                let rows = &given[rows];
                let part = memory.parts.gather(&memory.data, rows, self.pool)?;
                Ok(Batch { rows, ..part.into() })
            }
            Feed::Stream(stream) => {
                let all = stream.source.rows();
                let indices = all.get(rows.clone()).unwrap_or_default();
                let given = stream.given.as_ref().ok_or_else(nothing)?;
                let part = stream.part.insert(given.rows(rows)?);
                Ok(Batch { rows: indices, ..(&*part).into() })
            }
        }
    }
}

/// The error of data without a single batch.
pub(crate) fn nothing() -> Error {
    let help = "give one that yields at least one batch in a pass";
    Error::data("the stream has yielded no batch", help)
}

/// An error of a batch, with its place.
fn at(BatchAt { pass, batch }: BatchAt, error: Error) -> Error {
    let message = format!(
        "batch {batch} of pass {pass} of the data (both counted from 0): {}",
        error.message()
    );
    error.with_message(message)
}
