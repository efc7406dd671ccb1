//! One bucket of the numbers of shards: its sums within a rank, and how they go from rank to rank.
//!
//! In: the blocks of the shards of this rank. Out: the sum over the shards of all ranks, the same
//! bits on every rank. Sends and receives move parts of the tree; each addition is ours, so that
//! its place in the tree says what is added to what, and no library's order does.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};

use super::Link;
use super::block::{Block, Places};
use super::tree::{Piece, middle};

/// How numbers go from rank to rank. The sums do not depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// Each rank sends what it has to all others, and all add everything: one message's time.
    Direct,
    /// Each rank adds a share of the numbers, and sends the sums to all others: the fewest bytes.
    Scatter,
    /// Up the tree, and back down to all: few messages where there are many ranks.
    Tree,
}

impl Route {
    /// The fastest one, as measured: see the guide on several machines.
    fn of(sizes: [usize; 2], ranks: usize) -> Self {
        let bytes = sizes[0] * 8 + sizes[1] * 4;
        // Two ranks send as many bytes either way, once or in two halves; with many ranks shares
        // become short, and each is a message.
        let scattered = if ranks == 2 { 1 << 20 } else { (1 << 15).max(ranks << 11) };
        if bytes >= scattered {
            Self::Scatter
        } else if ranks <= 16 {
            Self::Direct
        } else {
            Self::Tree
        }
    }
}

/// The sums of one bucket, with the memory that they use again and again.
#[derive(Default)]
pub(super) struct BucketSum {
    sizes: [usize; 2],
    free: Vec<Block>,
    /// Sums over shards of this rank that are not yet added to one another.
    stack: Vec<Block>,
    /// What this rank has of each piece.
    blocks: Vec<Option<Block>>,
    /// The last sum.
    pub sum: Option<Block>,
    /// What route is taken, if it is not the usual one.
    pub route: Option<Route>,
}

impl BucketSum {
    /// Begins the sum of blocks of these sizes over as many pieces of the tree.
    pub fn begin(&mut self, sizes: [usize; 2], pieces: usize) {
        self.free.extend(self.sum.take());
        self.free.append(&mut self.stack);
        self.free.extend(self.blocks.drain(..).flatten());
        self.free.retain(|block| block.sizes() == sizes);
        self.sizes = sizes;
        self.blocks.resize_with(pieces, || None);
    }

    /// Whether there are numbers in it.
    pub fn is_empty(&self) -> bool {
        self.sizes == [0, 0]
    }

    /// A block for a shard: a new one, or the last one of the stack to add to.
    pub fn take_block(&mut self, adds: bool) -> Result<Block> {
        match self.stack.pop() {
            Some(last) if adds => Ok(last),
            last => {
                self.stack.extend(last);
                self.block()
            }
        }
    }

    /// Puts the block of a shard on the stack.
    pub fn push(&mut self, block: Block) {
        self.stack.push(block);
    }

    /// Adds the last block of the stack to the one before it.
    pub fn add(&mut self) {
        if let (Some(right), Some(left)) = (self.stack.pop(), self.stack.last_mut()) {
            left.add(&right, &right.all());
            self.free.push(right);
        }
    }

    /// Ends a piece of the tree, unless it has ended: what is on the stack is its sum.
    pub fn end_piece(&mut self, index: usize) {
        if let Some(sum) = self.stack.pop() {
            self.blocks[index] = Some(sum);
        }
    }

    /// Adds up the pieces of all ranks.
    pub fn exchange(&mut self, link: &dyn Link, shards: usize, pieces: &[Piece]) -> Result<()> {
        let (rank, ranks, sizes) = (link.rank(), link.ranks(), self.sizes);
        let mut blocks = std::mem::take(&mut self.blocks);
        let route = self.route.unwrap_or(Route::of(sizes, ranks));
        let root = 0..shards;
        let sum = match route {
            _ if ranks == 1 => {
                let all = sizes.map(|size| 0..size);
                combine(&root, pieces, &mut blocks, &all, &mut self.free)
            }
            Route::Direct => {
                self.move_pieces(link, pieces, &mut blocks, &|_| sizes.map(|size| 0..size))?;
                let all = sizes.map(|size| 0..size);
                combine(&root, pieces, &mut blocks, &all, &mut self.free)
            }
            Route::Scatter => {
                let share = |rank: usize| sizes.map(|size| super::part(rank, ranks, size));
                self.move_pieces(link, pieces, &mut blocks, &share)?;
                let sum = combine(&root, pieces, &mut blocks, &share(rank), &mut self.free);
                sum.map(|sum| Self::gather(link, sum, &share)).transpose()?
            }
            Route::Tree => self.climb(link, &root, pieces, &mut blocks)?,
        };
        self.free.extend(blocks.drain(..).flatten());
        self.blocks = blocks;
        let sum = sum.ok_or_else(|| Error::new(ErrorKind::Data, "a batch without rows"))?;
        self.sum = Some(sum);
        Ok(())
    }

    /// A block to be written over.
    fn block(&mut self) -> Result<Block> {
        self.free.pop().map_or_else(|| Block::try_new(self.sizes), Ok)
    }

    /// Sends each rank what it adds of the pieces of this rank, and receives the same of the pieces
    /// of others.
    fn move_pieces(
        &mut self,
        link: &dyn Link,
        pieces: &[Piece],
        blocks: &mut [Option<Block>],
        share: &dyn Fn(usize) -> Places,
    ) -> Result<()> {
        let rank = link.rank();
        for (piece, block) in pieces.iter().zip(&mut *blocks) {
            if piece.rank != rank {
                *block = Some(self.block()?);
            }
        }
        let (own, others): (Vec<_>, Vec<_>) =
            pieces.iter().zip(blocks).partition(|(piece, _)| piece.rank == rank);
        let mut sends = Vec::new();
        for other in (0..link.ranks()).filter(|&other| other != rank) {
            for block in own.iter().filter_map(|(_, block)| block.as_ref()) {
                sends.extend(block.bytes(share(other)).map(|bytes| (other, bytes)));
            }
        }
        let mut receives = Vec::new();
        for (piece, block) in others {
            let bytes = block.iter_mut().flat_map(|block| block.bytes_mut(share(rank)));
            receives.extend(bytes.map(|bytes| (piece.rank, bytes)));
        }
        link.exchange(&sends, &mut receives)
    }

    /// Gives all ranks the sums that each has added a share of: what others have added is received
    /// beside this rank's own.
    fn gather(link: &dyn Link, mut sum: Block, share: &dyn Fn(usize) -> Places) -> Result<Block> {
        let (rank, ranks) = (link.rank(), link.ranks());
        let (mut own, mut receives) = (Vec::new(), Vec::new());
        // The shares follow one another, so each is cut off the front of what is left.
        let mut wide = sum.wide.as_mut_slice::<f64>().expect("f64");
        let mut narrow = sum.narrow.as_mut_slice::<f32>().expect("f32");
        for other in 0..ranks {
            let [of_wide, of_narrow] = share(other).map(|range| range.len());
            let (first, rest) = wide.split_at_mut(of_wide);
            wide = rest;
            let (second, rest) = narrow.split_at_mut(of_narrow);
            narrow = rest;
            let both: [&mut [u8]; 2] =
                [bytemuck::cast_slice_mut(first), bytemuck::cast_slice_mut(second)];
            for bytes in both.into_iter().filter(|bytes| !bytes.is_empty()) {
                if other == rank {
                    own.push(&*bytes);
                } else {
                    receives.push((other, bytes));
                }
            }
        }
        let others = (0..ranks).filter(|&other| other != rank);
        let sends: Vec<(usize, &[u8])> =
            others.flat_map(|other| own.iter().map(move |bytes| (other, *bytes))).collect();
        link.exchange(&sends, &mut receives)?;
        Ok(sum)
    }

    /// Adds along the tree, from rank to rank, and hands the sum down to all.
    fn climb(
        &mut self,
        link: &dyn Link,
        root: &Range<usize>,
        pieces: &[Piece],
        blocks: &mut [Option<Block>],
    ) -> Result<Option<Block>> {
        let Some((holder, sum)) = self.reduce(link, root, pieces, blocks)? else {
            return Ok(None);
        };
        let mut sum = sum.map_or_else(|| self.block(), Ok)?;
        // Counted from the holder of the sum, who is 0: in each round, those who have it send it
        // to as many others.
        let (ranks, all) = (link.ranks(), sum.all());
        let number = (link.rank() + ranks - holder) % ranks;
        let rank_of = |number: usize| (number + holder) % ranks;
        let mut having = 1;
        while having < ranks {
            if number < having && number + having < ranks {
                let to = rank_of(number + having);
                let sends: Vec<_> = sum.bytes(all.clone()).map(|bytes| (to, bytes)).collect();
                link.exchange(&sends, &mut [])?;
            } else if (having..2 * having).contains(&number) {
                let from = rank_of(number - having);
                let mut receives: Vec<_> =
                    sum.bytes_mut(all.clone()).map(|bytes| (from, bytes)).collect();
                link.exchange(&[], &mut receives)?;
            }
            having *= 2;
        }
        Ok(Some(sum))
    }

    /// The rank that has the sum of a node, and the sum where that is this one.
    fn reduce(
        &mut self,
        link: &dyn Link,
        node: &Range<usize>,
        pieces: &[Piece],
        blocks: &mut [Option<Block>],
    ) -> Result<Option<(usize, Option<Block>)>> {
        if let Some(index) = pieces.iter().position(|piece| piece.node == *node) {
            return Ok(Some((pieces[index].rank, blocks[index].take())));
        }
        if node.len() == 1 {
            return Ok(None);
        }
        let middle = middle(node);
        let left = self.reduce(link, &(node.start..middle), pieces, blocks)?;
        let right = self.reduce(link, &(middle..node.end), pieces, blocks)?;
        let ((to, mut left), (from, mut right)) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return Ok(left.or(right)),
        };
        let (rank, all) = (link.rank(), self.sizes.map(|size| 0..size));
        if to != from && rank == from {
            let sends: Vec<_> = right
                .iter()
                .flat_map(|block| block.bytes(all.clone()))
                .map(|bytes| (to, bytes))
                .collect();
            link.exchange(&sends, &mut [])?;
            self.free.extend(right.take());
        } else if to != from && rank == to {
            let mut block = self.block()?;
            let mut receives: Vec<_> =
                block.bytes_mut(all.clone()).map(|bytes| (from, bytes)).collect();
            link.exchange(&[], &mut receives)?;
            right = Some(block);
        }
        if let (Some(left), Some(right)) = (&mut left, right) {
            left.add(&right, &all);
            self.free.push(right);
        }
        Ok(Some((to, left)))
    }
}

/// The sum of a node of the pieces below it.
fn combine(
    node: &Range<usize>,
    pieces: &[Piece],
    blocks: &mut [Option<Block>],
    places: &Places,
    free: &mut Vec<Block>,
) -> Option<Block> {
    if let Some(index) = pieces.iter().position(|piece| piece.node == *node) {
        return blocks[index].take();
    }
    if node.len() == 1 {
        return None;
    }
    let middle = middle(node);
    let left = combine(&(node.start..middle), pieces, blocks, places, free);
    let right = combine(&(middle..node.end), pieces, blocks, places, free);
    added(left, right, places, free)
}

/// The sum of two parts of the tree, of which one may have no shard that is present.
fn added(
    left: Option<Block>,
    right: Option<Block>,
    places: &Places,
    free: &mut Vec<Block>,
) -> Option<Block> {
    match (left, right) {
        (Some(mut left), Some(right)) => {
            left.add(&right, places);
            free.push(right);
            Some(left)
        }
        (left, right) => left.or(right),
    }
}
