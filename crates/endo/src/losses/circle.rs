//! The circle loss, which brings together what has the same label and keeps apart what has not.
//!
//! In: labels `[batch]`, embeddings `[batch, features]` of length 1. Out: `[batch]`, each sample
//! against all others of the batch.

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::Tensor;
use crate::named::family;
use crate::site::Site;

use super::Loss;

/// Far below every number that occurs here, in place of minus infinity, whose gradients would be
/// NaN.
const LOWEST: f64 = -1e30;

/// `log(1 + sum(exp(gamma a_n (1 - margin - n))) * sum(exp(-gamma a_p (margin - p))))` for each
/// sample, where `p` are its cosine distances to the other samples of its label, `n` those to
/// samples of other labels, and the weights are `a_p = margin + p` and
/// `a_n = max(1 + margin - n, 0)` (Sun et al. 2020, equation 6). `[batch]` from labels `[batch]` or
/// `[batch, 1]` and embeddings `[batch, features]`, which have length 1. A sample alone with its
/// label, or in a batch of one label, costs 0, and as a [`Circle`](struct@Circle) is not counted by
/// means.
#[track_caller]
pub fn circle(y_true: &Tensor, y_pred: &Tensor, gamma: f64, margin: f64) -> Tensor {
    Circle.gamma(gamma).margin(margin).values(y_true, y_pred)
}

impl Circle {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let site = Site::caller();
        let count = y_pred.batch();
        if y_pred.rank() != 2 || y_true.shape().len() != count || y_true.batch() != count {
            let message =
                format!("`circle` of labels {} and embeddings {}", y_true.shape(), y_pred.shape());
            let help = "give one label for each row: labels `[batch]` or `[batch, 1]`, embeddings \
                `[batch, features]`";
            return y_pred.fail(Error::shape(message, help), [count], site);
        }
        let x = y_pred.convert(y_pred.dtype().promote(DType::F32), site);
        let distance = (1.0 - x.matmul(&x.transpose())).maximum(0.0);
        let labels = y_true.cast(DType::I32);
        let same = labels.reshape([count, 1]).equal(labels.reshape([1, count]));
        let positive = if self.remove_diagonal {
            let numbers = x.trace().constant_from_fn([count], |sample| sample as i32, site);
            &same & numbers.reshape([count, 1]).not_equal(numbers.reshape([1, count]))
        } else {
            same.clone()
        };
        let near = -self.gamma * (&distance + self.margin).maximum(0.0) * (self.margin - &distance);
        let far = self.gamma
            * (1.0 + self.margin - &distance).maximum(0.0)
            * (1.0 - self.margin - &distance);
        let near = positive.where_(near, LOWEST).logsumexp_axes([1]);
        let far = same.where_(LOWEST, far).logsumexp_axes([1]);
        (near + far).softplus()
    }
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`circle`] as a loss. A mean divides by the number of samples that have a loss. The model's
    /// last step scales each row to length 1.
    ///
    /// ```
    /// use endo::{losses::Circle, prelude::*};
    /// let mut model = Model::new(Dense::new(8));
    /// model.compile(Sgd::new(0.1), Circle.gamma(64.0).margin(0.25), ());
    /// ```
    Circle ["circle"] {
        /// The scale of the distances; 80 unless set.
        gamma: f64 = 80.0,
        /// The distance that samples of one label may have, and that others may be short of 1; 0.4
        /// unless set.
        margin: f64 = 0.4,
        /// Whether samples are not compared with themselves; they are not unless set to false.
        remove_diagonal: bool = true,
    } => self.values(y_true, y_pred), {
            #[track_caller]
            fn mask(&self, _labels: &Tensor, values: &Tensor) -> Option<Tensor> {
                Some(values.not_equal(0.0))
            }
    };
}

#[cfg(test)]
mod tests {
    use super::super::Loss;
    use super::super::tests::{assert_near, slopes, values};
    use super::*;
    use crate::trace::Function;

    #[test]
    fn samples_of_one_label_are_drawn_together_and_others_apart() {
        // Distances: 0 between the first two, 1 to the third.
        let (labels, x) = ([0, 0, 1], [[1.0_f32, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let loss = Circle.gamma(2.0).margin(0.25);
        let [near, far] = [-2.0 * 0.25 * 0.25, 2.0 * 0.25 * -0.25_f64];
        let expected = (near + far).exp().ln_1p();
        assert_near(&values(loss.clone(), labels, x).unwrap(), &[expected, expected, 0.0]);
        assert_near(&values(loss, [[0], [0], [1]], x).unwrap(), &[expected, expected, 0.0]);
    }

    #[test]
    fn a_sample_alone_has_no_gradient_and_is_not_counted() {
        let (labels, x) = ([0, 1], [[1.0_f32, 0.0], [0.6, 0.8]]);
        assert_eq!(slopes(Circle, labels, x), [0.0; 4]);
        let (labels, x) = ([0, 0, 1], [[1.0_f32, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let mut f = Function::new(|[y, x], _cx| {
            [Circle.call(&y, &x).sum() / 2.0, Circle.apply(&y, &x, None)]
        });
        let [expected, mean] = f.run([&labels.into(), &x.into()]).unwrap();
        assert_eq!(mean, expected);
    }

    #[test]
    fn labels_have_to_match_rows() {
        let error = values(Circle, [0, 1], [[1.0_f32, 0.0]]).unwrap_err();
        error.reads("`circle` of labels [2] and embeddings [1, 2]");
    }
}
