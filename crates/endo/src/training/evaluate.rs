//! `evaluate`, and single steps on one batch.
//!
//! In: data. Out: losses and metrics.

use std::borrow::Cow;

use crate::data::Dataset;
use crate::error::Result;
use crate::graph::{Occasion, Tree};
use crate::step::cache::StepKind;
use crate::step::{BatchBuffers, Runner, Steps};

use super::Ledger;
use super::history::{Logs, Sums};

/// The loss terms on data, and everything that is reported. Random numbers follow the occasion and the row.
#[track_caller]
pub(crate) fn test<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    data: &Dataset,
    batch_size: usize,
    mut occasion: Occasion,
) -> Result<(Ledger, Vec<(String, f64)>)> {
    steps.compiled()?;
    steps.reset_metrics();
    let order = data.order();
    let mut buffers = BatchBuffers::default();
    let mut runner = Runner::new(steps, StepKind::Test);
    let mut sums = Sums::default();
    for indices in order.batches(batch_size)? {
        let batch = buffers.gather(data, indices, &steps.pool)?;
        runner.set_occasion(occasion);
        occasion = occasion.later_by(indices.len());
        runner.run(batch.into())?;
        let (names, outputs) = runner.outputs();
        sums.add(names, outputs.iter().map(|output| output.get(0)), indices.len());
    }
    Ok((sums.ledger(), sums.logs(steps.metric_results()?)))
}

/// What is reported of data: the loss, its terms and all metrics.
#[track_caller]
pub(crate) fn evaluate<I: Tree, O: Tree>(steps: &Steps<I, O>, data: &Dataset, batch_size: usize) -> Result<Logs> {
    steps.compiled()?;
    let data = steps.arranged(Cow::Borrowed(data))?;
    steps.check_finite(&data)?;
    steps.check_targets(&data)?;
    let (_, logs) = test(steps, &data, batch_size, steps.test_occasion())?;
    Ok(Logs(logs))
}

/// What is reported of one step on a batch, with the metrics since they were last reset.
#[track_caller]
pub(crate) fn run_batch<I: Tree, O: Tree>(steps: &Steps<I, O>, batch: &Dataset, kind: StepKind) -> Result<Logs> {
    let batch = &*steps.arranged(Cow::Borrowed(batch))?;
    steps.check_targets(batch)?;
    let mut runner = Runner::new(steps, kind);
    let mut sums = Sums::default();
    if kind == StepKind::Test {
        runner.set_occasion(steps.test_occasion());
    }
    runner.run(batch.into())?;
    let (names, outputs) = runner.outputs();
    sums.add(names, outputs.iter().map(|output| output.get(0)), batch.len());
    Ok(Logs(sums.logs(steps.metric_results()?)))
}
