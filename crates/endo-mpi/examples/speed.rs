//! How long a step takes: without shards, with shards in one process, and on the ranks that
//! `mpirun` has started; and how long messages between these take.
//!
//! In: `mpirun -n 2 speed [net]..`, of `page`, `mnist-mlp`, `wide-mlp`, `convnet`. Out: a
//! line for each, in microseconds, from rank 0.

#[path = "workloads/mod.rs"]
mod workloads;

use endo::prelude::*;
use endo::shards::{Alone, Link};
use endo_mpi::{Shards, World};
use workloads::{Workload, exchange};

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let workloads = Workload::named(&asked)?;
    let world = World::start()?;
    let (first, ranks) = (world.is_first(), world.ranks());
    let link: std::sync::Arc<dyn Link> = (&world).into();
    if ranks == 2 {
        for bytes in [8, 1 << 10, 1 << 13, 1 << 15, 1 << 17, 1 << 20, 1 << 22] {
            let micros = exchange::fastest(&*link, 1, bytes)? * 1e6;
            if first {
                println!("exchange: {bytes} bytes: {micros:.1} us");
            }
        }
    }
    for workload in workloads {
        let print = |what: &str, step: f64| {
            if first {
                let (name, weights) = (workload.name, workload.weights());
                println!("{name}, {weights} weights: {what}: {:.1} us", step * 1e6);
            }
        };
        let step = |threads: usize, link: Option<&std::sync::Arc<dyn Link>>| {
            let mut model = (workload.model)().threads(threads);
            if let Some(link) = link {
                model.distribute(link.clone(), Shards::new(8));
            }
            workload.step(model, workload.batch)
        };
        if ranks == 1 {
            for (threads, name) in [(1, "1 thread"), (2, "2 threads")] {
                print(&format!("1 rank, {name}"), step(threads, None)?);
                print(&format!("1 rank, {name}, 8 shards"), step(threads, Some(&Alone.into()))?);
            }
        } else {
            print(&format!("{ranks} ranks, 8 shards"), step(1, Some(&link))?);
        }
    }
    Ok(())
}
