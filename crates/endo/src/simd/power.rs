//! `pow`, through a logarithm carried with about twice the precision.
//!
//! `|x|^y = exp(y·log|x|)`: the product may be several hundred, so the logarithm needs ten more
//! bits than the result has. It is kept as an unevaluated sum of two numbers (Dekker 1971).

use super::arithmetic::polynomial;
use super::exponential::{expm1_reduced, limit, reduce};
use super::float::{Float, ln_2};
use super::logarithm::split_exponent;

/// `log x` as `(high, low)` for positive finite `x`, with 15 bits more than the type has.
#[inline(always)]
fn log_extended<F: Float>(x: F) -> (F, F) {
    let (m, e) = split_exponent(x);

    // s = (m − 1)/(m + 1), with the remainder of the sum and of the division.
    let f = m - F::ONE;
    let sum = m + F::ONE;
    let sum_low = m - (sum - F::ONE);
    let s = f / sum;
    let (back, back_low) = s.product(sum);
    let s_low = (((f - back) - back_low) - s * sum_low) / sum;

    // log m = 2s + s³·(2/3 + s²·(2/5 + ...)), the cubic term in two parts as well.
    let (z, z_low) = s.product(s);
    let tail = z * if F::SINGLE {
        polynomial(z, [0.4000015264, 0.2854708364, 0.2341982219])
    } else {
        polynomial(
            z,
            [
                0.4000000000000227,
                0.2857142857009182,
                0.22222222521365092,
                0.18181784236228247,
                0.1538676356319202,
                0.13256668218095443,
                0.13197754996860074,
            ],
        )
    };
    let two_thirds = 2.0 / 3.0;
    let lead = F::from_f64(two_thirds);
    let lead_low =
        F::from_f64(if F::SINGLE { two_thirds - lead.to_f64() } else { 3.700743415417188e-17 });
    let (series, series_low) = lead.sum(tail);
    let (square, square_low) = z.product(series);
    let square_low =
        square_low + z * (series_low + lead_low) + (z_low + F::TWO * s * s_low) * series;
    let (cube, cube_low) = s.product(square);
    let cube_low = cube_low + s * square_low + s_low * square;

    // e·ln 2 is exact in its high part.
    let (high, low) = ln_2::<F>();
    let (sum, first) = (e * high).sum(s + s);
    let (sum, second) = sum.sum(cube);
    sum.sum(first + second + (cube_low + F::TWO * s_low + e * low))
}

/// `x^y`, with IEEE 754's special cases: 1 at `y = 0` and at `x = 1`, NaN at negative `x` and
/// fractional `y`.
///
/// Within 2 ULP for results that are normal numbers.
#[inline(always)]
pub fn pow<F: Float>(x: F, y: F) -> F {
    let magnitude = x.abs();
    let (log, log_low) = log_extended(magnitude);
    // Beyond this every power is 0, 1 or ∞; products stay finite.
    let most = F::from_f64(18446744073709551616.0);
    let exponent = y.clamp(-most, most);
    let (product, error) = exponent.product(log);
    let limited = limit(product);
    let error = F::select(limited == product, exponent.mul_add(log_low, error), F::ZERO);
    let (n, r) = reduce(limited);
    let power = (expm1_reduced(r + error) + F::ONE).scale(n);

    // |x| = 0 and |x| = ∞: the same two answers, exchanged.
    let extreme = (magnitude == F::ZERO) | (magnitude == F::INFINITY);
    let grows = (magnitude == F::INFINITY) == (y > F::ZERO);
    let power = F::select(extreme, F::select(grows, F::INFINITY, F::ZERO), power);

    let whole = y.trunc() == y;
    let half = y * F::HALF;
    let odd = whole & (half.trunc() != half) & (y.abs() < F::EVEN_FROM);
    let power = F::select(odd, power.copysign(x), power);
    let fraction = (x < F::ZERO) & !whole & (magnitude < F::INFINITY);
    let power = F::select(fraction | x.is_nan() | y.is_nan(), F::NAN, power);
    F::select((y == F::ZERO) | (x == F::ONE), F::ONE, power)
}
