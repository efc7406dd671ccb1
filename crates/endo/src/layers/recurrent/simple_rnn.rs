//! The recurrent layer of one state and no gates.
//!
//! In: `[batch, steps, features]`. Out: `[batch, units]`, or `[batch, steps, units]`.

use crate::graph::Tensor;

use super::super::declare::part;
use super::{Cell, CellContext, Recurrent};

/// `h_t = activation(x_t kernel + h_(t-1) recurrent_kernel + bias)` (Elman 1990): inputs
/// `[batch, steps, features]`, outputs `[batch, units]`; kernel `[features, units]`, recurrent
/// kernel `[units, units]`, bias `[units]`. Keras's `SimpleRNN`.
///
/// Applied to `(inputs, h)`, it begins with the state `h`, `[batch, units]`, instead of 0.
/// Steps that are masked leave the state as it is. With
/// [`return_state`](Recurrent::return_state) it returns `(outputs, h)`.
///
/// ```
/// use endo::prelude::*;
/// let sums = SimpleRnn::new(1)
///     .activation("linear")
///     .kernel_initializer("ones")
///     .recurrent_initializer("ones");
/// let sums = sums.return_sequences(true).return_state();
/// let mut f = Function::new(|[x], cx| sums.apply(&x, cx).into());
/// let [all, last] = f.run([&[[[1.0_f32], [2.0], [4.0]]].into()])?;
/// assert_eq!(all, Array::from([[[1.0_f32], [3.0], [7.0]]]));
/// assert_eq!(last, Array::from([[7.0_f32]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type SimpleRnn<O = Tensor> = Recurrent<SimpleRnnCell, O>;

part! {
    /// The cell of [`SimpleRnn`].
    SimpleRnnCell in Recurrent.cell ["simple_rnn"]
    /// The cell with its defaults.
    () {}
}

impl Cell for SimpleRnnCell {
    type Sequence = (Tensor, Tensor);

    fn products(&self) -> &[usize] {
        &[1]
    }

    fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
        let product = cx.product(0, &states[0]);
        vec![cx.activation(&(&x[0] + &product[0]))]
    }

    fn kind() -> &'static str {
        "SimpleRnn"
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn inputs_that_are_no_sequences_are_refused() {
        let layer = SimpleRnn::new(2);
        let error = refused(&layer, &[4, 3]);
        error.says("`simple_rnn` takes inputs of shape [batch, steps, features], got [4, 3]");
        refused(&layer, &[4, 0, 3]).says("got [4, 0, 3]");
    }

    #[test]
    fn states_and_masks_of_other_sizes_are_refused() {
        let layer = SimpleRnn::new(2);
        let mut f = Function::new(|[x], cx| {
            [layer.apply(&(x.clone(), x.slice(1, 0..1).reshape([4, 3])), cx)]
        });
        let error = f.run([&Array::zeros([4, 2, 3], DType::F32)]).unwrap_err();
        error.says("`simple_rnn` begins with states of shape [4, 2], got [4, 3]");
        let masked = |x: &Tensor, cx: &mut Context| {
            cx.set_mask(x, &x.greater(0.0));
            layer.apply(x, cx)
        };
        refused(&masked, &[4, 2, 3]).says("with a mask of shape [4, 2, 3]");
    }

    #[test]
    fn a_mask_reaches_what_follows_in_the_order_of_the_outputs() {
        let layer = SimpleRnn::new(2).return_sequences(true).go_backwards(true);
        let mut f = Function::new(|[x], cx| {
            cx.set_mask(&x, &x.any_axes([-1]));
            let y = layer.apply(&x, cx);
            [cx.mask(&y).unwrap()]
        });
        assert_eq!(
            f.run([&[[[1.0_f32], [2.0], [0.0]]].into()]).unwrap()[0],
            Array::from([[false, true, true]])
        );
    }

    #[test]
    fn a_mask_that_is_used_up_is_not_reported_as_lost() {
        let layer = SimpleRnn::new(3);
        let mut f = Function::new(|[x], cx| {
            cx.set_mask(&x, &x.any_axes([-1]));
            let y = layer.apply(&x, cx);
            assert!(cx.mask(&y).is_none());
            [y]
        });
        f.run([&Array::zeros([2, 3, 1], DType::F32)]).unwrap();
        assert_eq!(f.warnings(), [""; 0]);
    }
}
