//! Recurrent layers: sequences gone through step by step.
//!
//! In: `[batch, steps, features]`, with a mask of steps if some do not count, and first states if
//! they are not 0. Out: the last output or all of them, and the last states if asked for.

mod bidirectional;
mod cell;
mod gru;
mod lstm;
mod simple_rnn;
mod unrolled;

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Tanh};
use crate::array::Array;
use crate::error::Result;
use crate::graph::{Tensor, Tree};
use crate::initializers::{GlorotUniform, Initializer, Orthogonal, Zeros};
use crate::named::{Count, Declared, Hyperparameters, Named};
use crate::random::Random;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::Shape;
use crate::trace::Context;

use super::declare::{PartedLayer, layer, part_row, parted, parted_options};
use super::{Layer, LayerOfSeveral};
use unrolled::{RecurrentKernel, SequenceOptions};

pub use bidirectional::{Bidirectional, MergeMode};
pub use cell::{Cell, CellContext};
pub use gru::{Gru, GruCell};
pub use lstm::{Lstm, LstmCell};
pub use simple_rnn::{SimpleRnn, SimpleRnnCell};

/// The rows of this folder.
pub(super) static ROWS: &[Named<dyn Layer>] = &[
    bidirectional::ROW,
    part_row::<SimpleRnn, SimpleRnnCell>(),
    part_row::<Gru, GruCell>(),
    part_row::<Lstm, LstmCell>(),
];

/// The rows of this folder for layers that begin with states and return them.
pub(super) static ROWS_OF_SEVERAL: &[Named<LayerOfSeveral>] =
    &[row_of_several::<SimpleRnnCell>(), row_of_several::<GruCell>(), row_of_several::<LstmCell>()];

const fn row_of_several<C: Cell + Declared>() -> Named<LayerOfSeveral>
where
    Recurrent<C>: PartedLayer<C>,
{
    Named {
        names: <C as Declared>::NAMES,
        options: parted_options::<Recurrent<C>, C>(),
        make: |given| {
            let layer = Recurrent { return_state: true, ..parted::<Recurrent<C>, C>(given)? };
            Ok(Arc::new(layer.with_outputs::<Vec<Tensor>>()))
        },
    }
}

layer! {
    /// A layer that goes through sequences step by step: [`SimpleRnn`], [`Gru`] and [`Lstm`] with
    /// their cells, and `Recurrent<C>` with a [`Cell`] of yours. Inputs `[batch, steps, features]`,
    /// outputs `[batch, units]`.
    Recurrent of C: Cell, O = Tensor ["recurrent"]
    /// A layer with `units` units that returns its last output.
    (units: Count as usize) {
        /// What is applied to what a step makes. `Tanh` unless set.
        activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation] = Arc::new(Tanh),
        /// Whether a bias is added. True unless set.
        use_bias: bool = true,
        /// Whether all outputs are returned, `[batch, steps, units]`, or the last one alone. False
        /// unless set.
        return_sequences: bool = false,
        /// Whether it begins with the last step; outputs are in the order in which they are made.
        /// False unless set.
        go_backwards: bool = false,
        /// Whether the outputs of masked steps are 0 instead of those of the step before. False
        /// unless set.
        zero_output_for_mask: bool = false,
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<Arc<dyn Regularizer>> [IntoRegularizer::into_regularizer] =
            None,
    }
    weights {
        /// What inputs are multiplied by, `[features, gates]`, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// What states are multiplied by, `[units, gates]`, once the layer was applied.
        recurrent_kernel = Orthogonal =>
            recurrent_initializer, recurrent_regularizer, recurrent_constraint;
        /// The bias, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
    with { cell: C = C::default(), return_state: bool = false }
}

impl<C: Cell> Recurrent<C> {
    /// The same layer with the last states among its outputs.
    #[must_use]
    pub fn return_state(self) -> Recurrent<C, C::Sequence> {
        Self { return_state: true, ..self }.with_outputs()
    }
}

impl<C: Cell, O> Recurrent<C, O> {
    /// What it does at each step, with options of its own. That of the type's default unless set.
    #[must_use]
    pub fn cell(mut self, cell: C) -> Self {
        self.cell = cell;
        self
    }

    /// Checks, the passage, the penalty and the mask of the outputs: outputs, then states.
    #[track_caller]
    fn run(&self, inputs: &Tensor, states: Vec<Tensor>, cx: &mut Context) -> Vec<Tensor> {
        let &Self { go_backwards, return_sequences, return_state, zero_output_for_mask, .. } = self;
        let passage =
            SequenceOptions { go_backwards, return_sequences, return_state, zero_output_for_mask };
        let count = states_of::<C>(inputs);
        if let Err(error) = unrolled::check(inputs, &states, count, self.units.0, cx) {
            return unrolled::refuse(error, inputs, passage, self.units.0, count, cx);
        }
        let states =
            if states.is_empty() { unrolled::zeros(inputs, self.units.0, count) } else { states };
        let mask = cx.mask(inputs);
        let (projected, kernels) = self.project(inputs, cx);
        let gates = self.cell.products().iter().sum();
        let activation = &*self.activation;
        let outputs = unrolled::unroll(
            passage,
            &projected,
            gates,
            mask.as_ref(),
            states,
            kernels,
            |x, states, recurrence| {
                self.cell.step(x, states, &mut CellContext { recurrence, activation, context: cx })
            },
        );
        if let Some(regularizer) = &self.activity_regularizer {
            cx.add_activity_loss(&**regularizer, &outputs[0]);
        }
        if let Some(mask) = mask.filter(|_| return_sequences) {
            // Outputs are in the order in which steps are gone through, and so is their mask.
            cx.set_mask(&outputs[0], &if go_backwards { mask.flip(1) } else { mask });
        }
        outputs
    }

    /// The inputs of all steps times the kernel with the bias, `[steps, batch, gates]`, and what
    /// states are multiplied by.
    #[track_caller]
    fn project(&self, inputs: &Tensor, cx: &mut Context) -> (Tensor, Vec<RecurrentKernel>) {
        let products = self.cell.products();
        let columns = self.units.0.saturating_mul(products.iter().sum());
        let kernel = self.kernel.value(self, [inputs.features(), columns], cx);
        let mut projected = inputs.permute(&[1, 0, 2]).matmul(&kernel);
        let kernel = self.recurrent_kernel.value(self, [self.units.0, columns], cx);
        let first = FirstBias { layer: self, values: self.bias.first_values() };
        let mut recurrent_bias = None;
        if self.use_bias && self.cell.has_recurrent_bias() {
            let bias = self.bias.value_from(self, [2, columns], &first, cx);
            let row = |row: usize| bias.slice(0, row..row + 1).reshape([columns]);
            projected = projected + row(0);
            recurrent_bias = Some(row(1));
        } else if self.use_bias {
            projected = projected + self.bias.value_from(self, [columns], &first, cx);
        }
        if let &[gates] = products {
            return (projected, vec![RecurrentKernel { kernel, bias: recurrent_bias, gates }]);
        }
        let mut kernels = Vec::new();
        let mut begin = 0_usize;
        for &gates in products {
            let part = begin..begin.saturating_add(self.units.0.saturating_mul(gates));
            begin = part.end;
            let bias = recurrent_bias.as_ref().map(|bias| bias.slice(-1, part.clone()));
            kernels.push(RecurrentKernel { kernel: kernel.slice(-1, part), bias, gates });
        }
        (projected, kernels)
    }
}

/// The number of a cell's states.
fn states_of<C: Cell>(tensor: &Tensor) -> usize {
    let makes = |count: &usize| {
        C::Sequence::from_tensors(&mut std::iter::repeat_n(tensor.clone(), 1 + count)).is_some()
    };
    (0..16).find(makes).unwrap_or(0)
}

/// The first values of a bias: those of its initializer, as the cell wants them.
struct FirstBias<'a, C: Cell, O> {
    layer: &'a Recurrent<C, O>,
    values: &'a dyn Initializer,
}

impl<C: Cell, O> Initializer for FirstBias<'_, C, O> {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        let values = self.values.initialize(shape, random)?;
        Ok(self.layer.cell.first_bias(values, self.layer.units.0))
    }

    fn name(&self) -> Option<String> {
        self.values.name()
    }
}

/// What recurrent layers take: a sequence, or one with the states that it begins with.
#[diagnostic::on_unimplemented(
    message = "a recurrent layer of this cell takes no `{Self}`",
    note = "it takes a `Tensor`, or a tuple of that and as many states as the cell has"
)]
pub trait Sequence<C>: Tree {}

impl<C: Cell> Sequence<C> for Tensor {}
impl<C: Cell<Sequence = Self>> Sequence<C> for (Tensor, Tensor) {}
impl<C: Cell<Sequence = Self>> Sequence<C> for (Tensor, Tensor, Tensor) {}
impl<C: Cell> Sequence<C> for Vec<Tensor> {}

impl<C: Cell, I: Sequence<C>, O: Tree> Layer<I, O> for Recurrent<C, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let all: Vec<Tensor> = inputs.tensors().into_iter().cloned().collect();
        let outputs = self.run(&all[0], all[1..].to_vec(), cx);
        O::from_tensors(&mut outputs.into_iter()).expect("as many states as the type says")
    }

    fn kind(&self) -> &'static str {
        C::kind()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted().and(&self.cell.hyperparameters())
    }

    fn uses_mask(&self) -> bool {
        true
    }
}
