//! The step of a shard: what it gives to the sums over all shards, in one array of wide numbers and
//! in gradients; and the step that goes on from the sums.
//!
//! In: the trace of a step. Out: its outputs by stage, and errors of what cannot be cut into
//! shards.

use std::cell::RefCell;

use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Tensor, Tree};
use crate::spelling;
use crate::trace::Context;
use crate::trace::sharded::{ShardStage, SumLayout};
use crate::variable::Variable;

use super::cache::StepOutputs;
use super::{Steps, Terms};

impl<I: Tree, O: Tree> Steps<I, O> {
    /// What the step of a shard gives out: its divisors, or its terms and what else is summed as
    /// wide numbers, and then its gradients; nothing in the last stage. `totals` are what metrics
    /// add up in, `states` what layers assign where the shard has enough rows.
    #[track_caller]
    pub(super) fn end_shard(
        &self,
        terms: Terms,
        totals: &[Variable],
        (mut states, rows): (Vec<Variable>, usize),
        cx: &mut Context,
        made: &RefCell<StepOutputs>,
    ) -> Vec<Tensor> {
        states.dedup();
        let mut seen: Vec<Variable> = Vec::new();
        states.retain(|state| {
            !seen.contains(state) && {
                seen.push(state.clone());
                true
            }
        });
        // What is the same for all shards is assigned in the last stage as in a step without them:
        // what is not of the batch, and weights, from whose new values optimizers go on.
        let updated = cx.shard.iter().flat_map(|shard| &shard.gradients);
        let updated: Vec<&Variable> = updated.map(|(weight, _)| weight).collect();
        states.retain(|state| !updated.contains(&state) && cx.is_of_inputs(state));
        self.check_shard(totals, &states, rows, cx);
        let names = terms.names();
        let count = names.count();
        let Some(shard) = &cx.shard else { return Vec::new() };
        // Before the terms stands a number that says whether a shard has failed.
        let layout = SumLayout::new(shard, &states, 1 + count);
        let stage = shard.stage;
        let (divisors, gradients) = (shard.divisors.clone(), shard.gradients.clone());
        let additions = shard.additions.clone();
        *made.borrow_mut() = StepOutputs { names, layout, ..self.traced_weights(cx) };
        if stage == ShardStage::Update {
            cx.assign_states();
            return Vec::new();
        }
        if stage == ShardStage::Divisors {
            return joined(divisors.iter().map(wide)).into_iter().collect();
        }
        let terms = terms.into_tensors();
        let terms = terms.iter().map(|term| cx.times_share(&wide(term)));
        let additions = additions.iter().map(|(_, value)| wide(value));
        let means = states.iter().map(|state| cx.times_share(&wide(&cx.read(state))));
        let is_wide = |gradient: &Tensor| gradient.dtype() != DType::F32;
        let gradients = || gradients.iter().map(|(_, gradient)| gradient);
        let wide_gradients = gradients().filter(|gradient| is_wide(gradient)).map(wide);
        let all = joined(terms.chain(additions).chain(means).chain(wide_gradients));
        all.into_iter().chain(gradients().filter(|gradient| !is_wide(gradient)).cloned()).collect()
    }

    /// Records what cannot be cut into shards, and warns of what then is of each shard.
    #[track_caller]
    fn check_shard(&self, totals: &[Variable], states: &[Variable], rows: usize, cx: &Context) {
        let names = |variables: &[&Variable]| {
            spelling::listed(variables.iter().map(|variable| variable.name()))
        };
        let refuse = |message: String, help: &str| {
            cx.trace().record(Error::usage(message, help));
        };
        let assigned: Vec<&Variable> =
            totals.iter().filter(|total| cx.trace().values_of(total).len() > 1).collect();
        let is_update = cx.shard_stage() == Some(ShardStage::Update);
        if !assigned.is_empty() && !is_update {
            let message =
                format!("metrics assign {}, and those of shards are added up", names(&assigned));
            refuse(message, "have them add to `Totals`, or train without shards");
        }
        if states.is_empty() {
            return;
        }
        if !cx.training() {
            let states: Vec<&Variable> = states.iter().collect();
            let message = format!(
                "layers carry {} from batch to batch in a test, whose batches are cut into shards",
                names(&states)
            );
            return refuse(message, "test the model without shards");
        }
        let is_of_rows =
            |state: &&Variable| state.shape().rank() > 1 && state.shape().first() == Some(&rows);
        let of_rows: Vec<&Variable> = states.iter().filter(is_of_rows).collect();
        if !of_rows.is_empty() {
            let message = format!(
                "layers carry {} for each row from batch to batch, and batches are cut into shards",
                names(&of_rows)
            );
            return refuse(message, "train the model without shards");
        }
        let whole: Vec<&Variable> =
            states.iter().filter(|state| !state.dtype().is_float()).collect();
        if !whole.is_empty() {
            let message = format!(
                "layers assign {}, whole numbers of which the mean over shards means nothing",
                names(&whole)
            );
            refuse(message, "keep them in variables of floats, or train without shards");
        }
        if !is_update {
            let states: Vec<&Variable> = states.iter().collect();
            cx.warn(format!(
                "each shard of a batch computes {} of its own rows, and their mean is kept: with \
                 another number of shards that is another training",
                names(&states)
            ));
        }
    }
}

/// A value as wide numbers in a row.
#[track_caller]
fn wide(value: &Tensor) -> Tensor {
    value.cast(DType::F64).reshape([value.shape().len()])
}

/// Values one after the other.
#[track_caller]
fn joined(values: impl Iterator<Item = Tensor>) -> Option<Tensor> {
    let values: Vec<Tensor> = values.collect();
    match &values[..] {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(Tensor::concatenate(several, 0)),
    }
}
