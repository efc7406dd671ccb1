//! A rectifier whose slope below zero is learned.
//!
//! In: `[batch, ..]`. Out: the same shape; the weight `alpha` has a slope for each number of a
//! sample, or shares some.

use crate::graph::Tensor;
use crate::initializers::Zeros;
use crate::named::{Axes, AxisList, Named};
use crate::ops::view::axis_error;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<PRelu>()];

layer! {
    /// `max(x, 0) - alpha * max(-x, 0)`: `x` where it is positive, `alpha x` elsewhere, with slopes
    /// `alpha` that are learned (He et al. 2015, equation 1). `alpha` has the shape of a sample,
    /// with 1 for the shared axes. Keras's `PReLU`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = PRelu::new().shared_axes([1]).alpha_initializer(Constant(0.5));
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let [y] = f.run([&[[[1.0_f32, -2.0], [-4.0, 3.0]]].into()])?;
    /// assert_eq!(y, Array::from([[[1.0_f32, -1.0], [-2.0, 3.0]]]));
    /// assert_eq!(layer.alpha().unwrap().shape().sizes(), [1, 2]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    PRelu ["p_relu"]
    /// A slope for each number of a sample, at first 0.
    () {
        /// The axes along which the slope is the same; the batch is axis 0. For images
        /// `[batch, height, width, channels]`, `[1, 2]` leaves one slope for each channel. None
        /// unless set.
        shared_axes: AxisList => Axes = AxisList(Vec::new()),
    }
    weights {
        /// The slopes below zero, once the layer was applied.
        alpha = Zeros => alpha_initializer, alpha_regularizer, alpha_constraint;
    }
}

impl Layer for PRelu {
    #[track_caller]
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let position = |axis: &isize| x.shape().axis(*axis).filter(|&axis| axis > 0);
        let AxisList(axes) = &self.shared_axes;
        if let Some(axis) = axes.iter().find(|axis| position(axis).is_none()) {
            let help = "`shared_axes` counts from the batch axis 0, which is not among them: `[1, \
                2]` for images";
            let error = axis_error("PRelu", *axis, x.shape()).help(help);
            cx.trace().record(error.at(Site::caller()));
            return x.clone();
        }
        let shared: Vec<usize> = axes.iter().filter_map(position).collect();
        let slopes = Shape::from(x.shape().with_ones(&shared).get(1..).unwrap_or_default());
        let alpha = self.alpha.value(self, slopes, cx);
        x.relu() - alpha * (-x).relu()
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn slopes_are_learned() {
        let mut model = Model::new(PRelu::new());
        model.compile(Sgd::new(0.5), MeanSquaredError, ());
        let data = Dataset::new([[-1.0_f32], [2.0]], [[-0.25_f32], [2.0]]).unwrap();
        model.fit(&data, Fit::epochs(50)).unwrap();
        assert!((model.weights()[0].value().get(0) - 0.25).abs() < 1e-3);
    }

    #[test]
    fn the_batch_axis_cannot_be_shared() {
        let layer = PRelu::new().shared_axes([1, 0]);
        let error = refused(&layer, &[1, 1]);
        error.says("`PRelu` along axis 0 of a tensor of shape [1, 1]");
        error.advises("the batch axis 0");
    }
}
