//! Random first values whose spread does not depend on the shape.
//!
//! In: a shape and random numbers. Out: values drawn in `f64` from one distribution.

use crate::array::Array;
use crate::error::Result;
use crate::named::family;
use crate::random::Random;
use crate::shape::Shape;

use super::Initializer;

family! { Initializer: initialize(self, shape: &Shape, random: &mut Random) -> Result<Array>;
    /// Normal with a mean and a standard deviation.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).kernel_initializer(RandomNormal.stddev(0.01));
    /// ```
    RandomNormal ["random_normal", "normal"] {
        /// The mean; 0 unless set.
        mean: f64 = 0.0,
        /// The standard deviation; 0.05 unless set.
        stddev: f64 = 0.05,
    } => normal(shape, self.mean, self.stddev, random);

    /// Normal, with values further than two standard deviations from the mean drawn again.
    TruncatedNormal ["truncated_normal"] {
        /// The mean; 0 unless set.
        mean: f64 = 0.0,
        /// The standard deviation before the tails are cut; 0.05 unless set.
        stddev: f64 = 0.05,
    } => truncated_normal(shape, self.mean, self.stddev, random);

    /// Uniform between two numbers.
    RandomUniform ["random_uniform", "uniform"] {
        /// The lower end; -0.05 unless set.
        minval: f64 = -0.05,
        /// The upper end; 0.05 unless set.
        maxval: f64 = 0.05,
    } => uniform(shape, self.minval, self.maxval, random);
}

pub(super) fn normal(shape: &Shape, mean: f64, stddev: f64, random: &mut Random) -> Result<Array> {
    Array::try_from_fn(shape, |_| (mean + stddev * random.normal_f64()) as f32)
}

pub(super) fn truncated_normal(
    shape: &Shape,
    mean: f64,
    stddev: f64,
    random: &mut Random,
) -> Result<Array> {
    const CUT: f64 = 2.0;
    let mut within = || {
        loop {
            let z = random.normal_f64();
            if z.abs() <= CUT {
                return z;
            }
        }
    };
    Array::try_from_fn(shape, |_| (mean + stddev * within()) as f32)
}

pub(super) fn uniform(shape: &Shape, low: f64, high: f64, random: &mut Random) -> Result<Array> {
    Array::try_from_fn(shape, |_| (low + (high - low) * random.uniform_f64()) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, standard deviation, least and greatest of 40 000 values.
    fn statistics(initializer: impl Initializer) -> [f64; 4] {
        let values: Vec<f64> = initializer
            .initialize(&Shape::from([200, 200]), &mut Random::new(3, 0))
            .unwrap()
            .to_vec();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance =
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        let extreme = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap();
        [mean, variance.sqrt(), extreme(f64::min), extreme(f64::max)]
    }

    #[test]
    fn normal_values_have_the_mean_and_the_deviation() {
        let [mean, deviation, least, greatest] = statistics(RandomNormal.mean(1.0).stddev(0.5));
        assert!((mean - 1.0).abs() < 0.01 && (deviation - 0.5).abs() < 0.01, "{mean} {deviation}");
        assert!(least < -0.5 && greatest > 2.5);
    }

    #[test]
    fn truncated_values_stay_within_two_deviations() {
        let [mean, deviation, least, greatest] = statistics(TruncatedNormal.stddev(0.5));
        assert!(mean.abs() < 0.01 && (deviation / 0.5 - 0.8796).abs() < 0.01, "{mean} {deviation}");
        assert!((-1.0..-0.99).contains(&least) && (0.99..=1.0).contains(&greatest));
    }

    #[test]
    fn uniform_values_fill_the_interval() {
        let [mean, deviation, least, greatest] = statistics(RandomUniform.minval(-1.0).maxval(3.0));
        assert!(
            (mean - 1.0).abs() < 0.02 && (deviation - 4.0 / 12.0_f64.sqrt()).abs() < 0.01,
            "{mean} {deviation}"
        );
        assert!((-1.0..-0.99).contains(&least) && (2.99..=3.0).contains(&greatest));
    }
}
