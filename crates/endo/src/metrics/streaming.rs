//! [`Streaming`]: a custom metric, made of what a batch adds to its totals and of what the totals
//! come to.
//!
//! In: two closures. Out: a metric that stands wherever the library's do.

use std::fmt;
use std::sync::Arc;

use crate::graph::Tensor;
use crate::named::{Hyperparameters, Setting};
use crate::trace::Context;

use super::{Metric, Totals};

type Update<const N: usize> =
    dyn Fn(&Tensor, &Tensor, Option<&Tensor>) -> [Tensor; N] + Send + Sync;
type Finish<const N: usize> = dyn Fn([Tensor; N]) -> Tensor + Send + Sync;

/// A metric with `N` totals: a closure of targets, predictions and sample weights gives what a
/// batch adds to each, another the result of the totals. What Keras writes as a class with
/// `add_weight`, `update_state` and `result`. Clones share their totals.
///
/// ```
/// use endo::prelude::*;
///
/// fn huber_metric(threshold: f64) -> Streaming<2> {
///     Streaming::new(
///         "huber_metric",
///         ["total", "count"],
///         move |y_true, y_pred, _sample_weight| {
///             let values = huber(y_true, y_pred, threshold);
///             [values.sum(), values.ones_like().sum()]
///         },
///         |[total, count]| total / count,
///     )
///     .with("threshold", threshold)
/// }
///
/// let metric = huber_metric(2.0);
/// metric.update_on(&[[2.0_f32]].into(), &[[10.0_f32]].into())?;
/// assert_eq!(metric.value()?.item()?, 14.0); // 2 * |10 - 2| - 2^2 / 2
/// metric.update_on(&[[0.0_f32], [5.0]].into(), &[[1.0_f32], [9.25]].into())?;
/// assert_eq!(metric.total("total").unwrap().value().item()?, 21.0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Streaming<const N: usize> {
    totals: Totals,
    update: Arc<Update<N>>,
    result: Arc<Finish<N>>,
    hyperparameters: Hyperparameters,
}

impl<const N: usize> Streaming<N> {
    /// A metric with scalar totals of these names. `update` gives a scalar for each; gradients do
    /// not pass.
    pub fn new(
        name: impl Into<String>,
        totals: [&'static str; N],
        update: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> [Tensor; N] + Send + Sync + 'static,
        result: impl Fn([Tensor; N]) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        Self {
            totals: Totals::new(name, totals),
            update: Arc::new(update),
            result: Arc::new(result),
            hyperparameters: Hyperparameters::new(),
        }
    }

    /// The same with a hyperparameter that is saved with a model and compared when it is loaded.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Setting) -> Self {
        self.hyperparameters = self.hyperparameters.with(name, value);
        self
    }

    /// The variable of a total.
    pub fn total(&self, name: &str) -> Option<crate::variable::Variable> {
        let full = format!("{}/{name}", self.totals.name());
        self.totals.variables().into_iter().find(|variable| variable.name() == full)
    }
}

impl<const N: usize> Metric for Streaming<N> {
    fn totals(&self) -> Option<&Totals> {
        Some(&self.totals)
    }

    #[track_caller]
    fn update(&self, y_true: &Tensor, y_pred: &Tensor, weight: Option<&Tensor>, cx: &mut Context) {
        self.report(cx);
        self.totals.add((self.update)(y_true, y_pred, weight), cx);
    }

    fn result(&self, cx: &mut Context) -> Tensor {
        (self.result)(self.totals.read(cx))
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.hyperparameters.clone()
    }
}

impl<const N: usize> fmt::Debug for Streaming<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Streaming").field(&self.totals).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn it_is_reported_by_its_name_and_its_totals_are_shared_by_clones() {
        let weighted_error = Streaming::new(
            "weighted_error",
            ["error", "weight"],
            |y_true, y_pred, weight| {
                let weight = weight.expect("the data has weights");
                [((y_pred - y_true) * weight.expand_dims(-1)).sum(), weight.sum()]
            },
            |[error, weight]| error / weight,
        );
        let data = Dataset::new([[1.0_f32], [2.0]], [[0.0_f32], [0.0]]).unwrap();
        let data = data.with_sample_weight(Array::from([3.0_f32, 1.0])).unwrap();
        let mut model = Model::new(Sequential::new());
        model.compile("sgd", "mse", ()).weighted_metrics([weighted_error.clone()]);
        assert_eq!(model.evaluate(&data).unwrap().get("weighted_error"), Some(1.25));
        assert_eq!(weighted_error.total("weight").unwrap().value().get(0), 4.0);
    }
}
