//! Improves the groups that one walk has found, which cannot see who will use a value.
//!
//! In: groups, each reading only from groups of smaller depth. Out: the same property, with fewer
//! groups and fewer values that go through memory.

use rustc_hash::FxHashMap;

use crate::graph::{NodeId, Op};

use super::fuse::{Group, Groups, LARGEST_LOOP};
use super::read::Read;

/// Who uses a value or the values of a group.
#[derive(Clone, Copy, PartialEq)]
enum Users {
    /// Nobody yet.
    None,
    /// One loop, which needs no trip to memory if it computes the value itself.
    One(usize),
    /// More than that.
    Many,
}

impl Users {
    fn and(self, user: usize, direct: bool) -> Self {
        let one = if direct { Users::One(user) } else { Users::Many };
        if self == Users::None || self == one { one } else { Users::Many }
    }
}

impl Groups<'_> {
    /// Applies all improvements.
    pub fn regroup(&mut self) {
        self.sink();
        self.postpone();
        self.gather();
    }

    /// Merges loops into the only loop that uses their values: `velocity * momentum` waits for the
    /// gradient.
    fn sink(&mut self) {
        let mut order: Vec<usize> =
            (0..self.list.len()).filter(|&group| !self.list[group].members.is_empty()).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(self.list[group].depth));
        // Deepest first: when a group's turn comes, its users have found their last place.
        let mut users = vec![Users::None; self.list.len()];
        for group in order {
            let merged = match users[group] {
                Users::One(user) if self.alike(group, user) => user,
                Users::None | Users::One(_) | Users::Many => group,
            };
            if merged != group {
                self.merge(group, merged);
            }
            let Group { length, ref members, .. } = self.list[merged];
            for read in members.iter().flat_map(|&id| self.reads(id)) {
                if let Some(source) = self.of(read.base).filter(|&source| source != merged) {
                    users[source] = users[source].and(merged, self.is_direct(read, length));
                }
            }
        }
    }

    /// Whether one loop can do what two do, as far as the loops themselves are concerned.
    fn alike(&self, a: usize, b: usize) -> bool {
        let [a, b] = [a, b].map(|group| &self.list[group]);
        let loops = a.is_loop && b.is_loop && a.length == b.length && a.after == b.after;
        loops && a.members.len() + b.members.len() <= LARGEST_LOOP
    }

    /// Moves operations to the later loop that alone uses them, when what they are computed from is
    /// in memory anyway: the slope of an activation is computed in the backward pass.
    fn postpone(&mut self) {
        let count = self.graph.nodes.len();
        let kept = self.kept();
        let (roots, uses) = (self.roots(), self.uses());
        let mut users = vec![Users::None; count];
        for position in (0..count).rev() {
            let id = NodeId(position as u32);
            let Some(mut group) = self.of(id) else { continue };
            if let Users::One(user) = users[position]
                && user != group
                && !roots[position]
                && self.is_elementwise(id)
                && self.alike(group, user)
                && self.kept_source(id, group, &kept, &uses).is_some()
            {
                self.move_to(id, user);
                group = user;
            }
            let length = self.list[group].length;
            for read in self.reads(id) {
                let position = read.base.index();
                users[position] = users[position].and(group, self.is_direct(read, length));
            }
        }
    }

    /// The one value, besides constants, that an operation is computed from, by itself or by others
    /// of its group that nothing else uses; if the group computes it and keeps it for others, or it
    /// is rounded and takes half of the memory of what is computed from it.
    fn kept_source(&self, id: NodeId, group: usize, kept: &[bool], uses: &[u32]) -> Option<NodeId> {
        let mut source = None;
        for read in self.reads(id) {
            let node = self.graph.node(read.base);
            if matches!(node.op, Op::Constant(_)) {
                continue;
            }
            if self.of(read.base) != Some(group) {
                return None;
            }
            let stays = match node.op {
                _ if kept[read.base.index()] => true,
                Op::Elementwise(operation) => operation.rounds_to_bf16(),
                _ => false,
            };
            let of_read = if stays {
                read.base
            } else if uses[read.base.index()] == 1 && self.is_elementwise(read.base) {
                self.kept_source(read.base, group, kept, uses)?
            } else {
                return None;
            };
            if source.replace(of_read).is_some_and(|other| other != of_read) {
                return None;
            }
        }
        source
    }

    /// Which values outputs, writes and checks read.
    fn roots(&self) -> Vec<bool> {
        let mut roots = vec![false; self.graph.nodes.len()];
        for read in self.reads.roots() {
            roots[read.base.index()] = true;
        }
        roots
    }

    /// Which values are wanted outside the loops that compute them.
    pub fn kept(&self) -> Vec<bool> {
        let mut kept = self.roots();
        for position in 0..kept.len() {
            let id = NodeId(position as u32);
            let Some(own) = self.of(id) else { continue };
            let length = self.list[own].length;
            for read in self.reads(id) {
                let inside = self.of(read.base) == Some(own) && self.is_direct(read, length);
                kept[read.base.index()] |= !inside;
            }
        }
        kept
    }

    /// Merges loops of the same depth, which cannot depend on each other: those over single
    /// elements, which cost little more than to be started, and those that read the same sequence.
    fn gather(&mut self) {
        let mut first: FxHashMap<(usize, bool, usize, Option<&Read>), usize> = FxHashMap::default();
        for group in 0..self.list.len() {
            let Group { is_loop, length, depth, after, ref members } = self.list[group];
            if !is_loop || members.is_empty() {
                continue;
            }
            let reads: Vec<&Read> = match length {
                1 => Vec::new(),
                _ => members.iter().flat_map(|id| &self.reads.inputs[id.index()]).collect(),
            };
            let loads = reads
                .into_iter()
                .filter(|read| self.of(read.base) != Some(group) && !read.layout.is_uniform());
            let keys = loads
                .map(Some)
                .chain((length == 1).then_some(None))
                .map(|read| (depth, after, length, read));
            let keys: Vec<_> = keys.collect();
            let into = keys
                .iter()
                .filter_map(|key| first.get(key).copied())
                .find(|&into| length == 1 || self.alike(group, into));
            for key in keys {
                first.entry(key).or_insert(into.unwrap_or(group));
            }
            if let Some(into) = into {
                self.merge(group, into);
            }
        }
    }
}
