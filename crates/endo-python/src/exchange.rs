//! How tensors and variables meet NumPy and other libraries: arrays, functions of elements, DLPack.
//!
//! In: tensors whose numbers are known. Out: what `endo._arrays` makes of them.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::tensor::Tensor;

/// The numbers of a tensor as a NumPy array that shares them and is only read, or as a copy, as
/// `endo._arrays` has it.
pub fn as_array<'py>(
    tensor: Bound<'py, Tensor>,
    dtype: Option<Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    tensor.py().import("endo._arrays")?.call_method1("as_array", (tensor, dtype, copy))
}

/// A NumPy function of elements of tensors or variables, as `endo._arrays` has it.
pub fn apply_ufunc<'py>(
    py: Python<'py>,
    function: Bound<'py, PyAny>,
    method: &str,
    inputs: Bound<'py, PyTuple>,
    options: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("endo._arrays")?.getattr("ufunc")?.call1((function, method, inputs, options))
}

/// The numbers of a tensor by the DLPack protocol.
pub fn dlpack<'py>(
    tensor: Bound<'py, Tensor>,
    options: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    tensor.py().import("endo._arrays")?.getattr("dlpack")?.call((tensor,), options.as_ref())
}
