//! The fixed binary tree by which shards are added up, and the parts of it that ranks compute.
//!
//! In: the number of shards, which of them have rows, and the number of ranks. Out: the largest
//! parts of the tree that one rank computes alone, and the order of what it does for each.

use std::ops::Range;

use super::Shards;

/// What is done with a block in which a shard is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taking {
    /// Its numbers are written over.
    Replace,
    /// The shard's are added to them.
    Add,
}

/// A largest part of the tree that one rank computes alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub rank: usize,
    pub node: Range<usize>,
}

/// What a rank does to compute a part of the tree, with sums on a stack.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum TreeStep {
    /// Computes a shard: into a new block on the stack, or added to the last one.
    Shard(usize, Taking),
    /// Adds the last block to the one before it.
    Add,
}

/// Where a node of the tree, more than one shard, is cut: each half of the shards, the left one a
/// power of two of them.
pub(super) fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

/// The largest parts of the tree that one rank computes alone, in their order.
pub(super) fn pieces(
    shards: Shards,
    ranks: usize,
    is_present: &dyn Fn(usize) -> bool,
) -> Vec<Piece> {
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

/// What computes the sum of the present shards of a node, of which there is at least one; what
/// comes after the last shard are additions.
pub(super) fn steps(node: &Range<usize>, is_present: &dyn Fn(usize) -> bool) -> Vec<TreeStep> {
    fn walk(
        node: Range<usize>,
        is_present: &dyn Fn(usize) -> bool,
        steps: &mut Vec<TreeStep>,
    ) -> bool {
        if node.len() == 1 {
            if is_present(node.start) {
                steps.push(TreeStep::Shard(node.start, Taking::Replace));
            }
            return is_present(node.start);
        }
        let middle = middle(&node);
        let has_left = walk(node.start..middle, is_present, steps);
        if has_left && node.end - middle == 1 {
            // A single shard is added where it is computed.
            if is_present(middle) {
                steps.push(TreeStep::Shard(middle, Taking::Add));
            }
            return true;
        }
        let has_right = walk(middle..node.end, is_present, steps);
        if has_left && has_right {
            steps.push(TreeStep::Add);
        }
        has_left || has_right
    }
    let mut found = Vec::new();
    walk(node.clone(), is_present, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_tree_ends_with_its_additions() {
        use TreeStep::{Add, Shard};
        let all = |_: usize| true;
        let of = |node: Range<usize>| steps(&node, &all);
        let four = [
            Shard(0, Taking::Replace),
            Shard(1, Taking::Add),
            Shard(2, Taking::Replace),
            Shard(3, Taking::Add),
            Add,
        ];
        assert_eq!(of(0..4), four);
        assert_eq!(
            of(4..7),
            [Shard(4, Taking::Replace), Shard(5, Taking::Add), Shard(6, Taking::Add)]
        );
        let odd = steps(&(0..4), &|shard| shard % 2 == 1);
        assert_eq!(odd, [Shard(1, Taking::Replace), Shard(3, Taking::Replace), Add]);
    }

    #[test]
    fn ranks_compute_the_largest_parts_that_are_theirs_alone() {
        let all = |_: usize| true;
        let nodes = |ranks: usize| -> Vec<(usize, Range<usize>)> {
            pieces(Shards::new(8), ranks, &all).into_iter().map(|p| (p.rank, p.node)).collect()
        };
        assert_eq!(nodes(2), [(0, 0..4), (1, 4..8)]);
        assert_eq!(nodes(3), [(0, 0..2), (1, 2..4), (1, 4..5), (2, 5..6), (2, 6..8)]);
        let second = pieces(Shards::new(8), 2, &|shard| shard >= 4);
        assert_eq!(second, [Piece { rank: 1, node: 4..8 }]);
    }
}
