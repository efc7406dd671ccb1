//! Going on where an interrupted run stopped.
//!
//! In: what callbacks ask for. Out: everything that a [`Run`] needs to go on, as a [`State`]; and a
//! run that goes on from one.

use std::sync::atomic::Ordering;

use crate::data::BatchAt;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::variable::Variable;

use super::history::{History, Sums};
use super::run::{EarlierUse, Run};
use super::saved_history::{logs_from, logs_state};
use super::state::{LAYER_IN_NAMES, State};

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// Sees to it that all variables that are known before the first step are saved.
    pub(super) fn adopt(&mut self) -> Result<()> {
        let steps = self.steps;
        let optimizer =
            steps.optimizer().map_or_else(Vec::new, |optimizer| optimizer.settings().variables());
        let weights = steps.net.weights().into_iter().chain([steps.net.counter.clone()]);
        let all: Vec<_> = weights.chain(optimizer).chain(self.metric_variables()).collect();
        self.kept.adopt(&all)
    }

    fn metric_variables(&self) -> Vec<Variable> {
        let own = self.metrics.iter().flat_map(|metric| metric.variables());
        self.steps.metrics().iter().flat_map(|(_, metric)| metric.variables()).chain(own).collect()
    }

    /// Does what callbacks have requests for.
    pub(super) fn answer(&mut self) -> Result<()> {
        let requests = self.training.requests.take();
        if !requests.warnings.is_empty() {
            self.steps.net.warn(requests.warnings);
        }
        self.kept.adopt(&requests.kept)?;
        if let Some(state) = requests.resume {
            self.resume(&state)?;
        }
        let Some(path) = requests.save.filter(|_| self.training.writes_files()) else {
            return Ok(());
        };
        self.training.claims.add(&path)?;
        // What is saved has the weights in their place, also where averages are there now.
        let steps = self.steps;
        let averages = steps
            .optimizer()
            .map(|optimizer| optimizer.settings().swapped_averages(&steps.net.weights()));
        let swapped = averages.transpose()?.flatten();
        swapped.iter().try_for_each(|averages| averages.swap_out())?;
        let state = self.state();
        swapped.iter().try_for_each(|averages| averages.swap_in())?;
        state.write(&path)
    }

    /// Everything that the run needs to go on.
    fn state(&mut self) -> State {
        let identity = self.identity_state();
        let steps = self.steps;
        let counted = self.resumed.unwrap_or_else(|| EarlierUse {
            epochs: steps.epochs.load(Ordering::Relaxed),
            predict_calls: steps.predict_calls.load(Ordering::Relaxed),
        });
        // Between epochs metrics still have their results; the next epoch begins by resetting them.
        let reset = if self.current.begun { Vec::new() } else { self.metric_variables() };
        let mut state = State::new()
            .with("epochs", self.training.history().epochs.len() as f64)
            .with("model_epochs", counted.epochs as f64)
            .with("predict_calls", counted.predict_calls as f64)
            .with("usual", self.usual)
            .with("begun", self.current.begun)
            .with("batches", self.current.batches as f64)
            .with("pass", self.feed.next_at().pass as f64)
            .with("pass_batch", self.feed.next_at().batch as f64)
            .with("steps_before", self.steps_before as f64)
            .with("skipped", self.current.skipped as f64)
            .with("non_finite", self.current.non_finite as f64)
            .with("seconds", self.current.seconds())
            .with("stopped", self.training.stopped.get());
        if let Some(error) = &self.current.error {
            state = state.with_text("error", error.message());
        }
        state.insert("identity", identity);
        state.insert("history", self.training.history().state());
        state.insert("sums", self.current.sums.state());
        state.insert("probes", self.options.recorder.state());
        state.insert("steps", self.options.steps.state());
        state.insert("reported", logs_state(&self.training.reported.borrow()));
        for (index, callback) in self.options.callbacks.iter().enumerate() {
            state.insert(&format!("callback/{index}"), callback.state());
        }
        state.insert("variables", self.kept.state(&reset));
        state
    }

    /// Before the first batch of a resumed run: slots are made while the step is traced, and
    /// callbacks that set variables must find them as they were. All that is saved is known then,
    /// the metrics of the loop too.
    #[track_caller]
    pub(super) fn prepare(&mut self) -> Result<()> {
        let Some(EarlierUse { epochs, predict_calls }) = self.resumed.take() else { return Ok(()) };
        if self.usual {
            self.prepare_steps().inspect_err(|_| self.kept.undo())?;
        }
        self.steps.epochs.store(epochs, Ordering::Relaxed);
        self.steps.predict_calls.store(predict_calls, Ordering::Relaxed);
        Ok(())
    }

    #[track_caller]
    fn prepare_steps(&mut self) -> Result<()> {
        let first = self.feed.first(self.steps)?;
        self.kept.adopt(&self.runner.variables((&first).into())?)?;
        self.kept.require_saved()?;
        // The step of the short last batch may use a variable that no other uses, and that had no
        // value yet.
        if let Some(short) = self.feed.short_last()? {
            self.kept.adopt(&self.runner.variables((&short).into())?)?;
        }
        self.kept.require_claimed()
    }

    /// Goes on from a saved run. All that is read is checked, and no variable has changed where
    /// that fails.
    fn resume(&mut self, state: &State) -> Result<()> {
        self.require_same(state)?;
        let epochs = state.count("model_epochs")?;
        // Files of before have no such entry.
        let predict_calls =
            if state.contains("predict_calls") { state.count("predict_calls")? as u64 } else { 0 };
        let history = History::from_state(&state.part("history"), state.count("epochs")?)?;
        *self.training.history.borrow_mut() =
            History { first_epoch: self.options.initial_epoch, ..history };
        self.current.begun = state.flag("begun")?;
        // Of a stream only the batches of the pass that it is at are known.
        let is_bounded = self.feed.in_memory().is_some() || self.options.steps_per_epoch.is_some();
        let most = self.training.batches().filter(|_| is_bounded).unwrap_or(usize::MAX);
        self.current.batches = state.count_at_most("batches", most)?;
        if self.validation.as_ref().is_some_and(|data| !data.can_seek()) {
            let message = "the saved run cannot be gone on with: its validation data is an \
                iterator, which cannot go back";
            let help =
                "make it anew for each validation with `Stream::by_epoch`, or give a data set";
            return Err(Error::usage(message, help));
        }
        let (pass, batch, steps_before) = if state.contains("pass") {
            (state.count("pass")?, state.count("pass_batch")?, state.count("steps_before")?)
        } else {
            // Older files know of no passes but epochs.
            (epochs, self.current.batches, self.epoch() * self.training.batches().unwrap_or(0))
        };
        self.steps_before = steps_before;
        self.feed.seek(BatchAt { pass, batch }).map_err(|error| {
            let message = format!("the saved run cannot be gone on with: {}", error.message());
            error.with_message(message)
        })?;
        (self.current.skipped, self.current.non_finite) =
            (state.count("skipped")?, state.count("non_finite")?);
        self.current.sums = Sums::from_state(&state.part("sums"))?;
        self.options.steps.restore(&state.part("steps"))?;
        self.training.epoch.set(self.epoch());
        for (name, value) in logs_from(&state.part("reported"))?.iter() {
            self.training.report(name, value);
        }
        if state.flag("stopped")? {
            self.training.stop();
        }
        self.options.recorder.restore(&state.part("probes"))?;
        self.current.before = state.number("seconds")?;
        if self.current.skipped > 0 {
            self.current.error = Some(Error::new(ErrorKind::NotFinite, state.text("error")?));
        }
        self.usual = state.flag("usual")?;
        self.resumed = Some(EarlierUse { epochs, predict_calls });
        self.kept.restore(&state.part("variables"), state.contains(LAYER_IN_NAMES))?;
        let mut callbacks = self.options.callbacks.iter_mut().enumerate();
        let restored = callbacks.try_for_each(|(index, callback)| {
            callback.restore(&state.part(&format!("callback/{index}")))
        });
        restored.inspect_err(|_| self.kept.undo())
    }
}
