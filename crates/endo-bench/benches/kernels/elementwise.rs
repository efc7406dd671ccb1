//! Elementwise functions on numbers that fit in the first cache, and on a table that fits in none.
//!
//! In: nothing. Out: a group `elementwise`, with its rate in elements a second.

use criterion::Criterion;
use endo::Tensor;

use crate::{numbers, time};

const LENGTHS: [usize; 2] = [1 << 12, 1 << 22];

type Unary = fn(&Tensor) -> Tensor;
const FUNCTIONS: [(&str, Unary); 12] = [
    ("add", |x| x + 1.0),
    ("divide", |x| 1.0 / x),
    ("sqrt", Tensor::sqrt),
    ("exp", Tensor::exp),
    ("log", Tensor::log),
    ("tanh", Tensor::tanh),
    ("sigmoid", Tensor::sigmoid),
    ("softplus", Tensor::softplus),
    ("erf", Tensor::erf),
    ("sin", Tensor::sin),
    ("selu", Tensor::selu),
    ("power", |x| x.powf(1.5)),
];

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("elementwise");
    for length in LENGTHS {
        let x = numbers(&[length]);
        for (name, function) in FUNCTIONS {
            time(&mut group, format!("{name}/{length}"), length, [&x], |[x], _| [function(&x)]);
        }
    }
    group.finish();
}
