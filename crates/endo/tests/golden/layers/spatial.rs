//! Convolutions, pooling and changes of size, made of Keras's configurations.

use endo::prelude::*;
use serde_json::Value;

use super::super::super::support::Object;
use super::options::{Function, Read, required, with};
use super::{Apply, masked, one};

/// The convolution of a class.
pub fn convolution(class: &str, config: &Object<'_>) -> Option<Apply> {
    macro_rules! convolution {
        (
            $Name:ident($($required:ident: $Type:ty),+),
            $n:literal $(, $option:ident $(: $Option:ty)?)*
        ) => {
            one(with!(
                config,
                $Name::new($(required::<$Type>(config, stringify!($required))),+),
                strides: [usize; $n],
                padding: Padding,
                dilation_rate: [usize; $n],
                use_bias,
                activation: Function
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
            convolution!(
                SeparableConv1D(filters: usize, kernel_size: [usize; 1]),
                1,
                depth_multiplier
            )
        }
        "SeparableConv2D" => {
            convolution!(
                SeparableConv2D(filters: usize, kernel_size: [usize; 2]),
                2,
                depth_multiplier
            )
        }
        "Conv1DTranspose" => {
            convolution!(
                Conv1DTranspose(filters: usize, kernel_size: [usize; 1]),
                1,
                output_padding: [usize; 1]
            )
        }
        "Conv2DTranspose" => {
            convolution!(
                Conv2DTranspose(filters: usize, kernel_size: [usize; 2]),
                2,
                output_padding: [usize; 2]
            )
        }
        _ => return None,
    })
}

/// Pooling and changes of size of a class.
pub fn spatial(class: &str, config: &Object<'_>, mask: Option<Array>) -> Option<Apply> {
    macro_rules! pooling {
        ($Name:ident, $n:literal) => {
            one(with!(
                config,
                $Name::new(required::<[usize; $n]>(config, "pool_size")),
                strides: [usize; $n],
                padding: Padding
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
        "UpSampling2D" => one(with!(
            config,
            UpSampling2D::new(required::<[usize; 2]>(config, "size")),
            interpolation: Interpolation
        )),
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
