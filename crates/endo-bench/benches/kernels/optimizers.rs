//! The loop of every optimizer: a gradient in, weights and slots read and written.
//!
//! In: nothing. Out: a group `optimizer`, with its rate in weights a second.

use criterion::Criterion;
use endo::prelude::*;

use crate::{numbers, time};

/// The weights of the regressor, and those of 784-512-512-10.
const WEIGHTS: [usize; 2] = [4_269, 669_706];

fn optimizers() -> [(&'static str, Box<dyn Optimizer>); 7] {
    [
        ("sgd", Box::new(Sgd::new(0.001))),
        ("momentum", Box::new(Sgd::new(0.001).momentum(0.9))),
        ("rmsprop", Box::new(RmsProp::default())),
        ("adam", Box::new(Adam::default())),
        ("adamw", Box::new(AdamW::default())),
        ("nadam", Box::new(Nadam::default())),
        ("lion", Box::new(Lion::default())),
    ]
}

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer");
    for length in WEIGHTS {
        for (name, optimizer) in optimizers() {
            let weights = Variable::new("weights", numbers(&[length]));
            // The gradient of this sum is `direction`: no arithmetic but the optimizer's is left.
            time(
                &mut group,
                format!("{name}/{length}"),
                length,
                [&numbers(&[length])],
                |[direction], cx| {
                    let loss = (cx.read(&weights) * &direction).sum();
                    optimizer.apply(&cx.gradients(&loss, [&weights]), cx);
                    [direction.slice(0, 0..1)]
                },
            );
        }
    }
    group.finish();
}
