//! What a step computes, while traced: forward, losses, gradients, update and metrics.
//!
//! In: a kind of step and the tensors of a batch. Out: the step's graph, with its warnings and what
//! its outputs are; or where one that failed went wrong.

use std::cell::RefCell;
use std::sync::Arc;

use crate::array::Array;
use crate::data::Dataset;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor, Tree};
use crate::net::WeightState;
use crate::trace::replay::{InputNames, Replay};
use crate::trace::{Context, Program};
use crate::variable::Variable;

use super::batch_step::{BatchStep, PredictStep};
use super::cache::{StepKey, StepKind, StepOutputs, TracedStep};
use super::drawing::StepRequest;
use super::probe_request::UnmatchedProbe;
use super::runner::name;
use super::show::ProbedStep;
use super::{Batch, Runner, Steps, lints};

impl<I: Tree, O: Tree> Steps<I, O> {
    /// The program of the training step for a batch like this one, traced and planned now.
    #[track_caller]
    pub fn training_program(&self, batch: &Dataset) -> Result<Program> {
        self.compiled()?;
        Program::new(&self.training_graph(batch)?)
    }

    /// The graph of the training step for a batch like this one.
    #[track_caller]
    pub fn training_graph(&self, batch: &Dataset) -> Result<Graph> {
        let batch = Batch::from(batch);
        let arrays: Vec<&Array> = batch.arrays().collect();
        let runner = Runner::new(self, StepKind::Train);
        Ok(self.trace(runner.request(&[], batch.counts()), &arrays)?.0)
    }

    /// Traces and plans a step.
    #[track_caller]
    pub(super) fn trace_step(
        &self,
        request: StepRequest<'_>,
        inputs: &[&Array],
    ) -> Result<Arc<TracedStep>> {
        let (graph, warnings, made) = self.trace(request, inputs)?;
        let warned = !warnings.is_empty();
        self.net.warn(warnings);
        let StepRequest { kind, counts, due, unchecked, shard, .. } = request;
        let stage = shard.map(|(stage, _)| stage);
        let key = StepKey { unchecked, stage, ..StepKey::new(kind, counts, inputs, due) };
        Ok(self.cache.keep(TracedStep::new(key, graph, made, warned)?))
    }

    /// The error of a step whose check of this index failed on these arrays, of which the last may
    /// be the occasion.
    #[track_caller]
    pub(super) fn explain(
        &self,
        step: &TracedStep,
        request: StepRequest<'_>,
        check: usize,
        inputs: &[&Array],
        rows: &[usize],
    ) -> Error {
        let counts = request.counts;
        let retraced = StepRequest { unrolled: true, ..request };
        let retraced = self.trace(retraced, &inputs[..counts.total()]);
        let data = Some(counts.of_data());
        let called = InputNames { input: &|index| name(counts, index), rows, data };
        let replay = Replay { inputs, called, pool: &self.pool };
        step.program.explain(check, retraced.map(|(graph, ..)| graph), &replay)
    }

    /// What a step computes, while traced.
    #[track_caller]
    pub(super) fn step(
        &self,
        StepRequest { kind, counts, due, shard, .. }: StepRequest<'_>,
        tensors: &[Tensor],
        cx: &mut Context,
        made: &RefCell<StepOutputs>,
    ) -> Vec<Tensor> {
        let (inputs, rest) = tensors.split_at(counts.inputs);
        let (targets, rest) = rest.split_at(counts.targets);
        let (weights, given) = rest.split_at(counts.weights);
        let Some(x) = crate::net::structure::<I>(inputs, cx) else { return Vec::new() };
        if kind == StepKind::Predict {
            let (outputs, states) = self.predict_step(x, cx);
            *made.borrow_mut() = StepOutputs { states, ..self.traced_weights(cx) };
            return outputs.tensors().into_iter().cloned().collect();
        }
        let Some(compiled) = &self.compiled else { return Vec::new() };
        let is_training = kind == StepKind::Train;
        cx.begin_step(is_training);
        if let Some((stage, layout)) = shard {
            cx.begin_shard(stage, given.to_vec(), layout.clone());
        }
        let batch = x.tensors().first().map_or(1, |inputs| inputs.batch());
        let mark = cx.mark();
        let step = BatchStep::new(self, compiled, x, [targets, weights], mark);
        let terms = match self.custom.loss_step(is_training) {
            Some(custom) => {
                let terms = (custom.closure)(&step, cx);
                if is_training {
                    step.warn_of_what_is_left_out(custom.site, cx);
                }
                self.net.update_metrics(mark, batch, true, cx);
                terms
            }
            None => {
                let outputs = step.apply(step.inputs(), cx);
                let terms = step.losses(&outputs, cx);
                step.minimize(&terms, cx);
                step.update_metrics(&outputs, cx);
                terms
            }
        };
        if is_training {
            lints::unmatched_attachments(&self.net.attached, cx);
            if step.inputs().tensors().iter().any(|input| input.dtype() == DType::F64) {
                lints::widened_weights(&terms, &self.net.trainable_weights(), cx);
            }
        }
        // Planned, what is shown is all that the plan beside the step computes.
        let first = if self.eager { terms.names().count() } else { 0 };
        let (shown, missing, values) = match due {
            [] => Default::default(),
            due => ProbedStep { first, terms: &terms.terms, weights: &self.net.weights() }
                .show(due, cx),
        };
        for UnmatchedProbe { watch, names } in missing {
            cx.trace().warn_at(None, lints::unmatched_probe(&due[watch], &names));
        }
        let totals = self.metric_totals(cx);
        let states = assigned_states(&totals, cx);
        if shard.is_some() {
            return self.end_shard(terms, &totals, (states, batch), cx, made);
        }
        if !is_training {
            // What a custom step assigns itself ends with the step.
            cx.trace().keep_writes(&totals.iter().chain(&states).collect::<Vec<_>>());
        }
        *made.borrow_mut() =
            StepOutputs { names: terms.names(), shown, states, ..self.traced_weights(cx) };
        let reported = if due.is_empty() || self.eager { terms.into_tensors() } else { Vec::new() };
        reported.into_iter().chain(values).collect()
    }

    /// What metrics add up in: those of the model, and those that layers hold in this trace.
    fn metric_totals(&self, cx: &Context) -> Vec<Variable> {
        let held = cx.held_metrics().iter().flat_map(|metric| (metric.variables)());
        let known = self.metrics().into_iter().flat_map(|(_, metric)| metric.variables());
        held.chain(known).collect()
    }

    /// What may change the model's weights, and those of other models that the trace has used.
    pub(super) fn traced_weights(&self, cx: &Context) -> StepOutputs {
        let mut weights = self.net.weights();
        for used in cx.used_weights() {
            if !weights.contains(&used.variable) {
                weights.push(used.variable.clone());
            }
        }
        let state = |weight: Variable| (weight.clone(), WeightState::of(&weight));
        StepOutputs { weights: weights.into_iter().map(state).collect(), ..StepOutputs::default() }
    }

    /// What a prediction computes, while traced, and the variables that `call` assigns in it: the
    /// ones that a run writes.
    #[track_caller]
    pub fn predict_step(&self, inputs: I, cx: &mut Context) -> (O, Vec<Variable>) {
        let outputs = match &self.custom.predict {
            Some(custom) => custom(&PredictStep { steps: self, inputs }, cx),
            None => self.net.forward(&inputs, cx),
        };
        let states = assigned_states(&self.metric_totals(cx), cx);
        cx.trace().keep_writes(&states.iter().collect::<Vec<_>>());
        (outputs, states)
    }
}

/// What layers have assigned, other than what metrics add up in.
fn assigned_states(totals: &[Variable], cx: &Context) -> Vec<Variable> {
    cx.assigned_by_layers().iter().filter(|state| !totals.contains(state)).cloned().collect()
}
