//! Sums over all shards by a fixed binary tree of additions, whoever computes which shard.
//!
//! In: the numbers of each shard of this rank, in two buckets. Out: their sums over the shards of
//! all ranks, the same bits on every rank. The early bucket is on its way between the ranks while
//! the last shard of this one is computed to its end.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use crate::error::Result;

use super::block::Block;
use super::routes::BucketSum;
use super::tree::{self, Piece, Taking, TreeStep};
use super::{Link, Shards};

/// Computes a shard.
pub(crate) type Leaf<'a> = dyn FnMut(usize, &mut ShardNumbers<'_>, Taking) + 'a;

/// Where the numbers of a shard are written to, or added.
pub(crate) struct ShardNumbers<'a> {
    /// What is complete when all of the shard is computed.
    pub late: &'a mut Block,
    /// What is complete before, until it is given away; none where the step has none.
    early: Option<Block>,
    give: &'a mut dyn FnMut(Block),
}

impl ShardNumbers<'_> {
    /// The block of what is complete early; none once it was given away, or where the step has
    /// none.
    pub fn early(&mut self) -> Option<&mut Block> {
        self.early.as_mut()
    }

    /// Says that the early block is complete.
    pub fn give_early(&mut self) {
        if let Some(early) = self.early.take() {
            (self.give)(early);
        }
    }
}

/// Sums over shards, with the memory that they use again and again.
#[derive(Default)]
pub(crate) struct ShardSum {
    late: BucketSum,
    early: BucketSum,
}

impl ShardSum {
    /// Has each shard of this rank that is present computed by `leaf`, and adds up all shards of
    /// all ranks. A `leaf` writes every number of its blocks, of which `sizes` are those of the
    /// late and the early one, or adds to them.
    pub fn run(
        &mut self,
        link: &Arc<dyn Link>,
        shards: Shards,
        is_present: &dyn Fn(usize) -> bool,
        sizes: [[usize; 2]; 2],
        leaf: &mut Leaf<'_>,
    ) -> Result<&mut Block> {
        let (rank, ranks) = (link.rank(), link.ranks());
        let pieces: Arc<[Piece]> = tree::pieces(shards, ranks, is_present).into();
        let Self { late, early } = self;
        late.begin(sizes[0], pieces.len());
        early.begin(sizes[1], pieces.len());
        let shares = Shares { link, count: shards.count(), pieces: &pieces };
        let mut early = EarlyBucket::new(std::mem::take(early));
        let last_piece = pieces.iter().rposition(|piece| piece.rank == rank);
        for (index, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.rank == rank) {
            let steps = tree::steps(&piece.node, is_present);
            let last = steps.iter().rposition(|step| matches!(step, TreeStep::Shard(..)));
            for (number, step) in steps.iter().enumerate() {
                let is_last = Some(index) == last_piece && Some(number) == last;
                match *step {
                    TreeStep::Shard(shard, taking) => {
                        let adds = taking == Taking::Add;
                        let mut block = late.take_block(adds)?;
                        let early_block = early.take_block(adds)?;
                        let mut give = |block| {
                            early.sum.push(block);
                            if is_last {
                                // What is left to do for the piece are additions.
                                (number + 1..steps.len()).for_each(|_| early.sum.add());
                                early.sum.end_piece(index);
                                early.depart(&shares);
                            }
                        };
                        let mut numbers =
                            ShardNumbers { late: &mut block, early: early_block, give: &mut give };
                        leaf(shard, &mut numbers, taking);
                        numbers.give_early();
                        late.push(block);
                    }
                    TreeStep::Add => {
                        late.add();
                        early.sum.add();
                    }
                }
            }
            late.end_piece(index);
            early.sum.end_piece(index);
        }
        self.early = early.arrive(&shares)?;
        self.late.exchange(&**link, shares.count, &pieces)?;
        Ok(self.late.sum.as_mut().expect("it was added up"))
    }

    /// The last sums: of the late numbers and, where there are any, of the early ones.
    pub fn last(&self) -> impl Iterator<Item = &Block> {
        let early = self.early.sum.as_ref().filter(|_| !self.early.is_empty());
        self.late.sum.iter().chain(early)
    }
}

/// What is needed to add up a bucket over the ranks.
struct Shares<'a> {
    link: &'a Arc<dyn Link>,
    /// The number of shards.
    count: usize,
    pieces: &'a Arc<[Piece]>,
}

/// The bucket that is complete early: with this rank's shards, or with a thread that adds it up
/// over the ranks.
struct EarlyBucket {
    /// An empty one while the thread has it.
    sum: BucketSum,
    thread: Option<JoinHandle<(BucketSum, Result<()>)>>,
    /// Whether somebody waits for the thread.
    is_awaited: Arc<AtomicBool>,
}

impl EarlyBucket {
    fn new(sum: BucketSum) -> Self {
        Self { sum, thread: None, is_awaited: Arc::default() }
    }

    fn take_block(&mut self, adds: bool) -> Result<Option<Block>> {
        (!self.sum.is_empty()).then(|| self.sum.take_block(adds)).transpose()
    }

    /// Has a thread add it up over the ranks, where there are several and the system gives one.
    fn depart(&mut self, shares: &Shares<'_>) {
        if shares.link.ranks() == 1 || self.sum.is_empty() {
            return;
        }
        let link = BesideLink { link: shares.link.clone(), is_awaited: self.is_awaited.clone() };
        let (count, pieces) = (shares.count, shares.pieces.clone());
        let (send, receive) = channel();
        let exchange = move || {
            let mut sum: BucketSum = receive.recv().unwrap_or_default();
            let result = sum.exchange(&link, count, &pieces);
            (sum, result)
        };
        let builder = thread::Builder::new().name("endo gradients".to_string());
        if let Ok(thread) = builder.spawn(exchange) {
            // The thread waits for it.
            let _ = send.send(std::mem::take(&mut self.sum));
            self.thread = Some(thread);
        }
    }

    /// Waits for the sum, or adds it up where no thread does.
    fn arrive(mut self, shares: &Shares<'_>) -> Result<BucketSum> {
        if let Some(thread) = self.thread {
            self.is_awaited.store(true, Ordering::Relaxed);
            let (sum, result) = thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
            return result.map(|()| sum);
        }
        if !self.sum.is_empty() {
            self.sum.exchange(&**shares.link, shares.count, shares.pieces)?;
        }
        Ok(self.sum)
    }
}

/// A link as a thread uses it beside one that computes.
struct BesideLink {
    link: Arc<dyn Link>,
    is_awaited: Arc<AtomicBool>,
}

impl Link for BesideLink {
    fn rank(&self) -> usize {
        self.link.rank()
    }

    fn ranks(&self) -> usize {
        self.link.ranks()
    }

    fn exchange(
        &self,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        self.link.exchange_beside(sends, receives, &self.is_awaited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::routes::Route;
    use crate::shards::{Alone, Threads};

    /// Of the late numbers and of the early ones.
    const SIZES: [[usize; 2]; 2] = [[5, 70], [0, 33]];

    /// Numbers whose sum depends on the order of the additions.
    fn number(shard: usize, index: usize) -> f64 {
        ((shard * 977 + index * 131) as f64 * 0.618).sin() * 1e3
    }

    fn fill(shard: usize, first: usize, block: &mut Block, taking: Taking) {
        let mut own = Block::try_new(block.sizes()).unwrap();
        for (index, value) in own.wide().iter_mut().enumerate() {
            *value = number(shard, index) / 3.0;
        }
        for (index, value) in own.narrow().iter_mut().enumerate() {
            *value = number(shard, index + first) as f32;
        }
        match taking {
            Taking::Add => block.add(&own, &block.all()),
            Taking::Replace => *block = own,
        }
    }

    /// Computes a shard; every other one says when its early numbers are complete.
    fn compute(shard: usize, numbers: &mut ShardNumbers<'_>, taking: Taking) {
        if let Some(early) = numbers.early() {
            fill(shard, 100, early, taking);
        }
        if shard % 2 == 1 {
            numbers.give_early();
            assert!(numbers.early().is_none());
        }
        fill(shard, 7, numbers.late, taking);
    }

    /// The sums of all ranks: the late and the early block of each.
    fn sums(shards: usize, ranks: usize, route: Option<Route>, rows: usize) -> Vec<Vec<Block>> {
        let shards = Shards::new(shards);
        Threads::run(ranks, |link| {
            let link: Arc<dyn Link> = link.into();
            let mut sum = ShardSum::default();
            (sum.late.route, sum.early.route) = (route, route);
            let is_present = |shard: usize| !shards.rows(shard, rows).is_empty();
            let mut run = || {
                sum.run(&link, shards, &is_present, SIZES, &mut compute).unwrap();
                sum.last().cloned().collect::<Vec<_>>()
            };
            let first = run();
            assert!((0..2).all(|_| run() == first));
            first
        })
    }

    #[test]
    fn sums_have_the_same_bits_on_any_number_of_ranks_and_any_route() {
        for (shards, rows) in [(8, 32), (8, 5), (8, 1), (6, 100), (12, 12), (1, 3)] {
            let alone = sums(shards, 1, None, rows).remove(0);
            for ranks in (2..=shards).filter(|ranks| [2, 3, 4, 6, 8, 12].contains(ranks)) {
                for route in [Route::Direct, Route::Scatter, Route::Tree] {
                    for sum in sums(shards, ranks, Some(route), rows) {
                        assert_eq!(sum, alone, "{shards} shards, {ranks} ranks, {route:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_additions_matters_to_these_numbers() {
        let alone = sums(8, 1, None, 8).remove(0);
        for (sum, first) in alone.iter().zip([7, 100]) {
            let mut in_turn = Block::try_new(sum.sizes()).unwrap();
            (0..8).for_each(|shard| fill(shard, first, &mut in_turn, Taking::Add));
            assert_ne!(in_turn, *sum);
        }
    }

    #[test]
    fn the_tree_is_the_one_of_the_definition() {
        let mut sum = ShardSum::default();
        let mut order = Vec::new();
        let mut leaf = |shard: usize, numbers: &mut ShardNumbers<'_>, taking: Taking| {
            order.push(shard);
            let block = &mut *numbers.late;
            let before = if taking == Taking::Add { block.wide()[0] } else { 0.0 };
            block.wide()[0] = before + [1e16, 1.0, -1e16, 1.0, 0.5][shard];
        };
        let (link, sizes) = (Alone.into(), [[1, 0], [0, 0]]);
        let sum = sum.run(&link, Shards::new(5), &|_| true, sizes, &mut leaf);
        // ((1e16 + 1) + (-1e16 + 1)) + 0.5, each sum rounded.
        assert_eq!(sum.unwrap().wide(), [(1e16_f64 + 1.0) + (-1e16 + 1.0) + 0.5]);
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
