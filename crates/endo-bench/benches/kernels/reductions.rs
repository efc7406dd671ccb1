//! Reductions over all numbers, over rows and over columns, and what is made of them.
//!
//! In: nothing. Out: a group `reduction`, with its rate in elements a second.

use criterion::Criterion;
use endo::Tensor;
use endo::activations::ActivationFunction;
use endo::prelude::Softmax;

use crate::{numbers, time};

/// The logits of a batch, and a batch of a wide layer.
const SHAPES: [[usize; 2]; 2] = [[128, 10], [256, 4096]];

type Unary = fn(&Tensor) -> Tensor;
const REDUCTIONS: [(&str, Unary); 8] = [
    ("sum", Tensor::sum),
    ("sum of rows", |x| x.sum_axes([1])),
    ("sum of columns", |x| x.sum_axes([0])),
    ("max", Tensor::max),
    ("max of rows", |x| x.max_axes([1])),
    ("variance of columns", |x| x.variance_axes([0])),
    ("logsumexp of rows", |x| x.logsumexp_axes([1])),
    ("softmax", |x| Softmax.call(x)),
];

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reduction");
    for [rows, columns] in SHAPES {
        let x = numbers(&[rows, columns]);
        for (name, function) in REDUCTIONS {
            time(&mut group, format!("{name}/{rows}x{columns}"), rows * columns, [&x], |[x], _| {
                [function(&x)]
            });
        }
    }
    group.finish();
}
