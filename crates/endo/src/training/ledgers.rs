//! The terms of the loss in single steps: of the step that is done, and of those that a history
//! keeps.
//!
//! In: what the loss of each step was made of. Out: [`Ledger`]s, the kept ones by step, never too
//! many.

use crate::error::{Result, not_zero};

use super::columns::{TERM, TOTAL, table_of};
use super::ledger::Ledger;
use super::probes::series::Series;
use super::state::State;

/// Which step of a training.
#[derive(Clone, Copy, Default)]
pub(crate) struct StepAt {
    /// Its number, counted from 0 over all epochs.
    pub step: usize,
    pub epoch: usize,
}

/// The terms of the loss of one step ([`Fit::record_steps`](super::Fit::record_steps)): of its
/// batch alone, no mean over an epoch.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.01)));
/// model.compile("sgd", "mse", ());
/// // 4 steps an epoch.
/// let history = model.fit(&data, Fit::epochs(3).batch_size(16).record_steps(5))?;
/// let places: Vec<[usize; 2]> =
///     history.steps.iter().map(|record| [record.step, record.epoch]).collect();
/// assert_eq!(places, [[0, 0], [5, 1], [10, 2]]);
/// println!("{}", history.steps[2].ledger); // main 0.52 + penalty(dense/kernel) 0.0094 = loss 0.53
/// # assert_eq!(history.steps[2].ledger.terms[1].0, "penalty(dense/kernel)");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepRecord {
    /// The step, counted from 0 over all epochs of this `fit`.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The terms of this step's loss, which add up to it.
    pub ledger: Ledger,
}

/// The ledger of the batch that is done. Its memory is used again by the next.
#[derive(Default)]
pub(crate) struct BatchLedger {
    ledger: Ledger,
    is_known: bool,
}

impl BatchLedger {
    /// Takes the terms of a step: of the values, the first is the total, and what comes after the
    /// terms is left out.
    pub fn set(&mut self, names: &[String], mut values: impl Iterator<Item = f64>) {
        let Ledger { terms, total } = &mut self.ledger;
        *total = values.next().unwrap_or(0.0);
        if !terms.iter().map(|(name, _)| name).eq(names) {
            *terms = names.iter().map(|name| (name.clone(), 0.0)).collect();
        }
        for ((_, term), value) in terms.iter_mut().zip(values) {
            *term = value;
        }
        self.is_known = true;
    }

    pub fn clear(&mut self) {
        self.is_known = false;
    }

    /// None where nothing is known of the step.
    pub fn get(&self) -> Option<&Ledger> {
        self.is_known.then_some(&self.ledger)
    }
}

/// The records of a training's steps.
#[derive(Default)]
pub(crate) struct StepLog {
    /// The number of steps from one record to the next, if any are recorded.
    pub every: Option<usize>,
    series: Series<StepRecord>,
}

const STEP: &str = "step";
const EPOCH: &str = "epoch";

impl StepLog {
    /// Before anything is run: whether it can be as it is.
    pub fn check(&self) -> Result<()> {
        let help = "steps count from 1: `.record_steps(1)` keeps each of them";
        not_zero(self.every, "the terms cannot be recorded every 0 steps", help)
    }

    /// Takes the terms of a step, if that step is one to be recorded and its terms are known.
    pub fn take(&mut self, StepAt { step, epoch }: StepAt, batch: &BatchLedger) {
        if let Some(ledger) =
            batch.get().filter(|_| self.every.is_some_and(|every| step.is_multiple_of(every)))
        {
            self.series.push(StepRecord { step, epoch, ledger: ledger.clone() });
        }
    }

    /// Those that were kept, when training is done.
    pub fn finish(&mut self) -> Vec<StepRecord> {
        self.series.take()
    }

    pub fn state(&self) -> State {
        let (seen, stride, records) = self.series.parts();
        let counts =
            [self.every.unwrap_or(0), seen, stride, records.len()].map(|count| count as f64);
        let mut state = State::new().with("counts", counts);
        state.insert("records", table_of(records, cells));
        state
    }

    /// Goes on from what [`state`](Self::state) gave.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let [_, seen, stride, count] = state.counts("counts")?;
        let record = |cells: Vec<(String, f64)>| {
            let mut record = StepRecord::default();
            for (name, value) in cells {
                let (kind, name) = name.split_once('/').unwrap_or((&name, ""));
                match kind {
                    STEP => record.step = state.whole("records/step", value, usize::MAX)?,
                    EPOCH => record.epoch = state.whole("records/epoch", value, usize::MAX)?,
                    TOTAL => record.ledger.total = value,
                    TERM => record.ledger.terms.push((name.to_string(), value)),
                    _ => {} // of a later version
                }
            }
            Ok(record)
        };
        self.series = Series::restored(state, "counts", [seen, stride, count], "records", record)?;
        Ok(())
    }
}

/// All numbers of a record.
fn cells(record: &StepRecord) -> impl Iterator<Item = (String, f64)> {
    let places =
        [(STEP, record.step as f64), (EPOCH, record.epoch as f64), (TOTAL, record.ledger.total)];
    let terms = record.ledger.terms.iter().map(|(name, value)| (format!("{TERM}/{name}"), *value));
    places.into_iter().map(|(name, value)| (name.to_string(), value)).chain(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(names: &[&str], values: &[f64]) -> BatchLedger {
        let mut terms = BatchLedger::default();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        terms.set(&names, values.iter().copied());
        terms
    }

    #[test]
    fn a_step_of_which_nothing_is_known_has_no_terms_and_no_record() {
        let mut known = terms(&["main", "size"], &[3.0, 1.0, 2.0, 9.0]);
        assert_eq!(known.get().unwrap().to_string(), "main 1.000 + size 2.000 = loss 3.000");
        let mut log = StepLog { every: Some(2), ..StepLog::default() };
        for step in 0..4 {
            log.take(StepAt { step, epoch: 0 }, &known);
        }
        known.clear();
        assert_eq!(known.get(), None);
        log.take(StepAt { step: 4, epoch: 0 }, &known);
        assert_eq!(log.finish().iter().map(|record| record.step).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_log_that_was_saved_goes_on_as_if_it_was_not() {
        let take = |log: &mut StepLog, from: usize, to: usize| {
            for step in from..to {
                let third = step as f64 / 3.0;
                if step % 7 == 0 {
                    log.take(
                        StepAt { step, epoch: step / 100 },
                        &terms(&["main", "a/b"], &[third, 0.1, third]),
                    )
                } else {
                    log.take(StepAt { step, epoch: step / 100 }, &terms(&["main"], &[third, third]))
                }
            }
        };
        for length in [0, 10, 1_000, 1_001, 4_567] {
            let [mut whole, mut first, mut second] =
                [(); 3].map(|()| StepLog { every: Some(1), ..StepLog::default() });
            take(&mut whole, 0, 5_000);
            take(&mut first, 0, length);
            second.restore(&first.state()).unwrap();
            assert_eq!(second.state(), first.state(), "{length}");
            take(&mut second, length, 5_000);
            assert_eq!(second.finish(), whole.finish(), "{length}");
        }
    }
}
