//! Exponentials, logarithms and roots.
//!
//! In and out: floats. Accuracy and special values are those of the functions in `simd/`.

use crate::simd;

unary! {
    /// `e^x`.
    exp(x) = simd::exp(x);
    gradient(y, dy) = dy * y;
    domain = [-2.0, 2.0];

    /// `e^x - 1`, accurate for small `x`.
    expm1(x) = simd::expm1(x);
    gradient(y, dy) = dy * (y + 1.0);
    domain = [-2.0, 2.0];

    /// The natural logarithm.
    log(x) = simd::log(x);
    gradient(y, dy) = dy / x;
    domain = [0.2, 3.0];

    /// `log(1 + x)`, accurate for small `x`.
    log1p(x) = simd::log1p(x);
    gradient(y, dy) = dy / (x + 1.0);
    domain = [-0.5, 2.0];

    /// The square root.
    sqrt(x) = x.sqrt();
    gradient(y, dy) = dy * 0.5 / y;
    domain = [0.2, 3.0];

    /// `1 / sqrt(x)`.
    rsqrt(x) = F::ONE / x.sqrt();
    gradient(y, dy) = dy * -0.5 * (y * y * y);
    domain = [0.2, 3.0];
}
