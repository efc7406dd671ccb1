//! Arithmetic on floats and integers: two operands, or one in the cases that keep integers.
//!
//! At ties and kinks (`maximum`, `abs` at 0) gradients are TensorFlow's. Where a function is
//! infinitely steep (`power` here, roots and logarithms in `exponential`), a gradient of 0 stays 0:
//! a clamp after it that lets nothing pass does not make it NaN.

use crate::dtype::DType;
use crate::graph::{Op, Tensor};
use crate::site::Site;

use super::Argument;
use super::view::seen_through;

/// Whether a tensor is a number or an array written into the program, in whatever shape: a divisor
/// that is known not to be 0.
fn is_constant(x: &Tensor) -> bool {
    matches!(seen_through(x.trace(), x.id()).op, Op::Constant(_))
}

/// The divisor of a slope `dy / x`: `x`, but 1 where `dy` is 0, too. A slope that is infinite stays
/// infinite; what a clamp lets nothing of pass stays 0 and does not become NaN; and slopes of
/// slopes are right everywhere else.
pub(super) fn unless_both_are_zero(x: &Tensor, dy: &Tensor) -> Tensor {
    (x.equal(0.0) & dy.equal(0.0)).where_(1.0, x)
}

/// Functions of two numbers, floats or integers.
macro_rules! binary {
    ($(
        $(#[$doc:meta])*
        $name:ident($a:ident, $b:ident) = $formula:expr;
        integers = $integers:expr;
        gradient($y:ident, $dy:ident) = $gradient:expr;
        domain = $domain:expr;
    )+) => {
        $(operation! {
            $name, 2 => Same,
            [
                Some(Loops::binary::<Formula, f32>()),
                Some(Loops::binary::<Formula, f64>()),
                Some(Loops::integer2::<Formula>()),
                None,
            ],
            Some(|inputs, $y, $dy| {
                let ($a, $b) = (&inputs[0], &inputs[1]);
                $gradient.map(Some).into()
            }),
            $domain,
            |x, dtype| match dtype {
                DType::I32 => <Formula as $crate::simd::Integer2>::apply(x[0], x[1]),
                _ => <Formula as $crate::simd::Binary>::apply(x[0], x[1]),
            };
            impl $crate::simd::Binary for Formula {
                #[inline(always)]
                fn apply<F: $crate::simd::Scalar>($a: F, $b: F) -> F {
                    $formula
                }
            }
            impl $crate::simd::Integer2 for Formula {
                #[inline(always)]
                fn apply<I: $crate::simd::Integer>($a: I, $b: I) -> I {
                    $integers
                }
            }
        })+

        binary_methods! { $($(#[$doc])* $name;)+ }

        /// The functions of two numbers, for what goes through all operations.
        pub static BINARY: &[&$crate::graph::Elementwise] = &[$(&$name::OPERATION),+];
    };
}

binary! {
    /// `self + other`, broadcast.
    add(a, b) = a + b;
    integers = a.wrapping_add(b);
    gradient(y, dy) = [dy.clone(), dy.clone()];
    domain = [-2.0, 2.0];

    /// `self - other`, broadcast.
    subtract(a, b) = a - b;
    integers = a.wrapping_sub(b);
    gradient(y, dy) = [dy.clone(), -dy];
    domain = [-2.0, 2.0];

    /// `self * other`, element by element, broadcast.
    multiply(a, b) = a * b;
    integers = a.wrapping_mul(b);
    gradient(y, dy) = [dy * b, dy * a];
    domain = [-2.0, 2.0];

    /// `self / other`, broadcast; integers are divided toward zero, and by zero to zero.
    divide(a, b) = a / b;
    integers = a.divide_or_zero(b);
    gradient(y, dy) = if is_constant(b) {
        [dy / b, -dy * y / b]
    } else {
        let divisor = unless_both_are_zero(b, dy);
        [dy / &divisor, y.multiply_no_nan(-dy) / divisor]
    };
    domain = [0.5, 2.0];

    /// `self / other`, but 0 where `other` is 0.
    divide_no_nan(a, b) = F::select(b.equal(F::ZERO), F::ZERO, a / b);
    integers = a.divide_or_zero(b);
    gradient(y, dy) = [dy.divide_no_nan(b), y.multiply_no_nan(-dy).divide_no_nan(b)];
    domain = [0.5, 2.0];

    /// `self * other`, but 0 where `other` is 0, even if `self` is infinite or NaN, as
    /// TensorFlow's; and where `self` is 0 and `other` infinite.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x, y], _cx| [x.multiply_no_nan(&y)]);
    /// let [product] = f.run([&[f32::INFINITY, 2.0].into(), &[0.0_f32, 3.0].into()])?;
    /// assert_eq!(product, Array::from([0.0_f32, 6.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    multiply_no_nan(a, b) = F::select(
        b.equal(F::ZERO) | (a.equal(F::ZERO) & b.abs().equal(F::INFINITY)),
        F::ZERO,
        a * b,
    );
    integers = a.wrapping_mul(b);
    gradient(y, dy) = [b.multiply_no_nan(dy), a.multiply_no_nan(dy)];
    domain = [0.5, 2.0];

    /// `self` to the power `other`.
    power(a, b) = a.pow(b);
    integers = a.wrapping_power(b);
    gradient(y, dy) = {
        // A power below 1 is infinitely steep at 0, but not where `b` is 0 or a clamp lets nothing
        // pass.
        let positive = a.greater(0.0);
        let logarithm = positive.where_(positive.where_(a, 1.0).log(), 0.0);
        [
            a.power(b - 1.0).multiply_no_nan(b.multiply_no_nan(dy)),
            logarithm.multiply_no_nan(y.multiply_no_nan(dy)),
        ]
    };
    domain = [0.5, 2.0];

    /// The larger of the two; NaN if either is. At ties the gradient goes to `self`.
    maximum(a, b) = a.maximum(b);
    integers = a.max(b);
    gradient(y, dy) = {
        let first = a.greater_equal(b);
        [first.where_(dy, 0.0), first.where_(0.0, dy)]
    };
    domain = [-2.0, 2.0];

    /// The smaller of the two; NaN if either is. At ties the gradient goes to `self`.
    minimum(a, b) = a.minimum(b);
    integers = a.min(b);
    gradient(y, dy) = {
        let first = a.less_equal(b);
        [first.where_(dy, 0.0), first.where_(0.0, dy)]
    };
    domain = [-2.0, 2.0];
}

impl Tensor {
    /// What is left of a division that is rounded down, with the sign of the divisor, as Python's
    /// `%` and `tf.math.floormod`. Of integers and a divisor of 0 it is the dividend. That of `f32`
    /// is computed in `f64`, and right for quotients up to 2^29; that of `f64` is as exact as the
    /// quotient.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [&x % 3, x.cast(DType::F32) % 2.5]);
    /// let [whole, float] = f.run([&[7, -7].into()])?;
    /// assert_eq!((whole, float), ([1, 2].into(), [2.0_f32, 0.5].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn remainder(&self, other: impl Argument) -> Tensor {
        let other = other.tensor(self, Site::caller());
        let dtype = self.dtype().promote(other.dtype());
        if dtype.is_float() {
            let (x, y) = (self.cast(DType::F64), other.cast(DType::F64));
            let quotient = (&x / &y).floor();
            return quotient.equal(0.0).where_(&x, &x - &quotient * &y).cast(dtype);
        }
        let rest = self - (self / &other) * &other;
        let differs = rest.not_equal(0) & rest.less(0).not_equal(other.less(0));
        differs.where_(&rest + &other, &rest)
    }
}

unary! { UNARY;
    /// `-x`.
    negative(x) = -x;
    integers = x.wrapping_neg();
    gradient(y, dy) = Some(-dy);
    domain = [-2.0, 2.0];

    /// `|x|`; its gradient at 0 is 0.
    abs(x) = x.abs();
    integers = x.wrapping_abs();
    gradient(y, dy) = Some(dy * x.sign());
    domain = [-2.0, 2.0];

    /// -1, 0 or 1 by the sign of `x`; NaN at NaN. Its gradient is 0.
    sign(x) = x.sign();
    integers = x.signum();
    gradient(y, dy) = None;
    domain = [-2.0, 2.0];

    /// `x^2`.
    square(x) = x * x;
    integers = x.wrapping_mul(x);
    gradient(y, dy) = Some(dy * 2.0 * x);
    domain = [-2.0, 2.0];

    /// The largest integer not above `x`. Its gradient is 0.
    floor(x) = x.floor();
    integers = x;
    gradient(y, dy) = None;
    domain = [-2.0, 2.0];

    /// The smallest integer not below `x`. Its gradient is 0.
    ceil(x) = x.ceil();
    integers = x;
    gradient(y, dy) = None;
    domain = [-2.0, 2.0];

    /// The nearest integer, the even one at ties. Its gradient is 0.
    round(x) = x.round();
    integers = x;
    gradient(y, dy) = None;
    domain = [-2.0, 2.0];

    /// The nearest number that a bfloat16 holds, ties to even: 8 significant bits and the range of
    /// `f32`. What is larger becomes infinite, and an `f64` is rounded to `f32` first. Integers
    /// stay. The gradient is that of a conversion to such a type and back: the gradient that
    /// arrives, rounded in the same way.
    ///
    /// Plans for the processor keep the results in two bytes each where what reads them can. Layers
    /// round by [`Bf16`](crate::layers::Bf16).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.round_to_bf16()]);
    /// let [y] = f.run([&[1.001_f32, 1.005, -300.7].into()])?;
    /// assert_eq!(y, Array::from([1.0_f32, 1.0078125, -300.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    round_to_bf16(x) = x.round_to_bf16();
    integers = x;
    gradient(y, dy) = Some(dy.round_to_bf16());
    domain = [-2.0, 2.0];
}

impl Tensor {
    /// `min(max(x, low), high)`.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.clip(-1.0, 1.0)]);
    /// assert_eq!(f.run([&[-3.0_f32, 0.5, 2.0].into()])?[0], Array::from([-1.0_f32, 0.5, 1.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn clip(&self, low: impl super::Argument, high: impl super::Argument) -> Tensor {
        self.maximum(low).minimum(high)
    }

    /// `x` to the power of a number: `x.powf(0.5)`; whole numbers up to 4 become products.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], _cx| [x.powf(3.0)]);
    /// assert_eq!(f.run([&[2.0_f32, -1.0].into()])?[0], Array::from([8.0_f32, -1.0]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn powf(&self, exponent: f64) -> Tensor {
        match exponent {
            1.0 => self.clone(),
            2.0 => self.square(),
            3.0 => self.square() * self,
            4.0 => self.square().square(),
            _ => self.power(exponent),
        }
    }
}
