//! Features of mean 0 and standard deviation 1.
//!
//! In: the training inputs. Out: [`StandardScaler`], which shifts and scales any inputs by the
//! statistics of those.

use super::checks::check_finite;
use crate::array::Array;
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};

/// Scales each feature (each position of the last axis) to `(x - mean) / standard_deviation`.
///
/// The statistics are those of the population (divided by the number of samples), summed in 64
/// bits. A feature that does not vary beyond rounding keeps its scale: its deviation is taken as 1.
/// As scikit-learn's `StandardScaler`.
///
/// ```
/// use endo::{Array, data::StandardScaler};
/// let x = Array::from([[1.0_f64, 10.0], [3.0, 10.0]]);
/// let scaler = StandardScaler::fit(&x)?;
/// assert_eq!((scaler.mean(), scaler.standard_deviation()), (&[2.0, 10.0][..], &[1.0, 1.0][..]));
/// assert_eq!(scaler.transform(&x)?, Array::from([[-1.0_f64, 0.0], [1.0, 0.0]]));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct StandardScaler {
    mean: Vec<f64>,
    standard_deviation: Vec<f64>,
}

impl StandardScaler {
    /// A scaler of known statistics, one of each per feature. Fails when they are not equally many,
    /// not finite, or when a deviation is not positive.
    ///
    /// ```
    /// use endo::{Array, data::StandardScaler};
    /// let scaler = StandardScaler::new([5.0], [2.0])?;
    /// assert_eq!(scaler.transform(&Array::from([[9.0_f32]]))?, Array::from([[2.0_f32]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn new(mean: impl Into<Vec<f64>>, standard_deviation: impl Into<Vec<f64>>) -> Result<Self> {
        let (mean, standard_deviation) = (mean.into(), standard_deviation.into());
        if mean.len() != standard_deviation.len() || mean.is_empty() {
            let message = format!(
                "a scaler needs a mean and a deviation per feature, got {} and {}",
                mean.len(),
                standard_deviation.len()
            );
            let help = "give both for every feature, in the order of the features";
            return Err(Error::shape(message, help));
        }
        for (feature, (mean, deviation)) in mean.iter().zip(&standard_deviation).enumerate() {
            if !mean.is_finite() || !deviation.is_finite() || *deviation <= 0.0 {
                let message =
                    format!("feature {feature} has mean {mean} and standard deviation {deviation}");
                let help = "both are finite, and the deviation is positive";
                return Err(Error::argument(message, help));
            }
        }
        Ok(Self { mean, standard_deviation })
    }

    /// The statistics of an array of shape `[samples, ..., features]`. Fails when there are no
    /// numbers or fewer than two axes, at a number that is not finite, and where the squares of a
    /// feature's numbers are more than `f64` holds.
    pub fn fit(x: &Array) -> Result<Self> {
        let features = x.shape().features();
        if x.shape().rank() < 2 || x.len() == 0 {
            let message = format!(
                "a scaler is fitted to inputs of shape [samples, features], got {}",
                x.shape()
            );
            return Err(Error::shape(message, "reshape a single feature to [samples, 1]"));
        }
        check_finite("inputs", x)?;
        let values = x.to_vec::<f64>();
        let count = (values.len() / features) as f64;
        let sums = |of: &dyn Fn(f64, usize) -> f64| {
            let mut sums = vec![0.0; features];
            for row in values.chunks_exact(features) {
                for (feature, &value) in row.iter().enumerate() {
                    sums[feature] += of(value, feature);
                }
            }
            sums
        };
        let mean: Vec<f64> = sums(&|value, _| value).iter().map(|sum| sum / count).collect();
        // What rounding left in the mean is taken out of the squares: Chan, Golub and LeVeque
        // (1983), equation 1.7.
        let rest = sums(&|value, feature| value - mean[feature]);
        let squares = sums(&|value, feature| (value - mean[feature]).powi(2));
        let deviation = |feature: usize| {
            let variance = (squares[feature] - rest[feature].powi(2) / count) / count;
            let rounding =
                count * f64::EPSILON * variance + (count * mean[feature] * f64::EPSILON).powi(2);
            if variance.is_finite() && variance <= rounding { 1.0 } else { variance.sqrt() }
        };
        let standard_deviation: Vec<f64> = (0..features).map(deviation).collect();
        Self::new(mean, standard_deviation)
    }

    /// `(x - mean) / standard_deviation`, computed in 64 bits; f64 stays f64, all else becomes f32.
    /// Fails when the last axis has another size than that of `fit`.
    pub fn transform(&self, x: &Array) -> Result<Array> {
        self.map(x, |value, mean, deviation| (value - mean) / deviation)
    }

    /// `x * standard_deviation + mean`: back to what `transform` was given.
    ///
    /// ```
    /// use endo::{Array, data::StandardScaler};
    /// let x = Array::from([[1.0_f32], [4.0]]);
    /// let scaler = StandardScaler::fit(&x)?;
    /// assert_eq!(scaler.inverse_transform(&scaler.transform(&x)?)?, x);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn inverse_transform(&self, x: &Array) -> Result<Array> {
        self.map(x, |value, mean, deviation| value * deviation + mean)
    }

    /// The mean of each feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each feature; 1 for a feature that does not vary.
    pub fn standard_deviation(&self) -> &[f64] {
        &self.standard_deviation
    }

    fn map(&self, x: &Array, f: impl Fn(f64, f64, f64) -> f64) -> Result<Array> {
        let features = self.mean.len();
        if x.shape().rank() == 0 || x.shape().features() != features {
            let message = format!(
                "the scaler was fitted to {features} features, got inputs of shape {}",
                x.shape()
            );
            return Err(Error::shape(message, "the last axis holds the features"));
        }
        if x.dtype() == DType::F64 { self.mapped::<f64>(x, f) } else { self.mapped::<f32>(x, f) }
    }

    fn mapped<T: Element>(&self, x: &Array, f: impl Fn(f64, f64, f64) -> f64) -> Result<Array> {
        let mut values = x.to_vec::<T>();
        for row in values.chunks_exact_mut(self.mean.len()) {
            for ((value, &mean), &deviation) in
                row.iter_mut().zip(&self.mean).zip(&self.standard_deviation)
            {
                *value = T::from_f64(f(value.to_f64(), mean, deviation));
            }
        }
        Array::new(x.shape(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_whose_squares_do_not_fit_are_refused() {
        let error = StandardScaler::fit(&Array::from([[1e300], [-1e300], [3e299]])).unwrap_err();
        assert!(error.message().starts_with("feature 0 has mean "), "{error}");
    }

    #[test]
    fn statistics_are_those_of_the_population() {
        let scaler =
            StandardScaler::fit(&Array::from([[1.0_f32, -2.0], [2.0, 0.0], [6.0, 2.0]])).unwrap();
        assert_eq!(scaler.mean(), [3.0, 0.0]);
        assert_eq!(scaler.standard_deviation(), [(14.0_f64 / 3.0).sqrt(), (8.0_f64 / 3.0).sqrt()]);
    }

    #[test]
    fn a_constant_feature_keeps_its_scale_though_its_mean_is_rounded() {
        let x = Array::from_fn([1000, 1], |_| 0.1_f64);
        let scaler = StandardScaler::fit(&x).unwrap();
        assert_eq!(scaler.standard_deviation(), [1.0]);
        assert!(scaler.transform(&x).unwrap().get(0).abs() < 1e-12);
    }

    #[test]
    fn a_small_spread_about_a_large_mean_is_kept() {
        let scaler =
            StandardScaler::fit(&Array::from([[1e9_f64], [1e9 + 1.0], [1e9 + 2.0]])).unwrap();
        assert!((scaler.standard_deviation()[0] - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn sequences_are_scaled_by_their_last_axis() {
        let x = Array::from([[[1.0_f32, 10.0], [3.0, 30.0]]]);
        let scaled = StandardScaler::fit(&x).unwrap().transform(&x).unwrap();
        assert_eq!(scaled, Array::from([[[-1.0_f32, -1.0], [1.0, 1.0]]]));
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let scaler = StandardScaler::new([0.0, 0.0], [1.0, 1.0]).unwrap();
        let error = scaler.transform(&Array::from([[1.0_f32, 2.0, 3.0]])).unwrap_err();
        error.says("fitted to 2 features, got inputs of shape [1, 3]");
        assert!(StandardScaler::fit(&Array::from([1.0_f32, 2.0])).is_err());
        let error = StandardScaler::fit(&Array::from([[1.0_f32], [f32::NAN]])).unwrap_err();
        error.says("inputs[1, 0] is NaN");
        assert!(StandardScaler::new([0.0], [0.0]).is_err());
    }
}
