//! Tests that values are finite before variables are written.
//!
//! In: the plan's checks. Out: the index of the first that fails.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dtype::DType;
use crate::plan::{Checked, Plan};
use crate::simd::Level;

use super::address::{Address, Bases};
use super::pool::Pool;

/// A value to test.
pub struct Check {
    index: usize,
    address: Address,
    length: usize,
    wide: bool,
}

impl Check {
    /// Resolves a check of the plan.
    pub fn new(plan: &Plan, check: &Checked) -> Self {
        let address = Address::new(plan, check.buffer, check.offset);
        let wide = plan.buffers[check.buffer].dtype == DType::F64;
        Self { index: check.index, address, length: check.length, wide }
    }

    /// Whether `length` elements from the element `first` on are finite.
    ///
    /// # Safety
    /// As for [`check`]; the value has these elements.
    unsafe fn part(&self, bases: &Bases, first: usize, length: usize, level: Level) -> bool {
        let start = bases.at(self.address);
        // SAFETY: as the caller promises.
        unsafe {
            match self.wide {
                false => finite(std::slice::from_raw_parts(start.cast::<u32>().add(first), length), level),
                true => finite_wide(std::slice::from_raw_parts(start.cast::<u64>().add(first), length)),
            }
        }
    }
}

/// The elements that one thread tests at a time.
const PART: usize = 1 << 16;

/// Tests all checks in order, long ones in parts. Fails with the index of the first that is not finite.
///
/// # Safety
/// The addresses hold floats, which nobody writes meanwhile, and the processor has the level.
pub unsafe fn check(checks: &[Check], bases: &Bases, level: Level, threads: usize, pool: &Pool) -> Result<(), usize> {
    for check in checks {
        let finite = if threads == 1 || check.length <= PART {
            // SAFETY: as the caller promises.
            unsafe { check.part(bases, 0, check.length, level) }
        } else {
            let finite = AtomicBool::new(true);
            pool.run(check.length.div_ceil(PART), |part| {
                let first = part * PART;
                // SAFETY: as the caller promises.
                if !unsafe { check.part(bases, first, PART.min(check.length - first), level) } {
                    finite.store(false, Ordering::Relaxed);
                }
            });
            finite.into_inner()
        };
        if !finite {
            return Err(check.index);
        }
    }
    Ok(())
}

/// Whether no exponent has all bits set, which only those of infinities and NaN have.
#[inline(always)]
fn all_finite(bits: &[u32]) -> bool {
    let largest = bits.iter().fold(0, |largest: i32, &bits| largest.max((bits & 0x7fff_ffff) as i32));
    largest < 0x7f80_0000
}

fn finite_wide(bits: &[u64]) -> bool {
    !bits.iter().fold(false, |any, &bits| any | (bits & 0x7ff0_0000_0000_0000 == 0x7ff0_0000_0000_0000))
}

/// # Safety
/// The processor has the level.
unsafe fn finite(bits: &[u32], level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512(bits: &[u32]) -> bool {
            all_finite(bits)
        }

        #[target_feature(enable = "avx2")]
        fn avx2(bits: &[u32]) -> bool {
            all_finite(bits)
        }

        // SAFETY: the processor has the level.
        match level {
            Level::Avx512 => return unsafe { avx512(bits) },
            Level::Avx2 => return unsafe { avx2(bits) },
            Level::Baseline => {}
        }
    }
    let _ = level;
    all_finite(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_infinities_and_nan_are_not_finite() {
        let finite = |x: f32| unsafe { finite(&[1.0_f32.to_bits(), x.to_bits(), 2.0_f32.to_bits()], Level::detect()) };
        let wide = |x: f64| finite_wide(&[1.0_f64.to_bits(), x.to_bits()]);
        for x in [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
            assert!(finite(x) && wide(x.into()));
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
            assert!(!finite(x) && !wide(x.into()));
        }
    }
}
