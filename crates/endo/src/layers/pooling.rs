//! Pooling: the greatest number of each window, or its mean.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., channels]`; of global pooling
//! `[batch, channels]`.

use std::panic::Location;

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::ops::Window;
use crate::shape::{Shape, product};
use crate::trace::Context;

use super::Layer;
use super::options::name_option;
use super::spatial::{Geometry, Padding, Sizes, check_rank};

/// Windows as `[positions, size, channels]`, and the shape of one number for each.
#[track_caller]
fn seen(inputs: &Tensor, windows: &[Window], fill: f64) -> (Tensor, Shape) {
    let counts = windows.iter().map(|window| window.count);
    let outputs: Shape =
        [inputs.batch()].into_iter().chain(counts).chain([inputs.features()]).collect();
    let positions = product(&outputs[..outputs.rank() - 1]);
    let size = product(windows.iter().map(|window| &window.size));
    (inputs.windows(windows, fill).reshape([positions, size, inputs.features()]), outputs)
}

/// The greatest number of each window; at ties the gradient goes to the first, as in TensorFlow.
#[track_caller]
fn greatest(inputs: &Tensor, windows: &[Window]) -> Tensor {
    let (seen, outputs) = seen(inputs, windows, f64::NEG_INFINITY);
    let greatest = seen.max_axes([1]);
    let size = seen.shape()[1];
    let (within, site) = (seen.clone(), Location::caller());
    let routed = Tensor::custom_gradient(&greatest.clone(), &[&seen], move |dy| {
        let places = within.trace().constant_from_fn([size, 1], |place| place as i32, site);
        let holds = within.equal(greatest.expand_dims(1));
        let first = holds.where_(&places, size as i32).min_axes([1]).expand_dims(1);
        vec![places.equal(first).where_(dy.expand_dims(1), 0.0)]
    });
    routed.reshape(outputs)
}

/// The mean of each window over the positions that lie within the inputs.
#[track_caller]
fn mean(inputs: &Tensor, windows: &[Window]) -> Tensor {
    let (seen, outputs) = seen(inputs, windows, 0.0);
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
    let counts = inputs.trace().constant_from_fn(&counts, count, Location::caller());
    seen.sum_axes([1]).reshape(outputs) / counts.cast(inputs.dtype())
}

/// Layers that pool windows over a number of axes.
macro_rules! pooling {
    ($($(#[$doc:meta])* $Name:ident: $n:literal, $pool:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $Name {
                name: Option<String>,
                pool_size: [usize; $n],
                strides: Option<[usize; $n]>,
                padding: Padding,
            }

            impl $Name {
                /// Windows of a size, side by side.
                pub fn new(pool_size: impl Into<Sizes<$n>>) -> Self {
                    Self { name: None, pool_size: pool_size.into().0, strides: None, padding: Padding::Valid }
                }

                /// How far windows are apart. Their size unless set.
                #[must_use]
                pub fn strides(mut self, strides: impl Into<Sizes<$n>>) -> Self {
                    self.strides = Some(strides.into().0);
                    self
                }

                /// Whether windows reach over the ends of the inputs: what is outside does not
                /// count. `Padding::Valid` unless set.
                #[must_use]
                pub fn padding(mut self, padding: Padding) -> Self {
                    self.padding = padding;
                    self
                }

                name_option! {}
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    let strides = self.strides.unwrap_or(self.pool_size);
                    let (size, strides, dilation_rate) = (&self.pool_size, &strides, &[1; $n]);
                    match (Geometry { size, strides, dilation_rate, padding: self.padding }).windows(inputs.shape(), cx) {
                        Ok(windows) => $pool(inputs, &windows),
                        Err(error) => refuse(error, inputs, $n + 2, cx),
                    }
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    Hyperparameters::new()
                        .with("pool_size", self.pool_size)
                        .with("strides", self.strides.unwrap_or(self.pool_size))
                        .with("padding", self.padding)
                }
            }
        )+
    };
}

/// Layers that pool all positions of a number of axes.
macro_rules! global_pooling {
    ($($(#[$doc:meta])* $Name:ident: $n:literal, $pool:ident, uses_mask = $uses_mask:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default)]
            pub struct $Name {
                name: Option<String>,
                keepdims: bool,
            }

            impl $Name {
                /// The layer.
                pub fn new() -> Self {
                    Self::default()
                }

                /// Whether the axes that were pooled stay, with size 1. False unless set.
                #[must_use]
                pub fn keepdims(mut self, keepdims: bool) -> Self {
                    self.keepdims = keepdims;
                    self
                }

                name_option! {}
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    if let Err(error) = check_rank(inputs.shape(), $n, cx) {
                        return refuse(error, inputs, if self.keepdims { $n + 2 } else { 2 }, cx);
                    }
                    let axes: Vec<isize> = (1..=$n).collect();
                    let pooled = $pool(inputs, &axes, cx);
                    if self.keepdims { pooled.keep_dims(inputs, &axes) } else { pooled }
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    Hyperparameters::new().with("keepdims", self.keepdims)
                }

                fn uses_mask(&self) -> bool {
                    $uses_mask
                }
            }
        )+
    };
}

#[track_caller]
fn refuse(error: Error, inputs: &Tensor, rank: usize, cx: &Context) -> Tensor {
    let ones = std::iter::repeat_n(1, rank - 2);
    let shape = [inputs.batch()].into_iter().chain(ones).chain([inputs.features()]).collect();
    cx.trace().fail(error.at(Location::caller()), shape, inputs.dtype())
}

/// The mean of all positions, or of those where the mask holds; 0 if it holds nowhere.
#[track_caller]
fn global_mean(inputs: &Tensor, axes: &[isize], cx: &Context) -> Tensor {
    let Some(mask) = cx.mask(inputs) else { return inputs.mean_axes(axes) };
    let ones = std::iter::repeat_n(1, inputs.rank() - mask.rank());
    let mask = mask
        .reshape(mask.shape().iter().copied().chain(ones).collect::<Shape>())
        .broadcast_to(inputs.shape());
    mask.where_(inputs, 0.0).sum_axes(axes).divide_no_nan(mask.cast(inputs.dtype()).sum_axes(axes))
}

#[track_caller]
fn global_greatest(inputs: &Tensor, axes: &[isize], _: &Context) -> Tensor {
    inputs.max_axes(axes)
}

pooling! {
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
    MaxPooling1D: 1, greatest;

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
    MaxPooling2D: 2, greatest;

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
    MaxPooling3D: 3, greatest;

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
    AveragePooling1D: 1, mean;

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
    AveragePooling2D: 2, mean;

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
    AveragePooling3D: 3, mean;
}

global_pooling! {
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
    GlobalMaxPooling1D: 1, global_greatest, uses_mask = false;

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
    GlobalMaxPooling2D: 2, global_greatest, uses_mask = false;

    /// As [`GlobalMaxPooling1D`], over volumes. Keras's `GlobalMaxPooling3D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [GlobalMaxPooling3D::new().apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([2, 4, 6, 2, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    GlobalMaxPooling3D: 3, global_greatest, uses_mask = false;

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
    GlobalAveragePooling1D: 1, global_mean, uses_mask = true;

    /// As [`GlobalAveragePooling1D`], over images. Keras's `GlobalAveragePooling2D`, which obeys no
    /// mask.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [GlobalAveragePooling2D::new().apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([2, 4, 6, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    GlobalAveragePooling2D: 2, global_mean, uses_mask = true;

    /// As [`GlobalAveragePooling1D`], over volumes. Keras's `GlobalAveragePooling3D`, which obeys
    /// no mask.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [GlobalAveragePooling3D::new().apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([2, 4, 6, 2, 3], DType::F32)])?[0].shape().sizes(), [2, 3]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    GlobalAveragePooling3D: 3, global_mean, uses_mask = true;
}

#[cfg(test)]
mod tests {
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
        let refused = |layer: &dyn Layer| {
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
            f.run([&Array::zeros([2, 4, 3], DType::F32)]).unwrap_err().to_string()
        };
        assert!(refused(&MaxPooling1D::new(5)).contains("`max_pooling1d` has windows of [5]"));
        assert!(
            refused(&AveragePooling2D::new(2))
                .contains("`average_pooling2d` takes inputs of shape [batch, height, width")
        );
        assert!(
            refused(&GlobalMaxPooling2D::new())
                .contains("`global_max_pooling2d` takes inputs of shape")
        );
        assert!(refused(&MaxPooling1D::new(2).strides(0)).contains("has strides of [0]"));
    }
}
