//! The loop over the steps of a sequence.
//!
//! In: the inputs' part of every gate, `[steps, batch, gates]`, recurrent kernels, first states,
//! and what one step does. Out: the outputs and the last states.

use crate::error::Error;
use crate::graph::Tensor;
use crate::ops::Window;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::{Context, ScanOptions};

use super::super::convolution::convolve;

/// How a recurrent layer goes through a sequence, and what it returns of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceOptions {
    pub go_backwards: bool,
    pub return_sequences: bool,
    pub zero_output_for_mask: bool,
}

/// A recurrent kernel `[units, gates * units]`, and what is added to its products; or one that
/// states are convolved with.
pub struct RecurrentKernel {
    pub kernel: Tensor,
    pub bias: Option<Tensor>,
    pub gates: usize,
    /// The windows of a convolution along each axis between batch and channels.
    pub windows: Vec<Window>,
}

impl RecurrentKernel {
    /// One that states `[batch, units]` are multiplied by.
    pub fn new(kernel: Tensor, bias: Option<Tensor>, gates: usize) -> Self {
        Self { kernel, bias, gates, windows: Vec::new() }
    }

    /// The product of a state with the kernel, or its convolution, gate by gate.
    #[track_caller]
    pub fn product(&self, state: &Tensor) -> Vec<Tensor> {
        let product = if self.windows.is_empty() {
            state.matmul(&self.kernel)
        } else {
            convolve(state, &self.windows, &self.kernel, 1)
        };
        let product = self.bias.as_ref().map_or(product.clone(), |bias| product + bias);
        columns(&product, self.gates)
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
        return Err(Error::argument(message, "give all of them or none"));
    }
    if inputs.rank() != 3 || inputs.shape()[1] == 0 {
        let message = format!(
            "`{path}` takes inputs of shape [batch, steps, features], got {}",
            inputs.shape()
        );
        let help = "there is at least one step; add the axis that is missing: `x.expand_dims(-1)` \
            for one feature a step";
        return Err(Error::shape(message, help));
    }
    let expected = Shape::from([inputs.batch(), units]);
    if let Some(state) = states.iter().find(|state| *state.shape() != expected) {
        let message =
            format!("`{path}` begins with states of shape {expected}, got {}", state.shape());
        let help = "a state has `units` numbers for each sample of the inputs";
        return Err(Error::shape(message, help));
    }
    check_mask(inputs, cx)
}

/// What is wrong with the mask of sequences, if they have one.
pub fn check_mask(inputs: &Tensor, cx: &Context) -> Result<(), Error> {
    match cx.mask(inputs).filter(|mask| mask.shape().sizes() != &inputs.shape()[..2]) {
        None => Ok(()),
        Some(mask) => {
            let message = format!(
                "`{}` has inputs of shape {} with a mask of shape {}",
                cx.path(),
                inputs.shape(),
                mask.shape()
            );
            Err(Error::shape(message, "a mask of sequences is [batch, steps]"))
        }
    }
}

/// Goes through `projected`, `[steps, batch, .., gates * units]`, by `step`, which makes the next
/// states of a step's gates and the states; the first state is what the layer returns. Where the
/// mask `[batch, steps]` does not hold, states stay; steps behind the last one at which it holds
/// for any sample are not done. Out: the outputs, `[batch, steps, .., units]` or the last one, and
/// the states after the last step.
#[track_caller]
pub fn run(
    passage: SequenceOptions,
    projected: &Tensor,
    gates: usize,
    mask: Option<&Tensor>,
    states: Vec<Tensor>,
    cx: &mut Context,
    mut step: impl FnMut(&[Tensor], &[Tensor], &mut Context) -> Vec<Tensor>,
) -> Vec<Tensor> {
    let count = states.len();
    let mut first = states;
    let mut sequences = vec![projected.clone()];
    if let Some(mask) = mask {
        // What masked steps return is what the step before did.
        first.push(first[0].zeros_like());
        sequences.push(mask.permute(&[1, 0]));
    }
    // What is saved without loops goes through all steps.
    let done = mask.filter(|_| !cx.trace().unrolls()).map(steps_up_to_the_last);
    let options = ScanOptions::new().reverse(passage.go_backwards);
    let options = done.iter().fold(options, |options, (count, _)| options.count(count));
    let (last, outputs) =
        cx.scan_with(&options, first, &sequences, |states: Vec<Tensor>, x: Vec<Tensor>, cx| {
            let next = step(&columns(&x[0], gates), &states[..count], cx);
            let (next, output) = match x.get(1) {
                None => (next.clone(), next[0].clone()),
                Some(holds) => {
                    let holds = holds.with_rank(next[0].rank());
                    let before = &states[count];
                    let before = if passage.zero_output_for_mask {
                        before.zeros_like()
                    } else {
                        before.clone()
                    };
                    let output = holds.where_(&next[0], before);
                    let kept = next.iter().zip(&states).map(|(next, old)| holds.where_(next, old));
                    (kept.chain([output.clone()]).collect(), output)
                }
            };
            (next, if passage.return_sequences { vec![output] } else { Vec::new() })
        });
    let output = match outputs.first() {
        // In the order in which the steps are gone through.
        Some(all) => {
            let all = match &done {
                // Backwards they come first, when there is no output yet.
                Some((_, holds)) if !passage.go_backwards && !passage.zero_output_for_mask => {
                    holds.with_rank(all.rank()).where_(all, last[count].expand_dims(0))
                }
                _ => all.clone(),
            };
            let all = if passage.go_backwards { all.flip(0) } else { all };
            steps_first(&all)
        }
        None => last[if mask.is_some() { count } else { 0 }].clone(),
    };
    std::iter::once(output).chain(last.into_iter().take(count)).collect()
}

/// `[steps, batch, ..]` of `[batch, steps, ..]`, and back.
#[track_caller]
pub fn steps_first(x: &Tensor) -> Tensor {
    let axes: Vec<usize> = [1, 0].into_iter().chain(2..x.rank()).collect();
    x.permute(&axes)
}

/// How many steps a mask `[batch, steps]` holds up to, for any sample, and which these are.
#[track_caller]
fn steps_up_to_the_last(mask: &Tensor) -> (Tensor, Tensor) {
    let steps = mask.shape()[1];
    let numbers = mask.trace().constant_from_fn([steps], |step| step as i32, Site::caller());
    let count = mask.any_axes([0]).where_(&numbers + 1, 0).max();
    let holds = numbers.less(&count);
    (count, holds)
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

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// The outputs of a layer on sequences padded to a length, of which each has its own, and the
    /// gradient of a loss of five of them with respect to the inputs.
    fn padded(layer: &dyn Layer, length: usize, backwards: bool) -> [Array; 2] {
        let mut f = Function::new(|[x], cx| {
            let outputs = layer.apply(&Masking::new(0.0).apply(&x, cx), cx);
            let first = if backwards { length - 5 } else { 0 };
            let five = match outputs.rank() {
                3 => outputs.slice(1, first..first + 5),
                _ => outputs.clone(),
            };
            let loss = (five.tanh() * 0.5).sum();
            [outputs, cx.gradients(&loss, [&x]).into_tensors().remove(0).unwrap()]
        });
        let steps = [3, 5, 1];
        let element = |index: usize| {
            let (sample, step) = (index / 2 / length, index / 2 % length);
            let number = (sample * 100 + step * 2 + index % 2) as f32;
            if step < steps[sample] { (0.7 * number).sin() } else { 0.0 }
        };
        f.run([&Array::from_fn([3, length, 2], element)]).unwrap()
    }

    #[test]
    fn steps_behind_the_longest_sequence_change_nothing() {
        for text in [
            "lstm(4)",
            "lstm(4, return_sequences=true)",
            "gru(4, return_sequences=true, zero_output_for_mask=true)",
            "simple_rnn(4, return_sequences=true, go_backwards=true)",
        ] {
            let layer = crate::layers::get(text).unwrap();
            let backwards = text.contains("backwards");
            let [[short, short_slope], [long, long_slope]] =
                [5, 9].map(|length| padded(&*layer, length, backwards));
            let numbers = |array: &Array| array.to_vec::<f32>();
            for sample in 0..3 {
                let row = |array: &Array, steps: usize, size: usize| {
                    numbers(array)[sample * steps * size..][..5 * size].to_vec()
                };
                assert_eq!(row(&short_slope, 5, 2), row(&long_slope, 9, 2), "{text}");
                if short.shape().rank() == 3 && !backwards {
                    assert_eq!(row(&short, 5, 4), row(&long, 9, 4), "{text}");
                    // Behind them the last output is repeated, or there are zeros.
                    let all = numbers(&long);
                    let [last, behind] =
                        [4, 8].map(|step| all[(sample * 9 + step) * 4..][..4].to_vec());
                    let zeros = text.contains("zero_output");
                    assert_eq!(behind, if zeros { vec![0.0; 4] } else { last }, "{text}");
                }
            }
            if short.shape().rank() == 2 {
                assert_eq!(short, long, "{text}");
            }
        }
    }
}
