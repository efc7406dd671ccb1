//! Sine and cosine.
//!
//! `x = n·π/2 + r` with |r| ≤ π/4 (Cody and Waite's reduction, π/2 in several parts whose products
//! with `n` are exact), a minimax polynomial in r², and the quadrant by the last two bits of `n`.
//! In `f32` the reduction is done in `f64`.

use super::arithmetic::polynomial;
use super::exponential::round_small;
use super::float::Float;

/// The largest |x| that [`sin`] and [`cos`] take: 2^28. Beyond it they give NaN, rather than a
/// number that is wrong.
pub const LARGEST_ANGLE: f64 = 268435456.0;

/// `(n, r)` with `x = n·π/2 + r`, |r| ≤ π/4 and `n` exact, or known up to a multiple of 4.
#[inline(always)]
fn reduce<F: Float>(x: F) -> (F, F) {
    if F::SINGLE {
        let wide = x.to_f64();
        let n = round_small(wide * std::f64::consts::FRAC_2_PI);
        // 24 + 53 bits of π/2 and n below 2^28: the first product is exact, the second's error
        // below 2^-53.
        let r = (wide - n * 1.570796251296997) - n * 7.549789954891882e-8;
        // `F` may not hold n, but it holds the quadrant.
        return (F::from_f64(n - 4.0 * round_small(n * 0.25)), F::from_f64(r));
    }
    let n = round_small(x * F::from_f64(std::f64::consts::FRAC_2_PI));
    let part = |high: f64| F::from_f64(-high);
    // Three parts of 24 bits each and the rest.
    let r = n.mul_add(part(1.570796251296997), x);
    let r = n.mul_add(part(7.549789415861596e-8), r);
    let (r, lost) = r.sum(n * part(5.390302529957765e-15));
    (n, r + (n.mul_add(part(3.2820035428735005e-22), lost)))
}

/// `sin r` for |r| ≤ π/4: `r + r³·(−1/6 + r²/120 − ...)`.
#[inline(always)]
fn sin_reduced<F: Float>(r: F) -> F {
    let z = r * r;
    let series = if F::SINGLE {
        polynomial(z, [-0.1666665487, 0.008332173551, -0.000195166569])
    } else {
        polynomial(
            z,
            [
                -0.16666666666666632,
                0.008333333333322316,
                -0.0001984126982972551,
                2.7557313662156674e-6,
                -2.505075327937373e-8,
                1.589650577718433e-10,
            ],
        )
    };
    (r * z).mul_add(series, r)
}

/// `cos r` for |r| ≤ π/4: `1 − r²/2 + r⁴·(1/24 − r²/720 + ...)`.
#[inline(always)]
fn cos_reduced<F: Float>(r: F) -> F {
    let z = r * r;
    let series = if F::SINGLE {
        polynomial(z, [0.04166664675, -0.00138873615, 2.443773528e-5])
    } else {
        polynomial(
            z,
            [
                0.0416666666666666,
                -0.0013888888888873992,
                0.00002480158728939526,
                -2.7557314326127873e-7,
                2.08757195718002e-9,
                -1.1359449348431037e-11,
            ],
        )
    };
    (z * z).mul_add(series, (-F::HALF).mul_add(z, F::ONE))
}

/// Sine or cosine of the quadrant `n`: `sin(r + n·π/2)`.
#[inline(always)]
fn sin_in_quadrant<F: Float>(n: F, r: F) -> F {
    let odd = F::is_odd(n);
    let value = F::select(odd, cos_reduced(r), sin_reduced(r));
    let half = (n - F::select(odd, F::ONE, F::ZERO)) * F::HALF;
    F::select(F::is_odd(half), -value, value)
}

/// The sine, within 2 ULP for |x| up to [`LARGEST_ANGLE`]; NaN beyond and at ±∞.
#[inline(always)]
pub fn sin<F: Float>(x: F) -> F {
    let (n, r) = reduce(x);
    let result = sin_in_quadrant(n, r);
    // −0 has lost its sign in the reduction.
    let result = F::select(x == F::ZERO, x, result);
    F::select(x.abs() <= F::from_f64(LARGEST_ANGLE), result, F::NAN)
}

/// The cosine, within 2 ULP for |x| up to [`LARGEST_ANGLE`]; NaN beyond and at ±∞.
#[inline(always)]
pub fn cos<F: Float>(x: F) -> F {
    let (n, r) = reduce(x);
    let result = sin_in_quadrant(n + F::ONE, r);
    F::select(x.abs() <= F::from_f64(LARGEST_ANGLE), result, F::NAN)
}
