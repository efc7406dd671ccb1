//! Losses of numbers against numbers.
//!
//! In: targets and predictions `[batch, ..., features]`. Out: means over the last axis.

use crate::graph::Tensor;

use super::{Loss, same_shape};

/// The squared error, `mean((y_true - y_pred)^2)` over the last axis: `[batch]` from `[batch, features]`.
///
/// Targets `[batch]` against predictions `[batch, 1]` are an error here; a compiled loss squeezes them.
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
    last_mean((y_true - y_pred).square())
}

/// The absolute error, `mean(|y_true - y_pred|)` over the last axis.
#[track_caller]
pub fn mean_absolute_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = same_shape("mean_absolute_error", y_true, y_pred);
    last_mean((y_true - y_pred).abs())
}

/// Half the squared error up to `delta`, linear beyond (Huber 1964): `e^2 / 2` where `|e| <= delta`, else
/// `delta |e| - delta^2 / 2`; the mean over the last axis.
#[track_caller]
pub fn huber(y_true: &Tensor, y_pred: &Tensor, delta: f64) -> Tensor {
    let (y_true, y_pred) = same_shape("huber", y_true, y_pred);
    let error = y_true - y_pred;
    let distance = error.abs();
    let small = distance.less_equal(delta);
    last_mean(small.where_(error.square() * 0.5, distance * delta - 0.5 * delta * delta))
}

fn last_mean(values: Tensor) -> Tensor {
    if values.rank() == 0 { values } else { values.mean_axes(&[-1]) }
}

macro_rules! plain_loss {
    ($(#[$doc:meta])* $Loss:ident = $function:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $Loss;

        impl $Loss {
            /// The loss or metric, written as Keras writes it.
            pub const fn new() -> Self {
                Self
            }
        }

        impl Loss for $Loss {
            #[track_caller]
            fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
                $function(y_true, y_pred)
            }

            fn name(&self) -> &str {
                stringify!($function)
            }
        }
    };
}

plain_loss! {
    /// [`mean_squared_error`] as a loss, and as a metric (its mean over the epoch).
    MeanSquaredError = mean_squared_error
}

plain_loss! {
    /// [`mean_absolute_error`] as a loss, and as a metric (its mean over the epoch).
    MeanAbsoluteError = mean_absolute_error
}

/// [`huber`] as a loss, and as a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// Quadratic up to errors of `delta`.
    pub const fn new(delta: f64) -> Self {
        Self { delta }
    }
}

impl Default for Huber {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl Loss for Huber {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        huber(y_true, y_pred, self.delta)
    }

    fn name(&self) -> &str {
        "huber"
    }
}
