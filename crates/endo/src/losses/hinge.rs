//! Losses that ask for a margin between classes.
//!
//! In: labels -1/1 (or 0/1) or one-hot rows, and scores of any size, of one shape
//! `[batch, .., classes]`. Out: `[batch, ..]`, one value for each row.

use crate::graph::Tensor;
use crate::named::family;

use super::Loss;
use super::shapes::{mean_over, same_shape};

/// `mean(max(1 - y_true * y_pred, 0))` over the last axis, for labels -1 and 1 (Cortes and Vapnik
/// 1995): `[batch]` from `[batch, labels]`. Labels 0 and 1 are taken as -1 and 1, if all are one of
/// them.
#[track_caller]
pub fn hinge(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    mean_over(&shortfall("hinge", y_true, y_pred), -1)
}

/// `mean(max(1 - y_true * y_pred, 0)^2)` over the last axis, for labels as [`hinge`] takes them
/// (Tang 2013): `[batch]` from `[batch, labels]`.
#[track_caller]
pub fn squared_hinge(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    mean_over(&shortfall("squared_hinge", y_true, y_pred).square(), -1)
}

/// By how much each score falls short of the margin.
#[track_caller]
fn shortfall(function: &str, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape(function, y_true, y_pred);
    let binary = (y_true.equal(0.0) | y_true.equal(1.0)).all();
    let signs = binary.where_(2.0 * &y_true - 1.0, &y_true);
    (1.0 - signs * y_pred).maximum(0.0)
}

/// `max(1 + wrong - right, 0)`, where `right` is the score of the class, `sum(y_true * y_pred)`,
/// and `wrong` the largest of the others or 0, `max((1 - y_true) * y_pred)` (after Crammer and
/// Singer 2001): `[batch]` from one-hot rows `[batch, classes]`.
#[track_caller]
pub fn categorical_hinge(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = super::shapes::same_classes("categorical_hinge", y_true, y_pred);
    let right = (&y_true * &y_pred).sum_axes([-1]);
    let wrong = ((1.0 - y_true) * y_pred).max_axes([-1]);
    (wrong - right + 1.0).maximum(0.0)
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`hinge`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::Hinge, prelude::*};
    /// let mut f = Function::new(|[y, y_pred], _cx| [Hinge.call(&y, &y_pred)]);
    /// let [loss] = f.run([&[[1.0_f32], [-1.0]].into(), &[[0.25_f32], [-3.0]].into()])?;
    /// assert_eq!(loss, Array::from([0.75_f32, 0.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Hinge ["hinge"] {} => hinge(y_true, y_pred);

    /// [`squared_hinge`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::SquaredHinge, prelude::*};
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), SquaredHinge, ());
    /// ```
    SquaredHinge ["squared_hinge"] {} => squared_hinge(y_true, y_pred);

    /// [`categorical_hinge`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::CategoricalHinge, prelude::*};
    /// let mut f = Function::new(|[y, y_pred], _cx| [CategoricalHinge.call(&y, &y_pred)]);
    /// assert_eq!(
    ///     f.run([&[[0.0_f32, 1.0]].into(), &[[2.0_f32, 2.5]].into()])?[0],
    ///     Array::from([0.5_f32])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    CategoricalHinge ["categorical_hinge"] {} => categorical_hinge(y_true, y_pred);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{slopes, values};
    use super::*;

    #[test]
    fn scores_beyond_the_margin_cost_nothing() {
        let [y, p] = [[[1.0_f32, -1.0], [1.0, -1.0]], [[2.0, -1.5], [0.5, 2.0]]];
        assert_eq!(values(Hinge, y, p).unwrap(), [0.0, 1.75]);
        assert_eq!(values(SquaredHinge, y, p).unwrap(), [0.0, 4.625]);
        assert_eq!(slopes(Hinge, y, p), [0.0, 0.0, -0.5, 0.5]);
    }

    #[test]
    fn zeros_and_ones_become_signs_only_if_there_is_nothing_else() {
        let p = [[0.5_f32, 0.5]];
        assert_eq!(values(Hinge, [[0.0_f32, 1.0]], p).unwrap(), [1.0]);
        assert_eq!(values(Hinge, [[0.0_f32, -1.0]], p).unwrap(), [1.25]);
        assert_eq!(values(Hinge, [[0, 1]], p).unwrap(), [1.0]);
    }

    #[test]
    fn the_class_must_beat_the_others_by_one() {
        let [y, p] = [[[0.0_f32, 1.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 3.0, 2.0], [-1.0, 0.5, 0.0]]];
        assert_eq!(values(CategoricalHinge, y, p).unwrap(), [0.0, 2.5]);
        let error = values(CategoricalHinge, [1, 0], [[1.0_f32, 3.0], [1.0, 2.0]]).unwrap_err();
        error.advises("one_hot");
    }
}
