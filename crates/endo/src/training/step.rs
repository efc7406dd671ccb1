//! One step of a compiled model: forward, losses, gradients, update and metrics as one program.
//!
//! In: a batch. Out: the total loss and each of its terms. Steps are traced once for every shape of batch.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::data::Dataset;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tensor;
use crate::losses::{Reduction, align};
use crate::model::{Compiled, Model, short_names};
use crate::shape::Shape;
use crate::trace::{Context, Program};

/// What a step does with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Train,
    Test,
    Predict,
}

/// What a traced step depends on.
#[derive(Clone, PartialEq, Debug)]
struct Key {
    kind: Kind,
    has: [bool; 2],
    inputs: Vec<(Shape, DType)>,
    trainable: Vec<bool>,
}

/// A traced step.
pub(crate) struct Step {
    key: Key,
    program: Program,
    names: Vec<String>,
    outputs: Vec<Array>,
}

/// The steps traced so far, the latest last.
#[derive(Default)]
pub(crate) struct Steps {
    known: Mutex<Vec<Arc<Step>>>,
}

impl Steps {
    /// More shapes than this are not kept: data of ever new shapes must not fill the memory.
    const KEPT: usize = 32;

    pub fn clear(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Step>>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The arrays of a batch, as a step takes them.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub x: &'a Array,
    pub y: Option<&'a Array>,
    pub weight: Option<&'a Array>,
}

impl<'a> From<&'a Dataset> for Batch<'a> {
    fn from(data: &'a Dataset) -> Self {
        Self { x: data.inputs(), y: data.targets(), weight: data.sample_weight() }
    }
}

impl<'a> Batch<'a> {
    fn arrays(&self) -> ([&'a Array; 3], usize) {
        let mut arrays = [self.x; 3];
        let mut count = 1;
        for array in [self.y, self.weight].into_iter().flatten() {
            arrays[count] = array;
            count += 1;
        }
        (arrays, count)
    }
}

/// The steps of one kind that a loop runs, with the arrays that they write to: after the first step of a shape nothing is
/// allocated.
pub(crate) struct Runner<'m> {
    model: &'m Model,
    kind: Kind,
    trainable: Vec<bool>,
    used: Vec<(Arc<Step>, Vec<Array>)>,
    eager: (Vec<String>, Vec<Array>),
}

impl<'m> Runner<'m> {
    pub fn new(model: &'m Model, kind: Kind) -> Self {
        Self { model, kind, trainable: trainable(model), used: Vec::new(), eager: (Vec::new(), Vec::new()) }
    }

    /// Runs a batch. Returns the names of the loss terms and the outputs: for training and testing the total and then the
    /// terms, for predicting the predictions.
    #[track_caller]
    pub fn run(&mut self, batch: Batch<'_>) -> Result<(&[String], &[Array])> {
        let (arrays, count) = batch.arrays();
        let inputs = &arrays[..count];
        let has = [batch.y.is_some(), batch.weight.is_some()];
        if self.model.eager {
            let names = RefCell::new(Vec::new());
            let tracing = self.model.tracing(self.kind == Kind::Train);
            let (values, warnings) =
                tracing.run_eagerly(inputs, |tensors, cx| self.model.step(self.kind, has, tensors, cx, &names))?;
            warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            self.eager = (names.into_inner(), values);
            return Ok((&self.eager.0, &self.eager.1));
        }
        let matches = |step: &Step, trainable: &[bool]| {
            let key = &step.key;
            let fits =
                key.inputs.iter().zip(inputs).all(|((shape, dtype), input)| shape == input.shape() && *dtype == input.dtype());
            key.kind == self.kind && key.has == has && fits && key.trainable == trainable
        };
        let index = match self.used.iter().position(|(step, _)| matches(step, &self.trainable)) {
            Some(index) => index,
            None => {
                let known = self.model.steps.known().iter().find(|step| matches(step, &self.trainable)).cloned();
                let step = match known {
                    Some(step) => step,
                    None => self.model.trace_step(self.kind, has, inputs)?,
                };
                self.trainable = step.key.trainable.clone();
                let outputs = step.outputs.clone();
                self.used.push((step, outputs));
                self.used.len() - 1
            }
        };
        let (step, outputs) = &mut self.used[index];
        step.program.run(inputs, outputs, &self.model.pool)?;
        Ok((&step.names, outputs))
    }
}

fn trainable(model: &Model) -> Vec<bool> {
    model.weights().iter().map(|weight| weight.is_trainable()).collect()
}

impl Model {
    /// The program of the training step for a batch like this one, traced and planned now: to be printed or measured.
    pub fn training_program(&self, batch: &Dataset) -> Result<Program> {
        self.compiled()?;
        let batch = Batch::from(batch);
        let (arrays, count) = batch.arrays();
        let has = [batch.y.is_some(), batch.weight.is_some()];
        let names = RefCell::new(Vec::new());
        let (graph, _) =
            self.tracing(true).graph(&arrays[..count], |tensors, cx| self.step(Kind::Train, has, tensors, cx, &names))?;
        Ok(Program::new(&graph))
    }

    #[track_caller]
    fn trace_step(&self, kind: Kind, has: [bool; 2], inputs: &[&Array]) -> Result<Arc<Step>> {
        let names = RefCell::new(Vec::new());
        let tracing = self.tracing(kind == Kind::Train);
        let (graph, warnings) = tracing.graph(inputs, |tensors, cx| self.step(kind, has, tensors, cx, &names))?;
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        let outputs = graph.outputs.iter().map(|&id| Array::zeros(&graph.node(id).shape, graph.node(id).dtype)).collect();
        let signature = inputs.iter().map(|input| (input.shape().clone(), input.dtype())).collect();
        let key = Key { kind, has, inputs: signature, trainable: trainable(self) };
        let step = Arc::new(Step { key, program: Program::new(&graph), names: names.into_inner(), outputs });
        let mut known = self.steps.known();
        if known.len() >= Steps::KEPT {
            known.remove(0);
        }
        known.push(step.clone());
        Ok(step)
    }

    /// What a step computes, while traced.
    #[track_caller]
    fn step(
        &self,
        kind: Kind,
        has: [bool; 2],
        tensors: &[Tensor],
        cx: &mut Context,
        names: &RefCell<Vec<String>>,
    ) -> Vec<Tensor> {
        let x = &tensors[0];
        if kind == Kind::Predict {
            return vec![self.forward(x, cx)];
        }
        let Some(compiled) = &self.compiled else { return vec![x.sum()] };
        let y = has[0].then(|| &tensors[1]);
        let weight = has[1].then(|| &tensors[1 + usize::from(has[0])]);
        let mark = cx.mark();
        let y_pred = self.apply(x, cx);
        let terms = self.loss_terms(compiled, y, &y_pred, weight, mark, cx);
        let Some(total) = terms.iter().map(|(_, term)| term.clone()).reduce(|total, term| total + term) else {
            let help = "compile it with a loss, or add one inside the model with `cx.add_loss`";
            cx.trace()
                .record(Error::new(ErrorKind::Usage, "the model has nothing to train on: no loss and no loss term").help(help));
            return vec![x.sum()];
        };
        if kind == Kind::Train {
            for (name, term) in &terms {
                cx.trace().check(term, format!("the loss term `{name}`"));
            }
            match &self.trainable_weights()[..] {
                [] => cx.warn("the model has no trainable weights: training changes nothing"),
                weights => compiled.optimizer.apply(&cx.gradients(&total, weights), cx),
            }
        }
        if let Some(y) = y {
            compiled.metrics.iter().for_each(|metric| metric.update(y, &y_pred, None, cx));
            compiled.weighted_metrics.iter().for_each(|metric| metric.update(y, &y_pred, weight, cx));
        }
        *names.borrow_mut() = terms.iter().map(|(name, _)| name.clone()).collect();
        std::iter::once(total).chain(terms.into_iter().map(|(_, term)| term)).collect()
    }

    /// Every term of the loss by its name in the ledger.
    #[track_caller]
    fn loss_terms(
        &self,
        compiled: &Compiled,
        y: Option<&Tensor>,
        y_pred: &Tensor,
        weight: Option<&Tensor>,
        mark: crate::trace::Mark,
        cx: &mut Context,
    ) -> Vec<(String, Tensor)> {
        let mut terms = Vec::new();
        for (loss, name) in compiled.losses.iter().zip(compiled.loss_names()) {
            let Some(y) = y else {
                let message =
                    format!("the loss `{}` compares predictions with targets, but the data has no targets", loss.name());
                let help = "give targets with `Dataset::new(x, y)`, or compile with `()` to train on internal terms alone";
                cx.trace().record(Error::new(ErrorKind::Usage, message).help(help));
                return Vec::new();
            };
            let (y, y_pred) = align(y, y_pred);
            let reduction = match loss.reduction() {
                // A step needs one number; the values that `none` keeps are averaged, as a mean loss would be.
                Reduction::None => Reduction::SumOverBatchSize,
                other => other,
            };
            let value = reduction.apply(&loss.call(&y, &y_pred), weight);
            terms.push((name, if compiled.loss_weight == 1.0 { value } else { value * compiled.loss_weight }));
        }
        let added = cx.loss_terms_since(mark).to_vec();
        let added_names: Vec<String> = added.iter().map(|term| term.name.clone()).collect();
        for (term, name) in added.iter().zip(short_names(&added_names, 1)) {
            let value = if term.per_sample { Reduction::SumOverBatchSize.apply(&term.value, weight) } else { term.value.clone() };
            let taken = terms.iter().any(|(known, _)| *known == name);
            terms.push((if taken { term.name.clone() } else { name }, value));
        }
        let penalties = cx.penalties();
        let penalty_names: Vec<String> = penalties.iter().map(|(name, _)| name.clone()).collect();
        for ((_, penalty), name) in penalties.into_iter().zip(short_names(&penalty_names, 2)) {
            terms.push((format!("penalty({name})"), penalty));
        }
        terms
    }
}

/// Single training steps on rows of a data set, without allocation after the first: a bare loop for benchmarks and for loops
/// that need no more than the loss.
pub struct Stepper<'m> {
    runner: Runner<'m>,
    data: &'m Dataset,
    buffer: Dataset,
}

impl Stepper<'_> {
    /// Trains on the samples at `indices`, as many as the stepper was made for, and returns the loss.
    #[track_caller]
    pub fn step(&mut self, indices: &[usize]) -> Result<f64> {
        self.data.gather_into(indices, &mut self.buffer)?;
        let (_, outputs) = self.runner.run(Batch::from(&self.buffer))?;
        Ok(outputs[0].get(0))
    }
}

impl Model {
    /// Steps on batches of `batch_size` rows of `data`.
    pub fn stepper<'m>(&'m mut self, data: &'m Dataset, batch_size: usize) -> Result<Stepper<'m>> {
        self.compiled()?;
        let buffer = data.rows(0..batch_size)?;
        Ok(Stepper { runner: Runner::new(self, Kind::Train), data, buffer })
    }
}
