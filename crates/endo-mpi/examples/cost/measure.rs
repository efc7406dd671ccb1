//! What the model takes from measurements: the link between two ranks, and what a net costs one
//! rank while the other computes as well.
//!
//! In: the link, nets. Out: fitted coefficients, and the seconds of steps to compare with.

use std::hint::black_box;
use std::time::Instant;

use endo::prelude::*;
use endo::shards::{Alone, Link};
use endo_mpi::{Shards, World};

use crate::fit::fit;
use crate::model::{LinkCost, NetCost};
use crate::workloads::{Workload, exchange};

/// Messages at once, and the bytes of each.
const EXCHANGES: [(usize, usize); 18] = [
    (1, 8),
    (1, 1 << 10),
    (1, 1 << 12),
    (1, 1 << 14),
    (1, 1 << 16),
    (1, 1 << 18),
    (1, 1 << 20),
    (1, 1 << 22),
    (1, 1 << 24),
    (8, 8),
    (8, 1 << 12),
    (8, 1 << 16),
    (8, 1 << 19),
    (32, 8),
    (32, 1 << 10),
    (32, 1 << 12),
    (32, 1 << 16),
    (128, 1 << 15),
];

/// Exchanges that take longer are left out.
const LONGEST: f64 = 1.5;

/// The longest message that is sent unasked is one of these: between the sizes above.
const EAGER: [f64; 5] = [2048.0, 8192.0, 32_768.0, 131_072.0, f64::INFINITY];

/// An exchange that was measured.
pub struct Exchange {
    pub messages: usize,
    pub bytes: usize,
    pub seconds: f64,
}

/// Measures exchanges, and fits the numbers of a link to them; and the root of the mean of the
/// squares of the relative errors.
pub fn link(link: &dyn Link) -> Result<(Vec<Exchange>, LinkCost, f64)> {
    let mut all: Vec<Exchange> = Vec::new();
    for (messages, bytes) in EXCHANGES {
        let total = |messages: usize, bytes: usize| (messages * bytes) as f64;
        let largest = all.iter().max_by_key(|e| e.messages * e.bytes);
        let rate = largest.map_or(0.0, |e| e.seconds / total(e.messages, e.bytes));
        if rate * total(messages, bytes) > LONGEST && messages * bytes > 1 << 20 {
            continue;
        }
        let seconds = exchange::fastest(link, messages, bytes)?;
        all.push(Exchange { messages, bytes, seconds });
    }
    let seconds: Vec<f64> = all.iter().map(|exchange| exchange.seconds).collect();
    let fits = EAGER.map(|eager| {
        let terms: Vec<[f64; 6]> =
            all.iter().map(|e| LinkCost::terms(e.messages as f64, e.bytes as f64, eager)).collect();
        let (coefficients, error) = fit(&terms, &seconds);
        (LinkCost::with(coefficients, eager), error)
    });
    let best = fits.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let (cost, error) = best.expect("there are several");
    Ok((all, cost, error))
}

/// What shards of a net cost.
pub struct NetTimes {
    /// Shards of an eighth of the net's batch, and of all of it.
    pub eighth: f64,
    pub whole: f64,
    pub update: f64,
    pub addition: f64,
}

/// A step on both ranks that was measured.
pub struct StepTime {
    pub shards: usize,
    pub seconds: f64,
}

impl NetTimes {
    /// A net's cost, with shards of an eighth of the batch.
    pub fn of_eighths(&self, workload: &Workload) -> NetCost<'static> {
        let Self { eighth: shard, update, addition, .. } = *self;
        NetCost { layers: workload.layers, shard, update, addition }
    }

    /// The same with shards as large as the batch.
    pub fn of_batches(&self, workload: &Workload) -> NetCost<'static> {
        NetCost { shard: self.whole, ..self.of_eighths(workload) }
    }
}

/// Measures a net on both ranks at once, each alone on its core.
pub fn net(link: &dyn Link, workload: &Workload) -> Result<NetTimes> {
    let alone = |shards: usize, rows: usize| -> Result<f64> {
        let mut model = (workload.model)().threads(1);
        model.distribute(Alone, Shards::new(shards));
        exchange::slowest(link, 0.0)?;
        let seconds = workload.step(model, rows)?;
        exchange::slowest(link, seconds)
    };
    let (mut terms, mut seconds) = (Vec::new(), Vec::new());
    for shards in [1, 2, 4, 8] {
        terms.push([shards as f64, 1.0]);
        seconds.push(alone(shards, shards * workload.batch / 8)?);
    }
    let ([eighth, update], _) = fit(&terms, &seconds);
    let whole = alone(1, workload.batch)? - update;
    exchange::slowest(link, 0.0)?;
    let addition = exchange::slowest(link, addition(2 * workload.weights() as usize))?;
    Ok(NetTimes { eighth, whole, update, addition })
}

/// The seconds of a byte that is added to another, of as many as this.
fn addition(bytes: usize) -> f64 {
    let (mut to, from) = (vec![1.0_f32; bytes / 4], vec![1e-3_f32; bytes / 4]);
    let rounds = (100_000_000 / bytes.max(1)).clamp(5, 1000);
    let mut fastest = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        for (to, from) in to.iter_mut().zip(black_box(&from)) {
            *to += from;
        }
        black_box(&mut to);
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest / bytes as f64
}

/// The seconds of a step on both ranks, with shards of an eighth of the net's batch.
pub fn step(world: &World, link: &dyn Link, workload: &Workload, shards: usize) -> Result<f64> {
    let mut model = (workload.model)().threads(1);
    model.distribute(world, Shards::new(shards));
    let seconds = workload.step(model, shards * workload.batch / 8)?;
    exchange::slowest(link, seconds)
}
