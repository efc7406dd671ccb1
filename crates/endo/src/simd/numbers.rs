//! Formulas on numbers: what [`Arithmetic`], [`Scalar`] and [`Integer`] are for floats and
//! integers.

use super::arithmetic::{Arithmetic, Integer, Scalar, methods};
use super::float::Float;
use super::{error_function, exponential, logarithm, power, trigonometry};

impl<F: Float> Arithmetic for F {
    methods! {
        sqrt(x) = Float::sqrt(x);
        abs(x) = Float::abs(x);
        sign(x) = Float::signum(x);
        maximum(x, y) = Float::maximum(x, y);
    }
}

impl<F: Float> Scalar for F {
    const ZERO: Self = <F as Float>::ZERO;
    const ONE: Self = <F as Float>::ONE;
    const HALF: Self = <F as Float>::HALF;
    const INFINITY: Self = <F as Float>::INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Float::from_f64(value)
    }
    #[inline(always)]
    fn scaled_expm1_negative(self, scale: f64) -> Self {
        exponential::scaled_expm1_negative(self, scale)
    }

    methods! {
        mul_add(x, factor, addend) = Float::mul_add(x, factor, addend);
        copysign(x, sign) = Float::copysign(x, sign);
        minimum(x, y) = Float::minimum(x, y);
        floor(x) = Float::floor(x);
        ceil(x) = Float::ceil(x);
        round(x) = Float::round(x);
        round_to_bf16(x) = Float::round_to_bf16(x);
        exp(x) = exponential::exp(x);
        expm1(x) = exponential::expm1(x);
        log(x) = logarithm::log(x);
        log1p(x) = logarithm::log1p(x);
        sin(x) = trigonometry::sin(x);
        cos(x) = trigonometry::cos(x);
        tanh(x) = exponential::tanh(x);
        erf(x) = error_function::erf(x);
        pow(x, y) = power::pow(x, y);
    }
}

impl Integer for i32 {
    methods! {
        wrapping_add(x, y) = x.wrapping_add(y);
        wrapping_sub(x, y) = x.wrapping_sub(y);
        wrapping_mul(x, y) = x.wrapping_mul(y);
        divide_or_zero(x, y) = if y == 0 { 0 } else { x.wrapping_div(y) };
        wrapping_power(x, y) = x.wrapping_pow(Ord::max(y, 0) as u32);
        max(x, y) = Ord::max(x, y);
        min(x, y) = Ord::min(x, y);
        wrapping_neg(x) = x.wrapping_neg();
        wrapping_abs(x) = x.wrapping_abs();
        signum(x) = x.signum();
    }
}
