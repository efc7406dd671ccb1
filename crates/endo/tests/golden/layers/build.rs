//! Layers made of Keras's configurations.
//!
//! In: a class, its configuration and the options of the call. Out: what applies it to tensors. Only options that are given are
//! set, so that defaults are checked, too.

use std::sync::Arc;

use endo::activations::{self, ActivationFunction};
use endo::prelude::*;
use endo::{Setting, layers};
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
        <Self as Setting>::read(value.as_str()?)
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

/// Sets those options of a layer that the configuration has; the type of a value is named where the setter takes many.
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

fn many(layer: impl Layer<Vec<Tensor>> + 'static) -> Apply {
    Box::new(move |x, cx| vec![layer.apply(&x.to_vec(), cx)])
}

type Function = Arc<dyn ActivationFunction>;

/// The layer of a case, or `None` if there is none of its class.
pub fn layer(class: &str, config: &Object<'_>, call: &Object<'_>) -> Option<Apply> {
    let mask = call.read("mask", |mask| array(mask).map(|mask| mask.cast(DType::Bool)));
    Some(match class {
        "Dense" => one(with!(config, Dense::new(required(config, "units")), use_bias, activation: Function)),
        "Activation" => one(Activation::new(required::<Function>(config, "activation"))),
        "PReLU" => one(with!(config, PRelu::new(), shared_axes: Vec<isize>)),
        "Embedding" => one(Embedding::new(required(config, "input_dim"), required(config, "output_dim"))),
        "Masking" => one(Masking::new(required(config, "mask_value"))),
        "Dropout" => one(Dropout::new(required(config, "rate"))),
        "GaussianDropout" => one(GaussianDropout::new(required(config, "rate"))),
        "GaussianNoise" => one(GaussianNoise::new(required(config, "stddev"))),
        "Flatten" => one(Flatten::new()),
        "Reshape" => one(layers::Reshape::new(required::<Vec<isize>>(config, "target_shape"))),
        "Normalization" => {
            let [mean, variance] = ["mean", "variance"].map(|key| required::<Vec<f64>>(config, key));
            one(with!(config, Normalization::new(mean, variance), axis, invert))
        }
        "LayerNormalization" => one(with!(config, LayerNormalization::new(), axis: Vec<isize>, epsilon, center, scale)),
        "GroupNormalization" => one(with!(config, GroupNormalization::new(), groups, axis, epsilon, center, scale)),
        "BatchNormalization" => {
            let layer = with!(config, BatchNormalization::new(), axis, momentum, epsilon, center, scale, trainable);
            match mask {
                Some(mask) => Box::new(move |x, cx| vec![layer.apply(&(x[0].clone(), cx.constant(mask.clone())), cx)]),
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
        _ => return convolution(class, config),
    })
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
        "DepthwiseConv1D" => convolution!(DepthwiseConv1D(kernel_size: [usize; 1]), 1, depth_multiplier),
        "DepthwiseConv2D" => convolution!(DepthwiseConv2D(kernel_size: [usize; 2]), 2, depth_multiplier),
        "SeparableConv1D" => convolution!(SeparableConv1D(filters: usize, kernel_size: [usize; 1]), 1, depth_multiplier),
        "SeparableConv2D" => convolution!(SeparableConv2D(filters: usize, kernel_size: [usize; 2]), 2, depth_multiplier),
        "Conv1DTranspose" => {
            convolution!(Conv1DTranspose(filters: usize, kernel_size: [usize; 1]), 1, output_padding: [usize; 1])
        }
        "Conv2DTranspose" => {
            convolution!(Conv2DTranspose(filters: usize, kernel_size: [usize; 2]), 2, output_padding: [usize; 2])
        }
        _ => return None,
    })
}
