//! What formulas compute with. In: a formula that is generic over one of the traits here. Out: on
//! numbers its value, on an [`Expression`](super::Expression) what it says, so that one text is
//! both the code of a processor and the meaning that everything else reads.
//!
//! [`Arithmetic`] is what vectors of a processor can do as well, [`Scalar`] what elementwise
//! operations may use, and [`Ordered`], [`Integer`] and [`Truth`] are for the other types.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

/// Methods of values of one type, each of one expression: `name(x, y) = what it is`.
macro_rules! methods {
    ($($name:ident($x:ident $(, $other:ident)*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self $(, $other: Self)*) -> Self {
            let $x = self;
            $value
        }
    )*};
}
pub(super) use methods;

/// A truth value.
pub trait Truth:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
}

impl Truth for bool {}

/// Numbers and truth values of any type, which can be compared and chosen from.
pub trait Ordered: Copy {
    /// What a comparison gives.
    type Truth: Truth;

    /// Whether `self == other`.
    fn equal(self, other: Self) -> Self::Truth;
    /// Whether `self != other`.
    fn not_equal(self, other: Self) -> Self::Truth;
    /// Whether `self < other`.
    fn less(self, other: Self) -> Self::Truth;
    /// Whether `self <= other`.
    fn less_equal(self, other: Self) -> Self::Truth;
    /// Whether `self > other`.
    fn greater(self, other: Self) -> Self::Truth;
    /// Whether `self >= other`.
    fn greater_equal(self, other: Self) -> Self::Truth;
    /// `yes` where `condition` holds, else `no`; both have been computed.
    fn select(condition: Self::Truth, yes: Self, no: Self) -> Self;
}

impl<T: PartialOrd + Copy> Ordered for T {
    type Truth = bool;

    #[inline(always)]
    fn equal(self, other: Self) -> bool {
        self == other
    }
    #[inline(always)]
    fn not_equal(self, other: Self) -> bool {
        self != other
    }
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self < other
    }
    #[inline(always)]
    fn less_equal(self, other: Self) -> bool {
        self <= other
    }
    #[inline(always)]
    fn greater(self, other: Self) -> bool {
        self > other
    }
    #[inline(always)]
    fn greater_equal(self, other: Self) -> bool {
        self >= other
    }
    #[inline(always)]
    fn select(condition: bool, yes: Self, no: Self) -> Self {
        if condition { yes } else { no }
    }
}

/// Arithmetic with floats: what the update of a weight is written with.
pub trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The square root; NaN below zero.
    fn sqrt(self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;
    /// -1, 0 or 1 by sign, 0 at ±0 and NaN at NaN.
    fn sign(self) -> Self;
    /// The larger of two; NaN where either is NaN.
    fn maximum(self, other: Self) -> Self;

    /// `self * self`.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
}

/// What elementwise operations on floats are written with.
pub trait Scalar: Arithmetic + Ordered + Neg<Output = Self> {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// ½.
    const HALF: Self;
    /// +∞.
    const INFINITY: Self;

    /// The nearest number to `value`.
    fn from_f64(value: f64) -> Self;
    /// `self * factor + addend`, rounded once where the processor can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The smaller of two; NaN where either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// The largest integer ≤ `self`.
    fn floor(self) -> Self;
    /// The smallest integer ≥ `self`.
    fn ceil(self) -> Self;
    /// The nearest integer, ties to even.
    fn round(self) -> Self;
    /// The nearest number that a bfloat16 holds, ties to even.
    fn round_to_bf16(self) -> Self;
    /// `eˣ`.
    fn exp(self) -> Self;
    /// `eˣ - 1`, accurate for small `x`.
    fn expm1(self) -> Self;
    /// `scale * (eˣ - 1)` for x ≤ 0 and 1 ≤ scale < 2; any number for positive x.
    fn scaled_expm1_negative(self, scale: f64) -> Self;
    /// The natural logarithm.
    fn log(self) -> Self;
    /// `log(1 + x)`, accurate for small `x`.
    fn log1p(self) -> Self;
    /// The sine of an angle in radians.
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    fn cos(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// `self` to the power `exponent`.
    fn pow(self, exponent: Self) -> Self;

    /// Whether this is not a number.
    #[inline(always)]
    fn is_nan(self) -> Self::Truth {
        self.not_equal(self)
    }
    /// Whether this is neither infinite nor NaN.
    #[inline(always)]
    fn is_finite(self) -> Self::Truth {
        self.abs().less(Self::INFINITY)
    }
}

/// What elementwise operations on 32-bit integers are written with; everything wraps around.
pub trait Integer: Ordered {
    /// `self + other`.
    fn wrapping_add(self, other: Self) -> Self;
    /// `self - other`.
    fn wrapping_sub(self, other: Self) -> Self;
    /// `self * other`.
    fn wrapping_mul(self, other: Self) -> Self;
    /// `self / other` toward zero; 0 where `other` is 0.
    fn divide_or_zero(self, other: Self) -> Self;
    /// `self` to the power `other`, which counts as 0 where it is negative.
    fn wrapping_power(self, other: Self) -> Self;
    /// The larger of two.
    fn max(self, other: Self) -> Self;
    /// The smaller of two.
    fn min(self, other: Self) -> Self;
    /// `-self`.
    fn wrapping_neg(self) -> Self;
    /// The magnitude.
    fn wrapping_abs(self) -> Self;
    /// -1, 0 or 1 by sign.
    fn signum(self) -> Self;
}

/// `coefficients[0] + x · (coefficients[1] + x · (...))`: Horner's rule.
#[inline(always)]
pub fn polynomial<F: Scalar, const N: usize>(x: F, coefficients: [f64; N]) -> F {
    let mut sum = F::from_f64(coefficients[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = sum.mul_add(x, F::from_f64(coefficients[i]));
    }
    sum
}
