//! The metrics inside a net: what its layers give to `add_metric`, and the metrics that they hold
//! as fields.
//!
//! In: what a trace has added since a mark. Out: each of them by name, updated within the trace.

use std::sync::Arc;

use crate::graph::{Tensor, Tree};
use crate::metrics::{Mean, Metric};
use crate::named::Hyperparameters;
use crate::trace::{Context, HeldMetric, Mark, MetricTerm};
use crate::variable::Variable;

use super::{Net, TracedParts};

impl<I: Tree, O: Tree> Net<I, O> {
    /// Notes the metrics added since a mark, for a batch of `batch` samples, and updates their
    /// means: those of layers, or those that a step of one's own has added `outside` of all models.
    #[track_caller]
    pub fn update_metrics(&self, mark: Mark, batch: usize, outside: bool, cx: &mut Context) {
        for held in cx
            .held_since(mark)
            .iter()
            .filter(|held| held.is_outside == outside)
            .cloned()
            .collect::<Vec<_>>()
        {
            // A metric may be code of a program in another language, which may ask for this net.
            let known = self.seen().held_metrics.clone();
            if known.iter().all(|known| !held.is_same(known.name(), &known.variables())) {
                self.seen().held_metrics.push(Arc::new(FieldMetric(held)));
            }
        }
        let terms: Vec<MetricTerm> = cx
            .metric_terms_since(mark)
            .iter()
            .filter(|term| term.is_outside == outside)
            .cloned()
            .collect();
        let scale = batch as f64;
        for (mean, term) in self.means(&terms).iter().zip(&terms) {
            mean.add(&(&term.value * scale), scale, cx);
        }
    }

    /// The means that `add_metric` terms go into, made when a term first appears.
    fn means(&self, terms: &[MetricTerm]) -> Vec<Arc<Mean>> {
        let mut seen = self.seen();
        let find = |seen: &mut TracedParts, term: &MetricTerm| {
            if let Some(known) =
                seen.added_metrics.iter().find(|known| known.mean.name() == term.name)
            {
                return known.mean.clone();
            }
            let mean = Arc::new(Mean::new(&term.name));
            seen.added_metrics.push(AddedMetric { mean: mean.clone(), parts: term.parts });
            mean
        };
        terms.iter().map(|term| find(&mut seen, term)).collect()
    }

    /// The means of what layers add.
    pub fn added_metrics(&self) -> Vec<AddedMetric> {
        self.seen().added_metrics.clone()
    }

    /// The metrics that layers hold.
    pub fn held_metrics(&self) -> Vec<Arc<dyn Metric>> {
        self.seen().held_metrics.clone()
    }
}

/// The mean over an epoch of what layers add under one name.
#[derive(Clone)]
pub(crate) struct AddedMetric {
    pub mean: Arc<Mean>,
    /// How many parts of its path are its own name.
    pub parts: usize,
}

/// A metric that a layer holds as a field.
struct FieldMetric(HeldMetric);

impl Metric for FieldMetric {
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The layer updates it.
    fn update(&self, _: &Tensor, _: &Tensor, _: Option<&Tensor>, _: &mut Context) {}

    fn result(&self, cx: &mut Context) -> Tensor {
        (self.0.result)(cx)
    }

    fn variables(&self) -> Vec<Variable> {
        (self.0.variables)()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.0.hyperparameters.clone()
    }
}
