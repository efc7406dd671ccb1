//! Layers made of Keras's configurations.
//!
//! In: a case, of which the class and the configuration are the text that makes the layer. Out:
//! what applies it to tensors. Only options that are given are set, so that defaults are checked,
//! too.

use endo::graph::Tree;
use endo::layers::{Add, Average, Dot, Maximum, Minimum, Multiply, Subtract};
use endo::prelude::*;
use endo::{Setting, layers};

use super::super::support::{Object, array};

/// What a case applies to its inputs.
pub type Apply = Box<dyn Fn(&[Tensor], &mut Context) -> Vec<Tensor>>;

/// An option that the configuration has.
fn option<T: Setting>(config: &Object<'_>, key: &str) -> Option<T> {
    config.read(key, |value| T::read(value.as_str().unwrap_or(&value.to_string())))
}

/// An option that has to be there.
fn required<T: Setting>(config: &Object<'_>, key: &str) -> T {
    option(config, key).unwrap_or_else(|| panic!("an option {key}"))
}

/// Sets those options of a layer that the configuration has.
macro_rules! with {
    ($config:expr, $layer:expr $(, $option:ident)*) => {{
        let layer = $layer;
        $(let layer = match option($config, stringify!($option)) {
            Some(value) => layer.$option(value),
            None => layer,
        };)*
        layer
    }};
}

/// The layer of a case.
pub fn layer(case: &Object<'_>) -> Result<Apply, String> {
    let (class, config, call) = (case.text("class"), &case.object("config"), &case.object("call"));
    let mask = call.read("mask", |mask| array(mask).map(|mask| mask.cast(DType::Bool)));
    if let Some(apply) = of_several(class, config, call, mask.clone()) {
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

/// A layer that sees the mask of the call on its input.
fn masked<O: Tree>(layer: impl Layer<Tensor, O> + 'static, mask: Option<Array>) -> Apply {
    Box::new(move |x, cx| {
        if let Some(mask) = &mask {
            let mask = cx.constant(mask.clone());
            cx.set_mask(&x[0], &mask);
        }
        layer.apply(&x[0], cx).tensors().into_iter().cloned().collect()
    })
}

/// A layer of as many tensors as `I` has.
fn several<I: Tree>(layer: impl Layer<I> + 'static) -> Apply {
    Box::new(move |x, cx| {
        let inputs = I::from_tensors(&mut x.iter().cloned()).expect("as many inputs as it takes");
        vec![layer.apply(&inputs, cx)]
    })
}

/// The layer of a class that takes several tensors or returns them, which has no text.
fn of_several(
    class: &str,
    config: &Object<'_>,
    call: &Object<'_>,
    mask: Option<Array>,
) -> Option<Apply> {
    Some(match class {
        "Concatenate" => many(with!(config, Concatenate::new(), axis)),
        "Add" => many(Add::new()),
        "Subtract" => many(Subtract::new()),
        "Multiply" => many(Multiply::new()),
        "Average" => many(Average::new()),
        "Maximum" => many(Maximum::new()),
        "Minimum" => many(Minimum::new()),
        "Dot" => {
            let axes = config.read("axes", |axes| match axes.as_i64() {
                Some(axis) => Some([axis as isize; 2]),
                None => Setting::read(&axes.to_string()),
            });
            several(with!(config, Dot::new(axes.expect("axes")), normalize))
        }
        "Softmax" => {
            let mask = mask?;
            Box::new(move |x, cx| {
                vec![MaskedSoftmax::new().apply(&(x[0].clone(), cx.constant(mask.clone())), cx)]
            })
        }
        "Bidirectional" if config.has("merge_mode") && !config.is_given("merge_mode") => {
            let inner = config.object("layer");
            assert_eq!(inner.text("class"), "GRU", "the only class of such a case");
            let inner = &inner.object("config");
            let gru = || {
                let gru = Gru::new(required::<usize>(inner, "units")).name(inner.text("name"));
                with!(inner, gru, return_sequences)
            };
            masked(Bidirectional::new(gru).apart(), mask)
        }
        _ => return attention(class, config, call).or_else(|| states(class, config, call, mask)),
    })
}

fn many(layer: impl Layer<Vec<Tensor>> + 'static) -> Apply {
    Box::new(move |x, cx| vec![layer.apply(&x.to_vec(), cx)])
}

/// The recurrent layer of a class that begins with states or returns them.
fn states(
    class: &str,
    config: &Object<'_>,
    call: &Object<'_>,
    mask: Option<Array>,
) -> Option<Apply> {
    let begins = call.flag("initial_state").unwrap_or_default();
    if !begins && !config.flag("return_state").unwrap_or_default() {
        return None;
    }
    let units = || required::<usize>(config, "units");
    Some(match class {
        "SimpleRNN" => {
            let layer = with!(config, SimpleRnn::new(units()), return_sequences);
            if begins { several::<(_, _)>(layer) } else { masked(layer.return_state(), mask) }
        }
        "GRU" => {
            let layer = with!(config, Gru::new(units()), return_sequences, reset_after);
            if begins { several::<(_, _)>(layer) } else { masked(layer.return_state(), mask) }
        }
        "LSTM" => {
            let layer = with!(config, Lstm::new(units()), return_sequences);
            if begins { several::<(_, _, _)>(layer) } else { masked(layer.return_state(), mask) }
        }
        _ => return None,
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
                .map(|key| required(config, key));
            attend(GroupQueryAttention::new(dim, queries, values), mask)
        }
        "Attention" => attend(
            with!(config, Attention::new().use_causal_mask(causal), use_scale, score_mode),
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
