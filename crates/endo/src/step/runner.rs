//! One step of a compiled model: forward, losses, gradients, update and metrics as one program.
//!
//! In: a batch. Out: the total loss and each of its terms. Steps are traced once for every shape of
//! batch.

use std::sync::Arc;

use crate::array::Array;
use crate::error::Result;
use crate::graph::{Occasion, Tree};
use crate::trace::replay::InputNames;
use crate::trace::sharded::{ShardStage, SumLayout};
use crate::trace::{Failure, Program};
use crate::variable::Variable;

use super::batch::BatchCounts;
use super::cache::{OutputNames, StepKind, StepOutputs, TracedStep};
use super::drawing::{DrawsSeen, StepRequest};
use super::probe_request::{ProbeOutput, ProbeRequest};
use super::show::ProbeView;
use super::{Batch, CarriedStates, Steps};

/// The steps of one kind that a loop runs, with the arrays that they write to: after the first step
/// of a shape nothing is allocated.
pub(crate) struct Runner<'m, I: Tree, O: Tree> {
    steps: &'m Steps<I, O>,
    kind: StepKind,
    used: Vec<(Arc<TracedStep>, Vec<Array>)>,
    /// What the last eager run has made, its outputs, and the variables that it used.
    eager: (StepOutputs, Vec<Array>, Vec<Variable>),
    /// Which of the steps used ran last.
    last: Option<usize>,
    /// What the next runs show.
    due: Vec<ProbeRequest>,
    /// Which of the steps used has shown it, in the last run.
    seen: Option<usize>,
    /// Which stage of the step of a shard it runs, if it does, with what is summed.
    pub shard: Option<(ShardStage, Arc<SumLayout>)>,
    /// What random numbers of the next run are drawn for; none in training.
    pub occasion: Option<Occasion>,
    /// How steps that draw are told of it, once one has been.
    told: Option<Array>,
    draws_seen: DrawsSeen,
    carried: CarriedStates<'m>,
    /// Whether it is known what a step that is run node by node assigns.
    looked: bool,
    /// Whether the last run traced a step.
    pub traced: bool,
    /// Whether a warning is an error, before anything is run.
    pub deny_warnings: bool,
    /// Whether numbers that are not finite are trained on.
    pub unchecked: bool,
    /// Whether a step that fails at a number that is not finite is computed again, to find what
    /// made it.
    pub replays: bool,
}

/// The largest number of arrays that a plan takes without allocating; a model of more inputs,
/// targets and weights allocates once a step.
const ARRAYS: usize = 8;

impl<'m, I: Tree, O: Tree> Runner<'m, I, O> {
    pub fn new(steps: &'m Steps<I, O>, kind: StepKind) -> Self {
        let occasion = match kind {
            StepKind::Train => None,
            StepKind::Test => Some(Occasion::test(0)),
            StepKind::Predict => Some(Occasion::predict(0)),
        };
        Self {
            steps,
            kind,
            used: Vec::new(),
            eager: (StepOutputs::default(), Vec::new(), Vec::new()),
            last: None,
            due: Vec::new(),
            seen: None,
            shard: None,
            occasion,
            told: None,
            draws_seen: DrawsSeen::default(),
            carried: CarriedStates::default(),
            looked: false,
            traced: false,
            deny_warnings: false,
            unchecked: false,
            replays: true,
        }
    }

    /// Says what the runs from here on show of the model's inside. It is computed beside the step,
    /// by a plan that writes nothing: in one plan with it, sums would be cut into other parts and
    /// rounded differently.
    pub fn begin(&mut self, due: Vec<ProbeRequest>) {
        (self.due, self.traced, self.seen) = (due, false, None);
    }

    /// Computes what the next step of such a batch shows, and runs no step.
    #[track_caller]
    pub fn show(&mut self, batch: Batch<'_>) -> Result<()> {
        self.show_arrays(batch.counts(), &batch.arrays().collect::<Vec<_>>())
    }

    #[track_caller]
    fn show_arrays(&mut self, counts: BatchCounts, inputs: &[&Array]) -> Result<()> {
        let due = std::mem::take(&mut self.due);
        let index = self.find(&due, counts, inputs);
        self.due = due;
        let index = index?;
        let (step, outputs) = &mut self.used[index];
        step.program.run(inputs, outputs, &self.steps.pool)?;
        self.seen = Some(index);
        Ok(())
    }

    /// What the last run showed.
    pub fn shown(&self) -> ProbeView<'_> {
        let (shown, outputs): (&[ProbeOutput], &[Array]) = match (self.steps.eager, self.seen) {
            (true, _) => (&self.eager.0.shown, &self.eager.1),
            (false, Some(index)) => (&self.used[index].0.made.shown, &self.used[index].1),
            (false, None) => (&[], &[]),
        };
        ProbeView { shown, missing: &[], outputs }
    }

    /// Runs a batch.
    #[track_caller]
    pub fn run(&mut self, batch: Batch<'_>) -> Result<()> {
        let counts = batch.counts();
        let count = counts.total();
        if count > ARRAYS {
            let arrays: Vec<&Array> = batch.arrays().collect();
            return self.run_arrays(counts, &arrays, batch.rows);
        }
        let first = &batch.inputs[0];
        let mut arrays = [first; ARRAYS];
        for (slot, array) in arrays.iter_mut().zip(batch.arrays()) {
            *slot = array;
        }
        self.run_arrays(counts, &arrays[..count], batch.rows)
    }

    /// Runs a batch, and hands the bytes of its outputs on, those from `early` on as soon as they
    /// are complete. Of a run that fails some may have been handed on.
    #[track_caller]
    pub fn run_into(
        &mut self,
        batch: Batch<'_>,
        early: Option<usize>,
        take: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<()> {
        let inputs: Vec<&Array> = batch.arrays().collect();
        let main = self.find(&[], batch.counts(), &inputs)?;
        let pool = &self.steps.pool;
        self.run_used(main, batch.counts(), &inputs, batch.rows, |program, inputs, _| {
            program.run_into(inputs, early, pool, take)
        })
    }

    /// The names of the last run's outputs and the outputs: for training and testing the total, the
    /// terms and what else is reported, for predicting the predictions.
    pub fn outputs(&self) -> (&OutputNames, &[Array]) {
        let (made, values, _) = &self.eager;
        match self.last {
            Some(index) => (&self.used[index].0.made.names, &self.used[index].1),
            None => (&made.names, reported(made, values)),
        }
    }

    /// Traces the step of a batch without running it, and returns the variables that it reads or
    /// writes.
    #[track_caller]
    pub fn variables(&mut self, batch: Batch<'_>) -> Result<Vec<Variable>> {
        if let Some(step) = self.step(batch)? {
            return Ok(step.program.variables().to_vec());
        }
        let arrays: Vec<&Array> = batch.arrays().collect();
        Ok(self.steps.variables_of(self.request(&[], batch.counts()), &arrays)?.0)
    }

    /// The variables of the last run, where it was traced by running it: node by node.
    pub fn eager_variables(&self) -> Option<&[Variable]> {
        self.steps.eager.then_some(&self.eager.2)
    }

    /// Whether this loop has run the step of such a batch before.
    pub fn has_run(&self, batch: Batch<'_>) -> bool {
        !self.steps.eager
            && self
                .used
                .iter()
                .any(|(step, _)| self.fits(step, &[], batch.counts(), batch.arrays()))
    }

    #[track_caller]
    fn run_arrays(&mut self, counts: BatchCounts, inputs: &[&Array], rows: &[usize]) -> Result<()> {
        if self.steps.eager {
            if self.kind != StepKind::Train && !self.looked {
                let (_, made) = self.steps.variables_of(self.request(&[], counts), inputs)?;
                self.carried.keep(&made.states, &self.steps.carrying)?;
                self.looked = true;
            }
            let data = Some(counts.of_data());
            let called = InputNames { input: &|index| name(counts, index), rows, data };
            let mut seen = std::mem::take(&mut self.draws_seen);
            let result =
                self.steps.run_nodes(self.request(&self.due, counts), inputs, called, &mut seen);
            self.draws_seen = seen;
            let (made, values, warnings, variables) = result?;
            self.steps.net.warn(warnings);
            self.eager = (made, values, variables);
            return Ok(());
        }
        self.seen = None;
        let main = self.find(&[], counts, inputs)?;
        self.last = Some(main);
        if self.kind != StepKind::Train {
            self.carried.keep(&self.used[main].0.made.states, &self.steps.carrying)?;
        }
        if !self.due.is_empty() {
            // What is run beside the step must not say where the variables lie.
            self.used[main].0.program.lay_out()?;
            self.show_arrays(counts, inputs)?;
        }
        let pool = &self.steps.pool;
        self.run_used(main, counts, inputs, rows, |program, inputs, outputs| {
            program.attempt(inputs, outputs, pool)
        })
    }

    /// Runs one of the steps used, by `run`, which is given its program, all inputs, and arrays for
    /// the outputs.
    #[track_caller]
    fn run_used(
        &mut self,
        main: usize,
        counts: BatchCounts,
        inputs: &[&Array],
        rows: &[usize],
        run: impl FnOnce(&Program, &[&Array], &mut [Array]) -> std::result::Result<(), Failure>,
    ) -> Result<()> {
        let Self { used, occasion, told, .. } = self;
        let (step, outputs) = &mut used[main];
        let told = tell(occasion.filter(|_| step.draws), told);
        let ran = with_last(inputs, told, |inputs| run(&step.program, inputs, outputs));
        let step = &self.used[main].0;
        match ran {
            Ok(()) => Ok(()),
            Err(Failure::NotFinite(check)) if self.replays => {
                let told = self.told.as_ref().filter(|_| self.occasion.is_some() && step.draws);
                let inputs: Vec<&Array> = inputs.iter().copied().chain(told).collect();
                let request = self.request(&[], counts);
                Err(self.steps.explain(step, request, check, &inputs, rows))
            }
            Err(Failure::NotFinite(check)) => Err(step.program.failure(check)),
            Err(Failure::Error(error)) => Err(error),
        }
    }

    /// What is traced for such a batch, to show this.
    pub(super) fn request<'a>(
        &'a self,
        due: &'a [ProbeRequest],
        counts: BatchCounts,
    ) -> StepRequest<'a> {
        let Self { kind, occasion, deny_warnings, unchecked, .. } = *self;
        let shard = self.shard.as_ref().map(|(stage, layout)| (*stage, layout));
        let unrolled = false;
        StepRequest { kind, counts, due, occasion, deny_warnings, unchecked, shard, unrolled }
    }

    /// The place among the steps used of the one for such a batch that shows this, traced if there
    /// is none.
    #[track_caller]
    fn find(
        &mut self,
        due: &[ProbeRequest],
        counts: BatchCounts,
        inputs: &[&Array],
    ) -> Result<usize> {
        if let Some(index) = self
            .used
            .iter()
            .position(|(step, _)| self.fits(step, due, counts, inputs.iter().copied()))
        {
            return Ok(index);
        }
        let fits = |step: &&Arc<TracedStep>| {
            self.fits(step, due, counts, inputs.iter().copied())
                && step.is_current()
                && !(self.deny_warnings && step.warned)
        };
        let known = self.steps.cache.known().iter().find(fits).cloned();
        let step = match known {
            Some(step) => step,
            None => {
                self.traced = true;
                self.steps.trace_step(self.request(due, counts), inputs)?
            }
        };
        let outputs = step.outputs.clone();
        self.used.push((step, outputs));
        Ok(self.used.len() - 1)
    }

    /// Looks anew at which weights may change: callbacks may have frozen some.
    pub fn refresh(&mut self) {
        self.used.retain(|(step, _)| step.is_current());
        (self.last, self.seen) = (None, None);
        self.replays = true;
    }

    /// The step of a batch, traced if there is none, but not run; none where all runs are eager.
    #[track_caller]
    pub fn step(&mut self, batch: Batch<'_>) -> Result<Option<Arc<TracedStep>>> {
        if self.steps.eager {
            return Ok(None);
        }
        let arrays: Vec<&Array> = batch.arrays().collect();
        let index = self.find(&[], batch.counts(), &arrays)?;
        Ok(Some(self.used[index].0.clone()))
    }

    fn fits<'b>(
        &self,
        step: &TracedStep,
        due: &[ProbeRequest],
        counts: BatchCounts,
        inputs: impl Iterator<Item = &'b Array>,
    ) -> bool {
        let key = &step.key;
        key.kind == self.kind
            && key.unchecked == self.unchecked
            && key.stage == self.shard.as_ref().map(|(stage, _)| *stage)
            && key.fits(counts, inputs, due)
    }
}

/// The outputs before those that show the model's inside.
fn reported<'a>(made: &StepOutputs, outputs: &'a [Array]) -> &'a [Array] {
    &outputs[..if made.shown.is_empty() { outputs.len() } else { made.names.count() }]
}

/// Gives a run its inputs, and one more after them if there is one. With few of them nothing is
/// allocated.
fn with_last<R>(inputs: &[&Array], last: Option<&Array>, run: impl FnOnce(&[&Array]) -> R) -> R {
    match last {
        None => run(inputs),
        Some(last) if inputs.len() < ARRAYS => {
            let mut all = [last; ARRAYS];
            all[..inputs.len()].copy_from_slice(inputs);
            run(&all[..=inputs.len()])
        }
        Some(last) => run(&[inputs, &[last]].concat()),
    }
}

/// What a run is told of what its random numbers are drawn for, if they are for anything.
fn tell(occasion: Option<Occasion>, told: &mut Option<Array>) -> Option<&Array> {
    occasion.map(|occasion| {
        let told = told.get_or_insert_with(|| occasion.array());
        occasion.write(told);
        &*told
    })
}

/// What an array of a batch is called.
pub(super) fn name(counts: BatchCounts, index: usize) -> String {
    let kinds = [
        ("inputs", counts.inputs),
        ("targets", counts.targets),
        ("sample_weight", counts.weights),
        ("sums of shards", counts.given),
    ];
    let mut names = kinds.into_iter().flat_map(|(kind, count)| {
        (0..count)
            .map(move |place| if count == 1 { kind.to_string() } else { format!("{kind} {place}") })
    });
    names.nth(index).unwrap_or_default()
}
