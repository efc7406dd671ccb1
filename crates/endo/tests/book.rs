//! The constructs of the chapter on custom models and training in Géron's *Hands-On Machine
//! Learning*, one module for each topic.
//!
//! In: what the chapter writes, by Keras's names. Out: the same numbers, as the chapter prints them
//! or as computed by hand.

// The examples that are tested here each bring the module of their data along.
#![allow(clippy::duplicate_mod)]

#[path = "book/custom_functions.rs"]
mod custom_functions;
#[path = "book/custom_layers.rs"]
mod custom_layers;
#[path = "book/custom_losses.rs"]
mod custom_losses;
#[path = "book/custom_metrics.rs"]
mod custom_metrics;
#[path = "book/custom_models.rs"]
mod custom_models;
#[path = "book/custom_optimizer.rs"]
mod custom_optimizer;
#[path = "book/deviations.rs"]
mod deviations;
#[path = "book/functions.rs"]
mod functions;
#[path = "book/gradients.rs"]
mod gradients;
#[path = "book/guide.rs"]
mod guide;
#[path = "book/internals.rs"]
mod internals;
#[path = "book/loops.rs"]
mod loops;

use endo::prelude::*;

/// Whether numbers are equal up to rounding in `f32`.
#[track_caller]
fn assert_near<const N: usize>(got: [f64; N], expected: [f64; N]) {
    let near = got
        .iter()
        .zip(&expected)
        .all(|(got, expected)| (got - expected).abs() <= 1e-6 * expected.abs().max(1.0));
    assert!(near, "{got:?}, expected {expected:?}");
}

/// Rows of three features, and a target that is not linear in them.
fn made_up_data(rows: usize) -> Dataset {
    let mut random = endo::random::Random::new(42, 0);
    let x = Array::from_fn([rows, 3], |_| random.normal());
    let y = Array::from_fn([rows, 1], |row| {
        (x.get(3 * row).sin() + x.get(3 * row + 1) * x.get(3 * row + 2)) as f32
    });
    Dataset::new(x, y).unwrap()
}
