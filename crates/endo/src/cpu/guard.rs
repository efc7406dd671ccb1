//! Tests that values are finite before variables are written.
//!
//! In: the plan's checks. Out: the index of the first that fails.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dtype::DType;
use crate::plan::{Checked, Plan};
use crate::simd::{Level, Memory};

use super::address::{Address, Bases};
use super::pool::Pool;

/// All values to test at one point of a run.
pub struct Guard {
    /// In order.
    checks: Box<[Check]>,
    /// The same values, those that lie side by side as one, with what is between them.
    stretches: Box<[Stretch]>,
}

/// A value to test.
struct Check {
    index: usize,
    stretch: Stretch,
}

/// Numbers in memory.
#[derive(Clone, Copy)]
struct Stretch {
    address: Address,
    length: usize,
    wide: bool,
}

impl Stretch {
    fn of(plan: &Plan, check: &Checked) -> Self {
        let address = Address::new(plan, check.buffer, check.offset);
        Self { address, length: check.length, wide: plan.buffers[check.buffer].dtype == DType::F64 }
    }

    /// Goes on to the end of another, if that begins with the line behind this one's last. Behind single numbers lies what loops over
    /// whole vectors have left there, quotients of zeros among it: so they stay alone.
    fn join(&mut self, next: &Stretch) -> bool {
        let size = if self.wide { 8 } else { 4 };
        let end = Memory::round_up(self.address.offset + self.length * size);
        let alike = self.address.base == next.address.base && self.wide == next.wide;
        let joined = alike && self.length > 1 && next.length > 1 && end == next.address.offset;
        if joined {
            self.length = (end - self.address.offset) / size + next.length;
        }
        joined
    }

    /// Whether `length` elements from the element `first` on are finite.
    ///
    /// # Safety
    /// As for [`Guard::run`]; there are these elements.
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

    /// Whether all is finite; what is long is tested in parts.
    ///
    /// # Safety
    /// As for [`Guard::run`].
    unsafe fn is_finite(&self, bases: &Bases, level: Level, threads: usize, pool: &Pool) -> bool {
        if threads == 1 || self.length <= PART {
            // SAFETY: as the caller promises.
            return unsafe { self.part(bases, 0, self.length, level) };
        }
        let finite = AtomicBool::new(true);
        pool.run(self.length.div_ceil(PART), |part| {
            let first = part * PART;
            // SAFETY: as the caller promises.
            if !unsafe { self.part(bases, first, PART.min(self.length - first), level) } {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

/// The elements that one thread tests at a time.
const PART: usize = 1 << 16;

impl Guard {
    /// Resolves the checks of a step of the plan.
    pub fn new(plan: &Plan, checks: &[Checked]) -> Self {
        let checks: Box<[Check]> =
            checks.iter().map(|check| Check { index: check.index, stretch: Stretch::of(plan, check) }).collect();
        let mut all: Vec<Stretch> = checks.iter().map(|check| check.stretch).collect();
        all.sort_by_key(|stretch| (stretch.address.base, stretch.address.offset));
        all.dedup_by(|next, last| last.join(next));
        Self { checks, stretches: all.into() }
    }

    /// Tests all. Fails with the index of the first check that is not finite.
    ///
    /// # Safety
    /// The addresses hold floats, which nobody writes meanwhile, and the processor has the level.
    pub unsafe fn run(&self, bases: &Bases, level: Level, threads: usize, pool: &Pool) -> Result<(), usize> {
        // SAFETY: as the caller promises; values side by side are of one memory, and so is what is between them.
        let finite = |stretch: &Stretch| unsafe { stretch.is_finite(bases, level, threads, pool) };
        if self.stretches.iter().all(finite) {
            return Ok(());
        }
        // It may have been what is between them.
        match self.checks.iter().find(|check| !finite(&check.stretch)) {
            Some(check) => Err(check.index),
            None => Ok(()),
        }
    }
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

    #[test]
    fn values_in_neighbouring_lines_are_tested_as_one_unless_they_are_single_numbers() {
        let at = |offset, length| Stretch { address: Address { base: 0, offset }, length, wide: false };
        let joined = |mut first: Stretch, next| first.join(&next).then_some(first.length);
        assert_eq!(joined(at(64, 30), at(192, 8)), Some(40));
        assert_eq!(joined(at(64, 32), at(192, 8)), Some(40));
        assert_eq!(joined(at(64, 30), at(256, 8)), None);
        assert_eq!(joined(at(64, 1), at(128, 8)), None);
        assert_eq!(joined(at(64, 30), at(192, 1)), None);
    }
}
