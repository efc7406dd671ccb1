//! Rows of a table looked up by number.
//!
//! In: whole numbers of any shape. Out: the same shape with an axis of features added, and a mask
//! if 0 stands for padding.

use crate::dtype::DType;
use crate::graph::Tensor;
use crate::initializers::RandomUniform;
use crate::named::{Count, Named};
use crate::trace::Context;

use super::Layer;
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Embedding>()];

layer! {
    /// A table `[input_dim, output_dim]` of vectors: number `i` becomes row `i`. Keras's
    /// `Embedding`.
    ///
    /// A number outside `0..input_dim` gives NaN, which stops training with an error.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let embedding = Embedding::new(10, 3).mask_zero(true);
    /// let mut f = Function::new(|[tokens], cx| [embedding.apply(&tokens, cx)]);
    /// let [vectors] = f.run([&[[1, 2, 0], [4, 0, 0]].into()])?;
    /// assert_eq!(vectors.shape().sizes(), [2, 3, 3]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Embedding ["embedding"]
    /// Vectors of `output_dim` numbers for `0..input_dim`.
    (input_dim: Count as usize, output_dim: Count as usize) {
        /// Whether 0 is padding: its positions do not count in losses and metrics.
        mask_zero: bool = false,
    }
    weights {
        /// The table, once it was made.
        embeddings = RandomUniform.minval(-0.05).maxval(0.05)
            => embeddings_initializer, embeddings_regularizer, embeddings_constraint;
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let table = self.embeddings.value(self, [self.input_dim.0, self.output_dim.0], cx);
        // A negative number would count from the end of the table.
        let rows = inputs.less(0).where_(self.input_dim.0 as i32, inputs.cast(DType::I32));
        let vectors = table.gather(&rows, 0);
        if self.mask_zero {
            cx.set_mask(&vectors, &inputs.not_equal(0));
        }
        vectors
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn padding_is_masked_through_layers_that_support_masks() {
        let (embedding, dense) = (Embedding::new(5, 2).mask_zero(true), Dense::new(1));
        let mut f = Function::new(|[tokens], cx| {
            let vectors = embedding.apply(&tokens, cx);
            let outputs = dense.apply(&vectors, cx);
            [cx.mask(&outputs).unwrap()]
        });
        assert_eq!(
            f.run([&[[1, 0], [3, 4]].into()]).unwrap()[0],
            Array::from([[true, false], [true, true]])
        );
    }

    #[test]
    fn numbers_outside_the_table_give_nan() {
        let embedding = Embedding::new(5, 1);
        let mut f = Function::new(|[tokens], cx| [embedding.apply(&tokens, cx)]);
        let [vectors] = f.run([&[1, 7, -1].into()]).unwrap();
        assert!(vectors.get(0).is_finite() && vectors.get(1).is_nan() && vectors.get(2).is_nan());
    }
}
