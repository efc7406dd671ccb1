//! The steps of a model that were traced and planned, kept for batches of the same shapes.
//!
//! In: programs. Out: the same programs, to be run again.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::net::WeightState;
use crate::shape::Shape;
use crate::trace::Program;
use crate::trace::sharded::{self, ShardStage, SumLayout};
use crate::variable::Variable;

use super::batch::BatchCounts;
use super::probe_request::{ProbeOutput, ProbeRequest};

/// What a step does with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StepKind {
    Train,
    Test,
    Predict,
}

/// What a traced step depends on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StepKey {
    pub kind: StepKind,
    pub counts: BatchCounts,
    /// Their shapes and types.
    pub inputs: Vec<(Shape, DType)>,
    /// What it shows of the model's inside; nothing in most steps.
    pub due: Vec<ProbeRequest>,
    /// Whether it trains on what is not finite.
    pub unchecked: bool,
    /// Which stage of the step of a shard it is, if it is one.
    pub stage: Option<ShardStage>,
}

impl StepKey {
    /// The key of a step on such arrays.
    pub fn new(
        kind: StepKind,
        counts: BatchCounts,
        inputs: &[&Array],
        due: &[ProbeRequest],
    ) -> Self {
        let inputs = inputs.iter().map(|input| (input.shape().clone(), input.dtype())).collect();
        Self { kind, counts, inputs, due: due.to_vec(), unchecked: false, stage: None }
    }

    /// Whether the step shows this, and can be run on such arrays.
    pub fn fits<'b>(
        &self,
        counts: BatchCounts,
        inputs: impl Iterator<Item = &'b Array>,
        due: &[ProbeRequest],
    ) -> bool {
        let same = |((shape, dtype), input): (&(Shape, DType), &Array)| {
            shape == input.shape() && *dtype == input.dtype()
        };
        self.counts == counts && self.due == due && self.inputs.iter().zip(inputs).all(same)
    }
}

/// A traced step.
pub(crate) struct TracedStep {
    pub key: StepKey,
    pub program: Program,
    /// What its outputs are.
    pub made: StepOutputs,
    /// Whether tracing it gave warnings.
    pub warned: bool,
    /// Whether it draws random numbers for an occasion, which is then the last input of its runs.
    pub draws: bool,
    /// Arrays of the outputs' shapes and types.
    pub outputs: Vec<Array>,
}

impl TracedStep {
    /// Whether what may change its weights is what it was when the step was traced.
    pub fn is_current(&self) -> bool {
        self.made.weights.iter().all(|(weight, state)| WeightState::of(weight) == *state)
    }

    /// Plans a traced step. One that shows something writes and checks nothing: it is run beside
    /// the step that does.
    pub fn new(key: StepKey, mut graph: Graph, made: StepOutputs, warned: bool) -> Result<Self> {
        if !key.due.is_empty() {
            // What layers count or average is of training and evaluation, each step once.
            graph.writes.clear();
            graph.checks.clear(); // so that weights are read without a pass through the model
        }
        if let Some(stage) = key.stage {
            sharded::limit(&mut graph, stage, key.counts.of_data())?;
        }
        let output = |&id: &NodeId| Array::try_zeros(&graph.node(id).shape, graph.node(id).dtype);
        let outputs = graph.outputs.iter().map(output).collect::<Result<_>>()?;
        let (program, draws) = (Program::new(&graph)?, graph.occasion.is_some());
        Ok(Self { key, program, made, warned, draws, outputs })
    }
}

/// The steps traced so far, the latest last.
#[derive(Default)]
pub(crate) struct StepCache {
    known: Mutex<Vec<Arc<TracedStep>>>,
}

impl StepCache {
    /// More shapes than this are not kept: data of ever new shapes must not fill the memory.
    const KEPT: usize = 32;

    pub fn clear(&self) {
        self.known().clear();
    }

    /// Keeps a step, and returns it.
    pub fn keep(&self, step: TracedStep) -> Arc<TracedStep> {
        let (step, mut known) = (Arc::new(step), self.known());
        if known.len() >= Self::KEPT {
            known.remove(0);
        }
        known.push(step.clone());
        step
    }

    pub fn known(&self) -> MutexGuard<'_, Vec<Arc<TracedStep>>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the outputs of a step are, the total first.
#[derive(Default)]
pub(crate) struct StepOutputs {
    pub names: OutputNames,
    /// What the model's `call` assigns, other than what metrics add up in.
    pub states: Vec<Variable>,
    /// What may change the weights of the model and those used besides.
    pub weights: Vec<(Variable, WeightState)>,
    /// Run node by node those after the reported ones; planned all that there are.
    pub shown: Vec<ProbeOutput>,
    /// What it gives to the sums, if it is the step of a shard.
    pub layout: SumLayout,
}

/// The names of a step's outputs after the total.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct OutputNames {
    pub terms: Vec<String>,
    pub extras: Vec<String>,
}

impl OutputNames {
    /// How many outputs they are the names of, the total included.
    pub fn count(&self) -> usize {
        1 + self.terms.len() + self.extras.len()
    }
}
