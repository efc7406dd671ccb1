//! Exponentials, logarithms and roots.
//!
//! In and out: floats. Accuracy and special values are those of the functions in `simd/`. Where a slope is infinite (`log` and `sqrt`
//! at 0, `exp` beyond the largest number), a gradient of 0 stays 0, so that a clamp after them never gives NaN.

use crate::simd;

unary! {
    /// `e^x`.
    exp(x) = simd::exp(x);
    gradient(y, dy) = y.multiply_no_nan(dy);
    domain = [-2.0, 2.0];

    /// `e^x - 1`, accurate for small `x`.
    expm1(x) = simd::expm1(x);
    gradient(y, dy) = (y + 1.0).multiply_no_nan(dy);
    domain = [-2.0, 2.0];

    /// The natural logarithm.
    log(x) = simd::log(x);
    gradient(y, dy) = dy.xdivy(x);
    domain = [0.2, 3.0];

    /// `log(1 + x)`, accurate for small `x`.
    log1p(x) = simd::log1p(x);
    gradient(y, dy) = dy.xdivy(x + 1.0);
    domain = [-0.5, 2.0];

    /// The square root.
    sqrt(x) = x.sqrt();
    gradient(y, dy) = (dy * 0.5).xdivy(y);
    domain = [0.2, 3.0];

    /// `1 / sqrt(x)`.
    rsqrt(x) = F::ONE / x.sqrt();
    gradient(y, dy) = {
        // One factor after the other: the cube of a finite `y` may be infinite where all of the product is not.
        let share = y.multiply_no_nan(dy * -0.5);
        y.multiply_no_nan(y.multiply_no_nan(share))
    };
    domain = [0.2, 3.0];
}
