//! The begin and the end of an epoch, and of a run.
//!
//! In: a [`Run`], after its last batch of an epoch. Out: the epoch's entry in the history, with
//! validation; callbacks are told.

use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::graph::{Occasion, Tree};
use crate::net::{distinct, first};
use crate::step::ShardedRunner;

use super::callbacks::tell;
use super::evaluate::test;
use super::fit::NonFinite;
use super::history::{Epoch, Logs};
use super::run::{CurrentEpoch, Run};

impl<I: Tree, O: Tree> Run<'_, I, O> {
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        let epoch = self.epoch();
        self.current = CurrentEpoch::new();
        self.current.begun = true;
        self.training.epoch.set(epoch);
        tell(&mut self.options.callbacks, |callback| callback.epoch_begin(epoch, &self.training))?;
        self.steps.reset_metrics();
        for metric in &self.metrics {
            metric.reset();
        }
        self.runner.refresh();
        self.sharded.iter_mut().for_each(ShardedRunner::refresh);
        self.answer()
    }

    #[track_caller]
    pub(super) fn end_epoch(&mut self) -> Result<()> {
        self.end_first_epoch()?;
        self.training.batches.set(self.options.steps_per_epoch.or(Some(self.current.batches)));
        self.steps_before += self.current.batches;
        let mut epoch = std::mem::replace(&mut self.current, CurrentEpoch::new());
        if let Some(first) = epoch.error.take() {
            let (skipped, total) = (epoch.skipped, epoch.batches);
            if skipped == total {
                let message = format!("all {total} batches were skipped; {}", first.message());
                return Err(first.with_message(message));
            }
            self.steps
                .net
                .warn(vec![format!("{skipped} of {total} batches were skipped; {first}")]);
        }
        if epoch.non_finite > 0 {
            let (count, total) = (epoch.non_finite, epoch.batches);
            self.steps.net.warn(vec![format!(
                "{count} of {total} batches had a loss that is not finite, and were trained on"
            )]);
        }
        let mut metrics = self.steps.metric_results()?;
        for metric in &self.metrics {
            metrics.push((metric.name().to_string(), metric.value()?.item()?));
        }
        metrics.extend(match self.options.non_finite {
            NonFinite::Stop => None,
            NonFinite::Skip => Some(("skipped_batches".to_string(), epoch.skipped as f64)),
            NonFinite::Continue => {
                Some(("non_finite_batches".to_string(), epoch.non_finite as f64))
            }
        });
        metrics.extend(self.options.recorder.take_logs());
        let mut logs = epoch.sums.logs(metrics);
        let is_due = (self.epoch() + 1).is_multiple_of(self.options.validation_freq);
        let validation = match self.validation.as_mut().filter(|_| is_due) {
            Some(data) => {
                // After this epoch, so that `evaluate` after `fit` draws what its last validation
                // has drawn.
                let occasion = Occasion::test(self.steps.epochs.load(Ordering::Relaxed) as u64 + 1);
                let told = (&self.training, &mut self.options.callbacks[..]);
                let (ledger, reported) =
                    test(self.steps, data, self.options.validation_steps, occasion, told)?;
                logs.extend(
                    reported.into_iter().map(|(name, value)| (format!("val_{name}"), value)),
                );
                Some(ledger)
            }
            None => None,
        };
        let reported = self.training.reported.take();
        let entry = Epoch {
            ledger: epoch.sums.ledger(),
            validation,
            logs: Logs(with_reported(&logs, &reported)),
            skipped: epoch.skipped,
            seconds: epoch.seconds(),
        };
        self.steps.epochs.fetch_add(1, Ordering::Relaxed);
        let index = self.epoch();
        self.training.history.borrow_mut().epochs.push(entry.clone());
        self.tell_end(index, entry, &logs, reported)?;
        self.answer()
    }

    /// Tells the callbacks of the end of an epoch. What one of them reports then is in the epoch,
    /// and those after it see it.
    fn tell_end(
        &mut self,
        index: usize,
        mut entry: Epoch,
        own: &[(String, f64)],
        mut reported: Vec<(String, f64)>,
    ) -> Result<()> {
        for callback in &mut self.options.callbacks {
            callback.epoch_end(index, &entry, &self.training)?;
            let late = self.training.reported.take();
            if late.is_empty() {
                continue;
            }
            // What is reported twice is what was reported last.
            reported.retain(|(name, _)| late.iter().all(|(later, _)| later != name));
            reported.extend(late);
            entry.logs = Logs(with_reported(own, &reported));
            if let Some(last) = self.training.history.borrow_mut().epochs.last_mut() {
                last.logs.clone_from(&entry.logs);
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if let Some(optimizer) = self.steps.optimizer().filter(|_| self.options.epochs > 0) {
            optimizer.settings().finalize_variable_values(&self.steps.net.trainable_weights())?;
        }
        self.options.recorder.finish(&mut self.training.history.borrow_mut());
        self.training.history.borrow_mut().steps = self.options.steps.finish();
        tell(&mut self.options.callbacks, |callback| callback.train_end(&self.training))?;
        self.training.claims.release();
        Ok(())
    }
}

/// The numbers of an epoch and those that callbacks have reported, by names that differ.
fn with_reported(own: &[(String, f64)], reported: &[(String, f64)]) -> Vec<(String, f64)> {
    let mut logs = [own, reported].concat();
    distinct(&mut logs, first, &[]);
    logs
}
