//! The number that a callback watches, and whether it got better.
//!
//! In: a name of the logs. Out: its value in each epoch, held against the best one so far; a name
//! that is not there is an error that lists those that are.

use crate::error::{Error, Result};

use super::{Epoch, State, Training};

/// A number of the logs, and the best value that it had. What Keras calls `monitor`, `mode` and
/// `min_delta`.
#[derive(Debug)]
pub(super) struct Monitor {
    /// The callback, as messages call it.
    watcher: &'static str,
    pub name: String,
    /// Whether larger is better, if the user said so.
    pub maximize: Option<bool>,
    /// By how much a value has to be better to count.
    pub min_delta: f64,
    pub best: Option<f64>,
}

/// Words in the names of metrics that are to rise.
const RISING: &[&str] = &[
    "accuracy",
    "auc",
    "precision",
    "recall",
    "f1",
    "f_beta",
    "fbeta",
    "iou",
    "r2",
    "correlation",
    "sensitivity",
    "specificity",
    "similarity",
    "true_positives",
    "true_negatives",
];

/// Words in the names of losses and metrics that are to fall.
const FALLING: &[&str] = &[
    "loss",
    "error",
    "entropy",
    "divergence",
    "hinge",
    "poisson",
    "mse",
    "mae",
    "mape",
    "msle",
    "logcosh",
    "log_cosh",
    "false_positives",
    "false_negatives",
];

/// The options of what watches a number, in a field called `monitor`: whether it is to rise, and by
/// how much it has to improve.
macro_rules! monitor_options {
    (min_delta = $default:literal) => {
        #[doc = concat!("By how much the number has to improve to \
            count; ", $default, " unless set.")]
        #[must_use]
        pub fn min_delta(mut self, delta: f64) -> Self {
            self.monitor.min_delta = delta;
            self
        }

        monitor_options! {}
    };
    () => {
        /// Whether larger is better. Unless set, terms of the loss are to fall, and what a metric's
        /// name says: accuracies are to rise, errors to fall. Keras's `mode`.
        #[must_use]
        pub fn maximize(mut self, maximize: bool) -> Self {
            self.monitor.maximize = Some(maximize);
            self
        }
    };
}
pub(super) use monitor_options;

impl Monitor {
    pub fn new(watcher: &'static str, name: String) -> Self {
        Self { watcher, name, maximize: None, min_delta: 0.0, best: None }
    }

    /// The number in this epoch.
    ///
    /// # Errors
    /// If nothing of that name is reported.
    pub fn value(&self, report: &Epoch) -> Result<f64> {
        report.logs.get(&self.name).ok_or_else(|| {
            let known: Vec<&str> = report.logs.iter().map(|(name, _)| name).collect();
            let message =
                format!("{} watches `{}`, which is not reported", self.watcher, self.name);
            let without =
                self.name.starts_with("val_") && !known.iter().any(|name| name.starts_with("val_"));
            let hint = if without {
                "; `val_` numbers need `Fit::validation` or `validation_split`"
            } else {
                ""
            };
            let order = if self.name.starts_with("val_") {
                ""
            } else {
                "; what a callback reports at an epoch's end is seen by those that are given \
                    after it"
            };
            let help = format!("reported are {}{hint}{order}", known.join(", "));
            Error::argument(message, help)
        })
    }

    /// Whether this epoch does not have the number because it has no validation, and others do.
    pub fn is_left_out(&self, report: &Epoch, training: &Training) -> bool {
        let is_missing = self.name.starts_with("val_") && report.logs.get(&self.name).is_none();
        is_missing && training.leaves_out_validation(report)
    }

    /// Whether this epoch's number is better than the best one by more than `min_delta`, and is
    /// from now on the best one. The first number is; one that is not a number never.
    ///
    /// # Errors
    /// If nothing of that name is reported, or whether it is to rise or to fall was not said and
    /// its name does not tell.
    pub fn improves(&mut self, report: &Epoch) -> Result<bool> {
        let better = match self.best {
            Some(best) => self.beats(report, best)?,
            None => {
                let first = self.value(report)?;
                self.maximizes(report)?; // says now what it would say at the next epoch
                !first.is_nan()
            }
        };
        if better {
            self.best = Some(self.value(report)?);
        }
        Ok(better)
    }

    /// Whether this epoch's number is better than another by more than `min_delta`.
    ///
    /// # Errors
    /// As for [`improves`](Self::improves).
    pub fn beats(&self, report: &Epoch, other: f64) -> Result<bool> {
        let (value, delta) = (self.value(report)?, self.min_delta.abs());
        Ok(if self.maximizes(report)? { value - delta > other } else { value + delta < other })
    }

    /// The best value so far, to be kept with a run.
    pub fn state(&self) -> State {
        self.best.into_iter().fold(State::new(), |state, best| state.with("best", best))
    }

    /// Goes on from what [`state`](Self::state) gave.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.best = state.contains("best").then(|| state.number("best")).transpose()?;
        Ok(())
    }

    fn maximizes(&self, report: &Epoch) -> Result<bool> {
        let name = self.name.strip_prefix("val_").unwrap_or(&self.name);
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let term = report.ledger.terms.iter().any(|(term, _)| term == name);
        match (self.maximize, has(RISING), has(FALLING)) {
            (Some(maximize), ..) => Ok(maximize),
            (None, ..) if term => Ok(false),
            (None, rising, falling) if rising != falling => Ok(rising),
            (None, ..) => {
                let message = format!(
                    "{} watches `{}`, and its name does not say what is better",
                    self.watcher, self.name
                );
                let help =
                    "say `.maximize(true)` if it is to rise, `.maximize(false)` if it is to fall";
                Err(Error::argument(message, help))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::epoch;
    use super::*;
    use crate::training::Ledger;

    fn watch(name: &str) -> Monitor {
        Monitor::new("`EarlyStopping`", name.to_string())
    }

    #[test]
    fn a_number_that_is_not_reported_is_an_error_that_lists_those_that_are() {
        let error = watch("val_loss").improves(&epoch(&[("loss", 1.0), ("mae", 2.0)])).unwrap_err();
        let expected = "`EarlyStopping` watches `val_loss`, which is not reported\n  \
                        help: reported are loss, mae; `val_` numbers need `Fit::validation` or \
                        `validation_split`";
        assert_eq!(error.to_string(), expected);
        let error =
            watch("val_los").improves(&epoch(&[("loss", 1.0), ("val_loss", 2.0)])).unwrap_err();
        assert_eq!(error.advice(), Some("reported are loss, val_loss"));
    }

    #[test]
    fn accuracies_are_to_rise_and_terms_of_the_loss_and_errors_to_fall() {
        let report = |value| Epoch {
            ledger: Ledger { terms: vec![("roughness".to_string(), value)], total: value },
            ..epoch(
                &["val_accuracy", "mean_absolute_error", "val_roughness", "speed"]
                    .map(|name| (name, value)),
            )
        };
        let second_is_better = |name: &str| {
            let mut monitor = watch(name);
            monitor.improves(&report(1.0))?;
            monitor.improves(&report(2.0))
        };
        assert!(second_is_better("val_accuracy").unwrap());
        assert!(!second_is_better("mean_absolute_error").unwrap());
        assert!(!second_is_better("val_roughness").unwrap());
        let error = second_is_better("speed").unwrap_err();
        error.reads("`EarlyStopping` watches `speed`, and its name does not say what is better");
    }

    #[test]
    fn what_is_not_a_number_is_no_improvement_and_no_best() {
        let mut monitor = watch("loss");
        assert!(!monitor.improves(&epoch(&[("loss", f64::NAN)])).unwrap());
        assert!(monitor.improves(&epoch(&[("loss", 1.0)])).unwrap());
        assert!(!monitor.improves(&epoch(&[("loss", f64::NAN)])).unwrap());
        assert_eq!(monitor.best, Some(1.0));
    }
}
