//! How long a step takes: without shards, with shards in one process, and on the ranks that
//! `mpirun` has started; and how long messages between these take.
//!
//! In: `mpirun -n 2 speed [net]..`, of `page`, `mnist-mlp`, `wide-mlp`, `convnet`. Out: a
//! line for each, in microseconds, from rank 0.

use std::time::Instant;

use endo::prelude::*;
use endo::shards::{Alone, Link};
use endo_mpi::{Shards, World};

/// A net with data for it, and the rows of a step.
struct Workload {
    name: &'static str,
    batch: usize,
    model: fn() -> Model,
    data: fn() -> Dataset,
}

/// The nets of `endo-bench` by these names.
const WORKLOADS: [Workload; 4] = [
    Workload { name: "page", batch: 32, model: page, data: || rows([11_610, 8]) },
    Workload {
        name: "mnist-mlp",
        batch: 128,
        model: || mlp(&[512, 512], 10),
        data: || classes(&[6400, 784], 10),
    },
    Workload {
        name: "wide-mlp",
        batch: 256,
        model: || mlp(&[4096, 4096], 1000),
        data: || classes(&[512, 1024], 1000),
    },
    Workload {
        name: "convnet",
        batch: 64,
        model: convnet,
        data: || classes(&[320, 32, 32, 3], 10),
    },
];

fn page() -> Model {
    let hidden: Vec<Dense> = (0..5).map(|_| Dense::new(30).activation("selu")).collect();
    let (reconstruct, out) = (Dense::new(8), Dense::new(1));
    let net = move |x: &Tensor, cx: &mut Context| {
        let z = hidden.iter().fold(x.clone(), |z, layer| layer.apply(&z, cx));
        let error = (reconstruct.apply(&z, cx) - x).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        out.apply(&z, cx)
    };
    compiled(Model::new(net), "mse")
}

fn mlp(hidden: &[usize], outputs: usize) -> Model {
    let add = |net: Sequential, units: &usize| net.add(Dense::new(*units).activation("relu"));
    let net = hidden.iter().fold(Sequential::new(), add).add(Dense::new(outputs));
    compiled(Model::new(net), "sparse_categorical_crossentropy(from_logits=true)")
}

fn convnet() -> Model {
    let convolution = |filters| Conv2D::new(filters, 3).padding(Padding::Same).activation("relu");
    let net = Sequential::new()
        .add(convolution(32))
        .add(convolution(32))
        .add(MaxPooling2D::new(2))
        .add(convolution(64))
        .add(convolution(64))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(256).activation("relu"))
        .add(Dense::new(10));
    compiled(Model::new(net), "sparse_categorical_crossentropy(from_logits=true)")
}

fn compiled(mut model: Model, loss: &'static str) -> Model {
    model.compile("nadam", loss, ());
    model
}

fn rows(shape: [usize; 2]) -> Dataset {
    let x = Array::from_fn(shape, |i| ((i * 7919 % 1009) as f32 / 500.0 - 1.0).sin());
    let y = Array::from_fn([shape[0], 1], |i| (0.1 * i as f32).sin());
    Dataset::new(x, y).expect("rows that fit")
}

fn classes(shape: &[usize], classes: usize) -> Dataset {
    let x = Array::from_fn(shape.to_vec(), |i| ((i * 7919 % 1009) as f32 / 1009.0).sin());
    let y = Array::from_fn([shape[0]], |i| (i * 31 % classes) as i32);
    Dataset::new(x, y).expect("rows that fit")
}

/// The microseconds of a step, of the fastest epoch: what else the machine does slows others down.
fn step(workload: &Workload, mut model: Model) -> Result<f64> {
    let data = (workload.data)();
    let epochs = if data.len() < 1000 { 6 } else { 9 };
    let history = model.fit(&data, Fit::epochs(epochs).batch_size(workload.batch))?;
    let fastest = history.epochs.iter().map(|epoch| epoch.seconds).fold(f64::INFINITY, f64::min);
    Ok(fastest * 1e6 / data.len().div_ceil(workload.batch) as f64)
}

/// The microseconds of an exchange of a number of bytes both ways between ranks 0 and 1: of 20 the
/// fastest.
fn exchange(link: &dyn Link, bytes: usize) -> Result<f64> {
    let (sent, mut received) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let other = 1 - link.rank();
    let rounds = (200_000_000 / (bytes + 20_000)).clamp(20, 2000);
    let mut all = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        link.exchange(&[(other, &sent)], &mut [(other, &mut received)])?;
        all.push(start.elapsed().as_secs_f64() * 1e6);
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 20])
}

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let world = World::start()?;
    let (first, ranks) = (world.is_first(), world.ranks());
    let link: std::sync::Arc<dyn Link> = (&world).into();
    if ranks == 2 {
        for bytes in [8, 1 << 10, 1 << 13, 1 << 15, 1 << 17, 1 << 20, 1 << 22] {
            let micros = exchange(&*link, bytes)?;
            if first {
                println!("exchange of {bytes} bytes: {micros:.1} us");
            }
        }
    }
    for workload in &WORKLOADS {
        if !asked.is_empty() && !asked.iter().any(|name| name == workload.name) {
            continue;
        }
        let mut line = workload.name.to_string();
        if ranks == 1 {
            for threads in [1, 2] {
                let whole = step(workload, (workload.model)().threads(threads))?;
                let mut model = (workload.model)().threads(threads);
                model.distribute(Alone, Shards::new(8));
                let shards = step(workload, model)?;
                line += &format!("  {threads} threads: {whole:.1} us, 8 shards {shards:.1} us;");
            }
        } else {
            let mut model = (workload.model)().threads(1);
            model.distribute(&world, Shards::new(8));
            line += &format!("  {ranks} ranks: {:.1} us", step(workload, model)?);
        }
        if first {
            println!("{line}");
        }
    }
    Ok(())
}
