//! The products of the vectors of two tensors.
//!
//! In: two tensors with the same batch. Out: their products along an axis of each, sample by
//! sample.

use crate::error::Error;
use crate::graph::{Tensor, Transposed};
use crate::shape::{Shape, product};
use crate::site::Site;
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer};
use super::unit_normalization::unit;

layer! {
    /// The scalar products of vectors along an axis of each of two tensors, sample by sample:
    /// `[batch, a.., n]` and `[batch, n, b..]` along the axes `[-1, 1]` give `[batch, a.., b..]`,
    /// and two of `[batch, n]` give `[batch, 1]`. Keras's `Dot`.
    ///
    /// ```
    /// use endo::layers::Dot;
    /// use endo::prelude::*;
    /// let cosine = Dot::new([1, 1]).normalize(true);
    /// let mut f = Function::new(|[a, b], cx| [cosine.apply(&[a, b], cx)]);
    /// let (a, b) = ([[3.0_f32, 0.0], [0.0, 2.0]], [[5.0_f32, 0.0], [1.0, 0.0]]);
    /// let [y] = f.run([&a.into(), &b.into()])?;
    /// assert_eq!(y, Array::from([[1.0_f32], [0.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Dot ["dot"]
    /// Along an axis of the first and one of the second tensor, counted with the batch, from the
    /// end when negative.
    (axes: [isize; 2]) {
        /// Whether vectors are divided by their lengths first, so that the products are the cosines
        /// of their angles. False unless set.
        normalize: bool = false,
    }
}

impl Dot {
    /// The axes by position, or what is wrong with them.
    fn positions(&self, inputs: &[Tensor; 2], cx: &Context) -> Result<[usize; 2], Error> {
        let [a, b] = inputs.each_ref().map(Tensor::shape);
        let message = format!(
            "`{}` along the axes {:?} of inputs of shapes {a} and {b}",
            cx.path(),
            self.axes
        );
        let help =
            "both have the same batch, and the axes, which are not that of the batch, equal sizes";
        match (a.axis(self.axes[0]), b.axis(self.axes[1])) {
            (Some(i), Some(j)) if i > 0 && j > 0 && a.batch() == b.batch() && a[i] == b[j] => {
                Ok([i, j])
            }
            _ => Err(Error::shape(message, help)),
        }
    }
}

impl Layer<[Tensor; 2]> for Dot {
    #[track_caller]
    fn call(&self, inputs: &[Tensor; 2], cx: &mut Context) -> Tensor {
        let positions = match self.positions(inputs, cx) {
            Ok(positions) => positions,
            Err(error) => {
                return cx.trace().fail(
                    error.at(Site::caller()),
                    [inputs[0].batch(), 1].into(),
                    inputs[0].dtype(),
                );
            }
        };
        // Vectors as the last axis: [batch, others.., n].
        let [a, b] = std::array::from_fn(|side| {
            let (x, axis) = (&inputs[side], positions[side]);
            let x = if self.normalize { unit(x, &[axis as isize]) } else { x.clone() };
            let order: Vec<usize> =
                (0..x.rank()).filter(|&other| other != axis).chain([axis]).collect();
            x.permute(&order)
        });
        let rest = |x: &Tensor| x.shape()[1..x.rank() - 1].to_vec();
        let rows = |x: &Tensor| x.reshape([x.batch(), product(&rest(x)), x.features()]);
        let outputs: Shape = [a.batch()].into_iter().chain(rest(&a)).chain(rest(&b)).collect();
        let outputs = if outputs.rank() == 1 { [a.batch(), 1].into() } else { outputs };
        rows(&a).matmul_transposed(&rows(&b), Transposed::RIGHT).reshape(outputs)
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use super::Dot;
    use crate::prelude::*;

    #[test]
    fn axes_of_other_sizes_are_refused() {
        for axes in [[1, 1], [0, 0], [3, 1]] {
            let mut f = Function::new(|[a, b], cx| [Dot::new(axes).apply(&[a, b], cx)]);
            let error = f
                .run([&Array::zeros([2, 3], DType::F32), &Array::zeros([2, 4], DType::F32)])
                .unwrap_err();
            error.says("`dot` along the axes");
        }
    }
}
