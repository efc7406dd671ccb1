//! Normal noise while training, added or multiplied.
//!
//! In: any tensor of floats. Out: the same shape; outside training the same numbers.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::ops::RandomState;
use crate::trace::Context;

use super::Layer;
use super::dropout::rate_error;
use super::options::name_option;

/// In training, adds normal noise of mean 0 and standard deviation `stddev`. Keras's
/// `GaussianNoise`.
///
/// ```
/// use endo::prelude::*;
/// let noise = GaussianNoise::new(0.1);
/// let mut train = Function::new(|[x], cx| [(noise.apply(&x, cx) - &x).square().mean().sqrt()]);
/// let [deviation] = train.run([&Array::zeros([10_000], DType::F32)])?;
/// assert!((deviation.item()? - 0.1).abs() < 0.005);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct GaussianNoise {
    name: Option<String>,
    stddev: f64,
    seed: Option<u64>,
}

/// In training, multiplies by normal noise of mean 1 and standard deviation
/// `sqrt(rate / (1 - rate))`, which has the mean and variance of dropout at that rate (Srivastava
/// et al. 2014, section 10). Keras's `GaussianDropout`.
///
/// ```
/// use endo::prelude::*;
/// let dropout = GaussianDropout::new(0.5);
/// let mut train = Function::new(|[x], cx| [dropout.apply(&x, cx).variance()]);
/// let [variance] = train.run([&Array::full([10_000], 2.0, DType::F32)])?;
/// assert!((variance.item()? - 4.0).abs() < 0.2);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct GaussianDropout {
    name: Option<String>,
    rate: f64,
    seed: Option<u64>,
}

impl GaussianNoise {
    /// Noise of a standard deviation, not negative.
    pub fn new(stddev: f64) -> Self {
        Self { name: None, stddev, seed: None }
    }
}

impl GaussianDropout {
    /// The noise of dropout at a rate, at least 0 and less than 1.
    pub fn new(rate: f64) -> Self {
        Self { name: None, rate, seed: None }
    }
}

macro_rules! options {
    ($($Layer:ident)+) => {
        $(
            impl $Layer {
                /// A seed of the layer's own instead of that of the model or function.
                #[must_use]
                pub fn seed(mut self, seed: u64) -> Self {
                    self.seed = Some(seed);
                    self
                }

                name_option! {}

                fn random(&self, cx: &mut Context) -> RandomState {
                    self.seed.into_iter().fold(cx.random(), |random, seed| random.seed(seed))
                }
            }
        )+
    };
}

options! { GaussianNoise GaussianDropout }

impl Layer for GaussianNoise {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if !self.stddev.is_finite() || self.stddev < 0.0 {
            let error = Error::new(
                ErrorKind::Argument,
                format!("the standard deviation of a `GaussianNoise` is {}", self.stddev),
            );
            cx.trace()
                .record(error.help("it is a number, and not negative").at(Location::caller()));
            return inputs.clone();
        }
        if cx.training() && self.stddev > 0.0 {
            inputs + self.random(cx).normal(inputs.shape(), 0.0, self.stddev)
        } else {
            inputs.clone()
        }
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("stddev", self.stddev)
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

impl Layer for GaussianDropout {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if let Some(error) = rate_error("GaussianDropout", self.rate) {
            cx.trace().record(error.at(Location::caller()));
            return inputs.clone();
        }
        let stddev = (self.rate / (1.0 - self.rate)).sqrt();
        if cx.training() && self.rate > 0.0 {
            inputs * self.random(cx).normal(inputs.shape(), 1.0, stddev)
        } else {
            inputs.clone()
        }
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("rate", self.rate)
    }

    fn supports_masking(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
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
        let mut f = Function::new(|[x], cx| [GaussianNoise::new(-1.0).apply(&x, cx)]);
        let error = f.run([&[1.0_f32].into()]).unwrap_err();
        assert_eq!(error.message(), "the standard deviation of a `GaussianNoise` is -1");
    }
}
