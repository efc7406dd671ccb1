//! Circular and hyperbolic functions, and the error function.
//!
//! In and out: floats; angles are in radians.

use std::f64::consts::FRAC_2_SQRT_PI;

use crate::simd;

unary! { TABLE;
    /// The sine of an angle in radians.
    sin(x) = x.sin();
    gradient(y, dy) = x.cos().multiply_no_nan(dy);
    domain = [-3.0, 3.0];

    /// The cosine of an angle in radians.
    cos(x) = x.cos();
    gradient(y, dy) = x.sin().multiply_no_nan(-dy);
    domain = [-3.0, 3.0];

    /// The hyperbolic tangent.
    tanh(x) = x.tanh();
    gradient(y, dy) = dy * (1.0 - y * y);
    domain = [-2.0, 2.0];

    /// The error function `2 / sqrt(pi) * integral of e^(-t^2) from 0 to x`.
    erf(x) = x.erf();
    gradient(y, dy) = dy * FRAC_2_SQRT_PI * (-x.square()).exp();
    domain = [-2.0, 2.0];

    /// The inverse of [`erf`](Self::erf), on (-1, 1).
    erfinv(x) = simd::erfinv(x);
    gradient(y, dy) = y.square().exp().multiply_no_nan(dy * (1.0 / FRAC_2_SQRT_PI));
    domain = [-0.9, 0.9];
}
