//! Layers made of Keras's configurations.
//!
//! In: a class, its configuration and the options of the call. Out: what applies it to tensors.
//! Only options that are given are set, so that defaults are checked, too.

#[path = "options.rs"]
mod options;
#[path = "recurrent.rs"]
mod recurrent;
#[path = "spatial.rs"]
mod spatial;

use endo::activations::ActivationFunction;
use endo::graph::Tree;
use endo::layers;
use endo::prelude::*;

use super::super::support::{Object, array};
use options::{Function, Read, required, with};
use recurrent::{recurrent, time_distributed};
use spatial::{convolution, spatial};

/// What a case applies to its inputs.
pub type Apply = Box<dyn Fn(&[Tensor], &mut Context) -> Vec<Tensor>>;

fn one(layer: impl Layer + 'static) -> Apply {
    Box::new(move |x, cx| vec![layer.apply(&x[0], cx)])
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
            with!(
                config,
                Attention::new().use_causal_mask(causal),
                use_scale,
                score_mode: ScoreMode
            ),
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
