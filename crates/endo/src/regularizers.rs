//! Penalties on weights and activations.
//!
//! In: a tensor. Out: a scalar to be added to the loss. `L2(0.01)`, `"l2(0.01)"` and a closure
//! serve alike. Names, options and defaults are Keras's.

use std::sync::Arc;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{self, Hyperparameters, family, kinds, table, words};
use crate::site::Site;
use crate::trace::{Context, tensor_function, with_context, without_context};

/// A penalty on a tensor.
///
/// ```
/// use endo::prelude::*;
/// let sparse = Dense::new(30).kernel_regularizer(L1(0.001));
/// let by_name = Dense::new(30).kernel_regularizer("l1(0.001)");
/// let by_closure =
///     Dense::new(30).kernel_regularizer(|w: &Tensor| 0.01 * w.square().square().sum());
/// ```
pub trait Regularizer: Send + Sync {
    /// The penalty, a scalar. A type of yours has this, or [`penalty_in`](Self::penalty_in) if it
    /// takes a context.
    #[track_caller]
    fn penalty(&self, x: &Tensor) -> Tensor {
        without_context::<Self>("regularizer", "penalty_in(&x, cx)", x)
    }

    /// The penalty where there is a context, as in layers: it may draw random numbers and apply
    /// layers, which are not in training there. As [`penalty`](Self::penalty) unless it says so. A
    /// type that
    /// wraps another hands both methods on.
    #[track_caller]
    fn penalty_in(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let _ = cx;
        self.penalty(x)
    }

    /// What it is called in saved models. Of the values of this module the text from which [`get`]
    /// makes them again; of a type of yours its own name with its
    /// [hyperparameters](Self::hyperparameters); `None` for closures.
    fn name(&self) -> Option<String> {
        named::name_of::<Self>(&self.hyperparameters())
    }

    /// The hyperparameters of a type of your own, to be saved with a model; none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }
}

words! {
    /// Which vectors of a matrix are compared.
    Vectors, "`rows` or `columns`" {
        /// The rows with each other.
        Rows = "rows",
        /// The columns with each other.
        Columns = "columns",
    }
}

family! { Regularizer: penalty(self, x: &Tensor) -> Tensor;
    /// `factor * sum(|x|)`, which drives weights to exactly 0: Tibshirani 1996. The factor is 0.01
    /// by name alone.
    L1 ["l1"] (l1: f64 = 0.01) => self.0 * x.abs().sum();

    /// `factor * sum(x^2)`: Hoerl and Kennard 1970. The factor is 0.01 by name alone.
    L2 ["l2"] (l2: f64 = 0.01) => self.0 * x.square().sum();

    /// `l1 * sum(|x|) + l2 * sum(x^2)`: Zou and Hastie 2005.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).kernel_regularizer(L1L2.l1(0.001).l2(0.01));
    /// ```
    L1L2 ["l1_l2"] {
        /// The factor of the absolute values; 0 unless set.
        l1: f64 = 0.0,
        /// The factor of the squares; 0 unless set.
        l2: f64 = 0.0,
    } => match (self.l1, self.l2) {
        (0.0, l2) => L2(l2).penalty(x),
        (l1, 0.0) => L1(l1).penalty(x),
        (l1, l2) => L1(l1).penalty(x) + L2(l2).penalty(x),
    };

    /// `factor` times the mean absolute cosine of the angles between different rows (or columns) of
    /// a matrix: 0 when they are orthogonal. As Keras's `OrthogonalRegularizer`; a single row has
    /// no penalty.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let penalty = OrthogonalRegularizer.factor(0.5).mode(Vectors::Columns);
    /// let mut f = Function::new(|[x], _cx| [penalty.penalty(&x)]);
    /// assert_eq!(f.run([&[[1.0_f32, 2.0], [0.0, 0.0]].into()])?[0].item()?, 0.5);
    /// # Ok::<(), endo::Error>(())
    /// ```
    OrthogonalRegularizer ["orthogonal_regularizer"] {
        /// The factor; 0.01 unless set.
        factor: f64 = 0.01,
        /// Whether rows are compared or columns; rows unless set.
        mode: Vectors = Vectors::Rows,
    } => self.factor * mean_cosine(x, self.mode);
}

/// The mean absolute cosine of the angles between different vectors of a matrix.
#[track_caller]
fn mean_cosine(x: &Tensor, vectors: Vectors) -> Tensor {
    /// The square of the length that vectors shorter than it are taken to have, so that 0 has a
    /// cosine, and a gradient.
    const SHORTEST_SQUARED: f64 = 1e-14;
    if x.rank() != 2 {
        let message = format!("`orthogonal_regularizer` takes matrices, got shape {}", x.shape());
        let error =
            Error::shape(message, "use it for weights of two axes, such as the kernel of `Dense`");
        return x.fail(error, (), Site::caller());
    }
    let rows = match vectors {
        Vectors::Rows => x.clone(),
        Vectors::Columns => x.transpose(),
    };
    let count = rows.batch();
    let length = rows.square().sum_keep(1).maximum(SHORTEST_SQUARED).sqrt();
    let unit = rows / length;
    let different =
        Array::from_fn(
            [count, count],
            |index| if index / count == index % count { 0.0 } else { 1.0 },
        );
    let different = x.trace().constant(different.cast(x.dtype()), Site::caller());
    let pairs = count * count.saturating_sub(1);
    (unit.matmul(&unit.transpose()) * different).abs().sum() / pairs.max(1) as f64
}

/// The regularizer that a text names, with its options in parentheses, by name or in their order.
///
/// ```
/// use endo::regularizers;
/// assert_eq!(regularizers::get("l1_l2(l1=0.5)")?.name().unwrap(), "l1_l2(l1=0.5)");
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such regularizer or option; the error names the nearest.
pub fn get(name: &str) -> Result<Arc<dyn Regularizer>> {
    named::get("regularizer", name, rows())
}

table! {
    /// The names of all regularizers.
    dyn Regularizer: ROWS;
    "a regularizer such as `l2(0.01)`"
}

/// What stands where a regularizer is asked for: a value, its name, or a closure, which may take a
/// context after the tensor.
///
/// `K` is one of [`kinds`] and is found by the compiler.
///
/// ```
/// use endo::prelude::*;
/// // Weights are kept small where they happen to be drawn.
/// let layer = Dense::new(30).kernel_regularizer(|w: &Tensor, cx: &mut Context| {
///     0.01 * (w.square() * cx.random().bernoulli(w.shape(), 0.5)).sum()
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no regularizer",
    note = "a regularizer is a value that implements `Regularizer`, a name such as \"l2(0.01)\", \
        or a closure `|w: &Tensor| ..` or `|w: &Tensor, cx: &mut Context| ..`; a factor is given \
        as `L2(0.01)`",
    note = "it is used on several threads: what it captures is shared by `Arc` and changed by \
        `Mutex` or an atomic"
)]
pub trait IntoRegularizer<K> {
    /// The regularizer.
    fn into_regularizer(self) -> Arc<dyn Regularizer>;
}

tensor_function! { Regularizer: penalty, penalty_in; IntoRegularizer: into_regularizer; |x| () }
with_context! { Regularizer: penalty_in; IntoRegularizer: into_regularizer }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Function;

    fn penalty(regularizer: impl Regularizer, x: impl Into<Array>) -> Result<f64> {
        let mut f = Function::new(|[x], _cx| [regularizer.penalty(&x)]);
        f.run([&x.into()])?[0].item()
    }

    #[test]
    fn penalties_sum_absolute_values_and_squares() {
        assert_eq!(penalty(L1(0.5), [-1.0_f32, 3.0]).unwrap(), 2.0);
        assert_eq!(penalty(L2(0.5), [-1.0_f32, 3.0]).unwrap(), 5.0);
        assert_eq!(penalty(L1L2.l1(0.5).l2(0.5), [-1.0_f32, 3.0]).unwrap(), 7.0);
        assert_eq!(penalty("l2(0.5)", [-1.0_f32, 3.0]).unwrap(), 5.0);
        assert_eq!(penalty(|w: &Tensor| w.max(), [-1.0_f32, 3.0]).unwrap(), 3.0);
    }

    #[test]
    fn orthogonal_vectors_have_no_penalty() {
        assert_eq!(penalty(OrthogonalRegularizer, [[0.0_f32, 2.0], [3.0, 0.0]]).unwrap(), 0.0);
        assert_eq!(penalty(OrthogonalRegularizer, [[1.0_f32, 2.0]]).unwrap(), 0.0);
        assert!(
            (penalty(OrthogonalRegularizer, [[2.0_f64, 2.0], [3.0, 3.0]]).unwrap() - 0.01).abs()
                < 1e-12
        );
    }

    #[test]
    fn a_row_of_zeros_has_a_finite_gradient() {
        let mut f = Function::new(|[x], cx| {
            let penalty = OrthogonalRegularizer.penalty(&x);
            [cx.gradients(&penalty, [&x]).into_tensors().remove(0).expect("it depends on x")]
        });
        assert!(f.run([&[[0.0_f32, 0.0], [1.0, 2.0]].into()]).unwrap()[0].is_finite());
    }

    #[test]
    fn wrong_names_and_shapes_are_errors_of_the_trace() {
        penalty("l3", [1.0_f32]).unwrap_err().reads("there is no regularizer called `l3`");
        let error = penalty(OrthogonalRegularizer, [1.0_f32]).unwrap_err();
        error.reads("`orthogonal_regularizer` takes matrices, got shape [1]");
        assert_eq!(names().collect::<Vec<_>>(), ["l1", "l2", "l1_l2", "orthogonal_regularizer"]);
    }
}
