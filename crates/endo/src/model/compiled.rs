//! What a model is compiled with.
//!
//! In: an optimizer, losses, metrics. Out: their names in reports.

use std::sync::Arc;

use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;

/// How a model is trained.
pub(crate) struct Compiled {
    pub optimizer: Arc<dyn Optimizer>,
    pub losses: Vec<Arc<dyn Loss>>,
    pub loss_weight: f64,
    pub metrics: Vec<Arc<dyn Metric>>,
    pub weighted_metrics: Vec<Arc<dyn Metric>>,
}

impl Compiled {
    pub fn new(optimizer: Arc<dyn Optimizer>, losses: Vec<Arc<dyn Loss>>, metrics: Vec<Arc<dyn Metric>>) -> Self {
        Self { optimizer, losses, loss_weight: 1.0, metrics, weighted_metrics: Vec::new() }
    }

    /// The metrics with their names: a weighted one that shares its name with a plain one is called `weighted_` and that.
    pub fn named_metrics(&self) -> Vec<(String, Arc<dyn Metric>)> {
        let plain: Vec<_> = self.metrics.iter().map(|metric| (metric.name().to_string(), metric.clone())).collect();
        let weighted = self.weighted_metrics.iter().map(|metric| {
            let clash = plain.iter().any(|(name, _)| name == metric.name());
            let name = if clash { format!("weighted_{}", metric.name()) } else { metric.name().to_string() };
            (name, metric.clone())
        });
        plain.iter().cloned().chain(weighted).collect()
    }

    /// The names of the compiled losses in the ledger: `main`, or their own when there are several.
    pub fn loss_names(&self) -> Vec<String> {
        match &self.losses[..] {
            [_] => vec!["main".to_string()],
            several => several.iter().map(|loss| loss.name().to_string()).collect(),
        }
    }
}

/// The losses that a model is compiled with: one, several on one output (all are added, and each is reported), or `()`.
pub trait IntoLoss {
    /// The losses in order.
    fn into_losses(self) -> Vec<Arc<dyn Loss>>;
}

impl<L: Loss + 'static> IntoLoss for L {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        vec![Arc::new(self)]
    }
}

impl IntoLoss for () {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        Vec::new()
    }
}

impl<A: Loss + 'static, B: Loss + 'static> IntoLoss for (A, B) {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        vec![Arc::new(self.0), Arc::new(self.1)]
    }
}
