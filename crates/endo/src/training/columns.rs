//! What training did so far, as numbers by name: what a saved run holds of it.
//!
//! In: rows of numbers by name, such as a history's epochs, or the sums of an unfinished epoch. Out: a [`State`] with a column for each
//! name, in their order; and back.

use std::collections::HashMap;

use crate::array::Array;
use crate::error::Result;
use crate::model::steps::Names;

use super::history::{Epoch, History, Ledger, Logs, Sums};
use super::state::State;

/// A column for each name: a number for each row, or pairs of a row and a number where some rows have none of that name.
pub(super) fn table(rows: usize, mut cells: impl Iterator<Item = (usize, String, f64)>) -> State {
    columns(rows, &mut cells)
}

fn columns(rows: usize, cells: &mut dyn Iterator<Item = (usize, String, f64)>) -> State {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    for (row, name, value) in cells {
        let place = *places.entry(name).or_insert_with_key(|name| {
            columns.push((name.clone(), Vec::new()));
            columns.len() - 1
        });
        columns[place].1.extend([row as f64, value]);
    }
    columns.into_iter().enumerate().fold(State::new(), |state, (index, (name, pairs))| {
        let column: Array = match pairs.len() == 2 * rows {
            true => pairs.chunks(2).map(|pair| pair[1]).collect::<Vec<f64>>().into(),
            false => Array::from_fn([pairs.len() / 2, 2], |element| pairs[element]),
        };
        state.with(format!("{index:08}/{name}"), column)
    })
}

/// The rows of which [`table`] made columns.
pub(super) fn rows(state: &State, count: usize) -> Vec<Vec<(String, f64)>> {
    let mut rows = vec![Vec::new(); count];
    for (name, column) in state.iter() {
        let name = name.split_once('/').map_or(name, |(_, name)| name);
        for index in 0..column.shape().first().copied().unwrap_or(0) {
            let (row, value) = match column.shape().rank() {
                1 => (index, column.get(index)),
                _ => (column.get(2 * index) as usize, column.get(2 * index + 1)),
            };
            if let Some(row) = rows.get_mut(row) {
                row.push((name.to_string(), value));
            }
        }
    }
    rows
}

pub(super) const TOTAL: &str = "total";
pub(super) const TERM: &str = "term";
const VALIDATION_TOTAL: &str = "validation total";
const VALIDATION_TERM: &str = "validation term";
const LOG: &str = "log";
const SKIPPED: &str = "skipped";
const SECONDS: &str = "seconds";

/// All numbers of an epoch.
fn cells(epoch: &Epoch) -> impl Iterator<Item = (String, f64)> {
    fn terms<'a>(ledger: &'a Ledger, kind: &'static str) -> impl Iterator<Item = (String, f64)> + 'a {
        ledger.terms.iter().map(move |(name, value)| (format!("{kind}/{name}"), *value))
    }
    let totals = [(TOTAL, epoch.ledger.total), (SKIPPED, epoch.skipped as f64), (SECONDS, epoch.seconds)];
    let totals = totals.map(|(name, value)| (name.to_string(), value));
    let validation = epoch
        .validation
        .iter()
        .flat_map(|ledger| std::iter::once((VALIDATION_TOTAL.to_string(), ledger.total)).chain(terms(ledger, VALIDATION_TERM)));
    let logs = epoch.logs.iter().map(|(name, value)| (format!("{LOG}/{name}"), value));
    totals.into_iter().chain(terms(&epoch.ledger, TERM)).chain(validation).chain(logs)
}

impl History {
    /// The epochs, a row for each. What probes have read is kept by their recorder.
    pub(super) fn state(&self) -> State {
        let numbered = self.epochs.iter().enumerate();
        table(self.epochs.len(), numbered.flat_map(|(row, epoch)| cells(epoch).map(move |(name, value)| (row, name, value))))
    }

    pub(super) fn from_state(state: &State, epochs: usize) -> Self {
        let epoch = |cells: Vec<(String, f64)>| {
            let mut epoch = Epoch::default();
            for (name, value) in cells {
                let (kind, name) = name.split_once('/').unwrap_or((&name, ""));
                match kind {
                    TOTAL => epoch.ledger.total = value,
                    TERM => epoch.ledger.terms.push((name.to_string(), value)),
                    VALIDATION_TOTAL => epoch.validation.get_or_insert_default().total = value,
                    VALIDATION_TERM => epoch.validation.get_or_insert_default().terms.push((name.to_string(), value)),
                    LOG => epoch.logs.0.push((name.to_string(), value)),
                    SKIPPED => epoch.skipped = value as usize,
                    SECONDS => epoch.seconds = value,
                    _ => {} // of a later version
                }
            }
            epoch
        };
        Self { epochs: rows(state, epochs).into_iter().map(epoch).collect(), ..Self::default() }
    }
}

impl Sums {
    pub(super) fn state(&self) -> State {
        let names = std::iter::once(TOTAL.to_string())
            .chain(self.names.terms.iter().map(|name| format!("{TERM}/{name}")))
            .chain(self.names.extras.iter().map(|name| format!("{LOG}/{name}")));
        table(1, names.zip(&self.sums).map(|(name, sum)| (0, name, *sum))).with("samples", self.samples)
    }

    pub(super) fn from_state(state: &State) -> Result<Self> {
        let mut sums = Self { samples: state.number("samples")?, ..Self::default() };
        for (name, sum) in rows(state, 1).remove(0) {
            let Names { terms, extras } = &mut sums.names;
            match name.split_once('/') {
                Some((TERM, name)) => terms.push(name.to_string()),
                Some((_, name)) => extras.push(name.to_string()),
                None if name != TOTAL => continue,
                None => {}
            }
            sums.sums.push(sum);
        }
        Ok(sums)
    }
}

/// Numbers by name, in their order.
pub(super) fn logs_state(logs: &[(String, f64)]) -> State {
    table(1, logs.iter().map(|(name, value)| (0, name.clone(), *value)))
}

/// What [`logs_state`] was made of.
pub(super) fn logs_from(state: &State) -> Logs {
    Logs(rows(state, 1).remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_and_sums_come_back_as_they_were() {
        let named = |names: &[&str]| names.iter().map(|name| (name.to_string(), 1.0 / 3.0)).collect::<Vec<_>>();
        let ledger = Ledger { terms: named(&["main", "penalty(dense/kernel)"]), total: 0.1 };
        let first = Epoch { ledger: ledger.clone(), logs: Logs(named(&["loss", "b", "a"])), seconds: 2.5, ..Epoch::default() };
        let second =
            Epoch { validation: Some(ledger), logs: Logs(named(&["loss", "b", "a", "c/d"])), skipped: 3, ..first.clone() };
        let history = History { epochs: vec![first, second], ..History::default() };
        assert_eq!(History::from_state(&history.state(), 2), history);
        assert_eq!(History::from_state(&History::default().state(), 0), History::default());

        let names = Names { terms: vec!["main".into(), "a/b".into()], extras: vec!["out_loss".into()] };
        let sums = Sums { names, sums: vec![1.0, 2.0, 3.0, 0.1], samples: 64.0 };
        let back = Sums::from_state(&sums.state()).unwrap();
        assert_eq!((back.names, back.sums, back.samples), (sums.names, sums.sums, sums.samples));
        assert!(Sums::from_state(&Sums::default().state()).unwrap().sums.is_empty());
        assert_eq!(logs_from(&logs_state(&named(&["z", "a"]))), Logs(named(&["z", "a"])));
    }

    #[test]
    fn a_long_history_stays_small() {
        let named =
            |prefix: &str| (0..12).map(|index| (format!("{prefix}a_metric_of_some_name_{index}"), 0.5)).collect::<Vec<_>>();
        let ledger = Ledger { terms: named("term_"), total: 1.0 };
        let logs = Logs([named(""), named("val_")].concat());
        let epoch = Epoch { ledger: ledger.clone(), validation: Some(ledger), logs, ..Epoch::default() };
        let history = History { epochs: vec![epoch; 10_000], ..History::default() };
        let bytes: usize = history.state().iter().map(|(name, column)| name.len() + column.bytes().len()).sum();
        assert!(bytes < 5_000_000, "{bytes} bytes on disk");
        let entry = |(name, _): &(String, f64)| std::mem::size_of::<(String, f64)>() + name.capacity();
        let memory = |epoch: &Epoch| {
            let ledgers = [Some(&epoch.ledger), epoch.validation.as_ref()];
            let terms = ledgers.into_iter().flatten().flat_map(|ledger| &ledger.terms);
            std::mem::size_of::<Epoch>() + terms.chain(&epoch.logs.0).map(entry).sum::<usize>()
        };
        let bytes: usize = history.epochs.iter().map(memory).sum();
        assert!(bytes < 50_000_000, "{bytes} bytes in memory");
    }
}
