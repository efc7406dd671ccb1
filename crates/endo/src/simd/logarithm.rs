//! Natural logarithms: `log log1p`.
//!
//! `x = m·2ᵉ` with `√½ ≤ m < √2` and `log x = e·ln 2 + log(1 + f)`, `f = m − 1`; in `f64` through
//! `s = f / (2 + f)` as in fdlibm's `e_log.c`, in `f32` without the division.

use super::arithmetic::polynomial;
use super::float::{Float, ln_2};

/// `e·ln 2 + log(1 + f)` for `√½ − 1 ≤ f ≤ √2 − 1`, within 1 ULP of the sum.
#[inline(always)]
fn log_sum<F: Float>(e: F, f: F) -> F {
    let half_square = F::HALF * f * f;
    if F::SINGLE {
        let (high, low) = ln_2::<F>();
        let series = polynomial(
            f,
            [
                0.3333333171,
                -0.2500082088,
                0.2000122632,
                -0.1662336142,
                0.1420177015,
                -0.1316015983,
                0.1276149995,
                -0.07634462251,
            ],
        );
        let tail = e.mul_add(low, (f * f * f) * series) - half_square;
        return e.mul_add(high, f + tail);
    }
    let (high, low) = (F::from_f64(0.6931471803691238), F::from_f64(1.9082149292705877e-10));
    let s = f / (F::TWO + f);
    let z = s * s;
    let series = z * polynomial(
        z,
        [
            0.6666666666666735,
            0.39999999999411126,
            0.2857142874325655,
            0.22222198476535605,
            0.18183569713907373,
            0.15313903868413863,
            0.14797501706600353,
        ],
    );
    // log(1 + f) = f − (f²/2 − s·(f²/2 + R)): f itself is exact, the rest is small.
    let rest = half_square - s.mul_add(half_square + series, e * low);
    e.mul_add(high, f - rest)
}

/// [`Float::split_exponent`] for subnormal numbers too.
#[inline(always)]
pub(super) fn split_exponent<F: Float>(x: F) -> (F, F) {
    // They are brought into the normal range, by a power of two that e then gives back.
    let (factor, bits) = if F::SINGLE { (16777216.0, 24.0) } else { (18014398509481984.0, 54.0) };
    let subnormal = x < F::MIN_POSITIVE;
    let normal = F::select(subnormal, x * F::from_f64(factor), x);
    let (m, e) = normal.split_exponent();
    (m, e - F::select(subnormal, F::from_f64(bits), F::ZERO))
}

/// The natural logarithm, within 1 ULP; −∞ at ±0, NaN below.
#[inline(always)]
pub fn log<F: Float>(x: F) -> F {
    let (m, e) = split_exponent(x);
    let result = log_sum(e, m - F::ONE);
    // At +∞ and NaN the answer is x itself.
    let result = F::select(x < F::INFINITY, result, x);
    let result = F::select(x < F::ZERO, F::NAN, result);
    F::select(x == F::ZERO, F::NEG_INFINITY, result)
}

/// `log(1 + x)` without cancellation near 0, within 2 ULP; −∞ at −1, NaN below.
#[inline(always)]
pub fn log1p<F: Float>(x: F) -> F {
    let u = F::ONE + x;
    let (m, e) = u.split_exponent();
    // What the sum above lost, exactly: x − (u − 1), or 1 − (u − x) where x is the larger one.
    let lost = F::select(x < F::ONE, x - (u - F::ONE), F::ONE - (u - x));
    // Scaled like m. Where 2⁻ᵉ would be subnormal, x is so large that it does not count.
    let most = F::from_f64(if F::SINGLE { 126.0 } else { 1022.0 });
    let f = lost.mul_add(F::power_of_two(-F::select(e > most, most, e)), m - F::ONE);
    let result = log_sum(e, f).copysign(x);
    // At +∞ and NaN the answer is x itself.
    let result = F::select(x < F::INFINITY, result, x);
    let result = F::select(x < -F::ONE, F::NAN, result);
    F::select(x == -F::ONE, F::NEG_INFINITY, result)
}
