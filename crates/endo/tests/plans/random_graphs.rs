//! Random graphs of tens of operations, with variables read, assigned and exchanged, and their
//! gradients, in every way to run.
//!
//! In: words from proptest, each an operation and its operands. Every value stays within [-1, 1],
//! and no operation makes the errors of its operands larger, so errors only add up: that is the
//! bound. What no sum of floats went into agrees bit for bit. Where a mean would be over no
//! elements, a sum is taken: its NaN would hide all that follows.

use endo::Site;
use std::cell::RefCell;
use std::rc::Rc;

use endo::autodiff;
use endo::graph::{Op, Trace};
use endo::prelude::*;
use proptest::prelude::*;

use super::running::{Way, Within, cases, difference, epsilon, graph, numbers, run};

const LARGEST: usize = 600;

/// A value, and whether every way to run computes the same bits for it.
#[derive(Clone)]
struct Value {
    tensor: Tensor,
    exact: bool,
}

/// What grows from words, in one trace.
struct Garden<'a> {
    trace: &'a Rc<Trace>,
    variables: &'a [Variable],
    /// Whether the variables hold the same bits in every way to run.
    exact: Vec<bool>,
    values: Vec<Value>,
    /// Whether values of no elements are used as others are.
    empty: bool,
}

impl Garden<'_> {
    fn pick(&self, choice: u32) -> &Value {
        let count = self.values.len();
        // Half of the picks are recent values, so that chains grow long.
        let back = if choice & 1 == 1 { (choice as usize >> 1) % 3 } else { choice as usize >> 1 };
        &self.values[count - 1 - back % count]
    }

    /// A value from `choice` on that fits.
    fn find(&self, choice: u32, fits: impl Fn(&Value) -> bool) -> Option<&Value> {
        (0..self.values.len() as u32)
            .map(|offset| self.pick(choice.wrapping_add(2 * offset) & !1))
            .find(|value| fits(value))
    }

    fn partner(&self, a: &Value, choice: u32) -> Value {
        let fits = |b: &Value| {
            a.tensor.shape().broadcast(b.tensor.shape()).is_some_and(|shape| shape.len() <= LARGEST)
        };
        self.find(choice, fits).cloned().unwrap_or_else(|| a.clone())
    }

    fn read(&self, index: usize) -> Value {
        Value {
            tensor: self.trace.read(&self.variables[index], Site::caller()),
            exact: self.exact[index],
        }
    }

    fn assign(&mut self, index: usize, value: &Value) {
        self.trace.assign(&self.variables[index], &value.tensor, Site::caller());
        self.exact[index] = value.exact;
    }

    fn grow(&mut self, word: u32) {
        let a = self.pick(word >> 8).clone();
        let b = self.partner(&a, word >> 16);
        let both = a.exact && b.exact;
        let (x, y) = (&a.tensor, &b.tensor);
        let dtype = x.dtype();
        let axis = (word >> 24) as usize % x.rank().max(1);
        let along = axis as isize;
        let size = x.shape().get(axis).copied().unwrap_or(1);
        let axes: Vec<isize> = (0..x.rank())
            .filter(|axis| word >> (24 + axis) & 1 == 1)
            .map(|axis| axis as isize)
            .collect();
        let nothing = axes.iter().any(|&axis| x.shape()[axis as usize] == 0);
        let room = x.shape().len() * 2 <= LARGEST && x.rank() > 0;
        let (tensor, exact) = match word % 32 {
            1 => (x * y * 0.5, both),
            2 => (x.tanh(), a.exact),
            3 => (x.sin(), a.exact),
            4 => ((x - y) * 0.5, both),
            5 if both => (x.maximum(y), true),
            6 if both => ((x.greater(y) & x.less(0.3)).where_(x, y * -0.5), true),
            7 | 26 | 30 if nothing => (x.sum_axes(&axes), a.exact),
            7 => (x.mean_axes(&axes), false),
            // Of 0 and -0 either may be the larger one.
            8 if a.exact => (x.max_axes(&axes) + 0.0, true),
            9 if x.rank() >= 2 => (self.product(x, word >> 16), false),
            10 => (x.permute(&(0..x.rank()).rev().collect::<Vec<_>>()), a.exact),
            11 if x.rank() > 0 && self.empty && word >> 31 == 1 => {
                (x.slice(along, size..), a.exact)
            }
            11 if x.rank() > 0 => {
                (x.slice_step(along, size / 3.., if word >> 30 & 1 == 1 { -2 } else { 1 }), a.exact)
            }
            12 if x.rank() > 0 => (x.flip(along), a.exact),
            13 => (x.reshape([x.shape().len()]), a.exact),
            14 if room => (Tensor::concatenate(&[x.clone(), x.flip(along) * -0.5], along), a.exact),
            15 => (x.exp() * (-1.0_f64).exp(), a.exact),
            16 => ((x.square() * 0.5 + 0.25).sqrt(), a.exact),
            17 => (x / (y * 0.25 + 1.5), both),
            18 if a.exact => {
                (((x * 4.0).cast(DType::I32) * 3 + 1).cast(dtype) * (1.0 / 13.0), true)
            }
            19 if both => ((x.greater(0.1) ^ !y.less_equal(0.2)).cast(dtype) * x, true),
            20 => {
                let value = self.read((word >> 24) as usize % self.variables.len());
                (value.tensor, value.exact)
            }
            21 => return self.assign_some((word >> 24) as usize, &a),
            22 => {
                let [first, second] = [self.read(0), self.read(1)];
                self.assign(0, &second);
                self.assign(1, &first);
                (first.tensor, first.exact)
            }
            23 if x.rank() > 0 => (x.cumsum(along) * (1.0 / size.max(1) as f64), a.exact),
            24 if a.exact && x.rank() > 0 => (x.sort(along), true),
            25 if room => (
                x.broadcast_to(
                    [2].into_iter().chain(x.shape().iter().copied()).collect::<Vec<_>>(),
                ),
                a.exact,
            ),
            26 => ((x - x.mean_axes(&axes).keep_dims(x, &axes)) * 0.5, false),
            27 if a.exact => (x.cast(DType::F32).cast(DType::F64).cast(dtype), true),
            28 => (
                x * &self.trace.constant(
                    numbers([x.features()], dtype, [-1.0, 1.0], word.into()),
                    Site::caller(),
                ),
                a.exact,
            ),
            29 => (x.powf(3.0) * (1.0 / 3.0), a.exact),
            30 => (x.variance_axes(&axes) * 0.25, false),
            31 if x.rank() > 0 => (
                x.expand_dims(-1)
                    .permute(&[x.rank()].into_iter().chain(0..x.rank()).collect::<Vec<_>>()),
                a.exact,
            ),
            _ => ((x + y) * 0.5, both),
        };
        if (self.empty || !tensor.shape().is_empty()) && tensor.rank() <= 4 {
            self.values.push(Value { tensor, exact });
        }
    }

    /// A matrix product with a value that fits, or with the matrix itself.
    fn product(&self, x: &Tensor, choice: u32) -> Tensor {
        let [rows, terms] = [x.shape()[x.rank() - 2], x.features()];
        let scale = 0.5 / terms.max(1) as f64;
        let fits = |b: &Value| {
            b.tensor.rank() == 2
                && b.tensor.shape()[0] == terms
                && x.shape().len() / terms.max(1) * b.tensor.features() <= LARGEST
        };
        match self.find(choice, fits) {
            Some(b) => x.matmul(&b.tensor) * scale,
            None if x.shape().len() / terms.max(1) * rows <= LARGEST => {
                x.matmul_transposed(x, Transposed::RIGHT) * scale
            }
            None => x.mean_axes([-1]),
        }
    }

    /// Assigns a value to a variable as it is, or mixed with what the variable holds.
    fn assign_some(&mut self, choice: usize, value: &Value) {
        let index = choice % self.variables.len();
        let shape = self.variables[index].shape();
        if value.tensor.shape() == shape && choice & 4 == 0 {
            return self.assign(index, value);
        }
        if value.tensor.shape().broadcast(shape).as_ref() == Some(shape) {
            let old = self.read(index);
            let mixed = Value {
                tensor: (old.tensor * 0.75) + &value.tensor * 0.25,
                exact: old.exact && value.exact,
            };
            self.assign(index, &mixed);
        }
    }
}

/// A random graph: its words, the sizes and numbers of its inputs, its type.
#[derive(Debug)]
struct Case {
    words: Vec<u32>,
    sizes: [usize; 2],
    seed: u64,
    dtype: DType,
    gradients: bool,
    empty: bool,
}

const RUNS: usize = 2;

impl Case {
    fn check(&self) {
        let [a, b] = self.sizes;
        let number = |shape: &[usize], stream| {
            numbers(shape, self.dtype, [-1.0, 1.0], self.seed.wrapping_add(stream))
        };
        let inputs = [number(&[a, b], 0), number(&[b], 1), number(&[2, a, b], 2)];
        let variables = [number(&[a, b], 3), number(&[a, b], 4), number(&[b], 5)]
            .map(|value| Variable::new("v", value));
        // A variable that is assigned an inexact value is inexact from the start of the next run
        // on.
        let exact = RefCell::new(vec![true; variables.len()]);
        let flags = RefCell::new(Vec::new());
        let closure = |trace: &Rc<Trace>, inputs: &[Tensor]| {
            let values =
                inputs.iter().map(|tensor| Value { tensor: tensor.clone(), exact: true }).collect();
            let mut garden = Garden {
                trace,
                variables: &variables,
                exact: exact.borrow().clone(),
                values,
                empty: self.empty,
            };
            for &word in &self.words {
                garden.grow(word);
            }
            let kept = self.words.len().min(5);
            let mut outputs: Vec<Value> =
                self.words[..kept].iter().map(|&word| garden.pick(word >> 3).clone()).collect();
            outputs.extend(garden.values.last().cloned());
            if self.gradients {
                outputs.extend(self.slopes(&garden, &outputs, inputs));
            }
            *flags.borrow_mut() = outputs
                .iter()
                .map(|value| value.exact)
                .chain(garden.exact.iter().copied())
                .collect();
            for (now, after) in exact.borrow_mut().iter_mut().zip(&garden.exact) {
                *now &= after;
            }
            outputs.into_iter().map(|value| value.tensor).collect()
        };
        // Each look may find more variables inexact; there are three.
        let graphs = [(); 4].map(|()| graph(&closure, &inputs).unwrap());
        let nodes = &graphs[3].nodes;
        let terms = nodes.iter().map(|node| match &node.op {
            Op::Reduce(..) | Op::Matmul { .. } => {
                graphs[3].node(node.inputs[0]).shape.len() / node.shape.len().max(1)
                    + graphs[3].node(node.inputs[0]).shape.features()
            }
            _ => 1,
        });
        let (operations, longest) = (self.words.len() as f64, terms.max().unwrap_or(1) as f64);
        let bound = RUNS as f64 * operations * (longest + 8.0) * epsilon(self.dtype);
        // An error in a value is one in the slopes of all operations on it.
        let slope_bound = bound * (4.0 * operations);

        let want = run(Way::NodeByNode, &closure, &inputs, &variables, RUNS).unwrap();
        let flags = flags.take();
        for way in [Way::Fused(1), Way::Fused(2), Way::Unfused] {
            let got = run(way, &closure, &inputs, &variables, RUNS).unwrap();
            for (index, (got, want)) in got.iter().zip(&want).enumerate() {
                let within = if flags[index % flags.len()] {
                    Within::Bits
                } else {
                    Within::Absolute(if self.gradients { slope_bound } else { bound })
                };
                if let Some(difference) = difference(got, want, within) {
                    panic!(
                        "{way:?}, value {} of {} in run {}: {difference}\n{}",
                        index % flags.len(),
                        flags.len(),
                        index / flags.len(),
                        graphs[3]
                    );
                }
            }
        }
    }

    /// The gradients of the mean of all outputs with respect to the inputs and the variables' first
    /// values.
    fn slopes(&self, garden: &Garden, outputs: &[Value], inputs: &[Tensor]) -> Vec<Value> {
        let mean =
            |value: &Value| value.tensor.sum() * (1.0 / value.tensor.shape().len().max(1) as f64);
        let means = outputs.iter().map(mean).reduce(|sum, mean| sum + mean);
        let loss = means.expect("there are outputs") * (1.0 / outputs.len() as f64);
        let first =
            garden.variables.iter().filter_map(|variable| garden.trace.first_read(variable));
        let targets: Vec<Tensor> = inputs.iter().cloned().chain(first).collect();
        let slopes = autodiff::gradients(&loss, &targets, Site::caller());
        slopes
            .into_iter()
            .flatten()
            .chain([loss])
            .map(|tensor| Value { tensor, exact: false })
            .collect()
    }
}

fn case(gradients: bool) -> impl Strategy<Value = Case> {
    let words = prop::collection::vec(any::<u32>(), 3..40);
    let double = any::<bool>();
    (words, [1_usize..7, 1_usize..19], any::<u64>(), double).prop_map(
        move |(words, sizes, seed, double)| {
            let dtype = if double { DType::F64 } else { DType::F32 };
            Case { words, sizes, seed, dtype, gradients, empty: false }
        },
    )
}

/// Programs whose inputs may have an axis of 0, and that slice others down to one.
fn empty_case(gradients: bool) -> impl Strategy<Value = Case> {
    let sizes = prop_oneof![Just([0, 5]), Just([4, 0]), Just([0, 0]), Just([3, 7])];
    (case(gradients), sizes).prop_map(|(case, sizes)| Case { sizes, empty: true, ..case })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn graphs_with_variables(case in case(false)) {
        case.check();
    }

    #[test]
    fn graphs_with_variables_and_gradients(case in case(true)) {
        case.check();
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn graphs_with_axes_of_0(case in empty_case(false)) {
        case.check();
    }

    #[test]
    fn graphs_with_axes_of_0_and_gradients(case in empty_case(true)) {
        case.check();
    }
}
