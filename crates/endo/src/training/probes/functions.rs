//! What the user's own functions show of the layers and weights in them.
//!
//! In: a function, its arrays, and what is due. Out: its outputs; and what was to be shown,
//! computed beside it as beside a step of a model, by a plan of the same trace that writes nothing.

use std::cell::RefCell;

use crate::array::Array;
use crate::error::Result;
use crate::graph::Tensor;
use crate::step::cache::{StepKey, StepKind, StepOutputs, TracedStep};
use crate::step::probe_request::{ProbeOutput, ProbeRequest, UnmatchedProbe};
use crate::step::show::{ProbeView, ProbedStep};
use crate::step::{BatchCounts, conclude};
use crate::trace::{Context, Function};
use crate::variable::Variable;

/// What functions show, traced and planned.
#[derive(Default)]
pub(crate) struct FunctionProbes {
    known: Vec<ProbedFunction>,
    /// What was shown node by node, and the values in which it is.
    eager: (Vec<ProbeOutput>, Vec<UnmatchedProbe>, Vec<Array>),
}

/// What a function shows on arrays of some shapes.
struct ProbedFunction {
    /// The function's identity.
    function: u64,
    /// Its outputs are those of its last run.
    step: TracedStep,
    missing: Vec<UnmatchedProbe>,
}

/// More are not kept: functions that are made anew for each batch must not fill the memory.
const KEPT: usize = 32;

impl FunctionProbes {
    /// Runs a function, and shows what is due. A closure that runs node by node runs once, and its
    /// warnings may be denied.
    #[track_caller]
    pub fn run<'s, const N: usize, const M: usize>(
        &'s mut self,
        function: &mut Function<'_, N, M>,
        inputs: [&Array; N],
        due: &[ProbeRequest],
        deny_warnings: bool,
    ) -> Result<([Array; M], ProbeView<'s>)> {
        if function.is_eager() {
            let found = RefCell::default();
            let (outputs, values) = function.run_nodes(inputs, |cx| {
                conclude(deny_warnings, false, cx);
                show(due, cx, &found)
            })?;
            let (shown, missing) = found.into_inner();
            self.eager = (shown, missing, values);
            let (shown, missing, values) = &self.eager;
            return Ok((outputs, ProbeView { shown, missing, outputs: values }));
        }
        function.lay_out(inputs)?;
        let index = self.find(function, inputs, due)?;
        let ProbedFunction { step, missing, .. } = &mut self.known[index];
        let TracedStep { program, made: StepOutputs { shown, .. }, outputs: values, .. } = step;
        program.run(&inputs, values, function.pool())?;
        Ok((function.run(inputs)?, ProbeView { shown, missing, outputs: values }))
    }

    #[track_caller]
    fn find<const N: usize, const M: usize>(
        &mut self,
        function: &Function<'_, N, M>,
        inputs: [&Array; N],
        due: &[ProbeRequest],
    ) -> Result<usize> {
        let (id, counts) = (function.id(), BatchCounts::of_inputs(N));
        let fits = |known: &ProbedFunction| {
            known.function == id && known.step.key.fits(counts, inputs.into_iter(), due)
        };
        if let Some(index) = self.known.iter().position(fits) {
            return Ok(index);
        }
        let found = RefCell::default();
        // Its own trace has given its warnings.
        let (graph, _) = function.graph_of(inputs, |_, cx| show(due, cx, &found))?;
        if self.known.len() >= KEPT {
            self.known.remove(0);
        }
        let key = StepKey::new(StepKind::Train, counts, &inputs, due);
        let (shown, missing) = found.into_inner();
        let made = StepOutputs { shown, ..StepOutputs::default() };
        self.known.push(ProbedFunction {
            function: id,
            step: TracedStep::new(key, graph, made, false)?,
            missing,
        });
        Ok(self.known.len() - 1)
    }
}

/// What a function shows once its closure has run: of the weights of its layers, and of what else
/// its optimizers were given gradients of.
fn show(
    due: &[ProbeRequest],
    cx: &mut Context,
    found: &RefCell<(Vec<ProbeOutput>, Vec<UnmatchedProbe>)>,
) -> Vec<Tensor> {
    let mut weights: Vec<Variable> = cx.weights().cloned().collect();
    for given in cx.given_gradients() {
        if !weights.contains(&given.weight) {
            weights.push(given.weight.clone());
        }
    }
    let (shown, missing, values) =
        ProbedStep { first: 0, terms: &[], weights: &weights }.show(due, cx);
    found.replace((shown, missing));
    values
}
