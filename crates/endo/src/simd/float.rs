//! [`Float`]: the arithmetic that a scalar formula may use, over `f32` and `f64`.
//!
//! Every operation is branch-free and inlined, so that a loop over a formula becomes vector code.
//! `f32` and `f64`
//! implement it for any processor; [`Fused`] implements it for loops compiled with a fused
//! multiply-add.

use std::convert::identity;
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A float in a formula: `f32`, `f64`, or one of them as [`Fused`].
pub trait Float:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Whether this is the 32-bit type: formulas choose the length of their polynomials by it.
    const SINGLE: bool;
    /// Whether [`mul_add`](Self::mul_add) rounds once.
    const FUSED: bool;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// ½.
    const HALF: Self;
    /// 2.
    const TWO: Self;
    /// +∞.
    const INFINITY: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// The largest finite number.
    const MAX: Self;
    /// 2^24 in `f32`, 2^53 in `f64`: from here on every number is an even integer.
    const EVEN_FROM: Self;

    /// The nearest number to `value`.
    fn from_f64(value: f64) -> Self;
    /// This number as an `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self · factor + addend`, rounded once where [`FUSED`](Self::FUSED) and twice elsewhere.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The square root, correctly rounded; NaN below zero.
    fn sqrt(self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The largest integer ≤ `self`.
    fn floor(self) -> Self;
    /// The smallest integer ≥ `self`.
    fn ceil(self) -> Self;
    /// The nearest integer, ties to even (TensorFlow's `tf.round`).
    fn round(self) -> Self;
    /// The integer part: rounded toward zero.
    fn trunc(self) -> Self;
    /// 2^`n` for an integer `n` whose power is a normal number.
    fn power_of_two(n: Self) -> Self;
    /// `self · 2^n` for an integer `n`, where that and `self` are positive normal numbers: without
    /// a multiplication.
    fn times_power_of_two(self, n: Self) -> Self;
    /// `(m, e)` with `self = m · 2^e`, `√½ ≤ m < √2` and `e` an integer, for a positive normal
    /// `self`.
    fn split_exponent(self) -> (Self, Self);
    /// The nearest number that a bfloat16 holds, of an `f64` that of the nearest `f32`.
    fn round_to_bf16(self) -> Self;
    /// Whether the integer `n` is odd, for |n| < 2^22 in `f32` and 2^51 in `f64`.
    fn is_odd(n: Self) -> bool;

    /// `yes` where `condition` holds, else `no`; both have been computed.
    #[inline(always)]
    fn select(condition: bool, yes: Self, no: Self) -> Self {
        if condition { yes } else { no }
    }

    /// −1, 0 or 1 by sign, 0 at ±0 and NaN at NaN (TensorFlow's `tf.sign`).
    #[inline(always)]
    fn signum(self) -> Self {
        // `self == self` is false at NaN alone, which then passes through.
        Self::select(self.abs() > Self::ZERO, Self::ONE.copysign(self), self)
    }

    /// The larger of two; NaN where either is NaN.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self::select((self > other) | self.is_nan(), self, other)
    }

    /// The smaller of two; NaN where either is NaN.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self::select((self < other) | self.is_nan(), self, other)
    }

    /// `self` limited to `[low, high]`; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        let above = Self::select(self < low, low, self);
        Self::select(above > high, high, above)
    }

    /// Whether this is not a number.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }

    /// Whether this is neither infinite nor NaN.
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.abs() < Self::INFINITY
    }

    /// Whether the sign bit is set, that of −0 and of NaN too.
    #[inline(always)]
    fn is_sign_negative(self) -> bool {
        Self::ONE.copysign(self) < Self::ZERO
    }

    /// `self · 2^n` for an integer `n` of at most twice the exponent range: right through overflow,
    /// underflow and subnormal results.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        let half = (n * Self::HALF).floor();
        self * Self::power_of_two(half) * Self::power_of_two(n - half)
    }

    /// `(p, e)` with `p = self · other` rounded and `p + e` exact, for factors far from overflow
    /// (Dekker 1971, "A floating-point technique for extending the available precision").
    #[inline(always)]
    fn product(self, other: Self) -> (Self, Self) {
        let product = self * other;
        if Self::FUSED {
            return (product, self.mul_add(other, -product));
        }
        let (a, b) = self.halves();
        let (c, d) = other.halves();
        (product, ((a * c - product) + a * d + b * c) + b * d)
    }

    /// `(high, low)` with `high + low = self` and half of the significant bits in each (Veltkamp's
    /// splitting).
    #[inline(always)]
    fn halves(self) -> (Self, Self) {
        let scaled = self * Self::from_f64(if Self::SINGLE { 4097.0 } else { 134217729.0 });
        let high = scaled - (scaled - self);
        (high, self - high)
    }

    /// `(s, e)` with `s = self + smaller` rounded and `s + e` exact, for |self| ≥ |smaller| or
    /// `self = 0`.
    #[inline(always)]
    fn sum(self, smaller: Self) -> (Self, Self) {
        let sum = self + smaller;
        (sum, smaller - (sum - self))
    }
}

/// A number whose [`mul_add`](Float::mul_add) and roundings are single instructions of the
/// processor.
///
/// Used in loops compiled for [`Level::Avx2`](super::Level::Avx2) and above; elsewhere each of
/// these operations would be a call into the C library.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Fused<T>(pub T);

impl<T: PartialEq> PartialEq for Fused<T> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// Each comparison is written out: by default they go through `Option<Ordering>`, which hinders
// vector code.
impl<T: PartialOrd> PartialOrd for Fused<T> {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&other.0)
    }
    #[inline(always)]
    fn lt(&self, other: &Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn le(&self, other: &Self) -> bool {
        self.0 <= other.0
    }
    #[inline(always)]
    fn gt(&self, other: &Self) -> bool {
        self.0 > other.0
    }
    #[inline(always)]
    fn ge(&self, other: &Self) -> bool {
        self.0 >= other.0
    }
}

macro_rules! operators {
    ($($name:ident :: $method:ident),*) => {$(
        impl<T: $name<Output = T>> $name for Fused<T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($name::$method(self.0, other.0))
            }
        }
    )*};
}
operators!(Add::add, Sub::sub, Mul::mul, Div::div);

impl<T: Neg<Output = T>> Neg for Fused<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

/// Whether the target itself has a fused multiply-add and the four roundings as instructions.
const NATIVE: bool =
    cfg!(any(target_arch = "aarch64", all(target_feature = "fma", target_feature = "sse4.1")));

/// The part of [`Float`] that looks at exponents, for a type and its [`Fused`] form.
macro_rules! exponents {
    ($float:ident, $bits:ident, $mantissa:expr, $wrap:expr, $raw:expr) => {
        #[inline(always)]
        fn power_of_two(n: Self) -> Self {
            // Adding 1.5 · 2^mantissa leaves the integer in the low bits; no conversion instruction
            // is needed, which AVX2 does not have for 64 bits.
            const SHIFT: $float =
                (3_u64 << ($mantissa - 1)) as $float + ($float::MAX_EXP - 1) as $float;
            $wrap($float::from_bits(($raw(n) + SHIFT).to_bits() << $mantissa))
        }
        #[inline(always)]
        fn times_power_of_two(self, n: Self) -> Self {
            const SHIFT: $float = (3_u64 << ($mantissa - 1)) as $float;
            $wrap($float::from_bits(
                $raw(self).to_bits().wrapping_add(($raw(n) + SHIFT).to_bits() << $mantissa),
            ))
        }
        #[inline(always)]
        fn split_exponent(self) -> (Self, Self) {
            const ROOT_HALF: $bits = (std::f64::consts::FRAC_1_SQRT_2 as $float).to_bits();
            const OFFSET: $bits = ($float::MAX_EXP - 1) as $bits;
            const LOW: $bits = (1 << $mantissa) - 1;
            const INTEGER: $float = (1_u64 << $mantissa) as $float;
            // Counted from √½, the exponent field steps where the mantissa is to start again.
            let steps =
                $raw(self).to_bits().wrapping_sub(ROOT_HALF).wrapping_add(OFFSET << $mantissa);
            let mantissa = $float::from_bits((steps & LOW) + ROOT_HALF);
            let exponent = $float::from_bits((steps >> $mantissa) | INTEGER.to_bits());
            ($wrap(mantissa), $wrap(exponent - (INTEGER + OFFSET as $float)))
        }
        #[inline(always)]
        fn round_to_bf16(self) -> Self {
            $wrap(super::bf16::nearest($raw(self) as f32) as $float)
        }
        #[inline(always)]
        fn is_odd(n: Self) -> bool {
            const SHIFT: $float = (3_u64 << ($mantissa - 1)) as $float;
            ($raw(n) + SHIFT).to_bits() & 1 == 1
        }
    };
}

/// [`Float`] for a type, or for its [`Fused`] form, whose fused multiply-adds any processor of a
/// higher level has.
macro_rules! float {
    ($type:ty, $fused:expr, $float:ident, $bits:ident, $mantissa:expr, $wrap:expr, $raw:expr) => {
        impl Float for $type {
            const SINGLE: bool = $mantissa == 23;
            const FUSED: bool = $fused;
            const ZERO: Self = $wrap(0.0);
            const ONE: Self = $wrap(1.0);
            const HALF: Self = $wrap(0.5);
            const TWO: Self = $wrap(2.0);
            const INFINITY: Self = $wrap($float::INFINITY);
            const NEG_INFINITY: Self = $wrap($float::NEG_INFINITY);
            const NAN: Self = $wrap($float::NAN);
            const EPSILON: Self = $wrap($float::EPSILON);
            const MIN_POSITIVE: Self = $wrap($float::MIN_POSITIVE);
            const MAX: Self = $wrap($float::MAX);
            const EVEN_FROM: Self = $wrap((1_u64 << ($mantissa + 1)) as $float);

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                $wrap(value as $float)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from($raw(self))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $wrap($raw(self).sqrt())
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $wrap($raw(self).abs())
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $wrap($raw(self).copysign($raw(sign)))
            }
            roundings!($float, $mantissa, $wrap, $raw);
            exponents!($float, $bits, $mantissa, $wrap, $raw);
        }
    };
}

/// The part of [`Float`] that some processors have no instructions for.
macro_rules! roundings {
    ($float:ident, $mantissa:expr, $wrap:expr, $raw:expr) => {
        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            if Self::FUSED {
                return $wrap($raw(self).mul_add($raw(factor), $raw(addend)));
            }
            self * factor + addend
        }
        #[inline(always)]
        fn floor(self) -> Self {
            if Self::FUSED {
                return $wrap($raw(self).floor());
            }
            let nearest = Float::round(self);
            let below = nearest - Self::select(nearest > self, Self::ONE, Self::ZERO);
            below.copysign(self)
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            if Self::FUSED {
                return $wrap($raw(self).ceil());
            }
            -Float::floor(-self)
        }
        #[inline(always)]
        fn round(self) -> Self {
            if Self::FUSED {
                return $wrap($raw(self).round_ties_even());
            }
            // SSE2 has no rounding instruction; from 2^mantissa on a sum keeps no fraction.
            const INTEGER: $float = (1_u64 << $mantissa) as $float;
            let magnitude = self.abs();
            let rounded = ((magnitude + $wrap(INTEGER)) - $wrap(INTEGER)).copysign(self);
            Self::select(magnitude < $wrap(INTEGER), rounded, self)
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            if Self::FUSED {
                return $wrap($raw(self).trunc());
            }
            Float::floor(self.abs()).copysign(self)
        }
    };
}

float!(f32, NATIVE, f32, u32, 23, identity, identity);
float!(f64, NATIVE, f64, u64, 52, identity, identity);
float!(Fused<f32>, true, f32, u32, 23, Fused, raw);
float!(Fused<f64>, true, f64, u64, 52, Fused, raw);

/// ln 2 in two parts, the high one of so few bits that its product with an exponent is exact.
#[inline(always)]
pub(super) fn ln_2<F: Float>() -> (F, F) {
    let (high, low) = if F::SINGLE {
        (0.693145751953125, 0.000001428606820309417)
    } else {
        (0.6931471805598903, 5.497923018708371e-14)
    };
    (F::from_f64(high), F::from_f64(low))
}

/// The number inside.
#[inline(always)]
fn raw<T>(value: Fused<T>) -> T {
    value.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees_with_std<F: Float>() {
        let values =
            [0.0, -0.0, 0.3, 0.5, -0.5, 1.5, 2.5, -2.5, -3.7, 8388607.5, 1e9, -1e18, f64::INFINITY];
        for value in values.map(F::from_f64) {
            let exact = value.to_f64();
            let same =
                |ours: F, std: f64| assert_eq!(ours.to_f64().to_bits(), std.to_bits(), "{value:?}");
            same(value.floor(), exact.floor());
            same(value.ceil(), exact.ceil());
            same(value.round(), exact.round_ties_even());
            same(value.trunc(), exact.trunc());
        }
    }

    #[test]
    fn roundings_agree_with_std_in_every_form() {
        agrees_with_std::<f32>();
        agrees_with_std::<f64>();
        agrees_with_std::<Fused<f32>>();
        agrees_with_std::<Fused<f64>>();
    }

    #[test]
    fn sign_is_zero_at_zero_and_nan_at_nan() {
        assert_eq!(Float::signum(-0.0_f32), 0.0);
        assert_eq!(Float::signum(-7.0_f64), -1.0);
        assert!(Float::signum(f32::NAN).is_nan());
    }

    #[test]
    fn maximum_and_minimum_propagate_nan_from_either_side() {
        for (x, y) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            assert!(Float::maximum(x, y).is_nan() && Float::minimum(x, y).is_nan());
        }
        assert_eq!(Float::maximum(1.0, 2.0), 2.0);
        assert_eq!(Float::minimum(1.0, 2.0), 1.0);
    }

    #[test]
    fn split_exponent_centres_the_mantissa_on_one() {
        for x in [1.0_f32, 0.75, 1.5, 1e-30, 3e38, std::f32::consts::SQRT_2] {
            let (mantissa, exponent) = x.split_exponent();
            assert_eq!(f64::from(mantissa) * f64::from(exponent).exp2(), f64::from(x));
            assert!((0.707..1.415).contains(&mantissa), "{mantissa}");
        }
    }

    #[test]
    fn scale_reaches_subnormal_numbers_and_infinity() {
        assert_eq!(1.5_f32.scale(-140.0), 1.5 * 2.0_f32.powi(-70) * 2.0_f32.powi(-70));
        assert_eq!(1.5_f32.scale(128.0), f32::INFINITY);
        assert_eq!(1.0_f64.scale(-1074.0), f64::from_bits(1));
    }

    #[test]
    fn a_product_with_its_error_is_exact_with_and_without_fusion() {
        let (x, y) = (1.0 + f64::EPSILON, 1.0 - 3.0 * f64::EPSILON);
        let plain = x.product(y);
        let fused = Fused(x).product(Fused(y));
        assert_eq!(plain, (fused.0.0, fused.1.0));
        assert_eq!(plain.1, -3.0 * f64::EPSILON * f64::EPSILON);
    }
}
