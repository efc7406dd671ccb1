//! Losses of labels 0/1, each on its own, against probabilities or log-odds.
//!
//! In: labels (or probabilities) and predictions of one shape `[batch, .., labels]`. Out:
//! `[batch, ..]`, means over the last axis unless told otherwise.

use crate::graph::Tensor;
use crate::named::family;
use crate::shape::Shape;

use super::EPSILON;
use super::Loss;
use super::shapes::{
    mean_over, power_from_zero, same_shape, smooth, warn_of_one_softmax, warn_of_scale,
};
use super::targets::Targets;

/// `-t log(p) - (1 - t) log(1 - p)`, the mean over the last axis (Bishop 2006, equation 4.90):
/// `[batch]` from `[batch, labels]`. Predictions are probabilities, clipped to `[1e-7, 1 - 1e-7]`,
/// or with `from_logits` their log-odds, of any size.
#[track_caller]
pub fn binary_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    BinaryCrossentropy.from_logits(from_logits).values(y_true, y_pred)
}

/// [`binary_crossentropy`] with each label's term times `(1 - q)^gamma`, where `q` is the
/// probability given to the label, `t p + (1 - t) (1 - p)`; the mean over the last axis: what is
/// predicted well counts little (Lin et al. 2017, equation 4). `[batch]` from `[batch, labels]`.
/// Predictions are probabilities, or with `from_logits` their log-odds.
#[track_caller]
pub fn binary_focal_crossentropy(
    y_true: &Tensor,
    y_pred: &Tensor,
    gamma: f64,
    from_logits: bool,
) -> Tensor {
    BinaryFocalCrossentropy.gamma(gamma).from_logits(from_logits).values(y_true, y_pred)
}

/// `-t log(p) - (1 - t) log(1 - p)`, element by element.
#[track_caller]
fn crossentropies(t: &Tensor, x: &Tensor, from_logits: bool) -> Tensor {
    if from_logits {
        // max(x, 0) - x t + log(1 + exp(-|x|)), whose gradient at 0 is 1/2 - t from either side.
        let positive = x.greater_equal(0.0);
        return positive.where_(x, 0.0) - x * t + positive.where_(-x, x).softplus();
    }
    let p = x.clip(EPSILON, 1.0 - EPSILON);
    -(t * p.log() + (1.0 - t) * (1.0 - p).log())
}

impl BinaryCrossentropy {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        warn_of_scale("binary_crossentropy", "sigmoid", self.from_logits, y_pred);
        warn_of_one_softmax("binary_crossentropy", y_pred);
        let (t, x) = same_shape("binary_crossentropy", y_true, y_pred);
        mean_over(
            &crossentropies(&smooth(&t, self.label_smoothing, 0.5), &x, self.from_logits),
            self.axis,
        )
    }
}

impl BinaryFocalCrossentropy {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        warn_of_scale("binary_focal_crossentropy", "sigmoid", self.from_logits, y_pred);
        warn_of_one_softmax("binary_focal_crossentropy", y_pred);
        let (t, x) = same_shape("binary_focal_crossentropy", y_true, y_pred);
        let t = smooth(&t, self.label_smoothing, 0.5);
        let p = if self.from_logits { x.sigmoid() } else { x.clone() };
        let missed = 1.0 - (&t * &p + (1.0 - &t) * (1.0 - p));
        let focal = power_from_zero(&missed, self.gamma) * crossentropies(&t, &x, self.from_logits);
        let balanced = if self.apply_class_balancing {
            (&t * self.alpha + (1.0 - &t) * (1.0 - self.alpha)) * focal
        } else {
            focal
        };
        mean_over(&balanced, self.axis)
    }
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`binary_crossentropy`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), BinaryCrossentropy.from_logits(true), ());
    /// ```
    BinaryCrossentropy ["binary_crossentropy", "bce"] {
        /// Whether predictions are log-odds instead of probabilities; they are probabilities unless
        /// set.
        from_logits: bool = false,
        /// Moves labels towards 1/2 by this share (Szegedy et al. 2016, section 7); 0 unless set.
        label_smoothing: f64 = 0.0,
        /// The axis over which values are averaged; the last unless set.
        axis: i32 = -1,
    } => self.values(y_true, y_pred), {
            fn targets(&self, _y_true: &Shape, _y_pred: &Shape) -> Targets {
                Targets::Probabilities
            }
    };

    /// [`binary_focal_crossentropy`] as a loss, and as a metric: its mean over the epoch. Balanced,
    /// labels 1 weigh `alpha` and labels 0 `1 - alpha` (Lin et al. 2017, equation 5).
    ///
    /// ```
    /// use endo::{losses::BinaryFocalCrossentropy, prelude::*};
    /// let mut model = Model::new(Dense::new(1));
    /// let loss = BinaryFocalCrossentropy.apply_class_balancing(true).from_logits(true);
    /// model.compile(Sgd::new(0.1), loss, ());
    /// ```
    BinaryFocalCrossentropy ["binary_focal_crossentropy"] {
        /// Whether labels 1 weigh `alpha` and labels 0 `1 - alpha`; not unless set.
        apply_class_balancing: bool = false,
        /// The weight of labels 1, if classes are balanced; 0.25 unless set.
        alpha: f64 = 0.25,
        /// How much less well-predicted labels count; 2 unless set.
        gamma: f64 = 2.0,
        /// Whether predictions are log-odds instead of probabilities; they are probabilities unless
        /// set.
        from_logits: bool = false,
        /// Moves labels towards 1/2 by this share (Szegedy et al. 2016, section 7); 0 unless set.
        label_smoothing: f64 = 0.0,
        /// The axis over which values are averaged; the last unless set.
        axis: i32 = -1,
    } => self.values(y_true, y_pred), {
            fn targets(&self, _y_true: &Shape, _y_pred: &Shape) -> Targets {
                Targets::Probabilities
            }
    };
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn probabilities_and_their_log_odds_cost_the_same() {
        let (y, p) = ([[1.0_f32, 0.0, 0.25]], [[0.8_f32, 0.4, 0.5]]);
        let logits = [p[0].map(|p| (p / (1.0 - p)).ln())];
        let expected = -(0.8_f64.ln() + 0.6_f64.ln() + 0.5_f64.ln()) / 3.0;
        assert_near(&values(BinaryCrossentropy, y, p).unwrap(), &[expected]);
        assert_near(&values(BinaryCrossentropy.from_logits(true), y, logits).unwrap(), &[expected]);
        let focal = BinaryFocalCrossentropy.gamma(1.5);
        assert_near(
            &values(focal.clone().from_logits(true), y, logits).unwrap(),
            &values(focal, y, p).unwrap(),
        );
    }

    #[test]
    fn log_odds_of_any_size_have_finite_values_and_the_right_slopes() {
        let loss = BinaryCrossentropy.from_logits(true);
        let [y, x] = [[[1.0_f32], [0.0], [1.0], [0.0]], [[0.0], [0.0], [-1e4], [1e4]]];
        assert_near(&values(loss.clone(), y, x).unwrap(), &[2.0_f64.ln(), 2.0_f64.ln(), 1e4, 1e4]);
        assert_eq!(slopes(loss, y, x), [-0.5, 0.5, -1.0, 1.0]);
    }

    #[test]
    fn sure_and_wrong_probabilities_cost_a_finite_amount() {
        let got = values(BinaryCrossentropy, [[1.0_f32], [0.0]], [[0.0_f32], [0.0]]).unwrap();
        assert_near(&got, &[1e7_f64.ln(), 1e-7]);
        let slopes = slopes(BinaryFocalCrossentropy.gamma(0.5), [[1.0_f32, 0.0]], [[1.0_f32, 0.0]]);
        assert_eq!(slopes, [0.0, 0.0]);
    }

    #[test]
    fn a_focus_of_zero_is_the_plain_loss_and_balance_weighs_labels() {
        let (y, p) = ([[1.0_f32, 0.0]], [[0.7_f32, 0.2]]);
        let plain = -(0.7_f64.ln() + 0.8_f64.ln()) / 2.0;
        assert_near(&values(BinaryFocalCrossentropy.gamma(0.0), y, p).unwrap(), &[plain]);
        let balanced = BinaryFocalCrossentropy.apply_class_balancing(true).alpha(0.25);
        let expected = -(0.25 * 0.09 * 0.7_f64.ln() + 0.75 * 0.04 * 0.8_f64.ln()) / 2.0;
        assert_near(&values(balanced, y, p).unwrap(), &[expected]);
    }
}
