//! What operators take beside a tensor, and how types meet.
//!
//! In: Python's numbers, lists, arrays, variables. Out: tensors of the trace at hand.

use endo::{Array, DType};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyTuple};

use crate::arrays;
use crate::frames::Frame;
use crate::tensor::Tensor;
use crate::variable::Variable;

/// Whether an operator takes it.
pub fn is_operand(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<Tensor>()
        || object.is_instance_of::<Variable>()
        || object.is_instance_of::<PyFloat>()
        || object.is_instance_of::<PyInt>()
        || object.is_instance_of::<PyList>()
        || object.is_instance_of::<PyTuple>()
        || object.hasattr("__array__").unwrap_or(false)
}

/// Numbers that are no tensors take the float type of the tensor beside them, and a float makes an
/// integer tensor a float.
pub fn alike(
    left: endo::Tensor,
    right: endo::Tensor,
    other: &Bound<'_, PyAny>,
) -> (endo::Tensor, endo::Tensor) {
    let is_tensor = other.is_instance_of::<Tensor>() || other.is_instance_of::<Variable>();
    if !is_tensor && left.dtype().is_float() && right.dtype().is_float() {
        let dtype = left.dtype();
        return (left, right.cast(dtype));
    }
    (left, right)
}

/// A tensor of the trace at hand from what Python gives; plain numbers take the type of `like`.
pub fn operand(
    object: &Bound<'_, PyAny>,
    like: Option<&endo::Tensor>,
    frame: &Frame,
) -> PyResult<endo::Tensor> {
    if let Ok(tensor) = object.cast::<Tensor>() {
        return tensor.get().resolve(frame);
    }
    if let Ok(variable) = object.cast::<Variable>() {
        return Ok(frame.context().read(&variable.get().inner));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(frame.constant(Array::scalar(object.extract::<bool>()?)));
    }
    if object.is_instance_of::<PyInt>() || object.is_instance_of::<PyFloat>() {
        let is_whole = object.is_instance_of::<PyInt>();
        let number: f64 = object.extract()?;
        let dtype = match like.map(endo::Tensor::dtype) {
            Some(dtype) if dtype.is_float() || (is_whole && dtype == DType::I32) => dtype,
            Some(_) | None if !is_whole => DType::F32,
            Some(_) | None => DType::I32,
        };
        if dtype == DType::I32 && number != f64::from(number as i32) {
            return Err(crate::errors::argument(
                object.py(),
                format!("{number} is no integer of 32 bits"),
                "write it as a float, as in `3e9`",
            ));
        }
        return Ok(frame.constant(Array::full((), number, dtype)));
    }
    if let Some(tensor) = stacked(object, like, frame)? {
        return Ok(tensor);
    }
    Ok(frame.constant(arrays::array(object)?))
}

/// A list that holds tensors, stacked; none where it holds numbers alone.
fn stacked(
    object: &Bound<'_, PyAny>,
    like: Option<&endo::Tensor>,
    frame: &Frame,
) -> PyResult<Option<endo::Tensor>> {
    fn holds_tensors(object: &Bound<'_, PyAny>) -> bool {
        if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
            let items = object.try_iter().into_iter().flatten().flatten();
            return items.into_iter().any(|item| holds_tensors(&item));
        }
        object.is_instance_of::<Tensor>() || object.is_instance_of::<Variable>()
    }
    if !holds_tensors(object) {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for item in object.try_iter()? {
        parts.push(operand(&item?, like, frame)?);
    }
    let dtype = parts.iter().map(endo::Tensor::dtype).reduce(DType::promote).unwrap_or(DType::F32);
    let parts: Vec<endo::Tensor> = parts.iter().map(|part| part.cast(dtype)).collect();
    Ok(Some(endo::Tensor::stack(&parts, 0)))
}

/// Division as of Python's `/`: integers become floats.
pub fn divided(left: endo::Tensor, right: endo::Tensor) -> endo::Tensor {
    let dtype = left.dtype().promote(right.dtype()).promote(DType::F32);
    left.cast(dtype) / right.cast(dtype)
}

/// Division as of Python's `//`: rounded down.
pub fn floor_divided(left: endo::Tensor, right: endo::Tensor) -> endo::Tensor {
    let dtype = left.dtype().promote(right.dtype());
    divided(left.cast(dtype.promote(DType::F64)), right).floor().cast(dtype)
}

/// A power of a plain number: squares and cubes as products, and all those of integers that are
/// integers.
pub fn power(x: endo::Tensor, exponent: f64) -> endo::Tensor {
    if !x.dtype().is_float() && exponent.fract() == 0.0 && exponent >= 0.0 {
        return whole_power(x.cast(DType::I32), exponent as u64);
    }
    let x = if x.dtype().is_float() { x } else { x.cast(DType::F32) };
    match exponent {
        1.0 => x,
        2.0 => x.square(),
        3.0 => x.square() * &x,
        _ => x.powf(exponent),
    }
}

/// A power of integers by squaring.
fn whole_power(mut x: endo::Tensor, mut exponent: u64) -> endo::Tensor {
    let mut product: Option<endo::Tensor> = None;
    loop {
        if exponent % 2 == 1 {
            product = Some(product.map_or_else(|| x.clone(), |product| product * &x));
        }
        exponent /= 2;
        if exponent == 0 {
            return product.unwrap_or_else(|| x.ones_like());
        }
        x = &x * &x;
    }
}

/// A tensor as another type. Fails where numbers do not fit into integers of 32 bits, which `int64`
/// is, too: at once where they are known, and otherwise where the plan runs.
pub fn cast_to(
    py: Python<'_>,
    tensor: &endo::Tensor,
    dtype: DType,
    frame: &Frame,
) -> PyResult<endo::Tensor> {
    if dtype != DType::I32 || !tensor.dtype().is_float() {
        return Ok(tensor.cast(dtype));
    }
    let limit = -f64::from(i32::MIN);
    if !frame.is_eager() {
        let fits = tensor.less(limit).logical_and(tensor.greater(-limit - 1.0));
        let fits = fits.logical_or(tensor.is_nan());
        let excess = fits.where_(0.0, f64::INFINITY).sum();
        frame.context().trace().check(&excess, TOO_LARGE);
        return Ok(tensor.cast(dtype));
    }
    let fits = |number: f64| number.is_nan() || (number > -limit - 1.0 && number < limit);
    let known = frame.value(tensor.id());
    let large = known.into_iter().flat_map(|array| array.to_vec::<f64>()).find(|&x| !fits(x));
    if let Some(number) = large {
        return Err(crate::errors::argument(
            py,
            format!("{number} does not fit into an integer, which has 32 bits here"),
            "keep it as a float, or clip it first with tf.clip_by_value",
        ));
    }
    Ok(tensor.cast(dtype))
}

/// What is checked where floats become integers in a plan.
const TOO_LARGE: &str = "a number that `tf.cast` makes an integer of 32 bits: clip it first with \
    tf.clip_by_value, or keep it as a float; what exceeds them";
