//! The error function and its inverse: `erf erfinv`, for GELU and for normal random numbers.
//!
//! `erf` by one fit over its whole range, `erfinv` by Wichura's rational approximations.

use super::arithmetic::{Scalar, polynomial};
use super::exponential::{expm1_reduced, reduce};
use super::float::Float;

/// `erf x = 2/√π ∫₀ˣ e^(−t²) dt`, within 4 ULP.
///
/// With `Q(t) = −log(1 − erf t) / t`, a smooth function, `erf x = −expm1(−|x|·Q(|x|))`: no
/// cancellation near 0 and no second branch. `Q` is a minimax fit, weighted by its effect on the
/// relative error of the result.
#[inline(always)]
pub fn erf<F: Float>(x: F) -> F {
    // From here on erf rounds to 1.
    let one = F::from_f64(if F::SINGLE { 4.0 } else { 6.0 });
    let t = x.abs();
    let t = F::select(t > one, one, t);
    let q = if F::SINGLE {
        polynomial(
            t,
            [
                std::f64::consts::FRAC_2_SQRT_PI,
                0.6366198346,
                0.1027712768,
                -0.01911769298,
                -0.0002530664765,
                0.0017993627,
                -0.0007406941809,
                0.0001674853048,
                -2.135577754e-5,
                1.193427963e-6,
            ],
        )
    } else {
        polynomial(
            t,
            [
                std::f64::consts::FRAC_2_SQRT_PI,
                0.6366197723675836,
                0.10277260330178861,
                -0.019128447005066757,
                -0.00020919469489534589,
                0.001696206386243482,
                -0.0005901255560062203,
                0.00002587861766715899,
                0.00006449181965935724,
                -0.00002972395256767904,
                3.407104386727348e-6,
                2.8353545935422936e-6,
                -1.7417712601743042e-6,
                3.365498483730977e-7,
                1.3705984596971513e-7,
                -1.4169739730248902e-7,
                6.570626141306408e-8,
                -2.0953519874536725e-8,
                4.995289929661843e-9,
                -9.077267843343611e-10,
                1.2476360833724206e-10,
                -1.26021506729932e-11,
                8.838589091264533e-13,
                -3.847127863789284e-14,
                7.826513634059186e-16,
            ],
        )
    };
    let (n, r) = reduce(-(t * q));
    let power = F::power_of_two(n);
    let magnitude = (F::ONE - power) - expm1_reduced(r) * power;
    magnitude.copysign(x)
}

/// The inverse of [`erf`]: ±∞ at ±1, NaN outside; relative error below 1e-15 in `f64` and 1e-6 in
/// `f32`.
///
/// `erfinv x = Φ⁻¹((1 + x)/2) / √2` with Φ⁻¹ by algorithm AS 241, PPND16 (Wichura 1988, "The
/// Percentage Points of the Normal Distribution").
#[inline(always)]
pub fn erfinv<F: Scalar>(x: F) -> F {
    let q = x * F::HALF;
    let near = F::from_f64(0.180625) - q * q;
    let centre = q
        * (polynomial(
            near,
            [
                3.387132872796366,
                133.14166789178438,
                1971.5909503065514,
                13731.69376550946,
                45921.95393154987,
                67265.7709270087,
                33430.57558358813,
                2509.0809287301227,
            ],
        ) / polynomial(
            near,
            [
                1.0,
                42.31333070160091,
                687.1870074920579,
                5394.196021424751,
                21213.794301586597,
                39307.89580009271,
                28729.085735721943,
                5226.495278852855,
            ],
        ));
    // r = √(−log p) with p = (1 − |x|)/2, the probability of the tail.
    let log_tail = (-x.abs()).log1p() - F::from_f64(std::f64::consts::LN_2);
    let r = (-log_tail).sqrt();
    let middle = r - F::from_f64(1.6);
    let middle = polynomial(
        middle,
        [
            1.4234371107496835,
            4.630337846156546,
            5.769497221460691,
            3.6478483247632045,
            1.2704582524523684,
            0.2417807251774506,
            0.022723844989269184,
            0.0007745450142783414,
        ],
    ) / polynomial(
        middle,
        [
            1.0,
            2.053191626637759,
            1.6763848301838038,
            0.6897673349851,
            0.14810397642748008,
            0.015198666563616457,
            0.0005475938084995345,
            1.0507500716444169e-9,
        ],
    );
    let far = r - F::from_f64(5.0);
    let far = polynomial(
        far,
        [
            6.657904643501103,
            5.463784911164114,
            1.7848265399172913,
            0.29656057182850487,
            0.026532189526576124,
            0.0012426609473880784,
            2.7115555687434876e-5,
            2.0103343992922881e-7,
        ],
    ) / polynomial(
        far,
        [
            1.0,
            0.599832206555888,
            0.1369298809227358,
            0.014875361290850615,
            0.0007868691311456133,
            1.8463183175100548e-5,
            1.421511758316446e-7,
            2.0442631033899397e-15,
        ],
    );
    let tail = F::select(r.greater(F::from_f64(5.0)), far, middle).copysign(x);
    let normal = F::select(q.abs().less_equal(F::from_f64(0.425)), centre, tail);
    let result = normal * F::from_f64(std::f64::consts::FRAC_1_SQRT_2);
    F::select(x.abs().equal(F::ONE), F::INFINITY.copysign(x), result)
}
