//! Writes models and training steps of [endo] as C99 that needs no library but `math.h`.
//!
//! In: a model, an exported model, or the graph of any function, training steps too. Out: one file
//! with the weights inside, static memory and no allocation, for computers that have a C compiler
//! and nothing else.
//!
//! ```
//! use endo::prelude::*;
//! use endo_c::ExportC;
//!
//! # let folder = std::env::temp_dir().join(format!("endo-c-doc-{}", std::process::id()));
//! let model = Model::new(
//!     Sequential::new().add(Dense::new(4).activation("relu")).add(Dense::new(1).name("price")),
//! );
//! model.build([1, 8])?;
//! model.export_c(folder.join("price.c"))?;
//!
//! let text = std::fs::read_to_string(folder.join("price.c"))?;
//! assert!(text.contains("void price_predict(const float *x, float *y, int rows)"));
//! # std::fs::remove_dir_all(&folder).ok();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A model for any number of rows works on 8 at a time, and on what is left one by one, so that
//! memory does not depend on the number of rows. That gives what `predict` gives only if each row
//! of the outputs depends on its own row of the inputs alone; a model that takes rows together is
//! written for [a fixed number of them](COptions::fixed_rows).
//!
//! A training step is a [`Graph`](endo::graph::Graph) of a function that assigns variables. They
//! are arrays that the file defines and the program may read and set:
//!
//! ```
//! use endo::prelude::*;
//! use endo_c::{COptions, source};
//!
//! let weight = Variable::new("weight", [0.5_f32, -1.0]);
//! let mut step = Function::new(|[x], cx| {
//!     let loss = (&x * cx.read(&weight)).sum().square();
//!     let slope = cx.gradients(&loss, [&cx.read(&weight)]).into_tensors().remove(0).unwrap();
//!     let changed = cx.read(&weight) - 0.1 * slope;
//!     cx.assign(&weight, changed);
//!     [loss]
//! });
//! let graph = step.graph([&[1.0_f32, 2.0].into()])?;
//! let text = source::of_graph(&graph, "fit", &COptions::new())?.text;
//! assert!(text.contains("int fit_step(const float *x, float *y)"));
//! assert!(text.contains("float fit_weight[2] = {"));
//! # Ok::<(), endo::Error>(())
//! ```
//!
//! Numbers are those of `predict` but for rounding: sums are added in another order, and `exp` and
//! its like are those of the C library.

mod export;
mod file;
mod file_functions;
mod formula;
mod guard;
mod kernels;
mod loops;
mod memory;
mod nest;
mod options;
mod product;
mod rows;
mod scan;
pub mod source;
mod text;
mod unit;

pub use export::ExportC;
pub use kernels::names as kernel_names;
pub use options::COptions;

/// The examples of the page are compiled and run with the tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/c.md")]
    struct C;
}
