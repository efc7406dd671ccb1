//! Dropout of other kinds: of whole channels, and for units that normalize themselves.
//!
//! In: any tensor of floats. Out: the same shape; outside training the same numbers.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::named::Hyperparameters;
use crate::shape::Shape;
use crate::trace::Context;

use super::Layer;
use super::dropout::rate_error;
use super::options::name_option;

/// What SELU tends to for small inputs: `-scale * alpha` of Klambauer et al. 2017.
const FLOOR: f64 = -1.050_700_987_355_480_5 * 1.673_263_242_354_377_2;

macro_rules! dropouts {
    ($($(#[$doc:meta])* $Name:ident($layer:ident, $inputs:ident, $cx:ident) = $dropped:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $Name {
                name: Option<String>,
                rate: f64,
                seed: Option<u64>,
            }

            impl $Name {
                /// Leaves out with a probability of `rate`, at least 0 and less than 1.
                pub fn new(rate: f64) -> Self {
                    Self { name: None, rate, seed: None }
                }

                /// A seed of the layer's own instead of that of the model or function.
                #[must_use]
                pub fn seed(mut self, seed: u64) -> Self {
                    self.seed = Some(seed);
                    self
                }

                name_option! {}

                /// Truth values, true for what is kept.
                #[track_caller]
                fn kept(&self, shape: Shape, cx: &mut Context) -> Tensor {
                    let random = self.seed.into_iter().fold(cx.random(), |random, seed| random.seed(seed));
                    random.bernoulli(shape, 1.0 - self.rate)
                }
            }

            impl Layer for $Name {
                #[track_caller]
                fn call(&self, $inputs: &Tensor, $cx: &mut Context) -> Tensor {
                    if let Some(error) = rate_error(stringify!($Name), self.rate) {
                        $cx.trace().record(error.at(Location::caller()));
                        return $inputs.clone();
                    }
                    let $layer = self;
                    if $cx.training() && self.rate > 0.0 { $dropped } else { $inputs.clone() }
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
        )+
    };
}

/// The inputs with whole channels left out, those of `axes` spatial axes.
#[track_caller]
fn without_channels(
    inputs: &Tensor,
    axes: usize,
    rate: f64,
    cx: &mut Context,
    kept: impl FnOnce(Shape, &mut Context) -> Tensor,
) -> Tensor {
    if inputs.rank() != axes + 2 {
        let message =
            format!("`{}` over {axes} axes of inputs of shape {}", cx.path(), inputs.shape());
        let help = "inputs are [batch, lengths.., channels], with one length for each axis";
        cx.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(Location::caller()));
        return inputs.clone();
    }
    let channels: Shape =
        [inputs.batch()].into_iter().chain(vec![1; axes]).chain([inputs.features()]).collect();
    kept(channels, cx).where_(inputs / (1.0 - rate), 0.0)
}

dropouts! {
    /// In training, leaves out units with a probability of `rate` by giving them the value that
    /// SELU tends to for small inputs, and scales and shifts all so that mean and variance stay 0
    /// and 1 (Klambauer et al. 2017, section 3). Otherwise the identity. Keras's `AlphaDropout`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = AlphaDropout::new(0.2);
    /// let mut train = Function::new(|[], cx| {
    ///     [dropout.apply(&cx.random().normal([10_000], 0.0, 1.0), cx).variance()]
    /// });
    /// assert!((train.run([])?[0].item()? - 1.0).abs() < 0.1);
    /// # Ok::<(), endo::Error>(())
    /// ```
    AlphaDropout(layer, inputs, cx) = {
        let rate = layer.rate;
        let a = ((1.0 - rate) * (1.0 + rate * FLOOR * FLOOR)).sqrt().recip();
        a * layer.kept(inputs.shape().clone(), cx).where_(inputs, FLOOR) - a * FLOOR * rate
    };

    /// [`Dropout`](super::Dropout) of whole channels of sequences `[batch, steps, channels]`
    /// (Tompson et al. 2015). Keras's `SpatialDropout1D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = SpatialDropout1D::new(0.5);
    /// let mut train = Function::new(|[x], cx| [dropout.apply(&x, cx).variance_axes(&[1]).max()]);
    /// assert_eq!(train.run([&Array::full([8, 5, 4], 1.0, DType::F32)])?[0].item()?, 0.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SpatialDropout1D(layer, inputs, cx) =
        without_channels(inputs, 1, layer.rate, cx, |shape, cx| layer.kept(shape, cx));

    /// [`Dropout`](super::Dropout) of whole channels of images `[batch, height, width, channels]`.
    /// Keras's `SpatialDropout2D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = SpatialDropout2D::new(0.5);
    /// let mut train =
    ///     Function::new(|[x], cx| [dropout.apply(&x, cx).variance_axes(&[1, 2]).max()]);
    /// assert_eq!(train.run([&Array::full([8, 5, 5, 4], 1.0, DType::F32)])?[0].item()?, 0.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SpatialDropout2D(layer, inputs, cx) =
        without_channels(inputs, 2, layer.rate, cx, |shape, cx| layer.kept(shape, cx));

    /// [`Dropout`](super::Dropout) of whole channels of volumes
    /// `[batch, depth, height, width, channels]`. Keras's `SpatialDropout3D`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let dropout = SpatialDropout3D::new(0.5).seed(3);
    /// let mut predict = Function::new(|[x], cx| [dropout.apply(&x, cx)]).training(false);
    /// let x = Array::full([1, 2, 2, 2, 4], 1.0, DType::F32);
    /// assert_eq!(predict.run([&x])?[0], x);
    /// # Ok::<(), endo::Error>(())
    /// ```
    SpatialDropout3D(layer, inputs, cx) =
        without_channels(inputs, 3, layer.rate, cx, |shape, cx| layer.kept(shape, cx));
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn refused(layer: &dyn Layer) -> String {
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        f.run([&Array::zeros([2, 4, 3], DType::F32)]).unwrap_err().to_string()
    }

    #[test]
    fn rates_and_shapes_that_cannot_be_are_refused() {
        assert!(refused(&AlphaDropout::new(1.0)).contains("the rate of a `AlphaDropout` is 1"));
        assert!(
            refused(&SpatialDropout2D::new(0.5))
                .contains("`spatial_dropout2d` over 2 axes of inputs of shape [2, 4, 3]")
        );
    }

    #[test]
    fn what_is_left_out_is_the_floor_of_selu_shifted() {
        let mut f = Function::new(|[x], cx| [AlphaDropout::new(0.5).apply(&x, cx)]);
        let y = f.run([&Array::zeros([200], DType::F32)]).unwrap()[0].to_vec::<f64>();
        // a = 1 / sqrt((1 - 0.5) (1 + 0.5 floor^2)), with the floor -1.7581.
        let (a, floor) = (0.886_405, -1.758_099);
        let kept = y.iter().filter(|&&y| (y + a * floor * 0.5).abs() < 1e-4).count();
        let dropped = y.iter().filter(|&&y| (y - a * floor * 0.5).abs() < 1e-4).count();
        assert!(kept + dropped == 200 && kept > 60 && dropped > 60, "{kept} {dropped}");
    }
}
