//! Samples in another shape.
//!
//! In: `[batch, ..]`. Out: `[batch, target..]`, the same numbers in the same order.

use crate::error::Error;
use crate::graph::Tensor;
use crate::named::Named;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Reshape>()];

layer! {
    /// Gives each sample another shape of as many numbers; the batch axis is not part of it. One
    /// size may be -1: it is what the others leave. Keras's `Reshape`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let reshape = Reshape::new([-1, 3]);
    /// let mut f = Function::new(|[x], cx| [reshape.apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([4, 2, 6], DType::F32)])?[0].shape().sizes(), [4, 4, 3]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Reshape ["reshape"]
    /// Reshapes samples to `target_shape`, which leaves out the batch axis.
    (target_shape: Vec<isize> => Vec<isize>) {}
}

impl Reshape {
    /// The target shape for samples with a given count of numbers, if there is one.
    fn sizes(&self, numbers: usize) -> Option<Vec<usize>> {
        let known: Shape =
            self.target_shape.iter().filter_map(|&size| usize::try_from(size).ok()).collect();
        let known = known.len();
        let inferred = self.target_shape.iter().filter(|&&size| size < 0).count();
        let rest = numbers.checked_div(known).unwrap_or(0);
        let fits = match inferred {
            0 => known == numbers,
            1 => self.target_shape.contains(&-1) && rest.saturating_mul(known) == numbers,
            _ => false,
        };
        fits.then(|| {
            self.target_shape.iter().map(|&size| usize::try_from(size).unwrap_or(rest)).collect()
        })
    }
}

impl Layer for Reshape {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let sample = inputs.shape().get(1..).unwrap_or_default();
        if let Some(sizes) = self.sizes(sample.iter().product()) {
            return inputs.reshape([inputs.batch()].into_iter().chain(sizes).collect::<Shape>());
        }
        let message =
            format!("`Reshape` of samples of shape {sample:?} to {:?}", self.target_shape);
        let help = "the products of the sizes must be equal, without the batch axis; one size may \
            be -1, for what is left";
        let error = Error::shape(message, help).at(Site::caller());
        let sizes = self.target_shape.iter().map(|&size| usize::try_from(size).unwrap_or(1));
        cx.trace().fail(error, [inputs.batch()].into_iter().chain(sizes).collect(), inputs.dtype())
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::tests::refused;

    #[test]
    fn one_size_is_what_the_others_leave() {
        assert_eq!(Reshape::new([3, -1]).sizes(12), Some(vec![3, 4]));
        assert_eq!(Reshape::new([3, 4]).sizes(12), Some(vec![3, 4]));
        assert_eq!(Reshape::new([-1, 5]).sizes(12), None);
        assert_eq!(Reshape::new([-1, -1]).sizes(12), None);
        assert_eq!(Reshape::new([-2]).sizes(12), None);
        assert_eq!(Reshape::new([-1, 0]).sizes(12), None);
    }

    #[test]
    fn text_gives_the_sizes_in_brackets_or_as_the_tuple_of_keras() {
        for text in ["reshape([2, -1])", "Reshape((2, -1))", "reshape(target_shape=(2, -1,))"] {
            let layer = crate::layers::get(text).unwrap();
            assert_eq!(layer.hyperparameters().to_string(), "target_shape=[2, -1]", "{text}");
        }
        let permute = crate::layers::get("permute((2, 1))").unwrap();
        assert_eq!(permute.hyperparameters().to_string(), "dims=[2, 1]");
        let error = crate::layers::get("reshape(6)").err().unwrap();
        error.says("`target_shape` of `reshape(6)` is a list such as");
    }

    #[test]
    fn a_shape_of_other_length_is_refused_without_the_batch_axis() {
        refused(&Reshape::new([5]), &[2, 3, 4])
            .reads("`Reshape` of samples of shape [3, 4] to [5]");
    }
}
