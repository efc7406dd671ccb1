//! Every layer of the library, and every activation.

use endo::activations;
use endo::prelude::*;

use super::support::{check, floats, numbers};

/// A layer of the library by name, and what compares an exported model of it with the model.
type Case = (&'static str, fn(&str));

const LAYERS: &[Case] = &[
    ("Activation", |name| one(name, Activation::new("gelu"), &[5])),
    ("ActivityRegularization", |name| one(name, ActivityRegularization::new().l2(0.1), &[5])),
    ("Add", |name| pair(name, Add::new())),
    ("Average", |name| pair(name, Average::new())),
    ("BatchNormalization", |name| {
        one(name, BatchNormalization::new(), &[5]);
        one(name, BatchNormalization::new().axis(1), &[3, 4]);
    }),
    ("Concatenate", |name| {
        pair(name, Concatenate::new());
        pair(name, Concatenate::new().axis(1));
    }),
    ("Dense", |name| {
        one(name, Dense::new(3).activation(Selu), &[8]);
        one(name, Dense::new(70).use_bias(false), &[33]);
        one(name, Dense::new(4).activation("tanh"), &[3, 2, 5]);
        check(name, &Model::new(Dense::new(3)).dtype(DType::F64), |rows| vec![numbers([rows, 4], DType::F64, [-1.0, 1.0], 1)]);
    }),
    ("Dropout", |name| one(name, Dropout::new(0.5), &[5])),
    ("Embedding", |name| {
        // Some numbers are outside the table, and give NaN.
        let tokens = |rows| vec![numbers([rows, 6], DType::I32, [-2.0, 12.0], 3)];
        check(name, &Model::new(Embedding::new(10, 4)), tokens);
        check(name, &Model::new(Sequential::new().add(Embedding::new(10, 4).mask_zero(true)).add(Dense::new(2))), tokens);
        let bytes = |rows| vec![numbers([rows, 6], DType::Bool, [0.0, 1.0], 3)];
        check(name, &Model::new(Embedding::new(2, 4)), bytes);
    }),
    ("Flatten", |name| one(name, Flatten::new(), &[3, 4])),
    ("GaussianDropout", |name| one(name, GaussianDropout::new(0.5), &[5])),
    ("GaussianNoise", |name| one(name, GaussianNoise::new(0.5), &[5])),
    ("LayerNormalization", |name| {
        one(name, LayerNormalization::new(), &[9]);
        one(name, LayerNormalization::new().axis([1, 2]), &[3, 4]);
    }),
    ("Masking", |name| {
        // What is masked does not count in a mean over steps.
        let mean = |x: &Tensor, cx: &mut Context| {
            let mask = cx.mask(x).expect("it was set").cast(DType::F32).expand_dims(-1);
            (x * &mask).sum_axes(&[1]) / mask.sum_axes(&[1])
        };
        one(name, Sequential::new().add(Masking::new(-2.0)).add(Dense::new(3)).add(mean), &[4, 2]);
        one(name, Masking::new(0.0), &[4, 2]);
    }),
    ("Maximum", |name| pair(name, Maximum::new())),
    ("Minimum", |name| pair(name, Minimum::new())),
    ("Multiply", |name| pair(name, Multiply::new())),
    ("Normalization", |name| {
        one(name, Normalization::new([1.0, -1.0, 0.5], [2.0, 0.5, 1.0]), &[3]);
        one(name, Normalization::new([1.0, -1.0, 0.5], [2.0, 0.5, 1.0]).invert(true), &[2, 3]);
    }),
    ("Reshape", |name| {
        one(name, Reshape::new([2, 6]), &[3, 4]);
        one(name, Reshape::new([-1, 2]), &[3, 4]);
    }),
    ("Sequential", |name| {
        one(name, Sequential::new(), &[5]);
        one(name, Sequential::new().add(Dense::new(7).activation("relu")).add(Dropout::new(0.2)).add(Dense::new(2)), &[5]);
    }),
    ("Subtract", |name| pair(name, Subtract::new())),
];

/// A layer of one input, with rows of these sizes.
fn one(name: &str, layer: impl Layer + 'static, sizes: &[usize]) {
    check(name, &Model::new(layer), |rows| vec![floats([&[rows], sizes].concat(), 1)]);
}

/// A layer of several inputs, on two.
fn pair(name: &str, layer: impl Layer<Vec<Tensor>> + 'static) {
    check(name, &Model::new(layer), |rows| vec![floats([rows, 3, 4], 1), floats([rows, 3, 4], 2)]);
}

#[test]
fn every_layer_predicts_the_same_bits_from_a_file() {
    LAYERS.iter().for_each(|(name, compare)| compare(name));
}

#[test]
fn no_layer_of_the_library_is_left_out() {
    let text = include_str!("../../src/layers/mod.rs");
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = uses.flat_map(|path| path.split(|letter: char| !letter.is_alphanumeric()));
    let missing: Vec<&str> = names
        .filter(|name| name.starts_with(char::is_uppercase))
        .filter(|name| LAYERS.iter().all(|(known, _)| known != name))
        .collect();
    assert!(missing.is_empty(), "layers to be added to the table of this file: {missing:?}");
}

#[test]
fn every_activation_predicts_the_same_bits_from_a_file() {
    for name in activations::names() {
        one(name, Sequential::new().add(Dense::new(6).activation(activations::get(name).unwrap())).add(Dense::new(2)), &[5]);
    }
}
