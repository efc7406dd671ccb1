//! Deep learning in which losses and metrics see inside the model.
//!
//! A model is written the way a Keras user writes one: fields, and a [`call`](layers::Layer::call).
//! On the way it takes losses and metrics from any weight or activation. It is traced once for each
//! shape of its input, differentiated as a graph, and compiled to a plan that runs a whole training
//! step (forward, every term of the loss, backward, optimizer, metrics) without allocating.
//!
//! # A tour
//!
//! | you want | you use |
//! |---|---|
//! | numbers in and out | [`Array`], [`Shape`], [`DType`] |
//! | to compute with them | [`Tensor`], and what its methods take: [`tensor`] |
//! | tables and batches | [`data::Table`], [`data::Dataset`], [`data::StandardScaler`] |
//! | a model | [`layers`], your own [`Layer`](layers::Layer), [`Model`](model::Model) |
//! | a loss or a metric from inside it | [`add_loss`], [`add_sample_loss`], [`add_metric`] |
//! | to train it | [`Model::fit`], [`Fit`], [`losses`], [`optimizers`], [`metrics`] |
//! | to see inside it while it trains | [`Probe`](training::Probe), [`Model::add_metric_at`] |
//! | a page about the training | [`Report`](report::Report) |
//! | its predictions in another program | [`Model::export`], [`Predictor`](training::Predictor) |
//! | a loop of your own | [`Function`](trace::Function), [`Context::gradients`] |
//! | to see values while it runs | [`Function::run_eagerly`], [`Tensor::value`] |
//! | to know what went wrong | [`Error`]: what, in which layer, at which line, and how to fix it |
//!
//! [`add_loss`]: trace::Context::add_loss
//! [`add_sample_loss`]: trace::Context::add_sample_loss
//! [`add_metric`]: trace::Context::add_metric
//! [`Model::fit`]: model::Model::fit
//! [`Fit`]: training::Fit
//! [`Model::add_metric_at`]: model::Model::add_metric_at
//! [`Model::export`]: model::Model::export
//! [`Context::gradients`]: trace::Context::gradients
//! [`Function::run_eagerly`]: trace::Function::run_eagerly
//!
//! ```
//! use endo::prelude::*;
//!
//! // Hidden activations are kept small by a loss of their own.
//! struct Sparse { hidden: Dense, out: Dense }
//!
//! impl Layer for Sparse {
//!     fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
//!         let z = self.hidden.apply(inputs, cx);
//!         cx.add_loss("activity", 0.01 * z.abs().mean());
//!         self.out.apply(&z, cx)
//!     }
//! }
//!
//! let x = Array::from_fn([64, 2], |i| (i as f32 * 0.37).sin());
//! let y = Array::from_fn([64, 1], |i| (i as f32 * 0.74).sin());
//! let mut model =
//!     Model::new(Sparse { hidden: Dense::new(8).activation(Relu), out: Dense::new(1) });
//! model.compile(Adam::new(0.01), MeanSquaredError, [MeanAbsoluteError::new()]);
//! let history = model.fit(&Dataset::new(x, y)?, Fit::epochs(5))?;
//! println!("{}", history.ledger()); // main 0.41 + activity 0.0026 = loss 0.42
//! # assert_eq!(history.ledger().terms.len(), 2);
//! # Ok::<(), Error>(())
//! ```
//!
//! How a step becomes a plan, and a plan runs, is told by `ARCHITECTURE.md`; those modules are not
//! part of what a program uses, and not documented here.

pub mod activations;
pub mod array;
#[doc(hidden)]
pub mod autodiff;
pub mod constraints;
#[doc(hidden)]
pub mod cpu;
pub mod data;
pub mod dtype;
pub mod error;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod graph;
mod inference;
pub mod initializers;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
mod named;
mod net;
#[doc(hidden)]
pub mod ops;
pub mod optimizers;
#[doc(hidden)]
pub mod plan;
pub mod prelude;
pub mod random;
pub mod regularizers;
pub mod report;
pub mod shape;
pub mod shards;
mod shown;
#[doc(hidden)]
pub mod simd;
mod site;
mod spelling;
mod step;
mod storage;
pub mod trace;
pub mod training;
pub mod variable;

/// Tensors: what layers, losses and metrics compute with, and what the methods of tensors take.
pub mod tensor {
    #[doc(inline)]
    pub use crate::graph::{Tensor, Transposed, Tree};
    #[doc(inline)]
    pub use crate::ops::{Argument, AxisList, AxisNumber, NewShape, NewSize, RandomState, Window};
}

pub use array::Array;
pub use dtype::{DType, Element};
pub use error::{Error, ErrorKind, Result};
pub use named::{Hyperparameters, Setting};
pub use shape::Shape;
pub use site::Site;
pub use storage::{Lender, Storage};
pub use tensor::{Tensor, Transposed};
pub use trace::compute;
pub use variable::Variable;

/// The examples of the README and of the guide are compiled and run with the tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/src/introduction.md")]
    struct Introduction;
    #[doc = include_str!("../../../docs/src/from_keras.md")]
    struct FromKeras;
    #[doc = include_str!("../../../docs/src/programs.md")]
    struct Programs;
    #[doc = include_str!("../../../docs/src/internals.md")]
    struct Internals;
    #[doc = include_str!("../../../docs/src/custom_functions.md")]
    struct CustomFunctions;
    #[doc = include_str!("../../../docs/src/custom_metrics.md")]
    struct CustomMetrics;
    #[doc = include_str!("../../../docs/src/custom_layers.md")]
    struct CustomLayers;
    #[doc = include_str!("../../../docs/src/models.md")]
    struct Models;
    #[doc = include_str!("../../../docs/src/transfer.md")]
    struct Transfer;
    #[doc = include_str!("../../../docs/src/custom_optimizers.md")]
    struct CustomOptimizers;
    #[doc = include_str!("../../../docs/src/gradients.md")]
    struct Gradients;
    #[doc = include_str!("../../../docs/src/probes.md")]
    struct Probes;
    #[doc = include_str!("../../../docs/src/loops.md")]
    struct Loops;
    #[doc = include_str!("../../../docs/src/streams.md")]
    struct Streams;
    #[doc = include_str!("../../../docs/src/machines.md")]
    struct Machines;
    #[doc = include_str!("../../../docs/src/report.md")]
    struct Report;
    #[doc = include_str!("../../../docs/src/functions.md")]
    struct Functions;
    #[doc = include_str!("../../../docs/src/steps.md")]
    struct Steps;
    #[doc = include_str!("../../../docs/src/saving.md")]
    struct Saving;
    #[doc = include_str!("../../../docs/src/deviations.md")]
    struct Deviations;
    #[doc = include_str!("../../../docs/src/lines.md")]
    struct Lines;
}
