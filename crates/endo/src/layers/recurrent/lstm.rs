//! The long short-term memory.
//!
//! In: `[batch, steps, features]`. Out: `[batch, units]`, or `[batch, steps, units]`.

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Sigmoid};
use crate::array::Array;
use crate::graph::Tensor;
use crate::named::{Declared, Hyperparameters};

use super::super::declare::part;
use super::{Cell, CellContext, Recurrent};

/// `c_t = f c_(t-1) + i activation(z_c)`, `h_t = o activation(c_t)` with gates `i`, `f` and `o`
/// (Hochreiter and Schmidhuber 1997; Gers et al. 2000), where
/// `z = x_t kernel + h_(t-1) recurrent_kernel + bias` has the columns of `i`, `f`, `c` and `o`,
/// each of `units`, and a gate is `recurrent_activation(z)`. Inputs `[batch, steps, features]`,
/// outputs `[batch, units]`; kernel `[features, 4 units]`, recurrent kernel `[units, 4 units]`,
/// bias `[4 units]`. Keras's `LSTM`.
///
/// Applied to `(inputs, h, c)`, it begins with these states, `[batch, units]`, instead of 0.
/// Steps that are masked leave the states as they are. With
/// [`return_state`](Recurrent::return_state) it returns `(outputs, h, c)`.
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
pub type Lstm<O = Tensor> = Recurrent<LstmCell, O>;

part! {
    /// The cell of [`Lstm`].
    LstmCell in Recurrent.cell ["lstm"]
    /// The cell with its defaults.
    () {
        /// What makes the gates. `Sigmoid` unless set.
        recurrent_activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation] =
            Arc::new(Sigmoid),
        /// Whether the bias of the forget gate `f` begins with 1 (Jozefowicz et al. 2015). True
        /// unless set.
        unit_forget_bias: bool = true,
    }
}

impl Cell for LstmCell {
    type Sequence = (Tensor, Tensor, Tensor);

    fn products(&self) -> &[usize] {
        &[4]
    }

    fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
        let r = cx.product(0, &states[0]);
        let mut gate =
            |gate: usize| self.recurrent_activation.call_in(&(&x[gate] + &r[gate]), cx.context);
        let (i, f, o) = (gate(0), gate(1), gate(3));
        let c = f * &states[1] + i * cx.activation(&(&x[2] + &r[2]));
        vec![o * cx.activation(&c), c]
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted()
    }

    fn first_bias(&self, values: Array, units: usize) -> Array {
        // The columns of the second gate of four.
        let forget = units..2 * units;
        let first = |index| if forget.contains(&index) { 1.0 } else { values.get(index) };
        if self.unit_forget_bias { Array::from_fn(values.shape(), first) } else { values }
    }

    fn kind() -> &'static str {
        "Lstm"
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

    #[test]
    fn a_layer_of_text_begins_with_all_of_its_states_or_none() {
        let layer = crate::layers::get_of_several("lstm(2)").unwrap();
        let x = Array::zeros([1, 3, 1], DType::F32);
        let mut f = Function::new(|[x], cx| {
            let [_, h, c] = &layer.apply(&vec![x.clone()], cx)[..] else { panic!("two states") };
            [layer.apply(&vec![x, h.clone(), c.clone()], cx)[0].clone()]
        });
        assert_eq!(f.run([&x]).unwrap()[0].shape().sizes(), [1, 2]);
        let mut f = Function::new(|[x], cx| {
            let h = layer.apply(&vec![x.clone()], cx)[1].clone();
            [layer.apply(&vec![x, h], cx)[0].clone()]
        });
        f.run([&x]).unwrap_err().says("as many states as it has, 2, got 1");
    }
}
