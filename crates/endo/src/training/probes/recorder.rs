//! The probes of a training: when each is due, and where its readings go.
//!
//! In: the number of each step, and what it has shown. Out: readings to callbacks, files and the
//! history, means to the logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::step::lints;
use crate::step::probe_request::{ProbeKind, ProbeOutput, ProbeRequest};
use crate::step::show::ProbeView;
use crate::training::callbacks::{Callback, tell};
use crate::training::history::History;
use crate::training::ledgers::StepAt;

use super::cost::Times;
use super::series::Series;
use super::{Probe, Reading, TermReading, npy};

/// The probes of a training and what they have read.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(in crate::training) probes: Vec<Probe>,
    step: StepAt,
    /// Which of the probes are due in it.
    due: Vec<usize>,
    /// For each of them, while nothing that was run matches it, the names of what there is.
    unmatched: Vec<Option<Vec<String>>>,
    /// Whether one was due in the step before.
    pub(super) after: bool,
    /// How long what was run of this step took, where that is measured.
    spent: Option<Duration>,
    /// Whether some of it was traced.
    traced: bool,
    times: Times,
    pub(super) series: Vec<ValueSeries>,
    /// Where the values themselves go.
    pub(super) folders: npy::Folders,
    /// Where in `series` the next reading probably belongs: they come in the same order each time.
    next: usize,
    pub(super) terms: Series<TermReading>,
    /// The sums of the terms' numbers in this epoch by name, and how many they are.
    pub(super) sums: Vec<(String, f64, usize)>,
}

/// The readings of one value by one probe.
pub(super) struct ValueSeries {
    pub probe: usize,
    pub path: Arc<str>,
    /// The step of the last.
    pub latest: Option<usize>,
    pub readings: Series<Reading>,
}

impl Recorder {
    /// Before anything is run: whether the probes can be as they are.
    pub fn check(&self) -> Result<()> {
        self.probes.iter().try_for_each(Probe::check)
    }

    /// Whether to read what the terms of the loss do.
    pub fn reads_terms(&self) -> bool {
        self.probes.iter().any(|probe| probe.watch.kind == ProbeKind::Terms)
    }

    /// A step begins. Nothing is allocated where nothing is due.
    pub fn begin(&mut self, step: StepAt) {
        (self.step, self.spent, self.traced) = (step, None, false);
        self.due.clear();
        self.due.extend(
            (0..self.probes.len())
                .filter(|&index| step.step.is_multiple_of(self.probes[index].every)),
        );
        self.unmatched.clear();
        self.unmatched.resize(self.due.len(), Some(Vec::new()));
    }

    /// What the step has to show.
    pub fn due(&self) -> Vec<ProbeRequest> {
        self.due.iter().map(|&index| self.probes[index].watch.clone()).collect()
    }

    /// When something of the step begins to run, if that is measured.
    pub fn start(&self) -> Option<Instant> {
        (self.after || !self.due.is_empty()).then(Instant::now)
    }

    /// Takes what something that was run has shown; when it began, and whether it was traced first.
    pub fn read(
        &mut self,
        look: ProbeView<'_>,
        (started, traced): (Option<Instant>, bool),
        callbacks: &mut [Box<dyn Callback + '_>],
    ) -> Result<()> {
        let Some(started) = started else { return Ok(()) };
        for shown in look.shown {
            match shown {
                ProbeOutput::Value(value) => {
                    let probe = self.due[value.watch];
                    let place = self.place(probe, &value.path);
                    let reading = Reading::of(
                        value,
                        self.series[place].path.clone(),
                        look.outputs,
                        self.step,
                    );
                    if let (Some(index), Some(folder)) = (value.raw, &self.probes[probe].folder) {
                        let file = self.folders.file(
                            folder,
                            &value.kind.to_string(),
                            &reading.path,
                            reading.step,
                        );
                        npy::write(&file, &look.outputs[index])?;
                    }
                    tell(callbacks, |callback| callback.reading(&reading))?;
                    self.series[place].readings.push(reading);
                }
                ProbeOutput::Terms(terms) => {
                    let reading = TermReading::of(terms, look.outputs, self.step);
                    tell(callbacks, |callback| callback.term_reading(&reading))?;
                    self.add_up(&reading);
                    self.terms.push(reading);
                }
            }
        }
        for (watch, unmatched) in self.unmatched.iter_mut().enumerate() {
            match look.missing.iter().find(|missing| missing.watch == watch) {
                Some(missing) => {
                    for names in unmatched.iter_mut() {
                        names.extend(missing.names.iter().cloned());
                    }
                }
                None => *unmatched = None,
            }
        }
        self.traced |= traced;
        self.spent = Some(self.spent.unwrap_or_default() + started.elapsed());
        Ok(())
    }

    /// The step is done. Returns a warning for each probe that nothing in it matched.
    pub fn end(&mut self) -> Vec<String> {
        let Some(spent) = self.spent.take() else { return Vec::new() };
        self.after = !self.due.is_empty();
        match (self.after, self.traced) {
            (true, _) => self.times.add_read(spent),
            (false, false) => self.times.add_plain(spent),
            (false, true) => {}
        }
        let unmatched = self.due.iter().zip(&self.unmatched);
        let warning = |(&probe, names): (&usize, &Option<Vec<String>>)| {
            names.as_ref().map(|names| lints::unmatched_probe(&self.probes[probe].watch, names))
        };
        unmatched.filter_map(warning).collect()
    }

    /// The place of the series of a value. Where the step has shown another value of that path, as
    /// when a function is run twice, it is the series of the path with the next number:
    /// `net/hidden#1`.
    fn place(&mut self, probe: usize, path: &str) -> usize {
        let step = self.step.step;
        let usual = |series: &&mut ValueSeries| {
            (series.probe, &*series.path) == (probe, path) && series.latest != Some(step)
        };
        if let Some(series) = self.series.get_mut(self.next).filter(usual) {
            series.latest = Some(step);
            self.next += 1;
            return self.next - 1;
        }
        let number = path.rsplit_once('#').filter(|(_, number)| number.parse::<usize>().is_ok());
        let base = number.map_or(path, |(base, _)| base);
        let mut place = self.find(probe, path);
        let mut number = 1;
        while self.series[place].latest == Some(step) {
            place = self.find(probe, &format!("{base}#{number}"));
            number += 1;
        }
        self.series[place].latest = Some(step);
        self.next = place + 1;
        place
    }

    fn find(&mut self, probe: usize, path: &str) -> usize {
        let count = self.series.len();
        let mut places = (0..count).map(|offset| (self.next + offset) % count);
        let known = places
            .find(|&place| (self.series[place].probe, &*self.series[place].path) == (probe, path));
        known.unwrap_or_else(|| {
            self.series.push(ValueSeries {
                probe,
                path: path.into(),
                latest: None,
                readings: Series::default(),
            });
            count
        })
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
        history.readings =
            self.series.iter_mut().flat_map(|series| series.readings.take()).collect();
        history.readings.sort_by_key(|reading| reading.step);
        history.term_readings = self.terms.take();
        history.probe_cost =
            self.times.cost(history.epochs.iter().map(|epoch| epoch.seconds).sum());
    }
}
