//! A layer whose values lie in half of the memory: each rounded to a bfloat16, and computed with as
//! `f32`.
//!
//! In: any inputs that the layer takes, with their masks. Out: its outputs, with theirs.

use std::sync::Arc;

use crate::graph::Tree;
use crate::named::{Hyperparameters, Named};
use crate::trace::Context;

use super::Layer;

/// The row of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[Named {
    names: &["bf16"],
    options: [&["layer"], &[], &[]],
    make: |given| Ok(Arc::new(Bf16::new(given.required::<Arc<dyn Layer>>("layer")?))),
}];

/// A layer that computes in `f32`, and hands on numbers that a bfloat16 holds: 8 significant bits
/// and the range of `f32` (Kalamkar et al. 2019, arXiv:1905.12322). So do all layers in it, at any
/// depth. What training keeps of such numbers from the forward to the backward pass takes 2 bytes
/// each where the processor's loops write them, which is most of what it keeps. Keras's policy
/// `mixed_bfloat16`.
///
/// Rounded to the nearest ([`Tensor::round_to_bf16`](crate::graph::Tensor::round_to_bf16)) are the
/// outputs of layers, what Dense, convolutional and attention layers give their activations, and
/// the gradients of all of these. Weights, their gradients, the slots of optimizers, losses,
/// metrics, the statistics of normalizations and the states of recurrent layers within a sequence
/// stay as they are, and every sum and product is computed in `f32`. Outside of training the same
/// numbers are rounded, so that predictions are those of the trained model. Integers, truth values
/// and whatever is `f64` are left alone: a model of `f64` is not changed at all.
///
/// What it wraps keeps its name, its weights, its terms of the loss, its metrics and masks, so that
/// weights can be exchanged with the model without it. Leave the last layer of a model outside,
/// or its predictions have two to three digits.
///
/// ```
/// use endo::prelude::*;
/// let body = Sequential::new().add(Dense::new(64).activation("gelu")).add(Dense::new(8));
/// let mut model = Model::new(Sequential::new().add(body.bf16()).add(Dense::new(1)));
/// model.compile("adam", "mse", ());
/// let (x, y) = (Array::zeros([32, 8], DType::F32), Array::zeros([32, 1], DType::F32));
/// let history = model.fit(&Dataset::new(x, y)?, Fit::epochs(1))?;
/// assert_eq!(history.epochs.len(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Bf16<L> {
    layer: L,
}

impl<L> Bf16<L> {
    /// The layer whose values are rounded.
    pub fn new(layer: L) -> Self {
        Self { layer }
    }

    /// The layer that is applied.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Layer<I, O>, I: Tree, O: Tree> Layer<I, O> for Bf16<L> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        cx.with_rounding(|cx| self.layer.apply(inputs, cx))
    }

    /// The layer inside has the name, the weights and the masks.
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.call(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        self.layer.name()
    }

    fn kind(&self) -> &'static str {
        self.layer.kind()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.layer.hyperparameters()
    }
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;

    /// The gradients of the mean square of a net's outputs with respect to all weights, as one
    /// number, and the bytes of intermediate values.
    fn arena(net: impl Layer + 'static, x: &Array) -> usize {
        let model = Model::new(net);
        model.build(x.shape().sizes()).unwrap();
        let mut step = Function::new(|[x], cx| {
            let loss = model.apply(&x, cx).square().mean();
            let gradients = cx.gradients(&loss, model.trainable_weights()).into_tensors();
            let sums = gradients.into_iter().flatten().map(|gradient| gradient.sum());
            [sums.reduce(|a, b| a + b).unwrap()]
        });
        step.run([x]).unwrap();
        let plan = step.program([x]).unwrap().plan();
        if std::env::var("SHOW").is_ok() {
            println!("{plan}");
        }
        plan.arena_bytes()
    }

    #[test]
    fn a_deep_net_needs_little_more_than_half_of_the_memory() {
        for activation in ["tanh", "gelu"] {
            let net = || {
                let mut net = Sequential::new();
                for _ in 0..if std::env::var("SHOW").is_ok() { 3 } else { 12 } {
                    net = net.add(Dense::new(32).activation(layers_activation(activation)));
                }
                net
            };
            let x = Array::from_fn([128, 32], |i| (i as f32).sin());
            let (whole, half) = (arena(net(), &x), arena(net().bf16(), &x));
            println!("{activation} {whole} {half} {}", half as f64 / whole as f64);
        }
    }

    fn layers_activation(name: &'static str) -> &'static str {
        name
    }

    #[test]
    fn an_attention_block() {
        let net = || {
            let mut net = Sequential::new();
            for _ in 0..4 {
                let attention = MultiHeadAttention::new(2, 16);
                let [first, second] = [0; 2].map(|_| LayerNormalization::new());
                let (wide, narrow) = (Dense::new(64).activation("gelu"), Dense::new(32));
                net = net.add(move |x: &Tensor, cx: &mut Context| {
                    let h = x + attention.apply(&first.apply(x, cx), cx);
                    let y = narrow.apply(&wide.apply(&second.apply(&h, cx), cx), cx);
                    h + y
                });
            }
            net
        };
        let x = Array::from_fn([8, 32, 32], |i| (i as f32).sin());
        let (whole, half) = (arena(net(), &x), arena(net().bf16(), &x));
        println!("attention {whole} {half} {}", half as f64 / whole as f64);
    }

    #[test]
    fn text_names_it() {
        let layer = layers::get("bf16(dense(3))").unwrap();
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        assert_eq!(f.run([&Array::zeros([2, 4], DType::F32)]).unwrap()[0].shape().sizes(), [2, 3]);
    }
}
