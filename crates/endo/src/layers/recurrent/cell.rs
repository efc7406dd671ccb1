//! What a recurrent layer does at each step of a sequence: a cell.
//!
//! In: the inputs' part of a step's gates, and the states before it. Out: the states after it.

use std::any::type_name;

use crate::activations::ActivationFunction;
use crate::array::Array;
use crate::graph::{Tensor, Tree};
use crate::named::Hyperparameters;
use crate::trace::Context;

use super::steps::RecurrentKernel;

/// What a [`Recurrent`](super::Recurrent) layer does at each step: the cells of
/// [`SimpleRnn`](super::SimpleRnn), [`Gru`](super::Gru) and [`Lstm`](super::Lstm), or one of your
/// own. The layer has the weights, goes through the sequence, and obeys masks; a cell says how many
/// gates there are, and makes states of them.
///
/// A gate is `units` columns of `x_t kernel + bias`, and of `h recurrent_kernel` for a state `h`.
/// Keras's `RNN(cell)`.
///
/// The minimal gated unit (Zhou et al. 2016), `h_t = (1 - f) h_(t-1) + f h'` with one gate
/// `f = sigmoid(x_t W + h_(t-1) U + bias)` and `h' = activation(x_t W + (f h_(t-1)) U + bias)`:
///
/// ```
/// use endo::prelude::*;
///
/// #[derive(Default)]
/// struct MinimalGatedUnit;
///
/// impl Cell for MinimalGatedUnit {
///     type Sequence = (Tensor, Tensor);
///
///     // One product of `h` with the columns of `f`, and one of `f h` with those of `h'`.
///     fn products(&self) -> &[usize] {
///         &[1, 1]
///     }
///
///     fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
///         let h = &states[0];
///         let f = (&x[0] + &cx.product(0, h)[0]).sigmoid();
///         let inner = cx.product(1, &(&f * h)).remove(0);
///         let next = cx.activation(&(&x[1] + inner));
///         vec![(1.0 - &f) * h + f * next]
///     }
/// }
///
/// let layer = Recurrent::<MinimalGatedUnit>::new(4).return_sequences(true);
/// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 5, 3], DType::F32)])?[0].shape().sizes(), [2, 5, 4]);
/// assert_eq!(layer.kernel().unwrap().name(), "minimal_gated_unit/kernel");
/// # Ok::<(), Error>(())
/// ```
pub trait Cell: Default + Send + Sync + 'static {
    /// A sequence with the states that it begins with: `(Tensor, Tensor)` for a cell of one state,
    /// `(Tensor, Tensor, Tensor)` for one of two.
    type Sequence: Tree;

    /// The number of gates of each product with a state. There are as many gates as all products
    /// have, in the same order.
    fn products(&self) -> &[usize];

    /// The states after a step, of the inputs' part of each gate, `[batch, units]`, and the states
    /// before the step, each `[batch, units]`. The first state is what the layer returns.
    fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor>;

    /// What the cell depends on, to be saved with a model; none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }

    /// Whether products with states have a bias of their own: the bias of the layer is then
    /// `[2, gates * units]`, with that of the inputs first. False unless it says so.
    fn has_recurrent_bias(&self) -> bool {
        false
    }

    /// The first values of the bias, of those that its initializer says.
    fn first_bias(&self, values: Array, units: usize) -> Array {
        let _ = units;
        values
    }

    /// What its layer is called.
    #[doc(hidden)]
    fn kind() -> &'static str {
        type_name::<Self>()
    }
}

/// What a [`Cell`] has at hand in a step besides gates and states.
pub struct CellContext<'a> {
    pub(super) kernels: &'a [RecurrentKernel],
    pub(super) activation: &'a dyn ActivationFunction,
    /// The context of the layer, for activations and layers within the cell.
    pub context: &'a mut Context,
}

impl CellContext<'_> {
    /// The product of a state `[batch, units]` with the recurrent kernel, gate by gate: with the
    /// columns of one of the cell's [`products`](Cell::products), counted from 0.
    #[track_caller]
    pub fn product(&mut self, which: usize, state: &Tensor) -> Vec<Tensor> {
        self.kernels[which].product(state)
    }

    /// The activation of the layer.
    #[track_caller]
    pub fn activation(&mut self, x: &Tensor) -> Tensor {
        self.activation.call_in(x, self.context)
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// The products of two gates, each with a factor.
    #[derive(Default)]
    struct Scaled {
        factor: f64,
    }

    impl Cell for Scaled {
        type Sequence = (Tensor, Tensor);

        fn products(&self) -> &[usize] {
            &[1, 1]
        }

        fn step(&self, x: &[Tensor], states: &[Tensor], cx: &mut CellContext<'_>) -> Vec<Tensor> {
            let products = [0, 1].map(|which| cx.product(which, &states[0]).remove(0));
            vec![(&x[0] + &products[0]) * (&x[1] + &products[1]) * self.factor]
        }

        fn hyperparameters(&self) -> Hyperparameters {
            Hyperparameters::new().with("factor", self.factor)
        }

        fn has_recurrent_bias(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_cell_of_ones_own_has_its_options_its_columns_and_its_biases() {
        let layer = Recurrent::<Scaled>::new(1)
            .cell(Scaled { factor: 0.5 })
            .kernel_initializer("ones")
            .recurrent_initializer("ones")
            .bias_initializer("ones")
            .return_state();
        let mut f = Function::new(|[x, h], cx| {
            let (_, fresh) = layer.apply(&x, cx);
            let (_, begun) = layer.apply(&(x, h), cx);
            [fresh, begun]
        });
        let [fresh, begun] = f.run([&[[[1.0_f32], [2.0]]].into(), &[[1.0_f32]].into()]).unwrap();
        // (1 + 2 biases)^2 / 2 = 4.5 and (2 + 2 + 4.5)^2 / 2; with a first state of 1, 8 and 72.
        assert_eq!(fresh, Array::from([[36.125_f32]]));
        assert_eq!(begun, Array::from([[72.0_f32]]));
        assert_eq!(layer.bias().unwrap().shape().sizes(), [2, 2]);
        assert_eq!(layer.bias().unwrap().name(), "scaled/bias");
        let noted = Layer::<Tensor, _>::hyperparameters(&layer).to_string();
        assert!(noted.ends_with("stateful=false, factor=0.5"), "{noted}");
    }
}
