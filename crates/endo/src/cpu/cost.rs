//! How long a step takes, about, and how many threads are worth waking for it.
//!
//! In: sizes, and the level of instructions. Out: a [`Cost`], which is the time of one thread, and
//! from it the number of threads that are done soonest. No result depends on either.

use std::cmp::Ordering;
use std::iter::Sum;
use std::ops::Add;

use crate::plan::{Buffer, FusedLoop};
use crate::simd::Level;

/// What a second thread costs, in nanoseconds: it is woken and waited for, and finds what it works
/// on in the cache of another core. A call takes a tenth of it; but with 0.5 or 1.5 us in its
/// place, steps of the regressor with 256 rows took 5 to 10% longer on two threads.
const SECOND: f64 = 5_000.0;
/// What each further thread costs, in nanoseconds: the call, the number of the next task and the
/// end go to it and come back, one cache line after the other. An estimate: it was not measured on
/// more than two cores.
const FURTHER: f64 = 200.0;
/// The nanoseconds below which several steps, each on a thread of its own, are done sooner than one
/// after the other on all threads.
const SHORT: f64 = 50_000.0;
/// The nanoseconds below which a step is not worth another place in the order.
const TRIFLE: f64 = 500.0;

/// The time that something takes one thread, about.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub(super) struct Cost {
    nanoseconds: f64,
}

impl Cost {
    /// Of the multiply-adds of a product of matrices whose elements have `element_bytes` (4 or 8).
    pub fn of_product(multiply_adds: usize, level: Level, element_bytes: usize) -> Self {
        let of_nanosecond = match level {
            Level::Avx512 => 50.0,
            Level::Avx2 => 40.0,
            Level::Baseline => 12.0,
        };
        Self { nanoseconds: multiply_adds as f64 / of_nanosecond * element_bytes as f64 / 4.0 }
    }

    /// Of the multiply-adds of a product with a vector, which reads a number for each.
    pub fn of_vector(multiply_adds: usize, element_bytes: usize) -> Self {
        Self { nanoseconds: (multiply_adds * element_bytes) as f64 / 50.0 }
    }

    /// Of bytes that are read or written one after the other.
    pub fn of_bytes(bytes: usize) -> Self {
        Self { nanoseconds: bytes as f64 / 16.0 }
    }

    /// Of a fused loop: what it reads and writes, and its operations on numbers that are near.
    pub fn of_loop(body: &FusedLoop, buffers: &[Buffer], level: Level) -> Self {
        let loads = body.loads.iter().filter(|load| !load.layout.is_uniform());
        let sequences =
            loads.map(|load| load.buffer).chain(body.stores.iter().map(|store| store.buffer));
        let bytes: usize = sequences.map(|buffer| buffers[buffer].element_bytes()).sum();
        let lengths = body.repeats.iter().map(|repeat| repeat.length as f64);
        let length = body.length as f64 + lengths.sum::<f64>();
        let operation = match level {
            Level::Avx512 => 0.03,
            Level::Avx2 => 0.05,
            Level::Baseline => 0.1,
        };
        let of_element = Self { nanoseconds: operation }.times(body.instructions.len());
        (Self::of_bytes(bytes) + of_element).scaled(length)
    }

    /// Of an operation with code of its own, by the bytes of its operands.
    pub fn of_kernel(bytes: usize) -> Self {
        Self { nanoseconds: bytes as f64 / 4.0 }
    }

    /// What has been measured.
    pub fn of_nanoseconds(nanoseconds: f64) -> Self {
        Self { nanoseconds }
    }

    /// The nanoseconds of it.
    pub fn nanoseconds(self) -> f64 {
        self.nanoseconds
    }

    /// A multiple or a part of it.
    pub fn scaled(self, by: f64) -> Self {
        Self { nanoseconds: self.nanoseconds * by }
    }

    /// Of something that is done `count` times.
    pub fn times(self, count: usize) -> Self {
        self.scaled(count as f64)
    }

    /// Of sharing something among threads, however much it is.
    pub fn of_team(threads: usize) -> Self {
        let further = threads.checked_sub(2).map_or(0.0, |further| further as f64 * FURTHER);
        Self { nanoseconds: if threads < 2 { 0.0 } else { SECOND + further } }
    }

    /// Whether threads that shared it would do little but wait for each other, but it is no trifle.
    pub fn is_short(&self) -> bool {
        (TRIFLE..SHORT).contains(&self.nanoseconds)
    }

    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        if self.order(&other).is_lt() { other } else { self }
    }

    /// Which of two is larger.
    pub fn order(&self, other: &Self) -> Ordering {
        self.nanoseconds.total_cmp(&other.nanoseconds)
    }

    /// Of one of equal parts of it.
    pub fn of_part(self, parts: usize) -> Self {
        self.scaled(1.0 / parts.max(1) as f64)
    }

    /// The time of as many threads as share it without a rest.
    pub fn on(self, threads: usize) -> Self {
        self.of_part(threads) + Self::of_team(threads)
    }

    /// On how many of `threads` threads `count` tasks of this cost are done soonest, each on one of
    /// them; 1 if they are done sooner one after the other, each by a team of its own.
    pub fn team_of_tasks(self, count: usize, threads: usize) -> usize {
        if count < 2 || threads < 2 {
            return 1;
        }
        let team = self.times(count).team(threads).min(count);
        let in_turn = self.on(self.team(threads)).times(count);
        let at_once = self.times(count.div_ceil(team.max(1))) + Self::of_team(team);
        if team > 1 && at_once.order(&in_turn).is_lt() { team } else { 1 }
    }

    /// The number of threads, of those that there are, that are done soonest.
    pub fn team(self, threads: usize) -> usize {
        if threads < 2 {
            return 1;
        }
        // Where the slope of `on` is zero.
        let soonest = (self.nanoseconds / FURTHER).sqrt() as usize;
        let team = soonest.clamp(2, threads.max(2));
        if self.on(team) < self { team } else { 1 }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { nanoseconds: self.nanoseconds + other.nanoseconds }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(microseconds: f64) -> Cost {
        Cost { nanoseconds: microseconds * 1e3 }
    }

    #[test]
    fn more_threads_are_asked_for_more_work() {
        let teams = |threads| [1.0, 8.0, 20.0, 100.0, 1e5].map(|work| of(work).team(threads));
        assert_eq!(teams(1), [1; 5]);
        assert_eq!(teams(2), [1, 1, 2, 2, 2]);
        assert_eq!(teams(8), [1, 6, 8, 8, 8]);
        assert_eq!(teams(32), [1, 6, 10, 22, 32]);
    }

    #[test]
    fn no_other_number_of_threads_is_done_sooner() {
        for work in [0.0, 3.0, 6.9, 7.1, 15.0, 70.0, 900.0, 1e6] {
            for threads in 1..70 {
                let least = (1..=threads).map(|team| of(work).on(team).nanoseconds);
                let least = least.fold(f64::INFINITY, f64::min);
                let got = of(work).on(of(work).team(threads)).nanoseconds;
                assert!(got <= least * 1.01, "{work} us, {threads} threads: {got} {least}");
            }
        }
    }
}
