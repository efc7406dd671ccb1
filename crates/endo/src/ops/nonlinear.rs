//! Nonlinear functions of neural networks that deserve one pass of their own; the rest are
//! compositions in `activations`.
//!
//! At kinks (`relu`, `elu` at 0) gradients are TensorFlow's.

use crate::simd;

pub use crate::simd::{SELU_ALPHA, SELU_SCALE};

unary! { TABLE;
    /// `max(x, 0)`; NaN at NaN. Its gradient at 0 is 0.
    relu(x) = x.maximum(F::ZERO);
    gradient(y, dy) = y.greater(0.0).where_(dy, 0.0);
    domain = [-2.0, 2.0];

    /// The logistic function `1 / (1 + e^-x)`.
    sigmoid(x) = simd::sigmoid(x);
    gradient(y, dy) = dy * (y * (1.0 - y));
    domain = [-2.0, 2.0];

    /// `log(1 + e^x)`, without overflow.
    softplus(x) = simd::softplus(x);
    gradient(y, dy) = dy * x.sigmoid();
    domain = [-2.0, 2.0];

    /// `x` where positive, else `e^x - 1` (Clevert, Unterthiner and Hochreiter 2016, equation 15,
    /// with alpha 1).
    elu(x) = F::select(x.greater(F::ZERO), x, x.scaled_expm1_negative(1.0));
    gradient(y, dy) = dy * y.elu_slope();
    domain = [-2.0, 2.0];

    /// The slope of [`elu`](Self::elu) where its value is `x`: 1 above 0, else `x + 1`.
    elu_slope(x) = simd::elu_slope(x);
    gradient(y, dy) = x.greater(0.0).where_(0.0, dy);
    domain = [-0.9, 2.0];

    /// `scale * x` where positive, else `scale * alpha * (e^x - 1)` (Klambauer et al. 2017,
    /// equation 2).
    selu(x) = F::select(
        x.greater(F::ZERO),
        F::from_f64(SELU_SCALE) * x,
        x.scaled_expm1_negative(SELU_SCALE * SELU_ALPHA),
    );
    gradient(y, dy) = dy * y.selu_slope();
    domain = [-2.0, 2.0];

    /// The slope of [`selu`](Self::selu) where its value is `x`: the scale from 0 on, else
    /// `x + scale * alpha`.
    selu_slope(x) = simd::selu_slope(x);
    gradient(y, dy) = x.greater_equal(0.0).where_(0.0, dy);
    domain = [-0.9, 2.0];
}
