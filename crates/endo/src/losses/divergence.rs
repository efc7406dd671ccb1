//! Losses of distributions and counts, up to constants their negative log-likelihoods.
//!
//! In: probabilities or counts, and predictions of one shape `[batch, .., values]`. Out:
//! `[batch, ..]`, one value for each row.

use crate::graph::Tensor;
use crate::named::family;

use super::EPSILON;
use super::Loss;
use super::shapes::{mean_over, same_shape};

/// `mean(y_pred - y_true * log(y_pred + 1e-7))` over the last axis: the negative log-likelihood of
/// counts `y_true` under Poisson distributions of means `y_pred`, but for a constant (McCullagh and
/// Nelder 1989, chapter 6). `[batch]` from `[batch, values]`. Predictions below -1e-7 give NaN: end
/// the model in an activation such as `softplus` or `exponential`.
#[track_caller]
pub fn poisson(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("poisson", y_true, y_pred);
    mean_over(&(&y_pred - y_true * (&y_pred + EPSILON).log()), -1)
}

/// `sum(y_true * log(y_true / y_pred))` over the last axis: the divergence of predicted
/// probabilities from true ones (Kullback and Leibler 1951), both clipped to `[1e-7, 1]`. `[batch]`
/// from `[batch, classes]`.
#[track_caller]
pub fn kl_divergence(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("kl_divergence", y_true, y_pred);
    let (y_true, y_pred) = (y_true.clip(EPSILON, 1.0), y_pred.clip(EPSILON, 1.0));
    (&y_true * (&y_true / y_pred).log()).sum_axes([-1])
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`poisson`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::Poisson, prelude::*};
    /// let mut model = Model::new(Dense::new(1).activation(Softplus));
    /// model.compile(Sgd::new(0.1), Poisson, ());
    /// ```
    Poisson ["poisson"] {} => poisson(y_true, y_pred);

    /// [`kl_divergence`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::KLDivergence, prelude::*};
    /// let mut f = Function::new(|[y, y_pred], _cx| [KLDivergence.call(&y, &y_pred)]);
    /// let rows = [[0.25_f32, 0.75]].into();
    /// assert_eq!(f.run([&rows, &rows])?[0], Array::from([0.0_f32]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    KLDivergence ["kl_divergence", "kld"] {} => kl_divergence(y_true, y_pred);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn shapes_have_to_be_equal() {
        let error = values(KLDivergence, [[0.5_f32, 0.5]], [[1.0_f32]]).unwrap_err();
        error.reads("`kl_divergence` of targets [1, 2] and predictions [1, 1]: the shapes differ");
    }

    #[test]
    fn the_poisson_loss_is_least_at_the_count() {
        assert_near(
            &values(Poisson, [[2.0_f32], [0.0]], [[2.0_f32], [3.0]]).unwrap(),
            &[2.0 - 2.0 * 2.0_f64.ln(), 3.0],
        );
        assert_near(
            &slopes(Poisson, [[2.0_f32], [2.0], [2.0]], [[1.0_f32], [2.0], [4.0]]),
            &[-1.0, 0.0, 0.5],
        );
    }

    #[test]
    fn negative_rates_are_nan_and_so_reported() {
        assert!(values(Poisson, [[1.0_f32]], [[-1.0_f32]]).unwrap()[0].is_nan());
    }

    #[test]
    fn divergence_is_zero_for_equal_distributions_and_finite_for_impossible_ones() {
        let [y, p] = [[[0.5_f32, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]];
        let got = values(KLDivergence, y, p).unwrap();
        assert_near(&got, &[0.0, 1e7_f64.ln() - 1e-7 * 1e7_f64.ln()]);
        assert_eq!(slopes(KLDivergence, [[1.0_f32, 0.5]], [[0.0_f32, 0.25]]), [0.0, -2.0]);
    }
}
