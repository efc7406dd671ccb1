//! Batches that are cut into shards: the same bits on any number of ranks, and the numbers of a
//! training without shards, up to rounding.

#[path = "shards/buckets.rs"]
mod buckets;
#[path = "support/folder.rs"]
mod folder;
#[path = "shards/meaning.rs"]
mod meaning;
#[path = "shards/ranks.rs"]
mod ranks;
#[path = "shards/refused.rs"]
mod refused;
#[path = "support/regressor.rs"]
mod regressor;
#[path = "shards/runs.rs"]
mod runs;
