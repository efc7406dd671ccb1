//! Losses of numbers against numbers.
//!
//! In: targets and predictions `[batch, .., features]` of one shape. Out: `[batch, ..]`, means over
//! the last axis.

use crate::graph::Tensor;
use crate::named::family;

use super::EPSILON;
use super::Loss;
use super::shapes::{mean_over, same_shape};

/// The squared error, `mean((y_true - y_pred)^2)` over the last axis: `[batch]` from
/// `[batch, features]`.
///
/// Targets `[batch]` against predictions `[batch, 1]` are an error here; a compiled loss takes them
/// as a column.
///
/// ```
/// # use endo::prelude::*;
/// let mut f = Function::new(|[y, y_pred], _cx| [mean_squared_error(&y, &y_pred)]);
/// let [loss] = f.run([&[[1.0_f32], [2.0]].into(), &[[1.0_f32], [4.0]].into()])?;
/// assert_eq!(loss.to_vec::<f32>(), [0.0, 4.0]);
/// # Ok::<(), endo::Error>(())
/// ```
#[track_caller]
pub fn mean_squared_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("mean_squared_error", y_true, y_pred);
    mean_over(&(y_true - y_pred).square(), -1)
}

/// The absolute error, `mean(|y_true - y_pred|)` over the last axis: `[batch]` from
/// `[batch, features]`. Its gradient is 0 where the error is.
#[track_caller]
pub fn mean_absolute_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("mean_absolute_error", y_true, y_pred);
    mean_over(&(y_true - y_pred).abs(), -1)
}

/// The absolute error in percent of the target,
/// `100 * mean(|y_true - y_pred| / max(|y_true|, 1e-7))` over the last axis: `[batch]` from
/// `[batch, features]`.
#[track_caller]
pub fn mean_absolute_percentage_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("mean_absolute_percentage_error", y_true, y_pred);
    100.0 * mean_over(&((&y_true - y_pred).abs() / y_true.abs().maximum(EPSILON)), -1)
}

/// The squared difference of logarithms, `mean((log(y_true + 1) - log(y_pred + 1))^2)` over the
/// last axis, with numbers below 1e-7 raised to it: `[batch]` from `[batch, features]`.
#[track_caller]
pub fn mean_squared_logarithmic_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("mean_squared_logarithmic_error", y_true, y_pred);
    mean_over(&(y_pred.maximum(EPSILON).log1p() - y_true.maximum(EPSILON).log1p()).square(), -1)
}

/// `mean(log(cosh(y_pred - y_true)))` over the last axis, computed as
/// `|e| + log(1 + exp(-2 |e|)) - log 2`, which never overflows: half the squared error near 0, the
/// absolute error less `log 2` far from it. `[batch]` from `[batch, features]`.
#[track_caller]
pub fn log_cosh(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("log_cosh", y_true, y_pred);
    let distance = (y_pred - y_true).abs();
    mean_over(&(&distance + (&distance * -2.0).softplus() - std::f64::consts::LN_2), -1)
}

/// Half the squared error up to `delta`, linear beyond (Huber 1964): `e^2 / 2` where
/// `|e| <= delta`, else
/// `delta |e| - delta^2 / 2`; the mean over the last axis: `[batch]` from `[batch, features]`.
#[track_caller]
pub fn huber(y_true: &Tensor, y_pred: &Tensor, delta: f64) -> Tensor {
    let (y_true, y_pred) = same_shape("huber", y_true, y_pred);
    let error = y_true - y_pred;
    let distance = error.abs();
    let small = distance.less_equal(delta);
    mean_over(&small.where_(error.square() * 0.5, distance * delta - 0.5 * delta * delta), -1)
}

family! { Loss: call(self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;
    /// [`mean_squared_error`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, [MeanSquaredError]);
    /// ```
    MeanSquaredError ["mean_squared_error", "mse"] {} => mean_squared_error(y_true, y_pred);

    /// [`mean_absolute_error`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, [MeanAbsoluteError]);
    /// ```
    MeanAbsoluteError ["mean_absolute_error", "mae"] {} => mean_absolute_error(y_true, y_pred);

    /// [`mean_absolute_percentage_error`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::MeanAbsolutePercentageError, prelude::*};
    /// let mut f =
    ///     Function::new(|[y, y_pred], _cx| [MeanAbsolutePercentageError.call(&y, &y_pred)]);
    /// assert_eq!(f.run([&[[4.0_f32]].into(), &[[3.0_f32]].into()])?[0], Array::from([25.0_f32]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    MeanAbsolutePercentageError ["mean_absolute_percentage_error", "mape"]
        {} => mean_absolute_percentage_error(y_true, y_pred);

    /// [`mean_squared_logarithmic_error`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::MeanSquaredLogarithmicError, prelude::*};
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), MeanSquaredLogarithmicError, ());
    /// ```
    MeanSquaredLogarithmicError ["mean_squared_logarithmic_error", "msle"]
        {} => mean_squared_logarithmic_error(y_true, y_pred);

    /// [`log_cosh`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::{losses::LogCosh, prelude::*};
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), LogCosh, ());
    /// ```
    LogCosh ["log_cosh"] {} => log_cosh(y_true, y_pred);

    /// [`huber`] as a loss, and as a metric: its mean over the epoch.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), Huber.delta(2.0), [MeanAbsoluteError]);
    /// ```
    Huber ["huber"] {
        /// The error up to which the loss is quadratic; 1 unless set.
        delta: f64 = 1.0,
    } => huber(y_true, y_pred, self.delta);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_near, slopes, values};
    use super::*;

    #[test]
    fn errors_are_averaged_over_the_last_axis() {
        let [y, p] = [[[1.0_f32, 2.0], [0.0, 0.0]], [[1.0, 4.0], [3.0, -1.0]]];
        assert_eq!(values(MeanSquaredError, y, p).unwrap(), [2.0, 5.0]);
        assert_eq!(values(MeanAbsoluteError, y, p).unwrap(), [1.0, 2.0]);
        assert_eq!(values(Huber, y, p).unwrap(), [0.75, 1.5]);
        assert_eq!(values(Huber.delta(2.0), y, p).unwrap(), [1.0, 2.25]);
        assert_near(
            &values(MeanAbsolutePercentageError, [[2.0_f32, -4.0]], [[1.0_f32, -5.0]]).unwrap(),
            &[37.5],
        );
        assert_near(
            &values(MeanSquaredLogarithmicError, [[0.0_f32]], [[1.0_f32]]).unwrap(),
            &[2.0_f64.ln().powi(2)],
        );
        assert_near(&values(LogCosh, [[0.0_f32]], [[1.0_f32]]).unwrap(), &[1.0_f64.cosh().ln()]);
    }

    #[test]
    fn slopes_at_no_error_are_zero() {
        for name in ["mse", "mae", "log_cosh", "huber"] {
            assert_eq!(slopes(super::super::get(name).unwrap(), [[2.0_f32]], [[2.0_f32]]), [0.0]);
        }
    }

    #[test]
    fn large_errors_do_not_overflow_log_cosh() {
        assert_near(
            &values(LogCosh, [[0.0_f32], [0.0]], [[1e30_f32], [-1e4]]).unwrap(),
            &[1e30, 1e4 - 2.0_f64.ln()],
        );
        assert_near(&slopes(LogCosh, [[0.0_f32], [0.0]], [[1e30_f32], [-1e4]]), &[1.0, -1.0]);
    }

    #[test]
    fn integers_are_compared_as_floats() {
        assert_eq!(values(MeanSquaredError, [[1, 2]], [[2.5_f32, 2.0]]).unwrap(), [1.125]);
        assert_eq!(values(MeanSquaredError, [[1.5_f32]], [[1]]).unwrap(), [0.25]);
    }
}
