//! Units left out at random while training.
//!
//! In: any tensor of floats. Out: the same shape; in training some elements are 0 and the others
//! larger.

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{Named, Rate, Unsaved};
use crate::ops::RandomState;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Dropout>()];

layer! {
    /// In training, sets each element to 0 with a probability of `rate` and divides the others by
    /// `1 - rate`, so that the expected value stays (Srivastava et al. 2014, in the inverted form).
    /// Otherwise the identity. Keras's `Dropout`.
    ///
    /// A rate outside `[0, 1)` is an error of the trace. Masks differ from step to step, and depend
    /// on the seed, the step and the place in the model alone.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = Dropout::new(0.25);
    /// let x = Array::full([1000], 3.0, DType::F32);
    /// let mut train = Function::new(|[x], cx| [dropout.apply(&x, cx)]);
    /// let kept = train.run([&x])?[0].to_vec::<f32>().into_iter().filter(|&y| y == 4.0).count();
    /// assert!((700..800).contains(&kept));
    /// let mut predict = Function::new(|[x], cx| [dropout.apply(&x, cx)]).training(false);
    /// assert_eq!(predict.run([&x])?[0], x);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Dropout ["dropout"]
    /// Leaves out each element with a probability of `rate`, at least 0 and less than 1.
    (rate: Rate as f64) {
        /// The shape of the mask, to leave out whole axes together: `[None, Some(1), None]` for the
        /// same features at all steps of a sequence. `None` is the size of the input; the shape is
        /// broadcast to that of the input.
        noise_shape: Option<Vec<Option<usize>>> => Vec<Option<usize>> = None,
        /// A seed of the layer's own instead of that of the model or function.
        seed: Seed as u64 = Unsaved(None),
    }
}

impl Dropout {
    /// The shape of the mask for inputs of a shape, if it broadcasts to it.
    fn mask_shape(&self, inputs: &Shape) -> Result<Shape> {
        let Some(noise_shape) = &self.noise_shape else { return Ok(inputs.clone()) };
        let sizes = noise_shape.iter().enumerate();
        let shape: Shape =
            sizes.map(|(axis, size)| size.or(inputs.get(axis).copied()).unwrap_or(1)).collect();
        if noise_shape.len() != inputs.rank() || shape.broadcast(inputs).as_ref() != Some(inputs) {
            let message = format!(
                "the noise shape {noise_shape:?} of a dropout does not broadcast to inputs of \
                    shape {inputs}"
            );
            let help = "give one size for each axis of the inputs: 1, the size of the input, or \
                `None` for the latter";
            return Err(Error::shape(message, help));
        }
        Ok(shape)
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if !drops("Dropout", self.rate, cx) {
            return inputs.clone();
        }
        match self.mask_shape(inputs.shape()) {
            Ok(shape) => {
                let kept = 1.0 - self.rate.0;
                self.seed.random(cx).bernoulli(shape, kept).where_(inputs / kept, 0.0)
            }
            Err(error) => {
                cx.trace().record(error.at(Site::caller()));
                inputs.clone()
            }
        }
    }

    about! { supports_masking }
}

/// A seed of a layer's own, if it has one. A saved model does not depend on it.
pub(super) type Seed = Unsaved<Option<u64>>;

impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        Self(Some(seed))
    }
}

impl Seed {
    /// Random numbers that follow this seed, or that of the model or function.
    #[track_caller]
    pub fn random(self, cx: &mut Context) -> RandomState {
        self.0.into_iter().fold(cx.random(), |random, seed| random.seed(seed))
    }
}

/// Whether elements are left out: in training, at a rate above 0. A rate that cannot be is recorded
/// as an error.
#[track_caller]
pub(super) fn drops(layer: &str, Rate(rate): Rate, cx: &Context) -> bool {
    if let Some(error) = rate_error(layer, rate) {
        cx.trace().record(error.at(Site::caller()));
        return false;
    }
    cx.training() && rate > 0.0
}

/// The error for a share of units to leave out that is not within `[0, 1)`.
pub(super) fn rate_error(layer: &str, rate: f64) -> Option<Error> {
    (!Rate(rate).is_valid()).then(|| {
        let help = "it is the share of elements left out: at least 0 and less than 1";
        Error::argument(format!("the rate of a `{layer}` is {rate}"), help)
    })
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    fn run(layer: &Dropout, x: &Array, steps: usize) -> Vec<Array> {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        (0..steps).map(|_| f.run([x]).unwrap()[0].clone()).collect()
    }

    #[test]
    fn a_rate_that_is_no_share_is_refused() {
        for rate in [-0.1, 1.0, f64::NAN] {
            let layer = Dropout::new(rate);
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(false);
            let error = f.run([&[1.0_f32].into()]).unwrap_err();
            assert!(error.message().starts_with("the rate of a `Dropout` is "), "{error}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_elements_kept() {
        let layer = Dropout::new(0.5);
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            let [dx] = <[_; 1]>::try_from(cx.gradients(&y.sum(), [&x]).into_tensors()).unwrap();
            [y, dx.unwrap()]
        });
        let [y, dx] = f.run([&Array::full([64], 1.0, DType::F32)]).unwrap();
        assert_eq!(y, dx);
        assert!(y.to_vec::<f32>().iter().all(|&y| y == 0.0 || y == 2.0));
    }

    #[test]
    fn a_noise_shape_leaves_out_whole_axes() {
        let x = Array::full([5, 4, 8], 1.0, DType::F32);
        let y = run(&Dropout::new(0.5).noise_shape([None, Some(1), None]), &x, 1)
            .remove(0)
            .to_vec::<f32>();
        for sample in y.chunks_exact(32) {
            assert!(sample.chunks_exact(8).all(|step| step == &sample[..8]));
        }
        let layer = Dropout::new(0.5).noise_shape([Some(3), None]);
        refused(&layer, &[2, 2])
            .says("[Some(3), None] of a dropout does not broadcast to inputs of shape [2, 2]");
    }

    #[test]
    fn masks_follow_the_seed_and_differ_from_step_to_step() {
        let x = Array::full([64], 1.0, DType::F32);
        let [a, b, plain] =
            [Dropout::new(0.5).seed(7), Dropout::new(0.5).seed(7), Dropout::new(0.5)]
                .map(|layer| run(&layer, &x, 2));
        assert_eq!(a, b);
        assert_ne!(a, plain);
        assert_ne!(a[0], a[1]);
    }
}
