//! Layers made of Keras's configurations.
//!
//! In: a case, of which the class and the configuration are the text that makes the layer. Out:
//! what applies it to tensors. Only options that are given are set, so that defaults are checked, too.

#[path = "options.rs"]
mod options;
#[path = "recurrent.rs"]
mod recurrent;

use endo::graph::Tree;
use endo::layers;
use endo::prelude::*;

use super::super::support::{Object, array};
use options::{Read, required, with};
use recurrent::{recurrent, time_distributed};

/// What a case applies to its inputs.
pub type Apply = Box<dyn Fn(&[Tensor], &mut Context) -> Vec<Tensor>>;

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

/// The layer of a case. Those that take several tensors, or return them, have no text.
pub fn layer(case: &Object<'_>) -> Result<Apply, String> {
    let (class, config, call) = (case.text("class"), case.object("config"), case.object("call"));
    let mask = call.read("mask", |mask| array(mask).map(|mask| mask.cast(DType::Bool)));
    let apply = match class {
        "Concatenate" => Some(many(with!(config, Concatenate::new(), axis))),
        "Add" => Some(many(Add::new())),
        "Subtract" => Some(many(Subtract::new())),
        "Multiply" => Some(many(Multiply::new())),
        "Average" => Some(many(Average::new())),
        "Maximum" => Some(many(Maximum::new())),
        "Minimum" => Some(many(Minimum::new())),
        "Dot" => {
            let layer = with!(config, Dot::new(required(&config, "axes")), normalize);
            let apply: Apply =
                Box::new(move |x, cx| vec![layer.apply(&[x[0].clone(), x[1].clone()], cx)]);
            Some(apply)
        }
        "Softmax" => mask.clone().map(masked_softmax),
        "TimeDistributed" => Some(time_distributed(&config.object("layer"), mask.clone())),
        _ => attention(class, &config, &call)
            .or_else(|| recurrent(class, &config, &call, mask.clone())),
    };
    if let Some(apply) = apply {
        return Ok(apply);
    }
    let text = match class {
        // Keras's layer has another default than its function.
        "LeakyReLU" if !config.has("negative_slope") => {
            "activation(leaky_relu(negative_slope=0.3))".to_string()
        }
        "ReLU" | "LeakyReLU" | "ELU" | "Softmax" => format!("activation({})", case.named()),
        _ => case.named(),
    };
    let layer = layers::get(&text).map_err(|error| error.to_string())?;
    Ok(masked(layer, mask))
}

fn masked_softmax(mask: Array) -> Apply {
    Box::new(move |x, cx| {
        vec![MaskedSoftmax::new().apply(&(x[0].clone(), cx.constant(mask.clone())), cx)]
    })
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
