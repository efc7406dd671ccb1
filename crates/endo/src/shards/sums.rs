//! Sums over all shards by a fixed binary tree of additions, whoever computes which shard.
//!
//! In: the numbers of each shard of this rank. Out: their sums over the shards of all ranks, the
//! same bits on every rank. Sends and receives move parts of the tree; each addition is ours, so
//! that its place in the tree says what is added to what, and no library's order does.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};

use super::block::{Block, Places};
use super::{Link, Shards};

/// Computes a shard.
pub(crate) type Leaf<'a> = dyn FnMut(usize, &mut Block, Taking) + 'a;

/// What is done with a block in which a shard is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taking {
    /// Its numbers are written over.
    Replace,
    /// The shard's are added to them.
    Add,
}

/// Where a node of the tree, more than one shard, is cut: each half of the shards, the left one a
/// power of two of them.
fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

/// How numbers go from rank to rank. The sums do not depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
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
        if bytes >= 1 << 15 && ranks > 1 {
            Self::Scatter
        } else if ranks <= 16 {
            Self::Direct
        } else {
            Self::Tree
        }
    }
}

/// A largest part of the tree that one rank computes alone.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    rank: usize,
    node: Range<usize>,
}

/// Sums over shards, with the memory that they use again and again.
#[derive(Default)]
pub(crate) struct ShardSum {
    free: Vec<Block>,
    /// The last sum.
    sum: Option<Block>,
    /// What route is taken, if it is not the usual one.
    pub route: Option<Route>,
}

impl ShardSum {
    /// Has each shard of this rank that is present computed by `leaf`, and adds up all shards of
    /// all ranks. A `leaf` writes every number of its block, or adds to it.
    pub fn run(
        &mut self,
        link: &dyn Link,
        shards: Shards,
        is_present: &dyn Fn(usize) -> bool,
        sizes: [usize; 2],
        leaf: &mut Leaf<'_>,
    ) -> Result<&mut Block> {
        self.free.extend(self.sum.take());
        self.free.retain(|block| block.sizes() == sizes);
        let (rank, ranks) = (link.rank(), link.ranks());
        let pieces = pieces(shards, ranks, is_present);
        let mut blocks: Vec<Option<Block>> = vec![None; pieces.len()];
        for (piece, block) in pieces.iter().zip(&mut blocks).filter(|(p, _)| p.rank == rank) {
            *block = self.local(&piece.node, is_present, sizes, leaf)?;
        }
        let route = self.route.unwrap_or(Route::of(sizes, ranks));
        let root = 0..shards.count();
        let sum = match route {
            _ if ranks == 1 => blocks.iter_mut().find_map(Option::take),
            Route::Direct => {
                self.move_pieces(link, &pieces, &mut blocks, sizes, &|_| {
                    sizes.map(|size| 0..size)
                })?;
                let all = sizes.map(|size| 0..size);
                combine(&root, &pieces, &mut blocks, &all, &mut self.free)
            }
            Route::Scatter => {
                let share = |rank: usize| sizes.map(|size| super::part(rank, ranks, size));
                self.move_pieces(link, &pieces, &mut blocks, sizes, &share)?;
                let sum = combine(&root, &pieces, &mut blocks, &share(rank), &mut self.free);
                sum.map(|sum| self.gather(link, sum, &share)).transpose()?
            }
            Route::Tree => self.climb(link, &root, &pieces, &mut blocks, sizes)?,
        };
        self.free.extend(blocks.into_iter().flatten());
        let sum = sum.ok_or_else(|| Error::new(ErrorKind::Data, "a batch without rows"))?;
        Ok(self.sum.insert(sum))
    }

    /// The last sum.
    pub fn last(&self) -> Option<&Block> {
        self.sum.as_ref()
    }

    /// The sum of the present shards of a node, computed here.
    fn local(
        &mut self,
        node: &Range<usize>,
        is_present: &dyn Fn(usize) -> bool,
        sizes: [usize; 2],
        leaf: &mut Leaf<'_>,
    ) -> Result<Option<Block>> {
        if node.len() == 1 {
            if !is_present(node.start) {
                return Ok(None);
            }
            let mut block = self.block(sizes)?;
            leaf(node.start, &mut block, Taking::Replace);
            return Ok(Some(block));
        }
        let middle = middle(node);
        let mut left = self.local(&(node.start..middle), is_present, sizes, leaf)?;
        if let Some(left) = &mut left
            && node.end - middle == 1
            && is_present(middle)
        {
            // A single shard is added where it is computed.
            leaf(middle, left, Taking::Add);
        }
        if left.is_some() && node.end - middle == 1 {
            return Ok(left);
        }
        let right = self.local(&(middle..node.end), is_present, sizes, leaf)?;
        let all = sizes.map(|size| 0..size);
        Ok(added(left, right, &all, &mut self.free))
    }

    /// A block to be written over.
    fn block(&mut self, sizes: [usize; 2]) -> Result<Block> {
        self.free.pop().map_or_else(|| Block::try_new(sizes), Ok)
    }

    /// Sends each rank what it adds of the pieces of this rank, and receives the same of the pieces
    /// of others.
    fn move_pieces(
        &mut self,
        link: &dyn Link,
        pieces: &[Piece],
        blocks: &mut [Option<Block>],
        sizes: [usize; 2],
        share: &dyn Fn(usize) -> Places,
    ) -> Result<()> {
        let rank = link.rank();
        for (piece, block) in pieces.iter().zip(&mut *blocks) {
            if piece.rank != rank {
                *block = Some(self.block(sizes)?);
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

    /// Gives all ranks the sums that each has added a share of.
    fn gather(
        &mut self,
        link: &dyn Link,
        sum: Block,
        share: &dyn Fn(usize) -> Places,
    ) -> Result<Block> {
        let (rank, mut all) = (link.rank(), self.block(sum.sizes())?);
        all.copy(&sum, &share(rank));
        let others = || (0..link.ranks()).filter(|&other| other != rank);
        let sends: Vec<(usize, &[u8])> = others()
            .flat_map(|other| sum.bytes(share(rank)).map(move |bytes| (other, bytes)))
            .collect();
        // The shares follow one another, so each is cut off the front of what is left.
        let mut wide = all.wide.as_mut_slice::<f64>().expect("f64");
        let mut narrow = all.narrow.as_mut_slice::<f32>().expect("f32");
        let mut receives: Vec<(usize, &mut [u8])> = Vec::new();
        for other in 0..link.ranks() {
            let [of_wide, of_narrow] = share(other).map(|range| range.len());
            let (first, rest) = wide.split_at_mut(of_wide);
            wide = rest;
            let (second, rest) = narrow.split_at_mut(of_narrow);
            narrow = rest;
            if other != rank {
                let first: &mut [u8] = bytemuck::cast_slice_mut(first);
                let second: &mut [u8] = bytemuck::cast_slice_mut(second);
                let both = [first, second].into_iter().filter(|bytes| !bytes.is_empty());
                receives.extend(both.map(|bytes| (other, bytes)));
            }
        }
        link.exchange(&sends, &mut receives)?;
        self.free.push(sum);
        Ok(all)
    }

    /// Adds along the tree, from rank to rank, and hands the sum down to all.
    fn climb(
        &mut self,
        link: &dyn Link,
        root: &Range<usize>,
        pieces: &[Piece],
        blocks: &mut [Option<Block>],
        sizes: [usize; 2],
    ) -> Result<Option<Block>> {
        let Some((holder, sum)) = self.reduce(link, root, pieces, blocks, sizes)? else {
            return Ok(None);
        };
        let mut sum = sum.map_or_else(|| self.block(sizes), Ok)?;
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
        sizes: [usize; 2],
    ) -> Result<Option<(usize, Option<Block>)>> {
        if let Some(index) = pieces.iter().position(|piece| piece.node == *node) {
            return Ok(Some((pieces[index].rank, blocks[index].take())));
        }
        if node.len() == 1 {
            return Ok(None);
        }
        let middle = middle(node);
        let left = self.reduce(link, &(node.start..middle), pieces, blocks, sizes)?;
        let right = self.reduce(link, &(middle..node.end), pieces, blocks, sizes)?;
        let ((to, mut left), (from, mut right)) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return Ok(left.or(right)),
        };
        let (rank, all) = (link.rank(), sizes.map(|size| 0..size));
        if to != from && rank == from {
            let sends: Vec<_> = right
                .iter()
                .flat_map(|block| block.bytes(all.clone()))
                .map(|bytes| (to, bytes))
                .collect();
            link.exchange(&sends, &mut [])?;
            self.free.extend(right.take());
        } else if to != from && rank == to {
            let mut block = self.block(sizes)?;
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

/// The largest parts of the tree that one rank computes alone, in their order.
fn pieces(shards: Shards, ranks: usize, is_present: &dyn Fn(usize) -> bool) -> Vec<Piece> {
    fn walk(
        node: Range<usize>,
        rank: usize,
        own: &Range<usize>,
        is_present: &dyn Fn(usize) -> bool,
        found: &mut Vec<Piece>,
    ) {
        if node.end <= own.start || own.end <= node.start || !node.clone().any(is_present) {
            return;
        }
        if own.start <= node.start && node.end <= own.end {
            return found.push(Piece { rank, node });
        }
        let middle = middle(&node);
        walk(node.start..middle, rank, own, is_present, found);
        walk(middle..node.end, rank, own, is_present, found);
    }
    let mut found = Vec::new();
    for rank in 0..ranks {
        walk(0..shards.count(), rank, &shards.of_rank(rank, ranks), is_present, &mut found);
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::Threads;

    const SIZES: [usize; 2] = [5, 70];

    /// Numbers whose sum depends on the order of the additions.
    fn fill(shard: usize, block: &mut Block, taking: Taking) {
        if taking == Taking::Add {
            let mut own = Block::try_new(SIZES).unwrap();
            fill(shard, &mut own, Taking::Replace);
            return block.add(&own, &block.all());
        }
        let number = |index: usize| ((shard * 977 + index * 131) as f64 * 0.618).sin() * 1e3;
        for (index, value) in block.wide().iter_mut().enumerate() {
            *value = number(index) / 3.0;
        }
        for (index, value) in block.narrow().iter_mut().enumerate() {
            *value = number(index + 7) as f32;
        }
    }

    fn sums(shards: usize, ranks: usize, route: Option<Route>, rows: usize) -> Vec<Block> {
        let shards = Shards::new(shards);
        Threads::run(ranks, |link| {
            let mut sum = ShardSum { route, ..ShardSum::default() };
            let is_present = |shard: usize| !shards.rows(shard, rows).is_empty();
            let mut last = None;
            for _ in 0..3 {
                let result = sum.run(&link, shards, &is_present, SIZES, &mut fill).unwrap();
                assert!(last.as_ref().is_none_or(|last| last == result));
                last = Some(result.clone());
            }
            last.unwrap()
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
        let mut in_turn = Block::try_new(SIZES).unwrap();
        let mut next = in_turn.clone();
        for shard in 0..8 {
            fill(shard, &mut next, Taking::Replace);
            in_turn.add(&next, &next.all());
        }
        assert_ne!(in_turn, sums(8, 1, None, 8).remove(0));
    }

    #[test]
    fn the_tree_is_the_one_of_the_definition() {
        let mut sum = ShardSum::default();
        let mut order = Vec::new();
        let mut leaf = |shard: usize, block: &mut Block, taking: Taking| {
            order.push(shard);
            let before = if taking == Taking::Add { block.wide()[0] } else { 0.0 };
            block.wide()[0] = before + [1e16, 1.0, -1e16, 1.0, 0.5][shard];
        };
        let sum = sum.run(&crate::shards::Alone, Shards::new(5), &|_| true, [1, 0], &mut leaf);
        // ((1e16 + 1) + (-1e16 + 1)) + 0.5, each sum rounded.
        assert_eq!(sum.unwrap().wide(), [(1e16_f64 + 1.0) + (-1e16 + 1.0) + 0.5]);
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
