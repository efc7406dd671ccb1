//! Losses of one-hot rows, or rows of probabilities, against probabilities or logits of the same
//! classes.
//!
//! In: targets and predictions of one shape `[batch, .., classes]`. Out: `[batch, ..]`, sums over
//! the last axis unless told otherwise.

use crate::array::Array;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::family;
use crate::site::Site;

use super::EPSILON;
use super::Loss;
use super::per_class::PerClass;
use super::shapes::{power_from_zero, same_classes, smooth, warn_of_scale};

/// `-sum(t log(p))` over the last axis, for one-hot (or soft) targets (Bishop 2006, equation
/// 4.108): `[batch]` from `[batch, classes]`. Predictions are probabilities, scaled to sum 1 and
/// clipped to `[1e-7, 1 - 1e-7]`, or with `from_logits` unscaled log-probabilities, of any size.
#[track_caller]
pub fn categorical_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    CategoricalCrossentropy.from_logits(from_logits).values(y_true, y_pred)
}

/// `-alpha sum((1 - p)^gamma t log(p))` over the last axis: classes that are predicted well count
/// little (Lin et al. 2017, equation 5). `[batch]` from `[batch, classes]`. Predictions are
/// probabilities, scaled to sum 1 and clipped to
/// `[1e-7, 1 - 1e-7]`, or with `from_logits` unscaled log-probabilities.
#[track_caller]
pub fn categorical_focal_crossentropy(
    y_true: &Tensor,
    y_pred: &Tensor,
    alpha: f64,
    gamma: f64,
    from_logits: bool,
) -> Tensor {
    CategoricalFocalCrossentropy
        .alpha(alpha)
        .gamma(gamma)
        .from_logits(from_logits)
        .values(y_true, y_pred)
}

/// Targets moved towards equal probabilities for all classes.
#[track_caller]
fn smooth_classes(t: &Tensor, label_smoothing: f64, axis: i32) -> Tensor {
    let classes = t.shape().axis(axis as isize).map_or(1, |position| t.shape()[position]);
    smooth(t, label_smoothing, 1.0 / classes as f64)
}

/// Probabilities scaled to sum 1, and clipped. Where the sum is 0, numbers above 0 become the
/// highest and others the lowest that there are, and none has a slope.
#[track_caller]
fn scaled(x: &Tensor, axes: &[isize]) -> Tensor {
    let sum = x.sum_keep(axes);
    let empty = sum.equal(0.0);
    let shares = empty.where_(x.greater(0.0).cast(x.dtype()), x / empty.where_(1.0, &sum));
    shares.clip(EPSILON, 1.0 - EPSILON)
}

impl CategoricalCrossentropy {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        warn_of_scale("categorical_crossentropy", "softmax", self.from_logits, y_pred);
        let (t, x) = same_classes("categorical_crossentropy", y_true, y_pred);
        let (t, axes) = (smooth_classes(&t, self.label_smoothing, self.axis), [self.axis as isize]);
        if self.from_logits {
            let normalizer = x.logsumexp_keep(axes);
            return (t * (normalizer - x)).sum_axes(axes);
        }
        -(t * scaled(&x, &axes).log()).sum_axes(axes)
    }
}

impl CategoricalFocalCrossentropy {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        warn_of_scale("categorical_focal_crossentropy", "softmax", self.from_logits, y_pred);
        let (t, x) = same_classes("categorical_focal_crossentropy", y_true, y_pred);
        let (t, axes) = (smooth_classes(&t, self.label_smoothing, self.axis), [self.axis as isize]);
        let p = if self.from_logits {
            (&x - x.logsumexp_keep(axes)).exp().clip(EPSILON, 1.0 - EPSILON)
        } else {
            scaled(&x, &axes)
        };
        let focal = power_from_zero(&(1.0 - &p), self.gamma) * (t * p.log());
        let weighted = match &self.alpha {
            PerClass::Same(alpha) => focal * -alpha,
            PerClass::Each(alphas) => focal * -per_class(alphas, &x, self.axis),
        };
        weighted.sum_axes(axes)
    }
}

/// A number for each class, along the classes' axis of `like`.
#[track_caller]
fn per_class(numbers: &[f64], like: &Tensor, axis: i32) -> Tensor {
    let site = Site::caller();
    let position = like.shape().axis(axis as isize).unwrap_or(0);
    let classes = like.shape().get(position).copied().unwrap_or(1);
    if numbers.len() != classes {
        let message = format!("{} values of `alpha` for {classes} classes", numbers.len());
        let error = Error::shape(message, "give one number for each class, or one for all");
        return like.fail(error, like.shape(), site);
    }
    let sizes: Vec<usize> =
        (0..like.rank()).map(|other| if other == position { classes } else { 1 }).collect();
    like.trace().constant(Array::from_fn(sizes, |class| numbers[class]).cast(like.dtype()), site)
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`categorical_crossentropy`] as a loss, and as a metric: its mean over the epoch. (Keras
    /// smooths labels by the size of the last axis, also where the classes are along another.)
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(10));
    /// model.compile(
    ///     Sgd::new(0.1),
    ///     CategoricalCrossentropy.from_logits(true).label_smoothing(0.1),
    ///     (),
    /// );
    /// ```
    CategoricalCrossentropy ["categorical_crossentropy"] {
        /// Whether predictions are unscaled log-probabilities instead of probabilities; they are
        /// probabilities unless set.
        from_logits: bool = false,
        /// Moves targets towards equal probabilities by this share (Szegedy et al. 2016, section
        /// 7); 0 unless set.
        label_smoothing: f64 = 0.0,
        /// The axis of the classes; the last unless set.
        axis: i32 = -1,
    } => self.values(y_true, y_pred);

    /// [`categorical_focal_crossentropy`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::CategoricalFocalCrossentropy, prelude::*};
    /// let mut model = Model::new(Dense::new(3).activation(Softmax));
    /// model.compile(
    ///     Sgd::new(0.1),
    ///     CategoricalFocalCrossentropy.alpha([0.5, 0.25, 0.25]).gamma(1.0),
    ///     (),
    /// );
    /// ```
    CategoricalFocalCrossentropy ["categorical_focal_crossentropy"] {
        /// The weight of all classes, or of each; 0.25 unless set.
        alpha: PerClass = PerClass::Same(0.25),
        /// How much less well-predicted classes count; 2 unless set.
        gamma: f64 = 2.0,
        /// Whether predictions are unscaled log-probabilities instead of probabilities; they are
        /// probabilities unless set.
        from_logits: bool = false,
        /// Moves targets towards equal probabilities by this share (Szegedy et al. 2016, section
        /// 7); 0 unless set.
        label_smoothing: f64 = 0.0,
        /// The axis of the classes; the last unless set.
        axis: i32 = -1,
    } => self.values(y_true, y_pred);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn probabilities_and_logits_cost_the_same() {
        let (y, p) = ([[0.0_f32, 1.0, 0.0]], [[0.2_f32, 0.3, 0.5]]);
        let logits = [p[0].map(|p| p.ln() + 7.0)];
        assert_near(&values(CategoricalCrossentropy, y, p).unwrap(), &[-0.3_f64.ln()]);
        assert_near(
            &values(CategoricalCrossentropy, y, [p[0].map(|p| 2.0 * p)]).unwrap(),
            &[-0.3_f64.ln()],
        );
        assert_near(
            &values(CategoricalCrossentropy.from_logits(true), y, logits).unwrap(),
            &[-0.3_f64.ln()],
        );
        let focal = -0.25 * 0.7 * 0.7 * 0.3_f64.ln();
        assert_near(&values(CategoricalFocalCrossentropy, y, p).unwrap(), &[focal]);
        assert_near(
            &values(CategoricalFocalCrossentropy.from_logits(true), y, logits).unwrap(),
            &[focal],
        );
    }

    #[test]
    fn distant_logits_have_finite_values_and_the_right_slopes() {
        let [y, x] = [[[1.0_f32, 0.0], [1.0, 0.0]], [[1e4, -1e4], [-1e4, 1e4]]];
        let loss = CategoricalCrossentropy.from_logits(true);
        assert_eq!(values(loss.clone(), y, x).unwrap(), [0.0, 2e4]);
        assert_eq!(slopes(loss, y, x), [0.0, 0.0, -1.0, 1.0]);
    }

    #[test]
    fn smoothing_shares_out_among_the_classes_of_the_axis() {
        let (y, p) = ([[[1.0_f32], [0.0]]], [[[0.8_f32], [0.2]]]);
        let loss = CategoricalCrossentropy.label_smoothing(0.2).axis(1);
        assert_near(&values(loss, y, p).unwrap(), &[-0.9 * 0.8_f64.ln() - 0.1 * 0.2_f64.ln()]);
    }

    #[test]
    fn class_numbers_and_wrong_weights_are_refused() {
        let error =
            values(CategoricalCrossentropy, [0, 1], [[0.5_f32, 0.5], [0.2, 0.8]]).unwrap_err();
        error.advises("sparse_categorical_crossentropy");
        let loss = CategoricalFocalCrossentropy.alpha([0.5, 0.25, 0.25]);
        let error = values(loss, [[0.0_f32, 1.0]], [[0.5_f32, 0.5]]).unwrap_err();
        error.reads("3 values of `alpha` for 2 classes");
    }
}
