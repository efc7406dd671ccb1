//! Models of models, custom steps, terms by owner, and outputs by name: what real programs ran
//! into, with its right values.
//!
//! In: small models with numbers worked out by hand. Out: what each of them must give.

#[path = "upper/carried_state.rs"]
mod carried_state;
#[path = "upper/models.rs"]
mod models;
#[path = "upper/outputs.rs"]
mod outputs;
#[path = "upper/passes.rs"]
mod passes;
#[path = "upper/steps.rs"]
mod steps;
#[path = "upper/terms.rs"]
mod terms;
#[path = "upper/transfer.rs"]
mod transfer;

use endo::prelude::*;

/// A linear layer of one number without bias, which begins with a kernel.
fn line(first: f64) -> Dense {
    Dense::new(1).use_bias(false).kernel_initializer(Constant(first))
}

/// A number that is near another.
fn assert_near(got: Option<f64>, want: f64) {
    assert!(got.is_some_and(|got| (got - want).abs() < 1e-5), "{got:?}, not {want}");
}

/// The first number of a model's first weight.
fn first_weight(model: &Model) -> Option<f64> {
    model.weights().first().map(|weight| weight.value().get(0))
}
