//! Functions of the user's own as steps of a run.
//!
//! In: a function, run on the arrays of the batch. Out: its outputs; its variables are saved with the run, and probes read its inside.

use std::panic::Location;

use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::trace::Function;

use super::fit::Fit;
use super::probes::{Beside, Look};
use super::run::Run;
use super::step::Batch;

/// What a run knows of the functions that it runs.
#[derive(Default)]
pub(super) struct Functions {
    /// The identities of those whose variables are saved.
    known: Vec<u64>,
    beside: Beside,
    /// The line that ran one last.
    site: Option<&'static Location<'static>>,
}

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// Runs a function on the arrays of the batch: inputs, targets, sample weights. The variables that it uses are saved with the run,
    /// and restored when the run is resumed.
    ///
    /// [Probes](crate::training::Probe) read what the function does: the outputs of the layers that it applies, the weights of these, what
    /// the function adds to them, and the gradients that it gives to optimizers. Where the function is run again in the same step, or
    /// another one has a value of the same path, the path gets a number: `net/hidden#1`. A probe that nothing matches in all that is
    /// run in a step is a warning, or an error of [`next_batch`](Run::next_batch) where warnings are denied.
    ///
    /// # Errors
    /// If it does not take as many arrays as the batch has; if the terms of the loss are probed, whose names a function does not
    /// know; and those of [`Function::run`].
    #[track_caller]
    pub fn step<'f, const N: usize, const M: usize>(&mut self, function: &'f mut Function<'_, N, M>) -> Result<&'f [Array; M]> {
        self.batch()?;
        let (epoch, batch) = (self.epoch(), self.current.batches);
        let arrays: Vec<&Array> = Batch::from(self.buffers.latest()).arrays().collect();
        let inputs: [&Array; N] = arrays.try_into().map_err(|arrays: Vec<&Array>| {
            let message = format!("the function takes {N} arrays, and a batch of this data has {}", arrays.len());
            let help = "a batch has the data's inputs, then its targets, then its sample weights; or run the function on \
                        `run.batch()?` yourself";
            Error::new(ErrorKind::Usage, message).help(help)
        })?;
        let (Functions { known, beside, site }, Fit { recorder, callbacks, .. }) = (&mut self.functions, &mut self.options);
        if recorder.reads_terms() {
            let message = "a probe of terms cannot read a function: the terms of its loss have no names";
            let help = "make the step the model's own with `model.train_step(..)`, which returns the terms by name, and run it with \
                        `run.train_on_batch()?`; or probe what the optimizer is given: `Probe::gradients(\"*\")`";
            return Err(Error::new(ErrorKind::Usage, message).help(help).at(Location::caller()));
        }
        *site = Some(Location::caller());
        if !function.is_eager() && self.training.lacks_graph(function.id()) {
            let (graph, _) = function.graph_of(inputs, |outputs, _| outputs)?;
            self.training.keep_graph(function.id(), graph);
        }
        let started = recorder.start();
        let traced = !function.is_traced_for(&inputs);
        let unknown = !known.contains(&function.id());
        // Run node by node, a function is traced by being run, and so only ahead of time where saved values wait.
        let used = function.used();
        if (traced || unknown) && (used.is_none() || self.kept.is_waiting()) {
            self.kept.adopt(&function.prepare(inputs)?)?;
        }
        known.extend(unknown.then(|| function.id()));
        let due = recorder.due();
        let result = match &due[..] {
            [] => function.run(inputs).map(|outputs| (outputs, Look::default())),
            due => beside.run(function, inputs, due),
        };
        if let Some(used) = used {
            self.kept.adopt(&*used.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))?;
        }
        let (outputs, look) = result.map_err(|error| error.in_step(epoch, batch))?;
        recorder.read(look, (started, traced), callbacks)?;
        Ok(outputs)
    }

    /// The step is done: what probes did not find is said.
    pub(super) fn end_readings(&mut self) -> Result<()> {
        for warning in self.options.recorder.end() {
            let site = self.functions.site;
            if self.options.deny_warnings {
                let error = Error::new(ErrorKind::Usage, warning).help("mend it, or train without `deny_warnings`");
                return Err(site.into_iter().fold(error, Error::at));
            }
            let line = site.map_or_else(String::new, |site| format!("{}:{}: ", site.file(), site.line()));
            self.model.warn(vec![format!("{line}{warning}")]);
        }
        Ok(())
    }
}
