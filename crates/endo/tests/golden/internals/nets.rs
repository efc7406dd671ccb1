//! The nets of the cases: layers that add losses, penalize weights and outputs, and stand within
//! each other.

use std::sync::Arc;

use endo::prelude::*;
use endo::{activations, regularizers};

use super::super::support::Object;
use super::text;

/// A net of a case.
pub type Net = Arc<dyn Layer>;

/// A layer made of a closure, with a name.
struct Block<F> {
    name: &'static str,
    call: F,
}

impl<F: Fn(&Tensor, &mut Context) -> Tensor + Send + Sync> Layer for Block<F> {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        (self.call)(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        Some(self.name)
    }
}

fn mean_square(x: &Tensor) -> Tensor {
    x.square().mean()
}

/// The layer that a case describes.
pub fn net(case: &Object<'_>) -> Result<Box<dyn Fn() -> Net>, String> {
    let name = case.text("name");
    let config = case.object("config");
    if name == "golden/epoch_totals" {
        return Ok(Box::new(|| Arc::new(|x: &Tensor, _: &mut Context| x.clone())));
    }
    let units = config.number("units") as usize;
    if name == "mask/embedding" {
        let vocabulary = config.number("vocabulary") as usize;
        let embedding = move || Embedding::new(vocabulary, units).mask_zero(true).name("embedding");
        return Ok(Box::new(move || {
            Arc::new(Sequential::new().add(embedding()).add(Dense::new(1).name("out")))
        }));
    }
    let activation = config.text("activation").to_string();
    let number = |key: &str| if config.has(key) { config.number(key) } else { 0.0 };
    let (rate, rate2, l1, l2) = (number("rate"), number("rate2"), number("l1"), number("l2"));
    let regularizer = |key: &str| -> Result<Option<Arc<dyn Regularizer>>, String> {
        config
            .has(key)
            .then(|| regularizers::get(&config.object(key).named()).map_err(text))
            .transpose()
    };
    let regularized = [
        regularizer("kernel_regularizer")?,
        regularizer("bias_regularizer")?,
        regularizer("activity_regularizer")?,
    ];
    let dense = move |name: &str| {
        Dense::new(units)
            .activation(activations::get(&activation).expect("a known activation"))
            .name(name)
    };
    let hidden = {
        let dense = dense.clone();
        move || {
            let mut layer = dense("hidden");
            let [kernel, bias, activity] = regularized.clone();
            if let Some(kernel) = kernel {
                layer = layer.kernel_regularizer(kernel);
            }
            if let Some(bias) = bias {
                layer = layer.bias_regularizer(bias);
            }
            if let Some(activity) = activity {
                layer = layer.activity_regularizer(activity);
            }
            layer
        }
    };
    let out = || Dense::new(1).name("out");
    let classes = number("classes") as usize;
    let momentum = number("momentum");
    let max_value = number("max_value");
    let name = name.to_string();
    Ok(match name.as_str() {
        "add_loss/scalar" | "add_loss/scalar_with_sample_weight" | "add_loss/only" => {
            Box::new(move || {
                let (hidden, out) = (hidden(), out());
                Arc::new(move |x: &Tensor, cx: &mut Context| {
                    let h = hidden.apply(x, cx);
                    cx.add_loss("activity", rate * mean_square(&h));
                    out.apply(&h, cx)
                })
            })
        }
        "add_loss/several" => Box::new(move || {
            let (hidden, out) = (hidden(), out());
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("hidden", rate * mean_square(&h));
                cx.add_loss("inputs", rate2 * mean_square(x));
                let z = out.apply(&h, cx);
                cx.add_loss("outputs", rate * mean_square(&z));
                z
            })
        }),
        "add_loss/vector_is_summed" => Box::new(move || {
            let (hidden, out) = (hidden(), out());
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("activity", (rate * h.square().mean_axes([-1])).sum());
                out.apply(&h, cx)
            })
        }),
        "called_twice/add_loss" => Box::new(move || {
            let (inner, back, out) = (dense("inner"), Dense::new(units).name("back"), out());
            let call = move |x: &Tensor, cx: &mut Context| {
                let h = inner.apply(x, cx);
                cx.add_loss("activity", rate * mean_square(&h));
                back.apply(&h, cx)
            };
            let block = Block { name: "block", call };
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let z = block.apply(x, cx);
                let z = block.apply(&z, cx);
                out.apply(&z, cx)
            })
        }),
        "called_twice/activity_regularizer" | "called_twice/kernel_regularizer" => {
            Box::new(move || {
                let shared = match name.as_str() {
                    "called_twice/activity_regularizer" => {
                        dense("shared").activity_regularizer(L2(l2))
                    }
                    _ => dense("shared").kernel_regularizer(L2(l2)),
                };
                let out = out();
                Arc::new(move |x: &Tensor, cx: &mut Context| {
                    let z = shared.apply(x, cx);
                    let z = shared.apply(&z, cx);
                    out.apply(&z, cx)
                })
            })
        }
        "nested/submodels" => Box::new(move || {
            let hidden = dense("hidden").kernel_regularizer(L1(l1));
            let call = move |x: &Tensor, cx: &mut Context| {
                let h = hidden.apply(x, cx);
                cx.add_loss("activity", rate * mean_square(&h));
                h
            };
            let inner = Block { name: "inner", call };
            let mix = Dense::new(units).activity_regularizer(L2(l2)).name("mix");
            let call = move |x: &Tensor, cx: &mut Context| mix.apply(&inner.apply(x, cx), cx);
            let middle = Block { name: "middle", call };
            let out = out().bias_regularizer(L2(l2));
            Arc::new(move |x: &Tensor, cx: &mut Context| {
                let z = out.apply(&middle.apply(x, cx), cx);
                cx.add_loss("outputs", rate2 * mean_square(&z));
                z
            })
        }),
        "nested/sequential_in_functional" => Box::new(move || {
            let hidden = dense("hidden").kernel_regularizer(L2(l2));
            let block = Sequential::new()
                .add(hidden)
                .add(ActivityRegularization::new().l1(l1))
                .name("block");
            Arc::new(Sequential::new().add(block).add(out()))
        }),
        "regularizers/frozen_layer" => {
            Box::new(move || Arc::new(Sequential::new().add(hidden().trainable(false)).add(out())))
        }
        "class_weight/sparse" | "class_weight/none" => Box::new(move || {
            Arc::new(
                Sequential::new()
                    .add(hidden())
                    .add(Dense::new(classes).activation(Softmax::default()).name("out")),
            )
        }),
        "training_step/constraint" => Box::new(move || {
            Arc::new(
                Sequential::new()
                    .add(hidden().kernel_constraint(MaxNorm.max_value(max_value)))
                    .add(out()),
            )
        }),
        "training_step/batch_normalization" => Box::new(move || {
            let norm = BatchNormalization::new().momentum(momentum).name("norm");
            Arc::new(Sequential::new().add(hidden()).add(norm).add(out()))
        }),
        other if other.starts_with("regularizers/") || other.starts_with("sample_weight/") => {
            Box::new(move || Arc::new(Sequential::new().add(hidden()).add(out())))
        }
        other => return Err(format!("the case {other} is not understood")),
    })
}
