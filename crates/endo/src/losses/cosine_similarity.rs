//! The negative cosine of the angle between targets and predictions. A file of its own: the metric
//! of the same name has the other sign, so that the prelude has neither.
//!
//! In: targets and predictions of one shape. Out: sums over an axis, the last unless set.

use crate::graph::Tensor;
use crate::named::family;

use super::shapes::same_shape;
use super::{EPSILON, Loss};

/// The negative cosine of the angle between target and prediction,
/// `-sum(y_true / |y_true| * y_pred / |y_pred|)` along an axis (-1 is the last): -1 for the same
/// direction, 0 for orthogonal ones or where one is zero. `[batch]` from `[batch, features]`.
#[track_caller]
pub fn cosine_similarity(y_true: &Tensor, y_pred: &Tensor, axis: isize) -> Tensor {
    let (y_true, y_pred) = same_shape("cosine_similarity", y_true, y_pred);
    let axes = [axis];
    // Lengths below 1e-7 count as that, so that zero has a direction, and a gradient.
    let unit = |x: &Tensor| {
        x * x.square().sum_axes(axes).maximum(EPSILON * EPSILON).rsqrt().keep_dims(x, axes)
    };
    -(unit(&y_true) * unit(&y_pred)).sum_axes(axes)
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`cosine_similarity`] as a loss: minimized, it makes directions equal.
    ///
    /// ```
    /// use endo::{losses::CosineSimilarity, prelude::*};
    /// let mut f = Function::new(|[y, y_pred], _cx| [CosineSimilarity.call(&y, &y_pred)]);
    /// assert_eq!(
    ///     f.run([&[[0.0_f32, 2.0]].into(), &[[0.0_f32, 8.0]].into()])?[0],
    ///     Array::from([-1.0_f32])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    CosineSimilarity ["cosine_similarity"] {
        /// The axis along which vectors lie; the last unless set.
        axis: i32 = -1,
    } => cosine_similarity(y_true, y_pred, self.axis as isize);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn a_vector_of_zeros_is_orthogonal_to_all_and_has_a_finite_gradient() {
        let [y, p] =
            [[[3.0_f32, 4.0], [1.0, 0.0], [0.0, 0.0]], [[-6.0, -8.0], [0.0, 0.0], [1.0, 1.0]]];
        assert_near(&values(CosineSimilarity, y, p).unwrap(), &[1.0, 0.0, 0.0]);
        assert!(slopes(CosineSimilarity, y, p).iter().all(|slope| slope.is_finite()));
        assert_near(
            &values(CosineSimilarity.axis(0), [[3.0_f32], [4.0]], [[6.0_f32], [8.0]]).unwrap(),
            &[-1.0],
        );
    }
}
