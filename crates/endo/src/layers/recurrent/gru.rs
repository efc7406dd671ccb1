//! The gated recurrent unit.
//!
//! In: `[batch, steps, features]`. Out: `[batch, units]`, or `[batch, steps, units]`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Sigmoid, Tanh};
use crate::graph::{Tensor, Tree};
use crate::initializers::{GlorotUniform, Initializer, Orthogonal, Zeros};
use crate::named::Hyperparameters;
use crate::regularizers::Regularizer;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::Layer;
use super::super::options::{
    activity_option, every_form, name_option, trainable_option, weight_options,
};
use super::unrolled::{RecurrentKernel, SequenceOptions};
use super::{recurrent_layer, unrolled};

recurrent_layer! {
    /// `h_t = z h_(t-1) + (1 - z) h'` with an update gate `z` and a reset gate `r` (Cho et al.
    /// 2014). A gate is `recurrent_activation(x_t W + h_(t-1) U + bias)`, and
    /// `h' = activation(x_t W + r (h_(t-1) U + bias) + bias)`, or with `reset_after(false)`, as
    /// first published, `activation(x_t W + (r h_(t-1)) U + bias)`. Columns are those of `z`, `r`
    /// and `h'`, each of `units`: kernel `[features, 3 units]`, recurrent kernel
    /// `[units, 3 units]`, bias `[2, 3 units]` for both products, or `[3 units]`. Inputs
    /// `[batch, steps, features]`, outputs `[batch, units]`. Keras's `GRU`.
    ///
    /// Applied to `(inputs, h)`, it begins with the state `h`, `[batch, units]`, instead of 0.
    /// Steps that are masked leave the state as it is. With [`return_state`](Self::return_state) it
    /// returns `(outputs, h)`.
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
    Gru {
        recurrent_activation: Arc<dyn ActivationFunction> = Arc::new(Sigmoid),
        reset_after: bool = true
    } 1 (Tensor, Tensor)
}

impl<O> Gru<O> {
    /// What makes the gates. `Sigmoid` unless set.
    #[must_use]
    pub fn recurrent_activation<K>(mut self, activation: impl IntoActivation<K>) -> Self {
        self.recurrent_activation = activation.into_activation();
        self
    }

    /// Whether the reset gate is applied after the product with the recurrent kernel or before.
    /// True unless set.
    #[must_use]
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.reset_after = reset_after;
        self
    }

    #[track_caller]
    fn go(
        &self,
        inputs: &Tensor,
        states: Vec<Tensor>,
        mask: Option<&Tensor>,
        cx: &mut Context,
    ) -> Vec<Tensor> {
        let units = self.units;
        let gates = units.saturating_mul(3);
        let mut projected = self.project(inputs, 3, cx);
        let kernel =
            self.recurrent_kernel.get(self, [units, gates], &*self.recurrent_initializer, cx);
        let mut inner_bias = None;
        if self.use_bias && self.reset_after {
            let bias = self.bias.get(self, [2, gates], &*self.bias_initializer, cx);
            let row = |row: usize| bias.slice(0, row..row + 1).reshape([gates]);
            projected = projected + row(0);
            inner_bias = Some(row(1));
        } else if self.use_bias {
            projected = projected + self.bias.get(self, [gates], &*self.bias_initializer, cx);
        }
        let kernels = if self.reset_after {
            vec![RecurrentKernel { kernel, bias: inner_bias, gates: 3 }]
        } else {
            let both = units.saturating_mul(2);
            let (first, last) = (kernel.slice(-1, ..both), kernel.slice(-1, both..));
            vec![
                RecurrentKernel { kernel: first, bias: None, gates: 2 },
                RecurrentKernel { kernel: last, bias: None, gates: 1 },
            ]
        };
        unrolled::unroll(
            self.passage,
            &projected,
            3,
            mask,
            states,
            kernels,
            |x, states, recurrence| {
                let h = &states[0];
                let product = recurrence.product(0, h);
                let mut gate = |gate: usize| {
                    self.recurrent_activation.call_in(&(&x[gate] + &product[gate]), cx)
                };
                let (z, r) = (gate(0), gate(1));
                let inner = if self.reset_after {
                    r * &product[2]
                } else {
                    recurrence.product(1, &(r * h)).remove(0)
                };
                let next = self.activation.call_in(&(&x[2] + inner), cx);
                vec![&z * h + (1.0 - &z) * next]
            },
        )
    }

    fn with_own(&self, hyperparameters: Hyperparameters) -> Hyperparameters {
        hyperparameters
            .with_named("recurrent_activation", self.recurrent_activation.name())
            .with("reset_after", self.reset_after)
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
