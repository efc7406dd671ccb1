//! Numbers of 16 bits that have the sign, the exponent and 7 bits of the fraction of an `f32`
//! (bfloat16): its upper half.
//!
//! In: numbers of 32 bits. Out: the nearest that such a number can be, and the halves themselves,
//! in which values that are known to be such numbers lie in memory.

use super::cast::Cast;
use super::loops::Number;

/// The upper half of the bits of an `f32` whose lower half is 0.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
#[repr(transparent)]
pub struct UpperHalf(pub u16);
impl Number for UpperHalf {}

/// The nearest number that an [`UpperHalf`] holds, ties to even. What is too large becomes
/// infinite, and what is not a number stays so.
#[inline(always)]
pub fn nearest(x: f32) -> f32 {
    let bits = x.to_bits();
    // What is lost is more than half of the last place that is kept, or half of it where that is
    // odd, if and only if this sum carries into that place.
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // The sum could carry through all bits of a NaN, and its lower half be all that makes it one.
    let quiet = bits | 0x0040_0000;
    f32::from_bits(if x.is_nan() { quiet } else { rounded } & 0xffff_0000)
}

impl Cast<f32> for UpperHalf {
    #[inline(always)]
    fn cast(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// Exact where the lower half is 0, as it is after [`nearest`].
impl Cast<UpperHalf> for f32 {
    #[inline(always)]
    fn cast(self) -> UpperHalf {
        UpperHalf((self.to_bits() >> 16) as u16)
    }
}

impl Cast<UpperHalf> for UpperHalf {
    #[inline(always)]
    fn cast(self) -> UpperHalf {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, Loops, Scalar, Unary};
    use super::*;

    struct Rounded;
    impl Unary for Rounded {
        fn apply<F: Scalar>(x: F) -> F {
            x.round_to_bf16()
        }
    }

    /// What a loop makes of numbers, at a level.
    fn run<From: Number, To: Number>(loops: Loops, level: Level, x: &[From], zero: To) -> Vec<To> {
        let mut output = vec![zero; x.len()];
        let inputs = [x.as_ptr().cast()];
        // SAFETY: both have as many elements, and the level is one of those available.
        unsafe { loops.at(level)(inputs.as_ptr(), output.as_mut_ptr().cast(), x.len()) };
        output
    }

    /// The nearest by the distances to the two neighbours, in integers.
    fn reference(bits: u32) -> u32 {
        if f32::from_bits(bits).is_nan() {
            return bits & 0xffff_0000 | 0x0040_0000;
        }
        let (below, lost) = (bits & 0xffff_0000, bits & 0xffff);
        match lost.cmp(&0x8000) {
            std::cmp::Ordering::Less => below,
            std::cmp::Ordering::Greater => below + 0x1_0000,
            std::cmp::Ordering::Equal => below + (below & 0x1_0000),
        }
    }

    #[test]
    fn every_upper_half_is_rounded_to_the_nearest_at_every_level() {
        let lower = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
        let x: Vec<f32> = (0..=u32::from(u16::MAX))
            .flat_map(|upper| lower.map(|lower| f32::from_bits(upper << 16 | lower)))
            .collect();
        let expected: Vec<u32> = x.iter().map(|x| reference(x.to_bits())).collect();
        for level in Level::available() {
            let rounded = run(Loops::unary::<Rounded, f32>(), level, &x, 0.0_f32);
            let bits: Vec<u32> = rounded.iter().map(|x| x.to_bits()).collect();
            assert!(bits == expected, "{level:?}");
            // What was rounded lies in half of the memory without loss.
            let narrow = Loops::cast::<f32, UpperHalf>();
            let halves = run(narrow, level, &rounded, UpperHalf(0));
            let wide = run(Loops::cast::<UpperHalf, f32>(), level, &halves, 0.0_f32);
            assert!(wide.iter().zip(&expected).all(|(x, &bits)| x.to_bits() == bits), "{level:?}");
            let copies = Loops::cast::<UpperHalf, UpperHalf>();
            assert_eq!(run(copies, level, &halves, UpperHalf(0)), halves);
        }
    }

    #[test]
    fn an_f64_becomes_an_f32_first() {
        let x = [1.0 + 1.0 / 256.0 + 1e-12, -1e300, 1e-300, f64::NAN, 3.0];
        for level in Level::available() {
            let rounded = run(Loops::unary::<Rounded, f64>(), level, &x, 0.0_f64);
            assert_eq!(rounded[..3], [1.0, f64::NEG_INFINITY, 0.0]);
            assert!(rounded[3].is_nan() && rounded[4] == 3.0);
        }
    }

    #[test]
    fn numbers_below_the_normal_ones_and_above_the_largest_are_rounded_as_others() {
        assert_eq!(nearest(f32::from_bits(0x8000)), 0.0);
        assert_eq!(nearest(f32::from_bits(0x8001)), f32::from_bits(0x1_0000));
        assert_eq!(nearest(-f32::from_bits(0x8000)).to_bits(), 1 << 31);
        assert_eq!(nearest(f32::MAX), f32::INFINITY);
        assert_eq!(nearest(f32::from_bits(0x7f7f_7fff)), f32::from_bits(0x7f7f_0000));
        assert_eq!(nearest(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert!(nearest(f32::from_bits(0x7f80_0001)).is_nan());
        assert!(nearest(f32::from_bits(0xffff_ffff)).is_nan());
    }
}
