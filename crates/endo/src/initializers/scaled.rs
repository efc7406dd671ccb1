//! Random first values whose spread follows from the number of a weight's inputs and outputs, so
//! that signals keep their size from layer to layer.
//!
//! In: a shape, with inputs and outputs on its last two axes, and random numbers. Out: values drawn
//! in `f64`.

use crate::array::Array;
use crate::error::Result;
use crate::named::{family, words};
use crate::random::Random;
use crate::shape::Shape;

use super::Initializer;
use super::random::{normal, truncated_normal, uniform};

words! {
    /// By which count a variance is divided.
    Fan, "`fan_in`, `fan_out` or `fan_avg`" {
        /// The number of inputs of a unit.
        In = "fan_in",
        /// The number of units that an input feeds.
        Out = "fan_out",
        /// The mean of the two.
        Average = "fan_avg",
    }
}

words! {
    /// How values of a variance are distributed.
    Distribution, "`truncated_normal`, `untruncated_normal` or `uniform`" {
        /// Normal, cut at two standard deviations, and wider by so much that the variance is right
        /// after the cut.
        TruncatedNormal = "truncated_normal",
        /// Normal.
        UntruncatedNormal = "untruncated_normal",
        /// Uniform.
        Uniform = "uniform",
    }
}

family! { Initializer: initialize(self, shape: &Shape, random: &mut Random) -> Result<Array>;
    /// Uniform with variance `2 / (fan_in + fan_out)`: Glorot and Bengio 2010, equation 16. For
    /// tanh, sigmoid and softmax.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).kernel_initializer(GlorotUniform);
    /// ```
    GlorotUniform ["glorot_uniform"] {}
        => scaled(1.0, Fan::Average, Distribution::Uniform).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(1.0, Fan::Average, Distribution::Uniform))
            }
        };

    /// Truncated normal with variance `2 / (fan_in + fan_out)`: Glorot and Bengio 2010,
    /// equation 12.
    GlorotNormal ["glorot_normal"] {}
        => scaled(1.0, Fan::Average, Distribution::TruncatedNormal).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(1.0, Fan::Average, Distribution::TruncatedNormal))
            }
        };

    /// Uniform with variance `2 / fan_in`: He et al. 2015, equation 10. For rectifiers.
    HeUniform ["he_uniform"] {}
        => scaled(2.0, Fan::In, Distribution::Uniform).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(2.0, Fan::In, Distribution::Uniform))
            }
        };

    /// Truncated normal with variance `2 / fan_in`: He et al. 2015, equation 10. For rectifiers.
    HeNormal ["he_normal"] {}
        => scaled(2.0, Fan::In, Distribution::TruncatedNormal).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(2.0, Fan::In, Distribution::TruncatedNormal))
            }
        };

    /// Uniform with variance `1 / fan_in`: LeCun et al. 1998, equation 16.
    LecunUniform ["lecun_uniform"] {}
        => scaled(1.0, Fan::In, Distribution::Uniform).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(1.0, Fan::In, Distribution::Uniform))
            }
        };

    /// Truncated normal with variance `1 / fan_in`: LeCun et al. 1998, equation 16. For SELU.
    LecunNormal ["lecun_normal"] {}
        => scaled(1.0, Fan::In, Distribution::TruncatedNormal).initialize(shape, random), {
            fn scaling(&self) -> Option<VarianceScaling> {
                Some(scaled(1.0, Fan::In, Distribution::TruncatedNormal))
            }
        };

    /// Variance `scale / fan`, of which the others in this file are cases.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let he_average =
    ///     VarianceScaling.scale(2.0).mode(Fan::Average).distribution(Distribution::Uniform);
    /// let layer = Dense::new(30).kernel_initializer(he_average);
    /// ```
    VarianceScaling ["variance_scaling"] {
        /// The variance for one input; 1 unless set.
        scale: f64 = 1.0,
        /// By which count the variance is divided; [`Fan::In`] unless set.
        mode: Fan = Fan::In,
        /// How values are distributed; [`Distribution::TruncatedNormal`] unless set.
        distribution: Distribution = Distribution::TruncatedNormal,
    } => {
        /// The standard deviation of a standard normal number that is known to lie within -2 and 2.
        const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;
        let [inputs, outputs] = fans(shape);
        let fan = match self.mode {
            Fan::In => inputs,
            Fan::Out => outputs,
            Fan::Average => (inputs + outputs) / 2.0,
        };
        let variance = self.scale / fan.max(1.0);
        match self.distribution {
            Distribution::TruncatedNormal => {
                truncated_normal(shape, 0.0, variance.sqrt() / TRUNCATED_STDDEV, random)
            }
            Distribution::UntruncatedNormal => normal(shape, 0.0, variance.sqrt(), random),
            Distribution::Uniform => {
                let limit = (3.0 * variance).sqrt();
                uniform(shape, -limit, limit, random)
            }
        }
    }, {
        fn scaling(&self) -> Option<VarianceScaling> {
            Some(self.clone())
        }
    };
}

fn scaled(scale: f64, mode: Fan, distribution: Distribution) -> VarianceScaling {
    VarianceScaling.scale(scale).mode(mode).distribution(distribution)
}

/// The first values of a kernel whose numbers of inputs and outputs do not follow from its shape.
pub(crate) struct WithFans<'a> {
    pub initializer: &'a dyn Initializer,
    /// The number of inputs, and that of outputs.
    pub fans: [usize; 2],
}

impl Initializer for WithFans<'_> {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        match self.initializer.scaling() {
            Some(scaling) => scaling.initialize(&self.fans.into(), random)?.reshape(shape),
            None => self.initializer.initialize(shape, random),
        }
    }

    fn name(&self) -> Option<String> {
        self.initializer.name()
    }
}

/// The numbers of inputs and outputs of a weight: the last two axes, times the size of a
/// convolution's window before them.
fn fans(shape: &Shape) -> [f64; 2] {
    match shape[..] {
        [] => [1.0, 1.0],
        [size] => [size as f64, size as f64],
        [ref window @ .., inputs, outputs] => {
            let window: usize = window.iter().product();
            [inputs, outputs].map(|size| (size * window) as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_count_the_window_of_a_convolution() {
        assert_eq!(fans(&[3, 3, 4, 8].into()), [36.0, 72.0]);
        assert_eq!(fans(&[4, 8].into()), [4.0, 8.0]);
        assert_eq!(fans(&[5].into()), [5.0, 5.0]);
        assert_eq!(fans(&().into()), [1.0, 1.0]);
    }

    #[test]
    fn every_distribution_has_the_variance_asked_for() {
        for distribution in
            [Distribution::TruncatedNormal, Distribution::UntruncatedNormal, Distribution::Uniform]
        {
            let initializer = scaled(3.0, Fan::In, distribution);
            let values: Vec<f64> = initializer
                .initialize(&[300, 200].into(), &mut Random::new(0, 0))
                .unwrap()
                .to_vec();
            let variance =
                values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
            assert!((variance / 0.01 - 1.0).abs() < 0.02, "{distribution:?}: {variance}");
        }
    }

    #[test]
    fn a_weight_without_elements_is_no_error() {
        assert_eq!(
            GlorotUniform.initialize(&[0, 4].into(), &mut Random::new(0, 0)).unwrap().len(),
            0
        );
    }
}
