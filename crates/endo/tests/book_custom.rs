//! What is of the user's own: saved and restored with a model, by value, by name, for each
//! output, inside and outside of `call`.
//!
//! In: structs with hyperparameters. Out: numbers by hand, files read again.

#[path = "book_custom/added_losses.rs"]
mod added_losses;
#[path = "book_custom/outputs.rs"]
mod outputs;
#[path = "book_custom/saved.rs"]
mod saved;
#[path = "support/structs.rs"]
mod structs;

use endo::prelude::*;

/// Rows of three features, and a target that is not linear in them.
fn made_up_data(rows: usize) -> Dataset {
    let mut random = endo::random::Random::new(42, 0);
    let x = Array::from_fn([rows, 3], |_| random.normal());
    let y = Array::from_fn([rows, 1], |row| {
        (x.get(3 * row).sin() + x.get(3 * row + 1) * x.get(3 * row + 2)) as f32
    });
    Dataset::new(x, y).unwrap()
}

/// Whether numbers are equal up to rounding in `f32`.
#[track_caller]
fn assert_near<const N: usize>(got: [f64; N], expected: [f64; N]) {
    let near = got
        .iter()
        .zip(&expected)
        .all(|(got, expected)| (got - expected).abs() <= 1e-6 * expected.abs().max(1.0));
    assert!(near, "{got:?}, expected {expected:?}");
}
