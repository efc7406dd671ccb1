//! The probes of a training: when each is due, and where its readings go.
//!
//! In: the number of each step, and its outputs. Out: readings to callbacks, files and the history, means to the logs.

use std::time::Instant;

use crate::error::Result;
use crate::graph::Tree;
use crate::model::watched::{Shown, Watch};
use crate::training::callbacks::Callback;
use crate::training::history::History;
use crate::training::step::Runner;

use super::cost::Times;
use super::series::Series;
use super::{Probe, Reading, TermReading, npy};

/// The probes of a training and what they have read.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(super) probes: Vec<Probe>,
    /// Which of them are due in this step.
    due: Vec<usize>,
    /// Whether one was in the step before.
    pub(super) after: bool,
    started: Option<Instant>,
    times: Times,
    pub(super) series: Vec<ValueSeries>,
    /// Where in `series` the next reading probably belongs: they come in the same order each time.
    next: usize,
    pub(super) terms: Series<TermReading>,
    /// The sums of the terms' numbers in this epoch by name, and how many they are.
    pub(super) sums: Vec<(String, f64, usize)>,
}

/// The readings of one value by one probe.
pub(super) struct ValueSeries {
    pub probe: usize,
    pub path: String,
    pub readings: Series<Reading>,
}

impl Recorder {
    pub fn add(&mut self, probe: Probe) {
        self.probes.push(probe);
    }

    /// Before anything is run: whether the probes can be as they are.
    pub fn check(&self) -> Result<()> {
        self.probes.iter().try_for_each(Probe::check)
    }

    /// What the step of a number, counted over all epochs, has to show. Nothing is allocated where that is nothing.
    pub fn due(&mut self, step: usize) -> Vec<Watch> {
        self.due.clear();
        self.due.extend((0..self.probes.len()).filter(|&index| step.is_multiple_of(self.probes[index].every)));
        self.started = (self.after || !self.due.is_empty()).then(Instant::now);
        self.due.iter().map(|&index| self.probes[index].watch.clone()).collect()
    }

    /// Takes what the step of a number has shown.
    pub fn read<I: Tree, O: Tree>(
        &mut self,
        step: usize,
        epoch: usize,
        runner: &Runner<'_, I, O>,
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<()> {
        let Some(started) = self.started.take() else { return Ok(()) };
        self.after = !self.due.is_empty();
        if self.due.is_empty() {
            if !runner.is_traced() {
                self.times.add_plain(started.elapsed());
            }
            return Ok(());
        }
        let (shown, outputs) = runner.shown();
        for shown in shown {
            match shown {
                Shown::Value(value) => {
                    let probe = self.due[value.watch];
                    if let (Some(index), Some(folder)) = (value.raw, &self.probes[probe].folder) {
                        npy::write(&npy::place(folder, &value.kind.to_string(), &value.path, step), &outputs[index])?;
                    }
                    let reading = Reading::of(value, outputs, [step, epoch]);
                    callbacks.iter_mut().try_for_each(|callback| callback.reading(&reading))?;
                    self.series(probe, &reading.path).push(reading);
                }
                Shown::Terms(terms) => {
                    let reading = TermReading::of(terms, outputs, [step, epoch]);
                    callbacks.iter_mut().try_for_each(|callback| callback.term_reading(&reading))?;
                    self.add_up(&reading);
                    self.terms.push(reading);
                }
            }
        }
        self.times.add_read(started.elapsed());
        Ok(())
    }

    fn series(&mut self, probe: usize, path: &str) -> &mut Series<Reading> {
        let count = self.series.len();
        let places = (0..count).map(|offset| (self.next + offset) % count);
        let known =
            places.into_iter().find(|&place| (self.series[place].probe, self.series[place].path.as_str()) == (probe, path));
        let place = known.unwrap_or_else(|| {
            self.series.push(ValueSeries { probe, path: path.to_string(), readings: Series::default() });
            count
        });
        self.next = place + 1;
        &mut self.series[place].readings
    }

    fn add_up(&mut self, reading: &TermReading) {
        for (name, value) in reading.logs() {
            match self.sums.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + value, *count + 1),
                None => self.sums.push((name, value, 1)),
            }
        }
    }

    /// The means of the terms' numbers since this was asked last.
    pub fn take_logs(&mut self) -> Vec<(String, f64)> {
        self.sums.drain(..).map(|(name, sum, count)| (name, sum / count as f64)).collect()
    }

    /// Gives all that was kept to the history of the epochs.
    pub fn finish(&mut self, history: &mut History) {
        history.readings = self.series.iter_mut().flat_map(|series| series.readings.take()).collect();
        history.readings.sort_by_key(|reading| reading.step);
        history.term_readings = self.terms.take();
        history.probe_cost = self.times.cost(history.epochs.iter().map(|epoch| epoch.seconds).sum());
    }
}
