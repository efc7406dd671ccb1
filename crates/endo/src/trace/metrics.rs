//! Metrics that layers add to a trace, and those that they hold and update.
//!
//! In: scalars by name, and metrics with variables of their own. Out: all of them by name, each
//! once, and those since a mark.

use std::borrow::Borrow;

use crate::dtype::DType;
use crate::error::ErrorKind;
use crate::graph::Tensor;
use crate::site::Site;

use super::context::Context;
use super::record::{HeldMetric, Mark, MetricTerm};
use super::terms::{parts_of, reserved};

impl Context {
    /// Reports a scalar as a mean over the epoch, weighted by batch size, under a name unique
    /// within the layer. It does not change gradients.
    #[track_caller]
    pub fn add_metric(&mut self, name: &str, value: impl Borrow<Tensor>) {
        self.add_scalar_metric(name, value.borrow(), Site::caller());
    }

    pub(super) fn add_scalar_metric(&mut self, name: &str, value: &Tensor, site: Site) {
        if !value.shape().is_scalar() {
            let message =
                format!("the metric `{name}` must be a scalar, got shape {}", value.shape());
            let help = "reduce it with `.mean()` or `.sum()`";
            return self.trace.refuse(ErrorKind::Shape, message, help, site);
        }
        if let Some(error) = reserved("metric", name) {
            return self.trace.record(error.at(site));
        }
        let (name, parts) = (self.full_name(name), parts_of(name));
        let outermost = self.owners().first().copied();
        if self.metrics.iter().any(|known| known.name == name && known.outermost == outermost) {
            let message = format!("two metrics of one call are called `{name}`");
            let help = "give each a name of its own";
            return self.trace.refuse(ErrorKind::Argument, message, help, site);
        }
        let value = value.stop_gradient().convert(value.dtype().promote(DType::F32), site);
        let is_outside = self.is_outside();
        self.metrics.push(MetricTerm {
            name,
            parts,
            value,
            batch: self.batch,
            is_outside,
            outermost,
        });
    }

    /// The metrics that layers have added so far.
    pub fn metric_terms(&self) -> &[MetricTerm] {
        &self.metrics
    }

    /// The metrics added since a mark.
    pub fn metric_terms_since(&self, mark: Mark) -> &[MetricTerm] {
        &self.metrics[mark.metrics..]
    }

    /// Notes a metric that the layer being applied updates, or a custom step; in other functions a
    /// metric outside all layers is the loop's own, and nothing is noted.
    #[track_caller]
    pub(crate) fn hold_metric(&mut self, metric: HeldMetric) {
        let is_outside = self.is_outside();
        if is_outside && !self.is_step {
            return;
        }
        // A custom step may say itself what is reported as `loss`.
        if let Some(error) =
            reserved("metric", &metric.name).filter(|_| !is_outside || metric.name != "loss")
        {
            return self.trace.record(error.at(Site::caller()));
        }
        if self.held.iter().all(|known| !known.is_same(&metric.name, &(metric.variables)())) {
            self.held.push(HeldMetric { is_outside, ..metric });
        }
    }

    /// Whether neither a layer nor a model is being applied.
    fn is_outside(&self) -> bool {
        self.scopes.innermost().is_none()
    }

    /// The metrics that layers hold and have updated so far.
    pub(crate) fn held_metrics(&self) -> &[HeldMetric] {
        &self.held
    }

    /// The metrics that layers hold and have updated since a mark.
    pub(crate) fn held_since(&self, mark: Mark) -> &[HeldMetric] {
        &self.held[mark.held..]
    }
}
