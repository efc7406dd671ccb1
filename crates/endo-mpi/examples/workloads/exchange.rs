//! How long exchanges of bytes between two ranks take.
//!
//! In: how many messages each sends to the other at once, and their bytes. Out: seconds, the same
//! on both ranks.

use std::time::Instant;

use endo::Result;
use endo::shards::Link;

/// For how many seconds one kind of exchange is measured, and how often at least and at most.
const SECONDS: f64 = 0.3;
const ROUNDS: [f64; 2] = [3.0, 100.0];

/// Exchanges are measured in rows of an even number, for as long as this or twice: a single one may
/// find that the other rank has sent long ago, and the next one then takes twice as long.
const ROW: f64 = 500e-6;

/// The seconds of an exchange of messages both ways between ranks 0 and 1: of 20 the fastest.
///
/// # Errors
/// Those of the link.
pub fn fastest(link: &dyn Link, messages: usize, bytes: usize) -> Result<f64> {
    let (sent, mut received) = (vec![1_u8; bytes], vec![vec![0_u8; bytes]; messages]);
    let other = 1 - link.rank();
    let mut exchanges = |number: usize| -> Result<f64> {
        let sends = vec![(other, &sent[..]); messages];
        let start = Instant::now();
        for _ in 0..number {
            let mut receives: Vec<_> =
                received.iter_mut().map(|bytes| (other, &mut bytes[..])).collect();
            link.exchange(&sends, &mut receives)?;
        }
        Ok(start.elapsed().as_secs_f64() / number as f64)
    };
    // The first ones touch the memory.
    exchanges(2)?;
    let about = slowest(link, exchanges(2)?)?;
    let row = 2.0 * (ROW / about).ceil().clamp(1.0, 50.0);
    let rounds = (SECONDS / (about * row)).clamp(ROUNDS[0], ROUNDS[1]) as usize;
    let mut all = (0..rounds).map(|_| exchanges(row as usize)).collect::<Result<Vec<f64>>>()?;
    all.sort_by(f64::total_cmp);
    slowest(link, all[all.len() / 20])
}

/// The larger one of the numbers of two ranks, which have then both arrived here.
///
/// # Errors
/// Those of the link.
pub fn slowest(link: &dyn Link, seconds: f64) -> Result<f64> {
    let (sent, mut received) = (seconds.to_le_bytes(), [0; 8]);
    let other = 1 - link.rank();
    link.exchange(&[(other, &sent)], &mut [(other, &mut received)])?;
    Ok(seconds.max(f64::from_le_bytes(received)))
}
