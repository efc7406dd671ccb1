//! endo's numbers against those of Keras: every case of the fixtures in `golden/`, or in the folder
//! named by `ENDO_GOLDEN`.
//!
//! One module per file. Every case is checked, and every key of it is read; what is not checked yet
//! is listed by name where its file is. `golden/README.md` says what the files hold and how to make
//! others from another seed.

#[path = "golden/support.rs"]
mod support;

#[path = "golden/activations.rs"]
mod activations;
#[path = "golden/initializers.rs"]
mod initializers;
#[path = "golden/internals.rs"]
mod internals;
#[path = "golden/layers.rs"]
mod layers;
#[path = "golden/losses.rs"]
mod losses;
#[path = "golden/metrics.rs"]
mod metrics;
#[path = "golden/optimizers.rs"]
mod optimizers;
#[path = "golden/regressor.rs"]
mod regressor;
#[path = "golden/regularizers_constraints.rs"]
mod regularizers_constraints;
