//! Every layer of the library, and every activation.

use endo::prelude::*;
use endo::{activations, layers};

use super::exported;

#[test]
fn every_layer_predicts_the_same_bits_from_a_file() {
    for (name, compare) in exported::LAYERS {
        compare(name);
    }
}

#[test]
fn no_layer_of_the_library_is_left_out() {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let missing: Vec<&str> = layers::names()
        .filter(|name| exported::LAYERS.iter().all(|(known, _)| plain(known) != plain(name)))
        .collect();
    assert!(
        missing.is_empty(),
        "layers to be added to the table of `tests/support/exported.rs`: {missing:?}"
    );
}

#[test]
fn every_activation_predicts_the_same_bits_from_a_file() {
    for name in activations::names() {
        exported::one(
            name,
            Sequential::new()
                .add(Dense::new(6).activation(activations::get(name).unwrap()))
                .add(Dense::new(2)),
            &[5],
        );
    }
}
