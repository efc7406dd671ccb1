//! The gated recurrent unit.
//!
//! In: `[batch, steps, features]`. Out: `[batch, units]`, or `[batch, steps, units]`.

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Sigmoid};
use crate::graph::Tensor;
use crate::named::{Declared, Hyperparameters};

use super::super::declare::part;
use super::{Cell, CellContext, Recurrent};

/// `h_t = z h_(t-1) + (1 - z) h'` with an update gate `z` and a reset gate `r` (Cho et al.
/// 2014). A gate is `recurrent_activation(x_t W + h_(t-1) U + bias)`, and
/// `h' = activation(x_t W + r (h_(t-1) U + bias) + bias)`, or with `reset_after(false)`, as
/// first published, `activation(x_t W + (r h_(t-1)) U + bias)`. Columns are those of `z`, `r`
/// and `h'`, each of `units`: kernel `[features, 3 units]`, recurrent kernel
/// `[units, 3 units]`, bias `[2, 3 units]` for both products, or `[3 units]`. Inputs
/// `[batch, steps, features]`, outputs `[batch, units]`. Keras's `GRU`.
///
/// Applied to `(inputs, h)`, it begins with the state `h`, `[batch, units]`, instead of 0.
/// Steps that are masked leave the state as it is. With
/// [`return_state`](Recurrent::return_state) it returns `(outputs, h)`.
///
/// ```
/// use endo::prelude::*;
/// let model = Sequential::new()
///     .add(Embedding::new(1000, 16).mask_zero(true))
///     .add(Gru::new(32).return_sequences(true))
///     .add(Gru::new(32))
///     .add(Dense::new(1).activation("sigmoid"));
/// let mut f = Function::new(|[tokens], cx| [model.apply(&tokens, cx)]);
/// assert_eq!(f.run([&[[3, 1, 4, 0, 0], [1, 5, 9, 2, 6]].into()])?[0].shape().sizes(), [2, 1]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type Gru<O = Tensor> = Recurrent<GruCell, O>;

part! {
    /// The cell of [`Gru`].
    GruCell in Recurrent.cell ["gru"]
    /// The cell with its defaults.
    () {
        /// What makes the gates. `Sigmoid` unless set.
        recurrent_activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation] =
            Arc::new(Sigmoid),
        /// Whether the reset gate is applied after the product with the recurrent kernel or before.
        /// True unless set.
        reset_after: bool = true,
    }
}

impl Cell for GruCell {
    type Sequence = (Tensor, Tensor);

    fn products(&self) -> &[usize] {
        if self.reset_after { &[3] } else { &[2, 1] }
    }

    fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
        let h = &states[0];
        let product = cx.product(0, h);
        let mut gate = |gate: usize| {
            self.recurrent_activation.call_in(&(&x[gate] + &product[gate]), cx.context)
        };
        let (z, r) = (gate(0), gate(1));
        let inner =
            if self.reset_after { r * &product[2] } else { cx.product(1, &(r * h)).remove(0) };
        let next = cx.activation(&(&x[2] + inner));
        vec![&z * h + (1.0 - &z) * next]
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted()
    }

    fn has_recurrent_bias(&self) -> bool {
        self.reset_after
    }

    fn kind() -> &'static str {
        "Gru"
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn both_kinds_have_the_biases_of_their_products() {
        let (after, before) = (Gru::new(2), Gru::new(2).reset_after(false));
        let mut f = Function::new(|[x], cx| [after.apply(&x, cx), before.apply(&x, cx)]);
        f.run([&Array::zeros([1, 2, 3], DType::F32)]).unwrap();
        assert_eq!(after.bias().unwrap().shape().sizes(), [2, 6]);
        assert_eq!(before.bias().unwrap().shape().sizes(), [6]);
        assert_eq!(before.recurrent_kernel().unwrap().shape().sizes(), [2, 6]);
    }

    #[test]
    fn masked_steps_do_not_count() {
        let layer = Gru::new(3);
        let mut f = Function::new(|[x, padded], cx| {
            cx.set_mask(&padded, &padded.any_axes([-1]));
            [layer.apply(&x, cx), layer.apply(&padded, cx)]
        });
        let (x, padded) =
            ([[[1.0_f32], [2.0]]].into(), [[[0.0_f32], [1.0], [0.0], [2.0], [0.0]]].into());
        let [short, long] = f.run([&x, &padded]).unwrap();
        assert_eq!(short, long);
    }
}
