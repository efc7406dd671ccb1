//! What `compile` takes: optimizers and losses as values or by name, one or several.
//!
//! In: values, names, lists. Out: trait objects.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::losses::{self, Loss};
use crate::named::kinds;
use crate::optimizers::{self, Optimizer};
use crate::trace::{Context, WithContext};

use super::output::{Output, OutputLosses};

/// The optimizer that a model is compiled with: a value, Keras's name for one with its defaults, or
/// `()` for none, where a custom step brings its optimizers.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new(Array::from([[1.0_f32]; 8]), Array::from([[2.0_f32]; 8]))?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("nadam", "mse", ["mae"]);
/// assert!(model.fit(&data, Fit::epochs(1))?.last("mae").is_some());
///
/// model.compile("sgdd", "mse", ());
/// assert!(
///     model.fit(&data, Fit::epochs(1)).unwrap_err().to_string().contains("did you mean `sgd`")
/// );
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no optimizer",
    note = "give a value such as `Adam::new(0.001)`, a name such as \"adam\" \
        or \"sgd(learning_rate=0.1)\", or `()` for none"
)]
pub trait IntoOptimizer {
    /// The optimizer, if there is one.
    ///
    /// # Errors
    /// If there is none of that name.
    fn into_optimizer(self) -> Result<Option<Arc<dyn Optimizer>>>;
}

#[diagnostic::do_not_recommend]
impl<T: Optimizer + 'static> IntoOptimizer for T {
    fn into_optimizer(self) -> Result<Option<Arc<dyn Optimizer>>> {
        Ok(Some(Arc::new(self)))
    }
}

impl IntoOptimizer for &str {
    fn into_optimizer(self) -> Result<Option<Arc<dyn Optimizer>>> {
        optimizers::get(self).map(Some)
    }
}

impl IntoOptimizer for () {
    fn into_optimizer(self) -> Result<Option<Arc<dyn Optimizer>>> {
        Ok(None)
    }
}

/// A loss as it stands in `compile`: a value, Keras's name for one, or a closure of targets and
/// predictions, which may take a context after them. A wrong name is an error at the first step.
///
/// `K` is one of [`kinds`] and is found by the compiler.
///
/// ```
/// use endo::prelude::*;
/// // Predictions are compared by what a net makes of them, whose weights stay as they are.
/// let features = std::sync::Arc::new(Dense::new(8).activation("tanh"));
/// let mut model = Model::new(Dense::new(2));
/// model.compile("sgd", move |y_true: &Tensor, y_pred: &Tensor, cx: &mut Context| {
///     (features.apply(y_true, cx) - features.apply(y_pred, cx)).square().mean_axes(-1)
/// }, ());
/// # let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32, 0.0], [0.0, 1.0]])?;
/// # assert!(model.fit(&data, Fit::epochs(1))?.last("loss").unwrap() > 0.0);
/// # assert_eq!(model.weights().len(), 2);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss",
    note = "a loss is a value that implements `Loss`, a name such as \"mse\", or a closure",
    note = "a closure is a loss as `|y_true: &Tensor, y_pred: &Tensor| ..`, with the types and \
        the `&`s, and returns a `Tensor`; it may take a \
            `cx: &mut Context` after them"
)]
pub trait IntoLoss<K> {
    /// The loss.
    fn into_loss(self) -> Arc<dyn Loss>;
}

#[diagnostic::do_not_recommend]
impl<L: Loss + 'static> IntoLoss<kinds::Value> for L {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self)
    }
}

impl<F: Fn(&Tensor, &Tensor, &mut Context) -> Tensor + Send + Sync + 'static>
    IntoLoss<kinds::WithContext> for F
{
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(WithContext(self))
    }
}

impl IntoLoss<kinds::Name> for &str {
    fn into_loss(self) -> Arc<dyn Loss> {
        losses::get(self).unwrap_or_else(|error| {
            Arc::new(move |_: &Tensor, y_pred: &Tensor| {
                y_pred.trace().record(error.clone());
                y_pred.clone()
            })
        })
    }
}

impl IntoLoss<kinds::Name> for String {
    fn into_loss(self) -> Arc<dyn Loss> {
        self.as_str().into_loss()
    }
}

/// The losses of one output: a loss, several in an array or vector, whose sum is trained on, or
/// `()` for none; with the name of the output before it in a pair: `("price", "mse")`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no loss of an output",
    note = "give a loss or its name, an array of several, `()` for none, or a pair of an output's \
        name and one of these"
)]
pub trait IntoOutputLosses<K> {
    /// The losses.
    fn into_output_losses(self) -> OutputLosses;
}

#[diagnostic::do_not_recommend]
impl<K, L: IntoLoss<K>> IntoOutputLosses<kinds::One<K>> for L {
    fn into_output_losses(self) -> OutputLosses {
        OutputLosses { output: None, losses: vec![self.into_loss()] }
    }
}

impl IntoOutputLosses<()> for () {
    fn into_output_losses(self) -> OutputLosses {
        OutputLosses { output: None, losses: Vec::new() }
    }
}

impl<K, L: IntoLoss<K>, const N: usize> IntoOutputLosses<kinds::List<K>> for [L; N] {
    fn into_output_losses(self) -> OutputLosses {
        OutputLosses { output: None, losses: self.into_iter().map(L::into_loss).collect() }
    }
}

impl<K, L: IntoLoss<K>> IntoOutputLosses<kinds::List<K>> for Vec<L> {
    fn into_output_losses(self) -> OutputLosses {
        OutputLosses { output: None, losses: self.into_iter().map(L::into_loss).collect() }
    }
}

impl<K, L: IntoOutputLosses<K>> IntoOutputLosses<kinds::AtOutput<K>> for (&str, L) {
    fn into_output_losses(self) -> OutputLosses {
        let (output, losses) = self;
        OutputLosses { output: Some(output.into()), ..losses.into_output_losses() }
    }
}

/// The losses that a model is compiled with: one for every output; a list with an entry for each
/// output, in which `()` stands for none and an array for several, or with entries by the outputs'
/// names; several on one output (all are added, and each is reported); or `()` for none at all.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [4.0]])?;
/// let mut model = Model::new(Sequential::new());
/// model.compile("sgd", ("mse", Huber.delta(0.5)), ()).loss_weights([1.0, 2.0]);
/// assert_eq!(model.evaluate(&data)?.get("loss"), Some(2.0 + 2.0 * 0.4375));
///
/// let (size, price) =
///     (Activation::new("linear").name("size"), Activation::new("linear").name("price"));
/// let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
///     (size.apply(x, cx), price.apply(&(x + 1.0), cx))
/// });
/// // The other output has no loss, and needs no targets.
/// model.compile("sgd", [("price", "mse")], ());
/// assert_eq!(model.evaluate(&data)?.get("loss"), Some((1.0 + 1.0) / 2.0));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a loss nor a list of losses",
    note = "give a loss, an array or tuple of losses and names, pairs of an output's name and its \
        loss, or `()`",
    note = "a closure is a loss as `|y_true: &Tensor, y_pred: &Tensor| ..`, with the types and \
        the `&`s, and returns a `Tensor`; it may take a \
            `cx: &mut Context` after them"
)]
pub trait IntoLosses<K> {
    /// The losses in order.
    fn into_losses(self) -> Vec<OutputLosses>;
}

#[diagnostic::do_not_recommend]
impl<K, L: IntoLoss<K>> IntoLosses<kinds::One<K>> for L {
    fn into_losses(self) -> Vec<OutputLosses> {
        vec![self.into_output_losses()]
    }
}

impl IntoLosses<()> for () {
    fn into_losses(self) -> Vec<OutputLosses> {
        Vec::new()
    }
}

impl<K, L: IntoOutputLosses<K>, const N: usize> IntoLosses<kinds::List<K>> for [L; N] {
    fn into_losses(self) -> Vec<OutputLosses> {
        self.into_iter().map(L::into_output_losses).collect()
    }
}

impl<K, L: IntoOutputLosses<K>> IntoLosses<kinds::List<K>> for Vec<L> {
    fn into_losses(self) -> Vec<OutputLosses> {
        self.into_iter().map(L::into_output_losses).collect()
    }
}

macro_rules! tuples {
    ($(($($Loss:ident $Kind:ident $loss:ident),+))+) => {
        $(
            impl<$($Kind, $Loss: IntoOutputLosses<$Kind>),+> IntoLosses<($($Kind,)+)>
                for ($($Loss,)+)
            {
                fn into_losses(self) -> Vec<OutputLosses> {
                    let ($($loss,)+) = self;
                    vec![$($loss.into_output_losses()),+]
                }
            }
        )+
    };
}

tuples! {
    (A KA a, B KB b)
    (A KA a, B KB b, C KC c)
    (A KA a, B KB b, C KC c, D KD d)
    (A KA a, B KB b, C KC c, D KD d, E KE e)
    (A KA a, B KB b, C KC c, D KD d, E KE e, F KF f)
    (A KA a, B KB b, C KC c, D KD d, E KE e, F KF f, G KG g)
    (A KA a, B KB b, C KC c, D KD d, E KE e, F KF f, G KG g, H KH h)
}

/// A factor of a loss: for the loss at the same position, or for the output of a name.
pub trait IntoLossWeight {
    /// The output, if it is named, and the factor.
    fn into_loss_weight(self) -> (Option<Output>, f64);
}

impl IntoLossWeight for f64 {
    fn into_loss_weight(self) -> (Option<Output>, f64) {
        (None, self)
    }
}

impl IntoLossWeight for (&str, f64) {
    fn into_loss_weight(self) -> (Option<Output>, f64) {
        (Some(self.0.into()), self.1)
    }
}
