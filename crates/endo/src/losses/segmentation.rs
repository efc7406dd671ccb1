//! Losses of the overlap between regions, for images whose pixels are labelled 0/1.
//!
//! In: labels and probabilities of one shape, `[batch, .., channels]`. Out: one number, or with an
//! axis one for each position of the other axes.

use crate::graph::Tensor;
use crate::named::Axes;
use crate::named::family;

use super::EPSILON;
use super::Loss;
use super::shapes::same_shape;

/// `1 - 2 sum(t p) / (sum(t) + sum(p) + 1e-7)`, over all axes: 0 for equal regions, 1 for disjoint
/// ones (Dice 1945; as a loss Milletari, Navab and Ahmadi 2016). A scalar.
#[track_caller]
pub fn dice(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    Dice.values(y_true, y_pred)
}

/// `1 - sum(t p) / (sum(t p) + alpha sum(t (1 - p)) + beta sum((1 - t) p) + 1e-7)`, over all axes:
/// [`dice`] with weights for what was missed and for what was added (Tversky 1977; as a loss
/// Salehi, Erdogmus and Gholipour 2017). A scalar.
#[track_caller]
pub fn tversky(y_true: &Tensor, y_pred: &Tensor, alpha: f64, beta: f64) -> Tensor {
    Tversky.alpha(alpha).beta(beta).values(y_true, y_pred)
}

/// Sums over the axes, or over all.
#[track_caller]
fn total(values: &Tensor, axis: Option<&Axes>) -> Tensor {
    match axis {
        Some(axes) => values.sum_axes(axes.as_slice()),
        None => values.sum(),
    }
}

impl Dice {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let (t, p) = same_shape("dice", y_true, y_pred);
        let axis = self.axis.as_ref();
        1.0 - 2.0 * total(&(&t * &p), axis) / (total(&t, axis) + total(&p, axis) + EPSILON)
    }
}

impl Tversky {
    #[track_caller]
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let (t, p) = same_shape("tversky", y_true, y_pred);
        let axis = self.axis.as_ref();
        let both = total(&(&t * &p), axis);
        let missed = total(&((1.0 - &p) * &t), axis);
        let added = total(&(p * (1.0 - t)), axis);
        1.0 - &both / (&both + missed * self.alpha + added * self.beta + EPSILON)
    }
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`dice`] as a loss: of the whole batch, which then has no weights per sample, or with an
    /// axis of each sample.
    ///
    /// ```
    /// use endo::{losses::Dice, prelude::*};
    /// let per_image = Dice.axis([1, 2, 3]);
    /// let mut f = Function::new(|[y, y_pred], _cx| [Dice.axis(1).call(&y, &y_pred)]);
    /// let [loss] =
    ///     f.run([&[[1.0_f32, 1.0], [1.0, 0.0]].into(), &[[1.0_f32, 0.0], [0.0, 1.0]].into()])?;
    /// assert!((loss.get(0) - 1.0 / 3.0).abs() < 1e-6 && loss.get(1) == 1.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Dice ["dice"] {
        /// The axes of one region; all of them, the batch's too, unless set.
        axis: Option<Axes> => Axes = None,
    } => self.values(y_true, y_pred);

    /// [`tversky`] as a loss: of the whole batch, which then has no weights per sample, or with an
    /// axis of each sample.
    ///
    /// ```
    /// use endo::{losses::Tversky, prelude::*};
    /// let missing_is_worse = Tversky.alpha(0.7).beta(0.3).axis([1, 2, 3]);
    /// let mut f =
    ///     Function::new(|[y, y_pred], _cx| [Tversky.alpha(1.0).axis(1).call(&y, &y_pred)]);
    /// let [loss] = f.run([&[[1.0_f32, 1.0]].into(), &[[1.0_f32, 0.0]].into()])?;
    /// assert_eq!(loss.get(0), 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Tversky ["tversky"] {
        /// The weight of what is in the target alone; 0.5 unless set.
        alpha: f64 = 0.5,
        /// The weight of what is in the prediction alone; 0.5 unless set.
        beta: f64 = 0.5,
        /// The axes of one region; all of them, the batch's too, unless set.
        axis: Option<Axes> => Axes = None,
    } => self.values(y_true, y_pred);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn equal_weights_of_a_half_make_tversky_dice() {
        let [y, p] = [[[1.0_f32, 0.0, 1.0], [0.0, 0.0, 1.0]], [[0.75, 0.25, 0.0], [0.5, 0.0, 1.0]]];
        let expected = [1.0 - 1.5 / 3.0, 1.0 - 2.0 / 2.5];
        assert_near(&values(Dice.axis(-1), y, p).unwrap(), &expected);
        assert_near(&values(Tversky.axis(-1), y, p).unwrap(), &expected);
        assert_near(&values(Dice, y, p).unwrap(), &[1.0 - 3.5 / 5.5]);
    }

    #[test]
    fn empty_regions_cost_one_and_have_finite_gradients() {
        let zeros = [[0.0_f32, 0.0]];
        assert_eq!(values(Dice, zeros, zeros).unwrap(), [1.0]);
        assert_eq!(values(Tversky, zeros, zeros).unwrap(), [1.0]);
        assert!(
            slopes(Dice, zeros, zeros)
                .iter()
                .chain(&slopes(Tversky, zeros, zeros))
                .all(|slope| slope.is_finite())
        );
    }

    #[test]
    fn an_axis_that_is_not_there_is_refused() {
        values(Dice.axis([1, 2]), [[1.0_f32]], [[1.0_f32]]).unwrap_err().says("axis 2");
    }
}
