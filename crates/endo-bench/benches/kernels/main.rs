//! Single kernels, timed through the public interface: `cargo bench -p endo-bench`, with a part of
//! a name to choose some.
//!
//! In: arrays of fixed numbers. Out: criterion's report, and with `--baseline NAME` what has
//! changed since `--save-baseline NAME`. A time holds what a run costs besides the kernel: inputs
//! found, outputs copied.

mod elementwise;
mod optimizers;
mod products;
mod reductions;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use endo::prelude::*;
use std::hint::black_box;
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    products::measure(&mut criterion);
    elementwise::measure(&mut criterion);
    reductions::measure(&mut criterion);
    optimizers::measure(&mut criterion);
    criterion.final_summary();
}

/// Times a traced closure of `N` arrays on one thread; `work` is what a run of it does, for rates.
fn time<const N: usize>(
    group: &mut BenchmarkGroup<WallTime>,
    name: impl Into<String>,
    work: usize,
    inputs: [&Array; N],
    closure: impl Fn([Tensor; N], &mut Context) -> [Tensor; 1],
) {
    let mut function = Function::new(closure).threads(1);
    group.throughput(Throughput::Elements(work as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            black_box(function.run(inputs).expect("the closure fits its inputs"));
        })
    });
}

/// Numbers from 0.1 to 0.9, in no order: every function below is defined there.
fn numbers(sizes: &[usize]) -> Array {
    Array::from_fn(sizes, |index| 0.1 + 0.8 * ((index * 7919) % 1009) as f32 / 1009.0)
}
