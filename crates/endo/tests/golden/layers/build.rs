//! Layers made of Keras's configurations.
//!
//! In: a class, its configuration and the options of the call. Out: what applies it to tensors.
//! Only options that are given are set, so that defaults are checked, too.

use std::sync::Arc;

use endo::activations::{self, ActivationFunction};
use endo::graph::Tree;
use endo::layers;
use endo::prelude::*;
use serde_json::Value;

use super::super::support::{Object, array};

/// What a case applies to its inputs.
pub type Apply = Box<dyn Fn(&[Tensor], &mut Context) -> Vec<Tensor>>;

/// What an option can be.
trait Read: Sized {
    fn read(value: &Value) -> Option<Self>;
}

impl Read for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Read for f64 {
    fn read(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl Read for usize {
    fn read(value: &Value) -> Option<Self> {
        value.as_u64().map(|size| size as usize)
    }
}

impl Read for isize {
    fn read(value: &Value) -> Option<Self> {
        value.as_i64().map(|axis| axis as isize)
    }
}

/// One stands for a list of one.
impl<T: Read> Read for Vec<T> {
    fn read(value: &Value) -> Option<Self> {
        match value.as_array() {
            Some(list) => list.iter().map(T::read).collect(),
            None => T::read(value).map(|one| vec![one]),
        }
    }
}

/// One stands for as many of its kind.
impl<T: Read + Clone, const N: usize> Read for [T; N] {
    fn read(value: &Value) -> Option<Self> {
        match value.as_array() {
            Some(list) => list.iter().map(T::read).collect::<Option<Vec<T>>>()?.try_into().ok(),
            None => T::read(value).map(|one| std::array::from_fn(|_| one.clone())),
        }
    }
}

impl Read for Padding {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for MergeMode {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for Interpolation {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for ScoreMode {
    fn read(value: &Value) -> Option<Self> {
        <Self as endo::Setting>::read(value.as_str()?)
    }
}

impl Read for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_string)
    }
}

impl Read for Arc<dyn ActivationFunction> {
    fn read(value: &Value) -> Option<Self> {
        activations::get(value.as_str()?).ok()
    }
}

/// An option that has to be there.
fn required<T: Read>(config: &Object<'_>, key: &str) -> T {
    config.read(key, T::read).unwrap_or_else(|| panic!("an option {key}"))
}

/// Sets those options of a layer that the configuration has; the type of a value is named where the
/// setter takes many.
macro_rules! with {
    ($config:ident, $layer:expr $(, $option:ident $(: $Type:ty)?)*) => {{
        let layer = $layer;
        $(
            let layer = match $config.read(stringify!($option), |value| with!(@read value $($Type)?)) {
                Some(value) => layer.$option(value),
                None => layer,
            };
        )*
        layer
    }};
    (@read $value:ident) => { Read::read($value) };
    (@read $value:ident $Type:ty) => { <$Type as Read>::read($value) };
}

fn one(layer: impl Layer + 'static) -> Apply {
    Box::new(move |x, cx| vec![layer.apply(&x[0], cx)])
}

/// A layer that sees the mask of the call on its first input. Of several inputs, the others are the
/// states to begin with.
fn sequence<S: Tree, O: Tree>(
    layer: impl Layer<Tensor, O> + Layer<S, O> + 'static,
    mask: Option<Array>,
    states: bool,
) -> Apply {
    Box::new(move |x, cx| {
        set_mask(&x[0], &mask, cx);
        let outputs: O = if states {
            let inputs =
                S::from_tensors(&mut x.iter().cloned()).expect("as many states as the layer has");
            Layer::<S, O>::apply(&layer, &inputs, cx)
        } else {
            Layer::<Tensor, O>::apply(&layer, &x[0], cx)
        };
        outputs.tensors().into_iter().cloned().collect()
    })
}

/// A layer that sees the mask of the call on its input.
fn masked<O: Tree>(layer: impl Layer<Tensor, O> + 'static, mask: Option<Array>) -> Apply {
    Box::new(move |x, cx| {
        set_mask(&x[0], &mask, cx);
        layer.apply(&x[0], cx).tensors().into_iter().cloned().collect()
    })
}

fn set_mask(x: &Tensor, mask: &Option<Array>, cx: &mut Context) {
    if let Some(mask) = mask {
        let mask = cx.constant(mask.clone());
        cx.set_mask(x, &mask);
    }
}

fn many(layer: impl Layer<Vec<Tensor>> + 'static) -> Apply {
    Box::new(move |x, cx| vec![layer.apply(&x.to_vec(), cx)])
}

type Function = Arc<dyn ActivationFunction>;

/// The layer of a case, or `None` if there is none of its class.
pub fn layer(class: &str, config: &Object<'_>, call: &Object<'_>) -> Option<Apply> {
    let mask = call.read("mask", |mask| array(mask).map(|mask| mask.cast(DType::Bool)));
    Some(match class {
        "Dense" => one(
            with!(config, Dense::new(required(config, "units")), use_bias, activation: Function),
        ),
        "Activation" => one(Activation::new(required::<Function>(config, "activation"))),
        "PReLU" => one(with!(config, PRelu::new(), shared_axes: Vec<isize>)),
        "Embedding" => {
            one(Embedding::new(required(config, "input_dim"), required(config, "output_dim")))
        }
        "Masking" => one(Masking::new(required(config, "mask_value"))),
        "Dropout" => one(Dropout::new(required(config, "rate"))),
        "GaussianDropout" => one(GaussianDropout::new(required(config, "rate"))),
        "GaussianNoise" => one(GaussianNoise::new(required(config, "stddev"))),
        "Flatten" => one(Flatten::new()),
        "Reshape" => one(layers::Reshape::new(required::<Vec<isize>>(config, "target_shape"))),
        "Normalization" => {
            let [mean, variance] =
                ["mean", "variance"].map(|key| required::<Vec<f64>>(config, key));
            one(with!(config, Normalization::new(mean, variance), axis, invert))
        }
        "LayerNormalization" => {
            one(with!(config, LayerNormalization::new(), axis: Vec<isize>, epsilon, center, scale))
        }
        "GroupNormalization" => {
            one(with!(config, GroupNormalization::new(), groups, axis, epsilon, center, scale))
        }
        "BatchNormalization" => {
            let layer = with!(
                config,
                BatchNormalization::new(),
                axis,
                momentum,
                epsilon,
                center,
                scale,
                trainable
            );
            match mask {
                Some(mask) => Box::new(move |x, cx| {
                    let mask = cx.constant(mask.clone());
                    cx.set_mask(&x[0], &mask);
                    vec![layer.apply(&x[0], cx)]
                }),
                None => one(layer),
            }
        }
        "Concatenate" => many(with!(config, Concatenate::new(), axis)),
        "Add" => many(Add::new()),
        "Subtract" => many(Subtract::new()),
        "Multiply" => many(Multiply::new()),
        "Average" => many(Average::new()),
        "Maximum" => many(Maximum::new()),
        "Minimum" => many(Minimum::new()),
        "ReLU" => one(Activation::new(relu(config))),
        "LeakyReLU" => one(Activation::new(match config.read("negative_slope", f64::read) {
            Some(slope) => LeakyRelu.negative_slope(slope),
            // Keras's layer has another default than its function.
            None => LeakyRelu.negative_slope(0.3),
        })),
        "ELU" => one(Activation::new(Elu.alpha(required::<f64>(config, "alpha")))),
        "Softmax" => match mask {
            Some(mask) => Box::new(move |x, cx| {
                vec![MaskedSoftmax::new().apply(&(x[0].clone(), cx.constant(mask.clone())), cx)]
            }),
            None => {
                one(Activation::new(Softmax.axis(config.read("axis", isize::read).unwrap_or(-1))))
            }
        },
        "Rescaling" => one(with!(config, Rescaling::new(required(config, "scale")), offset)),
        "SpatialDropout1D" => one(SpatialDropout1D::new(required(config, "rate"))),
        "AlphaDropout" => one(AlphaDropout::new(required(config, "rate"))),
        "Permute" => one(Permute::new(required::<Vec<usize>>(config, "dims"))),
        "RepeatVector" => one(RepeatVector::new(required(config, "n"))),
        "RMSNormalization" => one(with!(config, RmsNormalization::new(), axis, epsilon)),
        "UnitNormalization" => one(with!(config, UnitNormalization::new(), axis: Vec<isize>)),
        "Dot" => {
            let layer = with!(config, Dot::new(required(config, "axes")), normalize);
            Box::new(move |x, cx| vec![layer.apply(&[x[0].clone(), x[1].clone()], cx)])
        }
        "TimeDistributed" => time_distributed(&config.object("layer"), mask),
        _ => {
            return convolution(class, config)
                .or_else(|| spatial(class, config, mask.clone()))
                .or_else(|| attention(class, config, call))
                .or_else(|| recurrent(class, config, call, mask));
        }
    })
}

fn relu(config: &Object<'_>) -> impl ActivationFunction + 'static {
    with!(config, Relu, negative_slope: f64, max_value: f64, threshold: f64)
}

/// The convolution of a class.
fn convolution(class: &str, config: &Object<'_>) -> Option<Apply> {
    macro_rules! convolution {
        ($Name:ident($($required:ident: $Type:ty),+), $n:literal $(, $option:ident $(: $Option:ty)?)*) => {
            one(with!(
                config, $Name::new($(required::<$Type>(config, stringify!($required))),+),
                strides: [usize; $n], padding: Padding, dilation_rate: [usize; $n], use_bias, activation: Function
                $(, $option $(: $Option)?)*
            ))
        };
    }
    Some(match class {
        "Conv1D" => convolution!(Conv1D(filters: usize, kernel_size: [usize; 1]), 1, groups),
        "Conv2D" => convolution!(Conv2D(filters: usize, kernel_size: [usize; 2]), 2, groups),
        "Conv3D" => convolution!(Conv3D(filters: usize, kernel_size: [usize; 3]), 3, groups),
        "DepthwiseConv1D" => {
            convolution!(DepthwiseConv1D(kernel_size: [usize; 1]), 1, depth_multiplier)
        }
        "DepthwiseConv2D" => {
            convolution!(DepthwiseConv2D(kernel_size: [usize; 2]), 2, depth_multiplier)
        }
        "SeparableConv1D" => {
            convolution!(SeparableConv1D(filters: usize, kernel_size: [usize; 1]), 1, depth_multiplier)
        }
        "SeparableConv2D" => {
            convolution!(SeparableConv2D(filters: usize, kernel_size: [usize; 2]), 2, depth_multiplier)
        }
        "Conv1DTranspose" => {
            convolution!(Conv1DTranspose(filters: usize, kernel_size: [usize; 1]), 1, output_padding: [usize; 1])
        }
        "Conv2DTranspose" => {
            convolution!(Conv2DTranspose(filters: usize, kernel_size: [usize; 2]), 2, output_padding: [usize; 2])
        }
        _ => return None,
    })
}

macro_rules! recurrent {
    ($config:ident, $Name:ident $(, $own:ident $(: $Own:ty)?)*) => {
        with!(
            $config, $Name::new(required($config, "units")),
            use_bias, activation: Function, return_sequences, go_backwards, zero_output_for_mask, name: String $(, $own $(: $Own)?)*
        )
    };
}

/// The recurrent layer of a class.
fn recurrent(
    class: &str,
    config: &Object<'_>,
    call: &Object<'_>,
    mask: Option<Array>,
) -> Option<Apply> {
    type Two = (Tensor, Tensor);
    type Three = (Tensor, Tensor, Tensor);
    let states = call.flag("initial_state").unwrap_or_default();
    let return_state = config.flag("return_state").unwrap_or_default();
    Some(match (class, return_state) {
        ("SimpleRNN", false) => sequence::<Two, Tensor>(simple_rnn(config), mask, states),
        ("SimpleRNN", true) => {
            sequence::<Two, Two>(simple_rnn(config).return_state(), mask, states)
        }
        ("GRU", false) => sequence::<Two, Tensor>(gru(config), mask, states),
        ("GRU", true) => sequence::<Two, Two>(gru(config).return_state(), mask, states),
        ("LSTM", false) => sequence::<Three, Tensor>(lstm(config), mask, states),
        ("LSTM", true) => sequence::<Three, Three>(lstm(config).return_state(), mask, states),
        ("Bidirectional", _) => {
            let layer = config.object("layer");
            let inner = layer.object("config");
            match layer.text("class") {
                "SimpleRNN" => bidirectional(|| simple_rnn(&inner), config, mask),
                "GRU" => bidirectional(|| gru(&inner), config, mask),
                "LSTM" => bidirectional(|| lstm(&inner), config, mask),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn simple_rnn(config: &Object<'_>) -> SimpleRnn {
    recurrent!(config, SimpleRnn)
}

fn gru(config: &Object<'_>) -> Gru {
    recurrent!(config, Gru, recurrent_activation: Function, reset_after)
}

fn lstm(config: &Object<'_>) -> Lstm {
    recurrent!(config, Lstm, recurrent_activation: Function, unit_forget_bias)
}

/// Without a `merge_mode` both outputs are joined; where it is `null` they stay apart.
fn bidirectional<C: Cell>(
    layer: impl Fn() -> Recurrent<C>,
    config: &Object<'_>,
    mask: Option<Array>,
) -> Apply {
    let layer = Bidirectional::new(layer);
    if config.has("merge_mode") && !config.is_given("merge_mode") {
        masked(layer.apart(), mask)
    } else {
        masked(with!(config, layer, merge_mode: MergeMode), mask)
    }
}

fn time_distributed(layer: &Object<'_>, mask: Option<Array>) -> Apply {
    let inner = layer.object("config");
    match layer.text("class") {
        "Dense" => {
            let dense = with!(inner, Dense::new(required(&inner, "units")), activation: Function, name: String);
            masked(TimeDistributed::new(dense), mask)
        }
        "Conv1D" => {
            let (filters, size) =
                (required(&inner, "filters"), required::<[usize; 1]>(&inner, "kernel_size"));
            masked(
                TimeDistributed::new(with!(inner, Conv1D::new(filters, size), name: String)),
                mask,
            )
        }
        other => panic!("the layer {other} for each step is not known"),
    }
}

/// Pooling and changes of size of a class.
fn spatial(class: &str, config: &Object<'_>, mask: Option<Array>) -> Option<Apply> {
    macro_rules! pooling {
        ($Name:ident, $n:literal) => {
            one(with!(
                config, $Name::new(required::<[usize; $n]>(config, "pool_size")), strides: [usize; $n], padding: Padding
            ))
        };
    }
    macro_rules! global {
        ($Name:ident) => {
            masked(with!(config, $Name::new(), keepdims), mask)
        };
    }
    macro_rules! margins {
        ($Name:ident, $option:literal) => {
            one($Name::new(required::<Margins<_>>(config, $option)))
        };
    }
    Some(match class {
        "MaxPooling1D" => pooling!(MaxPooling1D, 1),
        "MaxPooling2D" => pooling!(MaxPooling2D, 2),
        "MaxPooling3D" => pooling!(MaxPooling3D, 3),
        "AveragePooling1D" => pooling!(AveragePooling1D, 1),
        "AveragePooling2D" => pooling!(AveragePooling2D, 2),
        "AveragePooling3D" => pooling!(AveragePooling3D, 3),
        "GlobalMaxPooling1D" => global!(GlobalMaxPooling1D),
        "GlobalMaxPooling2D" => global!(GlobalMaxPooling2D),
        "GlobalMaxPooling3D" => global!(GlobalMaxPooling3D),
        "GlobalAveragePooling1D" => global!(GlobalAveragePooling1D),
        "GlobalAveragePooling2D" => global!(GlobalAveragePooling2D),
        "GlobalAveragePooling3D" => global!(GlobalAveragePooling3D),
        // Along one axis a pair is its two ends, not one width for each axis.
        "ZeroPadding1D" => one(ZeroPadding1D::new([ends(config, "padding")])),
        "ZeroPadding2D" => margins!(ZeroPadding2D, "padding"),
        "ZeroPadding3D" => margins!(ZeroPadding3D, "padding"),
        "Cropping1D" => one(Cropping1D::new([ends(config, "cropping")])),
        "Cropping2D" => margins!(Cropping2D, "cropping"),
        "Cropping3D" => margins!(Cropping3D, "cropping"),
        "UpSampling1D" => one(UpSampling1D::new(required::<[usize; 1]>(config, "size"))),
        "UpSampling2D" => one(
            with!(config, UpSampling2D::new(required::<[usize; 2]>(config, "size")), interpolation: Interpolation),
        ),
        "UpSampling3D" => one(UpSampling3D::new(required::<[usize; 3]>(config, "size"))),
        _ => return None,
    })
}

fn ends(config: &Object<'_>, option: &str) -> (usize, usize) {
    let [before, after] = required(config, option);
    (before, after)
}

/// One width for all ends, one for each axis, or a pair.
impl<const N: usize> Read for Margins<N> {
    fn read(value: &Value) -> Option<Self> {
        let widths = <[[usize; 2]; N]>::read(value)?;
        Some(Margins(widths.map(|[before, after]| (before, after))))
    }
}

/// The attention of a class.
fn attention(class: &str, config: &Object<'_>, call: &Object<'_>) -> Option<Apply> {
    let [causal, scores, _as_list] =
        ["use_causal_mask", "return_attention_scores", "as_list"].map(|key| call.flag(key));
    let causal = causal.unwrap_or_default();
    let mask = call.read("attention_mask", array);
    Some(match class {
        "MultiHeadAttention" => {
            let layer =
                MultiHeadAttention::new(required(config, "num_heads"), required(config, "key_dim"));
            let layer =
                with!(config, layer.use_causal_mask(causal), value_dim, use_bias, output_shape);
            if scores.unwrap_or_default() {
                attend(layer.return_attention_scores(), mask)
            } else {
                attend(layer, mask)
            }
        }
        "GroupQueryAttention" => {
            let [dim, queries, values] = ["head_dim", "num_query_heads", "num_key_value_heads"]
                .map(|key| required::<usize>(config, key));
            attend(GroupQueryAttention::new(dim, queries, values), mask)
        }
        "Attention" => attend(
            with!(config, Attention::new().use_causal_mask(causal), use_scale, score_mode: ScoreMode),
            mask,
        ),
        "AdditiveAttention" => {
            attend(with!(config, AdditiveAttention::new().use_causal_mask(causal), use_scale), mask)
        }
        _ => return None,
    })
}

/// Attention of a query to values, with keys if they are given, and to pairs that a mask allows.
fn attend<O: Tree>(
    layer: impl Layer<[Tensor; 2], O>
    + Layer<[Tensor; 3], O>
    + Layer<([Tensor; 2], Tensor), O>
    + 'static,
    mask: Option<Array>,
) -> Apply {
    Box::new(move |x, cx| {
        let outputs: O = match (x, &mask) {
            ([query, value], None) => layer.apply(&[query.clone(), value.clone()], cx),
            ([query, value, key], None) => {
                layer.apply(&[query.clone(), value.clone(), key.clone()], cx)
            }
            ([query, value], Some(mask)) => {
                let mask = cx.constant(mask.clone());
                layer.apply(&([query.clone(), value.clone()], mask), cx)
            }
            _ => panic!("{} inputs of an attention", x.len()),
        };
        outputs.tensors().into_iter().cloned().collect()
    })
}
