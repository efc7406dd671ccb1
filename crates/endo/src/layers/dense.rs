//! The densely connected layer.
//!
//! In: `[.., features]`. Out: `[.., units]`, by a matrix product, a bias and an activation; weights
//! `kernel` and `bias`.

use std::panic::Location;
use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation};
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::named::Hyperparameters;
use crate::regularizers::Regularizer;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{activity_option, name_option, trainable_option, weight_options};

/// `activation(x kernel + bias)`: inputs `[.., features]`, outputs `[.., units]`, kernel
/// `[features, units]`, bias `[units]`. Keras's `Dense`.
///
/// The number of features is that of the first input. Without an activation the layer is linear.
///
/// ```
/// use endo::prelude::*;
/// let dense = Dense::new(2).kernel_initializer("ones").activation("relu");
/// let mut f = Function::new(|[x], cx| [dense.apply(&x, cx)]);
/// let [y] = f.run([&[[1.0_f32, 2.0, 3.0], [-1.0, 0.0, 0.0]].into()])?;
/// assert_eq!(y, Array::from([[6.0_f32, 6.0], [0.0, 0.0]]));
/// assert_eq!(dense.kernel().unwrap().name(), "dense/kernel");
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Dense {
    name: Option<String>,
    units: usize,
    use_bias: bool,
    activation: Option<Arc<dyn ActivationFunction>>,
    kernel: Weight,
    bias: Weight,
    kernel_initializer: Box<dyn Initializer>,
    bias_initializer: Box<dyn Initializer>,
    activity_regularizer: Option<Arc<dyn Regularizer>>,
}

impl Dense {
    /// A linear layer with `units` outputs.
    pub fn new(units: usize) -> Self {
        Self {
            name: None,
            units,
            use_bias: true,
            activation: None,
            kernel: Weight::new("kernel"),
            bias: Weight::new("bias"),
            kernel_initializer: Box::new(GlorotUniform),
            bias_initializer: Box::new(Zeros),
            activity_regularizer: None,
        }
    }

    /// What is applied to the outputs: `Selu`, `"selu"` or a closure of a tensor. Nothing unless
    /// set.
    #[must_use]
    pub fn activation<K>(mut self, activation: impl IntoActivation<K>) -> Self {
        self.activation = Some(activation.into_activation());
        self
    }

    /// Whether a bias is added. True unless set.
    #[must_use]
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    weight_options! { kernel: kernel_initializer = "GlorotUniform", kernel_regularizer, kernel_constraint }
    weight_options! { bias: bias_initializer = "Zeros", bias_regularizer, bias_constraint }
    activity_option! {}
    name_option! {}
    trainable_option! { kernel, bias }

    /// The number of outputs.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The kernel `[features, units]`, once the layer was applied.
    pub fn kernel(&self) -> Option<&Variable> {
        self.kernel.variable()
    }

    /// The bias `[units]`, once the layer was applied; none without `use_bias`.
    pub fn bias(&self) -> Option<&Variable> {
        self.bias.variable()
    }

    /// What is wrong with the inputs, if they cannot be multiplied by the kernel.
    fn misfit(&self, inputs: &Tensor, cx: &Context) -> Option<Error> {
        let (path, shape) = (cx.path(), inputs.shape());
        if inputs.rank() < 2 {
            let message =
                format!("`{path}` takes inputs of shape [batch, .., features], got {shape}");
            let help = "add the axis that is missing: `x.expand_dims(-1)` for one feature, \
                `x.expand_dims(0)` for one sample";
            return Some(Error::new(ErrorKind::Shape, message).help(help));
        }
        let expected = self.kernel.variable()?.shape()[0];
        (expected != inputs.features()).then(|| {
            let message = format!(
                "`{path}` was made for {expected} features, got {} in inputs of shape \
                    {shape}",
                inputs.features()
            );
            let help = "a layer keeps the number of features of its first input: use another \
                layer for inputs of another size";
            Error::new(ErrorKind::Shape, message).help(help)
        })
    }
}

impl Layer for Dense {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if let Some(error) = self.misfit(inputs, cx) {
            let sizes = inputs.shape().iter().rev().skip(1).rev().chain([&self.units]);
            return cx.trace().fail(
                error.at(Location::caller()),
                sizes.copied().collect(),
                inputs.dtype(),
            );
        }
        let kernel =
            self.kernel.get(self, [inputs.features(), self.units], &*self.kernel_initializer, cx);
        let mut outputs = inputs.matmul(&kernel);
        if self.use_bias {
            outputs = outputs + self.bias.get(self, [self.units], &*self.bias_initializer, cx);
        }
        if let Some(activation) = &self.activation {
            outputs = activation.call_in(&outputs, cx);
        }
        if let Some(regularizer) = &self.activity_regularizer {
            cx.add_activity_loss(&**regularizer, &outputs);
        }
        outputs
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        let linear = || Some("linear".to_string());
        Hyperparameters::new()
            .with("units", self.units)
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

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn inputs_of_another_size_are_refused_by_the_name_of_the_layer() {
        let dense = Dense::new(3).name("hidden");
        let mut f = Function::new(|[x], cx| [dense.apply(&x, cx)]);
        f.run([&Array::zeros([4, 2], DType::F32)]).unwrap();
        let error = f.run([&Array::zeros([4, 5], DType::F32)]).unwrap_err();
        assert_eq!(
            error.message(),
            "`hidden` was made for 2 features, got 5 in inputs of shape [4, 5]"
        );
        assert_eq!(error.layer(), Some("hidden"));
        assert!(error.site().unwrap().file().ends_with("dense.rs"), "{error}");
    }

    #[test]
    fn inputs_without_a_feature_axis_are_refused() {
        let mut f = Function::new(|[x], cx| [Dense::new(3).apply(&x, cx)]);
        let error = f.run([&Array::zeros([4], DType::F32)]).unwrap_err();
        assert!(error.message().contains("[batch, .., features], got [4]"), "{error}");
        assert!(error.advice().unwrap().contains("expand_dims"), "{error}");
    }

    #[test]
    fn the_activity_penalty_is_divided_by_the_batch_size() {
        let dense = Dense::new(1)
            .kernel_initializer("ones")
            .activity_regularizer(L2(0.1))
            .kernel_regularizer(L1(0.5));
        let mut f = Function::new(|[x], cx| {
            dense.apply(&x, cx);
            let [activity, kernel] = <[Tensor; 2]>::try_from(cx.losses()).unwrap();
            [activity, kernel]
        });
        let [activity, kernel] = f.run([&[[1.0_f32, 2.0], [0.0, 4.0]].into()]).unwrap();
        assert!((activity.item().unwrap() - 0.1 * (9.0 + 16.0) / 2.0).abs() < 1e-6);
        assert_eq!(kernel.item().unwrap(), 1.0);
    }

    #[test]
    fn weights_of_a_frozen_layer_are_not_trainable() {
        let dense = Dense::new(1).trainable(false).use_bias(false);
        Function::new(|[x], cx| [dense.apply(&x, cx)])
            .run([&Array::zeros([1, 2], DType::F32)])
            .unwrap();
        assert!(!dense.kernel().unwrap().is_trainable());
        assert!(dense.bias().is_none());
    }
}
