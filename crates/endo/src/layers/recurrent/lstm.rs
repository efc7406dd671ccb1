//! The long short-term memory.
//!
//! In: `[batch, steps, features]`. Out: `[batch, units]`, or `[batch, steps, units]`.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Sigmoid, Tanh};
use crate::array::Array;
use crate::error::Result;
use crate::graph::{Tensor, Tree};
use crate::initializers::{GlorotUniform, Initializer, Orthogonal, Zeros};
use crate::named::Hyperparameters;
use crate::random::Random;
use crate::regularizers::Regularizer;
use crate::shape::Shape;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::Layer;
use super::super::options::{
    activity_option, every_form, name_option, trainable_option, weight_options,
};
use super::unrolled::{RecurrentKernel, SequenceOptions};
use super::{recurrent_layer, unrolled};

recurrent_layer! {
    /// `c_t = f c_(t-1) + i activation(z_c)`, `h_t = o activation(c_t)` with gates `i`, `f` and `o`
    /// (Hochreiter and Schmidhuber 1997; Gers et al. 2000), where
    /// `z = x_t kernel + h_(t-1) recurrent_kernel + bias` has the columns of `i`, `f`, `c` and `o`,
    /// each of `units`, and a gate is `recurrent_activation(z)`. Inputs `[batch, steps, features]`,
    /// outputs `[batch, units]`; kernel `[features, 4 units]`, recurrent kernel `[units, 4 units]`,
    /// bias `[4 units]`. Keras's `LSTM`.
    ///
    /// Applied to `(inputs, h, c)`, it begins with these states, `[batch, units]`, instead of 0.
    /// Steps that are masked leave the states as they are. With
    /// [`return_state`](Self::return_state) it returns `(outputs, h, c)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // From sequence to sequence: the decoder begins with what the encoder ends with.
    /// let (encoder, decoder) = (Lstm::new(8).return_state(), Lstm::new(8).return_sequences(true));
    /// let mut f = Function::new(|[source, target], cx| {
    ///     let (_, h, c) = encoder.apply(&source, cx);
    ///     [decoder.apply(&(target, h, c), cx)]
    /// });
    /// let [outputs] =
    ///     f.run([&Array::zeros([2, 5, 3], DType::F32), &Array::zeros([2, 7, 4], DType::F32)])?;
    /// assert_eq!(outputs.shape().sizes(), [2, 7, 8]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    Lstm {
        recurrent_activation: Arc<dyn ActivationFunction> = Arc::new(Sigmoid),
        unit_forget_bias: bool = true
    } 2 (Tensor, Tensor, Tensor)
}

impl<O> Lstm<O> {
    /// What makes the gates. `Sigmoid` unless set.
    #[must_use]
    pub fn recurrent_activation<K>(mut self, activation: impl IntoActivation<K>) -> Self {
        self.recurrent_activation = activation.into_activation();
        self
    }

    /// Whether the bias of the forget gate `f` begins with 1 (Jozefowicz et al. 2015). True unless
    /// set.
    #[must_use]
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> Self {
        self.unit_forget_bias = unit_forget_bias;
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
        let mut projected = self.project(inputs, 4, cx);
        let gates = self.units.saturating_mul(4);
        let kernel =
            self.recurrent_kernel.get(self, [self.units, gates], &*self.recurrent_initializer, cx);
        if self.use_bias {
            let forgetting = UnitForgetBias { others: &*self.bias_initializer, units: self.units };
            let initializer: &dyn Initializer =
                if self.unit_forget_bias { &forgetting } else { &*self.bias_initializer };
            projected = projected + self.bias.get(self, [gates], initializer, cx);
        }
        let kernels = vec![RecurrentKernel { kernel, bias: None, gates: 4 }];
        unrolled::unroll(
            self.passage,
            &projected,
            4,
            mask,
            states,
            kernels,
            |x, states, recurrence| {
                let r = recurrence.product(0, &states[0]);
                let mut gate =
                    |gate: usize| self.recurrent_activation.call_in(&(&x[gate] + &r[gate]), cx);
                let (i, f, o) = (gate(0), gate(1), gate(3));
                let c = f * &states[1] + i * self.activation.call_in(&(&x[2] + &r[2]), cx);
                vec![o * self.activation.call_in(&c, cx), c]
            },
        )
    }

    fn with_own(&self, hyperparameters: Hyperparameters) -> Hyperparameters {
        hyperparameters
            .with_named("recurrent_activation", self.recurrent_activation.name())
            .with("unit_forget_bias", self.unit_forget_bias)
    }
}

/// 1 for the forget gate, the second of four, and what another initializer says for the others.
struct UnitForgetBias<'a> {
    others: &'a dyn Initializer,
    units: usize,
}

impl Initializer for UnitForgetBias<'_> {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        let values = self.others.initialize(shape, random)?;
        let forget = self.units..2 * self.units;
        Ok(Array::from_fn(
            shape,
            |index| if forget.contains(&index) { 1.0 } else { values.get(index) },
        ))
    }

    fn name(&self) -> Option<String> {
        self.others.name()
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn the_forget_gate_is_open_at_first() {
        let (open, shut) =
            (Lstm::new(2).bias_initializer(Constant(0.5)), Lstm::new(2).unit_forget_bias(false));
        let mut f = Function::new(|[x], cx| [open.apply(&x, cx), shut.apply(&x, cx)]);
        f.run([&Array::zeros([1, 1, 3], DType::F32)]).unwrap();
        assert_eq!(
            open.bias().unwrap().value(),
            Array::from([0.5_f32, 0.5, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5])
        );
        assert_eq!(shut.bias().unwrap().value(), Array::zeros([8], DType::F32));
        assert_eq!(open.kernel().unwrap().name(), "lstm/kernel");
    }

    #[test]
    fn a_sequence_in_two_parts_is_the_whole_sequence() {
        let layer = Lstm::new(4).return_state();
        let mut f = Function::new(|[x], cx| {
            let (whole, _, _) = layer.apply(&x, cx);
            let (_, h, c) = layer.apply(&x.slice(1, ..2), cx);
            let (rest, _, _) = layer.apply(&(x.slice(1, 2..), h, c), cx);
            [whole, rest]
        });
        let [whole, rest] = f.run([&Array::from_fn([2, 5, 3], |i| (i as f32).sin())]).unwrap();
        for i in 0..whole.len() {
            assert!((whole.get(i) - rest.get(i)).abs() < 1e-6);
        }
    }
}
