//! Variables in Python: what layers learn, and what a program keeps.
//!
//! In: a name and a first value. Out: a handle of the variable, whose value is read in the trace at
//! hand and assigned there.

use std::sync::{Arc, Mutex};

use endo::trace::Weight;
use endo::{Array, DType, Variable as Inner};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays;
use crate::errors::{self, OF_PARTS, no_attribute, raised};
use crate::exchange;
use crate::frames::{in_context, innermost};
use crate::tensor::{DTypeName, Tensor};

/// A named array that outlives a trace.
#[pyclass(frozen, subclass, weakref, dict, module = "endo._native")]
pub struct Variable {
    pub inner: Inner,
    /// As what a layer holds it, once it does.
    pub weight: Mutex<Option<Arc<Weight>>>,
}

/// The value of a variable: a tensor, which returns itself when it is called, since it is spelt
/// `variable.value()` in TensorFlow and `variable.value` in Keras.
#[pyclass(frozen, extends = Tensor, module = "endo._native")]
pub struct Value;

#[pymethods]
impl Value {
    /// The tensor itself.
    fn __call__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
}

impl Variable {
    pub fn of(inner: Inner) -> Self {
        Self { inner, weight: Mutex::new(None) }
    }

    /// Its value now, in the trace at hand if that has assigned it.
    pub fn now(&self, py: Python<'_>) -> PyResult<Array> {
        match innermost() {
            Some(frame) if frame.is_eager() => {
                in_context(py, |frame| Ok(frame.value(frame.context().read(&self.inner).id())))
                    .map(|value| value.unwrap_or_else(|| self.inner.value()))
            }
            _ => Ok(self.inner.value()),
        }
    }

    /// Fails where a variable of integers would be given floats, whose fractions it cannot hold.
    fn require_whole(&self, py: Python<'_>, given: DType) -> PyResult<()> {
        if self.inner.dtype().is_float() || !given.is_float() {
            return Ok(());
        }
        let (name, dtype) = (self.inner.name(), arrays::dtype_name(self.inner.dtype()));
        let message = format!("the variable `{name}` holds {dtype}, and is given floats");
        let help = "make it with floats, as in `tf.Variable(0.0)`, or give it `tf.cast(value, ..)`";
        Err(errors::dtype(py, message, help))
    }

    fn tensor(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.read_value(py)
    }

    fn assign_in(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        combine: impl FnOnce(endo::Tensor, endo::Tensor) -> endo::Tensor,
    ) -> PyResult<()> {
        in_context(py, |frame| {
            let like = frame.context().read(&self.inner);
            let value = crate::operands::operand(value, Some(&like), frame)?;
            self.require_whole(py, value.dtype())?;
            let value = value.cast(self.inner.dtype());
            frame.context().assign(&self.inner, combine(like, value));
            Ok(())
        })
    }
}

#[pymethods]
impl Variable {
    /// A variable with a first value, as TensorFlow's `tf.Variable`.
    #[new]
    #[pyo3(signature = (initial_value, trainable=None, name=None, dtype=None, shape=None))]
    fn new(
        initial_value: &Bound<'_, PyAny>,
        trainable: Option<bool>,
        name: Option<&str>,
        dtype: Option<&Bound<'_, PyAny>>,
        shape: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let value = if initial_value.is_callable() {
            arrays::array(&initial_value.call0()?)?
        } else {
            arrays::array(initial_value)?
        };
        let value = match dtype {
            Some(dtype) if !dtype.is_none() => value.cast(arrays::dtype(dtype)?),
            Some(_) | None => value,
        };
        if let Some(shape) = shape {
            arrays::require_shape(value.shape(), shape, "the first value of the variable")?;
        }
        let inner = Inner::new(name.unwrap_or("Variable"), value);
        inner.set_trainable(trainable.unwrap_or(true));
        Ok(Self::of(inner))
    }

    /// The number that tells it from all others.
    #[getter]
    fn _id(&self) -> u64 {
        self.inner.id()
    }

    /// Its name, with the path of its layer.
    #[getter]
    fn path(&self) -> &str {
        self.inner.name()
    }

    /// Its name within its layer.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name().rsplit('/').next().unwrap_or_default()
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sizes = arrays::shape_tuple(py, self.inner.shape())?;
        py.import("endo._dtypes")?.getattr("TensorShape")?.call1((sizes,))
    }

    #[getter]
    fn dtype(&self) -> DTypeName {
        DTypeName(self.inner.dtype())
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.inner.shape().rank()
    }

    /// Whether optimizers may change it.
    #[getter]
    fn trainable(&self) -> bool {
        self.inner.is_trainable()
    }

    #[setter]
    fn set_trainable(&self, trainable: bool) {
        self.inner.set_trainable(trainable);
    }

    /// Its value in the trace at hand.
    fn read_value(&self, py: Python<'_>) -> PyResult<Tensor> {
        in_context(py, |frame| Ok(Tensor::wrap(&frame.context().read(&self.inner), frame)))
    }

    /// The same, as `variable.value` and as `variable.value()`.
    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<Py<Value>> {
        Py::new(py, PyClassInitializer::from(self.read_value(py)?).add_subclass(Value))
    }

    /// A copy of its numbers now.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        arrays::numpy(py, self.now(py)?)
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        exchange::as_array(Bound::new(py, Tensor::of_array(self.now(py)?))?, dtype, copy)
    }

    /// A copy of its numbers by the DLPack protocol, as other libraries take them.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        exchange::dlpack(Bound::new(py, Tensor::of_array(self.now(py)?))?, options)
    }

    /// The processor, by DLPack's number.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    #[classattr]
    fn __array_priority__() -> i32 {
        100
    }

    /// As of [`Tensor`].
    #[pyo3(signature = (function, method, *inputs, **options))]
    fn __array_ufunc__<'py>(
        slf: Bound<'py, Self>,
        function: Bound<'py, PyAny>,
        method: &str,
        inputs: Bound<'py, PyTuple>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        exchange::apply_ufunc(slf.py(), function, method, inputs, options)
    }

    /// Gives it a new value, of its shape.
    fn assign<'py>(slf: Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        if innermost().is_none() {
            let variable = &slf.get().inner;
            let value = arrays::array(value)?;
            slf.get().require_whole(py, value.dtype())?;
            let value = value.cast(variable.dtype());
            variable.set(&value).map_err(|error| raised(py, error))?;
        } else {
            slf.get().assign_in(py, value, |_, value| value)?;
        }
        Ok(slf)
    }

    /// Adds to it.
    fn assign_add<'py>(
        slf: Bound<'py, Self>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        slf.get().assign_in(slf.py(), value, |now, value| now + value)?;
        Ok(slf)
    }

    /// Takes from it.
    fn assign_sub<'py>(
        slf: Bound<'py, Self>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        slf.get().assign_in(slf.py(), value, |now, value| now - value)?;
        Ok(slf)
    }

    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        Tensor::of_array(self.now(py)?).__float__()
    }

    fn __int__(&self, py: Python<'_>) -> PyResult<i64> {
        Tensor::of_array(self.now(py)?).__int__()
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.tensor(py)?.__bool__()
    }

    fn __len__(&self) -> PyResult<usize> {
        let first = self.inner.shape().first().copied();
        first.ok_or_else(|| {
            pyo3::exceptions::PyTypeError::new_err("a variable without axes has no length")
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (name, dtype) = (self.inner.name(), arrays::dtype_name(self.inner.dtype()));
        let sizes = arrays::shape_tuple(py, self.inner.shape())?.repr()?;
        let numbers = arrays::text(&arrays::numpy(py, self.inner.value())?)?;
        Ok(format!("<tf.Variable '{name}' shape={sizes} dtype={dtype}, numpy={numbers}>"))
    }

    fn __hash__(&self) -> u64 {
        self.inner.id()
    }

    /// The same variable; to compare values, write `tf.equal`.
    fn __richcmp__(&self, other: &Bound<'_, PyAny>, compare: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let is_same = other.cast::<Self>().is_ok_and(|other| other.get().inner == self.inner);
        match compare {
            CompareOp::Eq if other.is_instance_of::<Self>() => {
                Ok(pyo3::types::PyBool::new(py, is_same).to_owned().into_any().unbind())
            }
            CompareOp::Ne if other.is_instance_of::<Self>() => {
                Ok(pyo3::types::PyBool::new(py, !is_same).to_owned().into_any().unbind())
            }
            _ => self.tensor(py)?.__richcmp__(other, compare),
        }
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<Tensor> {
        self.tensor(index.py())?.__getitem__(index)
    }

    /// Refused: it is given a value as a whole.
    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = (index, value);
        let message = "the elements of a variable cannot be set one by one";
        Err(PyTypeError::new_err(format!("{message}\n{OF_PARTS}")))
    }

    /// Says what to write instead of what changes parts.
    fn __getattr__(&self, name: &str) -> PyResult<Py<PyAny>> {
        Err(no_attribute("Variable", name))
    }

    fn __neg__(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.tensor(py)?.__neg__(py)
    }

    fn __abs__(&self, py: Python<'_>) -> PyResult<Tensor> {
        self.tensor(py)?.__abs__(py)
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__add__(other)
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__radd__(other)
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__sub__(other)
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rsub__(other)
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__mul__(other)
    }

    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rmul__(other)
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__truediv__(other)
    }

    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rtruediv__(other)
    }

    fn __floordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__floordiv__(other)
    }

    fn __rfloordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rfloordiv__(other)
    }

    fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__mod__(other)
    }

    fn __rmod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rmod__(other)
    }

    fn __matmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__matmul__(other)
    }

    fn __rmatmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rmatmul__(other)
    }

    fn __pow__(
        &self,
        other: &Bound<'_, PyAny>,
        modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__pow__(other, modulo)
    }

    fn __rpow__(
        &self,
        other: &Bound<'_, PyAny>,
        modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.tensor(other.py())?.__rpow__(other, modulo)
    }
}
