//! Samples with their axes in another order, repeated, or on another scale.
//!
//! In: `[batch, ..]`. Out: the same numbers, or the same numbers times a factor.

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::Named;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] =
    &[row::<Permute>(), row::<RepeatVector>(), row::<Rescaling>()];

layer! {
    /// The axes of each sample in another order: axis `i` of a sample becomes its axis `dims[i]`,
    /// counted from 1, as the batch is axis 0. Keras's `Permute`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [Permute::new([2, 1]).apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&[[[1, 2, 3], [4, 5, 6]]].into()])?[0],
    ///     Array::from([[[1, 4], [2, 5], [3, 6]]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Permute ["permute"]
    /// The order of the axes of a sample, each once, from 1.
    (dims: Vec<usize> => Vec<usize>) {}
}

layer! {
    /// Each sample repeated as the steps of a sequence: `[batch, features]` becomes
    /// `[batch, n, features]`. Keras's `RepeatVector`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [RepeatVector::new(2).apply(&x, cx)]);
    /// assert_eq!(
    ///     f.run([&[[1, 2], [3, 4]].into()])?[0],
    ///     Array::from([[[1, 2], [1, 2]], [[3, 4], [3, 4]]])
    /// );
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    RepeatVector ["repeat_vector"]
    /// A layer that repeats its input `n` times.
    (n: usize) {}
}

layer! {
    /// `x * scale + offset`: bytes of an image as numbers from 0 to 1 by `Rescaling::new(1.0 /
    /// 255.0)`. Keras's `Rescaling`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| [Rescaling::new(0.5).offset(-1.0).apply(&x, cx)]);
    /// assert_eq!(f.run([&[[0, 4]].into()])?[0], Array::from([[-1.0_f32, 1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Rescaling ["rescaling"]
    /// Times a factor.
    (scale: f64) {
        /// What is added after the product. 0 unless set.
        offset: f64 = 0.0,
    }
}

impl Layer for Permute {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(1..inputs.rank()) {
            return inputs.permute(&[&[0], &self.dims[..]].concat());
        }
        let message = format!(
            "`{}` of the axes {:?} of inputs of shape {}",
            cx.path(),
            self.dims,
            inputs.shape()
        );
        let help = "each axis is named once, without the batch and from 1: `[2, 1]` swaps the \
            axes of a matrix";
        cx.trace().record(Error::argument(message, help).at(Site::caller()));
        inputs.clone()
    }

    about! {}
}

impl Layer for RepeatVector {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        if inputs.rank() == 2 {
            return inputs.expand_dims(1).broadcast_to([inputs.batch(), self.n, inputs.features()]);
        }
        let message = format!(
            "`{}` takes inputs of shape [batch, features], got {}",
            cx.path(),
            inputs.shape()
        );
        let error = Error::shape(message, "`Flatten` makes one axis of all that follow the batch");
        cx.trace().fail(
            error.at(Site::caller()),
            [inputs.batch(), self.n, inputs.features()].into(),
            inputs.dtype(),
        )
    }

    about! {}
}

impl Layer for Rescaling {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let x = inputs.cast(inputs.dtype().promote(cx.dtype()));
        x * self.scale + self.offset
    }

    about! { supports_masking }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        refused(&Permute::new([1, 0]), &[2, 4, 3])
            .says("`permute` of the axes [1, 0] of inputs of shape [2, 4, 3]");
        refused(&Permute::new([1]), &[2, 4, 3])
            .advises("each axis is named once, without the batch");
        refused(&RepeatVector::new(2), &[2, 4, 3])
            .says("takes inputs of shape [batch, features], got [2, 4, 3]");
    }
}
