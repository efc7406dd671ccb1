//! Nonlinear functions of neural networks that deserve one pass of their own; the rest are
//! compositions in `activations`.
//!
//! At kinks (`relu`, `elu` at 0) gradients are TensorFlow's.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI};

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

    /// `x Phi(x)` with the normal distribution function `Phi(x) = (1 + erf(x / sqrt(2))) / 2`
    /// (Hendrycks and Gimpel 2016, section 2).
    gelu(x) = F::HALF * x * (F::ONE + (x * F::from_f64(FRAC_1_SQRT_2)).erf());
    gradient(y, dy) = dy * x.gelu_slope();
    domain = [-2.0, 2.0];

    /// The slope of [`gelu`](Self::gelu) at `x`: `Phi(x) + x phi(x)` with the normal density
    /// `phi(x) = e^(-x^2 / 2) / sqrt(2 pi)`.
    gelu_slope(x) = {
        let density = F::from_f64(NORMAL_DENSITY) * (-(F::HALF * x * x)).exp();
        F::HALF * (F::ONE + (x * F::from_f64(FRAC_1_SQRT_2)).erf()) + x * density
    };
    gradient(y, dy) = {
        // Beyond, the density is 0, and its product with an infinite square would not be.
        let x = x.maximum(-40.0).minimum(40.0);
        dy * (NORMAL_DENSITY * (-0.5 * x.square()).exp() * (2.0 - x.square()))
    };
    domain = [-2.0, 2.0];

    /// The approximation `x (1 + tanh(u)) / 2` of [`gelu`](Self::gelu), with
    /// `u = sqrt(2 / pi) (x + 0.044715 x^3)` (Hendrycks and Gimpel 2016, section 2).
    gelu_tanh(x) = {
        let cube = F::from_f64(GELU_CUBE) * x * x * x;
        F::HALF * x * (F::ONE + (F::from_f64(FRAC_2_PI.sqrt()) * (x + cube)).tanh())
    };
    gradient(y, dy) = dy * x.gelu_tanh_slope();
    domain = [-2.0, 2.0];

    /// The slope of [`gelu_tanh`](Self::gelu_tanh) at `x`.
    gelu_tanh_slope(x) = {
        // Beyond, the tanh is 1 or -1, and its slope times an infinite square would not be 0.
        let x = x.maximum(F::from_f64(-10.0)).minimum(F::from_f64(10.0));
        let scale = F::from_f64(FRAC_2_PI.sqrt());
        let share = (scale * (x + F::from_f64(GELU_CUBE) * x * x * x)).tanh();
        let pace = scale * (F::ONE + F::from_f64(3.0 * GELU_CUBE) * x * x);
        F::HALF * (F::ONE + share) + F::HALF * x * (F::ONE - share * share) * pace
    };
    gradient(y, dy) = {
        let x = &x.maximum(-10.0).minimum(10.0);
        let scale = FRAC_2_PI.sqrt();
        let share = (scale * (x + GELU_CUBE * x.square() * x)).tanh();
        let pace = scale * (1.0 + 3.0 * GELU_CUBE * x.square());
        let bend = 3.0 * scale * GELU_CUBE * x.square() - x * &share * pace.square();
        dy * (1.0 - share.square()) * (pace + bend)
    };
    domain = [-2.0, 2.0];
}

/// `1 / sqrt(2 pi)`: the normal density at 0.
const NORMAL_DENSITY: f64 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// What the tanh of `gelu_tanh` takes of `x^3`.
const GELU_CUBE: f64 = 0.044715;
