//! Gradients of loops: a loop that goes through the steps the other way.
//!
//! In: a loop, and the gradients of parts of its results. Out: the gradients of its inputs. What
//! the steps of the second loop need of those of the first, the first one stacks; sums over steps
//! of products are one product (backpropagation through time, Werbos 1990).

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::graph::{Body, Node, NodeId, Op, Scan, Tensor, Trace, Transposed, View};
use crate::simd::Reduction;
use crate::site::Site;

use super::pulled_back_all;

/// The gradients of each input of a loop, given those of parts of its results.
#[track_caller]
pub(super) fn gradients(
    handle: &Tensor,
    node: &Node,
    scan: &Scan,
    parts: BTreeMap<usize, Tensor>,
) -> Vec<Option<Tensor>> {
    let none = vec![None; node.inputs.len()];
    let Body::Traced { parameters, results } = &scan.body else { return none };
    if parts.is_empty() {
        return none;
    }
    let trace = handle.trace();
    if scan.conditional && scan.steps == Scan::UNBOUNDED {
        let message = "the gradient of a loop without a largest number of steps is asked for";
        let help = "say how many steps there are at most, `maximum_iterations`: what each step \
            computes is kept for the gradient";
        trace.record(Error::usage(message, help).at(node.site));
        return none;
    }
    let inside = trace.steps_of(parameters, results);
    let mut walk = Walk { trace, handle, scan, node, parameters, results, inside };
    walk.run(parts)
}

struct Walk<'a> {
    trace: &'a Rc<Trace>,
    /// The loop.
    handle: &'a Tensor,
    scan: &'a Scan,
    node: &'a Node,
    parameters: &'a [NodeId],
    results: &'a [NodeId],
    /// Which nodes its steps consist of.
    inside: Vec<bool>,
}

/// The second loop in the making.
#[derive(Default)]
struct Second {
    /// What its states begin with, with what a step is given and makes of each.
    states: Vec<(Tensor, Tensor, Tensor)>,
    /// Its sequences, with what a step is given of each.
    sequences: Vec<(Tensor, Tensor)>,
    /// What its steps give.
    stacked: Vec<Tensor>,
}

impl Second {
    /// The place of a value, or of one computed in the same way, if steps give it.
    fn place(&self, value: &Tensor) -> Option<usize> {
        let own = value.trace().node(value.id());
        let is_same = |known: &Tensor| {
            let node = value.trace().node(known.id());
            known.id() == value.id()
                || match (&own.op, &node.op) {
                    (Op::Kernel(a), Op::Kernel(b)) => {
                        (a.name(), a.attributes(), &own.inputs)
                            == (b.name(), b.attributes(), &node.inputs)
                    }
                    _ => false,
                }
        };
        self.stacked.iter().position(is_same)
    }

    /// The place of what steps give among its parts.
    fn stack(&mut self, value: &Tensor) -> usize {
        self.place(value).unwrap_or_else(|| {
            self.stacked.push(value.clone());
            self.stacked.len() - 1
        })
    }
}

/// What all steps give, stacked.
enum OfSteps {
    /// Those of the second loop, by the place among what they give.
    Second(usize),
    /// Those of the first one, or what they are given.
    First(Tensor),
}

/// The gradient of what every step reads: a sum over steps, as it is computed after the loop.
enum Total {
    /// The last value of a state of the second loop.
    State(usize),
    /// The sum of products of what the steps give.
    Product { transposed: Transposed, operands: [OfSteps; 2] },
    /// The sum along axes.
    Sum { axes: Vec<usize>, operand: OfSteps },
    /// Another sum looked at in another way.
    View(View, Box<Total>, Tensor),
    /// Two of them.
    Both(Box<Total>, Box<Total>),
}

impl Walk<'_> {
    fn tensor(&self, id: NodeId) -> Tensor {
        self.trace.tensor(id.0).expect("a node of the trace")
    }

    #[track_caller]
    fn run(&mut self, parts: BTreeMap<usize, Tensor>) -> Vec<Option<Tensor>> {
        let (scan, site) = (self.scan, self.node.site);
        let given = scan.given_inputs();
        let parameter = |of: &Tensor| self.trace.parameter(of.shape().clone(), of.dtype(), site);
        // What a step of the second loop is given: the gradients of the states after the step and
        // of what the step gives.
        let mut second = Second::default();
        let mut of_results: Vec<(Tensor, Tensor)> = Vec::new();
        let mut of_states: Vec<Option<Tensor>> = Vec::new();
        let mut begun: Vec<Option<Tensor>> = Vec::new();
        for (place, &id) in self.results.iter().enumerate().skip(scan.first_result()) {
            let result = self.tensor(id);
            let part = 1 + place - scan.first_result();
            let (is_state, dy) = (!scan.is_stacked(part), parts.get(&part));
            let wanted = result.dtype().is_float() && (is_state || dy.is_some());
            let gradient = wanted.then(|| parameter(&result));
            if let Some(gradient) = &gradient {
                of_results.push((result, gradient.clone()));
            }
            if is_state {
                begun.push(dy.cloned());
                of_states.push(gradient);
            } else if let (Some(dy), Some(gradient)) = (dy, gradient) {
                second.sequences.push((dy.clone(), gradient));
            }
        }
        let targets: Vec<Tensor> = self.parameters[1..]
            .iter()
            .chain(&self.node.inputs[given..])
            .map(|&id| self.tensor(id))
            .collect();
        let inside = &self.inside;
        let ways = |position: usize| inside.get(position).copied().unwrap_or(false);
        let is_target = |target: &&Tensor| target.dtype().is_float();
        let floats: Vec<Tensor> = targets.iter().filter(is_target).cloned().collect();
        let mut found = pulled_back_all(&of_results, &floats, &ways).into_iter();
        let mut found: Vec<Option<Tensor>> = targets
            .iter()
            .map(|target| is_target(&target).then(|| found.next()).flatten().flatten())
            .collect();
        // Gradients of states go from step to step.
        let mut first_states = vec![None; scan.states];
        for (state, gradient) in of_states.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let before = found[state].take().unwrap_or_else(|| gradient.zeros_like());
            let begins = begun[state].take().unwrap_or_else(|| gradient.zeros_like());
            first_states[state] = Some(second.states.len());
            second.states.push((begins, gradient.clone(), before));
        }
        let sequences = found[scan.states..scan.states + scan.sequences].iter();
        let sequences: Vec<Option<usize>> = sequences
            .map(|gradient| gradient.as_ref().map(|gradient| second.stack(gradient)))
            .collect();
        let captured = found.split_off(scan.states + scan.sequences);
        let totals: Vec<Option<Total>> = captured
            .into_iter()
            .map(|gradient| gradient.map(|gradient| self.total(&gradient, &mut second)))
            .collect();
        let looped = self.second(&mut second);
        // The gradients of the inputs, in their order.
        let part = |index: usize| self.trace.part(&looped, index, site);
        let state = |state: usize| part(1 + state);
        let stacked = |index: usize| part(1 + second.states.len() + index);
        let of_count = std::iter::repeat_n(None, scan.first_input());
        let of_first = first_states.into_iter().map(|index| index.map(state));
        let of_sequences = sequences.into_iter().map(|index| index.map(stacked));
        let of_captured =
            totals.iter().map(|total| total.as_ref().map(|total| value(total, &state, &stacked)));
        of_count.chain(of_first).chain(of_sequences).chain(of_captured).collect()
    }

    /// How a sum over steps is computed, of what each step adds to it.
    #[track_caller]
    fn total(&self, share: &Tensor, second: &mut Second) -> Total {
        let hoisted = self.hoisted(share, second);
        hoisted.unwrap_or_else(|| {
            let sum = self.trace.parameter(share.shape().clone(), share.dtype(), self.node.site);
            second.states.push((share.zeros_like(), sum.clone(), &sum + share));
            Total::State(second.states.len() - 1)
        })
    }

    /// The sum as one product or reduction of what the steps give, where that is less work than an
    /// addition in each step.
    #[track_caller]
    fn hoisted(&self, share: &Tensor, second: &mut Second) -> Option<Total> {
        let node = self.trace.node(share.id());
        if !self.is_computed(share.id()) {
            return None;
        }
        let input = |place: usize| self.tensor(node.inputs[place]);
        match &node.op {
            Op::Matmul { transposed } if share.rank() == 2 => {
                // What it takes to keep the operands of all steps, against adding up in each.
                let more = [0, 1].map(&input).iter().map(|x| self.kept_elements(x, second)).sum();
                // What is computed again is not to be kept.
                let is_again = |x: &Tensor| {
                    self.scan.recomputed
                        && self.is_first(x.id())
                        && !self.parameters.contains(&x.id())
                };
                if share.shape().len() < more || [0, 1].map(&input).iter().any(is_again) {
                    return None;
                }
                let operands = [0, 1].map(|place| self.of_steps(&input(place), second));
                Some(Total::Product { transposed: *transposed, operands })
            }
            Op::Reduce(Reduction::Sum, axes) => {
                let known = second.place(&input(0))?;
                Some(Total::Sum { axes: axes.clone(), operand: OfSteps::Second(known) })
            }
            Op::View(view @ (View::Reshape | View::Transpose(_))) => {
                let below = self.hoisted(&input(0), second)?;
                Some(Total::View(view.clone(), Box::new(below), share.clone()))
            }
            Op::Elementwise(operation) if operation.is_sum() => {
                let [a, b] = [0, 1].map(|place| self.hoisted(&input(place), second));
                Some(Total::Both(Box::new(a?), Box::new(b?)))
            }
            _ => None,
        }
    }

    /// The elements of each step that have to be kept for a value to be there after all steps.
    fn kept_elements(&self, value: &Tensor, second: &Second) -> usize {
        let is_there = if self.is_first(value.id()) {
            self.parameters.contains(&value.id())
        } else {
            second.place(value).is_some()
        };
        if is_there { 0 } else { value.shape().len() }
    }

    /// What all steps compute at a node.
    #[track_caller]
    fn of_steps(&self, value: &Tensor, second: &mut Second) -> OfSteps {
        // Steps that are not done have elements of sequences too, whatever these are.
        let place = self.parameters.iter().position(|&known| known == value.id());
        let is_sequence = place.is_some_and(|place| place > self.scan.states);
        let all_done = !self.scan.counted && !self.scan.conditional;
        if self.is_first(value.id()) && (all_done || !is_sequence) {
            OfSteps::First(self.saved(value.id()))
        } else {
            OfSteps::Second(second.stack(value))
        }
    }

    /// Whether a node is given to the first loop's steps, or computed by them. What loops within it
    /// stack for their own gradients is, too.
    fn is_first(&self, id: NodeId) -> bool {
        if self.is_computed(id)
            && let Node { op: Op::Part(_), inputs, .. } = self.trace.node(id)
        {
            return self.is_first(inputs[0]);
        }
        let inside = self.inside.get(id.index()).copied().unwrap_or(false);
        self.parameters[1..].contains(&id)
            || inside && !matches!(self.trace.node(id).op, Op::Constant(_))
    }

    /// What all steps of the first loop are given or compute at a node.
    #[track_caller]
    fn saved(&self, id: NodeId) -> Tensor {
        let place = self.parameters.iter().position(|&known| known == id);
        match place {
            Some(place) if place > self.scan.states => {
                self.tensor(self.node.inputs[self.scan.first_input() + place - 1])
            }
            _ => self.trace.stacked(self.handle.id(), id, self.node.site),
        }
    }

    /// Whether a node is one that the second loop's steps compute.
    fn is_computed(&self, id: NodeId) -> bool {
        id > self.handle.id()
    }

    /// The second loop, which is given what its steps need of the first one's.
    #[track_caller]
    fn second(&self, second: &mut Second) -> Tensor {
        let (scan, site) = (self.scan, self.node.site);
        self.save(second);
        let position = self.tensor(self.parameters[0]);
        let mut parameters = vec![&position];
        parameters.extend(second.states.iter().map(|(_, given, _)| given));
        parameters.extend(second.sequences.iter().map(|(_, given)| given));
        let mut results: Vec<&Tensor> = second.states.iter().map(|(.., made)| made).collect();
        results.extend(&second.stacked);
        let done = if scan.conditional {
            Some(self.trace.part(self.handle, 0, site))
        } else {
            scan.counted.then(|| self.tensor(self.node.inputs[0]))
        };
        let mut inputs: Vec<&Tensor> = done.iter().collect();
        inputs.extend(second.states.iter().map(|(first, ..)| first));
        inputs.extend(second.sequences.iter().map(|(sequence, _)| sequence));
        let op = Scan {
            steps: scan.steps,
            backwards: !scan.backwards,
            counted: done.is_some(),
            conditional: false,
            recomputed: scan.recomputed,
            states: second.states.len(),
            sequences: second.sequences.len(),
            body: Body::Traced { parameters: Vec::new(), results: Vec::new() },
        };
        self.trace.scan(op, &inputs, &parameters, &results, site)
    }

    /// Gives the second loop what its steps need of the first one's: sequences that the first one
    /// is given, and what it computes, which it stacks. Views and arithmetic of what is at hand are
    /// computed again.
    #[track_caller]
    fn save(&self, second: &mut Second) {
        let count = self.trace.node_count();
        let mut own = vec![false; count];
        let given = second.states.iter().map(|(_, given, _)| given);
        for given in given.chain(second.sequences.iter().map(|(_, given)| given)) {
            own[given.id().index()] = true;
        }
        let mut reached = vec![false; count];
        let made = second.states.iter().map(|(.., made)| made).chain(&second.stacked);
        for made in made {
            reached[made.id().index()] = true;
        }
        let mut saved = Vec::new();
        for position in (0..count).rev().filter(|&position| !own[position]) {
            let id = NodeId(position as u32);
            if !reached[position] {
                continue;
            }
            let node = self.trace.node(id);
            // A view of what a step computes is looked at again, and not kept.
            let is_kept = || !self.scan.recomputed && !matches!(node.op, Op::View(_));
            if self.parameters.contains(&id) || self.is_first(id) && is_kept() {
                saved.push(id);
                continue;
            }
            if !self.is_computed(id) && !self.is_first(id) {
                continue; // computed before both loops
            }
            for id in &node.inputs {
                reached[id.index()] = true;
            }
        }
        // The position is a parameter of both.
        for id in saved.into_iter().rev().filter(|&id| id != self.parameters[0]) {
            second.sequences.push((self.saved(id), self.tensor(id)));
        }
    }
}

/// A sum over steps, of the parts of the second loop.
#[track_caller]
fn value(
    total: &Total,
    state: &dyn Fn(usize) -> Tensor,
    stacked: &dyn Fn(usize) -> Tensor,
) -> Tensor {
    let of_steps = |operand: &OfSteps| match operand {
        OfSteps::Second(index) => stacked(*index),
        OfSteps::First(value) => value.clone(),
    };
    match total {
        Total::State(index) => state(*index),
        Total::Product { transposed, operands: [left, right] } => {
            let left = joined(&of_steps(left), transposed.left);
            let right = joined(&of_steps(right), !transposed.right);
            left.matmul_transposed(&right, *transposed)
        }
        Total::Sum { axes, operand } => {
            let all: Vec<isize> =
                std::iter::once(0).chain(axes.iter().map(|&axis| axis as isize + 1)).collect();
            of_steps(operand).sum_axes(all)
        }
        Total::View(view, below, like) => {
            let below = value(below, state, stacked);
            below.push(view.clone(), &[&below], like.shape(), like.dtype(), Site::caller())
        }
        Total::Both(a, b) => value(a, state, stacked) + value(b, state, stacked),
    }
}

/// Matrices `[steps, a, b]` one after the other along the axis that a product sums over: along the
/// rows, `[steps * a, b]`, or along the columns, `[a, steps * b]`.
#[track_caller]
fn joined(stacked: &Tensor, along_rows: bool) -> Tensor {
    let [steps, a, b] = [0, 1, 2].map(|axis| stacked.shape()[axis]);
    if along_rows {
        stacked.reshape([steps * a, b])
    } else {
        stacked.permute(&[1, 0, 2]).reshape([a, steps * b])
    }
}
