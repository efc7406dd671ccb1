//! Every layer of the library and every kernel, as models that are exported: one table for all
//! forms of files.
//!
//! In: `crate::support::check`, which compares a model with a file of it. Out: [`LAYERS`],
//! [`KERNELS`] and [`SIZES_BY_ROWS`].

use endo::layers::{Add, Average, Dot, Maximum, Minimum, Multiply, Subtract};
use endo::ops::Window;
use endo::prelude::*;

use crate::support::{check, floats, numbers};

/// A layer of the library by name, and what compares an exported model of it with the model.
pub type Case = (&'static str, fn(&str));

pub const LAYERS: &[Case] = &[
    ("Activation", |name| one(name, Activation::new("gelu"), &[5])),
    ("ActivityRegularization", |name| one(name, ActivityRegularization::new().l2(0.1), &[5])),
    ("Add", |name| pair(name, Add::new())),
    ("Average", |name| pair(name, Average::new())),
    ("BatchNormalization", |name| {
        one(name, BatchNormalization::new(), &[5]);
        one(name, BatchNormalization::new().axis(1), &[3, 4]);
    }),
    ("Concatenate", |name| {
        pair(name, Concatenate::new());
        pair(name, Concatenate::new().axis(1));
    }),
    ("Dense", |name| {
        one(name, Dense::new(3).activation(Selu), &[8]);
        one(name, Dense::new(70).use_bias(false), &[33]);
        one(name, Dense::new(4).activation("tanh"), &[3, 2, 5]);
        check(name, &Model::new(Dense::new(3)).dtype(DType::F64), |rows| {
            vec![numbers([rows, 4], DType::F64, [-1.0, 1.0], 1)]
        });
    }),
    ("Dropout", |name| one(name, Dropout::new(0.5), &[5])),
    ("EinsumDense", |name| {
        one(name, EinsumDense::new("abc,cd->abd", [None, Some(4)]).bias_axes("d"), &[3, 2]);
        one(name, EinsumDense::new("...x,xy->...y", 4).activation("tanh"), &[3, 2, 5]);
    }),
    ("Embedding", |name| {
        // Some numbers are outside the table, and give NaN.
        let tokens = |rows| vec![numbers([rows, 6], DType::I32, [-2.0, 12.0], 3)];
        check(name, &Model::new(Embedding::new(10, 4)), tokens);
        check(
            name,
            &Model::new(
                Sequential::new().add(Embedding::new(10, 4).mask_zero(true)).add(Dense::new(2)),
            ),
            tokens,
        );
        let bytes = |rows| vec![numbers([rows, 6], DType::Bool, [0.0, 1.0], 3)];
        check(name, &Model::new(Embedding::new(2, 4)), bytes);
    }),
    ("Flatten", |name| one(name, Flatten::new(), &[3, 4])),
    ("GaussianDropout", |name| one(name, GaussianDropout::new(0.5), &[5])),
    ("GaussianNoise", |name| one(name, GaussianNoise::new(0.5), &[5])),
    ("LayerNormalization", |name| {
        one(name, LayerNormalization::new(), &[9]);
        one(name, LayerNormalization::new().axis([1, 2]), &[3, 4]);
    }),
    ("Masking", |name| {
        // What is masked does not count in a mean over steps.
        let mean = |x: &Tensor, cx: &mut Context| {
            let mask = cx.mask(x).expect("it was set").cast(DType::F32).expand_dims(-1);
            (x * &mask).sum_axes([1]) / mask.sum_axes([1])
        };
        one(name, Sequential::new().add(Masking::new(-2.0)).add(Dense::new(3)).add(mean), &[4, 2]);
        one(name, Masking::new(0.0), &[4, 2]);
    }),
    ("Maximum", |name| pair(name, Maximum::new())),
    ("Minimum", |name| pair(name, Minimum::new())),
    ("Multiply", |name| pair(name, Multiply::new())),
    ("Normalization", |name| {
        one(name, Normalization::new([1.0, -1.0, 0.5], [2.0, 0.5, 1.0]), &[3]);
        one(name, Normalization::new([1.0, -1.0, 0.5], [2.0, 0.5, 1.0]).invert(true), &[2, 3]);
    }),
    ("Reshape", |name| {
        one(name, Reshape::new([2, 6]), &[3, 4]);
        one(name, Reshape::new([-1, 2]), &[3, 4]);
    }),
    ("Sequential", |name| {
        one(name, Sequential::new(), &[5]);
        one(
            name,
            Sequential::new()
                .add(Dense::new(7).activation("relu"))
                .add(Dropout::new(0.2))
                .add(Dense::new(2)),
            &[5],
        );
    }),
    ("SpectralNormalization", |name| one(name, SpectralNormalization::new(Dense::new(3)), &[4])),
    ("Subtract", |name| pair(name, Subtract::new())),
    ("AlphaDropout", |name| one(name, AlphaDropout::new(0.5), &[5])),
    ("SpatialDropout1D", |name| one(name, SpatialDropout1D::new(0.5), &[4, 3])),
    ("SpatialDropout2D", |name| one(name, SpatialDropout2D::new(0.5), &[4, 3, 2])),
    ("SpatialDropout3D", |name| one(name, SpatialDropout3D::new(0.5), &[4, 3, 2, 2])),
    ("AdditiveAttention", |name| attention(name, AdditiveAttention::new())),
    ("Attention", |name| attention(name, Attention::new().use_scale(true))),
    ("GroupQueryAttention", |name| attention(name, GroupQueryAttention::new(3, 4, 2))),
    ("MultiHeadAttention", |name| attention(name, MultiHeadAttention::new(2, 3))),
    ("MaskedSoftmax", |name| {
        let masked = |x: &Tensor, cx: &mut Context| {
            MaskedSoftmax::new().apply(&(x.clone(), x.greater(0.0)), cx)
        };
        one(name, masked, &[4]);
    }),
    ("Conv1D", |name| {
        one(name, Conv1D::new(3, 3).padding(Padding::Causal).dilation_rate(2), &[7, 2]);
        one(name, Conv1D::new(4, 1), &[7, 2]);
    }),
    ("Conv1DTranspose", |name| one(name, Conv1DTranspose::new(3, 3).strides(2), &[5, 2])),
    ("Conv2D", |name| {
        one(
            name,
            Conv2D::new(4, 3).strides(2).padding(Padding::Same).activation("relu"),
            &[6, 5, 2],
        );
        one(name, Conv2D::new(4, 3).data_format(DataFormat::ChannelsFirst), &[2, 6, 5]);
    }),
    ("Conv2DTranspose", |name| one(name, Conv2DTranspose::new(2, 2).strides(2), &[3, 4, 2])),
    ("Conv3D", |name| one(name, Conv3D::new(2, 2), &[3, 4, 3, 2])),
    ("Conv3DTranspose", |name| one(name, Conv3DTranspose::new(2, 2), &[2, 3, 2, 2])),
    ("DepthwiseConv1D", |name| one(name, DepthwiseConv1D::new(3), &[6, 2])),
    ("DepthwiseConv2D", |name| one(name, DepthwiseConv2D::new(3).depth_multiplier(2), &[5, 4, 2])),
    ("SeparableConv1D", |name| one(name, SeparableConv1D::new(3, 2), &[6, 2])),
    ("SeparableConv2D", |name| one(name, SeparableConv2D::new(3, 2), &[5, 4, 2])),
    ("Dot", |name| {
        let inputs = |rows| vec![floats([rows, 4], 1), floats([rows, 4], 2)];
        check(name, &Model::new(Dot::new([1, 1])), inputs);
    }),
    ("GroupNormalization", |name| one(name, GroupNormalization::new().groups(2), &[3, 4])),
    ("PRelu", |name| one(name, PRelu::new(), &[3, 4])),
    ("AveragePooling1D", |name| one(name, AveragePooling1D::new(2), &[5, 2])),
    ("AveragePooling2D", |name| {
        one(name, AveragePooling2D::new(2).padding(Padding::Same), &[5, 4, 2])
    }),
    ("AveragePooling3D", |name| one(name, AveragePooling3D::new(2), &[4, 4, 2, 2])),
    ("GlobalAveragePooling1D", |name| one(name, GlobalAveragePooling1D::new(), &[5, 2])),
    ("GlobalAveragePooling2D", |name| one(name, GlobalAveragePooling2D::new(), &[3, 4, 2])),
    ("GlobalAveragePooling3D", |name| one(name, GlobalAveragePooling3D::new(), &[3, 4, 2, 2])),
    ("GlobalMaxPooling1D", |name| one(name, GlobalMaxPooling1D::new(), &[5, 2])),
    ("GlobalMaxPooling2D", |name| one(name, GlobalMaxPooling2D::new(), &[3, 4, 2])),
    ("GlobalMaxPooling3D", |name| one(name, GlobalMaxPooling3D::new(), &[3, 4, 2, 2])),
    ("MaxPooling1D", |name| one(name, MaxPooling1D::new(2), &[5, 2])),
    ("MaxPooling2D", |name| one(name, MaxPooling2D::new(2).padding(Padding::Same), &[5, 4, 2])),
    ("MaxPooling3D", |name| one(name, MaxPooling3D::new(2), &[4, 4, 2, 2])),
    ("Permute", |name| one(name, Permute::new([2, 1]), &[3, 4])),
    ("RepeatVector", |name| one(name, RepeatVector::new(3), &[4])),
    ("Rescaling", |name| one(name, Rescaling::new(0.5).offset(1.0), &[4])),
    ("Bidirectional", |name| {
        one(name, Bidirectional::new(|| Gru::new(3).return_sequences(true)), &[4, 2])
    }),
    ("ConvLstm1D", |name| {
        one(name, ConvLstm1D::new(3, 2).return_sequences(true), &[3, 5, 2]);
        let masked = Sequential::new()
            .add(TimeDistributed::new(Flatten::new()))
            .add(Masking::new(-2.0))
            .add(Reshape::new([3, 5, 2]))
            .add(ConvLstm1D::new(3, 2));
        one(name, masked, &[3, 5, 2]);
    }),
    ("ConvLstm2D", |name| {
        one(name, ConvLstm2D::new(2, 2).strides([1, 2]).padding(Padding::Same), &[3, 4, 5, 2])
    }),
    ("ConvLstm3D", |name| one(name, ConvLstm3D::new(2, 2), &[2, 3, 2, 2, 1])),
    ("Gru", |name| one(name, Gru::new(3), &[4, 2])),
    ("Lstm", |name| {
        one(name, Lstm::new(3).return_sequences(true), &[4, 2]);
        one(name, Sequential::new().add(Masking::new(-2.0)).add(Lstm::new(3)), &[4, 2]);
    }),
    ("SimpleRnn", |name| one(name, SimpleRnn::new(3).go_backwards(true), &[4, 2])),
    ("Cropping1D", |name| one(name, Cropping1D::new(1), &[5, 2])),
    ("Cropping2D", |name| one(name, Cropping2D::new(1), &[4, 5, 2])),
    ("Cropping3D", |name| one(name, Cropping3D::new(1), &[3, 4, 3, 2])),
    ("CenterCrop", |name| {
        one(name, CenterCrop::new(2, 3), &[4, 5, 2]);
        one(name, CenterCrop::new(5, 4), &[4, 5, 2]);
    }),
    ("RandomBrightness", |name| one(name, RandomBrightness::new(0.1), &[4, 5, 2])),
    ("RandomContrast", |name| one(name, RandomContrast::new(0.1), &[4, 5, 2])),
    ("RandomCrop", |name| one(name, RandomCrop::new(2, 3), &[4, 5, 2])),
    ("RandomFlip", |name| one(name, RandomFlip::new(), &[4, 5, 2])),
    ("RandomRotation", |name| one(name, RandomRotation::new(0.1), &[4, 5, 2])),
    ("RandomTranslation", |name| one(name, RandomTranslation::new(0.1, 0.1), &[4, 5, 2])),
    ("RandomZoom", |name| one(name, RandomZoom::new(0.1), &[4, 5, 2])),
    ("Resizing", |name| {
        for interpolation in
            [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::Lanczos3]
        {
            one(name, Resizing::new(3, 6).interpolation(interpolation), &[4, 5, 2]);
        }
        one(name, Resizing::new(3, 6).pad_to_aspect_ratio(true), &[4, 5, 2]);
    }),
    ("UpSampling1D", |name| one(name, UpSampling1D::new(2), &[3, 2])),
    ("UpSampling2D", |name| {
        one(name, UpSampling2D::new(2), &[3, 2, 2]);
        one(name, UpSampling2D::new(2).interpolation(Interpolation::Bilinear), &[3, 2, 2]);
    }),
    ("UpSampling3D", |name| one(name, UpSampling3D::new(2), &[2, 3, 2, 2])),
    ("ZeroPadding1D", |name| one(name, ZeroPadding1D::new(2), &[3, 2])),
    ("ZeroPadding2D", |name| one(name, ZeroPadding2D::new(1), &[3, 2, 2])),
    ("ZeroPadding3D", |name| one(name, ZeroPadding3D::new(1), &[2, 3, 2, 2])),
    ("TimeDistributed", |name| one(name, TimeDistributed::new(Dense::new(3)), &[4, 2])),
    ("Bf16", |name| {
        one(name, Dense::new(3).activation("selu").bf16(), &[4]);
        one(name, Sequential::new().add(Dense::new(40)).add(Dense::new(3)).bf16(), &[30]);
    }),
    ("Recompute", |name| one(name, Dense::new(3).activation("selu").recompute(), &[4])),
    ("RmsNormalization", |name| one(name, RmsNormalization::new(), &[6])),
    ("UnitNormalization", |name| one(name, UnitNormalization::new(), &[6])),
];

/// A layer of one input, with rows of these sizes.
pub fn one(name: &str, layer: impl Layer + 'static, sizes: &[usize]) {
    check(name, &Model::new(layer), |rows| vec![floats([&[rows], sizes].concat(), 1)]);
}

/// A layer of a query and a value.
fn attention(name: &str, layer: impl Layer<[Tensor; 2]> + 'static) {
    check(name, &Model::new(layer), |rows| vec![floats([rows, 3, 4], 1), floats([rows, 5, 4], 2)]);
}

/// A layer of several inputs, on two.
fn pair(name: &str, layer: impl Layer<Vec<Tensor>> + 'static) {
    check(name, &Model::new(layer), |rows| vec![floats([rows, 3, 4], 1), floats([rows, 3, 4], 2)]);
}

/// Operations with code of their own; `unslice` and `scatter_add` come from gradients alone.
pub const KERNELS: &[Case] = &[
    ("argmax", |name| closure(name, |x, _| x.argmax(1))),
    ("argmin", |name| closure(name, |x, _| x.argmin(-1))),
    ("argsort", |name| closure(name, |x, _| x.argsort(1, true))),
    ("top_k", |name| closure(name, |x, _| x.top_k(2).0)),
    ("sort", |name| closure(name, |x, _| x.sort(1))),
    ("concatenate", |name| closure(name, |x, _| Tensor::concatenate(&[x.clone(), x.square()], 1))),
    ("pad", |name| closure(name, |x, _| x.pad(&[(0, 0), (1, 2), (0, 1)], 0.5))),
    ("cumsum", |name| closure(name, |x, _| x.cumsum(1))),
    ("cumprod", |name| closure(name, |x, _| x.cumprod(-1, true, true))),
    ("cumprod and its gradient", |name| {
        closure(name, |x, cx| {
            let y = x.cumprod(1, false, false).square().sum();
            cx.gradients(&y, [x]).into_tensors().remove(0).unwrap()
        })
    }),
    ("take_along_axis", |name| closure(name, |x, _| x.take_along_axis(&x.argsort(2, false), 2))),
    ("windows of windows", |name| {
        closure(name, |x, _| {
            let pairs = Window { size: 2, stride: 2, dilation: 2, before: 1, count: 3 };
            x.windows(&[pairs], 0.5).overlap_add(&[pairs], &[4])
        })
    }),
    ("random numbers", |name| {
        closure(name, |x, cx| {
            x + cx.random().normal([x.batch(), 4, 1], 0.0, 1.0) * cx.random().uniform([3], 1.0, 2.0)
        })
    }),
    ("one_hot", |name| closure(name, |x, _| (x + 2.0).one_hot(4))),
    ("gather", |name| closure(name, |x, cx| x.gather(&cx.constant([2, 0, 7]), 1))),
    ("segment_sum", |name| {
        closure(name, |x, cx| {
            x.sum_axes([0, 2]).segment_sum(&cx.constant([1, 0, 1, 5]), 3) * x.sum_axes([1])
        })
    }),
    ("scatter_update", |name| {
        closure(name, |x, cx| {
            let rows = x.permute(&[1, 0, 2]);
            let numbers = cx.constant([2, 0, 7]);
            rows.scatter_update(&numbers, &rows.slice(0, ..3).square()).permute(&[1, 0, 2])
        })
    }),
    ("gradients", |name| {
        closure(name, |x, cx| {
            let indices = cx.constant([2, 0, 2]);
            let y =
                (x.slice_step(1, 1.., 2).exp().sum() + x.gather(&indices, 1).square().sum()) * 0.5;
            cx.gradients(&y, [x]).into_tensors().remove(0).unwrap()
        })
    }),
];

/// Models in which sizes and positions depend on the number of rows.
pub const SIZES_BY_ROWS: &[Case] = &[
    ("flip", |name| closure(name, |x, _| x.flip(0))),
    ("rows and steps together", |name| {
        closure(name, |x, _| x.reshape([x.batch() * 4, 3]).exp().cumsum(1).reshape([x.batch(), 12]))
    }),
    ("all but the last row, and zeros", |name| {
        closure(name, |x, cx| {
            let zeros = cx.constant(Array::zeros([1, 4, 3], DType::F32));
            Tensor::concatenate(&[zeros, x.slice(0, ..x.batch() - 1)], 0)
        })
    }),
    ("ones for each row", |name| {
        closure(name, |x, cx| x + cx.constant(Array::full([x.batch(), 1, 1], 1.5, DType::F32)))
    }),
    ("sums over rows", |name| closure(name, |x, _| x * x.sum_axes([0]))),
    ("products of rows", |name| {
        closure(name, |x, _| x.flatten().matmul(&x.flatten().transpose()).matmul(&x.flatten()))
    }),
    ("transposed", |name| {
        closure(name, |x, _| x.permute(&[2, 0, 1]).cumsum(0).permute(&[1, 2, 0]))
    }),
];

/// A closure of one tensor.
fn closure(name: &str, closure: impl Fn(&Tensor, &mut Context) -> Tensor + Send + Sync + 'static) {
    check(name, &Model::new(closure), |rows| vec![floats([rows, 4, 3], 1)]);
}
