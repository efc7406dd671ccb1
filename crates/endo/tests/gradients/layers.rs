//! The gradients of layers, by their inputs and weights, and the second gradients of those that
//! loop over steps or windows.

use endo::layers::{Add, Average, Dot, Maximum, Minimum, Multiply, Subtract};
use endo::prelude::*;

use super::{around_zero, check, check_in, slope};

#[test]
fn layers() {
    let x = [around_zero([4, 3], 0)];
    let chain =
        |layer: Box<dyn Layer>| move |x: &[Tensor], cx: &mut Context| layer.apply(&x[0], cx).sin();
    let layers: [(&str, Box<dyn Layer>); 13] = [
        ("Dense", Box::new(Dense::new(2))),
        ("EinsumDense", Box::new(EinsumDense::new("ab,bcd->acd", [2, 3]).bias_axes("d"))),
        ("Dense with an activation", Box::new(Dense::new(2).activation("tanh").use_bias(false))),
        ("Activation", Box::new(Activation::new("softmax"))),
        ("LayerNormalization", Box::new(LayerNormalization::new())),
        (
            "LayerNormalization along the first axis",
            Box::new(LayerNormalization::new().axis([0]).center(false)),
        ),
        ("BatchNormalization", Box::new(BatchNormalization::new())),
        ("Normalization", Box::new(Normalization::new([1.0, 2.0, 0.5], [0.5, 2.0, 1.0]))),
        ("GroupNormalization", Box::new(GroupNormalization::new().groups(-1))),
        ("PRelu", Box::new(PRelu::new())),
        ("Flatten", Box::new(Flatten::new())),
        ("Reshape", Box::new(Reshape::new([3, -1]))),
        (
            "Sequential",
            Box::new(
                Sequential::new()
                    .add(Dense::new(3).activation("selu"))
                    .add(BatchNormalization::new())
                    .add(Dense::new(1)),
            ),
        ),
    ];
    for (name, layer) in layers {
        check(name, &x, chain(layer));
    }
    let layer = BatchNormalization::new();
    check_in(false, "BatchNormalization outside training", &x, |x, cx| {
        layer.apply(&x[0], cx).sin()
    });
    // In training the kernel is another one in each run.
    let layer = SpectralNormalization::new(Dense::new(2));
    check_in(false, "SpectralNormalization", &x, |x, cx| layer.apply(&x[0], cx).sin());
    let layer = BatchNormalization::new();
    check("BatchNormalization with a mask", &[around_zero([2, 3, 2], 0)], |x, cx| {
        let mask = cx.constant([[true, true, false], [true, false, true]]);
        cx.set_mask(&x[0], &mask);
        layer.apply(&x[0], cx).sin()
    });
    let layer = Dense::new(2)
        .activity_regularizer(L1L2 { l1: 0.1, l2: 0.2 })
        .kernel_regularizer(L2(0.3))
        .bias_regularizer(L1(0.1));
    check("penalties of Dense", &x, |x, cx| {
        layer.apply(&x[0], cx);
        cx.losses().into_iter().reduce(|a, b| a + b).unwrap()
    });
}

#[test]
fn convolutions() {
    let x = [around_zero([2, 5, 4, 4], 0)];
    let layers: [(&str, Box<dyn Layer>); 12] = [
        ("Conv2D", Box::new(Conv2D::new(3, [3, 2]).strides([2, 1]).activation("tanh"))),
        (
            "Conv2D with dilation",
            Box::new(Conv2D::new(2, 2).dilation_rate(2).padding(Padding::Same)),
        ),
        ("Conv2D in groups", Box::new(Conv2D::new(6, 2).groups(2))),
        ("Conv2D of one element", Box::new(Conv2D::new(3, 1))),
        ("DepthwiseConv2D", Box::new(DepthwiseConv2D::new(3).padding(Padding::Same))),
        (
            "DepthwiseConv2D of several",
            Box::new(DepthwiseConv2D::new(2).depth_multiplier(2).strides(2)),
        ),
        ("SeparableConv2D", Box::new(SeparableConv2D::new(3, 2))),
        ("Conv2DTranspose", Box::new(Conv2DTranspose::new(3, 3).strides(2).padding(Padding::Same))),
        (
            "Conv2D with the channels first",
            Box::new(
                Conv2D::new(3, 2).data_format(DataFormat::ChannelsFirst).activation("softmax"),
            ),
        ),
        ("Resizing", Box::new(Resizing::new(3, 6))),
        ("Resizing of means", Box::new(Resizing::new(2, 6).antialias(true))),
        ("CenterCrop", Box::new(CenterCrop::new(3, 8))),
    ];
    for (name, layer) in layers {
        check(name, &x, |x, cx| layer.apply(&x[0], cx).sin());
    }
    let twice: [(&str, Box<dyn Layer>); 2] = [
        ("Conv2D in groups", Box::new(Conv2D::new(4, 2).groups(2).padding(Padding::Same))),
        ("SeparableConv2D", Box::new(SeparableConv2D::new(3, 2).depth_multiplier(2))),
    ];
    for (name, layer) in twice {
        check(&format!("second derivative of {name}"), &x, |x, cx| {
            let y = layer.apply(&x[0], cx).sin();
            slope(&x[0], &y, cx)
        });
    }
    let causal = Conv1D::new(2, 3).padding(Padding::Causal).dilation_rate(2);
    check("causal Conv1D", &[around_zero([2, 6, 3], 0)], |x, cx| causal.apply(&x[0], cx).sin());
}

/// A cell of two states and two products, each with a bias of its own.
#[derive(Default)]
struct Crossed;

impl Cell for Crossed {
    type Sequence = (Tensor, Tensor, Tensor);

    fn products(&self) -> &[usize] {
        &[1, 2]
    }

    fn has_recurrent_bias(&self) -> bool {
        true
    }

    fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
        let (one, two) = (cx.product(0, &states[0]), cx.product(1, &states[1]));
        let next = cx.activation(&(&x[0] + &one[0] * &two[0]));
        vec![&next * &x[1] + &two[1], next + &x[2]]
    }
}

#[test]
fn recurrent_layers() {
    let x = [around_zero([2, 3, 2], 0)];
    let layers: [(&str, Box<dyn Layer>); 9] = [
        ("a cell of one's own", Box::new(Recurrent::<Crossed>::new(2).return_sequences(true))),
        ("SimpleRnn", Box::new(SimpleRnn::new(2))),
        (
            "SimpleRnn of all outputs",
            Box::new(SimpleRnn::new(2).return_sequences(true).go_backwards(true).use_bias(false)),
        ),
        ("Lstm", Box::new(Lstm::new(2).return_sequences(true))),
        ("Gru", Box::new(Gru::new(2))),
        (
            "Gru with the reset before",
            Box::new(Gru::new(2).reset_after(false).return_sequences(true)),
        ),
        ("Bidirectional", Box::new(Bidirectional::new(|| Gru::new(2)).merge_mode(MergeMode::Mul))),
        ("TimeDistributed", Box::new(TimeDistributed::new(Dense::new(2)))),
        ("Recompute", Box::new(Recompute::new(Lstm::new(2)))),
    ];
    for (name, layer) in layers {
        check(name, &x, |x, cx| layer.apply(&x[0], cx).sin());
        check(&format!("second derivative of {name}"), &x, |x, cx| {
            let y = layer.apply(&x[0], cx);
            slope(&x[0], &y, cx)
        });
    }
    let layer = Lstm::new(2).return_sequences(true).return_state();
    let inputs = [around_zero([2, 3, 2], 0), around_zero([2, 2], 1), around_zero([2, 2], 2)];
    check("Lstm with states and a mask", &inputs, |x, cx| {
        let mask = cx.constant([[true, false, true], [false, true, true]]);
        cx.set_mask(&x[0], &mask);
        let (y, h, c) = layer.apply(&(x[0].clone(), x[1].clone(), x[2].clone()), cx);
        (y * h.expand_dims(1) + c.expand_dims(1)).sin()
    });
}

#[test]
fn convolutional_recurrent_layers() {
    let small = || ConvLstm1D::new(2, 2).return_sequences(true);
    let layers: [(&str, Box<dyn Layer>, &[usize]); 4] = [
        ("ConvLstm1D", Box::new(small()), &[2, 3, 3, 2]),
        (
            "ConvLstm1D backwards with the channels first",
            Box::new(small().go_backwards(true).data_format(DataFormat::ChannelsFirst)),
            &[1, 2, 2, 4],
        ),
        (
            "ConvLstm2D with strides and dilation",
            Box::new(ConvLstm2D::new(1, 2).strides([2, 1]).dilation_rate([1, 2]).use_bias(false)),
            &[1, 2, 4, 4, 1],
        ),
        ("ConvLstm3D", Box::new(ConvLstm3D::new(1, 2)), &[1, 2, 2, 3, 2, 1]),
    ];
    for (name, layer, sizes) in layers {
        let x = [around_zero(sizes.to_vec(), 0)];
        check(name, &x, |x, cx| layer.apply(&x[0], cx).sin());
        check(&format!("second derivative of {name}"), &x, |x, cx| {
            let y = layer.apply(&x[0], cx);
            slope(&x[0], &y, cx)
        });
    }
    let layer = small().padding(Padding::Same).return_state();
    let inputs = [around_zero([2, 3, 3, 1], 0), around_zero([2, 3, 2], 1)];
    check("ConvLstm1D with states and a mask", &inputs, |x, cx| {
        let mask = cx.constant([[true, false, true], [false, true, true]]);
        cx.set_mask(&x[0], &mask);
        let all = (x[0].clone(), x[1].clone(), x[1].sin());
        let (y, h, c): (Tensor, Tensor, Tensor) = layer.apply(&all, cx);
        (y * h.expand_dims(1) + c.expand_dims(1)).sin()
    });
}

#[test]
fn recurrent_layers_whose_inputs_and_states_depend_on_one_another() {
    let inputs = [around_zero([2, 3, 2], 0), around_zero([2, 2], 1)];
    let (encoder, decoder) = (Lstm::new(2).return_state(), Lstm::new(2));
    check("Lstm of its own first state", &inputs[..1], |x, cx| {
        let (_, h, c) = encoder.apply(&x[0], cx);
        decoder.apply(&(RepeatVector::new(3).apply(&h, cx), h, c), cx).sin()
    });
    let layer = Lstm::new(2);
    check("Lstm of one state twice", &inputs, |x, cx| {
        layer.apply(&(x[0].clone(), x[1].clone(), x[1].clone()), cx).sin()
    });
    check("Lstm of a state and its sine", &inputs, |x, cx| {
        layer.apply(&(x[0].clone(), x[1].clone(), x[1].sin()), cx).sin()
    });
    check("second derivative of Lstm of one state twice", &inputs, |x, cx| {
        let y = layer.apply(&(x[0].clone(), x[1].clone(), x[1].clone()), cx);
        slope(&x[1], &y, cx)
    });
}

#[test]
fn pooling_and_changes_of_size() {
    let x = [around_zero([2, 5, 4, 2], 0)];
    let layers: [(&str, Box<dyn Layer>); 8] = [
        ("MaxPooling2D", Box::new(MaxPooling2D::new([2, 3]).strides(2).padding(Padding::Same))),
        ("AveragePooling2D", Box::new(AveragePooling2D::new(2).strides(1).padding(Padding::Same))),
        ("GlobalMaxPooling2D", Box::new(GlobalMaxPooling2D::new())),
        ("GlobalAveragePooling2D", Box::new(GlobalAveragePooling2D::new())),
        ("ZeroPadding2D", Box::new(ZeroPadding2D::new([(1, 0), (0, 2)]))),
        ("Cropping2D", Box::new(Cropping2D::new([1, 0]))),
        ("UpSampling2D", Box::new(UpSampling2D::new([2, 3]))),
        (
            "UpSampling2D by lines",
            Box::new(UpSampling2D::new([2, 3]).interpolation(Interpolation::Bilinear)),
        ),
    ];
    for (name, layer) in layers {
        check(name, &x, |x, cx| layer.apply(&x[0], cx).sin());
        check(&format!("second derivative of {name}"), &x, |x, cx| {
            let y = layer.apply(&x[0], cx).exp();
            slope(&x[0], &y, cx)
        });
    }
}

#[test]
fn attention() {
    let inputs = [around_zero([2, 3, 4], 0), around_zero([2, 2, 4], 1), around_zero([2, 2, 4], 2)];
    fn of<L: Layer<[Tensor; 3]>>(layer: L) -> impl Fn(&[Tensor], &mut Context) -> Tensor {
        move |x, cx| layer.apply(&[x[0].clone(), x[1].clone(), x[2].clone()], cx).sin()
    }
    check("MultiHeadAttention", &inputs, of(MultiHeadAttention::new(2, 3).value_dim(2)));
    check(
        "MultiHeadAttention of the past",
        &inputs,
        of(MultiHeadAttention::new(1, 2).use_causal_mask(true)),
    );
    check("GroupQueryAttention", &inputs, of(GroupQueryAttention::new(2, 4, 2)));
    check("Attention", &inputs, of(Attention::new().use_scale(true)));
    check("Attention by sums", &inputs, of(Attention::new().score_mode(ScoreMode::Concat)));
    check("AdditiveAttention", &inputs, of(AdditiveAttention::new()));
    check("Dot", &inputs, |x, cx| {
        Dot::new([2, 2]).normalize(true).apply(&[x[0].clone(), x[1].clone()], cx).sin()
    });
    check("UnitNormalization", &inputs, |x, cx| {
        UnitNormalization::new().axis([1, 2]).apply(&x[0], cx).sin()
    });
    let layer = RmsNormalization::new();
    check("RmsNormalization", &inputs, |x, cx| layer.apply(&x[0], cx).sin());
}

#[test]
fn layers_of_several_inputs() {
    let inputs = [around_zero([3, 4], 0), around_zero([3, 4], 1), around_zero([3, 1], 2)];
    fn merged<L: Layer<Vec<Tensor>>>(layer: L) -> impl Fn(&[Tensor], &mut Context) -> Tensor {
        move |x, cx| layer.apply(&x.to_vec(), cx).sin()
    }
    check("Add", &inputs, merged(Add::new()));
    check("Subtract", &inputs[1..], merged(Subtract::new()));
    check("Multiply", &inputs, merged(Multiply::new()));
    check("Average", &inputs, merged(Average::new()));
    check("Maximum", &inputs, merged(Maximum::new()));
    check("Minimum", &inputs, merged(Minimum::new()));
    check("Concatenate", &inputs, merged(Concatenate::new()));
}
