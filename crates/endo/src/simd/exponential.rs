//! The exponential and what is made of it: `exp expm1 tanh sigmoid softplus`, and the slopes of ELU
//! and SELU.
//!
//! Argument reduction after Cody and Waite (1980), "Software Manual for the Elementary Functions":
//! `x = n·ln 2 + r` with |r| ≤ ½ ln 2 and `eˣ = 2ⁿ·eʳ`; the polynomials are minimax fits (Remez
//! exchange).

use super::arithmetic::{Scalar, polynomial};
use super::float::{Float, ln_2};

/// `(n, r)` with `x = n·ln 2 + r`, `n` an integer and |r| ≤ ½ ln 2.
#[inline(always)]
pub(super) fn reduce<F: Float>(x: F) -> (F, F) {
    let n = round_small(x * F::from_f64(std::f64::consts::LOG2_E));
    let (high, low) = ln_2::<F>();
    let r = n.mul_add(-high, x);
    (n, n.mul_add(-low, r))
}

/// The nearest integer to `x`, for |x| < 2^22 in `f32` and 2^51 in `f64`: two additions on any
/// processor.
#[inline(always)]
pub(super) fn round_small<F: Float>(x: F) -> F {
    let shift = F::from_f64(shift::<F>());
    (x + shift) - shift
}

/// What has no room for digits behind the point.
const fn shift<F: Float>() -> f64 {
    if F::SINGLE { 12582912.0 } else { 6755399441055744.0 }
}

/// `eʳ − 1` for |r| ≤ ½ ln 2: `r + r²·(½ + r/6 + ...)`.
#[inline(always)]
pub(super) fn expm1_reduced<F: Float>(r: F) -> F {
    let tail = if F::SINGLE {
        polynomial(r, [0.499999981, 0.1666654119, 0.04166721015, 0.0083668469, 0.00138824746])
    } else {
        polynomial(
            r,
            [
                0.5,
                0.16666666666666677,
                0.0416666666666665,
                0.008333333333321229,
                0.0013888888888965172,
                0.00019841269887291378,
                0.000024801587168870747,
                2.7557242900441003e-6,
                2.755740419460334e-7,
                2.5109536448244226e-8,
                2.0875333307441543e-9,
            ],
        )
    };
    (r * r).mul_add(tail, r)
}

/// `x` limited to where `eˣ` is neither zero nor infinite, and a little beyond.
#[inline(always)]
pub(super) fn limit<F: Float>(x: F) -> F {
    let (low, high) = if F::SINGLE { (-106.0, 89.0) } else { (-750.0, 710.0) };
    x.clamp(F::from_f64(low), F::from_f64(high))
}

/// `eˣ`, within 1.1 ULP; subnormal results are kept.
#[inline(always)]
pub fn exp<F: Float>(x: F) -> F {
    let (n, r) = reduce(limit(x));
    (expm1_reduced(r) + F::ONE).scale(n)
}

/// `eˣ − 1` without cancellation near 0, within 3 ULP.
#[inline(always)]
pub fn expm1<F: Float>(x: F) -> F {
    let (n, r) = reduce(limit(x));
    // 2ⁿ·(eʳ − 1) + (2ⁿ − 1), both halved: 2ⁿ itself would overflow at the largest x. Below n =
    // −100 the result is −1 whatever n is, and 2ⁿ would be subnormal.
    let half = F::power_of_two(F::select(n < F::from_f64(-100.0), F::from_f64(-100.0), n) - F::ONE);
    let result = F::TWO * expm1_reduced(r).mul_add(half, half - F::HALF);
    result.copysign(x)
}

/// `scale · (eˣ − 1)` for x ≤ 0 and 1 ≤ scale < 2, within 3 ULP, in half the operations of
/// [`expm1`]; any number for positive x.
#[inline(always)]
pub fn scaled_expm1_negative<F: Float>(x: F, scale: f64) -> F {
    // From here on the result is −scale, and 2ⁿ stays a normal number.
    let lowest = F::from_f64(if F::SINGLE { -87.0 } else { -708.0 });
    let x = F::select(x < lowest, lowest, x);
    let (n, r) = if F::FUSED {
        // What ln 2 lacks of all its digits is n·2ⁿ times too small to matter.
        let shift = F::from_f64(shift::<F>());
        let n = x.mul_add(F::from_f64(std::f64::consts::LOG2_E), shift) - shift;
        (n, n.mul_add(F::from_f64(-std::f64::consts::LN_2), x))
    } else {
        reduce(x)
    };
    let scale = F::from_f64(scale);
    let power = scale.times_power_of_two(n);
    expm1_reduced(r).mul_add(power, power - scale)
}

/// `tanh x = (e²ˣ − 1) / (e²ˣ + 1)`, within 3 ULP.
#[inline(always)]
pub fn tanh<F: Float>(x: F) -> F {
    // From here on tanh rounds to 1, and e²ˣ stays finite.
    let one = F::from_f64(if F::SINGLE { 10.0 } else { 20.0 });
    let magnitude = x.abs();
    let magnitude = F::select(magnitude > one, one, magnitude);
    let (n, r) = reduce(magnitude + magnitude);
    let power = F::power_of_two(n);
    let e = expm1_reduced(r).mul_add(power, power - F::ONE);
    (e / (e + F::TWO)).copysign(x)
}

/// `1 / (1 + e⁻ˣ)`, the logistic function, within 3 ULP for results that are normal numbers.
#[inline(always)]
pub fn sigmoid<F: Scalar>(x: F) -> F {
    // e^−|x| cannot overflow; a negative x has σ(x) = eˣ / (1 + eˣ).
    let e = (-x.abs()).exp();
    F::select(x.less(F::ZERO), e, F::ONE) / (e + F::ONE)
}

/// `log(1 + eˣ) = max(x, 0) + log1p(e^−|x|)`, within 4 ULP for results that are normal numbers.
#[inline(always)]
pub fn softplus<F: Scalar>(x: F) -> F {
    x.maximum(F::ZERO) + (-x.abs()).exp().log1p()
}

/// The scale of SELU's positive values, from the fixed point of Klambauer et al. 2017, equation 14.
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// The limit of SELU's negative values before scaling, from the same.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// The slope of ELU where its value is `y`: 1 above 0, else `y + 1`.
#[inline(always)]
pub fn elu_slope<F: Scalar>(y: F) -> F {
    F::select(y.greater(F::ZERO), F::ONE, y + F::ONE)
}

/// The slope of SELU where its value is `y`: the scale from 0 on, else `y + scale * alpha`.
#[inline(always)]
pub fn selu_slope<F: Scalar>(y: F) -> F {
    let (scale, limit) = (F::from_f64(SELU_SCALE), F::from_f64(SELU_SCALE * SELU_ALPHA));
    F::select(y.greater_equal(F::ZERO), scale, y + limit)
}
