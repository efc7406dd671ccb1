//! Formulas on numbers: what [`Arithmetic`], [`Scalar`] and [`Integer`] are for floats and
//! integers.

use super::arithmetic::{Arithmetic, Integer, Scalar};
use super::float::Float;
use super::{error_function, exponential, logarithm, power, trigonometry};

impl<F: Float> Arithmetic for F {
    #[inline(always)]
    fn sqrt(self) -> Self {
        Float::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Float::abs(self)
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Float::signum(self)
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Float::maximum(self, other)
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
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Float::mul_add(self, factor, addend)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Float::copysign(self, sign)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Float::minimum(self, other)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Float::floor(self)
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        Float::ceil(self)
    }
    #[inline(always)]
    fn round(self) -> Self {
        Float::round(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        exponential::exp(self)
    }
    #[inline(always)]
    fn expm1(self) -> Self {
        exponential::expm1(self)
    }
    #[inline(always)]
    fn scaled_expm1_negative(self, scale: f64) -> Self {
        exponential::scaled_expm1_negative(self, scale)
    }
    #[inline(always)]
    fn log(self) -> Self {
        logarithm::log(self)
    }
    #[inline(always)]
    fn log1p(self) -> Self {
        logarithm::log1p(self)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        trigonometry::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        trigonometry::cos(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        exponential::tanh(self)
    }
    #[inline(always)]
    fn erf(self) -> Self {
        error_function::erf(self)
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        power::pow(self, exponent)
    }
}

impl Integer for i32 {
    #[inline(always)]
    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn wrapping_sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn wrapping_mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    #[inline(always)]
    fn divide_or_zero(self, other: Self) -> Self {
        if other == 0 { 0 } else { self.wrapping_div(other) }
    }
    #[inline(always)]
    fn wrapping_power(self, other: Self) -> Self {
        self.wrapping_pow(Ord::max(other, 0) as u32)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Ord::max(self, other)
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Ord::min(self, other)
    }
    #[inline(always)]
    fn wrapping_neg(self) -> Self {
        self.wrapping_neg()
    }
    #[inline(always)]
    fn wrapping_abs(self) -> Self {
        self.wrapping_abs()
    }
    #[inline(always)]
    fn signum(self) -> Self {
        self.signum()
    }
}
