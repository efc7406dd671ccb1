//! A step of a batch that is cut into shards, while traced: what one shard has to give to the sums
//! over all of them, and where the sums come back in.
//!
//! In: one closure, traced in stages. Out: in the first stages gradients, and what metrics and
//! layers add or assign, as values to be summed; in the last one the same places with the sums in
//! them, from which optimizers and metrics go on.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Tensor};
use crate::site::Site;
use crate::variable::Variable;

use super::Context;

/// Which part of a step is traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShardStage {
    /// The divisors of loss terms that depend on data, such as sums of weights.
    Divisors,
    /// All that is summed over the shards.
    Parts,
    /// What is done with the sums.
    Update,
}

/// The most divisors that a step may have.
pub(crate) const DIVISORS: usize = 16;

/// Where the sums of a variable lie: in which array of sums, and from which element on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SumPlace {
    pub variable: Variable,
    pub array: SumArray,
    pub start: usize,
}

/// The arrays of sums, in the order in which the last stage is given them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SumArray {
    /// Terms, metrics and what else is added up in `f64`.
    Wide,
    /// Gradients that are complete at the end of a shard's step.
    Late,
    /// Gradients that are complete before, and are on their way meanwhile.
    Early,
}

/// What a shard gives to the sums, besides the terms of the loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SumLayout {
    /// The gradients, in the order in which optimizers are given them.
    pub gradients: Vec<SumPlace>,
    /// What is added to the totals of metrics.
    pub additions: Vec<SumPlace>,
    /// What layers assign, the mean over the rows.
    pub states: Vec<SumPlace>,
    /// How many numbers there are in each array.
    pub sizes: [usize; 3],
    /// The first output of a shard's step that is an early gradient, as are all after it.
    pub first_early: Option<usize>,
    pub divisors: usize,
}

/// The shard that a context traces.
pub(crate) struct ShardTrace {
    pub stage: ShardStage,
    /// Before the last stage the shard's share of the batch, and after it the divisors of the
    /// batch; in the last one the arrays of sums.
    given: Vec<Tensor>,
    layout: Arc<SumLayout>,
    pub divisors: Vec<Tensor>,
    pub gradients: Vec<(Variable, Tensor)>,
    pub additions: Vec<(Variable, Tensor)>,
    /// How many nodes there were when the first gradients were given.
    updated_at: Option<usize>,
    /// Whether gradients are those of the shard's share of the loss already.
    is_scaled: bool,
}

impl Context {
    /// Begins the trace of a shard.
    pub(crate) fn begin_shard(
        &mut self,
        stage: ShardStage,
        given: Vec<Tensor>,
        layout: Arc<SumLayout>,
    ) {
        self.shard = Some(ShardTrace {
            stage,
            given,
            layout,
            divisors: Vec::new(),
            gradients: Vec::new(),
            additions: Vec::new(),
            updated_at: None,
            is_scaled: false,
        });
    }

    /// The stage, where a shard is traced.
    pub(crate) fn shard_stage(&self) -> Option<ShardStage> {
        self.shard.as_ref().map(|shard| shard.stage)
    }

    /// The share of the batch's rows that the shard has, in the type of a value that it scales;
    /// none where it does not matter.
    #[track_caller]
    pub(crate) fn share(&self, dtype: DType) -> Option<Tensor> {
        let shard = self.shard.as_ref().filter(|shard| shard.stage != ShardStage::Update)?;
        Some(shard.given[0].slice(0, 0..1).reshape([0_usize; 0]).cast(dtype))
    }

    /// A value times the share of the shard.
    #[track_caller]
    pub(crate) fn times_share(&self, value: &Tensor) -> Tensor {
        self.share(value.dtype()).map_or_else(|| value.clone(), |share| value * share)
    }

    /// What stands for a sum over the batch's rows, of which this is the shard's part: such that
    /// the shares of all shards add up to the sum.
    #[track_caller]
    pub(crate) fn over_shards(&self, part: Tensor) -> Tensor {
        self.share(part.dtype()).map_or(part.clone(), |share| part / share)
    }

    /// What a sum over the batch's rows is divided by, of which this is the shard's part of the
    /// divisor: such that the shares of all shards add up to the quotient of the sums.
    #[track_caller]
    pub(crate) fn divisor(&mut self, part: Tensor) -> Tensor {
        let Some(share) = self.share(part.dtype()) else { return part };
        let shard = self.shard.as_mut().expect("it has a share");
        let place = shard.divisors.len() + 1;
        if place > DIVISORS {
            let message = format!(
                "the loss of a batch that is cut into shards has more than {DIVISORS} terms that \
                 are divided by sums of weights or masks"
            );
            let help = "take fewer terms, or losses with the reduction `sum_over_batch_size`";
            self.trace.record(Error::usage(message, help));
            return part;
        }
        let whole = shard.given[0].slice(0, place..place + 1).reshape([0_usize; 0]);
        let whole = whole.cast(part.dtype());
        shard.divisors.push(part);
        whole * share
    }

    /// Runs `f`, in which optimizers are given gradients of the shard's share of the loss.
    pub(crate) fn with_scaled_gradients<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let mark = |cx: &mut Self, is_scaled| {
            if let Some(shard) = &mut cx.shard {
                shard.is_scaled = is_scaled;
            }
        };
        mark(self, true);
        let result = f(self);
        mark(self, false);
        result
    }

    /// Whether the trace is of a batch that is cut into shards.
    pub(crate) fn is_sharded(&self) -> bool {
        self.shard.is_some()
    }

    /// The gradients with which an optimizer goes on: none where those of a shard are given to the
    /// sums, and the sums where these are there.
    #[track_caller]
    pub(crate) fn summed_gradients(
        &mut self,
        weights: &[&Variable],
        gradients: Vec<Tensor>,
    ) -> Option<Vec<Tensor>> {
        let Some(shard) = &self.shard else { return Some(gradients) };
        let (stage, is_scaled) = (shard.stage, shard.is_scaled);
        let is_late = |start: usize| gradients.iter().any(|given| given.id().index() >= start);
        if shard.updated_at.is_some_and(is_late) {
            let message = "a training step updates weights, and then takes gradients of what it \
                           computes with them, which cannot be cut into shards";
            let help = "take all gradients before the first update, or train without shards";
            let error = Error::usage(message, help);
            self.trace.record(error.at(Site::caller()));
            return None;
        }
        let nodes = self.trace.node_count();
        self.shard.as_mut()?.updated_at.get_or_insert(nodes);
        if stage == ShardStage::Update {
            let first = self.shard.as_ref()?.gradients.len();
            let places = self.shard.as_ref()?.layout.gradients.clone();
            let sums: Option<Vec<Tensor>> = weights
                .iter()
                .enumerate()
                .map(|(index, weight)| self.sum_at(places.get(first + index), weight))
                .collect();
            let given = weights.iter().map(|&weight| weight.clone()).zip(gradients);
            self.shard.as_mut()?.gradients.extend(given);
            return sums;
        }
        for (&weight, gradient) in weights.iter().zip(gradients) {
            let scaled = if is_scaled { gradient } else { self.times_share(&gradient) };
            self.trace.check(&scaled, format!("the gradient of `{}`", weight.name()));
            self.shard.as_mut()?.gradients.push((weight.clone(), scaled));
        }
        None
    }

    /// Adds a value to a total of a metric.
    #[track_caller]
    pub(crate) fn add_total(&mut self, variable: &Variable, value: Tensor) {
        let Some(shard) = &mut self.shard else { return self.assign_add(variable, value) };
        let index = shard.additions.len();
        shard.additions.push((variable.clone(), value.clone()));
        if shard.stage == ShardStage::Update {
            let place = shard.layout.additions.get(index).cloned();
            if let Some(sum) = self.sum_at(place.as_ref(), variable) {
                self.assign_add(variable, sum);
            }
        } else {
            self.assigned.push(variable.clone());
        }
    }

    /// Whether the value that a variable has now is computed from inputs of the trace, such as
    /// those of a batch.
    pub(crate) fn is_of_inputs(&self, variable: &Variable) -> bool {
        let Some(value) = self.trace.values_of(variable).pop() else { return false };
        let (mut seen, mut next) = (FxHashSet::from_iter([value.id()]), vec![value.id()]);
        while let Some(id) = next.pop() {
            let node = self.trace.node(id);
            if matches!(node.op, Op::Input(_)) {
                return true;
            }
            next.extend(node.inputs.into_iter().filter(|input| seen.insert(*input)));
        }
        false
    }

    /// In the last stage, what layers have assigned becomes the mean over the shards.
    #[track_caller]
    pub(crate) fn assign_states(&mut self) {
        let states = self.shard.as_ref().map(|shard| shard.layout.states.clone());
        for place in states.into_iter().flatten() {
            if let Some(mean) = self.sum_at(Some(&place), &place.variable) {
                self.trace.assign(&place.variable, &mean, Site::caller());
            }
        }
    }

    /// The sum that is for a variable.
    #[track_caller]
    fn sum_at(&self, place: Option<&SumPlace>, variable: &Variable) -> Option<Tensor> {
        let Some(place) = place.filter(|place| place.variable == *variable) else {
            let message = format!(
                "a step of shards has found `{}` in one trace and not in the other",
                variable.name()
            );
            let help = "make what a step computes depend on nothing but its inputs: it is traced \
                        twice";
            self.trace.record(Error::usage(message, help));
            return None;
        };
        let sums = &self.shard.as_ref()?.given[place.array as usize];
        let range = place.start..place.start + variable.shape().len();
        Some(sums.slice(0, range).reshape(variable.shape().clone()).cast(variable.dtype()))
    }
}

impl SumLayout {
    /// The places of the sums of a step with `terms` terms, of what its trace was given; `states`
    /// are what its layers assign.
    pub fn new(shard: &ShardTrace, states: &[Variable], terms: usize) -> Self {
        let mut layout = Self { sizes: [terms, 0, 0], ..Self::default() };
        let mut place = |variable: &Variable, dtype: DType| {
            let array = if dtype == DType::F32 { SumArray::Late } else { SumArray::Wide };
            let size = &mut layout.sizes[array as usize];
            let start = *size;
            *size += variable.shape().len();
            SumPlace { variable: variable.clone(), array, start }
        };
        let wide = |(variable, _): &(Variable, Tensor)| variable.clone();
        let additions: Vec<_> =
            shard.additions.iter().map(wide).map(|v| place(&v, DType::F64)).collect();
        let states: Vec<_> = states.iter().map(|state| place(state, DType::F64)).collect();
        let gradients: Vec<_> = shard
            .gradients
            .iter()
            .map(|(variable, gradient)| place(variable, gradient.dtype()))
            .collect();
        (layout.additions, layout.states, layout.gradients) = (additions, states, gradients);
        layout.divisors = shard.divisors.len();
        layout
    }

    /// How many arrays of sums there are.
    pub fn arrays(&self) -> usize {
        if self.first_early.is_some() { 3 } else { 2 }
    }

    /// The sizes of the gradients that are outputs of their own of a shard's step, after the
    /// first output, which has all wide numbers.
    pub fn gradient_sizes(&self) -> impl Iterator<Item = usize> {
        let narrow = self.gradients.iter().filter(|place| place.array != SumArray::Wide);
        narrow.map(|place| place.variable.shape().len())
    }

    /// Has the gradients from an output of a shard's step on be early ones.
    pub fn with_early(mut self, first: usize) -> Self {
        let before: usize = self.gradient_sizes().take(first - 1).sum();
        for place in self.gradients.iter_mut().filter(|place| place.array == SumArray::Late) {
            if place.start >= before {
                (place.array, place.start) = (SumArray::Early, place.start - before);
            }
        }
        let early = self.sizes[SumArray::Late as usize] - before;
        self.sizes = [self.sizes[SumArray::Wide as usize], before, early];
        self.first_early = Some(first);
        self
    }
}

/// Leaves out of a graph what its stage does not do. A write in the last stage of what a batch says
/// otherwise than by the sums is an error; `data` are the first inputs, those of the batch.
pub(crate) fn limit(graph: &mut Graph, stage: ShardStage, data: usize) -> Result<()> {
    if graph.nodes.iter().any(|node| node.op.is_effect()) {
        let message = "a step that is cut into shards has an effect outside of the model";
        let help = "leave it to a callback, or train without shards";
        return Err(Error::usage(message, help));
    }
    if stage != ShardStage::Update {
        graph.writes.clear();
        if stage == ShardStage::Divisors {
            graph.checks.clear();
        }
        return Ok(());
    }
    let mut depends = vec![false; graph.nodes.len()];
    for id in graph.inputs.iter().take(data) {
        depends[id.index()] = true;
    }
    for (position, node) in graph.nodes.iter().enumerate() {
        depends[position] |= node.inputs.iter().any(|id| depends[id.index()]);
    }
    graph.checks.retain(|check| !depends[check.node.index()]);
    let lost = graph.writes.iter().find(|(_, id)| depends[id.index()]);
    lost.map_or(Ok(()), |(index, _)| {
        let name = graph.variables[*index].name();
        let message = format!(
            "the training step assigns `{name}` what it computes of the batch, which is cut into \
             shards"
        );
        let help = "leave it to optimizers, metrics with `Totals` and layers, whose numbers are \
                    summed over the shards; or train without shards";
        Err(Error::usage(message, help))
    })
}
