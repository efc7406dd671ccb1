//! Metrics of numbers against numbers that are not plain means.
//!
//! In: targets and predictions. Out: the root of a mean.

use crate::graph::Tensor;
use crate::losses::mean_squared_error;
use crate::trace::Context;
use crate::variable::Variable;

use super::{Mean, Metric, aligned};

/// The root of the mean squared error over all values.
#[derive(Debug)]
pub struct RootMeanSquaredError {
    mean: Mean,
}

impl RootMeanSquaredError {
    /// A metric named `root_mean_squared_error`.
    pub fn new() -> Self {
        Self { mean: Mean::new("root_mean_squared_error") }
    }
}

impl Default for RootMeanSquaredError {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for RootMeanSquaredError {
    fn name(&self) -> &str {
        self.mean.name()
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>, cx: &mut Context) {
        let (y_true, y_pred) = aligned(y_true, y_pred);
        let values = mean_squared_error(&y_true, &y_pred);
        match sample_weight {
            Some(weight) => self.mean.update_weighted(&values, weight, cx),
            None => self.mean.update(&values, cx),
        }
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        self.mean.result(cx).sqrt()
    }

    fn variables(&self) -> Vec<Variable> {
        self.mean.variables()
    }
}
