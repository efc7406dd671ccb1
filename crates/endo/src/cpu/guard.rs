//! Tests that values are finite before variables are written.
//!
//! In: the plan's checks. Out: the index of the first that fails. Products that are deferred to
//! updates are tested by their operands: a sum of `k` products is at most `k` times the largest
//! number on the left times the largest on the right. Where that could be too large, the products
//! are computed, and tested as everything else is.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::dtype::DType;
use crate::plan::{self, CheckedValue, Matrix, Plan, Product};
use crate::simd::{Level, Memory};

use super::Run;
use super::address::Address;
use super::cost::Cost;
use super::product::Batch;

/// All values to test at one point of a run.
pub struct Guard {
    /// In order.
    checks: Box<[Check]>,
    /// Those that are not deferred, the ones that lie side by side as one, with what is between
    /// them.
    stretches: Box<[Stretch]>,
    /// Products of later updates.
    deferred: Box<[DeferredProduct]>,
}

/// A value to test.
struct Check {
    index: usize,
    stretch: Stretch,
    /// Whether it is the result of a deferred product.
    deferred: bool,
}

/// Numbers in memory.
#[derive(Clone, Copy)]
struct Stretch {
    address: Address,
    length: usize,
    wide: bool,
}

/// A product that is computed later, or here.
struct DeferredProduct {
    terms: usize,
    operands: [Stretch; 2],
    product: Batch,
}

/// What no sum of a product may come to for its result to be finite without a look at it. Roundings
/// on the way, each by one part in 16 million at most, do not make three times as much of it.
const SAFE: f64 = 1e38;

impl Guard {
    /// Resolves a step of the plan, unless the system does not give the memory.
    pub fn new(plan: &Plan, guard: &plan::Guard) -> Option<Self> {
        let check = |check: &CheckedValue| Check {
            index: check.index,
            stretch: Stretch::new(plan, check.buffer, check.offset, check.length),
            deferred: guard.deferred.iter().any(|product| product.output == check.buffer),
        };
        let deferred = |product: &Product| {
            let [rows, terms, columns] = product.sizes;
            let operands = [
                Stretch::of(plan, &product.left, [rows, terms]),
                Stretch::of(plan, &product.right, [terms, columns]),
            ];
            Some(DeferredProduct { terms, operands, product: Batch::new(plan, product)? })
        };
        let checks: Box<[Check]> = guard.checks.iter().map(check).collect();
        let mut all: Vec<Stretch> =
            checks.iter().filter(|check| !check.deferred).map(|check| check.stretch).collect();
        all.sort_by_key(|stretch| (stretch.address.base, stretch.address.offset));
        all.dedup_by(|next, last| last.join(next));
        let deferred = guard.deferred.iter().map(deferred).collect::<Option<_>>()?;
        Some(Self { checks, stretches: all.into(), deferred })
    }

    /// The bytes of scratch that one thread needs.
    pub fn scratch_bytes(&self) -> usize {
        self.deferred.iter().map(|deferred| deferred.product.scratch_bytes()).max().unwrap_or(0)
    }

    /// Tests all values in order. Returns whether it has computed the deferred products; fails with
    /// the index of the first value that is not finite.
    ///
    /// # Safety
    /// The addresses hold what the plan says, which nobody writes meanwhile, and nobody touches the
    /// results of the deferred products.
    pub unsafe fn run(&self, run: &Run) -> Result<bool, usize> {
        // SAFETY: as the caller promises.
        let computed = !self.deferred.iter().all(|deferred| unsafe { deferred.is_finite(run) });
        if computed {
            for deferred in &self.deferred {
                // SAFETY: as the caller promises.
                unsafe { deferred.product.run(run) };
            }
        }
        // SAFETY: as the caller promises; values side by side are of one memory, and so is what is
        // between them.
        let finite = |stretch: &Stretch| unsafe { stretch.largest(run) }.is_finite();
        if !computed && self.stretches.iter().all(finite) {
            return Ok(false);
        }
        // It may have been what is between them.
        match self
            .checks
            .iter()
            .find(|check| (computed || !check.deferred) && !finite(&check.stretch))
        {
            Some(check) => Err(check.index),
            None => Ok(computed),
        }
    }
}

impl DeferredProduct {
    /// Whether the operands show that the result is finite.
    ///
    /// # Safety
    /// As for [`Guard::run`].
    unsafe fn is_finite(&self, run: &Run) -> bool {
        // SAFETY: as the caller promises.
        let [left, right] = self.operands.each_ref().map(|stretch| unsafe { stretch.largest(run) });
        // Not so if one is NaN.
        self.terms as f64 * left * right < SAFE
    }
}

/// The elements that one thread tests at a time.
const PART: usize = 1 << 16;

impl Stretch {
    fn new(plan: &Plan, buffer: usize, offset: usize, length: usize) -> Self {
        Self {
            address: Address::new(plan, buffer, offset),
            length,
            wide: plan.buffers[buffer].dtype == DType::F64,
        }
    }

    /// From the first to the last element of a matrix.
    fn of(plan: &Plan, matrix: &Matrix, size: [usize; 2]) -> Self {
        let steps = size
            .iter()
            .zip(matrix.strides)
            .map(|(&size, stride)| (size - 1) * stride.unsigned_abs());
        Self::new(plan, matrix.buffer, matrix.offset, steps.sum::<usize>() + 1)
    }

    /// Goes on to the end of another, if that begins with the line behind this one's last. Behind
    /// single numbers lies what loops over whole vectors have left there, quotients of zeros among
    /// it: so they stay alone.
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

    /// The largest of the absolute values; infinite or NaN if one of them is.
    ///
    /// # Safety
    /// As for [`Guard::run`].
    unsafe fn largest(&self, run: &Run) -> f64 {
        let &Run { bases, level, .. } = run;
        // Numbers without a sign are in the order of their bits, and NaN are above all of them.
        let all = AtomicU64::new(0);
        let part = |part: usize, size: usize| {
            let (start, first) = (bases.at(self.address).cast_const(), part * size);
            let length = size.min(self.length - first);
            // SAFETY: as the caller promises; the part is one of the value's.
            let bits = unsafe {
                if self.wide {
                    let bits = std::slice::from_raw_parts(start.cast::<u64>().add(first), length);
                    largest_wide(bits)
                } else {
                    let bits = std::slice::from_raw_parts(start.cast::<u32>().add(first), length);
                    f64::from(f32::from_bits(largest(bits, level))).to_bits()
                }
            };
            all.fetch_max(bits, Ordering::Relaxed);
        };
        let cost = Cost::of_bytes(self.length * if self.wide { 8 } else { 4 });
        run.share(cost, self.length.div_ceil(PART), |_, number| part(number, PART));
        f64::from_bits(all.into_inner())
    }
}

/// The largest of some numbers without their signs, as bits.
#[inline(always)]
fn of_all(bits: &[u32]) -> u32 {
    bits.iter().fold(0, |largest: i32, &bits| largest.max((bits & 0x7fff_ffff) as i32)) as u32
}

fn largest_wide(bits: &[u64]) -> u64 {
    bits.iter().fold(0, |largest, &bits| largest.max(bits & !(1 << 63)))
}

/// # Safety
/// The processor has the level.
unsafe fn largest(bits: &[u32], level: Level) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512(bits: &[u32]) -> u32 {
            of_all(bits)
        }

        #[target_feature(enable = "avx2")]
        fn avx2(bits: &[u32]) -> u32 {
            of_all(bits)
        }

        // SAFETY: the processor has the level.
        match level {
            Level::Avx512 => return unsafe { avx512(bits) },
            Level::Avx2 => return unsafe { avx2(bits) },
            Level::Baseline => {}
        }
    }
    let _ = level;
    of_all(bits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::execute;
    use super::*;
    use crate::array::Array;
    use crate::plan::Action;
    use crate::plan::tests::{Builder, divide, tuned};

    #[test]
    fn the_largest_number_is_found_and_only_infinities_and_nan_are_not_finite() {
        let largest = |x: f32| {
            f32::from_bits(unsafe {
                largest(&[1.0_f32.to_bits(), x.to_bits(), (-2.0_f32).to_bits()], Level::detect())
            })
        };
        let wide = |x: f64| {
            f64::from_bits(largest_wide(&[1.0_f64.to_bits(), x.to_bits(), (-2.0_f64).to_bits()]))
        };
        for x in [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 2.5, -2.5] {
            assert_eq!(
                (largest(x), wide(x.into())),
                (x.abs().max(2.0), f64::from(x.abs().max(2.0)))
            );
        }
        for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
            assert!(!largest(x).is_finite() && !wide(x.into()).is_finite());
        }
    }

    #[test]
    fn values_in_neighbouring_lines_are_tested_as_one_unless_they_are_single_numbers() {
        let at =
            |offset, length| Stretch { address: Address { base: 0, offset }, length, wide: false };
        let joined = |mut first: Stretch, next| first.join(&next).then_some(first.length);
        assert_eq!(joined(at(64, 30), at(192, 8)), Some(40));
        assert_eq!(joined(at(64, 32), at(192, 8)), Some(40));
        assert_eq!(joined(at(64, 30), at(256, 8)), None);
        assert_eq!(joined(at(64, 1), at(128, 8)), None);
        assert_eq!(joined(at(64, 30), at(192, 1)), None);
    }

    #[test]
    fn what_lies_between_values_that_are_tested_as_one_need_not_be_finite() {
        let graph = |last: f32| {
            let mut build = Builder::default();
            let numbers = build.numbers();
            for length in [17, 30] {
                // Loops over whole lines leave quotients of zeros behind the last element.
                let x = build.variable(Array::from_fn([length], move |index| {
                    if index == 29 { last } else { 1.0_f32 }
                }));
                let gradient = build.elementwise(&divide::OPERATION, &[x, x]);
                build.check(gradient);
                build.update(gradient, numbers, false);
            }
            build.outputs([])
        };
        for (last, expected) in [(1.0, Ok(())), (f32::NAN, Err(1))] {
            let graph = graph(last);
            let plan = tuned(&graph);
            let guards = plan.steps.iter().filter_map(|step| match &step.action {
                Action::Guard(guard) => Some(super::Guard::new(&plan, guard)),
                _ => None,
            });
            assert_eq!(
                guards.map(|guard| guard.unwrap().stretches.len()).collect::<Vec<_>>(),
                [1],
                "{plan}"
            );
            for threads in [1, 2] {
                assert_eq!(execute(&plan, &graph, &[], threads).map(|_| ()), expected);
            }
        }
    }
}
