//! Predictions that several ranks share: each predicts some of the rows, and has those of all in the
//! end.
//!
//! In: inputs, the same on all ranks. Out: the outputs that one rank alone would compute, bit by bit,
//! since parts of the rows are cut in the same places.

use crate::array::Array;
use crate::cpu::pool::Pool;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Occasion;
use crate::shards::{Sharding, Shards};

use super::predict::{ROWS, RowsRunner, predict as predict_rows};

/// The outputs for all rows. The occasion is that of the first row.
#[track_caller]
pub(super) fn predict(
    runner: &mut impl RowsRunner,
    inputs: &[Array],
    occasion: Occasion,
    pool: &Pool,
    sharding: &Sharding,
) -> Result<Vec<Array>> {
    let (rank, ranks) = (sharding.link.rank(), sharding.link.ranks());
    let rows = inputs.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
    let is_alike = inputs.iter().all(|x| x.shape().first() == Some(&rows));
    let first = inputs.iter().map(|x| x.rows(0..ROWS.min(rows))).collect::<Vec<_>>();
    // Few rows, and those that each go on from the ones before, every rank computes itself.
    if rows <= ROWS || !is_alike || runner.step(&first)?.is_none() {
        return predict_rows(runner, inputs, occasion, pool);
    }
    let parts = Shards::new(rows.div_ceil(ROWS)).of_rank(rank, ranks);
    let own = parts.start * ROWS..(parts.end * ROWS).min(rows);
    let mut bytes = Vec::new();
    let mut failure = None;
    let outputs = if own.is_empty() {
        // Only to know their shapes.
        predict_rows(runner, &first, occasion, pool)
    } else {
        let part: Vec<Array> = inputs.iter().map(|x| x.rows(own.clone())).collect();
        predict_rows(runner, &part, occasion.later_by(own.start), pool)
    };
    let outputs = outputs.unwrap_or_else(|error| {
        failure = Some(error);
        Vec::new()
    });
    sharding.require_success(failure)?;
    for output in outputs.iter().filter(|_| !own.is_empty()) {
        bytes.extend_from_slice(output.bytes());
    }
    let all = sharding.share(&bytes)?;
    let mut whole: Vec<Vec<u8>> = vec![Vec::new(); outputs.len()];
    for (other, mut bytes) in all.iter().map(Vec::as_slice).enumerate() {
        let parts = Shards::new(rows.div_ceil(ROWS)).of_rank(other, ranks);
        let count = ((parts.end * ROWS).min(rows)).saturating_sub(parts.start * ROWS);
        for (whole, output) in whole.iter_mut().zip(&outputs) {
            let size = count * output.bytes().len() / output.shape()[0].max(1);
            let (own, rest) = bytes.split_at_checked(size).ok_or_else(others)?;
            whole.extend_from_slice(own);
            bytes = rest;
        }
    }
    let output = |(output, bytes): (&Array, &Vec<u8>)| {
        Array::from_bytes(output.shape().with(0, rows), output.dtype(), bytes)
    };
    Ok(outputs.iter().zip(&whole).map(output).collect())
}

/// The error of ranks that do not predict the same.
fn others() -> Error {
    let message = "the ranks predict outputs of other sizes";
    Error::new(ErrorKind::Usage, message).help("give all ranks the same model and inputs")
}
