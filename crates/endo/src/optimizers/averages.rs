//! Moving averages of weights, and their exchange with the weights.
//!
//! In: an optimizer that keeps averages, and weights. Out: [`Averages`], which can take the place
//! of the weights; and the weights of a training that is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::variable::Variable;

use super::settings::{AVERAGE, Settings};

/// The moving averages of weights.
pub(crate) struct Averages {
    /// Each weight with its average.
    pairs: Vec<(Variable, Variable)>,
    /// Whether each has the value of the other now.
    swapped: Arc<AtomicBool>,
}

impl Averages {
    /// Puts the averages in the place of the weights.
    pub fn swap_in(&self) -> Result<()> {
        if self.swapped.swap(true, Ordering::Relaxed) { Ok(()) } else { self.exchange() }
    }

    /// Puts the weights back, unless they were made the averages for good meanwhile.
    pub fn swap_out(&self) -> Result<()> {
        if self.swapped.swap(false, Ordering::Relaxed) { self.exchange() } else { Ok(()) }
    }

    fn exchange(&self) -> Result<()> {
        self.pairs.iter().try_for_each(|(weight, average)| {
            let value = weight.value();
            weight.set(&average.value())?;
            average.set(&value)
        })
    }
}

impl Settings {
    /// The averages of these weights; of none before the first step.
    ///
    /// # Errors
    /// If none are kept.
    pub(crate) fn averages(&self, weights: &[Variable]) -> Result<Averages> {
        if self.ema().is_none() {
            let help = "make the optimizer with it: `Adam::new(0.001).use_ema(true)`";
            let message = "the optimizer keeps no moving averages of the weights";
            return Err(Error::usage(message, help));
        }
        let pair = |weight: &Variable| {
            let key = (weight.id(), AVERAGE.to_string());
            // One that was read from a file is a slot from now on.
            let is_restored = self.restored().contains_key(&key);
            let made = is_restored.then(|| self.slot(Some(weight), AVERAGE, || weight.value()));
            Some((weight.clone(), made.or_else(|| self.slots().get(&key).cloned())?))
        };
        Ok(Averages {
            pairs: weights.iter().filter_map(pair).collect(),
            swapped: self.swapped.clone(),
        })
    }

    /// The averages, where they are in the place of the weights now.
    pub(crate) fn swapped_averages(&self, weights: &[Variable]) -> Result<Option<Averages>> {
        if self.swapped.load(Ordering::Relaxed) {
            self.averages(weights).map(Some)
        } else {
            Ok(None)
        }
    }

    /// What is done when training is over: with [`use_ema`](Settings::use_ema) the weights get the
    /// values of their moving averages.
    ///
    /// # Errors
    /// None with weights that this optimizer has updated.
    pub fn finalize_variable_values(&self, weights: &[Variable]) -> Result<()> {
        let Ok(Averages { pairs, swapped }) = self.averages(weights) else { return Ok(()) };
        let is_swapped = swapped.swap(false, Ordering::Relaxed);
        pairs.iter().try_for_each(|(weight, average)| {
            if is_swapped { average.set(&weight.value()) } else { weight.set(&average.value()) }
        })
    }
}
