//! Recurrent layers: sequences gone through step by step.
//!
//! In: `[batch, steps, features]`, with a mask of steps if some do not count, and first states if
//! they are not 0. Out: the last output or all of them, and the last states if asked for.

mod bidirectional;
mod cell;
mod cells;
pub(super) mod convolutional;
mod gru;
mod lstm;
mod rnn;
mod simple_rnn;
mod states;
mod steps;

use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Tanh};
use crate::array::Array;
use crate::error::Result;
use crate::graph::{Tensor, Tree};
use crate::initializers::{GlorotUniform, Initializer, Orthogonal, Zeros};
use crate::named::{Count, Declared, Hyperparameters, Named, Rate};
use crate::random::Random;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::Shape;
use crate::trace::Context;
use crate::variable::Variable;

use super::declare::{PartedLayer, layer, part_row, parted, parted_options};
use super::dropout::rate_error;
use super::{Layer, LayerOfSeveral, given_tensors};
use states::States;
use steps::{RecurrentKernel, SequenceOptions};

pub use bidirectional::{Bidirectional, MergeMode};
pub use cell::{Cell, CellContext};
pub use cells::{RecurrentStep, StackedCells};
pub use convolutional::{
    ConvLstm, ConvLstm1D, ConvLstm2D, ConvLstm3D, ConvLstmStates, ImageSequence,
};
pub use gru::{Gru, GruCell};
pub use lstm::{Lstm, LstmCell};
pub use rnn::{Rnn, RnnCell};
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
        /// The share of the features that is left out in training, for each sample the same at all
        /// steps (Gal and Ghahramani 2016). 0 unless set.
        dropout: Rate as f64 = Rate(0.0),
        /// The share of the first state's units that is left out where a step reads it, in
        /// training, for each sample the same at all steps. 0 unless set.
        recurrent_dropout: Rate as f64 = Rate(0.0),
        /// Whether each call begins with the states that the call before ended with, sample by
        /// sample; then all batches have one size. False unless set.
        stateful: bool = false,
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
    with { cell: C = C::default(), return_state: bool = false, states: States = States::default() }
}

impl<C: Cell> Recurrent<C> {
    /// The same layer with the last states among its outputs.
    #[must_use]
    pub fn return_state(self) -> Recurrent<C, C::Sequence> {
        Self { return_state: true, ..self }.with_outputs()
    }
}

impl<C: Cell, O> Recurrent<C, O> {
    /// The states that a [`stateful`](Self::stateful) layer begins its next call with, once it was
    /// applied: `[batch, units]` each.
    pub fn states(&self) -> Vec<&Variable> {
        self.states.variables()
    }

    /// Begins with zeros again, where the layer is [`stateful`](Self::stateful): what a new
    /// sequence asks for, for example at the end of an epoch. Keras's `reset_states`.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use endo::prelude::*;
    /// let layer = Arc::new(SimpleRnn::new(1).stateful(true));
    /// let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
    /// let x = Array::from([[[1.0_f32], [2.0]]]);
    /// let first = f.run([&x])?;
    /// assert_ne!(f.run([&x])?, first); // goes on
    /// layer.reset_states();
    /// assert_eq!(f.run([&x])?, first);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn reset_states(&self) {
        self.states.reset();
    }

    #[track_caller]
    fn check_rates(&self, cx: &Context) -> Result<()> {
        let rates = [self.dropout.0, self.recurrent_dropout.0];
        rates.into_iter().try_for_each(|rate| rate_error(cx.path(), rate).map_or(Ok(()), Err))
    }

    /// One step of it as a [`RnnCell`] of a [`Rnn`], with its kernels and their options. What it
    /// says of sequences has no meaning there, and what its `dropout` leaves out differs from step
    /// to step. Keras's `LSTMCell` and its like.
    #[must_use]
    pub fn into_step(self) -> RecurrentStep<C> {
        RecurrentStep::new(Recurrent { return_state: true, ..self }.with_outputs())
    }

    /// What it does at each step, with options of its own. That of the type's default unless set.
    #[must_use]
    pub fn cell(mut self, cell: C) -> Self {
        self.cell = cell;
        self
    }

    /// Checks, the passage, the penalty and the mask of the outputs: outputs, then states.
    #[track_caller]
    fn run(&self, inputs: &Tensor, states: Vec<Tensor>, cx: &mut Context) -> Vec<Tensor> {
        let &Self { go_backwards, return_sequences, zero_output_for_mask, .. } = self;
        let passage = SequenceOptions { go_backwards, return_sequences, zero_output_for_mask };
        let (count, units) = (states_of::<C>(inputs), self.units.0);
        let checked = steps::check(inputs, &states, count, units, cx)
            .and_then(|()| self.check_rates(cx))
            .and_then(|()| self.states.check(inputs.batch(), cx));
        if let Err(error) = checked {
            return steps::refuse(error, inputs, passage, units, count, cx);
        }
        let kept = if self.stateful {
            self.states.read(self, &vec![[inputs.batch(), units].into(); count], cx)
        } else {
            steps::zeros(inputs, units, count)
        };
        let states = if states.is_empty() { kept } else { states };
        let mask = cx.mask(inputs);
        let features = [inputs.batch(), 1, inputs.features()];
        let left_out = kept_in_training(self.dropout.0, features, cx);
        let inputs =
            &left_out.map_or(inputs.clone(), |kept| dropped(inputs, &kept, self.dropout.0));
        let rate = self.recurrent_dropout.0;
        let kept_units = kept_in_training(rate, [inputs.batch(), units], cx);
        let (projected, kernels) = self.project(inputs, cx);
        let gates = self.cell.products().iter().sum();
        let activation = &*self.activation;
        let step = |x: &[Tensor], states: &[Tensor], context: &mut Context| {
            let mut states = states.to_vec();
            if let (Some(kept), Some(first)) = (&kept_units, states.first_mut()) {
                *first = dropped(first, kept, rate);
            }
            self.cell.step(x, &states, &mut CellContext { kernels: &kernels, activation, context })
        };
        let mut outputs = steps::run(passage, &projected, gates, mask.as_ref(), states, cx, step);
        if self.stateful {
            self.states.write(&outputs[1..], cx);
        }
        if !self.return_state {
            outputs.truncate(1);
        }
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
        let [inputs, kernel] = cx.factors(inputs, &kernel);
        let mut projected = inputs.permute(&[1, 0, 2]).matmul(&kernel);
        let kernel = self.recurrent_kernel.value(self, [self.units.0, columns], cx);
        let (cell, units) = (&self.cell, self.units.0);
        let first = FirstBias { cell, units, values: self.bias.first_values() };
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
            return (projected, vec![RecurrentKernel::new(kernel, recurrent_bias, gates)]);
        }
        let mut kernels = Vec::new();
        let mut begin = 0_usize;
        for &gates in products {
            let part = begin..begin.saturating_add(self.units.0.saturating_mul(gates));
            begin = part.end;
            let bias = recurrent_bias.as_ref().map(|bias| bias.slice(-1, part.clone()));
            kernels.push(RecurrentKernel::new(kernel.slice(-1, part), bias, gates));
        }
        (projected, kernels)
    }
}

/// Which elements are left where a share of them is left out; none where all are.
#[track_caller]
fn kept_in_training(rate: f64, shape: impl Into<Shape>, cx: &mut Context) -> Option<Tensor> {
    (cx.training() && rate > 0.0).then(|| cx.random().bernoulli(shape, 1.0 - rate))
}

/// What is left, so much larger that the expected value stays.
#[track_caller]
fn dropped(x: &Tensor, kept: &Tensor, rate: f64) -> Tensor {
    kept.where_(x / (1.0 - rate), 0.0)
}

/// The number of a cell's states.
fn states_of<C: Cell>(tensor: &Tensor) -> usize {
    let makes = |count: &usize| {
        C::Sequence::from_tensors(&mut std::iter::repeat_n(tensor.clone(), 1 + count)).is_some()
    };
    (0..16).find(makes).unwrap_or(0)
}

/// The first values of a bias: those of its initializer, as the cell wants them.
struct FirstBias<'a, C> {
    cell: &'a C,
    units: usize,
    values: &'a dyn Initializer,
}

impl<C: Cell> Initializer for FirstBias<'_, C> {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        let values = self.values.initialize(shape, random)?;
        Ok(self.cell.first_bias(values, self.units))
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
        let mut states = given_tensors(inputs, usize::MAX, 3, cx);
        let sequence = states.remove(0);
        let outputs = self.run(&sequence, states, cx);
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

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    #[test]
    fn a_stateful_layer_begins_with_what_the_batch_before_ended_with() {
        let layer = Lstm::new(3).stateful(true);
        let plain = Lstm::new(3).return_state();
        let mut f = Function::new(|[x], cx| {
            let y: Tensor = layer.apply(&x, cx);
            [y]
        });
        let x = Array::from_fn([2, 4, 3], |i| (i as f32 * 0.3).sin());
        let first = f.run([&x]).unwrap();
        let second = f.run([&x]).unwrap();
        let mut g = Function::new(|[x], cx| {
            let (_, h, c) = plain.apply(&x, cx);
            let (once, twice) = (h.clone(), plain.apply(&(x, h, c), cx).0);
            [once, twice]
        });
        g.run([&x]).unwrap();
        for (from, to) in [
            (layer.kernel(), plain.kernel()),
            (layer.recurrent_kernel(), plain.recurrent_kernel()),
            (layer.bias(), plain.bias()),
        ] {
            to.unwrap().set(&from.unwrap().value()).unwrap();
        }
        let [once, twice] = g.run([&x]).unwrap();
        let near = |a: &Array, b: &Array| {
            a.to_vec::<f32>().iter().zip(b.to_vec::<f32>()).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert!(near(&first[0], &once) && near(&second[0], &twice) && !near(&once, &twice));
        layer.reset_states();
        assert_eq!(f.run([&x]).unwrap(), first);
        assert_eq!(layer.states().len(), 2);
    }

    #[test]
    fn evaluation_and_prediction_leave_states_as_they_were() {
        let layer = std::sync::Arc::new(SimpleRnn::new(2).stateful(true));
        let mut model = Model::new(Sequential::new().add(layer.clone()).add(Dense::new(1)));
        model.compile(Sgd::new(0.01), MeanSquaredError, ());
        let (x, y) =
            (Array::from_fn([8, 3, 1], |i| i as f32 / 9.0), Array::zeros([8, 1], DType::F32));
        let data = Dataset::new(&x, y).unwrap();
        model.fit(&data, Fit::epochs(1).batch_size(4).shuffle(false)).unwrap();
        let kept = layer.states()[0].value();
        assert_ne!(kept, Array::zeros([4, 2], DType::F32));
        model.evaluate_with(&data, Evaluate::new().batch_size(4)).unwrap();
        model.predict(&x.rows(0..4)).unwrap();
        assert_eq!(layer.states()[0].value(), kept);
    }

    #[test]
    fn inputs_and_states_are_left_out_in_training_the_same_at_all_steps() {
        let ones = |layer: SimpleRnn| {
            layer
                .kernel_initializer("ones")
                .recurrent_initializer("ones")
                .activation("linear")
                .return_sequences(true)
        };
        let run = |layer: SimpleRnn, training: bool| {
            let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]).training(training);
            f.run([&Array::full([200, 3, 1], 1.0, DType::F32)]).unwrap()[0].to_vec::<f32>()
        };
        // Inputs: 2 or 0 at all steps, which are added up.
        let left = run(ones(SimpleRnn::new(1)).dropout(0.5), true);
        let kept = left.chunks(3).filter(|row| **row == [2.0, 4.0, 6.0]).count();
        assert!(left.chunks(3).all(|row| *row == [2.0, 4.0, 6.0] || *row == [0.0; 3]));
        assert!((60..140).contains(&kept), "{kept}");
        // States: twice the state, or nothing of it.
        let left = run(ones(SimpleRnn::new(1)).recurrent_dropout(0.5), true);
        assert!(left.chunks(3).all(|row| *row == [1.0, 3.0, 7.0] || *row == [1.0; 3]), "{left:?}");
        assert!(left.contains(&7.0) && left.chunks(3).any(|row| *row == [1.0; 3]));
        let whole = run(ones(SimpleRnn::new(1)).dropout(0.5).recurrent_dropout(0.5), false);
        assert!(whole.chunks(3).all(|row| *row == [1.0, 2.0, 3.0]));
    }

    #[test]
    fn a_share_that_is_none_is_an_error() {
        let layer = Gru::new(2).recurrent_dropout(1.0);
        refused(&layer, &[1, 2, 1]).reads("the rate of a `gru` is 1");
    }
}
