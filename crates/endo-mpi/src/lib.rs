//! Trains one model on many processes by MPI, with the same bits on any number of them.
//!
//! In: a program, or the command `endo-mpi`, started by `mpirun` on each of the processes, all of
//! which get at all of the data. Out: a [`World`] between them, which a model is distributed over.
//! How batches are cut and summed is endo's own ([`endo::shards`]); MPI moves bytes.
//!
//! ```no_run
//! use endo::prelude::*;
//! use endo_mpi::{Shards, World};
//!
//! # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
//! # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
//! # let data = Dataset::new(x, y)?;
//! let world = World::start()?;
//! let net = Sequential::new().add(Dense::new(30).activation("selu")).add(Dense::new(1));
//! let mut model = Model::new(net);
//! model.compile("nadam", "mse", ["mae"]).distribute(&world, Shards::new(8));
//! let fit = Fit::epochs(20).callback(BackupAndRestore::new("run"));
//! let history = model.fit(&data, fit)?;
//! if world.is_first() {
//!     println!("{history}");
//! }
//! # Ok::<(), Error>(())
//! ```

mod messages;
mod world;

pub use endo::shards::Shards;
pub use world::World;
