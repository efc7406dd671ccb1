//! From a user's closure to a program that runs: what layers can reach while traced, weights, and
//! functions.
//!
//! In: closures of tensors. Out: [`Function`], traced once for every shape of its inputs and run as
//! a plan, or node by node.

pub(crate) mod attached;
mod calls;
mod carried;
pub mod compute;
mod cond;
mod context;
pub(crate) mod draws;
pub mod follow;
pub mod function;
pub mod gradients;
mod immediate;
pub mod jacobian;
mod metrics;
pub(crate) mod models;
pub(crate) mod pattern;
mod processor;
pub mod program;
pub mod record;
mod recorded;
pub(crate) mod replay;
mod rounding;
pub mod runner;
mod scan;
pub mod scope;
mod session;
pub(crate) mod sharded;
pub mod signature;
mod terms;
mod traced;
mod unrolled;
mod used_weights;
pub mod weight;
mod with_context;

pub use compute::compute;
pub use context::Context;
#[doc(hidden)]
pub use context::Rounding;
pub use follow::evaluate_now;
pub use function::Function;
pub use gradients::{Gradients, Target};
pub use processor::Processor;
pub use program::Program;
pub use record::{HeldMetric, LayerRecord, Mark, MetricTerm};
pub use runner::{Failure, Pool, Prepared, Runner};
pub use scan::ScanOptions;
pub use session::Session;
pub use signature::TensorSpec;
pub use terms::Term;
pub use traced::{TensorClosure, TracedClosure};
pub use weight::Weight;
pub(crate) use with_context::{WithContext, tensor_function, with_context, without_context};
