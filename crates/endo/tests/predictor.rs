//! Exported models: what a file predicts has the bits of what the model predicts, whatever it is
//! made of; and what cannot be exported, loaded or predicted is refused.

#[path = "predictor/errors.rs"]
mod errors;
#[path = "support/exported.rs"]
mod exported;
#[path = "predictor/files.rs"]
mod files;
#[path = "predictor/layers.rs"]
mod layers;
#[path = "predictor/nets.rs"]
mod nets;
#[path = "predictor/operations.rs"]
mod operations;
#[path = "predictor/support.rs"]
mod support;
