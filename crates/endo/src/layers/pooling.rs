//! Pooling: the greatest number of each window, or its mean.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., channels]`; of global pooling
//! `[batch, channels]`.

use crate::graph::Tensor;
use crate::named::Named;
use crate::ops::Window;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::data_format::{ChannelsAt, DataFormat, LAST};
use super::declare::{about, layer, row};
use super::spatial::{Geometry, Padding, Sizes, check_rank, refuse};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[
    row::<MaxPooling1D>(),
    row::<MaxPooling2D>(),
    row::<MaxPooling3D>(),
    row::<AveragePooling1D>(),
    row::<AveragePooling2D>(),
    row::<AveragePooling3D>(),
    row::<GlobalMaxPooling1D>(),
    row::<GlobalMaxPooling2D>(),
    row::<GlobalMaxPooling3D>(),
    row::<GlobalAveragePooling1D>(),
    row::<GlobalAveragePooling2D>(),
    row::<GlobalAveragePooling3D>(),
];

layer! {
    /// The greatest number of each window along `N` axes, those between the batch and the channels:
    /// [`MaxPooling1D`], [`MaxPooling2D`] or [`MaxPooling3D`].
    #[derive(Clone, Debug)]
    MaxPooling<const N: usize> [
        MaxPooling1D = "max_pooling1d",
        MaxPooling2D = "max_pooling2d",
        MaxPooling3D = "max_pooling3d"
    ]
    /// Windows of a size, side by side.
    (pool_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. Their size unless set.
        strides: Sizes<N> => Sizes<N> = pool_size,
        /// Whether windows reach over the ends of the inputs: what is outside does not count.
        /// `Padding::Valid` unless set.
        padding: Padding = Padding::Valid,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// The greatest number of each window of steps, channel by channel: `[batch, steps, channels]`
/// becomes `[batch, counts, channels]`. At ties the gradient goes to the first. Keras's
/// `MaxPooling1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [MaxPooling1D::new(2).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&[[[1.0_f32], [3.0], [2.0], [0.0]]].into()])?[0],
///     Array::from([[[3.0_f32], [2.0]]])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type MaxPooling1D = MaxPooling<1>;

/// As [`MaxPooling1D`], over images `[batch, height, width, channels]`. Keras's `MaxPooling2D`.
///
/// ```
/// use endo::prelude::*;
/// let layer = MaxPooling2D::new([2, 3]).strides(2).padding(Padding::Same);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 5, 8, 3], DType::F32)])?[0].shape().sizes(),
///     [1, 3, 4, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type MaxPooling2D = MaxPooling<2>;

/// As [`MaxPooling1D`], over volumes `[batch, depth, height, width, channels]`. Keras's
/// `MaxPooling3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [MaxPooling3D::new(2).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 4, 6, 1], DType::F32)])?[0].shape().sizes(),
///     [1, 2, 2, 3, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type MaxPooling3D = MaxPooling<3>;

impl<const N: usize> Layer for MaxPooling<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let geometry = Geometry::new(self.pool_size, self.strides, Sizes([1; N]), self.padding);
        self.data_format.around(inputs, N, cx, |inputs, cx| {
            Ok(inputs.max_windows(&geometry.windows(inputs.shape(), cx)?))
        })
    }

    about! {}
}

layer! {
    /// The mean of each window along `N` axes, those between the batch and the channels:
    /// [`AveragePooling1D`], [`AveragePooling2D`] or [`AveragePooling3D`].
    #[derive(Clone, Debug)]
    AveragePooling<const N: usize> [
        AveragePooling1D = "average_pooling1d",
        AveragePooling2D = "average_pooling2d",
        AveragePooling3D = "average_pooling3d"
    ]
    /// The means of windows of a size, side by side.
    (pool_size: Sizes<N> => Sizes<N>) {
        /// How far windows are apart. Their size unless set.
        strides: Sizes<N> => Sizes<N> = pool_size,
        /// Whether windows reach over the ends of the inputs: what is outside does not count.
        /// `Padding::Valid` unless set.
        padding: Padding = Padding::Valid,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// The mean of each window of steps, channel by channel, over what lies within the inputs:
/// `[batch, steps, channels]` becomes `[batch, counts, channels]`. Keras's `AveragePooling1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| {
///     [AveragePooling1D::new(2).padding(Padding::Same).apply(&x, cx)]
/// });
/// assert_eq!(
///     f.run([&[[[1.0_f32], [3.0], [5.0]]].into()])?[0],
///     Array::from([[[2.0_f32], [5.0]]])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type AveragePooling1D = AveragePooling<1>;

/// As [`AveragePooling1D`], over images `[batch, height, width, channels]`. Keras's
/// `AveragePooling2D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [AveragePooling2D::new(2).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 5, 8, 3], DType::F32)])?[0].shape().sizes(),
///     [1, 2, 4, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type AveragePooling2D = AveragePooling<2>;

/// As [`AveragePooling1D`], over volumes `[batch, depth, height, width, channels]`. Keras's
/// `AveragePooling3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [AveragePooling3D::new([1, 2, 2]).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([1, 4, 4, 6, 1], DType::F32)])?[0].shape().sizes(),
///     [1, 4, 2, 3, 1]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type AveragePooling3D = AveragePooling<3>;

impl<const N: usize> Layer for AveragePooling<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let geometry = Geometry::new(self.pool_size, self.strides, Sizes([1; N]), self.padding);
        self.data_format.around(inputs, N, cx, |inputs, cx| {
            Ok(mean(inputs, &geometry.windows(inputs.shape(), cx)?))
        })
    }

    about! {}
}

layer! {
    /// The greatest number of all positions of `N` axes, those between the batch and the channels:
    /// [`GlobalMaxPooling1D`], [`GlobalMaxPooling2D`] or [`GlobalMaxPooling3D`].
    #[derive(Clone, Debug)]
    GlobalMaxPooling<const N: usize>
    [
        GlobalMaxPooling1D = "global_max_pooling1d",
        GlobalMaxPooling2D = "global_max_pooling2d",
        GlobalMaxPooling3D = "global_max_pooling3d"
    ]
    /// The layer.
    () {
        /// Whether the axes that were pooled stay, with size 1. False unless set.
        keepdims: bool = false,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// The greatest number of all steps, channel by channel: `[batch, steps, channels]` becomes
/// `[batch, channels]`. A mask is not obeyed, which is reported. Keras's `GlobalMaxPooling1D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [GlobalMaxPooling1D::new().apply(&x, cx)]);
/// assert_eq!(
///     f.run([&[[[1.0_f32, 0.0], [3.0, -1.0]]].into()])?[0],
///     Array::from([[3.0_f32, 0.0]])
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalMaxPooling1D = GlobalMaxPooling<1>;

/// As [`GlobalMaxPooling1D`], over images. Keras's `GlobalMaxPooling2D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f =
///     Function::new(|[x], cx| [GlobalMaxPooling2D::new().keepdims(true).apply(&x, cx)]);
/// assert_eq!(
///     f.run([&Array::zeros([2, 4, 6, 3], DType::F32)])?[0].shape().sizes(),
///     [2, 1, 1, 3]
/// );
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalMaxPooling2D = GlobalMaxPooling<2>;

/// As [`GlobalMaxPooling1D`], over volumes. Keras's `GlobalMaxPooling3D`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [GlobalMaxPooling3D::new().apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 4, 6, 2, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalMaxPooling3D = GlobalMaxPooling<3>;

impl<const N: usize> Layer for GlobalMaxPooling<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.data_format.around(inputs, N, cx, |inputs, cx| {
            Ok(pooled_whole(inputs, N, self.keepdims, cx, |inputs, axes, _| inputs.max_axes(axes)))
        })
    }

    about! {}
}

layer! {
    /// The mean of all positions of `N` axes, those between the batch and the channels:
    /// [`GlobalAveragePooling1D`], [`GlobalAveragePooling2D`] or [`GlobalAveragePooling3D`].
    #[derive(Clone, Debug)]
    GlobalAveragePooling<const N: usize>
    [
        GlobalAveragePooling1D = "global_average_pooling1d",
        GlobalAveragePooling2D = "global_average_pooling2d",
        GlobalAveragePooling3D = "global_average_pooling3d"
    ]
    /// The layer.
    () {
        /// Whether the axes that were pooled stay, with size 1. False unless set.
        keepdims: bool = false,
        /// Where the channels of inputs and outputs stand. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

/// The mean of all steps, or of those that are not masked, channel by channel:
/// `[batch, steps, channels]` becomes `[batch, channels]`. A sample whose steps are all masked
/// gives 0. Keras's `GlobalAveragePooling1D`, which gives NaN there.
///
/// ```
/// use endo::prelude::*;
/// let model = Sequential::new().add(Masking::new(0.0)).add(GlobalAveragePooling1D::new());
/// let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
/// assert_eq!(f.run([&[[[1.0_f32], [3.0], [0.0]]].into()])?[0], Array::from([[2.0_f32]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalAveragePooling1D = GlobalAveragePooling<1>;

/// As [`GlobalAveragePooling1D`], over images. Keras's `GlobalAveragePooling2D`, which obeys no
/// mask.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [GlobalAveragePooling2D::new().apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 4, 6, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalAveragePooling2D = GlobalAveragePooling<2>;

/// As [`GlobalAveragePooling1D`], over volumes. Keras's `GlobalAveragePooling3D`, which obeys
/// no mask.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], cx| [GlobalAveragePooling3D::new().apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 4, 6, 2, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type GlobalAveragePooling3D = GlobalAveragePooling<3>;

impl<const N: usize> Layer for GlobalAveragePooling<N> {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.data_format.around(inputs, N, cx, |inputs, cx| {
            Ok(pooled_whole(inputs, N, self.keepdims, cx, global_mean))
        })
    }

    about! { uses_mask }
}

/// The mean of each window over the positions that lie within the inputs.
#[track_caller]
fn mean(inputs: &Tensor, windows: &[Window]) -> Tensor {
    let trace = inputs.trace();
    let inside = |window: &Window, length: usize, n: usize| {
        let start = n.saturating_mul(window.stride);
        let before = |position: usize| {
            position.saturating_sub(start).div_ceil(window.dilation).min(window.size)
        };
        before(window.before.saturating_add(length)) - before(window.before)
    };
    let counts: Shape = windows.iter().map(|window| window.count).chain([1]).collect();
    let strides = counts.strides();
    let count = |index: usize| {
        let along = windows.iter().zip(&inputs.shape()[1..]).zip(&strides);
        along
            .map(|((window, &length), stride)| {
                inside(window, length, index / stride % window.count)
            })
            .product::<usize>() as f64
    };
    let counts = trace.constant_from_fn(&counts, count, Site::caller());
    let sizes: Shape =
        windows.iter().map(|window| window.size).chain([inputs.features()]).collect();
    let ones = trace.constant_from_fn(&sizes, |_| 1.0, Site::caller());
    inputs.depthwise(&ones.cast(inputs.dtype()), windows) / counts.cast(inputs.dtype())
}

/// What `pooled` makes of the `count` axes between the batch and the channels, which stay with size
/// 1 if dimensions are kept.
#[track_caller]
fn pooled_whole(
    inputs: &Tensor,
    count: usize,
    keepdims: bool,
    cx: &Context,
    pooled: impl FnOnce(&Tensor, &[isize], &Context) -> Tensor,
) -> Tensor {
    if let Err(error) = check_rank(inputs.shape(), count, cx) {
        let axes = if keepdims { count } else { 0 };
        return refuse(error, inputs, axes, inputs.features(), cx);
    }
    let axes: Vec<isize> = (1..=count as isize).collect();
    let pooled = pooled(inputs, &axes, cx);
    if keepdims { pooled.keep_dims(inputs, &axes) } else { pooled }
}

/// The mean of all positions, or of those where the mask holds; 0 if it holds nowhere.
#[track_caller]
fn global_mean(inputs: &Tensor, axes: &[isize], cx: &Context) -> Tensor {
    let Some(mask) = cx.mask(inputs) else { return inputs.mean_axes(axes) };
    let mask = mask.with_rank(inputs.rank()).broadcast_to(inputs.shape());
    mask.where_(inputs, 0.0).sum_axes(axes).divide_no_nan(mask.cast(inputs.dtype()).sum_axes(axes))
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn the_first_of_equal_numbers_gets_the_gradient() {
        let mut f = Function::new(|[x], cx| {
            let y = MaxPooling1D::new(3).strides(2).padding(Padding::Same).apply(&x, cx);
            [cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap()]
        });
        let [dx] = f.run([&[[[2.0_f32], [2.0], [2.0], [1.0], [2.0]]].into()]).unwrap();
        assert_eq!(dx, Array::from([[[1.0_f32], [1.0], [0.0], [0.0], [1.0]]]));
    }

    #[test]
    fn masks_that_are_ignored_are_reported() {
        let reports = |layer: &dyn Layer, keepdims: &dyn Layer| {
            let mut f = Function::new(|[x], cx| {
                let masked = Masking::new(0.0).apply(&x, cx);
                [layer.apply(&masked, cx), keepdims.apply(&masked, cx)]
            });
            let outputs = f
                .run([&[[[-1.0_f32], [-3.0], [0.0]]].into()])
                .unwrap()
                .each_ref()
                .map(|y| y.to_vec::<f32>()[0]);
            (outputs, f.warnings().to_vec())
        };
        let (outputs, warnings) =
            reports(&GlobalMaxPooling1D::new(), &GlobalMaxPooling1D::new().keepdims(true));
        assert_eq!(outputs, [0.0; 2]);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("`global_max_pooling1d` does not pass on the mask of its input"),
            "{warnings:?}"
        );
        let (outputs, warnings) =
            reports(&GlobalAveragePooling1D::new(), &GlobalAveragePooling1D::new().keepdims(true));
        assert_eq!((outputs, warnings), ([-2.0; 2], Vec::new()));
    }

    #[test]
    fn a_sample_that_is_masked_whole_has_the_mean_0() {
        let mut f = Function::new(|[x], cx| {
            let y = GlobalAveragePooling1D::new().apply(&Masking::new(0.0).apply(&x, cx), cx);
            [y.clone(), cx.gradients(&y.sum(), [&x]).into_tensors().remove(0).unwrap()]
        });
        let [y, slope] =
            f.run([&[[[1.0_f32], [3.0], [0.0]], [[0.0], [0.0], [0.0]]].into()]).unwrap();
        assert_eq!(y, Array::from([[2.0_f32], [0.0]]));
        assert_eq!(slope, Array::from([[[0.5_f32], [0.5], [0.0]], [[0.0], [0.0], [0.0]]]));
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        refused(&MaxPooling1D::new(5), &[2, 4, 3]).says("`max_pooling1d` has windows of [5]");
        refused(&AveragePooling2D::new(2), &[2, 4, 3])
            .says("`average_pooling2d` takes inputs of shape [batch, height, width");
        refused(&GlobalMaxPooling2D::new(), &[2, 4, 3])
            .says("`global_max_pooling2d` takes inputs of shape");
        refused(&MaxPooling1D::new(2).strides(0), &[2, 4, 3]).says("has strides of [0]");
    }
}
