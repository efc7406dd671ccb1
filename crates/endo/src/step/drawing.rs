//! TraceOptions a step, and which of its random numbers belong to rows.
//!
//! In: a kind of step and a batch. Out: its graph. A draw outside training belongs to the rows if
//! its first axis grows with their number, which a second trace, for another number of rows, tells
//! from an axis that is as long by chance.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::array::Array;
use crate::error::Result;
use crate::graph::{Graph, Occasion, Tensor, Tree};
use crate::ops::draws::{Draw, DrawLog};
use crate::trace::Context;
use crate::trace::follow::{Closure, TraceOptions};
use crate::trace::replay::InputNames;
use crate::trace::sharded::{ShardStage, SumLayout};
use crate::variable::Variable;

use super::Steps;
use super::batch::BatchCounts;
use super::cache::{StepKind, StepOutputs};
use super::probe_request::ProbeRequest;

/// Which step is traced, and how.
#[derive(Clone, Copy)]
pub(super) struct StepRequest<'a> {
    pub kind: StepKind,
    pub counts: BatchCounts,
    /// What it shows of the model's inside.
    pub due: &'a [ProbeRequest],
    /// What random numbers are drawn for; none in training.
    pub occasion: Option<Occasion>,
    /// Whether a warning is an error.
    pub deny_warnings: bool,
    /// Whether numbers that are not finite are trained on.
    pub unchecked: bool,
    /// Which stage of the step of a shard it is, with what its sums are where these are known.
    pub shard: Option<(ShardStage, &'a Arc<SumLayout>)>,
    /// Whether loops are traced step by step.
    pub unrolled: bool,
}

/// A traced step: its graph, its warnings, and what its outputs are.
pub(super) type TracedStep = (Graph, Vec<String>, StepOutputs);

/// What runs node by node have shown of the draws of a step.
#[derive(Default)]
pub(super) struct DrawsSeen {
    /// Whether the last run is known to have drawn nothing.
    draws_nothing: bool,
    /// For each number of rows the draws that do not belong to rows although they are as long.
    shared: Vec<(usize, Vec<Draw>)>,
}

/// How a step is traced, the closure that computes it, and what is noted while it does.
struct StepTrace<'a> {
    tracing: TraceOptions,
    closure: Closure<'a>,
    made: Rc<RefCell<StepOutputs>>,
    log: Rc<DrawLog>,
}

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Traces a step.
    #[track_caller]
    pub(super) fn trace(&self, request: StepRequest<'_>, inputs: &[&Array]) -> Result<TracedStep> {
        let (traced, log) = self.trace_with(request, inputs, Vec::new())?;
        if !log.has_rows() {
            return Ok(traced);
        }
        let shared = self.shared_draws(request, inputs, &log);
        // Once more even if there are none: the net has seen the shapes of other rows meanwhile.
        Ok(self.trace_with(request, inputs, shared)?.0)
    }

    #[track_caller]
    fn trace_with(
        &self,
        request: StepRequest<'_>,
        inputs: &[&Array],
        shared: Vec<Draw>,
    ) -> Result<(TracedStep, Rc<DrawLog>)> {
        let StepTrace { tracing, closure, made, log } = self.step_trace(request, inputs, shared);
        let (graph, warnings) = tracing.graph(inputs, closure)?;
        Ok(((graph, warnings, made.take()), log))
    }

    /// Runs a step node by node: what its outputs are and their values, its warnings, and the
    /// variables that it used.
    #[track_caller]
    #[allow(clippy::type_complexity)]
    pub(super) fn run_nodes(
        &self,
        request: StepRequest<'_>,
        inputs: &[&Array],
        called: InputNames<'_>,
        seen: &mut DrawsSeen,
    ) -> Result<(StepOutputs, Vec<Array>, Vec<String>, Vec<Variable>)> {
        let rows = rows(inputs);
        let is_later = request.occasion.is_some_and(|occasion| !occasion.is_first());
        if is_later && !seen.draws_nothing && !seen.shared.iter().any(|(known, _)| *known == rows) {
            let log = self.draws(request, inputs)?;
            let shared =
                if log.has_rows() { self.shared_draws(request, inputs, &log) } else { Vec::new() };
            seen.shared.push((rows, shared));
        }
        let shared = seen
            .shared
            .iter()
            .find(|(known, _)| *known == rows)
            .map_or_else(Vec::new, |(_, shared)| shared.clone());
        let StepTrace { tracing, closure, made, log } = self.step_trace(request, inputs, shared);
        let (values, warnings, variables) = tracing.run_eagerly(inputs, called, closure)?;
        seen.draws_nothing = log.is_empty();
        Ok((made.take(), values, warnings, variables))
    }

    /// The variables that a step reads or writes, found by computing it node by node, and what its
    /// outputs are.
    #[track_caller]
    pub(super) fn variables_of(
        &self,
        request: StepRequest<'_>,
        inputs: &[&Array],
    ) -> Result<(Vec<Variable>, StepOutputs)> {
        let StepTrace { tracing, closure, made, .. } = self.step_trace(request, inputs, Vec::new());
        Ok((tracing.variables(inputs, closure)?, made.take()))
    }

    /// The draws of a step that do not belong to rows although they are as long. A step that cannot
    /// be traced for other rows has none.
    #[track_caller]
    fn shared_draws(
        &self,
        request: StepRequest<'_>,
        inputs: &[&Array],
        log: &DrawLog,
    ) -> Vec<Draw> {
        let (rows, others) = (rows(inputs), if rows(inputs) == 2 { 3 } else { 2 });
        let indices: Vec<usize> = (0..others).map(|row| row % rows).collect();
        let other = |(index, &input): (usize, &&Array)| -> Result<Array> {
            if index >= request.counts.of_data() || input.shape().first() != Some(&rows) {
                return Ok(input.clone());
            }
            let mut other = Array::try_zeros(&input.shape().with(0, others), input.dtype())?;
            other.copy_rows(input, &indices);
            Ok(other)
        };
        let traced = inputs.iter().enumerate().map(other).collect::<Result<Vec<Array>>>();
        let traced =
            traced.and_then(|arrays| self.draws(request, &arrays.iter().collect::<Vec<_>>()));
        traced.map_or_else(|_| Vec::new(), |other| log.shared(&other))
    }

    /// What a step draws. No variable is written.
    #[track_caller]
    fn draws(&self, request: StepRequest<'_>, inputs: &[&Array]) -> Result<Rc<DrawLog>> {
        let StepTrace { tracing, closure, log, .. } = self.step_trace(request, inputs, Vec::new());
        if self.eager {
            drop(tracing.variables(inputs, closure)?)
        } else {
            drop(tracing.graph(inputs, closure)?)
        }
        Ok(log)
    }

    /// All that a trace of a step takes.
    fn step_trace<'a>(
        &'a self,
        request: StepRequest<'a>,
        inputs: &[&Array],
        shared: Vec<Draw>,
    ) -> StepTrace<'a> {
        // In training nothing is noted.
        let occasion = request.occasion.unwrap_or(Occasion::test(0));
        let log = Rc::new(DrawLog::new(rows(inputs), occasion, shared));
        let tracing = match request.occasion {
            Some(_) => TraceOptions {
                training: request.kind == StepKind::Train,
                ..self.net.tracing_on_occasion(&log)
            },
            None => self.net.tracing(),
        };
        let tracing = TraceOptions { unrolled: request.unrolled, ..tracing };
        let made = Rc::new(RefCell::new(StepOutputs::default()));
        let noted = made.clone();
        let closure: Closure<'a> = Box::new(move |tensors: &[Tensor], cx: &mut Context| {
            let outputs = self.step(request, tensors, cx, &noted);
            conclude(request.deny_warnings, request.unchecked, cx);
            outputs
        });
        StepTrace { tracing, closure, made, log }
    }
}

/// The number of rows of a batch.
fn rows(inputs: &[&Array]) -> usize {
    inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(0)
}

/// How a trace of a step ends: with warnings as errors, and without checks, where that was asked
/// for.
pub(crate) fn conclude(deny_warnings: bool, unchecked: bool, cx: &Context) {
    if deny_warnings {
        cx.trace().deny_warnings();
    }
    if unchecked {
        cx.trace().drop_checks();
    }
}
