//! Functions of the user's own as steps of a run.
//!
//! In: a function, run on the arrays of the batch. Out: its outputs; its variables are saved with
//! the run, and probes read its inside.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::site::Site;
use crate::step::show::ProbeView;
use crate::step::{Batch, conclude};
use crate::trace::Function;

use super::fit::Fit;
use super::probes::FunctionProbes;
use super::run::Run;

/// What a run knows of the functions that it runs.
#[derive(Default)]
pub(super) struct Functions {
    /// The identities of those whose variables are saved.
    known: Vec<u64>,
    beside: FunctionProbes,
    /// The line that ran one last.
    site: Option<Site>,
    /// Whether an epoch has ended, at which options without effect are looked for.
    epoch_ended: bool,
}

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// Runs a function on the arrays of the batch: inputs, targets, sample weights. The variables
    /// that it uses are saved with the run, and restored when the run is resumed.
    ///
    /// [Probes](crate::training::Probe) read what the function does: the outputs of the layers that
    /// it applies, the weights of these, what the function adds to them, and the gradients that it
    /// gives to optimizers. Where the function is run again in the same step, or another one has a
    /// value of the same path, the path gets a number: `net/hidden#1`. A probe that nothing matches
    /// in all that is run in a step is a warning, or an error of [`next_batch`](Run::next_batch)
    /// where warnings are denied.
    ///
    /// Where warnings are denied, one of the function's trace is an error before anything is run.
    ///
    /// # Errors
    /// If it does not take as many arrays as the batch has; if the terms of the loss are probed,
    /// whose names a function does not know; and those of [`Function::run`].
    #[track_caller]
    pub fn step<const N: usize, const M: usize>(
        &mut self,
        function: &mut Function<'_, N, M>,
    ) -> Result<[Array; M]> {
        self.batch()?;
        self.require_whole()?;
        if self.functions.site.replace(Site::caller()).is_none() {
            self.require_unbalanced()?;
        }
        let (epoch, batch) = (self.epoch(), self.current.batches);
        let arrays: Vec<&Array> = Batch::from(self.feed.batch()).arrays().collect();
        let inputs: [&Array; N] = arrays.try_into().map_err(|arrays: Vec<&Array>| {
            let message = format!(
                "the function takes {N} arrays, and a batch of this data has {}",
                arrays.len()
            );
            let help = "a batch has the data's inputs, then its targets, then its sample weights; \
                or run the function on \
                        `run.batch()?` yourself";
            Error::usage(message, help)
        })?;
        let (Functions { known, beside, .. }, Fit { recorder, callbacks, deny_warnings, .. }) =
            (&mut self.functions, &mut self.options);
        if recorder.reads_terms() {
            let message =
                "a probe of terms cannot read a function: the terms of its loss have no names";
            let help = "make the step the model's own with `model.train_step(..)`, which returns \
                the terms by name, and run it with \
                        `run.train_on_batch()?`; or probe what the optimizer is given: \
                        `Probe::gradients(\"*\")`";
            return Err(Error::usage(message, help).at(Site::caller()));
        }
        let (started, deny_warnings) = (recorder.start(), *deny_warnings);
        let traced = !function.is_traced_for(&inputs);
        let unknown = !known.contains(&function.id());
        let lacks_graph = self.training.lacks_graph(function.id());
        if !function.is_eager() && (lacks_graph || deny_warnings && (traced || unknown)) {
            let (graph, _) = function.graph_of(inputs, |outputs, cx| {
                conclude(deny_warnings, false, cx);
                outputs
            })?;
            if lacks_graph {
                self.training.keep_graph(function.id(), graph);
            }
        }
        // Run node by node, a function is traced by being run, and so only ahead of time where
        // saved values wait.
        let used = function.used();
        if (traced || unknown) && (used.is_none() || self.kept.is_waiting()) {
            self.kept.adopt(&function.prepare(inputs)?)?;
        }
        known.extend(unknown.then(|| function.id()));
        let due = recorder.due();
        let result = match &due[..] {
            [] if !(deny_warnings && function.is_eager()) => {
                function.run(inputs).map(|outputs| (outputs, ProbeView::default()))
            }
            due => beside.run(function, inputs, due, deny_warnings),
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
            self.complain(warning)?;
        }
        Ok(())
    }

    /// After the first epoch it is said which options have had nothing to do.
    pub(super) fn end_first_epoch(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.functions.epoch_ended, true) {
            return Ok(());
        }
        if !self.options.recorder.probes.is_empty() && !self.usual && self.functions.site.is_none()
        {
            let warning = "the probes read nothing: the loop runs its steps itself, and they read \
                what `run.step(&mut function)?` and \
                           `run.train_on_batch()?` run";
            self.complain(warning)?;
        }
        if self.options.steps.every.is_some()
            && self.current.sums.sums.is_empty()
            && self.current.skipped == 0
        {
            let warning = "`record_steps` keeps nothing: the loop says nothing of its loss; give \
                the terms of each batch to \
                           `run.record([(\"main\", loss.item()?)])?`";
            self.complain(warning)?;
        }
        Ok(())
    }

    /// Says that a function's loss has no weights of the model's own.
    fn require_unbalanced(&self) -> Result<()> {
        match self.steps.try_compiled()?.and_then(|compiled| compiled.balance.as_ref()) {
            Some(_) => self.complain(
                "the model's `balance` does not weigh the loss of this function, only that of \
                    validation: make the step the model's own \
                 with `model.train_step(..)`, and run it with `run.train_on_batch()?`; or compile \
                 without it",
            ),
            None => Ok(()),
        }
    }

    /// Warns, with the line that ran a function last; or fails where warnings are denied.
    fn complain(&self, warning: impl Into<String>) -> Result<()> {
        let (warning, site) = (warning.into(), self.functions.site);
        if self.options.deny_warnings {
            let error = Error::usage(warning, "fix it, or train without `deny_warnings`");
            return Err(site.into_iter().fold(error, Error::at));
        }
        let line =
            site.map_or_else(String::new, |site| format!("{}:{}: ", site.file(), site.line()));
        self.steps.net.warn(vec![format!("{line}{warning}")]);
        Ok(())
    }
}
