//! Batches that are read ahead, on a thread of their own.
//!
//! In: a source. Out: its batches in their order, some of which wait in a queue.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use crate::data::Dataset;
use crate::error::{Error, Result};

use super::{BatchAt, BatchSource, Length, Sampling};

type Source = Box<dyn BatchSource>;

/// A batch with its rows, or none at the end of the pass.
type Read = Result<Option<(Dataset, Vec<usize>)>>;

pub(super) struct PrefetchedSource {
    ahead: usize,
    reader: Reader,
    length: Length,
    can_seek: bool,
    next: BatchAt,
    /// Whether the pass is at its end.
    ended: bool,
    rows: Vec<usize>,
}

enum Reader {
    /// The source is here.
    Waiting(Source),
    /// The source is with a thread, which gives it back when nobody takes its batches any more.
    Running(Receiver<Read>, JoinHandle<Source>),
    /// The thread has panicked.
    Lost,
}

impl PrefetchedSource {
    pub fn new(source: Source, ahead: usize) -> Self {
        let (length, can_seek) = (source.length(), source.can_seek());
        Self {
            ahead,
            reader: Reader::Waiting(source),
            length,
            can_seek,
            next: BatchAt::default(),
            ended: false,
            rows: Vec::new(),
        }
    }

    /// The source, back from its thread.
    fn source(&mut self) -> Result<&mut Source> {
        self.reader = match std::mem::replace(&mut self.reader, Reader::Lost) {
            Reader::Running(batches, thread) => {
                drop(batches);
                thread.join().map_or(Reader::Lost, Reader::Waiting)
            }
            here => here,
        };
        match &mut self.reader {
            Reader::Waiting(source) => Ok(source),
            Reader::Running(..) | Reader::Lost => Err(lost()),
        }
    }

    /// The batches that are read ahead.
    fn batches(&mut self) -> Result<&Receiver<Read>> {
        self.reader = match std::mem::replace(&mut self.reader, Reader::Lost) {
            Reader::Waiting(source) => {
                let (sender, receiver) = sync_channel(self.ahead);
                Reader::Running(
                    receiver,
                    thread::spawn(move || read_all(source, |batch| sender.send(batch).is_ok())),
                )
            }
            there => there,
        };
        match &self.reader {
            Reader::Running(batches, _) => Ok(batches),
            Reader::Waiting(_) | Reader::Lost => Err(lost()),
        }
    }
}

/// Reads batches while somebody takes them, to the end of the pass or the first error. Gives the
/// source back.
fn read_all(mut source: Source, take: impl Fn(Read) -> bool) -> Source {
    loop {
        let batch =
            source.next_batch().map(|batch| batch.map(|batch| (batch, source.rows().to_vec())));
        let is_last = !matches!(batch, Ok(Some(_)));
        if !take(batch) || is_last {
            return source;
        }
    }
}

fn lost() -> Error {
    let help = "its message says why; without `prefetch` it happens where the batch is asked for";
    Error::data("the thread that reads the data ahead has panicked", help)
}

impl BatchSource for PrefetchedSource {
    fn length(&self) -> Length {
        self.length
    }

    fn sample(&mut self, sampling: Sampling) -> Result<()> {
        let source = self.source()?;
        source.sample(sampling)?;
        self.length = source.length();
        Ok(())
    }

    fn can_seek(&self) -> bool {
        self.can_seek
    }

    fn seek(&mut self, to: BatchAt) -> Result<()> {
        if to == self.next && !self.ended && matches!(self.reader, Reader::Running(..)) {
            return Ok(()); // it is the next in the queue
        }
        let source = self.source()?;
        source.seek(to)?;
        self.length = source.length();
        (self.next, self.ended) = (to, false);
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Dataset>> {
        if self.ended {
            return Ok(None);
        }
        let Ok(read) = self.batches()?.recv() else { return Err(lost()) };
        let Some((batch, rows)) = read? else {
            self.ended = true;
            return Ok(None);
        };
        (self.next, self.rows) = (self.next.next(), rows);
        Ok(Some(batch))
    }

    fn rows(&self) -> &[usize] {
        &self.rows
    }
}
