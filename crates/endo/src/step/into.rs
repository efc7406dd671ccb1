//! What `compile` takes: optimizers and losses as values or by name, one or several.
//!
//! In: values, names, lists. Out: trait objects.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::losses::{self, Loss};
use crate::optimizers::{self, Optimizer};

/// The optimizer that a model is compiled with: a value, Keras's name for one with its defaults, or `()` for none, where a step of one's
/// own brings its optimizers.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new(Array::from([[1.0_f32]; 8]), Array::from([[2.0_f32]; 8]))?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("nadam", "mse", ["mae"]);
/// assert!(model.fit(&data, Fit::epochs(1))?.last("mae").is_some());
///
/// model.compile("sgdd", "mse", ());
/// assert!(model.fit(&data, Fit::epochs(1)).unwrap_err().to_string().contains("did you mean `sgd`"));
/// # Ok::<(), endo::Error>(())
/// ```
pub trait IntoOptimizer {
    /// The optimizer, if there is one.
    ///
    /// # Errors
    /// If there is none of that name.
    fn into_optimizer(self) -> Result<Option<Arc<dyn Optimizer>>>;
}

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

/// A loss as it stands in `compile`: a value, or Keras's name for one; a wrong name is an error at the first step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss",
    note = "a loss is a value that implements `Loss`, a closure of two tensors, or a name such as \"mse\""
)]
pub trait IntoLoss {
    /// The loss.
    fn into_loss(self) -> Arc<dyn Loss>;
}

impl<L: Loss + 'static> IntoLoss for L {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self)
    }
}

impl IntoLoss for &str {
    fn into_loss(self) -> Arc<dyn Loss> {
        losses::get(self).unwrap_or_else(|error| {
            Arc::new(move |_: &Tensor, y_pred: &Tensor| {
                y_pred.trace().record(error.clone());
                y_pred.clone()
            })
        })
    }
}

/// The losses that a model is compiled with: one for every output, one for each, several on one output (all are added, and each
/// is reported), or `()` for none.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [4.0]])?;
/// let mut model = Model::new(Sequential::new());
/// model.compile("sgd", ("mse", Huber.delta(0.5)), ()).loss_weights([1.0, 2.0]);
/// assert_eq!(model.evaluate(&data)?.get("loss"), Some(2.0 + 2.0 * 0.4375));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a loss nor a list of losses",
    note = "give a loss, an array or tuple of losses and names, or `()`"
)]
pub trait IntoLosses {
    /// The losses in order.
    fn into_losses(self) -> Vec<Arc<dyn Loss>>;
}

impl<L: IntoLoss> IntoLosses for L {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        vec![self.into_loss()]
    }
}

impl IntoLosses for () {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        Vec::new()
    }
}

impl<L: IntoLoss, const N: usize> IntoLosses for [L; N] {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(IntoLoss::into_loss).collect()
    }
}

impl<L: IntoLoss> IntoLosses for Vec<L> {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(IntoLoss::into_loss).collect()
    }
}

macro_rules! tuples {
    ($(($($Loss:ident $loss:ident),+))+) => {
        $(
            impl<$($Loss: IntoLoss),+> IntoLosses for ($($Loss,)+) {
                fn into_losses(self) -> Vec<Arc<dyn Loss>> {
                    let ($($loss,)+) = self;
                    vec![$($loss.into_loss()),+]
                }
            }
        )+
    };
}

tuples! {
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
}
