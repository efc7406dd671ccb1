//! What a model is compiled with.
//!
//! In: an optimizer, losses, metrics. Out: their names in reports.

use std::sync::Arc;

use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;

use super::balance::BalanceState;
use super::output::{Output, OutputLosses};

/// How a model is trained.
pub(crate) struct TrainingSetup {
    /// None where a step of the user's own brings its optimizers.
    pub optimizer: Option<Arc<dyn Optimizer>>,
    pub losses: Vec<OutputLosses>,
    /// Factors by output, or for each loss in order; 1 where there is none.
    pub loss_weights: Vec<(Option<Output>, f64)>,
    pub metrics: Vec<OutputMetric>,
    /// How the weights of the terms follow the training, if they do.
    pub balance: Option<BalanceState>,
}

/// A metric of one output.
pub(crate) struct OutputMetric {
    pub output: Output,
    pub weighted: bool,
    pub metric: Arc<dyn Metric>,
}

impl TrainingSetup {
    pub fn new(
        optimizer: Option<Arc<dyn Optimizer>>,
        losses: Vec<OutputLosses>,
        metrics: Vec<Vec<Arc<dyn Metric>>>,
    ) -> Self {
        let mut compiled = Self {
            optimizer,
            losses,
            loss_weights: Vec::new(),
            metrics: Vec::new(),
            balance: None,
        };
        compiled.set_all_metrics(false, metrics);
        compiled
    }

    /// Replaces the metrics of all outputs, those that weights apply to or the others.
    pub fn set_all_metrics(&mut self, weighted: bool, metrics: Vec<Vec<Arc<dyn Metric>>>) {
        self.metrics.retain(|known| known.weighted != weighted);
        for (output, metrics) in metrics.into_iter().enumerate() {
            self.set_metrics(output.into(), weighted, metrics);
        }
    }

    /// Replaces the metrics of an output, those that weights apply to or the others.
    pub fn set_metrics(&mut self, output: Output, weighted: bool, metrics: Vec<Arc<dyn Metric>>) {
        self.metrics.retain(|known| (&known.output, known.weighted) != (&output, weighted));
        self.metrics.extend(metrics.into_iter().map(|metric| OutputMetric {
            output: output.clone(),
            weighted,
            metric,
        }));
        self.metrics.sort_by_key(|known| (known.output.clone(), known.weighted));
    }

    /// The metrics with their names: of several outputs with the output's in front, and a weighted
    /// one that shares its name with a plain one as `weighted_` and that.
    pub fn named_metrics(&self, outputs: &[String]) -> Vec<(String, Arc<dyn Metric>)> {
        let named = |entry: &OutputMetric| {
            let name = entry.metric.name();
            let clash = entry.weighted
                && self.metrics.iter().any(|other| {
                    !other.weighted && other.output == entry.output && other.metric.name() == name
                });
            let name = if clash { format!("weighted_{name}") } else { name.to_string() };
            let name = match outputs {
                [] | [_] => name,
                several => {
                    let output = entry.output.find("a metric", several).ok();
                    output.map_or(name.clone(), |output| format!("{}_{name}", several[output]))
                }
            };
            (name, entry.metric.clone())
        };
        self.metrics.iter().map(named).collect()
    }

    /// Every loss, in the order in which they were given.
    pub fn all_losses(&self) -> impl Iterator<Item = &Arc<dyn Loss>> {
        self.losses.iter().flat_map(|entry| &entry.losses)
    }
}
