//! One step of an optimizer while traced, from the gradients as they come to the weights as they
//! stay.
//!
//! In: gradients. Out: the values that all updates share, the gradients that they get, and what of
//! an update is kept.

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;
use crate::trace::Context;
use crate::variable::Variable;

use super::settings::{AVERAGE, Clip, Settings};

/// The values of one step that the updates of all weights share.
pub(crate) struct UpdateStep {
    /// The learning rate, a scalar.
    pub rate: Tensor,
    /// The number of this update, from 1: a scalar `i32`.
    pub number: Tensor,
    /// Whether this call updates, when it does not always.
    pub updates: Option<Tensor>,
}

/// A number of steps as `i32`, in which steps are counted: more than that are never reached.
fn counted(steps: usize) -> i32 {
    i32::try_from(steps).unwrap_or(i32::MAX)
}

impl UpdateStep {
    /// Counts a call.
    pub fn begin(settings: &Settings, cx: &mut Context) -> Self {
        let calls = cx.read(settings.iterations());
        let rate = settings.rate().trace(&calls, cx);
        let next = &calls + 1;
        cx.assign(settings.iterations(), &next);
        match settings.gradient_accumulation_steps {
            None => Self { rate, number: next, updates: None },
            Some(steps) => {
                let steps = counted(steps);
                Self {
                    rate,
                    number: &calls / steps + 1,
                    updates: Some((&next / steps * steps).equal(&next)),
                }
            }
        }
    }

    /// The new value in a step that updates, otherwise the old one, bit by bit.
    pub fn keep(&self, new: Tensor, old: &Tensor) -> Tensor {
        match &self.updates {
            Some(updates) => updates.where_(new, old),
            None => new,
        }
    }

    /// The gradient that an update gets before it is clipped: that of the unscaled loss, the mean
    /// over the calls since the last update.
    pub fn gather(
        &self,
        settings: &Settings,
        weight: &Variable,
        gradient: &Tensor,
        cx: &mut Context,
    ) -> Tensor {
        let gradient = settings.unscale(&gradient.cast(weight.dtype()));
        let (Some(updates), Some(steps)) = (&self.updates, settings.gradient_accumulation_steps)
        else {
            return gradient;
        };
        let zeros = || Array::zeros(weight.shape(), weight.dtype());
        let accumulator = settings.slot(Some(weight), "gradient_accumulator", zeros);
        let sum = cx.read(&accumulator) + gradient;
        cx.assign(&accumulator, updates.where_(sum.zeros_like(), &sum));
        sum / steps as f64
    }

    /// Moves a weight's moving average on, and returns the weight: where the average overwrites it,
    /// the average.
    pub fn average(
        &self,
        settings: &Settings,
        weight: &Variable,
        updated: Tensor,
        cx: &mut Context,
    ) -> Tensor {
        let Some(momentum) = settings.ema() else { return updated };
        let slot = settings.slot(Some(weight), AVERAGE, || weight.value());
        let before = cx.read(&slot);
        let kept = self
            .number
            .equal(1)
            .where_(updated.constant_like(0.0), updated.constant_like(momentum));
        let average = &before * &kept + &updated * (1.0 - &kept);
        cx.assign(&slot, self.keep(average.clone(), &before));
        match settings.ema_overwrite_frequency {
            Some(steps) => {
                let steps = counted(steps);
                (&self.number / steps * steps).equal(&self.number).where_(average, updated)
            }
            None => updated,
        }
    }
}

impl Settings {
    /// Gradients clipped: by value, by the norm of each, or by the norm of all together.
    pub(super) fn clip(&self, gradients: Vec<Tensor>) -> Vec<Tensor> {
        let square_norm = |gradient: &Tensor| gradient.square().sum();
        // 1 exactly when the norm is within the limit.
        let scale = |square_norm: Tensor, limit: f64| limit / square_norm.sqrt().maximum(limit);
        match self.clip {
            None => gradients,
            Some(Clip::Value(limit)) => {
                gradients.iter().map(|gradient| gradient.clip(-limit, limit)).collect()
            }
            Some(Clip::Norm(limit)) => gradients
                .iter()
                .map(|gradient| gradient * scale(square_norm(gradient), limit))
                .collect(),
            Some(Clip::GlobalNorm(limit)) => {
                let Some(norm) =
                    gradients.iter().map(square_norm).reduce(|sum, square| sum + square)
                else {
                    return gradients;
                };
                let scale = scale(norm, limit);
                gradients.iter().map(|gradient| gradient * scale.cast(gradient.dtype())).collect()
            }
        }
    }
}

/// `base^exponent` for a scalar exponent.
pub(super) fn power_of(base: f64, exponent: &Tensor) -> Tensor {
    exponent.constant_like(base).power(exponent)
}

/// A scalar counted in whole numbers or given in `f64`, of the type of what it meets.
pub(super) fn typed(value: &Tensor, weight: Option<&Variable>) -> Tensor {
    value.cast(weight.map_or(DType::F64, Variable::dtype))
}
