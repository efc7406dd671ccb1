//! Single training steps on rows of a data set.
//!
//! In: indices of rows. Out: the loss of each step.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::step::cache::StepKind;
use crate::step::{Batch, BatchBuffers, Runner, Steps};

/// Single training steps on rows of a data set, without allocation after the first: a bare loop for
/// benchmarks and for loops that need no more than the loss.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let mut stepper = model.stepper(&data, 2)?;
/// let first = stepper.step(&[0, 1])?;
/// assert!(stepper.step(&[0, 1])? < first);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Stepper<'m, I: Tree, O: Tree> {
    steps: &'m Steps<I, O>,
    runner: Runner<'m, I, O>,
    data: &'m Dataset,
    buffers: BatchBuffers,
}

impl<'m, I: Tree, O: Tree> Stepper<'m, I, O> {
    /// Steps on batches of `batch_size` rows of `data`.
    pub(crate) fn new(
        steps: &'m Steps<I, O>,
        data: &'m Dataset,
        batch_size: usize,
    ) -> Result<Self> {
        steps.compiled()?;
        if steps.sharding.is_some() {
            let message = "a `Stepper` runs batches as they are, and those of this model are cut \
                into shards";
            let help = "use `fit` or `train_on_batch`, or train without shards";
            return Err(Error::usage(message, help));
        }
        data.rows(0..batch_size)?;
        Ok(Self {
            steps,
            runner: Runner::new(steps, StepKind::Train),
            data,
            buffers: BatchBuffers::default(),
        })
    }

    /// Trains on the samples at `indices`, as many as the stepper was made for, and returns the
    /// loss.
    ///
    /// # Errors
    /// If an index is not that of a sample, or a term of the loss or a gradient is not finite, in
    /// which case no weight changes.
    #[track_caller]
    pub fn step(&mut self, indices: &[usize]) -> Result<f64> {
        let batch = self.buffers.gather(self.data, indices, &self.steps.pool)?;
        self.runner.run(Batch { rows: indices, ..Batch::from(batch) })?;
        let (_, outputs) = self.runner.outputs();
        Ok(outputs[0].get(0))
    }
}
