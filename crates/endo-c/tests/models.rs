//! Every kernel, layer and activation as a model in C, by the tables by which exported models are
//! tested.

#[path = "../../endo/tests/support/exported.rs"]
mod exported;
mod support;

use endo::activations;
use endo::prelude::*;

use support::{check, floats, together};

fn all(cases: &[exported::Case]) {
    together(|| cases.iter().for_each(|(name, compare)| compare(name)));
}

#[test]
fn every_kernel_is_computed_in_c() {
    all(exported::KERNELS);
}

#[test]
fn models_that_take_rows_together_have_a_fixed_number_of_them() {
    all(exported::SIZES_BY_ROWS);
}

#[test]
fn every_layer_is_computed_in_c() {
    all(exported::LAYERS);
}

#[test]
fn every_activation_is_computed_in_c() {
    together(|| {
        for name in activations::names() {
            let net = Sequential::new()
                .add(Dense::new(6).activation(activations::get(name).unwrap()))
                .add(Dense::new(2));
            check(name, &Model::new(net), |rows| vec![floats([rows, 5], 1)]);
        }
    });
}
