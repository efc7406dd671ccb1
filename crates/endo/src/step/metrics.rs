//! The metrics of a model: those it is compiled with, those that its layers add, and those that
//! they hold as fields.
//!
//! In: what is compiled, and what traces have found. Out: every metric by its name in reports, its
//! result, its reset.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tree;
use crate::metrics::Metric;
use crate::net::{distinct, first, short_names};

use super::Steps;

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Every metric with its name in reports, which no other has: those compiled, those that layers
    /// add and that they hold, and those inside the models that belong to it.
    pub fn metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        let outputs = self.net.output_names();
        let compiled = self
            .compiled
            .as_ref()
            .map_or_else(Vec::new, |compiled| compiled.named_metrics(&outputs));
        let mut metrics = self.with_inner_metrics(compiled);
        metrics.extend(self.net.companion_metrics());
        distinct(&mut metrics, first, &[]);
        metrics
    }

    /// These metrics, and those that layers add and that they hold.
    pub fn with_inner_metrics(
        &self,
        mut metrics: Vec<(String, Arc<dyn Metric>)>,
    ) -> Vec<(String, Arc<dyn Metric>)> {
        let (added, held) = (self.net.added_metrics(), self.net.held_metrics());
        let short = short_names(&added, |added| (added.mean.name(), added.parts));
        for (mean, short) in added.into_iter().map(|added| added.mean).zip(short) {
            let is_taken = metrics.iter().any(|(name, _)| *name == short);
            let name = if is_taken { mean.name().to_string() } else { short };
            metrics.push((name, mean));
        }
        metrics.extend(held.into_iter().map(|metric| (metric.name().to_string(), metric)));
        metrics
    }

    /// The results of all metrics so far, an entry for each number of a metric that has several.
    pub fn metric_results(&self) -> Result<Vec<(String, f64)>> {
        let mut results = Vec::new();
        let compiled = self.compiled.as_ref().map_or(0, |compiled| compiled.metrics.len());
        for (index, (mut name, metric)) in self.metrics().into_iter().enumerate() {
            if index < compiled && name == "loss" {
                name = "loss_1".to_string(); // that of a custom step is the loss itself
            }
            let value = metric.value()?;
            if value.shape().is_scalar() {
                results.push((name, value.item()?));
            } else {
                results.extend(
                    (0..value.len()).map(|index| (format!("{name}_{index}"), value.get(index))),
                );
            }
        }
        Ok(results)
    }

    /// Sets all metrics back to their start.
    pub fn reset_metrics(&self) {
        for (_, metric) in self.metrics() {
            metric.reset();
        }
    }
}
