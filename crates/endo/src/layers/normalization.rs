//! Scaling of inputs by statistics of the training data, as part of the model.
//!
//! In: inputs as they are in the data. Out: features of mean 0 and variance 1. The statistics are
//! weights, so that they are saved with the model and nobody has to scale before predicting.

use crate::array::Array;
use crate::data::StandardScaler;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::initializers::Initializer;
use crate::named::{Named, Unsaved};
use crate::ops::view::axis_error;
use crate::random::Random;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Normalization>()];

/// No feature is divided by less, as in Keras.
const LEAST_DEVIATION: f64 = 1e-7;

layer! {
    /// `(x - mean) / max(sqrt(variance), 1e-7)`, with a mean and a variance for each position of an
    /// axis, the last unless set. Keras's `Normalization`.
    ///
    /// The statistics come from the data ([`adapt`](Self::adapt)) or are given
    /// ([`new`](Self::new)). They are weights that are not trained, `mean` and `variance`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let x = Array::from([[1.0_f32, 10.0], [3.0, 30.0]]);
    /// let layer = Normalization::adapt(&StandardScaler::fit(&x)?);
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// assert_eq!(f.run([&x])?[0], Array::from([[-1.0_f32, -1.0], [1.0, 1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    Normalization ["normalization"]
    /// Known statistics, one mean and one variance for each feature.
    (mean: Unsaved<Vec<f64>> => Vec<f64>, variance: Unsaved<Vec<f64>> => Vec<f64>) {
        /// The axis of the features. -1 unless set.
        axis: isize = -1,
        /// Whether the layer undoes the scaling: `x * max(sqrt(variance), 1e-7) + mean`. False
        /// unless set.
        invert: bool = false,
    }
    with {
        weights: [Weight; 2] = ["mean", "variance"].map(|name| Weight::new(name).trainable(false)),
    }
}

/// Numbers known before the weight is made.
struct Statistic(Vec<f64>);

impl Initializer for Statistic {
    fn initialize(&self, shape: &Shape, _random: &mut Random) -> Result<Array> {
        Array::new(shape, self.0.clone())
    }
}

impl Normalization {
    /// The statistics that a scaler has learnt from data:
    /// `Normalization::adapt(&StandardScaler::fit(&x)?)`. A feature that does not vary has variance
    /// 1 there, so it is shifted and not blown up.
    pub fn adapt(scaler: &StandardScaler) -> Self {
        let variance: Vec<f64> =
            scaler.standard_deviation().iter().map(|deviation| deviation * deviation).collect();
        Self::new(scaler.mean(), variance)
    }

    /// The mean of each feature, once the layer was applied.
    pub fn mean(&self) -> Option<&Variable> {
        self.weights[0].variable()
    }

    /// The variance of each feature, once the layer was applied.
    pub fn variance(&self) -> Option<&Variable> {
        self.weights[1].variable()
    }

    /// The axis of the features in inputs of a shape, if they are as many as there are statistics.
    fn features(&self, inputs: &Shape) -> Result<usize> {
        let axis =
            inputs.axis(self.axis).ok_or_else(|| axis_error("Normalization", self.axis, inputs))?;
        let [means, variances] = [&self.mean, &self.variance].map(|statistic| statistic.0.len());
        if means != variances || means != inputs[axis] {
            let message = format!(
                "`Normalization` has {means} means and {variances} variances, got inputs of shape \
                    {inputs}"
            );
            let help = format!("it needs one of each for every position of axis {axis}");
            return Err(Error::shape(message, help));
        }
        // Statistics are f32 as all weights: a feature whose scale does not fit would be zeroed or
        // squashed in silence.
        let deviation = |index: usize| self.variance.0[index].sqrt();
        let fits = |deviation: f64| {
            deviation == 0.0 || (LEAST_DEVIATION..=f64::from(f32::MAX).sqrt()).contains(&deviation)
        };
        if let Some(index) = (0..variances).find(|&index| !fits(deviation(index))) {
            let message = format!(
                "feature {index} (counted from 0) has standard deviation {}",
                deviation(index)
            );
            let help =
                "give it in another unit: deviations between 1e-7 and 1e19 can be normalized";
            return Err(Error::argument(message, help));
        }
        Ok(axis)
    }
}

impl Layer for Normalization {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let axis = match self.features(x.shape()) {
            Ok(axis) => axis,
            Err(error) => {
                cx.trace().record(error.at(Site::caller()));
                return x.clone();
            }
        };
        let (features, across) = (x.shape()[axis], across(x.shape(), axis));
        let [means, variances] =
            [&self.mean, &self.variance].map(|known| Statistic(known.0.clone()));
        let mean = self.weights[0].get(self, features, &means, cx).reshape(&across);
        let variance = self.weights[1].get(self, features, &variances, cx).reshape(&across);
        let deviation = variance.sqrt().maximum(LEAST_DEVIATION);
        if self.invert { x * deviation + mean } else { (x - mean) / deviation }
    }

    about! { supports_masking }
}

/// The shape of one number for each position of an axis that broadcasts against inputs of a shape.
pub(super) fn across(inputs: &Shape, axis: usize) -> Shape {
    (axis..inputs.rank()).map(|other| if other == axis { inputs[axis] } else { 1 }).collect()
}

/// Axes counted from the start; if the inputs lack one, the trace has an error that names the
/// layer.
#[track_caller]
pub(super) fn positions(layer: &str, axes: &[isize], x: &Tensor) -> Option<Vec<usize>> {
    if let Some(&axis) = axes.iter().find(|&&axis| x.shape().axis(axis).is_none()) {
        x.trace().record(axis_error(layer, axis, x.shape()).at(Site::caller()));
    }
    axes.iter().map(|&axis| x.shape().axis(axis)).collect()
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn inverting_undoes_the_scaling() {
        let [there, back] =
            [false, true].map(|invert| Normalization::new([5.0, 1.0], [4.0, 0.25]).invert(invert));
        let x = Array::from([[1.0_f32, 2.0], [3.0, -4.0]]);
        let mut f = Function::new(|[x], cx| {
            let scaled = there.apply(&x, cx);
            [back.apply(&scaled, cx), scaled]
        });
        let [same, scaled] = f.run([&x]).unwrap();
        assert_eq!(same, x);
        assert_eq!(scaled, Array::from([[-2.0_f32, 2.0], [-1.0, -10.0]]));
    }

    #[test]
    fn statistics_are_weights_that_are_not_trained() {
        let layer = Normalization::new([5.0], [4.0]).axis(1);
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        assert_eq!(
            f.run([&[[[7.0_f32, 3.0]]].into()]).unwrap()[0],
            Array::from([[[1.0_f32, -1.0]]])
        );
        assert_eq!(layer.mean().unwrap().value(), Array::from([5.0_f32]));
        assert!(!layer.variance().unwrap().is_trainable());
    }

    #[test]
    fn features_whose_scale_does_not_fit_f32_are_refused() {
        for variance in [1e50, 1e-24] {
            let layer = Normalization::new([5.0, 5.0], [4.0, variance]);
            refused(&layer, &[1, 2]).says("feature 1 (counted from 0) has standard deviation");
        }
    }

    #[test]
    fn inputs_of_another_number_of_features_are_refused() {
        let layer = Normalization::new([5.0, 1.0], [4.0, 1.0]);
        refused(&layer, &[1, 1])
            .reads("`Normalization` has 2 means and 2 variances, got inputs of shape [1, 1]");
    }
}
