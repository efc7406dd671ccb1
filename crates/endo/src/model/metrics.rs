//! The metrics of a model: those it is compiled with, those that its layers add, and those that they hold as fields.
//!
//! In: what traces have found. Out: every metric by its name in reports, its result, its reset.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::{Tensor, Tree};
use crate::metrics::{Mean, Metric};
use crate::named::Hyperparameters;
use crate::trace::{Context, HeldMetric, MetricTerm};
use crate::variable::Variable;

use super::{Model, State, short_names};

impl<I: Tree, O: Tree> Model<I, O> {
    /// The means that the model's `add_metric` terms go into, made when a term first appears.
    pub(super) fn metric_means(&self, terms: &[MetricTerm]) -> Vec<Arc<Mean>> {
        let mut state = self.state();
        let find = |state: &mut State, name: &str| match state.metric_terms.iter().find(|mean| mean.name() == name) {
            Some(mean) => mean.clone(),
            None => {
                let mean = Arc::new(Mean::new(name));
                state.metric_terms.push(mean.clone());
                mean
            }
        };
        terms.iter().map(|term| find(&mut state, &term.name)).collect()
    }

    /// Every metric with its name in reports: those compiled, then those that layers add, and those that they hold.
    pub fn metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        let (terms, held, outputs) = {
            let state = self.state();
            (state.metric_terms.clone(), state.held.clone(), state.outputs.clone())
        };
        let mut metrics = self.compiled.as_ref().map_or_else(Vec::new, |compiled| compiled.named_metrics(&outputs));
        let names: Vec<String> = terms.iter().map(|mean| mean.name().to_string()).collect();
        for (mean, short) in terms.into_iter().zip(short_names(&names, 1)) {
            let taken = metrics.iter().any(|(name, _)| *name == short);
            let name = if taken { mean.name().to_string() } else { short };
            metrics.push((name, mean));
        }
        metrics.extend(held.into_iter().map(|metric| (metric.name().to_string(), metric)));
        metrics
    }

    /// The metric of a name in reports, to be read: what `fit` and `evaluate` have accumulated in it since its last reset.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[0.0_f32], [1.0]], [[3.0_f32], [4.0]])?;
    /// let mut model = Model::new(Sequential::new());
    /// model.compile(Sgd::new(0.1), MeanSquaredError, [MeanAbsoluteError::new()]);
    /// model.evaluate(&data)?;
    /// assert_eq!(model.metric("mean_absolute_error").unwrap().value()?.item()?, 3.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn metric(&self, name: &str) -> Option<Arc<dyn Metric>> {
        self.metrics().into_iter().find(|(known, _)| known == name).map(|(_, metric)| metric)
    }

    /// The results of all metrics so far. A metric with several numbers, such as one for each class, is reported as
    /// `f1_score_0`, `f1_score_1`, ...
    ///
    /// ```
    /// use endo::prelude::*;
    /// let data = Dataset::new([[0.0_f32], [1.0]], [[1, 0], [0, 1]])?;
    /// let mut model = Model::new(Dense::new(2));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, (F1Score::new(), "mae"));
    /// model.evaluate(&data)?;
    /// let names: Vec<String> = model.metric_results()?.into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["f1_score_0", "f1_score_1", "mae"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn metric_results(&self) -> Result<Vec<(String, f64)>> {
        let mut results = Vec::new();
        for (name, metric) in self.metrics() {
            let value = metric.value()?;
            match value.shape().is_scalar() {
                true => results.push((name, value.item()?)),
                false => results.extend((0..value.len()).map(|index| (format!("{name}_{index}"), value.get(index)))),
            }
        }
        Ok(results)
    }

    /// Sets all metrics back to their start: what `fit` does before every epoch, and a custom loop has to.
    pub fn reset_metrics(&self) {
        self.metrics().iter().for_each(|(_, metric)| metric.reset());
    }
}

/// A metric that a layer holds as a field.
pub(super) struct Held(pub HeldMetric);

impl Metric for Held {
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The layer updates it.
    fn update(&self, _: &Tensor, _: &Tensor, _: Option<&Tensor>, _: &mut Context) {}

    fn result(&self, cx: &mut Context) -> Tensor {
        (self.0.result)(cx)
    }

    fn variables(&self) -> Vec<Variable> {
        self.0.variables.clone()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.0.hyperparameters.clone()
    }
}
