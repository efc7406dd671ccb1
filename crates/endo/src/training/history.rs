//! What training did: loss terms and metrics, epoch by epoch.
//!
//! In: the sums of an epoch. Out: [`History`], with a [`Ledger`] that adds up, printed as one line.

use std::fmt;

use crate::array::Array;

use crate::model::steps::Names;

/// The terms of a loss by name, and their total. Prints as `main 0.31 + reconstruction 0.011 = loss 0.32`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Each term with its name.
    pub terms: Vec<(String, f64)>,
    /// Their total: the loss.
    pub total: f64,
}

/// Numbers by name, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(pub Vec<(String, f64)>);

/// What one epoch did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epoch {
    /// The terms of the loss in training.
    pub ledger: Ledger,
    /// The terms of the loss in validation, if there was one.
    pub validation: Option<Ledger>,
    /// `loss`, its terms, the metrics, and all of them again with `val_` for validation.
    pub logs: Logs,
    /// How long the epoch took, validation included, in seconds.
    pub seconds: f64,
}

/// What `fit` did, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// The values of one number over the epochs: `"loss"`, `"reconstruction"`, `"val_mean_absolute_error"`. Empty if there is
    /// none of that name.
    pub fn get(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.logs.get(name)).collect()
    }

    /// The value of one number in the last epoch.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.epochs.last().and_then(|epoch| epoch.logs.get(name))
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

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.iter().map(|(name, value)| format!("{name} {}", short(value))).collect();
        f.write_str(&parts.join("  "))
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.terms.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        write!(f, "{} = loss {}", terms.join(" + "), short(self.total))
    }
}

/// Four significant digits.
pub(crate) fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e5).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let digits = if magnitude == 0.0 { 3 } else { (3 - magnitude.log10().floor() as i32).max(0) as usize };
    format!("{value:.digits$}")
}

/// The sums of an epoch, each step weighted by its number of samples.
#[derive(Default)]
pub(crate) struct Sums {
    names: Names,
    sums: Vec<f64>,
    samples: f64,
}

impl Sums {
    /// Takes in a step: the total, the terms, and what else is reported.
    pub fn add(&mut self, names: &Names, outputs: &[Array], samples: usize) {
        if self.sums.is_empty() {
            self.names = names.clone();
            self.sums = vec![0.0; outputs.len()];
        }
        let weight = samples as f64;
        self.sums.iter_mut().zip(outputs).for_each(|(sum, output)| *sum += weight * output.get(0));
        self.samples += weight;
    }

    /// The means so far.
    pub fn ledger(&self) -> Ledger {
        let total = self.sums.first().map_or(0.0, |sum| self.mean(sum));
        let means = self.sums.iter().skip(1).map(|sum| self.mean(sum));
        Ledger { terms: self.names.terms.iter().cloned().zip(means).collect(), total }
    }

    /// The total and the terms, and what else is reported, as numbers by name.
    pub fn logs(&self) -> Vec<(String, f64)> {
        let rest = self.sums.iter().skip(1 + self.names.terms.len()).map(|sum| self.mean(sum));
        self.ledger().logs().into_iter().chain(self.names.extras.iter().cloned().zip(rest)).collect()
    }

    fn mean(&self, sum: &f64) -> f64 {
        sum / self.samples.max(1.0)
    }
}

impl Ledger {
    /// The total and, when there are several, the terms, as numbers by name.
    fn logs(&self) -> Vec<(String, f64)> {
        let terms = if self.terms.len() > 1 { &self.terms[..] } else { &[] };
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
        let names = Names { terms: vec!["main".to_string()], extras: Vec::new() };
        sums.add(&names, &[Array::scalar(1.0_f32), Array::scalar(1.0_f32)], 3);
        sums.add(&names, &[Array::scalar(6.0_f32), Array::scalar(6.0_f32)], 2);
        assert_eq!(sums.ledger().total, 3.0);
    }
}
