//! The convolutional LSTM: sequences of images, whose states are images, too.
//!
//! In: `[batch, steps, lengths.., channels]`, with a mask of steps if some do not count, and first
//! states if they are not 0. Out: the last image or all of them, and the last states if asked for.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::activations::{ActivationFunction, IntoActivation, Sigmoid, Tanh};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::initializers::{GlorotUniform, Orthogonal, Zeros};
use crate::named::{Count, Declared, Named, Rate};
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;
use crate::variable::Variable;

use super::super::convolution::convolve;
use super::super::data_format::{ChannelsAt, DataFormat, LAST};
use super::super::declare::{DeclaredLayer, about, layer, row};
use super::super::dropout::rate_error;
use super::super::spatial::{Geometry, Padding, Sizes};
use super::super::{Layer, LayerOfSeveral, given_tensors};
use super::states::States;
use super::steps::{self, RecurrentKernel, SequenceOptions};
use super::{Cell, CellContext, FirstBias, LstmCell, dropped, kept_in_training};

/// The rows of this file.
pub(in super::super) static ROWS: &[Named<dyn Layer>] =
    &[row::<ConvLstm1D>(), row::<ConvLstm2D>(), row::<ConvLstm3D>()];

/// The rows of this file for layers that begin with states and return them.
pub(in super::super) static ROWS_OF_SEVERAL: &[Named<LayerOfSeveral>] =
    &[row_of_several::<1>(), row_of_several::<2>(), row_of_several::<3>()];

const fn row_of_several<const N: usize>() -> Named<LayerOfSeveral>
where
    ConvLstm<N>: DeclaredLayer,
{
    Named {
        names: <ConvLstm<N> as Declared>::NAMES,
        options: [
            <ConvLstm<N> as Declared>::OPTIONS,
            <ConvLstm<N> as DeclaredLayer>::SHARED_OPTIONS,
            &[],
        ],
        make: |given| {
            let layer = <ConvLstm<N> as Declared>::of_text(given)?.with_shared_options(given)?;
            Ok(Arc::new(ConvLstmStates::<N, Vec<Tensor>>(layer, PhantomData)))
        },
    }
}

layer! {
    /// A convolutional LSTM along `N` axes, those between the steps and the channels:
    /// [`ConvLstm1D`], [`ConvLstm2D`] or [`ConvLstm3D`].
    ConvLstm<const N: usize>
        [ConvLstm1D = "conv_lstm1d", ConvLstm2D = "conv_lstm2d", ConvLstm3D = "conv_lstm3d"]
    /// A layer with states of `filters` channels and kernels of size `kernel_size`.
    (filters: Count as usize, kernel_size: Sizes<N> => Sizes<N>) {
        /// How far windows of the inputs are apart. 1 unless set.
        strides: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What lies around the inputs. `Padding::Valid`, nothing, unless set. Around states there
        /// are zeros, so that they keep their size.
        padding: Padding = Padding::Valid,
        /// Where the channels of inputs, outputs and states stand. `DataFormat::ChannelsLast`
        /// unless set.
        data_format: ChannelsAt as DataFormat = LAST,
        /// How far the elements of a window of the inputs are apart. 1 unless set.
        dilation_rate: Sizes<N> => Sizes<N> = Sizes([1; N]),
        /// What is applied to what a step makes. `Tanh` unless set.
        activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation] = Arc::new(Tanh),
        /// What makes the gates. `Sigmoid` unless set.
        recurrent_activation: Arc<dyn ActivationFunction> [IntoActivation::into_activation] =
            Arc::new(Sigmoid),
        /// Whether a bias is added. True unless set.
        use_bias: bool = true,
        /// Whether the bias of the forget gate begins with 1. True unless set.
        unit_forget_bias: bool = true,
        /// Whether all outputs are returned, `[batch, steps, ..]`, or the last one alone. False
        /// unless set.
        return_sequences: bool = false,
        /// Whether it begins with the last step; outputs are in the order in which they are made.
        /// False unless set.
        go_backwards: bool = false,
        /// Whether the outputs of masked steps are 0 instead of those of the step before. False
        /// unless set.
        zero_output_for_mask: bool = false,
        /// Whether each call begins with the states that the call before ended with, sample by
        /// sample; then all batches have one size. False unless set.
        stateful: bool = false,
        /// The share of the inputs' elements that is left out in training, for each sample the
        /// same at all steps. 0 unless set.
        dropout: Rate as f64 = Rate(0.0),
        /// The share of the state's elements that is left out where a step reads it, in training,
        /// for each sample the same at all steps. 0 unless set.
        recurrent_dropout: Rate as f64 = Rate(0.0),
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        activity_regularizer: Option<Arc<dyn Regularizer>> [IntoRegularizer::into_regularizer] =
            None,
    }
    weights {
        /// The kernel of the inputs, `[sizes.., channels, 4 filters]`, once the layer was applied.
        kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
        /// The kernel of the state, `[sizes.., filters, 4 filters]`, once the layer was applied.
        recurrent_kernel = Orthogonal =>
            recurrent_initializer, recurrent_regularizer, recurrent_constraint;
        /// The bias `[4 filters]`, once the layer was applied; none without `use_bias`.
        bias = Zeros => bias_initializer, bias_regularizer, bias_constraint;
    }
    with { states: States = States::default() }
}

/// An [`Lstm`](super::Lstm) whose products are convolutions (Shi et al. 2015, without peepholes):
/// inputs `[batch, steps, length, channels]`, outputs `[batch, count, filters]`. Keras's
/// `ConvLSTM1D`.
pub type ConvLstm1D = ConvLstm<1>;

/// As [`ConvLstm1D`], over images: inputs `[batch, steps, height, width, channels]`, outputs
/// `[batch, rows, columns, filters]`. Keras's `ConvLSTM2D`.
///
/// ```
/// use endo::prelude::*;
/// // The next picture of each sequence, from those so far.
/// let model = Sequential::new()
///     .add(ConvLstm2D::new(8, 3).padding(Padding::Same))
///     .add(Conv2D::new(1, 3).padding(Padding::Same).activation("sigmoid"));
/// let mut f = Function::new(|[pictures], cx| [model.apply(&pictures, cx)]);
/// let [next] = f.run([&Array::zeros([2, 5, 8, 8, 1], DType::F32)])?;
/// assert_eq!(next.shape().sizes(), [2, 8, 8, 1]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type ConvLstm2D = ConvLstm<2>;

/// As [`ConvLstm1D`], over volumes: inputs `[batch, steps, depth, height, width, channels]`.
/// Keras's `ConvLSTM3D`.
pub type ConvLstm3D = ConvLstm<3>;

/// A [`ConvLstm`] with its last states among its outputs: `(outputs, h, c)`. Applied to
/// `(inputs, h, c)`, it begins with these states instead of 0.
pub struct ConvLstmStates<const N: usize, O = (Tensor, Tensor, Tensor)>(
    ConvLstm<N>,
    PhantomData<fn() -> O>,
);

impl<const N: usize> ConvLstm<N> {
    /// The same layer with the last states among its outputs.
    #[must_use]
    pub fn return_state(self) -> ConvLstmStates<N> {
        ConvLstmStates(self, PhantomData)
    }

    /// The states that a [`stateful`](Self::stateful) layer begins its next call with, once it was
    /// applied.
    pub fn states(&self) -> Vec<&Variable> {
        self.states.variables()
    }

    /// Begins with zeros again, where the layer is [`stateful`](Self::stateful).
    pub fn reset_states(&self) {
        self.states.reset();
    }

    /// Outputs, then states.
    #[track_caller]
    fn run(&self, inputs: &Tensor, states: &[Tensor], cx: &mut Context) -> Vec<Tensor>
    where
        Self: Declared,
    {
        self.attempt(inputs, states, cx).unwrap_or_else(|error| {
            let last = self.filters.0;
            let sizes = std::iter::once(inputs.batch()).chain(vec![1; N]).chain([last]);
            let shape: Shape = sizes.collect();
            vec![cx.trace().fail(error.at(Site::caller()), shape, inputs.dtype()); 3]
        })
    }

    #[track_caller]
    fn attempt(&self, inputs: &Tensor, states: &[Tensor], cx: &mut Context) -> Result<Vec<Tensor>>
    where
        Self: Declared,
    {
        let (projected, kernel) = self.project(inputs, cx)?;
        let counts: Shape = projected.shape()[1..=N + 1].into();
        let state = with_features(&counts, self.filters.0);
        let states = self.first_states(states, &state, cx)?;
        let one = Sizes([1; N]);
        let same = Geometry::new(self.kernel_size, one, one, Padding::Same);
        let windows = same.windows(&state, cx)?;
        let kernels = [RecurrentKernel { kernel, bias: None, gates: 4, windows }];
        let rate = self.recurrent_dropout.0;
        let kept = kept_in_training(rate, state, cx);
        let (cell, activation) = (self.cell(), &*self.activation);
        let step = |x: &[Tensor], states: &[Tensor], context: &mut Context| {
            let mut states = states.to_vec();
            if let Some(kept) = &kept {
                states[0] = dropped(&states[0], kept, rate);
            }
            cell.step(x, &states, &mut CellContext { kernels: &kernels, activation, context })
        };
        let &Self { go_backwards, return_sequences, zero_output_for_mask, .. } = self;
        let passage = SequenceOptions { go_backwards, return_sequences, zero_output_for_mask };
        let mask = cx.mask(inputs);
        let mut outputs = steps::run(passage, &projected, 4, mask.as_ref(), states, cx, step);
        if self.stateful {
            self.states.write(&outputs[1..], cx);
        }
        for (place, output) in outputs.iter_mut().enumerate() {
            *output = self.channels_back(output, usize::from(place == 0 && return_sequences));
        }
        if let Some(regularizer) = &self.activity_regularizer {
            cx.add_activity_loss(&**regularizer, &outputs[0]);
        }
        if let Some(mask) = mask.filter(|_| return_sequences) {
            cx.set_mask(&outputs[0], &if go_backwards { mask.flip(1) } else { mask });
        }
        Ok(outputs)
    }

    /// The convolutions of the inputs of all steps with the bias,
    /// `[steps, batch, counts.., 4 filters]`, and what states are convolved with.
    #[track_caller]
    fn project(&self, inputs: &Tensor, cx: &mut Context) -> Result<(Tensor, Tensor)>
    where
        Self: Declared,
    {
        let (path, shape) = (cx.path(), inputs.shape());
        if inputs.rank() != N + 3 || shape[1] == 0 {
            let message = format!(
                "`{path}` takes inputs of shape [batch, steps, {}], got {shape}",
                ["length, channels", "height, width, channels", "depth, height, width, channels"]
                    [N.min(3) - 1]
            );
            let help = "there is at least one step; add the axis that is missing: \
                `x.expand_dims(1)` for one step, `x.expand_dims(-1)` for one channel";
            return Err(Error::shape(message, help));
        }
        for rate in [self.dropout.0, self.recurrent_dropout.0] {
            rate_error(path, rate).map_or(Ok(()), Err)?;
        }
        steps::check_mask(inputs, cx)?;
        self.states.check(inputs.batch(), cx)?;
        let [batch, steps] = [shape[0], shape[1]];
        let of_sample: Shape = [batch, 1].iter().chain(&shape[2..]).copied().collect();
        let inputs = match kept_in_training(self.dropout.0, of_sample, cx) {
            Some(kept) => dropped(inputs, &kept, self.dropout.0),
            None => inputs.clone(),
        };
        let images = steps::steps_first(&inputs);
        let images = images.reshape(
            std::iter::once(batch.saturating_mul(steps))
                .chain(images.shape()[2..].iter().copied())
                .collect::<Shape>(),
        );
        let images = self.data_format.to_last(&images, N, cx)?;
        let &Self { kernel_size, strides, dilation_rate, padding, .. } = self;
        let geometry = Geometry::new(kernel_size, strides, dilation_rate, padding);
        let windows = geometry.windows(images.shape(), cx)?;
        let columns = self.filters.0.saturating_mul(4);
        let of_channels = |channels: usize| -> Shape {
            kernel_size.0.into_iter().chain([channels, columns]).collect()
        };
        let kernel = self.kernel.value(self, of_channels(images.features()), cx);
        let [images, kernel] = cx.factors(&images, &kernel);
        let recurrent = self.recurrent_kernel.value(self, of_channels(self.filters.0), cx);
        let mut projected = convolve(&images, &windows, &kernel, 1);
        if self.use_bias {
            let (cell, units) = (&self.cell(), self.filters.0);
            let first = FirstBias { cell, units, values: self.bias.first_values() };
            projected = projected + self.bias.value_from(self, [columns], &first, cx);
        }
        let sizes = [steps, batch].into_iter().chain(projected.shape()[1..].iter().copied());
        Ok((projected.reshape(sizes.collect::<Shape>()), recurrent))
    }

    /// The states that are given, or kept, or 0: with the channels last.
    #[track_caller]
    fn first_states(&self, given: &[Tensor], shape: &Shape, cx: &mut Context) -> Result<Vec<Tensor>>
    where
        Self: Declared,
    {
        let given: Vec<Tensor> = given.iter().map(|state| self.data_format.last(state)).collect();
        let (path, count) = (cx.path(), given.len());
        if count != 0 && count != 2 {
            let message = format!("`{path}` begins with as many states as it has, 2, got {count}");
            return Err(Error::argument(message, "give both or none"));
        }
        if let Some(other) = given.iter().find(|state| state.shape() != shape) {
            let message =
                format!("`{path}` begins with states of shape {shape}, got {}", other.shape());
            let help = "a state has as many positions as the outputs, and `filters` channels";
            return Err(Error::shape(message, help));
        }
        Ok(if count == 2 {
            given
        } else if self.stateful {
            self.states.read(self, &[shape.clone(), shape.clone()], cx)
        } else {
            let dtype = self.kernel.variable().map_or(cx.dtype(), Variable::dtype);
            vec![cx.constant(Array::scalar(0.0).cast(dtype)).expand(shape, Site::caller()); 2]
        })
    }

    /// What a step does with gates and states.
    fn cell(&self) -> LstmCell {
        LstmCell::default()
            .recurrent_activation(self.recurrent_activation.clone())
            .unit_forget_bias(self.unit_forget_bias)
    }

    /// Outputs with the channels where they belong, behind `before` axes besides that of the batch.
    #[track_caller]
    fn channels_back(&self, outputs: &Tensor, before: usize) -> Tensor {
        if self.data_format == LAST {
            return outputs.clone();
        }
        let last = outputs.rank() - 1;
        let order: Vec<usize> = (0..=before).chain([last]).chain(before + 1..last).collect();
        outputs.permute(&order)
    }
}

/// The shape of an image of some channels, given its axes before them.
fn with_features(axes: &Shape, features: usize) -> Shape {
    axes.iter().copied().chain([features]).collect()
}

impl<const N: usize> Layer for ConvLstm<N>
where
    Self: Declared,
{
    #[track_caller]
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        self.run(inputs, &[], cx).swap_remove(0)
    }

    about! { uses_mask }
}

/// Of a sequence, or one with both of its states: the outputs and the states after the last step.
impl<const N: usize> Layer<Vec<Tensor>, Vec<Tensor>> for ConvLstm<N>
where
    Self: Declared,
{
    #[track_caller]
    fn call(&self, inputs: &Vec<Tensor>, cx: &mut Context) -> Vec<Tensor> {
        let all = given_tensors(inputs, 3, N + 3, cx);
        self.run(&all[0], &all[1..], cx)
    }

    about! { uses_mask }
}

/// What a [`ConvLstmStates`] takes: a sequence, or one with both of its states.
#[diagnostic::on_unimplemented(
    message = "a convolutional LSTM takes no `{Self}`",
    note = "it takes a `Tensor`, or a tuple of that and two states"
)]
pub trait ImageSequence: Tree {}

impl ImageSequence for Tensor {}
impl ImageSequence for (Tensor, Tensor, Tensor) {}
impl ImageSequence for Vec<Tensor> {}

impl<const N: usize, I: ImageSequence, O: Tree> Layer<I, O> for ConvLstmStates<N, O>
where
    ConvLstm<N>: Declared,
{
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let all: Vec<Tensor> = inputs.tensors().into_iter().cloned().collect();
        let outputs: Vec<Tensor> = self.0.apply(&all, cx);
        O::from_tensors(&mut outputs.into_iter()).expect("outputs and two states, as the type says")
    }

    /// The layer inside has the name and the weights.
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.call(inputs, cx)
    }

    fn kind(&self) -> &'static str {
        <ConvLstm<N> as Declared>::kind()
    }
}

#[cfg(test)]
mod tests;
