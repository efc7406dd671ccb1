//! Random numbers outside training: by seed, call or epoch, place and row.
//!
//! In: models that draw in `predict`, in `evaluate` and in validation. Out: numbers that no two
//! rows share, and the same ones in every mode, however the rows are cut.

#[path = "support/folder.rs"]
mod folder;
#[path = "random/predicting.rs"]
mod predicting;
#[path = "random/support.rs"]
mod support;
#[path = "random/testing.rs"]
mod testing;
