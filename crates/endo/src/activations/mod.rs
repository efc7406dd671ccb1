//! Activation functions: what a layer applies to its output, element by element or along an axis.
//!
//! In: a tensor. Out: a tensor. `Selu`, `LeakyRelu.negative_slope(0.1)`,
//! `"leaky_relu(negative_slope=0.1)"` and
//! `|x: &Tensor| x.exp()` serve alike. Names, options and defaults are Keras's; gradients at kinks
//! are TensorFlow's.

pub(crate) mod normalized;
pub(crate) mod piecewise;
pub(crate) mod smooth;

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::named::{self, Hyperparameters, kinds, table};
use crate::trace::{Context, tensor_function, without_context};

pub use crate::named::Axes;
pub use normalized::*;
pub use piecewise::*;
pub use smooth::*;

/// A function that a layer applies to its output.
///
/// The types of this module are both types and values: `Relu` is the function with Keras's
/// defaults, and `Relu.max_value(4.0)` is another. Names are read where they are used, so a wrong
/// one is reported with the layer.
///
/// ```
/// use endo::prelude::*;
///
/// fn activate(activation: impl ActivationFunction) -> f64 {
///     let mut f = Function::new(|[x], _cx| [activation.call(&x)]);
///     f.run([&Array::scalar(-2.0_f32)]).unwrap()[0].get(0)
/// }
///
/// assert_eq!(activate(Relu), 0.0);
/// assert_eq!(activate(LeakyRelu.negative_slope(0.5)), -1.0);
/// assert_eq!(activate("leaky_relu(negative_slope=0.5)"), -1.0);
/// assert_eq!(activate(|x: &Tensor| x * 3.0), -6.0);
/// ```
pub trait ActivationFunction: Send + Sync {
    /// The function's value. A type of yours has this, or [`call_in`](Self::call_in) if it takes a
    /// context.
    #[track_caller]
    fn call(&self, x: &Tensor) -> Tensor {
        without_context::<Self>("activation", "call_in(&x, cx)", x)
    }

    /// The function's value where there is a context, as in layers: it may draw random numbers and
    /// apply layers. As [`call`](Self::call) unless it says so. A type that
    /// wraps another hands both methods on.
    #[track_caller]
    fn call_in(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let _ = cx;
        self.call(x)
    }

    /// What it is called in saved models. Of the values of this module the text from which [`get`]
    /// makes them again; of a type of yours its own name with its
    /// [hyperparameters](Self::hyperparameters); `None` for closures.
    fn name(&self) -> Option<String> {
        named::name_of::<Self>(&self.hyperparameters())
    }

    /// The hyperparameters of a type of your own, to be saved with a model; none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }
}

/// The activation function that a text names, with its options in parentheses, by name or in their
/// order.
///
/// ```
/// use endo::activations;
/// assert_eq!(activations::get("swish")?.name().unwrap(), "silu");
/// assert_eq!(
///     activations::get("leaky_relu(0.1)")?.name().unwrap(),
///     "leaky_relu(negative_slope=0.1)"
/// );
/// let error = activations::get("sellu").err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "there is no activation called `sellu`\n  help: did you mean `selu`?"
/// );
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such function or option; the error names the nearest.
pub fn get(name: &str) -> Result<Arc<dyn ActivationFunction>> {
    named::get("activation", name, rows())
}

table! {
    /// The names of all activation functions.
    dyn ActivationFunction: piecewise::ROWS, smooth::ROWS, normalized::ROWS;
    "an activation such as `relu`"
}

/// What stands where an activation is asked for: a value, its name, or a closure, which may take a
/// context after the tensor.
///
/// `K` is one of [`kinds`] and is found by the compiler.
///
/// ```
/// use endo::prelude::*;
/// let learnt = Dense::new(30).activation(PRelu::new());
/// let noisy = Dense::new(30).activation(|x: &Tensor, cx: &mut Context| {
///     x.relu() + cx.random().normal(x.shape(), 0.0, 0.1)
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no activation",
    note = "an activation is a value that implements `ActivationFunction`, a name such \
        as \"relu\", a layer, or a closure `|x: &Tensor| ..` or `|x: &Tensor, cx: &mut Context| \
        ..`",
    note = "it is used on several threads: what it captures is shared by `Arc` and changed by \
        `Mutex` or an atomic"
)]
pub trait IntoActivation<K> {
    /// The activation.
    fn into_activation(self) -> Arc<dyn ActivationFunction>;
}

tensor_function! {
    ActivationFunction: call, call_in;
    IntoActivation: into_activation;
    |x| x.shape()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    pub(super) fn values<const N: usize>(
        activation: impl ActivationFunction,
        x: [f32; N],
    ) -> Result<Vec<f64>> {
        let mut f = Function::new(|[x], _cx| [activation.call(&x)]);
        f.run([&Array::from(x)]).map(|[y]| y.to_vec())
    }

    pub(super) fn slopes<const N: usize>(
        activation: impl ActivationFunction,
        x: [f32; N],
    ) -> Vec<f64> {
        let mut f = Function::new(|[x], cx| {
            let gradients = cx.gradients(&activation.call(&x).sum(), [&x]);
            [gradients.into_tensors().remove(0).expect("values depend on x")]
        });
        f.run([&Array::from(x)]).unwrap()[0].to_vec()
    }

    #[test]
    fn types_names_and_closures_are_activations() {
        let expected = [-0.5, 0.0, 3.0];
        assert_eq!(values(LeakyRelu.negative_slope(0.25), [-2.0, 0.0, 3.0]).unwrap(), expected);
        assert_eq!(values("leaky_relu(negative_slope=0.25)", [-2.0, 0.0, 3.0]).unwrap(), expected);
        assert_eq!(values("LeakyReLU(0.25)", [-2.0, 0.0, 3.0]).unwrap(), expected);
        assert_eq!(
            values(|x: &Tensor| x.greater(0.0).where_(x, x * 0.25), [-2.0, 0.0, 3.0]).unwrap(),
            expected
        );
        assert_eq!(values(get("leaky_relu(0.25)").unwrap(), [-2.0, 0.0, 3.0]).unwrap(), expected);
    }

    #[test]
    fn every_name_makes_a_function_of_that_name() {
        for row in rows() {
            for name in row.names {
                assert_eq!(get(name).unwrap().name().as_deref(), Some(row.names[0]));
            }
        }
        assert_eq!(names().count(), 30);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let relu = Relu.negative_slope(0.1).max_value(6.5);
        let text = relu.name().unwrap();
        assert_eq!(text, "relu(negative_slope=0.1, max_value=6.5)");
        assert_eq!(get(&text).unwrap().name(), Some(text));
        assert_eq!(Gelu.approximate(true).name().unwrap(), "gelu(approximate=true)");
        assert_eq!(Softmax.axis([1, 2]).name().unwrap(), "softmax(axis=[1, 2])");
        assert_eq!(get("softmax([1, 2])").unwrap().name().unwrap(), "softmax(axis=[1, 2])");
        assert_eq!((|x: &Tensor| x.clone()).name(), None);
    }

    #[test]
    fn a_wrong_name_is_an_error_of_the_trace_that_names_the_nearest() {
        let error = values("sofplus", [1.0]).unwrap_err();
        error.reads("there is no activation called `sofplus`");
        assert_eq!(error.advice(), Some("did you mean `softplus`?"));
    }

    #[test]
    fn wrong_options_are_errors_that_say_what_there_is() {
        let error = |text| get(text).err().unwrap();
        assert_eq!(
            error("elu(alpa=2)").to_string(),
            "`elu` has no option `alpa`\n  help: did you mean `alpha`?"
        );
        assert_eq!(
            error("tanh(1)").to_string(),
            "`tanh(1)` gives 1 options, but `tanh` has 0\n  help: give each option once"
        );
        assert_eq!(
            error("elu(x)").to_string(),
            "the option `alpha` of `elu(x)` is a number, got `x`\n  help: unless given, it is `1.0`"
        );
        error("relu(0.1, negative_slope=0.2)").says("gives the option `negative_slope` twice");
        error("elu(1.0").says("opens a parenthesis");
        error("blend").advises("there are `relu`");
    }
}
