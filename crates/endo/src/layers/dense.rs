//! The densely connected layer.
//!
//! In: `[.., features]`. Out: `[.., units]`, by a matrix product, a bias and an activation; weights
//! `kernel` and `bias`.

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Linear};
use crate::error::Error;
use crate::graph::Tensor;
use crate::initializers::{GlorotUniform, Zeros};
use crate::named::{Count, Declared, Named};
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::site::Site;
use crate::trace::{Context, Weight};

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Dense>()];

layer! {
    /// `activation(x kernel + bias)`: inputs `[.., features]`, outputs `[.., units]`, kernel
    /// `[features, units]`, bias `[units]`. Keras's `Dense`.
    ///
    /// The number of features is that of the first input. Without an activation the layer is
    /// linear.
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
    Dense ["dense"]
    /// A linear layer with `units` outputs.
    (units: Count as usize) {
        /// Whether a bias is added. True unless set.
        use_bias: bool = true,
        /// What is applied to the outputs: `Selu`, `"selu"` or a closure of a tensor. Nothing
        /// unless set.
        activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation]
            = Arc::new(Linear),
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<Arc<dyn Regularizer>> [IntoRegularizer::into_regularizer]
            = None,
    }
    weights {
        /// The kernel `[features, units]`, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// The bias `[units]`, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
}

impl Dense {
    /// The number of outputs.
    pub fn units(&self) -> usize {
        self.units.0
    }

    /// What is wrong with the inputs, if they cannot be multiplied by the kernel.
    fn misfit(&self, inputs: &Tensor, cx: &Context) -> Option<Error> {
        let (path, shape) = (cx.path(), inputs.shape());
        if inputs.rank() < 2 {
            let message =
                format!("`{path}` takes inputs of shape [batch, .., features], got {shape}");
            let help = "add the axis that is missing: `x.expand_dims(-1)` for one feature, \
                `x.expand_dims(0)` for one sample";
            return Some(Error::shape(message, help));
        }
        let expected = self.kernel.variable()?.shape()[0];
        (expected != inputs.features()).then(|| {
            let message = format!(
                "`{path}` was made for {expected} features, got {} in inputs of shape {shape}",
                inputs.features()
            );
            let help = "a layer keeps the number of features of its first input: use another \
                layer for inputs of another size";
            Error::shape(message, help)
        })
    }
}

impl Layer for Dense {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if let Some(error) = self.misfit(inputs, cx) {
            let sizes = inputs.shape().iter().rev().skip(1).rev().chain([&self.units.0]);
            return cx.trace().fail(
                error.at(Site::caller()),
                sizes.copied().collect(),
                inputs.dtype(),
            );
        }
        let kernel = self.kernel.value(self, [inputs.features(), self.units.0], cx);
        let [inputs, kernel] = cx.factors(inputs, &kernel);
        let bias = self.use_bias.then_some(&self.bias);
        let outputs = biased(self, inputs.matmul(&kernel), bias, cx);
        activated(outputs, &self.activation, &self.activity_regularizer, cx)
    }

    about! { supports_masking }
}

/// The outputs of a layer that multiplies by a kernel, from the products: with its bias, if any.
#[track_caller]
pub(super) fn biased<L: Declared>(
    layer: &L,
    products: Tensor,
    bias: Option<&Weight>,
    cx: &mut Context,
) -> Tensor {
    match bias {
        Some(bias) => {
            let features = products.features();
            products + bias.value(layer, [features], cx)
        }
        None => products,
    }
}

/// The outputs of a layer with its activation and the penalty on what it returns.
#[track_caller]
pub(super) fn activated(
    outputs: Tensor,
    activation: &Arc<dyn ActivationFunction>,
    activity_regularizer: &Option<Arc<dyn Regularizer>>,
    cx: &mut Context,
) -> Tensor {
    let outputs = activation.call_in(&cx.stored(&outputs), cx);
    if let Some(regularizer) = activity_regularizer {
        cx.add_activity_loss(&**regularizer, &outputs);
    }
    outputs
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn inputs_of_another_size_are_refused_by_the_name_of_the_layer() {
        let dense = Dense::new(3).name("hidden");
        let mut f = Function::new(|[x], cx| [dense.apply(&x, cx)]);
        f.run([&Array::zeros([4, 2], DType::F32)]).unwrap();
        let error = f.run([&Array::zeros([4, 5], DType::F32)]).unwrap_err();
        error.reads("`hidden` was made for 2 features, got 5 in inputs of shape [4, 5]");
        assert_eq!(error.layer(), Some("hidden"));
        assert!(error.site().unwrap().file().ends_with("dense.rs"), "{error}");
    }

    #[test]
    fn inputs_without_a_feature_axis_are_refused() {
        let error = refused(&Dense::new(3), &[4]);
        error.says("[batch, .., features], got [4]");
        error.advises("expand_dims");
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
