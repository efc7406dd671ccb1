//! Losses of class numbers against probabilities or logits of the classes.
//!
//! In: class numbers `[batch, ..]` (or with a last axis of size 1), predictions
//! `[batch, .., classes]`. Out: `[batch, ..]`. A class out of range is found in the data of a
//! model; in a custom loop it gives NaN, which stops training with an error before a weight
//! changes.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::family;
use crate::shape::Shape;
use crate::site::Site;

use super::EPSILON;
use super::Loss;
use super::shapes::{class_numbers, power_from_zero, warn_of_scale};
use super::targets::Targets;

/// `-log(p[class])`, for class numbers `[batch]` or `[batch, 1]`, integers or whole floats:
/// `[batch]` from predictions `[batch, classes]`. Predictions are probabilities, clipped to
/// `[1e-7, 1 - 1e-7]` and then scaled to sum 1, or with `from_logits` unscaled log-probabilities,
/// of any size. A class out of range gives NaN.
#[track_caller]
pub fn sparse_categorical_crossentropy(
    y_true: &Tensor,
    y_pred: &Tensor,
    from_logits: bool,
) -> Tensor {
    SparseCategoricalCrossentropy.from_logits(from_logits).values(y_true, y_pred)
}

/// `(1 - p[class]^q) / q`, for class numbers `[batch]` or `[batch, 1]`: `[batch]` from
/// probabilities `[batch, classes]`. Near the crossentropy for small `q`, near the absolute error
/// for `q` near 1, which wrong labels mislead less (Zhang and Sabuncu 2018, section 3). A class out
/// of range gives NaN.
#[track_caller]
pub fn categorical_generalized_cross_entropy(y_true: &Tensor, y_pred: &Tensor, q: f64) -> Tensor {
    let name = "categorical_generalized_cross_entropy";
    if !(q > 0.0 && q < 1.0) {
        let error = Error::argument(format!("`{name}` with q = {q}"), "q lies between 0 and 1");
        return y_pred.fail(error, y_true.shape(), Site::caller());
    }
    let (labels, p) = class_numbers(name, y_true, y_pred, -1);
    (1.0 - power_from_zero(&picked(&p, &labels, -1), q)) / q
}

/// The element of each row whose number is given.
#[track_caller]
fn picked(x: &Tensor, labels: &Tensor, axis: isize) -> Tensor {
    x.take_along_axis(&labels.expand_dims(axis), axis).squeeze(axis)
}

/// Where labels are not `class`, in the shape of `values`.
#[track_caller]
fn other_than(class: i32, labels: &Tensor, values: &Tensor) -> Tensor {
    labels.cast(DType::I32).not_equal(class).reshape(values.shape())
}

impl SparseCategoricalCrossentropy {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let axis = self.axis as isize;
        warn_of_scale("sparse_categorical_crossentropy", "softmax", self.from_logits, y_pred);
        let Some(ignored) = self.ignore_class else {
            let (labels, x) =
                class_numbers("sparse_categorical_crossentropy", y_true, y_pred, axis);
            return self.of_classes(&labels, &x);
        };
        // Labels and predictions of rows that do not count are replaced, so that no NaN of theirs
        // reaches a gradient.
        let valid = y_true.cast(DType::I32).not_equal(ignored);
        let (labels, x) = class_numbers(
            "sparse_categorical_crossentropy",
            &valid.where_(y_true, 0),
            y_pred,
            axis,
        );
        let valid = if valid.shape().len() == labels.shape().len() {
            valid.reshape(labels.shape())
        } else {
            labels.equal(0)
        };
        let x = valid.expand_dims(axis).where_(&x, 0.0);
        valid.where_(self.of_classes(&labels, &x), 0.0)
    }

    #[track_caller]
    fn of_classes(&self, labels: &Tensor, x: &Tensor) -> Tensor {
        let axis = self.axis as isize;
        let logits =
            if self.from_logits { x.clone() } else { x.clip(EPSILON, 1.0 - EPSILON).log() };
        logits.logsumexp_axes([axis]) - picked(&logits, labels, axis)
    }
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`sparse_categorical_crossentropy`] as a loss, and as a metric: its mean over the epoch.
    /// Rows of the class to ignore, if one is set, are 0 and not counted by means.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(10));
    /// model.compile(
    ///     Sgd::new(0.1),
    ///     SparseCategoricalCrossentropy.from_logits(true).ignore_class(-1),
    ///     (),
    /// );
    /// ```
    SparseCategoricalCrossentropy ["sparse_categorical_crossentropy"] {
        /// Whether predictions are unscaled log-probabilities instead of probabilities; they are
        /// probabilities unless set.
        from_logits: bool = false,
        /// The number of a class whose rows do not count, in range or not, such as -1; none unless
        /// set.
        ignore_class: Option<i32> = None,
        /// The axis of the classes; the last unless set.
        axis: i32 = -1,
    } => self.values(y_true, y_pred), {
            #[track_caller]
            fn mask(&self, labels: &Tensor, values: &Tensor) -> Option<Tensor> {
                self.ignore_class.map(|class| other_than(class, labels, values))
            }

            fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
                Targets::classes(y_true, y_pred, self.axis as isize, self.ignore_class)
            }
    };

    /// [`categorical_generalized_cross_entropy`] as a loss, and as a metric: its mean over the
    /// epoch.
    ///
    /// ```
    /// use endo::{losses::CategoricalGeneralizedCrossEntropy, prelude::*};
    /// let mut f =
    ///     Function::new(
    ///         |[y, y_pred], _cx| [CategoricalGeneralizedCrossEntropy.call(&y, &y_pred)],
    ///     );
    /// assert_eq!(f.run([&[1].into(), &[[0.75_f32, 0.25]].into()])?[0], Array::from([1.0_f32]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    CategoricalGeneralizedCrossEntropy ["categorical_generalized_cross_entropy"] {
        /// How little wrong labels count, between 0 and 1; 0.5 unless set.
        q: f64 = 0.5,
    } => categorical_generalized_cross_entropy(y_true, y_pred, self.q), {
            fn targets(&self, y_true: &Shape, y_pred: &Shape) -> Targets {
                Targets::classes(y_true, y_pred, -1, None)
            }
    };
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::super::{Loss, Reduction};
    use super::*;
    use crate::trace::Function;

    #[test]
    fn the_logarithm_of_the_classes_probability_is_the_loss() {
        let p = [[0.2_f32, 0.8], [0.5, 0.5]];
        let expected = [-0.8_f64.ln(), -0.5_f64.ln()];
        assert_near(&values(SparseCategoricalCrossentropy, [1, 0], p).unwrap(), &expected);
        assert_near(
            &values(SparseCategoricalCrossentropy, [[1.0_f32], [0.0]], p).unwrap(),
            &expected,
        );
        let logits = p.map(|row| row.map(|p| p.ln() - 3.0));
        assert_near(
            &values(SparseCategoricalCrossentropy.from_logits(true), [1, 0], logits).unwrap(),
            &expected,
        );
        assert_near(
            &values(SparseCategoricalCrossentropy.axis(0), [1, 0], [[0.2_f32, 0.5], [0.8, 0.5]])
                .unwrap(),
            &expected,
        );
    }

    #[test]
    fn classes_out_of_range_are_nan_also_below_zero() {
        let got = values(
            SparseCategoricalCrossentropy.from_logits(true),
            [-1, 0, 2],
            [[0.0_f32, 0.0]; 3],
        )
        .unwrap();
        assert!(got[0].is_nan() && got[1].is_finite() && got[2].is_nan(), "{got:?}");
        assert!(
            values(CategoricalGeneralizedCrossEntropy, [2], [[0.5_f32, 0.5]]).unwrap()[0].is_nan()
        );
    }

    #[test]
    fn ignored_rows_are_neither_counted_nor_differentiated() {
        let loss = SparseCategoricalCrossentropy.from_logits(true).ignore_class(-1);
        let (labels, x) = ([-1, 0], [[f32::NAN, 1.0], [0.0, 0.0]]);
        assert_near(&values(loss.clone(), labels, x).unwrap(), &[0.0, 2.0_f64.ln()]);
        assert_eq!(slopes(loss.clone(), labels, x), [0.0, 0.0, -0.5, 0.5]);
        let mean = |reduction: Reduction| {
            let mut f = Function::new(|[y, x], _cx| {
                [loss.clone().with_reduction(reduction).apply(&y, &x, None)]
            });
            f.run([&labels.into(), &x.into()]).unwrap()[0].to_vec::<f64>()
        };
        assert_near(&mean(Reduction::SumOverBatchSize), &[2.0_f64.ln()]);
        assert_near(&mean(Reduction::None), &[0.0, 2.0_f64.ln()]);
    }

    #[test]
    fn generalized_losses_lie_between_crossentropy_and_distance() {
        let p = [[0.3_f32, 0.7]];
        for q in [0.25, 0.999] {
            let got = values(CategoricalGeneralizedCrossEntropy.q(q), [1], p).unwrap();
            assert_near(&got, &[(1.0 - 0.7_f64.powf(q)) / q]);
        }
        assert_eq!(slopes(CategoricalGeneralizedCrossEntropy, [0], [[0.0_f32, 1.0]]), [0.0, 0.0]);
        let error = values(CategoricalGeneralizedCrossEntropy.q(1.0), [1], p).unwrap_err();
        assert_eq!(error.advice(), Some("q lies between 0 and 1"));
    }

    #[test]
    fn one_hot_rows_are_sent_to_the_right_loss() {
        for loss in [SparseCategoricalCrossentropy, SparseCategoricalCrossentropy.ignore_class(0)] {
            let error = values(loss, [[0.0_f32, 1.0]], [[0.5_f32, 0.5]]).unwrap_err();
            error.reads(
                "`sparse_categorical_crossentropy` of targets [1, 2] and predictions [1, 2]",
            );
            error.advises("`categorical_crossentropy`");
        }
    }
}
