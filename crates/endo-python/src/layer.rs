//! Layers: those of the library, and those whose `call` is Python.
//!
//! In: a text, or a Python object with a `_run` method. Out: a handle that applies it in the trace
//! at hand, under its own name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use endo::constraints::IntoConstraint;
use endo::initializers::Zeros;
use endo::layers::{self, Layer, LayerOfSeveral};
use endo::regularizers::IntoRegularizer;
use endo::trace::{Context, Rounding, Weight};
use endo::{Array, DType, Error, ErrorKind, Shape, Tensor as Inner, Variable as InnerVariable};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};

use crate::arrays;
use crate::callables;
use crate::errors::{raised, usage};
use crate::frames::{Frame, failure, in_context, interned, keep_outside};
use crate::operands::operand;
use crate::tensor::Tensor;
use crate::variable::Variable;

/// A layer whose `call` is Python.
pub struct PythonLayer {
    object: Py<PyWeakrefReference>,
    kind: &'static str,
    name: Option<String>,
    /// Whether its `call` takes the mask.
    uses_mask: bool,
}

impl PythonLayer {
    pub fn new(object: &Bound<'_, PyAny>, kind: &str, name: Option<String>) -> PyResult<Self> {
        let uses_mask = object.getattr("_uses_mask")?.is_truthy()?;
        let object = PyWeakrefReference::new(object)?.unbind();
        Ok(Self { object, kind: interned(kind), name, uses_mask })
    }

    /// Whether what it returns is rounded, which is known once it was called.
    fn rounds(&self) -> bool {
        Python::attach(|py| {
            let object = self.object.bind(py).upgrade()?;
            object.getattr("_rounds").ok()?.extract().ok()
        })
        .unwrap_or(false)
    }

    fn run(&self, py: Python<'_>, inputs: &[Inner], frame: &Frame) -> PyResult<Vec<Inner>> {
        let object = self.object.bind(py).upgrade().ok_or_else(|| {
            usage(
                format!("a layer of type `{}` is used after it was deleted", self.kind),
                "keep the model in a variable of the program for as long as it is used",
            )
        })?;
        let inputs: Vec<Tensor> = inputs.iter().map(|x| Tensor::wrap(x, frame)).collect();
        let outputs = object.call_method1("_run", (inputs,))?;
        callables::list(&outputs, frame)
    }
}

impl Layer<Vec<Inner>, Vec<Inner>> for PythonLayer {
    fn call(&self, inputs: &Vec<Inner>, cx: &mut Context) -> Vec<Inner> {
        let call = |py: Python<'_>, frame: &Frame| self.run(py, inputs, frame);
        let outputs = callables::call_python(cx, call, callables::zero);
        if self.rounds() {
            // Until they are handed on, which is when they are rounded.
            cx.set_rounding(Rounding::Values);
        }
        outputs
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    /// What takes the mask says itself whether its outputs have one; of others a mask that is lost
    /// is warned of.
    fn uses_mask(&self) -> bool {
        self.uses_mask
    }
}

enum Kind {
    Python(Arc<PythonLayer>),
    Library(Arc<dyn Layer>),
    /// A layer of the library that takes or returns several tensors.
    OfSeveral(Arc<LayerOfSeveral>),
}

/// A layer that Python holds.
#[pyclass(frozen, module = "endo._native")]
pub struct LayerHandle {
    kind: Kind,
    /// The weights of a layer of the library, once it was applied.
    weights: OnceLock<Vec<InnerVariable>>,
    /// Whether a layer of the library rounds to numbers that a bfloat16 holds.
    rounds: AtomicBool,
}

impl LayerHandle {
    fn new(kind: Kind) -> Self {
        Self { kind, weights: OnceLock::new(), rounds: AtomicBool::new(false) }
    }

    /// The layer, if its `call` is Python.
    pub fn python_layer(&self) -> Option<&Arc<PythonLayer>> {
        match &self.kind {
            Kind::Python(layer) => Some(layer),
            Kind::Library(_) | Kind::OfSeveral(_) => None,
        }
    }
}

#[pymethods]
impl LayerHandle {
    /// The layer of the library that a text names.
    #[staticmethod]
    fn named(py: Python<'_>, text: &str) -> PyResult<Self> {
        let layer = layers::get(text).map_err(|error| raised(py, error))?;
        Ok(Self::new(Kind::Library(layer)))
    }

    /// The layer of several tensors that a text names: a recurrent layer with its states, or an
    /// attention with its weights.
    #[staticmethod]
    fn of_several(py: Python<'_>, text: &str) -> PyResult<Self> {
        let layer = layers::get_of_several(text).map_err(|error| raised(py, error))?;
        Ok(Self::new(Kind::OfSeveral(layer)))
    }

    /// A layer whose `call` is the object's `_run`, of which it keeps a weak reference.
    #[staticmethod]
    fn of(object: &Bound<'_, PyAny>, kind: &str, name: Option<String>) -> PyResult<Self> {
        let layer = Arc::new(PythonLayer::new(object, kind, name)?);
        Ok(Self::new(Kind::Python(layer)))
    }

    /// Whether a layer of the library rounds its kernels, what it multiplies by them and what it
    /// hands on to numbers that a bfloat16 holds, whatever is around it.
    #[setter]
    fn set_rounds(&self, rounds: bool) {
        self.rounds.store(rounds, Ordering::Relaxed);
    }

    /// Applies it in the trace at hand. `first_values` are callables by the names of weights: of
    /// the shape as a tuple, they return an array. `masks` are those of the inputs, or `None`.
    /// `seed` is that of the weights that it makes, where no model has one.
    #[pyo3(signature = (inputs, training=None, first_values=None, masks=None, seed=None))]
    fn apply(
        &self,
        inputs: &Bound<'_, PyAny>,
        training: Option<bool>,
        first_values: Option<Py<PyDict>>,
        masks: Option<Vec<Option<Bound<'_, PyAny>>>>,
        seed: Option<u64>,
    ) -> PyResult<Vec<Tensor>> {
        let py = inputs.py();
        in_context(py, |frame| {
            let mut inputs: Vec<Inner> =
                inputs.try_iter()?.map(|x| operand(&x?, None, frame)).collect::<PyResult<_>>()?;
            for (input, mask) in inputs.iter_mut().zip(masks.into_iter().flatten()) {
                let Some(mask) = mask else { continue };
                // The mask is for this call alone: elsewhere the tensor keeps its own.
                *input = Inner::custom_gradient(input, &[&*input], |dy| vec![dy.clone()]);
                let mask = operand(&mask, None, frame)?.cast(DType::Bool);
                frame.context().set_mask(input, &mask);
            }
            let training = training.unwrap_or_else(|| frame.context().training());
            let known = frame.context().layers().len();
            let apply = |cx: &mut Context| match first_values {
                Some(values) => cx.with_first_values(
                    move |name, shape| first_value(&values, name, shape),
                    |cx| self.apply_layer(&inputs, cx),
                ),
                None => self.apply_layer(&inputs, cx),
            };
            let rounds = self.rounds.load(Ordering::Relaxed);
            let rounding = if rounds { Rounding::Kernels } else { Rounding::Nothing };
            let apply = |cx: &mut Context| cx.with_rounding(rounding, apply);
            let outputs = frame.context().with_training(training, |cx| match seed {
                Some(seed) => cx.with_weight_seed(seed, apply),
                None => apply(cx),
            });
            let outputs = outputs.map_err(|error| failure(py, error))?;
            if self.python_layer().is_none() && self.weights.get().is_none() {
                let layers = frame.context().layers();
                let new = layers[known.min(layers.len())..]
                    .iter()
                    .flat_map(|record| record.weights.iter().cloned());
                _ = self.weights.set(new.collect());
            }
            Ok(outputs.iter().map(|output| Tensor::wrap(output, frame)).collect())
        })
    }

    /// The weights of a layer of the library; none before it was applied.
    fn weights(&self) -> Option<Vec<Variable>> {
        let weights = self.weights.get()?;
        Some(weights.iter().cloned().map(Variable::of).collect())
    }

    /// What the layer is made of, as a text by which it is made again.
    fn text(&self, name: &str) -> String {
        let hyperparameters = match &self.kind {
            Kind::Library(layer) => layer.hyperparameters(),
            Kind::OfSeveral(layer) => layer.hyperparameters(),
            Kind::Python(_) => return name.to_string(),
        };
        let options: Vec<String> =
            hyperparameters.iter().map(|(option, value)| format!("{option}={value}")).collect();
        format!("{name}({})", options.join(", "))
    }
}

impl LayerHandle {
    fn apply_layer(&self, inputs: &Vec<Inner>, cx: &mut Context) -> endo::Result<Vec<Inner>> {
        match &self.kind {
            Kind::Python(layer) => Ok(layer.apply(inputs, cx)),
            Kind::OfSeveral(layer) => Ok(layer.apply(inputs, cx)),
            Kind::Library(layer) => match &inputs[..] {
                [input] => Ok(vec![layer.apply(input, cx)]),
                several => {
                    let message = format!("the layer takes one tensor, got {}", several.len());
                    Err(Error::new(ErrorKind::Argument, message).help("give it one tensor"))
                }
            },
        }
    }
}

/// What Python says for the first value of a weight.
fn first_value(values: &Py<PyDict>, name: &str, shape: &Shape) -> Option<endo::Result<Array>> {
    Python::attach(|py| {
        let function = values.bind(py).get_item(name).ok().flatten()?;
        let sizes = arrays::shape_tuple(py, shape).ok()?;
        let value = function.call1((sizes,)).and_then(|value| arrays::array(&value));
        Some(match value {
            Ok(value) if value.shape() == shape => Ok(value),
            Ok(value) => {
                let message = format!(
                    "the initializer of `{name}` returned values of shape {}, not {shape}",
                    value.shape()
                );
                Err(Error::new(ErrorKind::Shape, message).help("return values of that shape"))
            }
            Err(error) => {
                let message = format!("the initializer of `{name}` failed: {}", error.value(py));
                keep_outside(error);
                Err(Error::new(ErrorKind::Argument, message))
            }
        })
    })
}

/// A variable with its name in its layer, its regularizer and its constraint.
type WeightUse = (Py<Variable>, String, Option<Py<PyAny>>, Option<Py<PyAny>>);

/// Says that a Python layer, which is being applied, has these weights: variables, each with its
/// name, a regularizer and a constraint, callables or `None`.
#[pyfunction]
pub fn use_weights(py: Python<'_>, layer: &LayerHandle, weights: Vec<WeightUse>) -> PyResult<()> {
    let Some(owner) = layer.python_layer() else { return Ok(()) };
    in_context(py, |frame| {
        for (variable, name, regularizer, constraint) in weights {
            let held = variable.get();
            let weight = {
                let mut weight =
                    held.weight.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                weight
                    .get_or_insert_with(|| {
                        let mut weight = Weight::of(name, held.inner.clone());
                        if let Some(function) = regularizer {
                            weight = weight.regularizer(regularizer_of(function));
                        }
                        if let Some(function) = constraint {
                            weight = weight.constraint(constraint_of(function));
                        }
                        Arc::new(weight)
                    })
                    .clone()
            };
            weight.get(&**owner, held.inner.shape(), &Zeros, frame.context());
        }
        Ok(())
    })
}

fn regularizer_of(function: Py<PyAny>) -> Arc<dyn endo::regularizers::Regularizer> {
    callables::of_one(function).into_regularizer()
}

fn constraint_of(function: Py<PyAny>) -> Arc<dyn endo::constraints::Constraint> {
    callables::of_one(function).into_constraint()
}

/// Adds a penalty to a weight that the trace has used: a callable.
#[pyfunction]
pub fn regularize(py: Python<'_>, variable: &Variable, function: Py<PyAny>) -> PyResult<()> {
    in_context(py, |frame| {
        frame.context().regularize(&variable.inner, regularizer_of(function));
        Ok(())
    })
}

/// Projects a weight that the trace has used after every update: by a callable.
#[pyfunction]
pub fn constrain(py: Python<'_>, variable: &Variable, function: Py<PyAny>) -> PyResult<()> {
    in_context(py, |frame| {
        frame.context().constrain(&variable.inner, constraint_of(function));
        Ok(())
    })
}

/// Gives a tensor the mask of its positions that count.
#[pyfunction]
pub fn set_mask(x: &Bound<'_, PyAny>, mask: &Bound<'_, PyAny>) -> PyResult<()> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let mask = operand(mask, None, frame)?.cast(DType::Bool);
        frame.context().set_mask(&x, &mask);
        Ok(())
    })
}

/// Adds a term to the loss: a scalar, or the sum of what has axes, as Keras adds it.
#[pyfunction]
pub fn add_loss(name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    in_context(value.py(), |frame| {
        let value = operand(value, None, frame)?;
        let value = if value.dtype().is_float() { value } else { value.cast(DType::F32) };
        frame.context().add_loss(name, if value.rank() == 0 { value } else { value.sum() });
        Ok(())
    })
}

/// Reports a value as its mean over the epoch.
#[pyfunction]
pub fn add_metric(name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    in_context(value.py(), |frame| {
        let value = operand(value, None, frame)?;
        let value = if value.dtype().is_float() { value } else { value.cast(DType::F32) };
        frame.context().add_metric(name, value.mean());
        Ok(())
    })
}
