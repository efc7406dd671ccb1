//! Recurrent layers, in one or both directions, and layers for each step, made of Keras's
//! configurations.

use endo::graph::Tree;
use endo::prelude::*;

use super::super::super::support::Object;
use super::options::{Function, Read, required, with};
use super::{Apply, masked, set_mask};

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

macro_rules! recurrent {
    ($config:ident, $Name:ident $(, $own:ident $(: $Own:ty)?)*) => {
        with!(
            $config,
            $Name::new(required($config, "units")),
            use_bias,
            activation: Function,
            return_sequences,
            go_backwards,
            zero_output_for_mask,
            name: String
            $(, $own $(: $Own)?)*
        )
    };
}

/// The recurrent layer of a class.
pub fn recurrent(
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

pub fn time_distributed(layer: &Object<'_>, mask: Option<Array>) -> Apply {
    let inner = layer.object("config");
    match layer.text("class") {
        "Dense" => {
            let dense = with!(
                inner,
                Dense::new(required(&inner, "units")),
                activation: Function,
                name: String
            );
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
