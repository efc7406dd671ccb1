//! Every layer of the library, and every activation.

use endo::activations;
use endo::prelude::*;

use super::exported;

/// What `layers` exports besides layers: options of theirs, and a trait.
const OPTIONS: &[&str] =
    &["Interpolation", "Margins", "MergeMode", "Padding", "Recurrent", "ScoreMode", "Sizes"];

#[test]
fn every_layer_predicts_the_same_bits_from_a_file() {
    for (name, compare) in exported::LAYERS {
        compare(name);
    }
}

#[test]
fn no_layer_of_the_library_is_left_out() {
    let text = include_str!("../../src/layers/mod.rs");
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = uses.flat_map(|path| path.split(|letter: char| !letter.is_alphanumeric()));
    let missing: Vec<&str> = names
        .filter(|name| name.starts_with(char::is_uppercase))
        .filter(|name| {
            exported::LAYERS.iter().all(|(known, _)| known != name) && !OPTIONS.contains(name)
        })
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
