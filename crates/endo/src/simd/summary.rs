//! What a run of floats is like: its moments, extremes and counts, its spread, and its product with
//! another.
//!
//! In: slices. Out: `f64`. Sums are in `f64`, in a fixed number of lanes and runs of a fixed
//! length, so that results do not depend on the level.

use super::loops::{Real, separate};

/// Elements that are looked at together.
const LANES: usize = 16;

/// The last bin that is used, of however many.
const MOST: usize = i32::MAX as usize;

/// How many tables are counted in, and up to how many bins each has.
const TABLES: usize = 4;
const SHORT: usize = 64;

/// Elements that are looked at twice while they are in the nearest cache. So few are counted
/// exactly in their own type.
const RUN: usize = 4096;

/// What a run of floats is like. Of a run of none the means are not numbers, and the extremes the
/// wrong way around.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    /// `Σ x / n`.
    pub mean: f64,
    /// `Σ (x − mean)² / n`.
    pub variance: f64,
    /// `Σ x²`.
    pub squares: f64,
    /// The least, NaN where any is NaN.
    pub minimum: f64,
    /// The greatest, NaN where any is NaN.
    pub maximum: f64,
    /// How many are 0.
    pub zeros: f64,
    /// How many are outside the bounds.
    pub beyond: f64,
}

/// Declares a function over runs of floats that is compiled for every level.
macro_rules! at_every_level {
    (
        $(#[$attribute:meta])*
        $name:ident, $body:ident: fn($($argument:ident: $type:ty),*) $(-> $result:ty)?
    ) => {
        $(#[$attribute])*
        pub fn $name<T: Real>($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2<T: Real>($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512<T: Real>($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
                match crate::simd::Level::detect() {
                    crate::simd::Level::Baseline => {}
                    // SAFETY: the processor has the level.
                    crate::simd::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    // SAFETY: the same.
                    crate::simd::Level::Avx512 => return unsafe { avx512($($argument),*) },
                }
            }
            $body($($argument),*)
        }
    };
}
at_every_level! {
    /// What a run is like, and how much of it is below the first bound or above the second.
    summary, summarize: fn(values: &[T], bounds: [f64; 2]) -> Summary
}
at_every_level! {
    /// Adds to each bin how many values are in it, the bins being of equal width between the least
    /// and the greatest value. What is no number is in some bin.
    histogram, distribute: fn(values: &[T], extremes: [f64; 2], counts: &mut [u64])
}
at_every_level! {
    /// `Σ x y` over two runs of one length.
    dot, multiply: fn(x: &[T], y: &[T]) -> f64
}

/// All lanes as one number, by halves.
#[inline(always)]
fn join<T: Real>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn sum<T: Real>(lanes: [T; LANES]) -> f64 {
    join(lanes, |x, y| x + y).to_f64()
}

/// What has been seen of a run, lane by lane. Extremes pass over what is no number: the sum of
/// squares tells of it.
#[derive(Clone, Copy)]
struct LaneSummary<T> {
    sums: [f64; LANES],
    squares: [f64; LANES],
    least: [T; LANES],
    greatest: [T; LANES],
    zeros: [T; LANES],
}

impl<T: Real> LaneSummary<T> {
    const NOTHING: Self = Self {
        sums: [0.0; LANES],
        squares: [0.0; LANES],
        least: [T::INFINITY; LANES],
        greatest: [T::NEG_INFINITY; LANES],
        zeros: [T::ZERO; LANES],
    };

    #[inline(always)]
    fn look(&mut self, lane: usize, x: T) {
        let wide = x.to_f64();
        self.sums[lane] += wide;
        self.squares[lane] += wide * wide;
        self.least[lane] = T::select(x < self.least[lane], x, self.least[lane]);
        self.greatest[lane] = T::select(x > self.greatest[lane], x, self.greatest[lane]);
        self.zeros[lane] = self.zeros[lane] + T::select(x == T::ZERO, T::ONE, T::ZERO);
    }
}

/// What has been seen of all runs so far.
struct Total {
    count: f64,
    sum: f64,
    squares: f64,
    /// The sum of squared differences from the mean.
    spread: f64,
    minimum: f64,
    maximum: f64,
    zeros: f64,
}

impl Total {
    #[inline(always)]
    fn add<T: Real>(&mut self, seen: LaneSummary<T>) {
        self.squares += sum(seen.squares);
        self.minimum = self.minimum.min(join(seen.least, |x, y| T::select(x < y, x, y)).to_f64());
        self.maximum =
            self.maximum.max(join(seen.greatest, |x, y| T::select(x > y, x, y)).to_f64());
        self.zeros += sum(seen.zeros);
    }

    /// Takes in the sum and the spread of another run (Chan, Golub and LeVeque, "Updating Formulae
    /// and a Pairwise Algorithm for Computing Sample Variances", 1979).
    #[inline(always)]
    fn merge(&mut self, count: f64, sum: f64, spread: f64) {
        if self.count > 0.0 {
            let difference = sum / count - self.sum / self.count;
            self.spread += difference * difference * (self.count * count / (self.count + count));
        }
        self.spread += spread;
        self.sum += sum;
        self.count += count;
    }
}

// What is left over after whole blocks has lanes of its own: lanes whose index is a variable are
// kept in memory.

#[inline(always)]
fn summarize<T: Real>(values: &[T], [low, high]: [f64; 2]) -> Summary {
    let (minimum, maximum) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut total =
        Total { count: 0.0, sum: 0.0, squares: 0.0, spread: 0.0, minimum, maximum, zeros: 0.0 };
    for run in values.chunks(RUN) {
        let (blocks, rest) = run.as_chunks::<LANES>();
        let (mut seen, mut last) = (LaneSummary::NOTHING, LaneSummary::NOTHING);
        for block in blocks {
            for (lane, value) in block.iter().enumerate() {
                seen.look(lane, *value);
            }
            separate();
        }
        for (lane, value) in rest.iter().enumerate() {
            last.look(lane, *value);
        }
        let (count, whole) = (run.len() as f64, sum(seen.sums) + sum(last.sums));
        total.merge(count, whole, spread(run, whole / count));
        total.add(seen);
        total.add(last);
    }
    let Total { count, sum, squares, spread, minimum, maximum, zeros } = total;
    let nan = squares.is_nan();
    let bounded = low > f64::NEG_INFINITY || high < f64::INFINITY;
    Summary {
        mean: sum / count,
        variance: spread / count,
        squares,
        minimum: if nan { f64::NAN } else { minimum },
        maximum: if nan { f64::NAN } else { maximum },
        zeros,
        beyond: if bounded {
            values.iter().filter(|x| (x.to_f64() < low) | (x.to_f64() > high)).count() as f64
        } else {
            0.0
        },
    }
}

/// The sum of squared differences from a number.
#[inline(always)]
fn spread<T: Real>(values: &[T], from: f64) -> f64 {
    sum_of(values, values, |value, _| {
        let difference = value - from;
        difference * difference
    })
}

#[inline(always)]
fn multiply<T: Real>(x: &[T], y: &[T]) -> f64 {
    sum_of(x, y, |x, y| x * y)
}

/// The sum of what is made of each two elements of two runs of one length.
#[inline(always)]
fn sum_of<T: Real>(x: &[T], y: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (mut sums, mut last) = ([0.0; LANES], [0.0; LANES]);
    let ((x_blocks, x_rest), (y_blocks, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane].to_f64(), y[lane].to_f64());
        }
        separate();
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        last[lane] = term(x.to_f64(), y.to_f64());
    }
    sum(sums) + sum(last)
}

/// Where values lie among bins: the first of them, and how many fit into a range. All is halved, so
/// that no range is too large.
#[derive(Clone, Copy)]
struct Scale {
    minimum: f64,
    factor: f64,
    last: f64,
}

impl Scale {
    /// The bin of a value: the first for what is no number.
    #[inline(always)]
    fn bin<T: Real>(self, x: T) -> i32 {
        let place = (x.to_f64() * 0.5 - self.minimum) * self.factor;
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < self.last { place } else { self.last };
        // SAFETY: `place` is between 0 and the last bin, which is an `i32`.
        unsafe { place.to_int_unchecked() }
    }
}

#[inline(always)]
fn distribute<T: Real>(values: &[T], [minimum, maximum]: [f64; 2], counts: &mut [u64]) {
    let Some(last) = counts.len().checked_sub(1) else { return };
    let range = maximum * 0.5 - minimum * 0.5;
    let factor = if range > 0.0 { (counts.len() as f64 / range).min(f64::MAX) } else { 0.0 };
    let scale = Scale { minimum: minimum * 0.5, factor, last: last.min(MOST) as f64 };
    for run in values.chunks(RUN) {
        let (blocks, rest) = run.as_chunks::<LANES>();
        // Neighbours are counted in different tables: a count that was just stored is not there to
        // be added to at once.
        let mut tables = [[0_u32; SHORT]; TABLES];
        for block in blocks {
            let mut bins = [0; LANES];
            for lane in 0..LANES {
                bins[lane] = scale.bin(block[lane]);
            }
            separate();
            if counts.len() <= SHORT {
                for lane in 0..LANES {
                    tables[lane % TABLES][bins[lane] as usize % SHORT] += 1;
                }
            } else {
                for bin in bins {
                    counts[bin as usize] += 1;
                }
            }
        }
        for value in rest {
            counts[scale.bin(*value) as usize] += 1;
        }
        for table in tables {
            for (count, more) in counts.iter_mut().zip(table) {
                *count += u64::from(more);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

    fn values(count: usize) -> Vec<f64> {
        (0..count).map(|i| (0.7 * i as f64).sin().max(-0.75) + 0.25).collect()
    }

    #[test]
    fn a_summary_agrees_with_plain_loops_at_every_length() {
        for count in [1, 7, 16, 17, 40, 1001, 4096, 9001] {
            let values = values(count);
            let (n, found) = (count as f64, summary(&values, [-0.3, 1.0]));
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * n, "{count}: {a} and {b}");
            near(found.mean, mean);
            near(found.variance, variance);
            near(found.squares, values.iter().map(|x| x * x).sum());
            assert_eq!(found.minimum, values.iter().copied().fold(f64::INFINITY, f64::min));
            assert_eq!(found.maximum, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            assert_eq!(
                found.beyond,
                values.iter().filter(|x| **x < -0.3 || **x > 1.0).count() as f64
            );
            let doubled: Vec<f64> = values.iter().map(|x| 2.0 * x).collect();
            near(dot(&values, &doubled), 2.0 * found.squares);
            // The same bits as without the instructions that this processor has beside those of
            // all.
            assert_eq!(found, summarize(&values, [-0.3, 1.0]));
            assert_eq!(dot(&values, &doubled), multiply(&values, &doubled));
        }
        assert_eq!(summary(&[0.0_f32, -0.0, 1.0], OPEN).zeros, 2.0);
    }

    #[test]
    fn far_from_0_the_variance_is_still_that_of_the_differences() {
        assert_eq!(summary(&[4096.0_f32, 4097.0, 4098.0, 4097.0], OPEN).variance, 0.5);
        assert_eq!(summary(&[1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 1.0], OPEN).variance, 0.5);
    }

    #[test]
    fn one_large_value_among_a_million_leaves_the_digits_of_the_sums() {
        for large in [0.1_f32, 1e6] {
            let (count, exact) = ((1 << 20) + 17, f64::from(large));
            let mut values = vec![0.0; count];
            values[0] = large;
            let (found, share) = (summary(&values, OPEN), 1.0 / count as f64);
            let near = |found: f64, exact: f64| {
                assert!((found / exact - 1.0).abs() < 1e-12, "{found} for {exact}")
            };
            near(found.mean, exact * share);
            near(found.squares, exact * exact);
            near(found.variance, exact * exact * share * (1.0 - share));
        }
        let found = summary(&[1e200, 0.0, 0.0], OPEN);
        assert_eq!((found.squares, found.variance), (f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn what_is_not_a_number_is_seen_at_every_place() {
        for place in 0..40 {
            let mut values = [1.0_f32; 40];
            values[place] = f32::NAN;
            let found = summary(&values, OPEN);
            assert!(
                [found.mean, found.variance, found.squares, found.minimum, found.maximum]
                    .iter()
                    .all(|x| x.is_nan())
            );
            assert_eq!((found.zeros, found.beyond), (0.0, 0.0));
        }
    }

    #[test]
    fn every_value_is_in_one_bin() {
        fn count<T: Real>(values: &[T], bins: usize) -> Vec<u64> {
            let (mut counts, found) = (vec![0; bins], summary(values, OPEN));
            histogram(values, [found.minimum, found.maximum], &mut counts);
            counts
        }
        assert_eq!(count(&[0.0_f32, 1.0, 2.0, 3.0, 4.0], 4), [1, 1, 1, 2]);
        assert_eq!(count(&[-1.0_f64, -0.5, 0.25, 1.0], 2), [2, 2]);
        assert_eq!(count(&[7.0_f32; 9], 5), [9, 0, 0, 0, 0]);
        assert_eq!(count(&[f32::NAN, 1.0, 2.0], 3).iter().sum::<u64>(), 3);
        assert_eq!(count(&[f64::NEG_INFINITY, 1.0, f64::INFINITY], 3).iter().sum::<u64>(), 3);
        assert_eq!(count(&values(9000), 30).iter().sum::<u64>(), 9000);
        for bins in [64, 65, 1000] {
            let many: Vec<f64> = (0..3 * bins).map(|i| ((7 * i) % (3 * bins)) as f64).collect();
            let counted = count(&many, bins);
            assert!(
                counted.iter().all(|count| (2..=4).contains(count))
                    && counted.iter().sum::<u64>() == 3 * bins as u64,
                "{bins}"
            );
        }
        // However small or large the range is.
        assert_eq!(count(&[0.0, 1.5e-38_f32, 2.5e-38, 5e-38], 5), [1, 1, 1, 0, 1]);
        assert_eq!(count(&[-3e38_f32, -0.9e38, 1.1e38, 3e38], 6), [1, 0, 1, 0, 1, 1]);
        assert_eq!(count(&[-1.5e308, -0.4e308, 0.6e308, 1.5e308], 6), [1, 0, 1, 0, 1, 1]);
    }
}
