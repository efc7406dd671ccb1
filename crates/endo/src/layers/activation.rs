//! An activation as a layer of its own.
//!
//! In: any tensor. Out: the activation of it, of the same shape.

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation};
use crate::graph::Tensor;
use crate::named::{Named, kinds};
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Activation>()];

layer! {
    /// Applies an activation: `Selu`, `"selu"` or a closure of a tensor. Keras's `Activation`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let model = Sequential::new()
    ///     .add(Activation::new("relu"))
    ///     .add(Activation::new(|x: &Tensor| x * 2.0));
    /// let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
    /// let [y] = f.run([&[[-1.0_f32, 3.0]].into()])?;
    /// assert_eq!(y, Array::from([[0.0_f32, 6.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Activation ["activation"]
    /// The layer of an activation.
    (<K> activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation]) {
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<Arc<dyn Regularizer>> [IntoRegularizer::into_regularizer]
            = None,
    }
}

impl Layer for Activation {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let outputs = self.activation.call_in(inputs, cx);
        if let Some(regularizer) = &self.activity_regularizer {
            cx.add_activity_loss(&**regularizer, &outputs);
        }
        outputs
    }

    about! { supports_masking }
}

/// A layer whose outputs have the shape of its inputs, as a closure that takes a context is.
#[diagnostic::do_not_recommend]
impl<L: Layer + 'static> IntoActivation<kinds::OfLayer> for L {
    fn into_activation(self) -> Arc<dyn ActivationFunction> {
        Arc::new(OfLayer(self))
    }
}

struct OfLayer<L>(L);

impl<L: Layer> ActivationFunction for OfLayer<L> {
    #[track_caller]
    fn call_in(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        self.0.apply(x, cx)
    }

    fn name(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn the_penalty_on_an_activation_is_a_loss_term_of_the_layer() {
        let layer = Activation::new("relu").activity_regularizer(L1(2.0)).name("code");
        let mut f = Function::new(|[x], cx| {
            layer.apply(&x, cx);
            assert_eq!(cx.loss_terms()[0].path, "code/activity");
            [cx.loss_terms()[0].value.clone()]
        });
        let [penalty] = f.run([&[[-1.0_f32, 3.0], [1.0, 0.0]].into()]).unwrap();
        assert_eq!(penalty.item().unwrap(), 4.0);
    }

    #[test]
    fn a_name_that_is_no_activation_is_an_error_of_the_run() {
        let layer = Activation::new("rellu");
        let error = refused(&layer, &[1, 1]);
        assert!(
            error.to_string().contains("rellu") && error.to_string().contains("relu`"),
            "{error}"
        );
    }
}
