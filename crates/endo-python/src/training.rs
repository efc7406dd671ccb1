//! What training takes: data as arrays or as batches that Python makes, and options.
//!
//! In: tuples of lists of arrays, iterables, dictionaries. Out: data sets, streams and `Fit`.

use std::path::PathBuf;

use endo::data::{Dataset, Stream};
use endo::training::{BackupAndRestore, Fit};
use endo::{Array, DType, Error, ErrorKind};
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays;
use crate::callables::kept_outside;
use crate::errors::raised;

/// What a model is trained or judged on.
pub enum Data {
    Arrays(Dataset),
    /// An object whose `_batches` returns an iterator for a pass through the data.
    Batches(Py<PyAny>),
}

impl Data {
    /// A tuple of lists of arrays (inputs, targets, sample weights), of which the last two may be
    /// lists of pairs with the names of outputs; or an object with `_batches`.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyTuple>() {
            return Ok(Self::Arrays(dataset(object)?));
        }
        Ok(Self::Batches(object.clone().unbind()))
    }

    /// As what the library takes.
    pub fn stream(&self) -> Stream<'_> {
        match self {
            Self::Arrays(data) => data.into(),
            Self::Batches(object) => Stream::by_epoch(move |pass| Batches::new(object, pass)),
        }
    }
}

/// An iterator of batches that Python makes.
struct Batches {
    iterator: Option<Py<PyAny>>,
    error: Option<Error>,
}

impl Batches {
    fn new(object: &Py<PyAny>, pass: usize) -> Self {
        Python::attach(|py| match object.bind(py).call_method1("_batches", (pass,)) {
            Ok(iterator) => Self { iterator: Some(iterator.unbind()), error: None },
            Err(error) => Self { iterator: None, error: Some(kept(py, error)) },
        })
    }
}

fn kept(py: Python<'_>, error: PyErr) -> Error {
    kept_outside(py, ErrorKind::Data, "the data raised an exception", error)
}

impl Iterator for Batches {
    type Item = Result<Dataset, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let iterator = self.iterator.take()?;
        Python::attach(|py| match iterator.bind(py).call_method0("__next__") {
            Ok(batch) => {
                self.iterator = Some(iterator);
                Some(dataset(&batch).map_err(|error| kept(py, error)))
            }
            Err(error) if error.is_instance_of::<PyStopIteration>(py) => None,
            Err(error) => Some(Err(kept(py, error))),
        })
    }
}

/// Arrays with the names of the outputs that they are for, or none.
type Named<'py> = Vec<(Option<String>, Bound<'py, PyAny>)>;

/// A data set from `(inputs, targets, sample weights)`.
fn dataset(object: &Bound<'_, PyAny>) -> PyResult<Dataset> {
    let py = object.py();
    let (inputs, targets, weights): (Vec<Bound<'_, PyAny>>, Named<'_>, Named<'_>) =
        object.extract()?;
    let inputs: Vec<Array> =
        inputs.iter().map(|array| arrays::data(array, DType::F32)).collect::<PyResult<_>>()?;
    let of = |list: Named<'_>| {
        list.into_iter()
            .map(|(name, array)| Ok((name, arrays::data(&array, DType::F32)?)))
            .collect::<PyResult<Vec<_>>>()
    };
    let (targets, weights) = (of(targets)?, of(weights)?);
    let made = if targets.is_empty() {
        Dataset::inputs_only(inputs)
    } else if targets.iter().all(|(name, _)| name.is_some()) {
        Dataset::new(inputs, named(targets))
    } else {
        Dataset::new(inputs, unnamed(targets))
    };
    let made = match made {
        Ok(data) if weights.is_empty() => Ok(data),
        Ok(data) if weights.iter().all(|(name, _)| name.is_some()) => {
            data.with_sample_weight(named(weights))
        }
        Ok(data) => data.with_sample_weight(unnamed(weights)),
        Err(error) => Err(error),
    };
    made.map_err(|error| raised(py, error))
}

fn named(list: Vec<(Option<String>, Array)>) -> Vec<(String, Array)> {
    list.into_iter().map(|(name, array)| (name.unwrap_or_default(), array)).collect()
}

fn unnamed(list: Vec<(Option<String>, Array)>) -> Vec<Array> {
    list.into_iter().map(|(_, array)| array).collect()
}

/// The options of `fit`, read from Python.
pub struct FitOptions {
    epochs: usize,
    initial_epoch: usize,
    batch_size: usize,
    steps_per_epoch: Option<usize>,
    validation_steps: Option<usize>,
    validation_split: Option<f64>,
    validation_batch_size: Option<usize>,
    validation_freq: usize,
    shuffle: bool,
    class_weight: Vec<(usize, f64)>,
}

/// Reads the options of `fit` from a dictionary.
pub fn fit_options(options: &Bound<'_, PyDict>) -> PyResult<FitOptions> {
    fn item<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
    {
        match options.get_item(name)? {
            Some(value) if !value.is_none() => value.extract().map(Some),
            Some(_) | None => Ok(None),
        }
    }
    Ok(FitOptions {
        epochs: item(options, "epochs")?.unwrap_or(1),
        initial_epoch: item(options, "initial_epoch")?.unwrap_or(0),
        batch_size: item(options, "batch_size")?.unwrap_or(32),
        steps_per_epoch: item(options, "steps_per_epoch")?,
        validation_steps: item(options, "validation_steps")?,
        validation_split: item(options, "validation_split")?,
        validation_batch_size: item(options, "validation_batch_size")?,
        validation_freq: item(options, "validation_freq")?.unwrap_or(1),
        shuffle: item(options, "shuffle")?.unwrap_or(true),
        class_weight: item(options, "class_weight")?.unwrap_or_default(),
    })
}

impl FitOptions {
    /// As what the library takes.
    pub fn build<'a>(&self) -> Fit<'a> {
        let mut fit = Fit::epochs(self.epochs)
            .initial_epoch(self.initial_epoch)
            .batch_size(self.batch_size)
            .validation_freq(self.validation_freq)
            .shuffle(self.shuffle)
            .class_weight(self.class_weight.iter().copied());
        if let Some(steps) = self.steps_per_epoch {
            fit = fit.steps_per_epoch(steps);
        }
        if let Some(steps) = self.validation_steps {
            fit = fit.validation_steps(steps);
        }
        if let Some(share) = self.validation_split.filter(|&share| share != 0.0) {
            fit = fit.validation_split(share);
        }
        if let Some(size) = self.validation_batch_size {
            fit = fit.validation_batch_size(size);
        }
        fit
    }
}

/// What writes the state of a training, by its options: a path, after how many steps, and whether
/// it is removed at the end.
pub fn backups(options: &Bound<'_, PyDict>) -> PyResult<Vec<BackupAndRestore>> {
    let Some(listed) = options.get_item("backups")? else { return Ok(Vec::new()) };
    let listed: Vec<(PathBuf, Option<usize>, bool)> = listed.extract()?;
    let backup = |(path, steps, is_removed): (PathBuf, Option<usize>, bool)| {
        let backup = BackupAndRestore::new(path).delete_checkpoint(is_removed);
        match steps {
            Some(steps) => backup.save_freq(steps),
            None => backup,
        }
    };
    Ok(listed.into_iter().map(backup).collect())
}
