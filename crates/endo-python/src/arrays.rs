//! Arrays in and out of Python: the buffer protocol, and what NumPy makes of anything else.
//!
//! In: NumPy arrays, frames, lists, numbers, tensors. Out: endo's arrays; and NumPy arrays that
//! share their memory.

use std::ffi::{CStr, c_int};
use std::ptr;

use endo::{Array, DType};
use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::errors::{self, raised};
use crate::tensor::Tensor;
use crate::variable::Variable;

/// The numbers of anything that holds some.
///
/// # Errors
/// What holds no numbers, and numbers that no array can hold.
pub fn array(object: &Bound<'_, PyAny>) -> PyResult<Array> {
    let py = object.py();
    if let Ok(tensor) = object.cast::<Tensor>() {
        return tensor.get().known();
    }
    if let Ok(variable) = object.cast::<Variable>() {
        return variable.get().now(py);
    }
    if let Some(array) = of_buffer(object) {
        return array;
    }
    let prepared = py.import("endo._arrays")?.call_method1("prepare", (object,))?;
    let (kind, values, shape): (String, Bound<'_, PyAny>, Vec<usize>) = prepared.extract()?;
    match kind.as_str() {
        "f32" => filled::<f32>(py, shape, &values),
        "f64" => filled::<f64>(py, shape, &values),
        "i32" => filled::<i32>(py, shape, &values),
        "u8" => filled::<u8>(py, shape, &values),
        _ => filled::<u8>(py, shape, &values).map(|bytes| bytes.cast(DType::Bool)),
    }
}

/// The numbers of a tensor, or of an array of NumPy that lies as arrays do; none of anything else.
pub fn plain(object: &Bound<'_, PyAny>) -> Option<PyResult<Array>> {
    match object.cast_exact::<Tensor>() {
        Ok(tensor) => Some(tensor.get().known()),
        Err(_) => of_buffer(object),
    }
}

/// The numbers of a contiguous buffer, where they are of a type that arrays have.
fn of_buffer(object: &Bound<'_, PyAny>) -> Option<PyResult<Array>> {
    // Only NumPy's arrays have shapes and types that are all told by their buffers.
    if !object.get_type().is(ndarray(object.py()).ok()?) {
        return None;
    }
    let buffer = PyUntypedBuffer::get(object).ok()?;
    if buffer.dimensions() == 0 || !buffer.is_c_contiguous() {
        return None;
    }
    let shape = buffer.shape().to_vec();
    match buffer.format().to_bytes() {
        b"f" => Some(copied::<f32>(object.py(), shape, buffer)),
        b"d" => Some(copied::<f64>(object.py(), shape, buffer)),
        b"i" => Some(copied::<i32>(object.py(), shape, buffer)),
        b"B" => Some(copied::<u8>(object.py(), shape, buffer)),
        _ => None,
    }
}

/// NumPy's type of arrays.
fn ndarray(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let found = TYPE
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("numpy")?.getattr("ndarray")?.unbind()))?;
    Ok(found.bind(py))
}

fn copied<T: Element + endo::Element>(
    py: Python<'_>,
    shape: Vec<usize>,
    buffer: PyUntypedBuffer,
) -> PyResult<Array> {
    let numbers = buffer.into_typed::<T>()?.to_vec(py)?;
    Array::new(shape, numbers).map_err(|error| raised(py, error))
}

fn filled<T: Element + endo::Element>(
    py: Python<'_>,
    shape: Vec<usize>,
    values: &Bound<'_, PyAny>,
) -> PyResult<Array> {
    let numbers = PyBuffer::<T>::get(values)?.to_vec(py)?;
    Array::new(shape, numbers).map_err(|error| raised(py, error))
}

/// As [`array`], with 64-bit floats as `dtype`: what Keras does with data.
pub fn data(object: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Array> {
    let array = array(object)?;
    let as_floats = array.dtype() == DType::F64 && dtype.is_float();
    Ok(if as_floats { array.cast(dtype) } else { array })
}

/// A type of elements by its name, such as `"float32"`, a NumPy type, or one of `endo.tf`'s.
pub fn dtype(object: &Bound<'_, PyAny>) -> PyResult<DType> {
    let py = object.py();
    let name: String = match object.cast::<PyString>() {
        Ok(name) => name.extract()?,
        Err(_) => match object.getattr("name").or_else(|_| object.getattr("__name__")) {
            Ok(name) => name.extract()?,
            Err(_) => object.str()?.extract()?,
        },
    };
    match name.as_str() {
        "float32" | "f32" | "float" | "single" => Ok(DType::F32),
        "float64" | "f64" | "double" => Ok(DType::F64),
        "int32" | "i32" | "int64" | "int" | "int_" => Ok(DType::I32),
        "bool" | "bool_" => Ok(DType::Bool),
        "uint8" | "u8" => Ok(DType::U8),
        other => {
            let message = format!("there are no tensors of type `{other}`");
            let help = "the types are float32, float64, int32, uint8 and bool; strings, half \
                floats and complex numbers are not there";
            Err(errors::dtype(py, message, help))
        }
    }
}

/// NumPy's name of a type.
pub fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::I32 => "int32",
        DType::Bool => "bool",
        _ => "uint8",
    }
}

/// Raises where sizes are not those of a shape in Python's spelling, in which `None` is open.
pub fn require_shape(sizes: &[usize], shape: &Bound<'_, PyAny>, what: &str) -> PyResult<()> {
    let py = shape.py();
    let sizes = shape_tuple(py, sizes)?;
    py.import("endo._dtypes")?.call_method1("require_shape", (sizes, shape, what))?;
    Ok(())
}

/// The sizes of a shape as a tuple.
pub fn shape_tuple<'py>(py: Python<'py>, sizes: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, sizes)
}

/// Numbers that Python owns: what a NumPy array stands on.
#[pyclass(module = "endo._native")]
pub struct Numbers {
    array: Array,
}

#[pymethods]
impl Numbers {
    /// Their bytes, to be read and written.
    ///
    /// # Safety
    /// As of Python's buffer protocol: `view` is valid.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let (start, length) = {
            let mut numbers = slf.borrow_mut();
            own(&mut numbers.array);
            let bytes = numbers.array.bytes();
            (bytes.as_ptr().cast_mut().cast(), bytes.len() as ffi::Py_ssize_t)
        };
        // SAFETY: the bytes live as long as the object, which the view holds, and are its alone:
        // `own` has seen to that, and nobody else can reach the array.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// The numbers of a NumPy array as a text.
pub fn text(array: &Bound<'_, PyAny>) -> PyResult<String> {
    let options = PyDict::new(array.py());
    options.set_item("separator", ", ")?;
    let numpy = array.py().import("numpy")?;
    numpy.getattr("array2string")?.call((array,), Some(&options))?.extract()
}

/// Python's letter for a type of elements in a buffer, and the size of one in bytes.
fn format_of(dtype: DType) -> (&'static CStr, ffi::Py_ssize_t) {
    match dtype {
        DType::F32 => (c"f", 4),
        DType::F64 => (c"d", 8),
        DType::I32 => (c"i", 4),
        DType::Bool => (c"?", 1),
        _ => (c"B", 1),
    }
}

/// Fills a view of an array's numbers that are only read, with their shape and type.
///
/// # Safety
/// `view` is valid, as of Python's buffer protocol, and the numbers live as long as `owner` and do
/// not change.
pub unsafe fn fill_view(
    array: &Array,
    owner: Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
        return Err(PyBufferError::new_err("the numbers of a tensor are only read"));
    }
    let sizes: Vec<ffi::Py_ssize_t> = array.shape().iter().map(|&size| size as isize).collect();
    let (bytes, rank) = (array.bytes(), sizes.len());
    let (format, item) = format_of(array.dtype());
    let mut steps = vec![item; rank];
    for axis in (1..rank).rev() {
        steps[axis - 1] = steps[axis] * sizes[axis];
    }
    // The sizes and the steps in one box, until the view is released.
    let layout = Box::into_raw(Box::new([sizes, steps].concat()));
    let wants = |flag: c_int| flags & flag == flag;
    // SAFETY: `view` is valid; the box lives until `release_view`.
    unsafe {
        let start = (*layout).as_mut_ptr();
        (*view).buf = bytes.as_ptr().cast_mut().cast();
        (*view).len = bytes.len() as ffi::Py_ssize_t;
        (*view).readonly = 1;
        (*view).itemsize = item;
        (*view).ndim = rank as c_int;
        (*view).format =
            if wants(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { ptr::null_mut() };
        (*view).shape = if wants(ffi::PyBUF_ND) { start } else { ptr::null_mut() };
        (*view).strides = if wants(ffi::PyBUF_STRIDES) { start.add(rank) } else { ptr::null_mut() };
        (*view).suboffsets = ptr::null_mut();
        (*view).internal = layout.cast();
        (*view).obj = owner.into_ptr();
    }
    Ok(())
}

/// Lets go of what [`fill_view`] keeps.
///
/// # Safety
/// `view` was filled by it, and is released once.
pub unsafe fn release_view(view: *mut ffi::Py_buffer) {
    // SAFETY: `internal` is the box of `fill_view`.
    drop(unsafe { Box::from_raw((*view).internal.cast::<Vec<ffi::Py_ssize_t>>()) });
}

/// Copies the numbers if a clone shares them.
fn own(array: &mut Array) {
    match array.dtype() {
        DType::F32 => _ = array.as_mut_slice::<f32>(),
        DType::F64 => _ = array.as_mut_slice::<f64>(),
        DType::I32 => _ = array.as_mut_slice::<i32>(),
        DType::Bool => _ = array.as_mut_slice::<bool>(),
        _ => _ = array.as_mut_slice::<u8>(),
    }
}

/// A NumPy array of the numbers; copied only where a tensor shares them.
pub fn numpy<'py>(py: Python<'py>, array: Array) -> PyResult<Bound<'py, PyAny>> {
    let (name, shape) = (dtype_name(array.dtype()), shape_tuple(py, array.shape())?);
    let numbers = Bound::new(py, Numbers { array })?;
    py.import("endo._arrays")?.call_method1("of_numbers", (numbers, name, shape))
}
