//! Going on where an interrupted run stopped.
//!
//! In: what callbacks ask for. Out: everything that a [`Run`] needs to go on, as a [`State`]; and a run that goes on from one.

use std::sync::atomic::Ordering;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::variable::Variable;

use super::columns::{logs_from, logs_state};
use super::history::{History, Sums};
use super::kept::OTHER_MODEL;
use super::ledgers::StepLog;
use super::run::Run;
use super::state::State;

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// Sees to it that all variables that are known before the first step are saved.
    pub(super) fn adopt(&mut self) -> Result<()> {
        let model = self.model;
        let optimizer = model.optimizer().map_or_else(Vec::new, |optimizer| optimizer.settings().variables());
        let all: Vec<_> =
            model.weights().into_iter().chain([model.counter.clone()]).chain(optimizer).chain(self.metric_variables()).collect();
        self.kept.adopt(&all)
    }

    fn metric_variables(&self) -> Vec<Variable> {
        let own = self.metrics.iter().flat_map(|metric| metric.variables());
        self.model.metrics().iter().flat_map(|(_, metric)| metric.variables()).chain(own).collect()
    }

    /// Does what callbacks have asked for.
    pub(super) fn answer(&mut self) -> Result<()> {
        let asked = self.training.take_asked();
        if !asked.warnings.is_empty() {
            self.model.warn(asked.warnings);
        }
        self.kept.adopt(&asked.kept)?;
        if let Some(state) = asked.resume {
            self.resume(&state)?;
        }
        asked.save.map_or(Ok(()), |path| self.state().write(&path))
    }

    /// Everything that the run needs to go on.
    fn state(&self) -> State {
        let order = [self.data.len(), self.options.batch_size, usize::from(self.options.shuffle)].map(|size| size as f64);
        let trained = self.model.epochs.load(Ordering::Relaxed) as f64;
        // Between epochs metrics still have their results; the next epoch begins by resetting them.
        let reset = if self.current.begun { Vec::new() } else { self.metric_variables() };
        let mut state = State::new()
            .with("data", order)
            .with("callbacks", self.options.callbacks.len() as f64)
            .with("epochs", self.epoch() as f64)
            .with("model epochs", trained)
            .with("weights", self.model.weights().len() as f64)
            .with("usual", self.usual)
            .with("begun", self.current.begun)
            .with("batches", self.current.batches as f64)
            .with("skipped", self.current.skipped as f64)
            .with("non-finite", self.current.non_finite as f64)
            .with("stopped", self.training.is_stopped());
        state.insert("history", self.training.history().state());
        state.insert("sums", self.current.sums.state());
        state.insert("probes", self.options.recorder.state());
        state.insert("steps", self.options.steps.state());
        state.insert("reported", logs_state(&self.training.reported()));
        for (index, callback) in self.options.callbacks.iter().enumerate() {
            state.insert(&format!("callback {index}"), callback.state());
        }
        state.insert("variables", self.kept.state(&reset));
        state
    }

    fn resume(&mut self, state: &State) -> Result<()> {
        self.require_same(state)?;
        let count = |name: &str| state.number(name).map(|number| number as usize);
        *self.training.history_mut() = History::from_state(&state.part("history"), count("epochs")?);
        self.model.epochs.store(count("model epochs")?, Ordering::Relaxed);
        self.current.begun = state.number("begun")? != 0.0;
        (self.current.batches, self.current.skipped) = (count("batches")?, count("skipped")?);
        self.current.non_finite = count("non-finite")?;
        self.current.sums = Sums::from_state(&state.part("sums"))?;
        self.options.steps.restore(&state.part("steps"))?;
        self.training.begin_epoch(self.epoch());
        logs_from(&state.part("reported")).iter().for_each(|(name, value)| self.training.report(name, value));
        if state.number("stopped")? != 0.0 {
            self.training.stop();
        }
        self.options.recorder.restore(&state.part("probes"))?;
        self.kept.restore(&state.part("variables"))?;
        if self.options.shuffle && self.current.begun {
            self.order.shuffle(self.model.seed, self.model.epochs.load(Ordering::Relaxed));
        }
        self.usual = state.number("usual")? != 0.0;
        if self.usual {
            // Slots are made while the step is traced; callbacks that set variables must find them as they were.
            let batch = self.data.rows(0..self.options.batch_size.min(self.data.len()))?;
            self.runner.prepare((&batch).into(), &mut self.kept)?;
        }
        let callbacks = self.options.callbacks.iter_mut().enumerate();
        callbacks.into_iter().try_for_each(|(index, callback)| callback.restore(&state.part(&format!("callback {index}"))))
    }

    /// That the run was saved with this data and these callbacks.
    fn require_same(&self, state: &State) -> Result<()> {
        let [samples, batch_size, shuffle] = [0, 1, 2].map(|index| state.get("data").map(|data| data.get(index) as usize));
        let (samples, batch_size, shuffle) = (samples?, batch_size?, shuffle? == 1);
        let callbacks = state.number("callbacks")? as usize;
        let recorded = StepLog::saved_every(&state.part("steps"));
        let options = &self.options;
        let differs = |what: &str, saved: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            let message = format!("the saved run had {saved} {what}, and this one has {now}");
            let help = "resume with the data and options that it was saved with, or delete its file to begin anew";
            Err(Error::new(ErrorKind::Data, message).help(help))
        };
        let weights = self.model.weights();
        let saved = state.number("weights")? as usize;
        let variables = state.part("variables");
        let missing = |weight: &&Variable| variables.iter().all(|(name, _)| name != weight.name());
        if let Some(weight) = weights.iter().find(missing) {
            let message = format!("the saved run is of another model: it has no weight `{}`", weight.name());
            return Err(Error::new(ErrorKind::Data, message).help(OTHER_MODEL));
        }
        match () {
            () if !weights.is_empty() && saved != weights.len() => differs("weights", &saved, &weights.len()),
            () if samples != self.data.len() => differs("samples", &samples, &self.data.len()),
            () if batch_size != options.batch_size => differs("samples in a batch", &batch_size, &options.batch_size),
            () if shuffle != options.shuffle => differs("as `shuffle`", &shuffle, &options.shuffle),
            () if recorded != options.steps.every => {
                let [saved, now] = [recorded, options.steps.every].map(|every| every.unwrap_or(0));
                differs("as `record_steps`", &saved, &now)
            }
            () if callbacks != options.callbacks.len() => differs("callbacks", &callbacks, &options.callbacks.len()),
            () => Ok(()),
        }
    }
}
