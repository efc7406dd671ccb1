//! [`Rnn`]: a layer of one's own applied step by step.
//!
//! In: sequences `[batch, steps, ..]`, and first states if they are not 0. Out: the last output or
//! all of them, and the last states if asked for.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::{Context, ScanOptions};
use crate::variable::Variable;

use super::super::declare::name_option;
use super::Layer;
use super::states::{MOST, States};
use super::steps::steps_first;

/// A layer that is one step of a [`Rnn`]: of the inputs of a step, `[batch, ..]` each, and the
/// states before it, it makes an output and the states after it. It may have weights, other layers,
/// losses and metrics of its own.
///
/// ```
/// use endo::prelude::*;
///
/// /// A leaky unit that pays for how far its state jumps.
/// struct Leaky { dense: Dense, kept: f64 }
///
/// impl Layer<(Tensor, Tensor), (Tensor, Tensor)> for Leaky {
///     fn call(&self, (x, state): &(Tensor, Tensor), cx: &mut Context) -> (Tensor, Tensor) {
///         let next = state * self.kept + self.dense.apply(x, cx) * (1.0 - self.kept);
///         cx.add_loss("jump", 0.01 * (&next - state).square().mean());
///         (next.clone(), next)
///     }
/// }
///
/// impl RnnCell for Leaky {
///     type Inputs = Tensor;
///     type States = Tensor;
///
///     fn state_shapes(&self) -> Vec<Shape> {
///         vec![[4].into()]
///     }
/// }
///
/// let rnn: Rnn<Leaky> = Rnn::new(Leaky { dense: Dense::new(4), kept: 0.9 });
/// let mut f = Function::new(|[x], cx| {
///     let y = rnn.apply(&x, cx);
///     // One term, the sum over all steps.
///     assert_eq!(cx.loss_terms().len(), 1);
///     [y]
/// });
/// assert_eq!(f.run([&Array::zeros([2, 5, 3], DType::F32)])?[0].shape().sizes(), [2, 4]);
/// # Ok::<(), Error>(())
/// ```
pub trait RnnCell:
    Layer<(Self::Inputs, Self::States), (Tensor, Self::States)> + Send + Sync
{
    /// What a step takes of the sequences: a tensor, or a structure of several.
    type Inputs: Tree;
    /// The states: a tensor, or a structure of several.
    type States: Tree;

    /// The shapes of the states, in order, without the axis of the batch.
    fn state_shapes(&self) -> Vec<Shape>;
}

/// Applies a cell to every step of sequences. Keras's `RNN`.
///
/// Inputs are those of the cell with an axis of steps after that of the batch. A layer that is
/// given `(inputs, states)` begins with these states instead of 0. Steps that are masked leave the
/// states as they are, and repeat the output before. What the cell adds to the loss at each step is
/// one term for each name, the sum over the steps.
///
/// ```
/// use endo::prelude::*;
/// // Two cells, one on the other: Keras's `RNN([LSTMCell(8), GRUCell(4)])`.
/// let cells = StackedCells(Lstm::new(8).into_step(), Gru::new(4).into_step());
/// let rnn = Rnn::new(cells).return_sequences(true);
/// let mut f = Function::new(|[x], cx| [rnn.apply(&x, cx)]);
/// assert_eq!(f.run([&Array::zeros([2, 5, 3], DType::F32)])?[0].shape().sizes(), [2, 5, 4]);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Rnn<C, O = Tensor> {
    name: Option<String>,
    cell: C,
    return_sequences: bool,
    return_state: bool,
    go_backwards: bool,
    stateful: bool,
    states: States,
    outputs: PhantomData<fn() -> O>,
}

impl<C: RnnCell> Rnn<C> {
    /// A layer that returns the cell's last output.
    pub fn new(cell: C) -> Self {
        Self {
            name: None,
            cell,
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            states: States::default(),
            outputs: PhantomData,
        }
    }

    /// The same layer with the last states beside its outputs.
    #[must_use]
    pub fn return_state(self) -> Rnn<C, (Tensor, C::States)> {
        let Self { name, cell, return_sequences, go_backwards, stateful, states, .. } = self;
        let (return_state, outputs) = (true, PhantomData);
        Rnn { name, cell, return_sequences, return_state, go_backwards, stateful, states, outputs }
    }
}

impl<C: RnnCell, O> Rnn<C, O> {
    name_option! {}

    /// Whether all outputs are returned, `[batch, steps, ..]`, or the last one alone. False unless
    /// set.
    #[must_use]
    pub fn return_sequences(mut self, return_sequences: bool) -> Self {
        self.return_sequences = return_sequences;
        self
    }

    /// Whether it begins with the last step; outputs are in the order in which they are made. False
    /// unless set.
    #[must_use]
    pub fn go_backwards(mut self, go_backwards: bool) -> Self {
        self.go_backwards = go_backwards;
        self
    }

    /// Whether each call begins with the states that the call before ended with, sample by sample;
    /// then all batches have one size. False unless set.
    #[must_use]
    pub fn stateful(mut self, stateful: bool) -> Self {
        self.stateful = stateful;
        self
    }

    /// The cell.
    pub fn cell(&self) -> &C {
        &self.cell
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

    /// The inputs of the sequences, and the states if they are given.
    fn parts<'a>(&self, given: &[&'a Tensor], cx: &Context) -> Result<(Vec<&'a Tensor>, bool)> {
        let path = cx.path();
        let Some(&first) = given.first() else {
            let message = format!("`{path}` is given no tensor");
            let help = "give what its cell takes, with an axis of steps after that of the batch";
            return Err(Error::argument(message, help));
        };
        let (inputs, states) = (count::<C::Inputs>(first), self.cell.state_shapes().len());
        let of_type = count::<C::States>(first);
        if of_type != states || states > MOST {
            let message = format!(
                "`{path}` has a cell with the shapes of {states} states and a type of {of_type}"
            );
            let help = format!(
                "`state_shapes` returns one shape for each tensor of `States`, {MOST} at most"
            );
            return Err(Error::argument(message, help));
        }
        if given.len() != inputs && given.len() != inputs + states {
            let message = format!(
                "`{path}` takes {inputs} inputs and begins with {states} states, and is given {} \
                    tensors",
                given.len()
            );
            let help = "give the inputs of its cell alone, or with all of its states";
            return Err(Error::argument(message, help));
        }
        let [batch, steps] = [first.batch(), first.shape().get(1).copied().unwrap_or(0)];
        let other =
            given[..inputs].iter().find(|x| x.rank() < 2 || x.shape()[..2] != [batch, steps]);
        if let Some(other) = other.or((steps == 0).then_some(&first)) {
            let message = format!(
                "`{path}` takes inputs of shape [batch, steps, ..], all with the same samples and \
                    steps, got {}",
                other.shape()
            );
            let help = "there is at least one step; add the axis that is missing";
            return Err(Error::shape(message, help));
        }
        for (state, shape) in given[inputs..].iter().zip(self.state_shapes(batch)) {
            if *state.shape() != shape {
                let message =
                    format!("`{path}` begins with a state of shape {shape}, got {}", state.shape());
                let help = "states have the shapes that the cell says, after the axis of the batch";
                return Err(Error::shape(message, help));
            }
        }
        self.states.check(batch, cx)?;
        Ok((given.to_vec(), given.len() > inputs))
    }

    fn state_shapes(&self, batch: usize) -> Vec<Shape> {
        let whole = |shape: Shape| std::iter::once(batch).chain(shape.iter().copied()).collect();
        self.cell.state_shapes().into_iter().map(whole).collect()
    }

    /// The outputs and the states after the last step.
    #[track_caller]
    fn run(&self, given: Vec<&Tensor>, has_states: bool, cx: &mut Context) -> Vec<Tensor> {
        let first = given[0];
        let shapes = self.state_shapes(first.batch());
        let (inputs, states) =
            given.split_at(given.len() - if has_states { shapes.len() } else { 0 });
        let zeros = |shape: &Shape| first.constant_like(0.0).expand(shape, Site::caller());
        let kept = if self.stateful {
            self.states.read(self, &shapes, cx)
        } else {
            shapes.iter().map(zeros).collect()
        };
        let states =
            if has_states { states.iter().map(|&state| state.clone()).collect() } else { kept };
        let mask = cx.mask(first);
        let sequences: Vec<Tensor> = inputs.iter().copied().chain(&mask).map(steps_first).collect();
        let options = ScanOptions::new().reverse(self.go_backwards);
        let step = |states: Vec<Tensor>, x: Vec<Tensor>, cx: &mut Context| {
            let (x, holds) = x.split_at(inputs.len());
            let both = (structure(x.to_vec()), structure(states.clone()));
            let (output, next): (Tensor, C::States) = self.cell.apply(&both, cx);
            let mut next: Vec<Tensor> = next.tensors().into_iter().cloned().collect();
            // What masked steps return is what the step before did.
            let before = cx.carried(&output.zeros_like());
            let output = match holds.first() {
                None => output,
                Some(holds) => chosen(holds, &output, &before),
            };
            cx.carry(&output);
            if let Some(holds) = holds.first() {
                let kept = next.iter().zip(&states).map(|(next, old)| chosen(holds, next, old));
                next = kept.collect();
            }
            (next, if self.return_sequences { vec![output] } else { Vec::new() })
        };
        let (states, outputs) = cx.scan_with(&options, states, &sequences, step);
        let last = cx.take_carried();
        if self.stateful {
            self.states.write(&states, cx);
        }
        let output = match (outputs.first(), last.first()) {
            (Some(all), _) => {
                // In the order in which the steps are gone through.
                steps_first(&if self.go_backwards { all.flip(0) } else { all.clone() })
            }
            (None, Some(last)) => last.clone(),
            (None, None) => unreachable!("a step carries its output"),
        };
        if let Some(mask) = mask.filter(|_| self.return_sequences) {
            cx.set_mask(&output, &if self.go_backwards { mask.flip(1) } else { mask });
        }
        let after = if self.return_state { states } else { Vec::new() };
        std::iter::once(output).chain(after).collect()
    }
}

/// How many tensors a structure has.
fn count<T: Tree>(sample: &Tensor) -> usize {
    let makes =
        |count: &usize| T::from_tensors(&mut std::iter::repeat_n(sample.clone(), *count)).is_some();
    (0..32).find(makes).unwrap_or(0)
}

pub(super) fn structure<T: Tree>(tensors: Vec<Tensor>) -> T {
    T::from_tensors(&mut tensors.into_iter()).expect("as many tensors as were counted")
}

/// `x` for the samples where the condition `[batch]` holds, else `y`.
#[track_caller]
fn chosen(holds: &Tensor, x: &Tensor, y: &Tensor) -> Tensor {
    holds.with_rank(x.rank()).where_(x, y)
}

impl<C: RnnCell, I: Tree, O: Tree> Layer<I, O> for Rnn<C, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let given = inputs.tensors();
        let outputs = match self.parts(&given, cx) {
            Ok((given, has_states)) => self.run(given, has_states, cx),
            Err(error) => {
                let (shape, dtype) = given
                    .first()
                    .map_or((Shape::scalar(), cx.dtype()), |x| (x.shape().clone(), x.dtype()));
                let failed = cx.trace().fail(error.at(Site::caller()), shape, dtype);
                let states = count::<C::States>(&failed);
                vec![failed; 1 + states]
            }
        };
        O::from_tensors(&mut outputs.into_iter()).expect("as many states as the type says")
    }

    fn kind(&self) -> &'static str {
        "Rnn"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::tests::refused;
    use crate::prelude::*;

    /// Adds what it is given to its state, and pays a tenth of its square.
    struct Total;

    impl Layer<(Tensor, Tensor), (Tensor, Tensor)> for Total {
        fn call(&self, (x, total): &(Tensor, Tensor), cx: &mut Context) -> (Tensor, Tensor) {
            let total = total + x;
            cx.add_loss("size", 0.1 * total.square().mean());
            cx.add_sample_loss("first", x.slice(-1, 0..1).reshape([x.batch()]));
            (2.0 * &total, total)
        }
    }

    impl RnnCell for Total {
        type Inputs = Tensor;
        type States = Tensor;

        fn state_shapes(&self) -> Vec<Shape> {
            vec![[1].into()]
        }
    }

    #[test]
    fn what_a_cell_adds_to_the_loss_at_each_step_is_one_term_for_each_name() {
        let rnn = Rnn::new(Total).return_sequences(true);
        let mut f = Function::new(|[x], cx| {
            let y = rnn.apply(&x, cx);
            let terms: Vec<(String, Tensor)> = cx
                .loss_terms()
                .iter()
                .map(|term| (term.path.clone(), term.value.clone()))
                .collect();
            let names: Vec<&str> = terms.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["rnn/total/size", "rnn/total/first"]);
            [y, terms[0].1.clone(), terms[1].1.clone()]
        });
        let [y, size, first] = f.run([&[[[1.0_f32], [2.0], [-4.0]]].into()]).unwrap();
        assert_eq!(y, Array::from([[[2.0_f32], [6.0], [-2.0]]]));
        // 0.1 * (1 + 9 + 1), and 1 + 2 - 4.
        assert!((size.item().unwrap() - 1.1).abs() < 1e-6);
        assert_eq!(first, Array::from([-1.0_f32]));
    }

    #[test]
    fn steps_that_are_masked_leave_states_and_repeat_outputs() {
        let rnn = Rnn::new(Total).return_sequences(true).return_state();
        let mut f = Function::new(|[x, mask], cx| {
            cx.set_mask(&x, &mask);
            let (y, total): (Tensor, Tensor) = rnn.apply(&x, cx);
            [y, total]
        });
        let mask = Array::from([[false, true, false, true]]);
        let [y, total] = f.run([&[[[9.0_f32], [2.0], [9.0], [1.0]]].into(), &mask]).unwrap();
        assert_eq!(y, Array::from([[[0.0_f32], [4.0], [4.0], [6.0]]]));
        assert_eq!(total, Array::from([[3.0_f32]]));
    }

    #[test]
    fn a_stateful_layer_goes_on_until_it_is_reset() {
        let rnn: Rnn<Total> = Rnn::new(Total).stateful(true);
        let mut f = Function::new(|[x], cx| [rnn.apply(&x, cx)]);
        let x = Array::from([[[1.0_f32], [2.0]], [[0.0], [5.0]]]);
        let mut run = || f.run([&x]).map(|[y]| y.to_vec::<f32>());
        assert_eq!([run().unwrap(), run().unwrap()], [[6.0, 10.0], [12.0, 20.0]]);
        rnn.reset_states();
        assert_eq!(run().unwrap(), [6.0, 10.0]);
        assert_eq!(rnn.states()[0].value(), Array::from([[3.0_f32], [5.0]]));
        let error = f.run([&Array::zeros([3, 2, 1], DType::F32)]).unwrap_err();
        error.reads("`rnn` is stateful and keeps the states of 2 samples, but the batch has 3");
    }

    #[test]
    fn steps_of_the_librarys_layers_are_those_layers() {
        let names = ["kernel", "recurrent_kernel", "bias"];
        let (lstm, gru) = (Lstm::new(3).return_sequences(true), Gru::new(2));
        let cells = StackedCells(Lstm::new(3).into_step(), Gru::new(2).into_step());
        let rnn = Rnn::new(cells);
        let mut whole = Model::new(move |x: &Tensor, cx: &mut Context| {
            let below: Tensor = lstm.apply(x, cx);
            gru.apply(&below, cx)
        });
        let mut stepped = Model::new(move |x: &Tensor, cx: &mut Context| rnn.apply(x, cx));
        let x = Array::from_fn([2, 5, 3], |i| (i as f32 * 0.7).sin());
        for model in [&mut whole, &mut stepped] {
            model.compile(Sgd::new(0.1), MeanSquaredError, ());
            model.build_on(std::slice::from_ref(&x)).unwrap();
        }
        assert_eq!(whole.weights().len(), 2 * names.len());
        for (from, to) in whole.weights().iter().zip(stepped.weights()) {
            to.set(&from.value()).unwrap();
        }
        let y = Array::from_fn([2, 2], |i| i as f32);
        let data = Dataset::new(x.clone(), y).unwrap();
        let losses = [&mut whole, &mut stepped].map(|model| {
            let history = model.fit(&data, Fit::epochs(3).shuffle(false)).unwrap();
            (history.get("loss"), model.predict(&x).unwrap())
        });
        for (a, b) in losses[0].0.iter().zip(&losses[1].0) {
            assert!((a - b).abs() < 1e-6, "{losses:?}");
        }
        let [a, b] = losses.map(|(_, predicted)| predicted.to_vec::<f32>());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
    }

    #[test]
    fn a_cell_whose_shapes_are_not_those_of_its_states_is_refused() {
        struct Short;

        impl Layer<(Tensor, (Tensor, Tensor)), (Tensor, (Tensor, Tensor))> for Short {
            fn call(
                &self,
                (x, (h, c)): &(Tensor, (Tensor, Tensor)),
                _: &mut Context,
            ) -> (Tensor, (Tensor, Tensor)) {
                (x.clone(), (h.clone(), c.clone()))
            }
        }

        impl RnnCell for Short {
            type Inputs = Tensor;
            type States = (Tensor, Tensor);

            fn state_shapes(&self) -> Vec<Shape> {
                vec![[1].into()]
            }
        }

        let rnn = Rnn::new(Short).return_state();
        let mut f = Function::new(|[x], cx| {
            let (y, (h, _)): (Tensor, (Tensor, Tensor)) = rnn.apply(&x, cx);
            [y, h]
        });
        let error = f.run([&Array::zeros([2, 3, 1], DType::F32)]).unwrap_err();
        error.reads("`rnn` has a cell with the shapes of 1 states and a type of 2");
    }

    #[test]
    fn what_does_not_fit_the_cell_is_an_error_with_the_layers_name() {
        let rnn: Rnn<Total> = Rnn::new(Total);
        let error = refused(&rnn, &[3]);
        assert!(error.message().starts_with("`rnn` takes inputs of shape [batch, steps, ..]"));
        let mut f = Function::new(|[x, h], cx| [rnn.apply(&(x, h), cx)]);
        let x = Array::zeros([2, 3, 1], DType::F32);
        let error = f.run([&x, &Array::zeros([2, 7], DType::F32)]).unwrap_err();
        error.reads("`rnn` begins with a state of shape [2, 1], got [2, 7]");
        assert_eq!(f.run([&x, &[[1.0_f32], [2.0]].into()]).unwrap()[0].to_vec::<f32>(), [2.0, 4.0]);
    }
}
