//! Normal noise while training, added or multiplied.
//!
//! In: any tensor of floats. Out: the same shape; outside training the same numbers.

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::{Named, NotNegative, Rate, Unsaved};
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};
use super::dropout::{Seed, drops};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<GaussianNoise>(), row::<GaussianDropout>()];

layer! {
    /// In training, adds normal noise of mean 0 and standard deviation `stddev`. Keras's
    /// `GaussianNoise`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let noise = GaussianNoise::new(0.1);
    /// let mut train =
    ///     Function::new(|[x], cx| [(noise.apply(&x, cx) - &x).square().mean().sqrt()]);
    /// let [deviation] = train.run([&Array::zeros([10_000], DType::F32)])?;
    /// assert!((deviation.item()? - 0.1).abs() < 0.005);
    /// # Ok::<(), endo::Error>(())
    /// ```
    GaussianNoise ["gaussian_noise"]
    /// Noise of a standard deviation, not negative.
    (stddev: NotNegative as f64) {
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

layer! {
    /// In training, multiplies by normal noise of mean 1 and standard deviation `sqrt(rate / (1 -
    /// rate))`, which has the mean and variance of dropout at that rate (Srivastava et al. 2014,
    /// section 10). Keras's `GaussianDropout`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = GaussianDropout::new(0.5);
    /// let mut train = Function::new(|[x], cx| [dropout.apply(&x, cx).variance()]);
    /// let [variance] = train.run([&Array::full([10_000], 2.0, DType::F32)])?;
    /// assert!((variance.item()? - 4.0).abs() < 0.2);
    /// # Ok::<(), endo::Error>(())
    /// ```
    GaussianDropout ["gaussian_dropout"]
    /// The noise of dropout at a rate, at least 0 and less than 1.
    (rate: Rate as f64) {
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl Layer for GaussianNoise {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let NotNegative(stddev) = self.stddev;
        if !self.stddev.is_valid() {
            let message = format!("the standard deviation of a `GaussianNoise` is {stddev}");
            let error = Error::argument(message, "it is a number, and not negative");
            cx.trace().record(error.at(Site::caller()));
            return inputs.clone();
        }
        if cx.training() && stddev > 0.0 {
            inputs + self.seed.random(cx).normal(inputs.shape(), 0.0, stddev)
        } else {
            inputs.clone()
        }
    }

    about! { supports_masking }
}

impl Layer for GaussianDropout {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let Rate(rate) = self.rate;
        if drops("GaussianDropout", self.rate, cx) {
            let stddev = (rate / (1.0 - rate)).sqrt();
            inputs * self.seed.random(cx).normal(inputs.shape(), 1.0, stddev)
        } else {
            inputs.clone()
        }
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn noise_is_of_training_alone() {
        let [noise, dropout] = [
            Box::new(GaussianNoise::new(0.5)) as Box<dyn Layer>,
            Box::new(GaussianDropout::new(0.5)),
        ];
        let run = |layer: &dyn Layer, training: bool| {
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(training);
            f.run([&Array::full([8], 2.0, DType::F32)]).unwrap()[0].clone()
        };
        for layer in [noise, dropout] {
            assert_eq!(run(&*layer, false), Array::full([8], 2.0, DType::F32));
            assert!(run(&*layer, true).to_vec::<f32>().iter().all(|&y| y != 2.0));
        }
    }

    #[test]
    fn a_negative_deviation_is_refused() {
        refused(&GaussianNoise::new(-1.0), &[1])
            .reads("the standard deviation of a `GaussianNoise` is -1");
    }
}
