//! The shards of a batch: how a batch is cut, who computes which part, and how the parts are added
//! up, with bits that do not depend on the number of processes.
//!
//! In: a number of shards, which belongs to the definition of a training, and a [`Link`] between
//! the processes that share the work. Out: the rows of each shard, and the sum over all shards by a
//! fixed binary tree of additions.

mod block;
mod link;
mod routes;
mod sums;
mod texts;
mod threads;
mod tree;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};

pub(crate) use block::Block;
pub use link::{Alone, Link};
pub(crate) use sums::{ShardNumbers, ShardSum};
pub(crate) use texts::share_bytes;
pub use texts::share_texts;
pub use threads::Threads;
pub(crate) use tree::Taking;

/// Into how many parts each batch is cut. The number belongs to the definition of a training, as
/// the batch size does: with the same number the weights are the same, bit by bit, on any number of
/// processes up to it.
///
/// ```
/// use endo::shards::Shards;
/// let shards = Shards::new(4);
/// let rows: Vec<_> = (0..4).map(|shard| shards.rows(shard, 10)).collect();
/// assert_eq!(rows, [0..2, 2..5, 5..7, 7..10]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shards(usize);

impl Default for Shards {
    fn default() -> Self {
        Self(8)
    }
}

impl Shards {
    /// A batch is cut into this many shards.
    pub fn new(count: usize) -> Self {
        Self(count)
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0
    }

    /// The rows of a shard in a batch of `rows`: consecutive ones, as many as in any other shard
    /// or one more. Of a batch with fewer rows than shards some shards have none.
    pub fn rows(self, shard: usize, rows: usize) -> Range<usize> {
        part(shard, self.0, rows)
    }

    /// The shards that the process of this rank computes, of `ranks` processes.
    pub fn of_rank(self, rank: usize, ranks: usize) -> Range<usize> {
        part(rank, ranks, self.0)
    }

    /// Fails for a number that makes no sense, alone or for `ranks` processes.
    pub(crate) fn check(self, ranks: usize) -> Result<()> {
        if self.0 == 0 {
            let help = "give at least 1 shard: `Shards::new(8)`";
            return Err(Error::argument("a batch cannot be cut into 0 shards", help));
        }
        if ranks > self.0 {
            let message = format!(
                "there are {ranks} ranks, and each batch is cut into {} shards, so that some \
                 ranks would have nothing to do",
                self.0
            );
            let help = format!(
                "start at most {} ranks, or train with at least {ranks} shards, which is another \
                 training",
                self.0
            );
            return Err(Error::argument(message, help));
        }
        Ok(())
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The part of `0..total` with this index, of as many as `parts`.
fn part(index: usize, parts: usize, total: usize) -> Range<usize> {
    let cut = |index: usize| (index as u128 * total as u128 / parts.max(1) as u128) as usize;
    cut(index)..cut(index + 1)
}

/// How a model's batches are cut, and who takes part.
pub(crate) struct Sharding {
    pub link: Arc<dyn Link>,
    pub shards: Shards,
    /// Whether the last error is one that all ranks have, or that comes from another rank.
    is_shared: AtomicBool,
    /// How many acts of all ranks are within one another now.
    depth: AtomicUsize,
}

impl Sharding {
    pub fn new(link: Arc<dyn Link>, shards: Shards) -> Self {
        Self { link, shards, is_shared: AtomicBool::new(false), depth: AtomicUsize::new(0) }
    }

    /// Whether this process is the one that writes files and shows progress.
    pub fn is_first(&self) -> bool {
        self.link.rank() == 0
    }

    /// Notes that all ranks know of an error.
    pub fn shared(&self, error: Error) -> Error {
        self.is_shared.store(true, Ordering::Relaxed);
        error
    }

    /// Notes of an error of a sum that all ranks know of it: but for want of memory, it comes from
    /// the link.
    pub fn of_sum(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Memory { error } else { self.shared(error) }
    }

    /// Begins something that all ranks do; says whether nothing of the kind is around it.
    pub fn begin(&self) -> bool {
        let is_outermost = self.depth.fetch_add(1, Ordering::Relaxed) == 0;
        if is_outermost {
            self.is_shared.store(false, Ordering::Relaxed);
        }
        is_outermost
    }

    /// Ends it, and tells the others of an error that this rank alone may have.
    pub fn end<T>(&self, is_outermost: bool, result: Result<T>) -> Result<T> {
        self.depth.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = &result
            && is_outermost
            && !self.is_shared.load(Ordering::Relaxed)
            && self.link.ranks() > 1
        {
            self.link.fail(&error.to_string());
        }
        result
    }

    /// The bytes of all ranks, in their order.
    pub fn share(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        texts::share_bytes(&*self.link, bytes).map_err(|error| self.shared(error))
    }

    /// What rank 0 reads of a file, on all ranks, which may not see its disk.
    pub fn read_first(&self, read: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        let mut failure = None;
        let bytes = if self.is_first() {
            read().unwrap_or_else(|error| {
                failure = Some(error);
                Vec::new()
            })
        } else {
            Vec::new()
        };
        self.require_success(failure)?;
        Ok(self.share(&bytes)?.into_iter().next().unwrap_or(bytes))
    }

    /// Fails on all ranks where what they say of the same things differs from what the first says.
    pub fn require_same(&self, said: &[(String, String)]) -> Result<()> {
        if self.link.ranks() == 1 {
            return Ok(());
        }
        let text = said.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\n");
        let all = share_texts(&*self.link, &text).map_err(|error| self.shared(error))?;
        let other = all.iter().enumerate().find(|(_, other)| **other != all[0]);
        let Some((rank, other)) = other else { return Ok(()) };
        let pairs = all[0].lines().zip(other.lines());
        let differs = said.iter().zip(pairs).find(|(_, (first, other))| first != other);
        let message = match differs {
            Some(((what, _), (first, other))) => {
                format!("rank {rank} has {other} {what}, and rank 0 has {first}")
            }
            None => format!("rank {rank} runs another version of the program than rank 0"),
        };
        let help = "start the same program with the same data and options on all ranks, on \
                    processors of one kind";
        Err(self.shared(Error::usage(message, help)))
    }

    /// The first error of any rank, on all ranks, where one has any.
    pub fn require_success(&self, failure: Option<Error>) -> Result<()> {
        if self.link.ranks() == 1 {
            return failure.map_or(Ok(()), Err);
        }
        let text = failure.as_ref().map_or_else(String::new, texts::of_error);
        let all = share_texts(&*self.link, &text).map_err(|error| self.shared(error))?;
        match all.iter().position(|text| !text.is_empty()) {
            Some(rank) => Err(self.shared(texts::error_of(rank, &all[rank]))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_batch_are_its_rows_each_once() {
        for (shards, rows) in [(8, 32), (8, 5), (3, 32), (1, 7), (8, 1), (6, 13)] {
            let all: Vec<usize> =
                (0..shards).flat_map(|shard| Shards::new(shards).rows(shard, rows)).collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            let sizes = (0..shards).map(|shard| Shards::new(shards).rows(shard, rows).len());
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }

    #[test]
    fn more_ranks_than_shards_are_refused_and_so_are_0_shards() {
        assert!(Shards::new(8).check(8).is_ok());
        let error = Shards::new(8).check(9).unwrap_err();
        assert!(error.message().starts_with("there are 9 ranks, and each batch is cut into 8"));
        assert!(Shards::new(0).check(1).is_err());
    }
}
