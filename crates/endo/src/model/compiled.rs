//! What a model is compiled with.
//!
//! In: an optimizer, losses, metrics. Out: their names in reports.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::Tensor;
use crate::losses::{self, Loss};
use crate::metrics::Metric;
use crate::optimizers::{self, Optimizer};

/// How a model is trained.
pub(crate) struct Compiled {
    pub optimizer: Arc<dyn Optimizer>,
    pub losses: Vec<Arc<dyn Loss>>,
    /// One for each loss, or none: all are 1.
    pub loss_weights: Vec<f64>,
    pub metrics: Vec<OutputMetric>,
}

/// A metric of one output.
pub(crate) struct OutputMetric {
    pub output: usize,
    pub weighted: bool,
    pub metric: Arc<dyn Metric>,
}

impl Compiled {
    pub fn new(optimizer: Arc<dyn Optimizer>, losses: Vec<Arc<dyn Loss>>, metrics: Vec<Arc<dyn Metric>>) -> Self {
        let mut compiled = Self { optimizer, losses, loss_weights: Vec::new(), metrics: Vec::new() };
        compiled.set_metrics(0, false, metrics);
        compiled
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

impl IntoOptimizer for &'static str {
    fn into_optimizer(self) -> Result<Arc<dyn Optimizer>> {
        optimizers::get(self)
    }
}

/// The losses that a model is compiled with: one for every output, one for each, several on one output (all are added, and each
/// is reported), or `()` for none.
///
/// ```
/// # use endo::prelude::*;
/// let mut model = Model::new(Dense::new(1));
/// model.compile("sgd", "mse", ());
/// model.compile("sgd", Huber.delta(2.0), ());
/// model.compile("sgd", (MeanSquaredError, MeanAbsoluteError), ());
/// model.compile("sgd", |y_true: &Tensor, y_pred: &Tensor| (y_true - y_pred).abs(), ());
/// model.compile("sgd", (), ());
/// ```
pub trait IntoLoss {
    /// The losses in order.
    fn into_losses(self) -> Vec<Arc<dyn Loss>>;
}

impl<L: Loss + 'static> IntoLoss for L {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        vec![Arc::new(self)]
    }
}

/// A loss by Keras's name, `"mse"`; a wrong name is an error at the first step.
impl IntoLoss for &'static str {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        match losses::get(self) {
            Ok(loss) => vec![loss],
            Err(error) => vec![Arc::new(move |_: &Tensor, y_pred: &Tensor| {
                y_pred.trace().record(error.clone());
                y_pred.clone()
            })],
        }
    }
}

impl IntoLoss for () {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        Vec::new()
    }
}

impl<L: Loss + 'static, const N: usize> IntoLoss for [L; N] {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(|loss| Arc::new(loss) as Arc<dyn Loss>).collect()
    }
}

impl<L: Loss + 'static> IntoLoss for Vec<L> {
    fn into_losses(self) -> Vec<Arc<dyn Loss>> {
        self.into_iter().map(|loss| Arc::new(loss) as Arc<dyn Loss>).collect()
    }
}

macro_rules! tuples {
    ($(($($Loss:ident $loss:ident),+))+) => {
        $(
            impl<$($Loss: Loss + 'static),+> IntoLoss for ($($Loss,)+) {
                fn into_losses(self) -> Vec<Arc<dyn Loss>> {
                    let ($($loss,)+) = self;
                    vec![$(Arc::new($loss)),+]
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
