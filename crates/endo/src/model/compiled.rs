//! What a model is compiled with.
//!
//! In: an optimizer, losses, metrics. Out: their names in reports.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Tensor, Tree};
use crate::losses::{self, Loss};
use crate::metrics::{IntoMetrics, Metric};
use crate::optimizers::{self, Optimizer};

use super::Model;
use super::balance::Balancing;

/// How a model is trained.
pub(crate) struct Compiled {
    pub optimizer: Arc<dyn Optimizer>,
    pub losses: Vec<Arc<dyn Loss>>,
    /// One for each loss, or none: all are 1.
    pub loss_weights: Vec<f64>,
    pub metrics: Vec<OutputMetric>,
    /// How the weights of the terms follow the training, if they do.
    pub balance: Option<Balancing>,
}

/// A metric of one output.
pub(crate) struct OutputMetric {
    pub output: usize,
    pub weighted: bool,
    pub metric: Arc<dyn Metric>,
}

impl Compiled {
    pub fn new(optimizer: Arc<dyn Optimizer>, losses: Vec<Arc<dyn Loss>>, metrics: Vec<Vec<Arc<dyn Metric>>>) -> Self {
        let mut compiled = Self { optimizer, losses, loss_weights: Vec::new(), metrics: Vec::new(), balance: None };
        compiled.set_all_metrics(false, metrics);
        compiled
    }

    /// Replaces the metrics of all outputs, those that weights apply to or the others.
    fn set_all_metrics(&mut self, weighted: bool, metrics: Vec<Vec<Arc<dyn Metric>>>) {
        self.metrics.retain(|known| known.weighted != weighted);
        for (output, metrics) in metrics.into_iter().enumerate() {
            self.set_metrics(output, weighted, metrics);
        }
    }

    /// Replaces the metrics of an output, those that weights apply to or the others.
    pub fn set_metrics(&mut self, output: usize, weighted: bool, metrics: Vec<Arc<dyn Metric>>) {
        self.metrics.retain(|known| (known.output, known.weighted) != (output, weighted));
        self.metrics.extend(metrics.into_iter().map(|metric| OutputMetric { output, weighted, metric }));
        self.metrics.sort_by_key(|known| (known.output, known.weighted));
    }

    /// The metrics with their names: of several outputs with the output's in front, and a weighted one that shares its name
    /// with a plain one as `weighted_` and that.
    pub fn named_metrics(&self, outputs: &[String]) -> Vec<(String, Arc<dyn Metric>)> {
        let named = |entry: &OutputMetric| {
            let name = entry.metric.name();
            let clash = entry.weighted
                && self
                    .metrics
                    .iter()
                    .any(|other| !other.weighted && other.output == entry.output && other.metric.name() == name);
            let name = if clash { format!("weighted_{name}") } else { name.to_string() };
            let name = match outputs {
                [] | [_] => name,
                several => several.get(entry.output).map_or(name.clone(), |output| format!("{output}_{name}")),
            };
            (name, entry.metric.clone())
        };
        self.metrics.iter().map(named).collect()
    }
}

impl<I: Tree, O: Tree> Model<I, O> {
    /// Chooses how to train: the optimizer (a value or a name), the loss (one, or one for each output, as values or names; `()`
    /// for none: a model can train on its internal terms alone), and metrics (an array, a tuple of several kinds, one of these
    /// for each output, or `()`).
    pub fn compile<K>(
        &mut self,
        optimizer: impl IntoOptimizer,
        loss: impl IntoLosses,
        metrics: impl IntoMetrics<K>,
    ) -> &mut Self {
        match optimizer.into_optimizer() {
            Ok(optimizer) => {
                self.compiled = Some(Compiled::new(optimizer, loss.into_losses(), metrics.into_metrics()));
                self.misuse.take_if(|error| error.kind() == ErrorKind::Argument);
            }
            Err(error) => self.misuse = Some(error),
        }
        self.steps.clear();
        self
    }

    /// Metrics that sample weights and class weights apply to, in lists as `compile` takes them; reported as `weighted_` and their
    /// name when a metric of the same name is compiled without weights.
    pub fn weighted_metrics<K>(&mut self, metrics: impl IntoMetrics<K>) -> &mut Self {
        self.change("weighted_metrics", |compiled| compiled.set_all_metrics(true, metrics.into_metrics()))
    }

    /// The metrics of one of several outputs, by its position; reported with the output's name in front.
    pub fn output_metrics<K>(&mut self, output: usize, metrics: impl IntoMetrics<K>) -> &mut Self {
        self.change("output_metrics", |compiled| compiled.set_metrics(output, false, metrics.into_metrics().concat()))
    }

    /// The metrics of one of several outputs that sample weights apply to.
    pub fn output_weighted_metrics<K>(&mut self, output: usize, metrics: impl IntoMetrics<K>) -> &mut Self {
        self.change("output_weighted_metrics", |compiled| compiled.set_metrics(output, true, metrics.into_metrics().concat()))
    }

    /// The factors of the compiled losses in the total, one for each. They touch no other term.
    pub fn loss_weights(&mut self, weights: impl IntoIterator<Item = f64>) -> &mut Self {
        self.change("loss_weights", |compiled| compiled.loss_weights = weights.into_iter().collect())
    }

    /// Changes what was compiled, by an option of this name. Before `compile` there is nothing to change, which the next step says.
    pub(super) fn change(&mut self, option: &str, change: impl FnOnce(&mut Compiled)) -> &mut Self {
        match &mut self.compiled {
            Some(compiled) => change(compiled),
            None => {
                let message =
                    format!("`{option}` was called before the model was compiled, and `compile` replaces what it was given");
                let help = format!("call `compile` first: `model.compile(..).{option}(..)`");
                self.misuse.get_or_insert(Error::new(ErrorKind::Usage, message).help(help));
            }
        }
        self.steps.clear();
        self
    }

    /// The compiled optimizer.
    pub fn optimizer(&self) -> Option<&Arc<dyn Optimizer>> {
        self.compiled.as_ref().map(|compiled| &compiled.optimizer)
    }

    /// What it is compiled with, if it is.
    ///
    /// # Errors
    /// What was wrong with what it was given.
    pub(crate) fn try_compiled(&self) -> Result<Option<&Compiled>> {
        let rule = self.compiled.as_ref().and_then(|compiled| compiled.balance.as_ref()).map(|balancing| balancing.rule);
        match self.misuse.clone().or_else(|| rule.and_then(|rule| rule.problem())) {
            Some(error) => Err(error),
            None => Ok(self.compiled.as_ref()),
        }
    }

    /// What it is compiled with.
    ///
    /// # Errors
    /// If it is not, and those of [`try_compiled`](Self::try_compiled).
    pub(crate) fn compiled(&self) -> Result<&Compiled> {
        self.try_compiled()?.ok_or_else(|| {
            let help = "call `model.compile(optimizer, loss, metrics)` first";
            Error::new(ErrorKind::Usage, "the model is not compiled").help(help)
        })
    }
}

/// The optimizer that a model is compiled with: a value, or Keras's name for one with its defaults.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new(Array::from([[1.0_f32]; 8]), Array::from([[2.0_f32]; 8]))?;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("nadam", "mse", ["mae"]);
/// assert!(model.fit(&data, Fit::epochs(1))?.last("mae").is_some());
///
/// model.compile("sgdd", "mse", ());
/// assert!(model.fit(&data, Fit::epochs(1)).unwrap_err().to_string().contains("did you mean `sgd`"));
/// # Ok::<(), endo::Error>(())
/// ```
pub trait IntoOptimizer {
    /// The optimizer.
    ///
    /// # Errors
    /// If there is none of that name.
    fn into_optimizer(self) -> Result<Arc<dyn Optimizer>>;
}

impl<T: Optimizer + 'static> IntoOptimizer for T {
    fn into_optimizer(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(self))
    }
}

impl IntoOptimizer for &str {
    fn into_optimizer(self) -> Result<Arc<dyn Optimizer>> {
        optimizers::get(self)
    }
}

/// A loss as it stands in `compile`: a value, or Keras's name for one; a wrong name is an error at the first step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss",
    note = "a loss is a value that implements `Loss`, a closure of two tensors, or a name such as \"mse\""
)]
pub trait IntoLoss {
    /// The loss.
    fn into_loss(self) -> Arc<dyn Loss>;
}

impl<L: Loss + 'static> IntoLoss for L {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self)
    }
}

impl IntoLoss for &str {
    fn into_loss(self) -> Arc<dyn Loss> {
        losses::get(self).unwrap_or_else(|error| {
            Arc::new(move |_: &Tensor, y_pred: &Tensor| {
                y_pred.trace().record(error.clone());
                y_pred.clone()
            })
        })
    }
}

/// The losses that a model is compiled with: one for every output, one for each, several on one output (all are added, and each
/// is reported), or `()` for none.
///
/// ```
/// use endo::prelude::*;
/// let data = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [4.0]])?;
/// let mut model = Model::new(Sequential::new());
/// model.compile("sgd", ("mse", Huber.delta(0.5)), ()).loss_weights([1.0, 2.0]);
/// assert_eq!(model.evaluate(&data)?.get("loss"), Some(2.0 + 2.0 * 0.4375));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a loss nor a list of losses",
    note = "give a loss, an array or tuple of losses and names, or `()`"
)]
pub trait IntoLosses {
    /// The losses in order.
    fn into_losses(self) -> Vec<Arc<dyn Loss>>;
}

impl<L: IntoLoss> IntoLosses for L {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        vec![self.into_loss()]
    }
}

impl IntoLosses for () {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        Vec::new()
    }
}

impl<L: IntoLoss, const N: usize> IntoLosses for [L; N] {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(IntoLoss::into_loss).collect()
    }
}

impl<L: IntoLoss> IntoLosses for Vec<L> {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(IntoLoss::into_loss).collect()
    }
}

macro_rules! tuples {
    ($(($($Loss:ident $loss:ident),+))+) => {
        $(
            impl<$($Loss: IntoLoss),+> IntoLosses for ($($Loss,)+) {
                fn into_losses(self) -> Vec<Arc<dyn Loss>> {
                    let ($($loss,)+) = self;
                    vec![$($loss.into_loss()),+]
                }
            }
        )+
    };
}

tuples! {
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
}
