//! What layers add to a trace besides their outputs: terms of the loss, metrics, penalties of weights.
//!
//! In: scalars, and one value per sample. Out: all of them by name, each once.

use std::borrow::Borrow;
use std::panic::Location;

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::regularizers::Regularizer;

use super::context::Context;
use super::record::{HeldMetric, LossTerm, Mark, MetricTerm};

impl Context {
    /// Adds a scalar to the loss: a penalty on anything the model computes. No weight of samples, classes or outputs
    /// touches it. Its name is unique within the layer.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # struct Sparse;
    /// impl Layer for Sparse {
    ///     fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
    ///         cx.add_loss("activity", 0.01 * inputs.abs().mean());
    ///         inputs.clone()
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn add_loss(&mut self, name: &str, term: impl Borrow<Tensor>) {
        self.add_scalar_loss(name, term.borrow(), Location::caller());
    }

    /// Adds a term that a model was given from outside its `call`, unless it is there already: such a term counts once, however
    /// often the model is applied. By its identity it is known again while the trace lasts.
    pub(crate) fn add_loss_once(
        &mut self,
        identity: usize,
        name: &str,
        term: &dyn Fn(&mut Self) -> Tensor,
        site: &'static Location<'static>,
    ) {
        if !self.added_once.contains(&identity) {
            self.added_once.push(identity);
            let term = term(self);
            self.add_scalar_loss(name, &term, site);
        }
    }

    pub(super) fn add_scalar_loss(&mut self, name: &str, term: &Tensor, site: &'static Location<'static>) {
        if !term.shape().is_scalar() {
            let message = format!("the loss term `{name}` has shape {}, and has to be a scalar", term.shape());
            let help = "reduce it with `.mean()` or `.sum()`, or use `add_sample_loss` for one value per sample";
            return self.trace.record(Error::new(ErrorKind::Shape, message).help(help).at(site));
        }
        self.push_loss(name, term, false, site);
    }

    /// Adds one value per sample to the loss; sample weights and masks apply to it, as to the main loss, and the mean over
    /// the batch is taken.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| {
    ///     cx.add_sample_loss("size", x.abs().mean_axes(&[-1]));
    ///     [cx.losses().remove(0)] // its mean
    /// });
    /// assert_eq!(f.run([&[[1.0_f32, 3.0], [0.0, 0.0]].into()])?[0].item()?, 1.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn add_sample_loss(&mut self, name: &str, per_sample: impl Borrow<Tensor>) {
        let (term, site) = (per_sample.borrow(), Location::caller());
        if term.rank() != 1 {
            let message = format!("the sample loss `{name}` has shape {}, and has to have one value per sample", term.shape());
            let help = "reduce all axes but the first, for example with `.mean_axes(&[-1])`";
            return self.trace.record(Error::new(ErrorKind::Shape, message).help(help).at(site));
        }
        self.push_loss(name, term, true, site);
    }

    fn push_loss(&mut self, name: &str, term: &Tensor, per_sample: bool, site: &'static Location<'static>) {
        let name = self.full_name(name);
        if self.losses.iter().any(|known| known.name == name) {
            let message = format!("two loss terms of one call are called `{name}`");
            let help = "give each a name of its own, for example with `format!(\"activity_{i}\")`";
            return self.trace.record(Error::new(ErrorKind::Argument, message).help(help).at(site));
        }
        let value = term.convert(term.dtype().promote(DType::F32), site);
        self.losses.push(LossTerm { name, value, per_sample, site });
    }

    /// Adds the penalty of a layer's output, divided by the size of its first axis.
    #[track_caller]
    pub fn add_activity_loss(&mut self, regularizer: &dyn Regularizer, output: &Tensor) {
        let penalty = regularizer.penalty(output) / output.batch() as f64;
        self.add_loss("activity", penalty);
    }

    /// Reports a scalar as a mean over the epoch, weighted by batch size, under a name unique within the layer. It does not
    /// change gradients.
    #[track_caller]
    pub fn add_metric(&mut self, name: &str, value: impl Borrow<Tensor>) {
        self.add_scalar_metric(name, value.borrow(), Location::caller());
    }

    pub(super) fn add_scalar_metric(&mut self, name: &str, value: &Tensor, site: &'static Location<'static>) {
        if !value.shape().is_scalar() {
            let message = format!("the metric `{name}` has shape {}, and has to be a scalar", value.shape());
            return self
                .trace
                .record(Error::new(ErrorKind::Shape, message).help("reduce it with `.mean()` or `.sum()`").at(site));
        }
        let name = self.full_name(name);
        if self.metrics.iter().any(|known| known.name == name) {
            let message = format!("two metrics of one call are called `{name}`");
            return self.trace.record(Error::new(ErrorKind::Argument, message).help("give each a name of its own").at(site));
        }
        let value = value.stop_gradient().convert(value.dtype().promote(DType::F32), site);
        self.metrics.push(MetricTerm { name, value, batch: self.batch });
    }

    /// All loss terms from inside the models applied so far in this trace: those added by layers, sample losses as their
    /// means, and the penalties on the weights used, once for each weight. What Keras calls `model.losses`.
    #[track_caller]
    pub fn losses(&mut self) -> Vec<Tensor> {
        let added = self.losses.iter().map(|term| if term.per_sample { term.value.mean() } else { term.value.clone() });
        let added: Vec<Tensor> = added.collect();
        added.into_iter().chain(self.penalties().into_iter().map(|(_, penalty)| penalty)).collect()
    }

    /// The loss terms that layers have added so far, by name, without the penalties on weights.
    pub fn loss_terms(&self) -> &[LossTerm] {
        &self.losses
    }

    /// The metrics that layers have added so far.
    pub fn metric_terms(&self) -> &[MetricTerm] {
        &self.metrics
    }

    /// The penalties of the trainable weights used so far, by the weights' names, evaluated on the values that the run
    /// starts with.
    #[track_caller]
    pub fn penalties(&mut self) -> Vec<(String, Tensor)> {
        let site = Location::caller();
        let mut penalties = Vec::new();
        for used in &mut self.weights {
            let (Some(regularizer), true) = (&used.regularizer, used.variable.is_trainable()) else { continue };
            let penalty = used.penalty.get_or_insert_with(|| {
                let value = self.trace.first_read(&used.variable).unwrap_or_else(|| self.trace.read(&used.variable, site));
                regularizer.penalty(&value)
            });
            penalties.push((used.variable.name().to_string(), penalty.clone()));
        }
        penalties
    }

    /// Where the context is now, to find later what was added since.
    pub fn mark(&self) -> Mark {
        Mark { losses: self.losses.len(), metrics: self.metrics.len(), held: self.held.len() }
    }

    /// The loss terms added since a mark.
    pub fn loss_terms_since(&self, mark: Mark) -> &[LossTerm] {
        &self.losses[mark.losses..]
    }

    /// The metrics added since a mark.
    pub fn metric_terms_since(&self, mark: Mark) -> &[MetricTerm] {
        &self.metrics[mark.metrics..]
    }

    /// Notes a metric that the layer being applied updates; outside all layers it is the loop's own, and nothing is noted.
    pub(crate) fn hold_metric(&mut self, metric: HeldMetric) {
        if self.scopes.innermost().is_some() && self.held.iter().all(|known| known.name != metric.name) {
            self.held.push(metric);
        }
    }

    /// The metrics that layers hold and have updated since a mark.
    pub(crate) fn held_since(&self, mark: Mark) -> &[HeldMetric] {
        &self.held[mark.held..]
    }
}
