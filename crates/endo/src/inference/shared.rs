//! Predictions that several ranks share: each predicts some of the rows, and has those of all in
//! the end.
//!
//! In: inputs, the same on all ranks. Out: the outputs that one rank alone would compute, bit by
//! bit, since rows are cut in the same places.

use std::ops::Range;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::shards::{Sharding, Shards};

/// The outputs for as many rows, of which each rank has `predict` compute the ones of a range that
/// begins and ends between parts of `part` rows, or at the end.
pub(super) fn predict(
    rows: usize,
    part: usize,
    sharding: &Sharding,
    predict: impl FnOnce(Range<usize>) -> Result<Vec<Array>>,
) -> Result<Vec<Array>> {
    let (rank, ranks) = (sharding.link.rank(), sharding.link.ranks());
    let of_rank = |rank: usize| {
        let parts = Shards::new(rows.div_ceil(part)).of_rank(rank, ranks);
        (parts.start * part).min(rows)..(parts.end * part).min(rows)
    };
    let own = of_rank(rank);
    // One without rows predicts some to know the shapes of the outputs.
    let range = if own.is_empty() { 0..part.min(rows) } else { own.clone() };
    let (outputs, failure) = match predict(range) {
        Ok(outputs) => (outputs, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    sharding.require_success(failure)?;
    let mut bytes = Vec::new();
    for output in outputs.iter().filter(|_| !own.is_empty()) {
        bytes.extend_from_slice(output.bytes());
    }
    let all = sharding.share(&bytes)?;
    let mut whole: Vec<Vec<u8>> = vec![Vec::new(); outputs.len()];
    for (other, mut bytes) in all.iter().map(Vec::as_slice).enumerate() {
        for (whole, output) in whole.iter_mut().zip(&outputs) {
            let row = output.bytes().len() / output.shape().first().map_or(1, |&rows| rows.max(1));
            let split = bytes.split_at_checked(of_rank(other).len() * row);
            let (own, rest) = split.ok_or_else(other_sizes)?;
            whole.extend_from_slice(own);
            bytes = rest;
        }
    }
    let output = |(output, bytes): (&Array, &Vec<u8>)| {
        Array::from_bytes(output.shape().with(0, rows), output.dtype(), bytes)
    };
    Ok(outputs.iter().zip(&whole).map(output).collect())
}

fn other_sizes() -> Error {
    let message = "the ranks predict outputs of different sizes";
    Error::usage(message, "give all ranks the same model and inputs")
}
