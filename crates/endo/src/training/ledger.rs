//! The loss of some steps and the terms that it is the sum of, as numbers.
//!
//! In: terms by name. Out: a [`Ledger`] that adds up, printed as one line.

use std::fmt;

/// The terms of a loss by name, and their total. Prints as
/// `main 0.31 + reconstruction 0.011 = loss 0.32`.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.01)));
/// model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let ledger = model.fit(&data, Fit::epochs(1))?.ledger();
/// let names: Vec<&str> = ledger.terms.iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!(names, ["main", "penalty(dense/kernel)"]);
/// let sum: f64 = ledger.terms.iter().map(|(_, term)| term).sum();
/// assert!((sum - ledger.total).abs() < 1e-6);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Each term with its name.
    pub terms: Vec<(String, f64)>,
    /// Their total: the loss.
    pub total: f64,
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> =
            self.terms.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        match &terms[..] {
            [] => f.write_str("no loss"),
            [_] if self.terms[0].0 == "loss" => write!(f, "loss {}", short(self.total)),
            terms => write!(f, "{} = loss {}", terms.join(" + "), short(self.total)),
        }
    }
}

/// Four significant digits.
pub(crate) fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e5).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let digits =
        if magnitude == 0.0 { 3 } else { (3 - magnitude.log10().floor() as i32).max(0) as usize };
    format!("{value:.digits$}")
}
