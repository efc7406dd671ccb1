//! Exponentials, logarithms and roots.
//!
//! In and out: floats. Accuracy and special values are those of the functions in `simd/`. Where a
//! slope is infinite (`log` and `sqrt` at 0), a gradient of 0 stays 0, so that a clamp after them
//! never gives NaN.

use super::arithmetic::unless_both_are_zero;

unary! { TABLE;
    /// `e^x`.
    exp(x) = x.exp();
    gradient(y, dy) = dy * y;
    domain = [-2.0, 2.0];

    /// `e^x - 1`, accurate for small `x`.
    expm1(x) = x.expm1();
    gradient(y, dy) = dy * (y + 1.0);
    domain = [-2.0, 2.0];

    /// The natural logarithm.
    log(x) = x.log();
    gradient(y, dy) = dy / unless_both_are_zero(x, dy);
    domain = [0.2, 3.0];

    /// `log(1 + x)`, accurate for small `x`.
    log1p(x) = x.log1p();
    gradient(y, dy) = dy / unless_both_are_zero(&(x + 1.0), dy);
    domain = [-0.5, 2.0];

    /// The square root.
    sqrt(x) = x.sqrt();
    gradient(y, dy) = {
        // The root of a number below 0 is NaN, which a choice of something else lets nothing of
        // pass.
        let divisor = (y.greater(0.0) | dy.not_equal(0.0)).where_(y, 1.0);
        dy * 0.5 / divisor
    };
    domain = [0.2, 3.0];

    /// `1 / sqrt(x)`.
    rsqrt(x) = F::ONE / x.sqrt();
    gradient(y, dy) = {
        // One factor after the other: the cube of a finite `y` may be infinite where all of the
        // product is not.
        let share = y.multiply_no_nan(dy * -0.5);
        y.multiply_no_nan(y.multiply_no_nan(share))
    };
    domain = [0.2, 3.0];
}
