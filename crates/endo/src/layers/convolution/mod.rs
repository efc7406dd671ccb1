//! Convolutions: windows of the inputs times a kernel.
//!
//! In: `[batch, lengths.., channels]`. Out: `[batch, counts.., filters]`; weights `kernel` and
//! `bias`. Channels are the last axis.

mod depthwise;
mod transposed;

use std::panic::Location;
use std::sync::Arc;

use crate::activations::ActivationFunction;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::named::Hyperparameters;
use crate::ops::Window;
use crate::regularizers::Regularizer;
use crate::shape::{Shape, product};
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{activity_option, name_option, trainable_option, weight_options};
use super::spatial::{Padding, Sizes};

pub use depthwise::{DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D};
pub use transposed::{Conv1DTranspose, Conv2DTranspose, Conv3DTranspose};

/// Options that all convolutions over `$n` axes have, for fields of the same names.
macro_rules! convolution_options {
    ($n:literal) => {
        /// How far windows are apart. 1 unless set.
        #[must_use]
        pub fn strides(mut self, strides: impl Into<$crate::layers::Sizes<$n>>) -> Self {
            self.strides = strides.into().0;
            self
        }

        /// What lies around the inputs. `Padding::Valid`, nothing, unless set.
        #[must_use]
        pub fn padding(mut self, padding: $crate::layers::Padding) -> Self {
            self.padding = padding;
            self
        }

        /// How far the elements of a window are apart. 1 unless set.
        #[must_use]
        pub fn dilation_rate(
            mut self,
            dilation_rate: impl Into<$crate::layers::Sizes<$n>>,
        ) -> Self {
            self.dilation_rate = dilation_rate.into().0;
            self
        }

        /// What is applied to the outputs: `Selu`, `"selu"` or a closure of a tensor. Nothing
        /// unless set.
        #[must_use]
        pub fn activation<K>(
            mut self,
            activation: impl $crate::activations::IntoActivation<K>,
        ) -> Self {
            self.activation = Some(activation.into_activation());
            self
        }

        /// Whether a bias is added. True unless set.
        #[must_use]
        pub fn use_bias(mut self, use_bias: bool) -> Self {
            self.use_bias = use_bias;
            self
        }

        /// The bias, one number for each channel of the outputs, once the layer was applied; none
        /// without `use_bias`.
        pub fn bias(&self) -> Option<&$crate::variable::Variable> {
            self.bias.variable()
        }

        /// The layer's windows over inputs of a shape.
        fn geometry(&self) -> $crate::layers::spatial::Geometry<'_> {
            let (size, strides, dilation_rate) =
                (&self.kernel_size, &self.strides, &self.dilation_rate);
            $crate::layers::spatial::Geometry {
                size,
                strides,
                dilation_rate,
                padding: self.padding,
            }
        }

        /// Bias, activation and penalty of what was convolved.
        #[track_caller]
        fn finish(&self, outputs: Tensor, cx: &mut Context) -> Tensor {
            let mut outputs = outputs;
            if self.use_bias {
                outputs = &outputs
                    + self.bias.get(self, [outputs.features()], &*self.bias_initializer, cx);
            }
            if let Some(activation) = &self.activation {
                outputs = activation.call_in(&outputs, cx);
            }
            if let Some(regularizer) = &self.activity_regularizer {
                cx.add_activity_loss(&**regularizer, &outputs);
            }
            outputs
        }

        /// The options that all convolutions have, to be saved with a model.
        fn noted(&self, hyperparameters: Hyperparameters) -> Hyperparameters {
            let linear = || Some("linear".to_string());
            hyperparameters
                .with("kernel_size", self.kernel_size)
                .with("strides", self.strides)
                .with("padding", self.padding)
                .with("dilation_rate", self.dilation_rate)
                .with("use_bias", self.use_bias)
                .with_named(
                    "activation",
                    self.activation.as_ref().map_or_else(linear, |activation| activation.name()),
                )
                .with_named(
                    "activity_regularizer",
                    self.activity_regularizer.as_ref().and_then(|regularizer| regularizer.name()),
                )
        }
    };
}

use convolution_options;

/// A value in place of what a layer cannot compute, after recording why: of the rank that its
/// outputs would have.
#[track_caller]
fn refuse(error: Error, inputs: &Tensor, axes: usize, features: usize, cx: &Context) -> Tensor {
    let shape: Shape = [inputs.batch()]
        .into_iter()
        .chain(std::iter::repeat_n(1, axes))
        .chain([features])
        .collect();
    cx.trace().fail(error.at(Location::caller()), shape, inputs.dtype())
}

/// The products of windows `[batch, counts.., sizes.., channels]` with a kernel
/// `[sizes.., channels / groups, filters]`: `[batch, counts.., filters]`. Filters are divided among
/// as many groups of channels.
#[track_caller]
fn convolve(inputs: &Tensor, windows: &[Window], kernel: &Tensor, groups: usize) -> Tensor {
    let (channels, filters) = (inputs.features(), kernel.features());
    let plain =
        windows.iter().all(|window| (window.size, window.stride, window.before) == (1, 1, 0));
    let seen = if plain { inputs.clone() } else { inputs.windows(windows, 0.0) };
    let counts = windows.iter().map(|window| window.count);
    let outputs: Shape = [inputs.batch()].into_iter().chain(counts).chain([filters]).collect();
    let positions = product(&outputs[..outputs.rank() - 1]);
    let size = product(windows.iter().map(|window| &window.size));
    let product = if groups == 1 {
        let terms = size.saturating_mul(channels);
        seen.reshape([positions, terms]).matmul(&kernel.reshape([terms, filters]))
    } else {
        // One product for each group, [positions, size * channels / groups] by [.., filters /
        // groups].
        let (inside, made) = (channels / groups, filters / groups);
        let seen = seen.reshape([positions, size, groups, inside]).permute(&[2, 0, 1, 3]);
        let terms = size.saturating_mul(inside);
        let kernel = kernel.reshape([terms, groups, made]).permute(&[1, 0, 2]);
        seen.reshape([groups, positions, terms]).matmul(&kernel).permute(&[1, 0, 2])
    };
    product.reshape(outputs)
}

/// Convolution layers over a number of axes.
macro_rules! convolutions {
    ($($(#[$doc:meta])* $Name:ident: $n:literal;)+) => {
        $(
            $(#[$doc])*
            pub struct $Name {
                name: Option<String>,
                filters: usize,
                kernel_size: [usize; $n],
                strides: [usize; $n],
                padding: Padding,
                dilation_rate: [usize; $n],
                groups: usize,
                use_bias: bool,
                activation: Option<Arc<dyn ActivationFunction>>,
                kernel: Weight,
                bias: Weight,
                kernel_initializer: Box<dyn Initializer>,
                bias_initializer: Box<dyn Initializer>,
                activity_regularizer: Option<Arc<dyn Regularizer>>,
            }

            impl $Name {
                /// A layer with `filters` filters of size `kernel_size`.
                pub fn new(filters: usize, kernel_size: impl Into<Sizes<$n>>) -> Self {
                    Self {
                        name: None,
                        filters,
                        kernel_size: kernel_size.into().0,
                        strides: [1; $n],
                        padding: Padding::Valid,
                        dilation_rate: [1; $n],
                        groups: 1,
                        use_bias: true,
                        activation: None,
                        kernel: Weight::new("kernel"),
                        bias: Weight::new("bias"),
                        kernel_initializer: Box::new(GlorotUniform),
                        bias_initializer: Box::new(Zeros),
                        activity_regularizer: None,
                    }
                }

                /// Into how many groups channels and filters are divided; the filters of a group
                /// see its channels alone. 1 unless set.
                #[must_use]
                pub fn groups(mut self, groups: usize) -> Self {
                    self.groups = groups;
                    self
                }

                convolution_options! { $n }
                weight_options! { kernel: kernel_initializer = "GlorotUniform", kernel_regularizer, kernel_constraint }
                weight_options! { bias: bias_initializer = "Zeros", bias_regularizer, bias_constraint }
                activity_option! {}
                name_option! {}
                trainable_option! { kernel, bias }

                /// The kernel `[sizes.., channels / groups, filters]`, once the layer was applied.
                pub fn kernel(&self) -> Option<&Variable> {
                    self.kernel.variable()
                }
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
                    let windows = self.geometry().windows(inputs.shape(), cx);
                    let windows = windows.and_then(|windows| {
                        check_groups(inputs.shape(), self.filters, self.groups, cx).map(|()| windows)
                    });
                    let windows = match windows {
                        Ok(windows) => windows,
                        Err(error) => return refuse(error, inputs, $n, self.filters, cx),
                    };
                    let sizes = self.kernel_size.into_iter().chain([inputs.features() / self.groups, self.filters]);
                    let kernel = self.kernel.get(self, sizes.collect::<Shape>(), &*self.kernel_initializer, cx);
                    self.finish(convolve(inputs, &windows, &kernel, self.groups), cx)
                }

                fn name(&self) -> Option<&str> {
                    self.name.as_deref()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    self.noted(Hyperparameters::new().with("filters", self.filters).with("groups", self.groups))
                }
            }
        )+
    };
}

fn check_groups(inputs: &Shape, filters: usize, groups: usize, cx: &Context) -> Result<(), Error> {
    if groups > 0 && inputs.features().is_multiple_of(groups) && filters.is_multiple_of(groups) {
        return Ok(());
    }
    let (path, channels) = (cx.path(), inputs.features());
    let message =
        format!("`{path}` divides {channels} channels and {filters} filters into {groups} groups");
    Err(Error::new(ErrorKind::Argument, message)
        .help("both the channels of the inputs and `filters` are multiples of `groups`"))
}

convolutions! {
    /// `activation(sum over i and c of x[n * stride + i * dilation, c] kernel[i, c] + bias)`:
    /// inputs `[batch, steps, channels]`, outputs `[batch, counts, filters]`, kernel
    /// `[size, channels / groups, filters]`, bias `[filters]`. Keras's `Conv1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // Each step less the one before it; before the first there is 0.
    /// let difference = Conv1D::new(1, 2)
    ///     .padding(Padding::Causal)
    ///     .kernel_initializer(Array::from([[[-1.0_f32]], [[1.0]]]));
    /// let mut f = Function::new(|[x], cx| [difference.apply(&x, cx)]);
    /// let [y] = f.run([&[[[1.0_f32], [3.0], [2.0]]].into()])?;
    /// assert_eq!(y, Array::from([[[1.0_f32], [2.0], [-1.0]]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Conv1D: 1;

    /// As [`Conv1D`], over images: inputs `[batch, height, width, channels]`, outputs
    /// `[batch, rows, columns, filters]`, kernel `[height, width, channels / groups, filters]`
    /// (LeCun et al. 1989). Keras's `Conv2D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let model = Sequential::new()
    ///     .add(Conv2D::new(16, 3).padding(Padding::Same).activation("relu"))
    ///     .add(Conv2D::new(32, [3, 1]).strides(2))
    ///     .add(Flatten::new())
    ///     .add(Dense::new(10).activation("softmax"));
    /// let mut f = Function::new(|[images], cx| [model.apply(&images, cx)]);
    /// assert_eq!(f.run([&Array::zeros([4, 8, 8, 1], DType::F32)])?[0].shape().sizes(), [4, 10]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Conv2D: 2;

    /// As [`Conv1D`], over volumes: inputs `[batch, depth, height, width, channels]`, kernel
    /// `[depth, height, width, channels / groups, filters]`. Keras's `Conv3D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Conv3D::new(2, [1, 2, 2]).strides([1, 2, 2]);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&Array::zeros([1, 3, 4, 4, 5], DType::F32)])?[0].shape().sizes(),
    ///     [1, 3, 2, 2, 2]
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    Conv3D: 3;
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn refused(layer: impl Layer, sizes: &[usize]) -> String {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros(sizes, DType::F32)]).unwrap_err().to_string()
    }

    #[test]
    fn inputs_of_another_rank_are_refused_with_the_shape_that_is_taken() {
        let error = refused(Conv2D::new(2, 3), &[4, 8, 8]);
        assert!(
            error.contains(
                "`conv2d` takes inputs of shape [batch, height, width, channels], got [4, 8, 8]"
            ),
            "{error}"
        );
        assert!(error.contains("`x.expand_dims(-1)` for one channel"), "{error}");
        assert!(
            refused(Conv1D::new(2, 3), &[4, 8]).contains("[batch, steps, channels], got [4, 8]")
        );
    }

    #[test]
    fn windows_larger_than_the_inputs_are_refused() {
        let error = refused(Conv2D::new(2, 3).dilation_rate(2), &[4, 8, 4, 1]);
        assert!(
            error.contains(
                "`conv2d` has windows of [5, 5], which is more than inputs of shape \
                [4, 8, 4, 1] hold"
            ),
            "{error}"
        );
        assert!(error.contains("Padding::Same"), "{error}");
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        assert!(refused(Conv1D::new(2, 0), &[4, 8, 1]).contains("`conv1d` has a size of [0]"));
        assert!(
            refused(Conv1D::new(2, 1).strides(0), &[4, 8, 1])
                .contains("`conv1d` has strides of [0]")
        );
        assert!(
            refused(Conv2D::new(2, 1).padding(Padding::Causal), &[4, 8, 8, 1])
                .contains("causal padding along 2 axes")
        );
        let error = refused(Conv1D::new(4, 2).groups(2), &[4, 8, 3]);
        assert!(
            error.contains("`conv1d` divides 3 channels and 4 filters into 2 groups"),
            "{error}"
        );
        assert!(
            refused(Conv1D::new(3, 2).groups(2), &[4, 8, 4])
                .contains("4 channels and 3 filters into 2 groups")
        );
    }

    #[test]
    fn inputs_of_other_channels_are_refused_and_of_other_lengths_are_not() {
        let layer = Conv1D::new(3, 2);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([1, 5, 2], DType::F32)]).unwrap();
        f.run([&Array::zeros([2, 9, 2], DType::F32)]).unwrap();
        let error = f.run([&Array::zeros([1, 5, 4], DType::F32)]).unwrap_err();
        assert!(
            error
                .message()
                .contains("was made with shape [2, 2, 3], and is used here with shape [2, 4, 3]"),
            "{error}"
        );
    }

    #[test]
    fn options_are_saved_and_penalties_are_terms() {
        let layer = Conv2D::new(1, 1)
            .kernel_initializer("ones")
            .kernel_regularizer(L1(0.5))
            .activity_regularizer(L2(0.1));
        assert!(
            layer
                .hyperparameters()
                .to_string()
                .contains("kernel_size=[1, 1], strides=[1, 1], padding=valid")
        );
        let mut f = Function::new(|[x], cx| {
            layer.apply(&x, cx);
            [cx.losses().into_iter().reduce(|a, b| a + b).unwrap()]
        });
        let [penalty] = f.run([&Array::full([2, 1, 1, 3], 2.0, DType::F32)]).unwrap();
        assert!((penalty.item().unwrap() - (0.1 * 2.0 * 36.0 / 2.0 + 0.5 * 3.0)).abs() < 1e-6);
    }
}
