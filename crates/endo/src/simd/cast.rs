//! Loops that convert between element types.
//!
//! A float becomes an integer by truncation toward zero, saturating at the ends of `i32`, NaN
//! becoming 0; anything becomes a boolean by `≠ 0`; a boolean becomes 0 or 1.

use super::float::Float;
use super::loops::{Byte, LoopKernel, Loops, Number};
use std::marker::PhantomData;

/// Conversion of a [`Number`] into the type `To`.
pub trait Cast<To: Number>: Number {
    /// `self` as a `To`.
    fn cast(self) -> To;
}

/// The kernel of a conversion.
struct OfCast<From, To>(PhantomData<(From, To)>);

impl<From: Cast<To>, To: Number> LoopKernel for OfCast<From, To> {
    type A = From;
    type B = ();
    type C = ();
    type Out = To;
    #[inline(always)]
    fn apply(value: From, (): (), (): ()) -> To {
        value.cast()
    }
}

impl Loops {
    /// `output = x` as another type; booleans are `u8`.
    pub const fn cast<From: Cast<To>, To: Number>() -> Self {
        Self::new::<OfCast<From, To>, OfCast<From, To>>()
    }
}

/// `x` toward zero as an `i32`, saturating, 0 at NaN: what `as` does, in operations that vectors
/// have.
/// `greatest` is the largest number of the type that an `i32` holds.
#[inline(always)]
fn truncate<T: Truncate>(x: T, greatest: T) -> i32 {
    let defined = Float::select(Float::is_nan(x), T::ZERO, x);
    // SAFETY: a number between −2^31 and the greatest integer fits.
    let integer = unsafe { Float::clamp(defined, T::from_f64(-2147483648.0), greatest).truncate() };
    if x > greatest { i32::MAX } else { integer }
}

/// The bare conversion of a float.
trait Truncate: Float {
    /// `self` toward zero.
    ///
    /// # Safety
    ///
    /// The result fits.
    unsafe fn truncate(self) -> i32;
}
impl Truncate for f32 {
    #[inline(always)]
    unsafe fn truncate(self) -> i32 {
        // SAFETY: by the contract above.
        unsafe { self.to_int_unchecked() }
    }
}
impl Truncate for f64 {
    #[inline(always)]
    unsafe fn truncate(self) -> i32 {
        // SAFETY: by the contract above.
        unsafe { self.to_int_unchecked() }
    }
}

macro_rules! casts {
    ($($from:ty => $to:ty: |$x:ident| $value:expr;)*) => {$(
        impl Cast<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                let $x = self;
                $value
            }
        }
    )*};
}
casts! {
    f32 => f32: |x| x;
    f32 => f64: |x| f64::from(x);
    f32 => i32: |x| truncate(x, 2147483520.0);
    f32 => u8: |x| u8::from(x != 0.0);
    f64 => f32: |x| x as f32;
    f64 => f64: |x| x;
    f64 => i32: |x| truncate(x, 2147483647.0);
    f64 => u8: |x| u8::from(x != 0.0);
    i32 => f32: |x| x as f32;
    i32 => f64: |x| f64::from(x);
    i32 => i32: |x| x;
    i32 => u8: |x| u8::from(x != 0);
    u8 => f32: |x| f32::from(u8::from(x != 0));
    u8 => f64: |x| f64::from(u8::from(x != 0));
    u8 => i32: |x| i32::from(x != 0);
    u8 => u8: |x| u8::from(x != 0);
    Byte => f32: |x| f32::from(x.0);
    Byte => f64: |x| f64::from(x.0);
    Byte => i32: |x| i32::from(x.0);
    Byte => u8: |x| u8::from(x.0 != 0);
    Byte => Byte: |x| x;
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn cast<From: Cast<To>, To: Number>(values: &[From]) -> Vec<To> {
        let mut output = vec![0.0_f64; values.len()];
        let inputs = [values.as_ptr().cast()];
        // SAFETY: `output` has eight bytes per element, as many as the widest type.
        unsafe {
            Loops::cast::<From, To>().at(Level::detect())(
                inputs.as_ptr(),
                output.as_mut_ptr().cast(),
                values.len(),
            );
            std::slice::from_raw_parts(output.as_ptr().cast::<To>(), values.len()).to_vec()
        }
    }

    #[test]
    fn floats_become_integers_toward_zero_and_saturate() {
        let values = [1.9_f32, -1.9, 3e9, -3e9, f32::NAN, 0.0];
        assert_eq!(cast::<f32, i32>(&values), [1, -1, i32::MAX, i32::MIN, 0, 0]);
        assert_eq!(cast::<f64, i32>(&values.map(f64::from)), [1, -1, i32::MAX, i32::MIN, 0, 0]);
    }

    #[test]
    fn anything_becomes_a_boolean_by_not_being_zero() {
        assert_eq!(cast::<f32, u8>(&[0.0, -0.0, 0.5, f32::NAN]), [0, 0, 1, 1]);
        assert_eq!(cast::<i32, u8>(&[0, -7, 256]), [0, 1, 1]);
        assert_eq!(cast::<u8, f32>(&[0, 1, 255]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn an_f64_is_rounded_to_the_nearest_f32() {
        assert_eq!(cast::<f64, f32>(&[0.1, 1e300, 1.0 + 1e-9]), [0.1, f32::INFINITY, 1.0]);
    }
}
