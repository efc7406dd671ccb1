//! What training did so far, as numbers by name: what a saved run holds of it.
//!
//! In: a history, or the sums of an unfinished epoch. Out: a [`State`] with a column for each name, in their order; and back.

use crate::array::Array;
use crate::error::Result;
use crate::model::steps::Names;

use super::history::{Epoch, History, Ledger, Logs, Sums};
use super::state::State;

/// A column: what it is, and for terms and logs the name.
pub(super) type Key<'a> = (&'static str, &'a str);

pub(super) const TOTAL: &str = "total";
pub(super) const TERM: &str = "term";
const VALIDATION_TOTAL: &str = "validation total";
const VALIDATION_TERM: &str = "validation term";
const LOG: &str = "log";
const SKIPPED: &str = "skipped";
const SECONDS: &str = "seconds";

/// All numbers of an epoch.
fn cells(epoch: &Epoch) -> impl Iterator<Item = (Key<'_>, f64)> {
    fn terms<'a>(ledger: &'a Ledger, kind: &'static str) -> impl Iterator<Item = (Key<'a>, f64)> {
        ledger.terms.iter().map(move |(name, value)| ((kind, name.as_str()), *value))
    }
    let totals = [((TOTAL, ""), epoch.ledger.total), ((SKIPPED, ""), epoch.skipped as f64), ((SECONDS, ""), epoch.seconds)];
    let validation = epoch.validation.iter();
    let validation = validation
        .flat_map(|ledger| std::iter::once(((VALIDATION_TOTAL, ""), ledger.total)).chain(terms(ledger, VALIDATION_TERM)));
    let logs = epoch.logs.iter().map(|(name, value)| ((LOG, name), value));
    totals.into_iter().chain(terms(&epoch.ledger, TERM)).chain(validation).chain(logs)
}

/// A column for each number of some rows: for each row 1 and the number, or 0 where the row has none of that name.
pub(super) fn table<'a, R: IntoIterator<Item = (Key<'a>, f64)>>(rows: impl ExactSizeIterator<Item = R>) -> State {
    let (mut columns, count): (Vec<(Key<'a>, Vec<f64>)>, usize) = (Vec::new(), rows.len());
    for (row, cells) in rows.enumerate() {
        for (key, value) in cells {
            let index = columns.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                columns.push((key, vec![0.0; 2 * count]));
                columns.len() - 1
            });
            columns[index].1[2 * row..2 * row + 2].copy_from_slice(&[1.0, value]);
        }
    }
    columns.into_iter().enumerate().fold(State::new(), |state, (index, ((kind, name), values))| {
        let column = Array::from(values).reshape([count, 2]).expect("two numbers for each row");
        state.with(format!("{index:04}/{kind}/{name}"), column)
    })
}

/// The numbers of a table, column by column: the row, what the number is, its name, and the number.
pub(super) fn numbers(table: &State) -> impl Iterator<Item = (usize, &str, &str, f64)> {
    table.iter().flat_map(|(name, column)| {
        let mut parts = name.splitn(3, '/').skip(1);
        let (kind, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let rows = (0..column.len() / 2).filter(|row| column.get(2 * row) == 1.0);
        rows.map(move |row| (row, kind, name, column.get(2 * row + 1)))
    })
}

impl History {
    /// The numbers of the epochs.
    pub(super) fn state(&self) -> State {
        table(self.epochs.iter().map(cells))
    }

    pub(super) fn from_state(state: &State, epochs: usize) -> Self {
        let mut history = Self { epochs: vec![Epoch::default(); epochs], ..Self::default() };
        for (row, kind, name, value) in numbers(state) {
            let Some(epoch) = history.epochs.get_mut(row) else { continue };
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
        history
    }
}

impl Sums {
    pub(super) fn state(&self) -> State {
        let kinds = std::iter::once((TOTAL, ""))
            .chain(self.names.terms.iter().map(|name| (TERM, name.as_str())))
            .chain(self.names.extras.iter().map(|name| (LOG, name.as_str())));
        let state = State::new().with("samples", self.samples);
        kinds
            .zip(&self.sums)
            .enumerate()
            .fold(state, |state, (index, ((kind, name), sum))| state.with(format!("{index:04}/{kind}/{name}"), *sum))
    }

    pub(super) fn from_state(state: &State) -> Result<Self> {
        let mut sums = Self { samples: state.number("samples")?, ..Self::default() };
        for (name, value) in state.iter().filter(|(name, _)| *name != "samples") {
            let mut parts = name.splitn(3, '/').skip(1);
            let (kind, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().to_string());
            let Names { terms, extras } = &mut sums.names;
            match kind {
                TERM => terms.push(name),
                LOG => extras.push(name),
                _ => {}
            }
            sums.sums.push(value.item()?);
        }
        Ok(sums)
    }
}

/// Numbers by name, in their order.
pub(super) fn logs_state(logs: &[(String, f64)]) -> State {
    logs.iter().enumerate().fold(State::new(), |state, (index, (name, value))| state.with(format!("{index:04}/{name}"), *value))
}

/// What [`logs_state`] was made of.
pub(super) fn logs_from(state: &State) -> Logs {
    let entry = |(name, value): (&str, &Array)| (name.split_once('/').map_or(name, |(_, name)| name).to_string(), value.get(0));
    Logs(state.iter().map(entry).collect())
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
        assert_eq!(logs_from(&logs_state(&named(&["z", "a"]))), Logs(named(&["z", "a"])));
    }
}
