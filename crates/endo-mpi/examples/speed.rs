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
                println!("exchange of {bytes} bytes: {micros:.1} us");
            }
        }
    }
    for workload in workloads {
        let step = |model: Model| workload.step(model, workload.batch).map(|time| time * 1e6);
        let mut line = format!("{}, {} weights ", workload.name, workload.weights());
        if ranks == 1 {
            for threads in [1, 2] {
                let whole = step((workload.model)().threads(threads))?;
                let mut model = (workload.model)().threads(threads);
                model.distribute(Alone, Shards::new(8));
                let shards = step(model)?;
                line += &format!("  {threads} threads: {whole:.1} us, 8 shards {shards:.1} us;");
            }
        } else {
            let mut model = (workload.model)().threads(1);
            model.distribute(&world, Shards::new(8));
            line += &format!("  {ranks} ranks: {:.1} us", step(model)?);
        }
        if first {
            println!("{line}");
        }
    }
    Ok(())
}
