//! Attention a part of the queries at a time, so that the weights of all pairs are never in memory
//! at once.
//!
//! In: projected queries, keys and values, `[batch, steps, features]`, the mask of pairs, and what
//! computes the means for some of them. Out: the means of all. Gradients compute the weights again
//! (Rabe and Staats 2021; Dao et al. 2022).

use std::ops::Range;

use crate::graph::Tensor;
use crate::trace::{Context, ScanOptions};

/// The pairs whose weights are computed at a time, about: they stay in the second cache.
const PAIRS: usize = 1 << 16;

/// The fewest queries that are a part for themselves.
const LEAST_QUERIES: usize = 16;

/// What takes part in an attention, as many samples and queries as there are.
#[derive(Clone, Copy)]
pub(super) struct Projected<'a> {
    /// `[batch, queries, features]`
    pub query: &'a Tensor,
    /// `[batch, values, features]`
    pub key: &'a Tensor,
    /// `[batch, values, features]`
    pub value: &'a Tensor,
    /// Which pairs may see each other, broadcast to `[batch, queries, values]`.
    pub visible: Option<&'a Tensor>,
}

/// The means `[batch, queries, features]`, by `f` for parts of the samples, and of the queries of a
/// sample where these are many. `heads` are the weights of a pair, of which some are left out if
/// it `drops`.
#[track_caller]
pub(super) fn in_blocks(
    all: Projected<'_>,
    heads: usize,
    drops: bool,
    cx: &mut Context,
    f: &dyn Fn(Projected<'_>, &mut Context) -> Tensor,
) -> Tensor {
    let (batch, queries) = (all.query.batch(), all.query.shape()[1]);
    let of_query = heads.saturating_mul(all.value.shape()[1]);
    let of_sample = of_query.saturating_mul(queries);
    // Node by node the parts are the same where random numbers depend on them. What is traced
    // without loops is saved, for any number of samples.
    let trace = cx.trace();
    if trace.unrolls() && !drops {
        return f(all, cx);
    }
    let samples = part(batch, PAIRS / of_sample.max(1), 1);
    if batch == 0 || samples == batch && of_sample <= 2 * PAIRS {
        return f(all, cx);
    }
    let parts = batch / samples;
    let mut sequences: Vec<Tensor> =
        [all.query, all.key, all.value].map(|x| in_parts(x, parts)).into();
    let own_mask = all.visible.filter(|mask| mask.batch() > 1);
    sequences.extend(own_mask.map(|mask| in_parts(mask, parts)));
    let options = ScanOptions::new().recompute(true);
    let means = cx.map_with(&options, &sequences, |x: Vec<Tensor>, cx| {
        let visible = x.get(3).or(all.visible);
        let of_part = Projected { query: &x[0], key: &x[1], value: &x[2], visible };
        if of_sample > 2 * PAIRS { by_queries(of_part, of_query, cx, f) } else { f(of_part, cx) }
    });
    means.reshape([batch, queries, means.features()])
}

/// The means of one sample, by `f` for parts of the queries.
#[track_caller]
fn by_queries(
    all: Projected<'_>,
    of_query: usize,
    cx: &mut Context,
    f: &dyn Fn(Projected<'_>, &mut Context) -> Tensor,
) -> Tensor {
    let queries = all.query.shape()[1];
    let most = (PAIRS / of_query.max(1)).max(LEAST_QUERIES);
    if queries <= most {
        return f(all, cx);
    }
    // Where no part of this size divides them, the last one is smaller.
    let size = part(queries, most, LEAST_QUERIES).min(most);
    let (whole, own_mask) = (queries / size * size, all.visible.filter(|mask| mask.shape()[1] > 1));
    let some = |range: Range<usize>| {
        let sequences = [all.query].into_iter().chain(own_mask);
        sequences.map(|x| x.slice(1, range.clone())).collect::<Vec<Tensor>>()
    };
    let means = |x: &[Tensor], cx: &mut Context| {
        f(Projected { query: &x[0], visible: x.get(1).or(all.visible), ..all }, cx)
    };
    let part_first = |x: &Tensor| {
        let x = x.reshape([x.batch(), whole / size, size, x.features()]);
        x.permute(&[1, 0, 2, 3])
    };
    let sequences: Vec<Tensor> = some(0..whole).iter().map(part_first).collect();
    let options = ScanOptions::new().recompute(true);
    let parts = cx.map_with(&options, &sequences, |x: Vec<Tensor>, cx| means(&x, cx));
    let parts = parts.permute(&[1, 0, 2, 3]);
    let parts = parts.reshape([all.query.batch(), whole, parts.features()]);
    if whole == queries {
        return parts;
    }
    Tensor::concatenate(&[parts, means(&some(whole..queries), cx)], 1)
}

/// `[parts, samples, ..]` of `[batch, ..]`.
#[track_caller]
fn in_parts(x: &Tensor, parts: usize) -> Tensor {
    let sizes = [parts, x.batch() / parts].into_iter().chain(x.shape()[1..].iter().copied());
    x.reshape(sizes.collect::<Vec<usize>>())
}

/// The largest divisor of a number up to a limit; the number itself if that would be less than
/// `least`.
fn part(number: usize, limit: usize, least: usize) -> usize {
    let divisor =
        (1..=limit.clamp(1, number.max(1))).rev().find(|&size| number.is_multiple_of(size));
    divisor.filter(|&size| size >= least).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_divide_the_whole() {
        assert_eq!(
            [part(16, 3, 1), part(16, 99, 1), part(7, 3, 1), part(96, 40, 16)],
            [2, 16, 1, 32]
        );
        assert_eq!([part(97, 40, 16), part(5, 0, 1)], [97, 1]);
    }
}
