//! Matrix products: squares from tiny to past the caches, and those of steps of nets, forward and
//! backward.
//!
//! In: nothing. Out: a group `product`, whose rate in elements a second is floating-point
//! operations a second.

use criterion::Criterion;
use endo::Transposed;

use crate::{numbers, time};

const SQUARES: [usize; 8] = [8, 16, 32, 64, 128, 256, 512, 1024];
/// Rows, inputs and units of the regressor's layers, which are the first, the hidden ones, the
/// reconstruction, the output; of 784-512-512-10; of the first layer of 1024-4096-4096-1000.
const LAYERS: [[usize; 3]; 8] = [
    [32, 8, 30],
    [32, 30, 30],
    [32, 30, 8],
    [32, 30, 1],
    [128, 784, 512],
    [128, 512, 512],
    [128, 512, 10],
    [256, 1024, 4096],
];

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for size in SQUARES {
        let (a, b) = (numbers(&[size, size]), numbers(&[size, size]));
        let name = format!("square/{size}");
        time(&mut group, name, 2 * size * size * size, [&a, &b], |[a, b], _| [a.matmul(&b)]);
    }
    for [rows, inputs, units] in LAYERS {
        let (x, kernel, dy) =
            (numbers(&[rows, inputs]), numbers(&[inputs, units]), numbers(&[rows, units]));
        let (shape, work) = (format!("{rows}x{inputs}x{units}"), 2 * rows * inputs * units);
        time(&mut group, format!("forward/{shape}"), work, [&x, &kernel], |[x, kernel], _| {
            [x.matmul(&kernel)]
        });
        time(&mut group, format!("weights/{shape}"), work, [&x, &dy], |[x, dy], _| {
            [x.matmul_transposed(&dy, Transposed::LEFT)]
        });
        time(&mut group, format!("inputs/{shape}"), work, [&dy, &kernel], |[dy, kernel], _| {
            [dy.matmul_transposed(&kernel, Transposed::RIGHT)]
        });
    }
    group.finish();
}
