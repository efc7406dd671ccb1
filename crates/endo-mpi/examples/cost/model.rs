//! The model: what an exchange, a sum over ranks and a step cost.
//!
//! In: the numbers of a link and of a net. Out: seconds. The routes of sums are those of
//! `endo::shards`, written down a second time as what they send.

use crate::workloads::LayerSize;

/// The bytes of an exchange that are kept close to the processor.
const NEAR: f64 = 4_194_304.0;

/// A link between hosts, each with one rank, all of which may send at once.
#[derive(Clone, Copy, Debug)]
pub struct LinkCost {
    /// From the call to the last byte, where there is one short message.
    pub latency: f64,
    /// What each message takes besides, sent and received.
    pub message: f64,
    /// A byte that is sent while another is received.
    pub byte: f64,
    /// The bytes of the longest message that is sent unasked: a longer one is announced, and sent
    /// when the other rank asks for it.
    pub eager: f64,
    /// What an exchange with longer messages takes besides, and each of their bytes.
    pub asked: f64,
    pub asked_byte: f64,
    /// What a byte takes besides, beyond those that are kept close to the processor.
    pub far_byte: f64,
}

impl LinkCost {
    /// The terms that the coefficients of an exchange of messages belong to.
    pub fn terms(messages: f64, bytes_of_each: f64, eager: f64) -> [f64; 6] {
        let (bytes, is_asked) = (messages * bytes_of_each, f64::from(bytes_of_each > eager));
        [1.0, messages, bytes, is_asked, is_asked * bytes, (bytes - NEAR).max(0.0)]
    }

    pub const fn with(coefficients: [f64; 6], eager: f64) -> Self {
        let [latency, message, byte, asked, asked_byte, far_byte] = coefficients;
        Self { latency, message, byte, eager, asked, asked_byte, far_byte }
    }

    /// The seconds of messages that a rank sends and receives at once.
    pub fn exchange(&self, messages: f64, bytes_of_each: f64) -> f64 {
        let Self { latency, message, byte, asked, asked_byte, far_byte, .. } = *self;
        let coefficients = [latency, message, byte, asked, asked_byte, far_byte];
        crate::fit::sum(&coefficients, &Self::terms(messages, bytes_of_each, self.eager))
    }
}

/// How numbers go from rank to rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    Direct,
    Scatter,
    Tree,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Direct, Self::Scatter, Self::Tree];

    /// The one that is taken.
    pub fn of(bytes: f64, ranks: usize) -> Self {
        let scattered = if ranks == 2 { 1 << 20 } else { (1 << 15).max(ranks << 11) };
        if bytes >= f64::from(scattered as u32) {
            Self::Scatter
        } else if ranks <= 16 {
            Self::Direct
        } else {
            Self::Tree
        }
    }

    /// The seconds of a sum of blocks of numbers over ranks, of which each has one block, where the
    /// addition of a byte takes a time. A block has two parts, terms and gradients, and each part
    /// is a message; the terms are too few to count as bytes.
    pub fn sum(self, link: &LinkCost, ranks: usize, bytes: f64, addition: f64) -> f64 {
        if ranks == 1 {
            return 0.0;
        }
        let (others, share) = (ranks as f64 - 1.0, 1.0 / ranks as f64);
        // Half of the messages have terms alone.
        let exchange = |messages: f64, bytes: f64| {
            link.exchange(messages, bytes) + messages.min(TERMS) * link.message
        };
        match self {
            Self::Direct => exchange(others, bytes) + others * bytes * addition,
            Self::Scatter => {
                // Each rank adds its share of all blocks, and copies its sum.
                2.0 * exchange(others, bytes * share) + bytes * addition
            }
            Self::Tree => {
                let rounds = (ranks as f64).log2().ceil();
                rounds * (2.0 * exchange(1.0, bytes) + bytes * addition)
            }
        }
    }
}

/// How many terms there are, about: where they are scattered, no more ranks than that have one.
const TERMS: f64 = 4.0;

/// What a net costs on this machine, in seconds of one thread.
#[derive(Clone, Copy, Debug)]
pub struct NetCost<'a> {
    pub layers: &'a [LayerSize],
    /// Forward and backward of a shard.
    pub shard: f64,
    /// What a step takes besides, on each rank: the update, and the call.
    pub update: f64,
    /// Adding a byte of gradients to others.
    pub addition: f64,
}

impl NetCost<'_> {
    /// The bytes of all gradients.
    pub fn bytes(&self) -> f64 {
        self.layers.iter().map(|[weights, _]| 4.0 * f64::from(*weights)).sum()
    }

    /// The seconds of one rank alone.
    pub fn alone(&self, shards: usize) -> f64 {
        shards as f64 * self.shard + self.update
    }

    /// The seconds of a step on ranks, where all gradients leave at the end.
    pub fn step(&self, link: &LinkCost, ranks: usize, shards_of_rank: usize) -> f64 {
        self.in_parts(link, ranks, shards_of_rank, 0.0, 1.0)
    }

    /// The seconds of a step on ranks, where the gradients go in two parts: the first, of the later
    /// layers, is under way while those before them are still computed for the last shard of the
    /// rank. Of all places to cut at the best.
    pub fn step_in_two(&self, link: &LinkCost, ranks: usize, shards_of_rank: usize) -> f64 {
        let cuts = (1..self.layers.len()).map(|cut| {
            let (share, ready) = self.first_part(cut);
            self.in_parts(link, ranks, shards_of_rank, share, ready)
        });
        cuts.fold(f64::INFINITY, f64::min)
    }

    /// The shards before the last, then the rest of the last one beside the exchange of the first
    /// part, then the exchange of the second, then the update.
    fn in_parts(
        &self,
        link: &LinkCost,
        ranks: usize,
        shards_of_rank: usize,
        share: f64,
        ready: f64,
    ) -> f64 {
        let sum = |bytes: f64| {
            let seconds = Route::of(bytes, ranks).sum(link, ranks, bytes, self.addition);
            if bytes > 0.0 { seconds } else { 0.0 }
        };
        let bytes = self.bytes();
        let last = f64::max(self.shard, ready * self.shard + sum(share * bytes));
        (shards_of_rank as f64 - 1.0) * self.shard + last + sum((1.0 - share) * bytes) + self.update
    }

    /// Of the layers from `cut` on: their share of the gradients, and the share of a shard's time
    /// after which these are computed. Forward, and the gradients of weights and of inputs, each
    /// multiply the same numbers; the inputs of the first layer have no gradients.
    fn first_part(&self, cut: usize) -> (f64, f64) {
        let work = |layers: &[LayerSize]| -> f64 {
            layers.iter().map(|&[weights, times]| f64::from(weights) * f64::from(times)).sum()
        };
        let (all, later) = (work(self.layers), work(&self.layers[cut..]));
        let bytes = |layers: &[LayerSize]| -> f64 { layers.iter().map(|l| f64::from(l[0])).sum() };
        let ready = (all + 2.0 * later) / (3.0 * all - work(&self.layers[..1]));
        (bytes(&self.layers[cut..]) / bytes(self.layers), ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkCost = LinkCost::with([1e-3, 0.0, 1e-8, 0.0, 0.0, 0.0], 0.0);
    const NET: NetCost<'_> = NetCost {
        layers: &[[500_000, 1], [500_000, 1]],
        shard: 0.050,
        update: 0.010,
        addition: 0.0,
    };

    #[test]
    fn a_step_in_one_part_is_shards_exchange_and_update() {
        // Two exchanges of half of 4 MB.
        let expected = 4.0 * 0.050 + 2.0 * (1e-3 + 2e6 * 1e-8) + 0.010;
        assert!((NET.step(&LINK, 2, 4) - expected).abs() < 1e-9);
    }

    #[test]
    fn what_goes_in_two_parts_hides_the_first_behind_the_rest_of_the_last_shard() {
        // The later layer is ready after 4 of 5 parts of the shard; 10 of its 22 ms are hidden.
        let sum = 2.0 * (1e-3 + 1e6 * 1e-8);
        let expected = 3.0 * 0.050 + 0.8 * 0.050 + sum + sum + 0.010;
        assert!((NET.step_in_two(&LINK, 2, 4) - expected).abs() < 1e-9);
    }

    #[test]
    fn routes_send_what_they_are_said_to_send() {
        let sums = Route::ALL.map(|route| route.sum(&LINK, 8, 8e6, 0.0));
        let expected = [1e-3 + 7.0 * 0.08, 2.0 * (1e-3 + 7.0 * 0.01), 3.0 * 2.0 * (1e-3 + 0.08)];
        for (sum, expected) in sums.iter().zip(expected) {
            assert!((sum - expected).abs() < 1e-9);
        }
    }
}
