//! The loop over the steps of a sequence, unrolled into the graph.
//!
//! In: the inputs' part of every gate, `[steps, batch, gates]`, recurrent kernels, first states,
//! and what one step does. Out: the outputs and the last states. The gradients of a kernel are one
//! product over all steps, not a sum of one for each.

use crate::autodiff;
use crate::error::{Error, ErrorKind};
use crate::graph::{Tensor, Transposed};
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

/// How a recurrent layer goes through a sequence, and what it returns of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceOptions {
    pub go_backwards: bool,
    pub return_sequences: bool,
    pub return_state: bool,
    pub zero_output_for_mask: bool,
}

/// A recurrent kernel `[units, gates * units]`, and what is added to its products.
pub struct RecurrentKernel {
    pub kernel: Tensor,
    pub bias: Option<Tensor>,
    pub gates: usize,
}

/// The kernels of a recurrence, and what they were multiplied with so far.
pub struct Recurrence {
    kernels: Vec<RecurrentKernel>,
    /// For each kernel the states, and for each state the gates of its product.
    products: Vec<Vec<(Tensor, Vec<Tensor>)>>,
}

impl Recurrence {
    /// The product of a state `[batch, units]` with a kernel, gate by gate.
    #[track_caller]
    pub fn product(&mut self, which: usize, state: &Tensor) -> Vec<Tensor> {
        let &RecurrentKernel { ref kernel, ref bias, gates } = &self.kernels[which];
        let product = state.matmul(kernel);
        let product = bias.as_ref().map_or(product.clone(), |bias| product + bias);
        let gates = columns(&product, gates);
        self.products[which].push((state.clone(), gates.clone()));
        gates
    }
}

/// The columns of each of a number of gates.
#[track_caller]
fn columns(all: &Tensor, gates: usize) -> Vec<Tensor> {
    let units = all.features() / gates;
    (0..gates).map(|gate| all.slice(-1, gate * units..(gate + 1) * units)).collect()
}

/// What is wrong with sequences, or with the states that they begin with, if they are given.
pub fn check(
    inputs: &Tensor,
    states: &[Tensor],
    count: usize,
    units: usize,
    cx: &Context,
) -> Result<(), Error> {
    let path = cx.path();
    if !states.is_empty() && states.len() != count {
        let message =
            format!("`{path}` begins with as many states as it has, {count}, got {}", states.len());
        return Err(Error::new(ErrorKind::Argument, message).help("give all of them or none"));
    }
    if inputs.rank() != 3 || inputs.shape()[1] == 0 {
        let message = format!(
            "`{path}` takes inputs of shape [batch, steps, features], got {}",
            inputs.shape()
        );
        let help = "there is at least one step; add the axis that is missing: `x.expand_dims(-1)` \
            for one feature a step";
        return Err(Error::new(ErrorKind::Shape, message).help(help));
    }
    let expected = Shape::from([inputs.batch(), units]);
    if let Some(state) = states.iter().find(|state| *state.shape() != expected) {
        let message =
            format!("`{path}` begins with states of shape {expected}, got {}", state.shape());
        return Err(Error::new(ErrorKind::Shape, message)
            .help("a state has `units` numbers for each sample of the inputs"));
    }
    match cx.mask(inputs).filter(|mask| mask.shape().sizes() != &inputs.shape()[..2]) {
        None => Ok(()),
        Some(mask) => {
            let message = format!(
                "`{path}` has inputs of shape {} with a mask of shape {}",
                inputs.shape(),
                mask.shape()
            );
            Err(Error::new(ErrorKind::Shape, message).help("a mask of sequences is [batch, steps]"))
        }
    }
}

/// Goes through `projected`, `[steps, batch, gates * units]`, by `step`, which makes the next
/// states of a step's gates and the states; the first state is what the layer returns. Where the
/// mask `[batch, steps]` does not hold, states stay. Out: the outputs, `[batch, steps, units]` or
/// the last one, and the states after the last step if they are asked for.
#[track_caller]
pub fn unroll(
    passage: SequenceOptions,
    projected: &Tensor,
    gates: usize,
    mask: Option<&Tensor>,
    states: Vec<Tensor>,
    kernels: Vec<RecurrentKernel>,
    mut step: impl FnMut(&[Tensor], &[Tensor], &mut Recurrence) -> Vec<Tensor>,
) -> Vec<Tensor> {
    let count = projected.batch();
    let products = kernels.iter().map(|_| Vec::new()).collect();
    let mut recurrence = Recurrence { kernels, products };
    // Gradients are taken at nodes of the recurrence's own: outside it, inputs may depend on a
    // first state, or two states be one, and a gradient taken there would have the others' shares,
    // too.
    let own = |value: &Tensor| Tensor::custom_gradient(value, &[value], |dy| vec![dy.clone()]);
    let projected = &own(projected);
    let first: Vec<Tensor> = states.iter().map(own).collect();
    let outside =
        first.iter().chain([projected]).map(|own| own.id().index() + 1).max().unwrap_or(0);
    let mut states = first.clone();
    let mut outputs: Vec<Tensor> = Vec::new();
    let mut seen: Vec<Vec<Tensor>> = vec![Vec::new(); count];
    for position in 0..count {
        let at = if passage.go_backwards { count - 1 - position } else { position };
        let row = projected.slice(0, at..at + 1).reshape(&projected.shape()[1..]);
        seen[at] = columns(&row, gates);
        let next = step(&seen[at], &states, &mut recurrence);
        let (output, next) = match mask {
            None => (next[0].clone(), next),
            Some(mask) => {
                let holds = mask.slice(1, at..at + 1);
                let before = if passage.zero_output_for_mask { None } else { outputs.last() };
                let before = before.cloned().unwrap_or_else(|| next[0].zeros_like());
                let kept = next
                    .iter()
                    .zip(&states)
                    .map(|(next, state)| holds.where_(next, state))
                    .collect();
                (holds.where_(&next[0], before), kept)
            }
        };
        outputs.push(output);
        states = next;
    }
    let kept = if passage.return_sequences { 0 } else { count - 1 };
    let after = if passage.return_state { &states[..] } else { &[] };
    let returned: Vec<Tensor> = outputs[kept..].iter().chain(after).cloned().collect();
    let whole =
        differentiated(projected, first, seen, recurrence, Tensor::stack(&returned, 0), outside);
    let part =
        |position: usize| whole.slice(0, position..position + 1).reshape(&whole.shape()[1..]);
    let steps = outputs.len() - kept;
    let sequence = if passage.return_sequences {
        whole.slice(0, 0..steps).permute(&[1, 0, 2])
    } else {
        part(0)
    };
    std::iter::once(sequence).chain((steps..returned.len()).map(part)).collect()
}

/// `value` with gradients taken at the gates of each step and joined at the end. By the rules of
/// its operations alone, each step would put its share into an array for all steps and add up as
/// many of those. The steps are the nodes from `outside` on; what else they take, such as the
/// weights of an activation, has its gradient too.
#[track_caller]
fn differentiated(
    projected: &Tensor,
    first: Vec<Tensor>,
    seen: Vec<Vec<Tensor>>,
    recurrence: Recurrence,
    value: Tensor,
    outside: usize,
) -> Tensor {
    let Recurrence { kernels, products } = recurrence;
    let weights = kernels.iter().map(|kernel| &kernel.kernel);
    let biases = kernels.iter().filter_map(|kernel| kernel.bias.as_ref());
    let mut inputs: Vec<&Tensor> =
        std::iter::once(projected).chain(&first).chain(weights).chain(biases).collect();
    let others = autodiff::taken_from_outside(&value, &inputs, outside);
    inputs.extend(&others);
    let taken = others.clone();
    let has_bias: Vec<bool> = kernels.iter().map(|kernel| kernel.bias.is_some()).collect();
    let (computed, states) = (value.clone(), first.clone());
    let backward = move |dy: &Tensor| {
        let made = products.iter().flatten().flat_map(|(_, gates)| gates);
        let targets: Vec<Tensor> =
            states.iter().chain(seen.iter().flatten()).chain(made).chain(&taken).cloned().collect();
        let found = autodiff::pulled_back(&computed, dy, &targets, outside..usize::MAX);
        let mut found = found
            .into_iter()
            .zip(&targets)
            .map(|(gradient, target)| gradient.unwrap_or_else(|| target.zeros_like()));
        let mut join = |gates: &[Tensor]| {
            Tensor::concatenate(&found.by_ref().take(gates.len()).collect::<Vec<_>>(), -1)
        };
        let of_states: Vec<Tensor> =
            states.iter().map(|state| join(std::slice::from_ref(state))).collect();
        let rows: Vec<Tensor> = seen.iter().map(|gates| join(gates)).collect();
        let mut gradients = vec![Tensor::stack(&rows, 0)];
        gradients.extend(of_states);
        let mut of_biases = Vec::new();
        for (product, has_bias) in products.iter().zip(&has_bias) {
            let lefts: Vec<Tensor> = product.iter().map(|(state, _)| state.clone()).collect();
            let made: Vec<Tensor> = product.iter().map(|(_, gates)| join(gates)).collect();
            let made = Tensor::concatenate(&made, 0);
            gradients
                .push(Tensor::concatenate(&lefts, 0).matmul_transposed(&made, Transposed::LEFT));
            of_biases.extend(has_bias.then(|| made.sum_axes([0])));
        }
        gradients.extend(of_biases);
        gradients.extend(found);
        gradients
    };
    Tensor::custom_gradient(&value, &inputs, backward)
}

/// States of zeros.
#[track_caller]
pub fn zeros(inputs: &Tensor, units: usize, count: usize) -> Vec<Tensor> {
    vec![inputs.constant_like(0.0).expand(&[inputs.batch(), units].into(), Site::caller()); count]
}

/// What stands in for the outputs of a layer that cannot be applied.
#[track_caller]
pub fn refuse(
    error: Error,
    inputs: &Tensor,
    passage: SequenceOptions,
    units: usize,
    states: usize,
    cx: &Context,
) -> Vec<Tensor> {
    let steps = inputs.shape().get(1).copied().unwrap_or(1);
    let state = Shape::from([inputs.batch(), units]);
    let outputs = if passage.return_sequences {
        [inputs.batch(), steps, units].into()
    } else {
        state.clone()
    };
    let outputs = cx.trace().fail(error.at(Site::caller()), outputs, inputs.dtype());
    std::iter::once(outputs).chain(zeros(inputs, units, states)).collect()
}
