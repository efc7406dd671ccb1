//! Losses: how far predictions are from targets, one value per sample, and how those become one
//! number.
//!
//! In: targets and predictions. Out: `[batch]` or `[batch, t..]` from [`Loss::call`], one number
//! from [`Loss::apply`]. The functions take what their formula needs; `axis`, `label_smoothing` and
//! the like are options of the type of the same name. A closure
//! `|y_true: &Tensor, y_pred: &Tensor| ...` is a loss too.

pub(crate) mod binary;
pub(crate) mod categorical;
pub(crate) mod circle;
mod cosine_similarity;
pub(crate) mod covered;
pub(crate) mod ctc;
pub(crate) mod divergence;
pub(crate) mod hinge;
mod per_class;
pub(crate) mod reduction;
pub(crate) mod regression;
pub(crate) mod segmentation;
mod shapes;
pub(crate) mod sparse;
pub(crate) mod targets;

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::named::{self, Hyperparameters, table};
use crate::shape::Shape;
use crate::trace::{Context, WithContext, without_context};

pub use binary::*;
pub use categorical::*;
pub use circle::*;
pub use cosine_similarity::*;
pub use ctc::*;
pub use divergence::*;
pub use hinge::*;
pub use per_class::PerClass;
pub use reduction::Reduction;
pub use regression::*;
pub use segmentation::*;
pub(crate) use shapes::{align, warn_of_linear};
pub use sparse::*;
pub use targets::Targets;

/// Probabilities and denominators are kept this far from 0 (and probabilities from 1). As Keras.
const EPSILON: f64 = 1e-7;

/// How far predictions are from targets.
///
/// The types of this module are both types and values: `Huber` is the loss with Keras's defaults,
/// and `Huber.delta(2.0)` is another. Each is also a metric: its mean over the epoch.
///
/// ```
/// use endo::prelude::*;
/// let squared = |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).square().mean_axes(&[-1]);
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), squared, [MeanAbsoluteError::new()]);
/// model.compile(
///     Sgd::new(0.1),
///     Huber.delta(2.0).with_reduction(Reduction::Sum),
///     [MeanAbsoluteError::new()],
/// );
/// ```
pub trait Loss: Send + Sync {
    /// One value per sample (and time step): `[batch]` or `[batch, t..]`. A type of yours has this,
    /// or [`call_in`](Self::call_in) if it takes a context.
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let _ = y_true;
        without_context::<Self>("loss", "apply_in(&y_true, &y_pred, None, cx)", y_pred)
    }

    /// The values where there is a context, as in a model's step: it may draw random numbers and
    /// apply layers, which are not in training there, as in Keras ([`Context::with_training`] puts
    /// them into it). As [`call`](Self::call) unless it says so. A type that wraps another hands
    /// both methods on.
    #[track_caller]
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        let _ = cx;
        self.call(y_true, y_pred)
    }

    /// What reports call it: Keras's name of the function.
    fn name(&self) -> &str {
        "loss"
    }

    /// What it depends on besides targets and predictions, to be saved with a model
    /// ([`Model::save`](crate::model::Model::save)); none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }

    /// What the numbers of targets have to be, for targets and predictions of these shapes;
    /// anything unless it says otherwise. A model checks it in data.
    fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
        let _ = (y_true, y_pred);
        Targets::Any
    }

    /// How the values per sample become one number.
    fn reduction(&self) -> Reduction {
        Reduction::SumOverBatchSize
    }

    /// Which of the values that [`call`](Self::call) gave count, as truth values of their shape;
    /// all of them unless it says so.
    fn mask(&self, y_true: &Tensor, values: &Tensor) -> Option<Tensor> {
        let _ = (y_true, values);
        None
    }

    /// The loss of a batch, as a compiled model computes it: you write [`call`](Self::call), you
    /// use `apply`. A last axis of size 1 that only one of the two has is added to the other,
    /// values are masked and weighted ([`Reduction::apply`]). What a weight of 0 covers may be NaN:
    /// it has no part in the value, nor in its slope.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let loss = Huber.delta(2.0);
    /// let mut f =
    ///     Function::new(|[y, y_pred, weight], _cx| [loss.apply(&y, &y_pred, Some(&weight))]);
    /// let (y, y_pred, weight) =
    ///     ([0.0_f32, 0.0].into(), [[1.0_f32], [4.0]].into(), [1.0_f32, 0.5].into());
    /// assert_eq!(f.run([&y, &y_pred, &weight])?[0].item()?, (0.5 + 0.5 * 6.0) / 2.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    fn apply(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Tensor {
        covered::value_of(self, y_true, y_pred, sample_weight, None, self.reduction(), None)
    }

    /// As [`apply`](Self::apply), of a loss that may take a context. What the mask of the
    /// predictions leaves out does not count, as in `fit`.
    #[track_caller]
    fn apply_in(
        &self,
        y_true: &Tensor,
        y_pred: &Tensor,
        sample_weight: Option<&Tensor>,
        cx: &mut Context,
    ) -> Tensor {
        let mask = cx.mask(y_pred);
        let (mask, reduction) = (mask.as_ref(), self.reduction());
        covered::value_of(self, y_true, y_pred, sample_weight, mask, reduction, Some(cx))
    }

    /// The same loss with another reduction.
    fn with_reduction(self, reduction: Reduction) -> ReducedLoss<Self>
    where
        Self: Sized,
    {
        ReducedLoss { loss: self, reduction }
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Tensor + Send + Sync> Loss for F {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        self(y_true, y_pred)
    }
}

/// A closure that takes a context besides.
impl<F: Fn(&Tensor, &Tensor, &mut Context) -> Tensor + Send + Sync> Loss for WithContext<F> {
    #[track_caller]
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        (self.0)(y_true, y_pred, cx)
    }
}

/// What [`get`] returns.
impl Loss for Arc<dyn Loss> {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        (**self).call(y_true, y_pred)
    }

    #[track_caller]
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        (**self).call_in(y_true, y_pred, cx)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        (**self).hyperparameters()
    }

    fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
        (**self).targets(y_true, y_pred)
    }

    fn reduction(&self) -> Reduction {
        (**self).reduction()
    }

    #[track_caller]
    fn mask(&self, y_true: &Tensor, values: &Tensor) -> Option<Tensor> {
        (**self).mask(y_true, values)
    }
}

/// A loss with a reduction other than its own; made by [`Loss::with_reduction`].
///
/// ```
/// use endo::prelude::*;
/// let loss = MeanSquaredError.with_reduction(Reduction::Sum);
/// assert_eq!((loss.name(), loss.reduction()), ("mean_squared_error", Reduction::Sum));
/// ```
#[derive(Clone, Debug)]
pub struct ReducedLoss<L> {
    loss: L,
    reduction: Reduction,
}

impl<L: Loss> Loss for ReducedLoss<L> {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        self.loss.call(y_true, y_pred)
    }

    #[track_caller]
    fn call_in(&self, y_true: &Tensor, y_pred: &Tensor, cx: &mut Context) -> Tensor {
        self.loss.call_in(y_true, y_pred, cx)
    }

    fn name(&self) -> &str {
        self.loss.name()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        // One's own reduction says nothing new: a loss by name is the loss by value.
        let all = self.loss.hyperparameters();
        if self.reduction == self.loss.reduction() {
            all
        } else {
            all.with("reduction", self.reduction)
        }
    }

    fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
        self.loss.targets(y_true, y_pred)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    #[track_caller]
    fn mask(&self, y_true: &Tensor, values: &Tensor) -> Option<Tensor> {
        self.loss.mask(y_true, values)
    }
}

/// The loss that a text names, with its options in parentheses, by name or in their order; the last
/// option of each is `reduction`. Neither case nor underscores count in names.
///
/// ```
/// use endo::losses::{self, Loss, Reduction};
/// assert_eq!(losses::get("mse")?.name(), "mean_squared_error");
/// assert_eq!(losses::get("huber(delta=2.0, reduction=sum)")?.reduction(), Reduction::Sum);
/// let error = losses::get("hubert").err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "there is no loss called `hubert`\n  help: did you mean `huber`?"
/// );
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such loss or option; the error names the nearest.
pub fn get(name: &str) -> Result<Arc<dyn Loss>> {
    named::get("loss", name, rows())
}

table! {
    /// The names of all losses.
    dyn Loss:
        regression::ROWS, cosine_similarity::ROWS, hinge::ROWS, divergence::ROWS, binary::ROWS,
        categorical::ROWS, sparse::ROWS, segmentation::ROWS, circle::ROWS, ctc::ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    /// The values of a loss per sample.
    pub(super) fn values(
        loss: impl Loss,
        y_true: impl Into<Array>,
        y_pred: impl Into<Array>,
    ) -> Result<Vec<f64>> {
        let mut f = Function::new(|[y_true, y_pred], _cx| [loss.call(&y_true, &y_pred)]);
        f.run([&y_true.into(), &y_pred.into()]).map(|[values]| values.to_vec())
    }

    /// The gradient of the sum of a loss's values with respect to the predictions.
    pub(super) fn slopes(
        loss: impl Loss,
        y_true: impl Into<Array>,
        y_pred: impl Into<Array>,
    ) -> Vec<f64> {
        let mut f = Function::new(|[y_true, y_pred], cx| {
            let gradients = cx.gradients(&loss.call(&y_true, &y_pred).sum(), [&y_pred]);
            [gradients.into_tensors().remove(0).expect("values depend on the predictions")]
        });
        f.run([&y_true.into(), &y_pred.into()]).unwrap()[0].to_vec()
    }

    /// Whether numbers are equal up to rounding in `f32`.
    #[track_caller]
    pub(super) fn assert_near(got: &[f64], expected: &[f64]) {
        let near = |(got, expected): (&f64, &f64)| {
            got == expected || (got - expected).abs() <= 1e-6 * expected.abs().max(1.0)
        };
        assert!(
            got.len() == expected.len() && got.iter().zip(expected).all(near),
            "{got:?}, expected {expected:?}"
        );
    }

    #[test]
    fn every_name_makes_the_loss_of_that_name() {
        for row in rows() {
            for name in row.names {
                assert_eq!(get(name).unwrap().name(), row.names[0]);
            }
        }
        assert_eq!(names().count(), 22);
        for (name, of) in [
            ("MSE", "mean_squared_error"),
            ("KLDivergence", "kl_divergence"),
            ("LogCosh", "log_cosh"),
        ] {
            assert_eq!(get(name).unwrap().name(), of);
        }
    }

    #[test]
    fn types_texts_and_closures_are_losses() {
        let closure = |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).abs().mean_axes([-1]);
        let [y_true, y_pred] = [[[0.0_f32, 0.0]], [[1.0_f32, 3.0]]];
        assert_eq!(values(closure, y_true, y_pred).unwrap(), [2.0]);
        assert_eq!(values(MeanAbsoluteError, y_true, y_pred).unwrap(), [2.0]);
        assert_eq!(values(get("mae").unwrap(), y_true, y_pred).unwrap(), [2.0]);
        assert_eq!(
            values(get("huber(2)").unwrap(), y_true, y_pred).unwrap(),
            values(Huber.delta(2.0), y_true, y_pred).unwrap()
        );
    }

    #[test]
    fn wrong_names_and_options_are_errors_that_name_the_nearest() {
        let error = |text| get(text).err().unwrap();
        assert_eq!(
            error("huber(delt=1)").to_string(),
            "`huber` has no option `delt`\n  help: did you mean `delta`?"
        );
        error("mse(reduction=average)")
            .says("the option `reduction` of `mse(reduction=average)` is");
        error("quantile").advises("there are `mean_squared_error`");
    }

    #[test]
    fn vectors_of_targets_meet_columns_of_predictions_when_applied_and_are_refused_raw() {
        let loss = MeanSquaredError.with_reduction(Reduction::None);
        let mut f = Function::new(|[y_true, y_pred], _cx| [loss.apply(&y_true, &y_pred, None)]);
        let [targets, predictions] = [Array::from([1.0_f32, 2.0]), Array::from([[1.0_f32], [4.0]])];
        assert_eq!(f.run([&targets, &predictions]).unwrap()[0], Array::from([0.0_f32, 4.0]));
        assert_eq!(f.run([&predictions, &targets]).unwrap()[0], Array::from([0.0_f32, 4.0]));
        let error = values(MeanSquaredError, [1.0_f32, 2.0], [[1.0_f32], [4.0]]).unwrap_err();
        error
            .reads("`mean_squared_error` of targets [2] and predictions [2, 1]: the shapes differ");
    }
}
