//! Models: a Python layer with what it is compiled with, trained and asked by the library.
//!
//! In: arrays or batches, and options by Keras's names. Out: histories, logs, predictions, files.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use endo::losses::Loss;
use endo::metrics::Metric;
use endo::model::Model;
use endo::optimizers::Optimizer;
use endo::training::Evaluate;
use endo::{Array, Error, Tensor as Inner};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays;
use crate::callbacks::{Interruptible, PythonCallbacks};
use crate::errors::{raised, usage};
use crate::frames::{failure, in_context, take_pending, warn};
use crate::layer::LayerHandle;
use crate::losses::LossHandle;
use crate::metrics::MetricHandle;
use crate::operands::operand;
use crate::optimizer::OptimizerHandle;
use crate::phrases::in_python;
use crate::steps;
use crate::tensor::Tensor;
use crate::training::{self, Data};

type PythonModel = Model<Vec<Inner>, Vec<Inner>>;

/// Numbers by name.
type Numbers = Vec<(String, f64)>;

/// A model that Python holds.
#[pyclass(frozen, module = "endo._native")]
pub struct ModelHandle {
    model: RwLock<PythonModel>,
}

impl ModelHandle {
    fn read(&self) -> PyResult<RwLockReadGuard<'_, PythonModel>> {
        match self.model.try_read() {
            Ok(model) => Ok(model),
            // What panicked has left nothing half done that a later call relies on.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(usage("the model is being compiled", "call its methods one after another"))
            }
        }
    }

    fn write(&self) -> PyResult<RwLockWriteGuard<'_, PythonModel>> {
        match self.model.try_write() {
            Ok(model) => Ok(model),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(usage(
                "the model is being trained or used while it is compiled",
                "compile it before or after, not in a callback or another thread",
            )),
        }
    }

    /// Runs without the interpreter lock; what Python raised meanwhile comes out.
    fn detached<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&PythonModel) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        let model = self.read()?;
        let result = py.detach(|| f(&model));
        let result = result.map_err(|error| failure(py, error))?;
        if let Some(error) = take_pending() {
            return Err(error);
        }
        Ok(result)
    }
}

#[pymethods]
impl ModelHandle {
    /// A model of a layer whose `call` is Python.
    #[new]
    fn new(layer: &LayerHandle, seed: u64) -> PyResult<Self> {
        let Some(layer) = layer.python_layer() else {
            return Err(usage("a model of a layer of the library", "put it in a `Sequential`"));
        };
        let model = Model::new(layer.clone()).seed(seed).print_warnings(false);
        Ok(Self { model: RwLock::new(model) })
    }

    /// Applies it in the trace at hand.
    fn apply(&self, inputs: &Bound<'_, PyAny>, training: Option<bool>) -> PyResult<Vec<Tensor>> {
        in_context(inputs.py(), |frame| {
            let inputs: Vec<Inner> =
                inputs.try_iter()?.map(|x| operand(&x?, None, frame)).collect::<PyResult<_>>()?;
            let training = training.unwrap_or_else(|| frame.context().training());
            let model = self.read()?;
            let outputs = frame.context().with_training(training, |cx| model.apply(&inputs, cx));
            Ok(outputs.iter().map(|output| Tensor::wrap(output, frame)).collect())
        })
    }

    /// The terms of its loss in the trace at hand, without the first ones: those of calls before.
    fn losses(&self, py: Python<'_>, skipped: usize) -> PyResult<Vec<Tensor>> {
        in_context(py, |frame| {
            let model = self.read()?;
            let skipped = skipped.min(model.loss_term_count(frame.context()));
            let losses = model.losses(frame.context());
            Ok(losses[skipped..].iter().map(|loss| Tensor::wrap(loss, frame)).collect())
        })
    }

    /// How many terms its layers have added to its loss in the trace at hand.
    fn loss_term_count(&self, py: Python<'_>) -> PyResult<usize> {
        in_context(py, |frame| Ok(self.read()?.loss_term_count(frame.context())))
    }

    /// Chooses how it is trained. Each output has a name, or none, and losses; metrics are lists,
    /// one for each output.
    #[allow(clippy::too_many_arguments)]
    fn compile(
        &self,
        optimizer: Option<&OptimizerHandle>,
        losses: Vec<(Option<String>, Vec<Py<LossHandle>>)>,
        metrics: Vec<(Option<String>, Vec<Py<MetricHandle>>)>,
        weighted_metrics: Vec<(Option<String>, Vec<Py<MetricHandle>>)>,
        loss_weights: Vec<(Option<String>, f64)>,
        run_eagerly: bool,
    ) -> PyResult<()> {
        let mut model = self.write()?;
        model.set_run_eagerly(run_eagerly);
        let of = |losses: Vec<Py<LossHandle>>| -> Vec<Arc<dyn Loss>> {
            losses.iter().map(|loss| loss.get().loss.clone()).collect()
        };
        let is_named = losses.iter().any(|(name, _)| name.is_some());
        let optimizer = optimizer.map(|optimizer| optimizer.optimizer.clone());
        if is_named {
            let losses: Vec<(String, Vec<Arc<dyn Loss>>)> = losses
                .into_iter()
                .map(|(name, losses)| (name.unwrap_or_default(), of(losses)))
                .collect();
            let losses: Vec<(&str, Vec<Arc<dyn Loss>>)> =
                losses.iter().map(|(name, losses)| (name.as_str(), losses.clone())).collect();
            compile(&mut model, optimizer, losses);
        } else {
            let losses: Vec<Vec<Arc<dyn Loss>>> =
                losses.into_iter().map(|(_, losses)| of(losses)).collect();
            compile(&mut model, optimizer, losses);
        }
        let lists = [(metrics, false), (weighted_metrics, true)];
        for (list, is_weighted) in lists {
            for (position, (name, metrics)) in list.into_iter().enumerate() {
                let metrics: Vec<Arc<dyn Metric>> =
                    metrics.iter().map(|metric| metric.get().metric.clone()).collect();
                if metrics.is_empty() {
                    continue;
                }
                match (name, is_weighted) {
                    (Some(name), false) => model.output_metrics(name, metrics),
                    (Some(name), true) => model.output_weighted_metrics(name, metrics),
                    (None, false) => model.output_metrics(position, metrics),
                    (None, true) => model.output_weighted_metrics(position, metrics),
                };
            }
        }
        if loss_weights.iter().any(|(name, _)| name.is_some()) {
            let weights = loss_weights
                .iter()
                .map(|(name, weight)| (name.as_deref().unwrap_or_default(), *weight));
            model.loss_weights(weights);
        } else if !loss_weights.is_empty() {
            model.loss_weights(loss_weights.iter().map(|(_, weight)| *weight));
        }
        Ok(())
    }

    /// Makes the weights, for inputs of these shapes and types.
    fn build(&self, py: Python<'_>, inputs: Vec<(Vec<usize>, Bound<'_, PyAny>)>) -> PyResult<()> {
        let zeros = |(shape, dtype): &(Vec<usize>, Bound<'_, PyAny>)| {
            Ok(Array::zeros(shape.clone(), arrays::dtype(dtype)?))
        };
        let inputs: Vec<Array> = inputs.iter().map(zeros).collect::<PyResult<_>>()?;
        self.detached(py, |model| model.build_on(&inputs))
    }

    /// Has steps be callables, where they are given, instead of the usual: of lists of inputs,
    /// targets and sample weights, they return the loss; that which predicts takes inputs.
    #[pyo3(signature = (train=None, test=None, predict=None))]
    fn set_steps(
        &self,
        train: Option<Py<PyAny>>,
        test: Option<Py<PyAny>>,
        predict: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut model = self.write()?;
        if let Some(function) = train {
            model.train_step(steps::loss_step(function));
        }
        if let Some(function) = test {
            model.test_step(steps::loss_step(function));
        }
        if let Some(function) = predict {
            model.predict_step(steps::predict_step(function));
        }
        Ok(())
    }

    /// Has all that was traced be traced anew.
    fn forget_traces(&self) -> PyResult<()> {
        self.read()?.forget_traces();
        Ok(())
    }

    /// Trains; the epochs, each the numbers by name.
    fn fit(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        callbacks: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Vec<(String, f64)>>> {
        let data = Data::of(data)?;
        let validation = match options.get_item("validation_data")? {
            Some(validation) if !validation.is_none() => Some(Data::of(&validation)?),
            Some(_) | None => None,
        };
        let fit = training::fit_options(options)?;
        let backups = training::backups(options)?;
        let events =
            callbacks.as_ref().map(|list| PythonCallbacks::events(py, list)).transpose()?;
        let history = self.detached(py, |model| {
            let mut fit = fit.build();
            if let Some(validation) = &validation {
                fit = fit.validation(validation.stream());
            }
            fit = fit.callback(Interruptible::new());
            if let (Some(list), Some(events)) = (callbacks, events) {
                fit = fit.callback(PythonCallbacks::new(list, events));
            }
            for backup in backups {
                fit = fit.callback(backup);
            }
            let mut run = model.run(data.stream(), fit)?;
            while run.next_batch()? {
                run.train_on_batch()?;
            }
            run.finish()
        })?;
        Ok(history.epochs.into_iter().map(|epoch| epoch.logs.0).collect())
    }

    /// Judges it on data: the numbers by name, and which of them are terms of the loss.
    fn evaluate(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        batch_size: usize,
        steps: Option<usize>,
    ) -> PyResult<(Numbers, Vec<String>)> {
        let data = Data::of(data)?;
        let logs = self.detached(py, |model| {
            let mut options = Evaluate::new().batch_size(batch_size).callback(Interruptible::new());
            if let Some(steps) = steps {
                options = options.steps(steps);
            }
            model.evaluate_with(data.stream(), options)
        })?;
        let terms = self.read()?.structure().terms;
        Ok((logs.0, terms.into_iter().map(|term| term.name).collect()))
    }

    /// One step of training, or of testing, on a batch; with a weight for each class, or none.
    fn on_batch(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        trains: bool,
        class_weight: Vec<(usize, f64)>,
    ) -> PyResult<Vec<(String, f64)>> {
        let Data::Arrays(mut batch) = Data::of(data)? else {
            return Err(usage("a batch is given as arrays", "give x and y as arrays"));
        };
        if !class_weight.is_empty() {
            batch = batch
                .with_class_weight_of_batch(class_weight)
                .map_err(|error| raised(py, error))?;
        }
        let logs = self.detached(py, |model| {
            if trains { model.step_on_batch(&batch) } else { model.test_on_batch(&batch) }
        })?;
        Ok(logs.0)
    }

    /// Its outputs for inputs, as NumPy arrays.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let inputs: Vec<Array> = inputs
            .iter()
            .map(|input| arrays::data(input, endo::DType::F32))
            .collect::<PyResult<_>>()?;
        let outputs = self.detached(py, |model| model.predict(&inputs))?;
        outputs.into_iter().map(|output| arrays::numpy(py, output)).collect()
    }

    /// The layers as a table.
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        let summary = self.read()?.summary().map_err(|error| raised(py, error))?;
        Ok(summary.to_string())
    }

    fn save_weights(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        self.detached(py, |model| model.save_weights(path))
    }

    fn load_weights(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        self.detached(py, |model| model.load_weights(path))
    }

    /// Writes weights, losses, metrics and the state of the optimizer.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        self.detached(py, |model| model.save(path))
    }

    fn load(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        self.detached(py, |model| model.load(path))
    }

    /// Writes what it predicts, without Python.
    fn export(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        self.detached(py, |model| model.export(path))
    }

    fn metric_results(&self, py: Python<'_>) -> PyResult<Vec<(String, f64)>> {
        self.detached(py, |model| model.metric_results())
    }

    fn reset_metrics(&self, py: Python<'_>) -> PyResult<()> {
        self.detached(py, |model| {
            model.reset_metrics();
            Ok(())
        })
    }

    fn output_names(&self) -> PyResult<Vec<String>> {
        Ok(self.read()?.output_names())
    }

    /// What was warned of so far.
    fn warnings(&self) -> PyResult<Vec<String>> {
        Ok(self.read()?.warnings().into_iter().map(in_python).collect())
    }

    /// Raises the warnings as Python's.
    fn raise_warnings(&self, py: Python<'_>, lines: Vec<String>) -> PyResult<()> {
        warn(py, lines)
    }

    /// The names of the terms of its loss.
    fn terms(&self) -> PyResult<Vec<String>> {
        Ok(self.read()?.structure().terms.into_iter().map(|term| term.name).collect())
    }

    /// The paths and types of its layers.
    fn structure<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let structure = self.read()?.structure();
        let layers = structure.layers.iter().map(|layer| (layer.path.clone(), layer.kind.clone()));
        PyList::new(py, layers.collect::<Vec<_>>())
    }
}

fn compile<K, L: endo::model::IntoLosses<K>>(
    model: &mut PythonModel,
    optimizer: Option<Arc<dyn Optimizer>>,
    losses: L,
) {
    match optimizer {
        Some(optimizer) => model.compile(optimizer, losses, ()),
        None => model.compile((), losses, ()),
    };
}
