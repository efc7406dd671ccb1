//! Rows of a table looked up by number.
//!
//! In: whole numbers of any shape. Out: the same shape with an axis of features added, and a mask
//! if 0 stands for padding.

use crate::dtype::DType;
use crate::graph::Tensor;
use crate::initializers::{Initializer, RandomUniform};
use crate::named::Hyperparameters;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::Layer;
use super::options::{name_option, weight_options};

/// A table `[input_dim, output_dim]` of vectors: number `i` becomes row `i`. Keras's `Embedding`.
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
pub struct Embedding {
    name: Option<String>,
    input_dim: usize,
    output_dim: usize,
    mask_zero: bool,
    embeddings_initializer: Box<dyn Initializer>,
    embeddings: Weight,
}

impl Embedding {
    /// Vectors of `output_dim` numbers for `0..input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self {
            name: None,
            input_dim,
            output_dim,
            mask_zero: false,
            embeddings_initializer: Box::new(RandomUniform.minval(-0.05).maxval(0.05)),
            embeddings: Weight::new("embeddings"),
        }
    }

    /// Whether 0 is padding: its positions do not count in losses and metrics.
    #[must_use]
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.mask_zero = mask_zero;
        self
    }

    weight_options! {
        embeddings: embeddings_initializer = "RandomUniform.minval(-0.05).maxval(0.05)", embeddings_regularizer, embeddings_constraint
    }
    name_option! {}

    /// Whether optimizers may change the table.
    #[must_use]
    pub fn trainable(mut self, trainable: bool) -> Self {
        self.embeddings = self.embeddings.trainable(trainable);
        self
    }

    /// The table, once it was made.
    pub fn embeddings(&self) -> Option<&Variable> {
        self.embeddings.variable()
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let table = self.embeddings.get(
            self,
            [self.input_dim, self.output_dim],
            &*self.embeddings_initializer,
            cx,
        );
        // A negative number would count from the end of the table.
        let rows = inputs.less(0).where_(self.input_dim as i32, inputs.cast(DType::I32));
        let vectors = table.gather(&rows, 0);
        if self.mask_zero {
            cx.set_mask(&vectors, &inputs.not_equal(0));
        }
        vectors
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new().with("mask_zero", self.mask_zero)
    }
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
