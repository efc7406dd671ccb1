//! Tensors in Python: a node of the trace at hand, or numbers that are known.
//!
//! In: operations and indices. Out: tensors. A tensor holds the number of its trace, its node, its
//! shape and type, and where values are computed at once its numbers; so it can be kept, and in
//! another trace its numbers are a constant.

use std::sync::atomic::{AtomicU64, Ordering};

use endo::{Array, DType, Shape};
use pyo3::IntoPyObject;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PySlice, PyTuple};

use crate::arrays;
use crate::errors::{OF_PARTS, no_attribute, usage};
use crate::exchange;
use crate::frames::{Frame, OnStack, in_context, innermost, put_aside};
use crate::indices::chosen;
use crate::operands::{alike, divided, floor_divided, is_operand, operand, power};

/// Why a tensor has no numbers.
const TRACED: &str = "the numbers of a tensor are not known while `call` or a function is traced: \
                      it stands for the numbers of each run";

static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// A value: numbers with a shape, known now or when a plan runs.
#[pyclass(frozen, subclass, weakref, module = "endo._native")]
pub struct Tensor {
    /// The number of its trace, and its node there.
    pub trace: u64,
    pub node: u32,
    pub shape: Shape,
    pub dtype: DType,
    pub value: Option<Array>,
    /// What tells its numbers apart where they are a constant of another trace.
    identity: u64,
}

/// A type of elements, which becomes one of Python's.
pub struct DTypeName(pub DType);

impl<'py> IntoPyObject<'py> for DTypeName {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("endo._dtypes")?.getattr(arrays::dtype_name(self.0))
    }
}

impl Tensor {
    /// The handle of a tensor of the trace at hand.
    pub fn wrap(tensor: &endo::Tensor, frame: &Frame) -> Self {
        Self {
            trace: frame.number,
            node: tensor.id().0,
            shape: tensor.shape().clone(),
            dtype: tensor.dtype(),
            value: frame.is_eager().then(|| frame.value(tensor.id())).flatten(),
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Numbers that are known, of no trace.
    pub fn of_array(array: Array) -> Self {
        Self {
            trace: 0,
            node: 0,
            shape: array.shape().clone(),
            dtype: if array.dtype() == DType::U8 { DType::I32 } else { array.dtype() },
            value: Some(array),
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Its numbers, if they are known.
    pub fn known(&self) -> PyResult<Array> {
        self.value.clone().ok_or_else(|| {
            usage(
                TRACED,
                "compute with tensors (`tf.where`, `tf.cond`, `tf.reduce_sum`), or look at the \
                 numbers in a GradientTape, or with `run_eagerly=True`",
            )
        })
    }

    /// The tensor of the trace at hand.
    pub fn resolve(&self, frame: &Frame) -> PyResult<endo::Tensor> {
        if self.trace == frame.number
            && let Some(tensor) = frame.tensor(self.node)
        {
            return Ok(tensor);
        }
        let Some(array) = &self.value else {
            return Err(usage(
                format!(
                    "a tensor of shape {} was made in a trace that has ended, or that another \
                     thread makes",
                    self.shape
                ),
                "return it from the `call` or function that makes it; what is to be kept from step \
                 to step belongs in a `tf.Variable` or a metric",
            ));
        };
        let known = frame.constants.borrow().get(&self.identity).copied();
        if let Some(tensor) = known.and_then(|node| frame.tensor(node)) {
            return Ok(tensor);
        }
        let tensor = frame.constant(array.clone());
        frame.constants.borrow_mut().insert(self.identity, tensor.id().0);
        Ok(tensor)
    }

    /// Puts a trace to a plan aside where numbers are known, such as those of `tf.shape`: what is
    /// computed of them alone is then known, too.
    fn aside_if(&self, others_are_known: bool) -> Option<OnStack> {
        let is_known = self.value.is_some() && others_are_known;
        (is_known && innermost().is_some_and(|frame| !frame.is_eager())).then(put_aside)
    }

    /// Its only number.
    fn number(&self) -> PyResult<f64> {
        let array = self.known()?;
        if array.len() == 1 {
            return Ok(array.get(0));
        }
        let message = format!("a tensor of shape {} is not one number", self.shape);
        Err(usage(message, "take a part of it, as in `x[0]`, or its mean by `tf.reduce_mean`"))
    }

    fn apply(
        &self,
        py: Python<'_>,
        f: impl FnOnce(endo::Tensor) -> endo::Tensor,
    ) -> PyResult<Self> {
        let _aside = self.aside_if(true);
        in_context(py, |frame| Ok(Self::wrap(&f(self.resolve(frame)?), frame)))
    }

    fn with(
        &self,
        other: &Bound<'_, PyAny>,
        f: impl FnOnce(endo::Tensor, endo::Tensor) -> endo::Tensor,
    ) -> PyResult<Py<PyAny>> {
        let py = other.py();
        if !is_operand(other) {
            return Ok(py.NotImplemented());
        }
        let _aside = self.aside_if(match other.cast::<Self>() {
            Ok(tensor) => tensor.get().value.is_some(),
            Err(_) => other.is_instance_of::<PyFloat>() || other.is_instance_of::<PyInt>(),
        });
        let result = in_context(py, |frame| {
            let left = self.resolve(frame)?;
            let right = operand(other, Some(&left), frame)?;
            let (left, right) = alike(left, right, other);
            Ok(Self::wrap(&f(left, right), frame))
        })?;
        Ok(Py::new(py, result)?.into_any())
    }
}

#[pymethods]
impl Tensor {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sizes = arrays::shape_tuple(py, &self.shape)?;
        py.import("endo._dtypes")?.getattr("TensorShape")?.call1((sizes,))
    }

    #[getter]
    fn _sizes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        arrays::shape_tuple(py, &self.shape)
    }

    #[getter]
    fn dtype(&self) -> DTypeName {
        DTypeName(self.dtype)
    }

    #[getter]
    fn ndim(&self) -> usize {
        self.shape.rank()
    }

    /// The numbers as a NumPy array.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        arrays::numpy(py, self.known()?)
    }

    /// The numbers as a NumPy array that shares them and is only read, or as a copy.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.get().known()?;
        exchange::as_array(slf, dtype, copy)
    }

    #[classattr]
    fn __array_priority__() -> i32 {
        100
    }

    /// What NumPy's functions of elements make of it: operators are the tensor's own.
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

    /// Its numbers by the DLPack protocol, as other libraries take them.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(
        slf: Bound<'py, Self>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.get().known()?;
        exchange::dlpack(slf, options)
    }

    /// The processor, by DLPack's number.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    /// Its numbers, to be read.
    ///
    /// # Safety
    /// As of Python's buffer protocol: `view` is valid.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let Some(array) = &slf.get().value else {
            return Err(PyBufferError::new_err(TRACED));
        };
        // SAFETY: the numbers live as long as the tensor, which the view holds, and nobody writes
        // to them.
        unsafe { arrays::fill_view(array, slf.clone().into_any(), view, flags) }
    }

    /// # Safety
    /// As of Python's buffer protocol: `view` was filled by `__getbuffer__`.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: as the caller promises.
        unsafe { arrays::release_view(view) }
    }

    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.numpy(py)?.call_method0("item")
    }

    pub fn __float__(&self) -> PyResult<f64> {
        self.number()
    }

    pub fn __int__(&self) -> PyResult<i64> {
        let number = self.number()?;
        if number.is_finite() {
            return Ok(number as i64);
        }
        Err(PyValueError::new_err(format!("{number} is no integer")))
    }

    pub fn __index__(&self) -> PyResult<i64> {
        if self.dtype != DType::I32 {
            return Err(PyTypeError::new_err("a tensor that counts is one integer"));
        }
        self.__int__()
    }

    pub fn __bool__(&self) -> PyResult<bool> {
        let array = self.known()?;
        if array.len() != 1 {
            let message = format!("a tensor of shape {} is neither true nor false", self.shape);
            return Err(usage(message, "use `tf.reduce_any` or `tf.reduce_all`"));
        }
        Ok(array.get(0) != 0.0)
    }

    fn __format__(slf: Bound<'_, Self>, spec: &str) -> PyResult<String> {
        if slf.get().shape.len() == 1 && !spec.is_empty() {
            return slf.get().item(slf.py())?.call_method1("__format__", (spec,))?.extract();
        }
        slf.str()?.extract()
    }

    fn __len__(&self) -> PyResult<usize> {
        let first = self.shape.first().copied();
        first.ok_or_else(|| PyTypeError::new_err("a tensor without axes has no length"))
    }

    fn __iter__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let length = slf.get().__len__()?;
        let parts: Vec<Bound<'py, PyAny>> =
            (0..length).map(|place| slf.get_item(place)).collect::<PyResult<_>>()?;
        PyList::new(py, parts)?.call_method0("__iter__")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let dtype = arrays::dtype_name(self.dtype);
        let sizes = arrays::shape_tuple(py, &self.shape)?.repr()?;
        match &self.value {
            Some(_) => {
                let text = arrays::text(&self.numpy(py)?)?;
                Ok(format!("<tf.Tensor: shape={sizes}, dtype={dtype}, numpy={text}>"))
            }
            None => Ok(format!("<tf.Tensor: shape={sizes}, dtype={dtype}, traced>")),
        }
    }

    fn __hash__(&self) -> u64 {
        self.identity
    }

    pub fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<Self> {
        let _aside =
            self.aside_if(index.is_instance_of::<PyInt>() || index.is_instance_of::<PySlice>());
        in_context(index.py(), |frame| {
            let tensor = self.resolve(frame)?;
            Ok(Self::wrap(&chosen(tensor, index, frame)?, frame))
        })
    }

    /// Refused: elements do not change.
    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = (index, value);
        Err(PyTypeError::new_err(format!("the elements of a tensor cannot be set\n{OF_PARTS}")))
    }

    /// Says what to write instead of what changes parts of variables.
    fn __getattr__(&self, name: &str) -> PyResult<Py<PyAny>> {
        Err(no_attribute("Tensor", name))
    }

    pub fn __richcmp__(&self, other: &Bound<'_, PyAny>, compare: CompareOp) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| match compare {
            CompareOp::Lt => left.less(&right),
            CompareOp::Le => left.less_equal(&right),
            CompareOp::Gt => left.greater(&right),
            CompareOp::Ge => left.greater_equal(&right),
            CompareOp::Eq => left.equal(&right),
            CompareOp::Ne => left.not_equal(&right),
        })
    }

    pub fn __neg__(&self, py: Python<'_>) -> PyResult<Self> {
        self.apply(py, |x| -x)
    }

    pub fn __abs__(&self, py: Python<'_>) -> PyResult<Self> {
        self.apply(py, |x| x.abs())
    }

    pub fn __invert__(&self, py: Python<'_>) -> PyResult<Self> {
        self.apply(py, |x| x.logical_not())
    }

    pub fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left + right)
    }

    pub fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| right + left)
    }

    pub fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left - right)
    }

    pub fn __rsub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| right - left)
    }

    pub fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left * right)
    }

    pub fn __rmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| right * left)
    }

    pub fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, divided)
    }

    pub fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| divided(right, left))
    }

    pub fn __floordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, floor_divided)
    }

    pub fn __rfloordiv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| floor_divided(right, left))
    }

    pub fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left % right)
    }

    pub fn __rmod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| right % left)
    }

    pub fn __matmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left.matmul(&right))
    }

    pub fn __rmatmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| right.matmul(&left))
    }

    pub fn __pow__(
        &self,
        other: &Bound<'_, PyAny>,
        modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        if let Ok(exponent) = other.extract::<f64>()
            && !other.is_instance_of::<Tensor>()
        {
            let result = self.apply(other.py(), |x| power(x, exponent))?;
            return Ok(Py::new(other.py(), result)?.into_any());
        }
        self.with(other, |left, right| left.power(&right))
    }

    pub fn __rpow__(
        &self,
        other: &Bound<'_, PyAny>,
        modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        if modulo.is_some() {
            return Ok(other.py().NotImplemented());
        }
        self.with(other, |left, right| right.power(&left))
    }

    pub fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left.logical_and(&right))
    }

    pub fn __or__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.with(other, |left, right| left.logical_or(&right))
    }

    /// Checks a shape that the program knows, in which sizes may be open: it changes nothing.
    fn set_shape(&self, shape: &Bound<'_, PyAny>) -> PyResult<()> {
        arrays::require_shape(&self.shape, shape, "the tensor")
    }

    #[getter]
    fn _node(&self) -> (u64, u32) {
        (self.trace, self.node)
    }
}
