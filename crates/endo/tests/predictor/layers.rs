//! Every layer of the library, and every activation.

use endo::activations;
use endo::layers::{Add, Average, Dot, Maximum, Minimum, Multiply, Subtract};
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
        check(name, &Model::new(Dense::new(3)).dtype(DType::F64), |rows| {
            vec![numbers([rows, 4], DType::F64, [-1.0, 1.0], 1)]
        });
    }),
    ("Dropout", |name| one(name, Dropout::new(0.5), &[5])),
    ("Embedding", |name| {
        // Some numbers are outside the table, and give NaN.
        let tokens = |rows| vec![numbers([rows, 6], DType::I32, [-2.0, 12.0], 3)];
        check(name, &Model::new(Embedding::new(10, 4)), tokens);
        check(
            name,
            &Model::new(
                Sequential::new().add(Embedding::new(10, 4).mask_zero(true)).add(Dense::new(2)),
            ),
            tokens,
        );
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
            (x * &mask).sum_axes([1]) / mask.sum_axes([1])
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
        one(
            name,
            Sequential::new()
                .add(Dense::new(7).activation("relu"))
                .add(Dropout::new(0.2))
                .add(Dense::new(2)),
            &[5],
        );
    }),
    ("Subtract", |name| pair(name, Subtract::new())),
    ("AlphaDropout", |name| one(name, AlphaDropout::new(0.5), &[5])),
    ("SpatialDropout1D", |name| one(name, SpatialDropout1D::new(0.5), &[4, 3])),
    ("SpatialDropout2D", |name| one(name, SpatialDropout2D::new(0.5), &[4, 3, 2])),
    ("SpatialDropout3D", |name| one(name, SpatialDropout3D::new(0.5), &[4, 3, 2, 2])),
    ("AdditiveAttention", |name| attention(name, AdditiveAttention::new())),
    ("Attention", |name| attention(name, Attention::new().use_scale(true))),
    ("GroupQueryAttention", |name| attention(name, GroupQueryAttention::new(3, 4, 2))),
    ("MultiHeadAttention", |name| attention(name, MultiHeadAttention::new(2, 3))),
    ("MaskedSoftmax", |name| {
        let masked = |x: &Tensor, cx: &mut Context| {
            MaskedSoftmax::new().apply(&(x.clone(), x.greater(0.0)), cx)
        };
        one(name, masked, &[4]);
    }),
    ("Conv1D", |name| {
        one(name, Conv1D::new(3, 3).padding(Padding::Causal).dilation_rate(2), &[7, 2]);
        one(name, Conv1D::new(4, 1), &[7, 2]);
    }),
    ("Conv1DTranspose", |name| one(name, Conv1DTranspose::new(3, 3).strides(2), &[5, 2])),
    ("Conv2D", |name| {
        one(
            name,
            Conv2D::new(4, 3).strides(2).padding(Padding::Same).activation("relu"),
            &[6, 5, 2],
        )
    }),
    ("Conv2DTranspose", |name| one(name, Conv2DTranspose::new(2, 2).strides(2), &[3, 4, 2])),
    ("Conv3D", |name| one(name, Conv3D::new(2, 2), &[3, 4, 3, 2])),
    ("Conv3DTranspose", |name| one(name, Conv3DTranspose::new(2, 2), &[2, 3, 2, 2])),
    ("DepthwiseConv1D", |name| one(name, DepthwiseConv1D::new(3), &[6, 2])),
    ("DepthwiseConv2D", |name| one(name, DepthwiseConv2D::new(3).depth_multiplier(2), &[5, 4, 2])),
    ("SeparableConv1D", |name| one(name, SeparableConv1D::new(3, 2), &[6, 2])),
    ("SeparableConv2D", |name| one(name, SeparableConv2D::new(3, 2), &[5, 4, 2])),
    ("Dot", |name| {
        let inputs = |rows| vec![floats([rows, 4], 1), floats([rows, 4], 2)];
        check(name, &Model::new(Dot::new([1, 1])), inputs);
    }),
    ("GroupNormalization", |name| one(name, GroupNormalization::new().groups(2), &[3, 4])),
    ("PRelu", |name| one(name, PRelu::new(), &[3, 4])),
    ("AveragePooling1D", |name| one(name, AveragePooling1D::new(2), &[5, 2])),
    ("AveragePooling2D", |name| {
        one(name, AveragePooling2D::new(2).padding(Padding::Same), &[5, 4, 2])
    }),
    ("AveragePooling3D", |name| one(name, AveragePooling3D::new(2), &[4, 4, 2, 2])),
    ("GlobalAveragePooling1D", |name| one(name, GlobalAveragePooling1D::new(), &[5, 2])),
    ("GlobalAveragePooling2D", |name| one(name, GlobalAveragePooling2D::new(), &[3, 4, 2])),
    ("GlobalAveragePooling3D", |name| one(name, GlobalAveragePooling3D::new(), &[3, 4, 2, 2])),
    ("GlobalMaxPooling1D", |name| one(name, GlobalMaxPooling1D::new(), &[5, 2])),
    ("GlobalMaxPooling2D", |name| one(name, GlobalMaxPooling2D::new(), &[3, 4, 2])),
    ("GlobalMaxPooling3D", |name| one(name, GlobalMaxPooling3D::new(), &[3, 4, 2, 2])),
    ("MaxPooling1D", |name| one(name, MaxPooling1D::new(2), &[5, 2])),
    ("MaxPooling2D", |name| one(name, MaxPooling2D::new(2).padding(Padding::Same), &[5, 4, 2])),
    ("MaxPooling3D", |name| one(name, MaxPooling3D::new(2), &[4, 4, 2, 2])),
    ("Permute", |name| one(name, Permute::new([2, 1]), &[3, 4])),
    ("RepeatVector", |name| one(name, RepeatVector::new(3), &[4])),
    ("Rescaling", |name| one(name, Rescaling::new(0.5).offset(1.0), &[4])),
    ("Bidirectional", |name| {
        one(name, Bidirectional::new(|| Gru::new(3).return_sequences(true)), &[4, 2])
    }),
    ("Gru", |name| one(name, Gru::new(3), &[4, 2])),
    ("Lstm", |name| {
        one(name, Lstm::new(3).return_sequences(true), &[4, 2]);
        one(name, Sequential::new().add(Masking::new(-2.0)).add(Lstm::new(3)), &[4, 2]);
    }),
    ("SimpleRnn", |name| one(name, SimpleRnn::new(3).go_backwards(true), &[4, 2])),
    ("Cropping1D", |name| one(name, Cropping1D::new(1), &[5, 2])),
    ("Cropping2D", |name| one(name, Cropping2D::new(1), &[4, 5, 2])),
    ("Cropping3D", |name| one(name, Cropping3D::new(1), &[3, 4, 3, 2])),
    ("UpSampling1D", |name| one(name, UpSampling1D::new(2), &[3, 2])),
    ("UpSampling2D", |name| {
        one(name, UpSampling2D::new(2), &[3, 2, 2]);
        one(name, UpSampling2D::new(2).interpolation(Interpolation::Bilinear), &[3, 2, 2]);
    }),
    ("UpSampling3D", |name| one(name, UpSampling3D::new(2), &[2, 3, 2, 2])),
    ("ZeroPadding1D", |name| one(name, ZeroPadding1D::new(2), &[3, 2])),
    ("ZeroPadding2D", |name| one(name, ZeroPadding2D::new(1), &[3, 2, 2])),
    ("ZeroPadding3D", |name| one(name, ZeroPadding3D::new(1), &[2, 3, 2, 2])),
    ("TimeDistributed", |name| one(name, TimeDistributed::new(Dense::new(3)), &[4, 2])),
    ("RmsNormalization", |name| one(name, RmsNormalization::new(), &[6])),
    ("UnitNormalization", |name| one(name, UnitNormalization::new(), &[6])),
];

/// What `layers` exports besides layers: options of theirs, and a trait.
const OPTIONS: &[&str] =
    &["Interpolation", "Margins", "MergeMode", "Padding", "Recurrent", "ScoreMode", "Sizes"];

/// A layer of one input, with rows of these sizes.
fn one(name: &str, layer: impl Layer + 'static, sizes: &[usize]) {
    check(name, &Model::new(layer), |rows| vec![floats([&[rows], sizes].concat(), 1)]);
}

/// A layer of a query and a value.
fn attention(name: &str, layer: impl Layer<[Tensor; 2]> + 'static) {
    check(name, &Model::new(layer), |rows| vec![floats([rows, 3, 4], 1), floats([rows, 5, 4], 2)]);
}

/// A layer of several inputs, on two.
fn pair(name: &str, layer: impl Layer<Vec<Tensor>> + 'static) {
    check(name, &Model::new(layer), |rows| vec![floats([rows, 3, 4], 1), floats([rows, 3, 4], 2)]);
}

#[test]
fn every_layer_predicts_the_same_bits_from_a_file() {
    for (name, compare) in LAYERS {
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
        .filter(|name| LAYERS.iter().all(|(known, _)| known != name) && !OPTIONS.contains(name))
        .collect();
    assert!(missing.is_empty(), "layers to be added to the table of this file: {missing:?}");
}

#[test]
fn every_activation_predicts_the_same_bits_from_a_file() {
    for name in activations::names() {
        one(
            name,
            Sequential::new()
                .add(Dense::new(6).activation(activations::get(name).unwrap()))
                .add(Dense::new(2)),
            &[5],
        );
    }
}
