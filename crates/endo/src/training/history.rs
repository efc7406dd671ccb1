//! What training did: loss terms and metrics, epoch by epoch.
//!
//! In: the sums of an epoch. Out: [`History`], with a [`Ledger`] that adds up, printed as one line.

use std::fmt;

use crate::net::{distinct, first};
use crate::step::cache::OutputNames;
use crate::trace::pattern::Pattern;

use super::ledger::{Ledger, short};
use super::ledgers::StepRecord;
use super::probes::{ProbeCost, ProbeKind, Reading, TermReading};

/// Numbers by name, in order.
///
/// ```
/// # use endo::prelude::*;
/// let mut model = Model::new(Sequential::new());
/// model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]);
/// let logs = model.evaluate(&Dataset::new([[3.0_f32]], [[1.0_f32]])?)?;
/// assert_eq!(
///     (logs.get("loss"), logs.get("mae"), logs.get("accuracy")),
///     (Some(4.0), Some(2.0), None)
/// );
/// assert_eq!(logs.to_string(), "loss 4.000  mae 2.000");
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(pub Vec<(String, f64)>);

/// What one epoch did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epoch {
    /// The terms of the loss in training.
    pub ledger: Ledger,
    /// The terms of the loss in validation, if there was one.
    pub validation: Option<Ledger>,
    /// `loss`, its terms, the metrics, all of them again with `val_` for validation, and what
    /// callbacks [report](super::Training::report).
    pub logs: Logs,
    /// The batches left out because a loss or gradient was not finite; 0 unless `fit` was told to
    /// go on.
    pub skipped: usize,
    /// How long the epoch took, validation included, in seconds.
    pub seconds: f64,
}

/// What `fit` did, epoch by epoch.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]);
/// let history = model.fit(&data, Fit::epochs(3).validation(&data))?;
/// assert_eq!(history.get("val_mae").len(), 3);
/// assert_eq!(history.last("loss"), Some(history.epochs[2].ledger.total));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<Epoch>,
    /// The number of the first of them, counted from 0:
    /// [`Fit::initial_epoch`](super::Fit::initial_epoch).
    pub first_epoch: usize,
    /// What probes have read, by step. Of each value there are at most 1,000 readings: when there
    /// would be more, every second of them goes, and from then on every second is kept.
    pub readings: Vec<Reading>,
    /// What probes have read of the loss's terms; at most 1,000 readings, too.
    pub term_readings: Vec<TermReading>,
    /// The terms of single steps, where [`Fit::record_steps`](super::Fit::record_steps) asked for
    /// them; at most 1,000, thinned out like readings.
    pub steps: Vec<StepRecord>,
    /// How long probes took, if any were read.
    pub probe_cost: Option<ProbeCost>,
}

impl History {
    /// The values of one number over the epochs: `"loss"`, `"reconstruction"`,
    /// `"val_mean_absolute_error"`. Empty if there is none of that name.
    pub fn get(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.logs.get(name)).collect()
    }

    /// The value of one number in the last epoch.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.epochs.last().and_then(|epoch| epoch.logs.get(name))
    }

    /// What probes of a kind have read of the values whose path matches a pattern, by step;
    /// [`Probe`](super::Probe) says what matches.
    pub fn series(&self, kind: ProbeKind, pattern: &str) -> Vec<&Reading> {
        let pattern = Pattern::new(pattern);
        self.readings
            .iter()
            .filter(|reading| reading.kind == kind && pattern.matches(&reading.path))
            .collect()
    }

    /// The batches left out in all epochs, because a loss or gradient was not finite.
    pub fn skipped(&self) -> usize {
        self.epochs.iter().map(|epoch| epoch.skipped).sum()
    }

    /// The loss of the last epoch and its terms, which add up to it.
    pub fn ledger(&self) -> Ledger {
        self.epochs.last().map(|epoch| epoch.ledger.clone()).unwrap_or_default()
    }
}

impl Logs {
    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    /// Names and numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// How many epochs there were and what the last one came to; with probes of terms how these pulled
/// in the last reading; with probes what they took.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.epochs.len();
        write!(f, "{count} {}: {}", if count == 1 { "epoch" } else { "epochs" }, self.ledger())?;
        let cosines = self.term_readings.last().into_iter().flat_map(|reading| &reading.cosines);
        cosines.into_iter().try_for_each(|cosine| write!(f, "\n{cosine}"))?;
        self.probe_cost.map_or(Ok(()), |cost| write!(f, "\n{cost}"))
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.iter().map(|(name, value)| format!("{name} {}", short(value))).collect();
        f.write_str(&parts.join("  "))
    }
}

/// The sums of an epoch, each step weighted by its number of samples.
#[derive(Default)]
pub(crate) struct Sums {
    pub names: OutputNames,
    pub sums: Vec<f64>,
    pub samples: f64,
}

impl Sums {
    /// Takes in a step: the total, the terms, and what else is reported. A term that only some
    /// steps have counts as 0 in the others.
    pub fn add(
        &mut self,
        names: &OutputNames,
        values: impl ExactSizeIterator<Item = f64>,
        samples: usize,
    ) {
        if self.sums.is_empty() {
            self.names = names.clone();
            self.sums = vec![0.0; values.len()];
        } else if self.names != *names {
            return self.add_by_name(names, &values.collect::<Vec<_>>(), samples);
        }
        let weight = samples as f64;
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum += weight * value;
        }
        self.samples += weight;
    }

    fn add_by_name(&mut self, names: &OutputNames, values: &[f64], samples: usize) {
        let merged = |known: &[String], new: &[String]| {
            let added = new.iter().filter(|name| !known.contains(name));
            known.iter().chain(added).cloned().collect::<Vec<_>>()
        };
        let all = OutputNames {
            terms: merged(&self.names.terms, &names.terms),
            extras: merged(&self.names.extras, &names.extras),
        };
        let list = |names: &OutputNames| {
            let names = names.terms.iter().chain(&names.extras).cloned();
            std::iter::once(String::new()).chain(names).collect::<Vec<_>>()
        };
        let (before, step) = (list(&self.names), list(names));
        let value = |names: &[String], values: &[f64], name: &String| {
            names.iter().position(|known| known == name).map_or(0.0, |index| values[index])
        };
        let sum = |name: &String| {
            value(&before, &self.sums, name) + samples as f64 * value(&step, values, name)
        };
        self.sums = list(&all).iter().map(sum).collect();
        self.names = all;
        self.samples += samples as f64;
    }

    /// The means so far.
    pub fn ledger(&self) -> Ledger {
        let total = self.sums.first().map_or(0.0, |sum| self.mean(sum));
        let means = self.sums.iter().skip(1).map(|sum| self.mean(sum));
        Ledger { terms: self.names.terms.iter().cloned().zip(means).collect(), total }
    }

    /// The total and the terms, what else is reported, and the metrics, as numbers by names that
    /// differ.
    pub fn logs(&self, metrics: Vec<(String, f64)>) -> Vec<(String, f64)> {
        let rest = self.sums.iter().skip(1 + self.names.terms.len()).map(|sum| self.mean(sum));
        let extras = self.names.extras.iter().cloned().zip(rest);
        // A custom loop may not say what its loss was; that is not a loss of 0.
        let mut loss = if self.samples > 0.0 { self.ledger().logs() } else { Vec::new() };
        // A custom step may say what its loss is by a metric of that name.
        if metrics.iter().any(|(name, _)| name == "loss") {
            loss.retain(|(name, _)| name != "loss");
        }
        let mut logs: Vec<(String, f64)> = loss.into_iter().chain(extras).chain(metrics).collect();
        distinct(&mut logs, first, &[]);
        logs
    }

    fn mean(&self, sum: &f64) -> f64 {
        sum / self.samples.max(1.0)
    }
}

impl Ledger {
    /// The total and the terms, as numbers by name. The only term is not said twice where its name
    /// says no more than that of the total.
    pub(crate) fn logs(&self) -> Vec<(String, f64)> {
        let terms = match &self.terms[..] {
            [(name, _)] if name == "main" || name == "loss" => &[],
            terms => terms,
        };
        std::iter::once(("loss".to_string(), self.total)).chain(terms.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_prints_its_terms_and_total() {
        let terms = vec![("main".to_string(), 0.31), ("reconstruction".to_string(), 0.0112)];
        let ledger = Ledger { terms, total: 0.3212 };
        assert_eq!(ledger.to_string(), "main 0.3100 + reconstruction 0.01120 = loss 0.3212");
    }

    #[test]
    fn steps_are_weighted_by_their_samples() {
        let mut sums = Sums::default();
        let names = OutputNames { terms: vec!["main".to_string()], extras: Vec::new() };
        sums.add(&names, [1.0, 1.0].into_iter(), 3);
        sums.add(&names, [6.0, 6.0].into_iter(), 2);
        assert_eq!(sums.ledger().total, 3.0);
    }

    #[test]
    fn a_term_of_some_steps_counts_as_nothing_in_the_others() {
        let names = |terms: &[&str]| OutputNames {
            terms: terms.iter().map(|name| name.to_string()).collect(),
            extras: Vec::new(),
        };
        let mut sums = Sums::default();
        sums.add(&names(&["main"]), [2.0, 2.0].into_iter(), 1);
        sums.add(&names(&["main", "extra"]), [6.0, 4.0, 2.0].into_iter(), 1);
        assert_eq!(sums.ledger().terms, [("main".to_string(), 3.0), ("extra".to_string(), 1.0)]);
    }
}
