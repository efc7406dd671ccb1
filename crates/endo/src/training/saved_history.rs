//! What training did so far, in the form that a saved run holds.
//!
//! In: a history, or the sums of an unfinished epoch. Out: a [`State`] with a column for each name,
//! in their order; and back.

use crate::error::Result;
use crate::step::cache::OutputNames;

use super::columns::{TERM, TOTAL, counted_rows, first_row, table, table_of};
use super::history::{Epoch, History, Logs, Sums};
use super::ledger::Ledger;
use super::state::State;

const VALIDATION_TOTAL: &str = "validation_total";
const VALIDATION_TERM: &str = "validation_term";
const LOG: &str = "log";
const SKIPPED: &str = "skipped";
const SECONDS: &str = "seconds";

/// All numbers of an epoch.
fn cells(epoch: &Epoch) -> impl Iterator<Item = (String, f64)> {
    fn terms<'a>(
        ledger: &'a Ledger,
        kind: &'static str,
    ) -> impl Iterator<Item = (String, f64)> + 'a {
        ledger.terms.iter().map(move |(name, value)| (format!("{kind}/{name}"), *value))
    }
    let totals =
        [(TOTAL, epoch.ledger.total), (SKIPPED, epoch.skipped as f64), (SECONDS, epoch.seconds)];
    let totals = totals.map(|(name, value)| (name.to_string(), value));
    let validation = epoch.validation.iter().flat_map(|ledger| {
        std::iter::once((VALIDATION_TOTAL.to_string(), ledger.total))
            .chain(terms(ledger, VALIDATION_TERM))
    });
    let logs = epoch.logs.iter().map(|(name, value)| (format!("{LOG}/{name}"), value));
    totals.into_iter().chain(terms(&epoch.ledger, TERM)).chain(validation).chain(logs)
}

impl History {
    /// The epochs, a row for each. What probes have read is kept by their recorder.
    pub(super) fn state(&self) -> State {
        table_of(&self.epochs, cells)
    }

    /// What [`state`](Self::state) was made of, for a number of epochs.
    pub(super) fn from_state(state: &State, epochs: usize) -> Result<Self> {
        let epoch = |cells: Vec<(String, f64)>| {
            let mut epoch = Epoch::default();
            for (name, value) in cells {
                let (kind, name) = name.split_once('/').unwrap_or((&name, ""));
                match kind {
                    TOTAL => epoch.ledger.total = value,
                    TERM => epoch.ledger.terms.push((name.to_string(), value)),
                    VALIDATION_TOTAL => epoch.validation.get_or_insert_default().total = value,
                    VALIDATION_TERM => epoch
                        .validation
                        .get_or_insert_default()
                        .terms
                        .push((name.to_string(), value)),
                    LOG => epoch.logs.0.push((name.to_string(), value)),
                    SKIPPED => epoch.skipped = state.whole(SKIPPED, value, u32::MAX as usize)?,
                    SECONDS => epoch.seconds = value,
                    _ => {} // of a later version
                }
            }
            Ok(epoch)
        };
        let epochs = counted_rows(state, epochs)?.into_iter().map(epoch).collect::<Result<_>>()?;
        Ok(Self { epochs, ..Self::default() })
    }
}

impl Sums {
    pub(super) fn state(&self) -> State {
        let names = std::iter::once(TOTAL.to_string())
            .chain(self.names.terms.iter().map(|name| format!("{TERM}/{name}")))
            .chain(self.names.extras.iter().map(|name| format!("{LOG}/{name}")));
        table(1, names.zip(&self.sums).map(|(name, sum)| (0, name, *sum)))
            .with("samples", self.samples)
    }

    pub(super) fn from_state(state: &State) -> Result<Self> {
        let mut sums = Self { samples: state.count("samples")? as f64, ..Self::default() };
        for (entry, sum) in first_row(state)? {
            let OutputNames { terms, extras } = &mut sums.names;
            // The places of the sums are those of the names: the total, the terms, the rest.
            match (entry.split_once('/'), sums.sums.is_empty(), extras.is_empty()) {
                (None, true, _) if entry == TOTAL => {}
                (Some((TERM, name)), false, true) => terms.push(name.to_string()),
                (Some((LOG, name)), false, _) => extras.push(name.to_string()),
                _ => {
                    return Err(state.unexpected(
                        &entry,
                        "in the order of total, terms and logs",
                        "out of it",
                    ));
                }
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
pub(super) fn logs_from(state: &State) -> Result<Logs> {
    Ok(Logs(first_row(state)?))
}

#[cfg(test)]
mod tests {
    use super::super::columns::rows;
    use super::*;

    #[test]
    fn a_history_and_sums_come_back_as_they_were() {
        let named = |names: &[&str]| {
            names.iter().map(|name| (name.to_string(), 1.0 / 3.0)).collect::<Vec<_>>()
        };
        let ledger = Ledger { terms: named(&["main", "penalty(dense/kernel)"]), total: 0.1 };
        let first = Epoch {
            ledger: ledger.clone(),
            logs: Logs(named(&["loss", "b", "a"])),
            seconds: 2.5,
            ..Epoch::default()
        };
        let second = Epoch {
            validation: Some(ledger),
            logs: Logs(named(&["loss", "b", "c/d", "val_b", "a"])),
            skipped: 3,
            ..first.clone()
        };
        let history = History { epochs: vec![first, second], ..History::default() };
        assert_eq!(History::from_state(&history.state(), 2).unwrap(), history);
        assert_eq!(
            History::from_state(&History::default().state(), 0).unwrap(),
            History::default()
        );
        // Numbers that some epochs have only, each at its place.
        let epoch = |names: &[&str]| Epoch { logs: Logs(named(names)), ..Epoch::default() };
        let epochs = [
            &["loss", "c", "z"][..],
            &["loss", "b", "z"],
            &["loss", "z"],
            &["loss", "a", "b", "c", "z"],
        ]
        .map(epoch);
        let history = History { epochs: epochs.into(), ..History::default() };
        assert_eq!(History::from_state(&history.state(), 4).unwrap(), history);

        let names = OutputNames {
            terms: vec!["main".into(), "a/b".into()],
            extras: vec!["out_loss".into()],
        };
        let sums = Sums { names, sums: vec![1.0, 2.0, 3.0, 0.1], samples: 64.0 };
        let back = Sums::from_state(&sums.state()).unwrap();
        assert_eq!((back.names, back.sums, back.samples), (sums.names, sums.sums, sums.samples));
        assert!(Sums::from_state(&Sums::default().state()).unwrap().sums.is_empty());
        assert_eq!(logs_from(&logs_state(&named(&["z", "a"]))).unwrap(), Logs(named(&["z", "a"])));
    }

    #[test]
    fn a_table_has_as_many_rows_as_its_columns_have_numbers() {
        let table = State::new().with("0/a", [1.0, 2.0]).with("1/b", [[1.0, 3.0]]);
        let (a, b) = (|value| ("a".to_string(), value), |value| ("b".to_string(), value));
        assert_eq!(rows(&table).unwrap(), [vec![a(1.0)], vec![a(2.0), b(3.0)]]);
        assert_eq!(rows(&State::new()).unwrap(), Vec::<Vec<_>>::new());
        let refused = |state: State| {
            rows(&state).unwrap_err().message().replace("the saved run is damaged: ", "")
        };
        let whole = "`1/b` must be a whole number from 0 to 1, got ";
        assert_eq!(refused(table.clone().with("1/b", [[2.0, 3.0]])), format!("{whole}2"));
        assert_eq!(refused(table.clone().with("1/b", [[-1.0, 3.0]])), format!("{whole}-1"));
        let shape = "must be f64[2], a number for each row, or pairs of a row and a number, got ";
        assert_eq!(refused(table.clone().with("1/b", [3.0])), format!("`1/b` {shape}f64[1]"));
        assert_eq!(
            refused(table.clone().with("1/b", [[1.0, 3.0, 4.0]])),
            format!("`1/b` {shape}f64[1, 3]")
        );
        assert_eq!(refused(table.clone().with("1/b", [1_i32, 2])), format!("`1/b` {shape}i32[2]"));
        assert_eq!(
            refused(State::new().with("0/b", [[0.0, 3.0]])),
            "`0/b` must be of a table with a row, got one without"
        );
        let error = counted_rows(&table, 1 << 40).unwrap_err();
        error.says("a table of 1099511627776 rows, got one of 2");
    }

    #[test]
    fn sums_are_in_the_order_of_their_names() {
        let sums = |names: [&str; 3]| {
            let columns = names.iter().enumerate();
            columns.fold(State::new().with("samples", 8.0), |state, (index, name)| {
                state.with(format!("{index}/{name}"), [1.0])
            })
        };
        assert!(Sums::from_state(&sums(["total", "term/a", "log/b"])).is_ok());
        for names in [
            ["term/a", "total", "log/b"],
            ["total", "log/b", "term/a"],
            ["total", "total", "log/a"],
            ["total", "a", "log/b"],
        ] {
            assert!(Sums::from_state(&sums(names)).is_err(), "{names:?}");
        }
        assert!(
            Sums::from_state(&sums(["total", "term/a", "log/b"]).with("samples", f64::NAN))
                .is_err()
        );
    }

    #[test]
    fn a_long_history_stays_small() {
        let named = |prefix: &str| {
            (0..12)
                .map(|index| (format!("{prefix}a_metric_of_some_name_{index}"), 0.5))
                .collect::<Vec<_>>()
        };
        let ledger = Ledger { terms: named("term_"), total: 1.0 };
        let logs = Logs([named(""), named("val_")].concat());
        let epoch =
            Epoch { ledger: ledger.clone(), validation: Some(ledger), logs, ..Epoch::default() };
        let history = History { epochs: vec![epoch; 10_000], ..History::default() };
        let bytes: usize =
            history.state().iter().map(|(name, column)| name.len() + column.bytes().len()).sum();
        assert!(bytes < 5_000_000, "{bytes} bytes on disk");
        let entry =
            |(name, _): &(String, f64)| std::mem::size_of::<(String, f64)>() + name.capacity();
        let memory = |epoch: &Epoch| {
            let ledgers = [Some(&epoch.ledger), epoch.validation.as_ref()];
            let terms = ledgers.into_iter().flatten().flat_map(|ledger| &ledger.terms);
            std::mem::size_of::<Epoch>() + terms.chain(&epoch.logs.0).map(entry).sum::<usize>()
        };
        let bytes: usize = history.epochs.iter().map(memory).sum();
        assert!(bytes < 50_000_000, "{bytes} bytes in memory");
    }
}
