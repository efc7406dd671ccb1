//! The operations of `endo.tf`: one function for each of the library's.
//!
//! In: tensors, arrays and numbers. Out: tensors of the trace at hand.

use endo::trace::Context;
use endo::{DType, Tensor as Inner};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::wrap_pyfunction;

use crate::arrays;
use crate::errors::usage;
use crate::frames::{Frame, in_context};
use crate::operands::{cast_to, operand};
use crate::tensor::Tensor;

type Object<'a, 'py> = &'a Bound<'py, PyAny>;

/// One tensor of one.
pub fn of_one(x: Object<'_, '_>, f: impl FnOnce(Inner, &mut Context) -> Inner) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        Ok(Tensor::wrap(&f(x, frame.context()), frame))
    })
}

/// One tensor of two, where plain numbers take the type of the other.
fn of_two(
    a: Object<'_, '_>,
    b: Object<'_, '_>,
    f: impl FnOnce(Inner, Inner) -> Inner,
) -> PyResult<Tensor> {
    in_context(a.py(), |frame| {
        let (a, b) = pair(a, b, frame)?;
        Ok(Tensor::wrap(&f(a, b), frame))
    })
}

fn pair(a: Object<'_, '_>, b: Object<'_, '_>, frame: &Frame) -> PyResult<(Inner, Inner)> {
    let is_tensor = |x: Object<'_, '_>| {
        x.is_instance_of::<Tensor>() || x.is_instance_of::<crate::variable::Variable>()
    };
    let like = |x: Inner, like: &Inner| {
        if x.dtype().is_float() && like.dtype().is_float() { x.cast(like.dtype()) } else { x }
    };
    if !is_tensor(a) && is_tensor(b) {
        let b = operand(b, None, frame)?;
        let a = like(operand(a, Some(&b), frame)?, &b);
        return Ok((a, b));
    }
    let a = operand(a, None, frame)?;
    let is_plain = !is_tensor(b);
    let b = operand(b, Some(&a), frame)?;
    let b = if is_plain { like(b, &a) } else { b };
    Ok((a, b))
}

fn tensors(list: Object<'_, '_>, frame: &Frame) -> PyResult<Vec<Inner>> {
    let mut found = Vec::new();
    for item in list.try_iter()? {
        found.push(operand(&item?, None, frame)?);
    }
    if found.is_empty() {
        return Err(usage("a list without tensors", "give at least one"));
    }
    let dtype = found.iter().map(Inner::dtype).reduce(DType::promote).unwrap_or(DType::F32);
    Ok(found.iter().map(|tensor| tensor.cast(dtype)).collect())
}

/// Functions of one tensor that are methods of the library's.
macro_rules! unary {
    ($add:ident: $($name:ident)+) => {
        $(
            #[pyfunction]
            fn $name(x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
                of_one(x, |x, _| x.$name())
            }
        )+

        fn $add(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)+
            Ok(())
        }
    };
}

unary! { add_unary:
    abs sign square floor ceil round round_to_bf16 exp expm1 log log1p sqrt rsqrt sin cos tanh erf
    erfinv
    sigmoid softplus relu elu selu logical_not is_nan is_finite stop_gradient transpose
    zeros_like ones_like
}

/// Functions of two tensors.
macro_rules! binary {
    ($add:ident: $($name:ident)+) => {
        $(
            #[pyfunction]
            fn $name(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<Tensor> {
                of_two(a, b, |a, b| a.$name(&b))
            }
        )+

        fn $add(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)+
            Ok(())
        }
    };
}

binary! { add_binary:
    maximum minimum divide_no_nan multiply_no_nan logical_and logical_or logical_xor
}

/// Axes as Python gives them: none for all.
fn axes_of(tensor: &Inner, axis: Option<Vec<isize>>) -> Vec<isize> {
    axis.unwrap_or_else(|| (0..tensor.rank() as isize).collect())
}

/// Reductions along axes.
macro_rules! reductions {
    ($add:ident: $($name:ident = $method:ident;)+) => {
        $(
            #[pyfunction]
            #[pyo3(signature = (x, axis=None, keepdims=false))]
            fn $name(
                x: &Bound<'_, PyAny>,
                axis: Option<Vec<isize>>,
                keepdims: bool,
            ) -> PyResult<Tensor> {
                of_one(x, |x, _| {
                    let axes = axes_of(&x, axis);
                    let value = x.$method(&*axes);
                    if keepdims { value.keep_dims(&x, &*axes) } else { value }
                })
            }
        )+

        fn $add(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)+
            Ok(())
        }
    };
}

reductions! { add_reductions:
    reduce_sum = sum_axes;
    reduce_max = max_axes;
    reduce_min = min_axes;
    reduce_prod = product_axes;
    reduce_any = any_axes;
    reduce_all = all_of_axes;
    reduce_variance = variance_axes;
    reduce_logsumexp = logsumexp_axes;
    norm = norm_axes;
}

/// The mean along axes: of integers an integer, without its fraction, as TensorFlow's.
#[pyfunction]
#[pyo3(signature = (x, axis=None, keepdims=false))]
fn reduce_mean(x: &Bound<'_, PyAny>, axis: Option<Vec<isize>>, keepdims: bool) -> PyResult<Tensor> {
    of_one(x, |x, _| {
        let axes = axes_of(&x, axis);
        let mean = if x.dtype() == DType::I32 {
            x.cast(DType::F64).mean_axes(&*axes).cast(DType::I32)
        } else {
            x.mean_axes(&*axes)
        };
        if keepdims { mean.keep_dims(&x, &*axes) } else { mean }
    })
}

#[pyfunction]
fn l2_normalize(x: &Bound<'_, PyAny>, axis: Option<Vec<isize>>) -> PyResult<Tensor> {
    of_one(x, |x, _| {
        let axes = axes_of(&x, axis);
        x.l2_normalize(&*axes)
    })
}

#[pyfunction]
fn cast(x: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let dtype = arrays::dtype(dtype)?;
    in_context(x.py(), |frame| {
        let tensor = operand(x, None, frame)?;
        Ok(Tensor::wrap(&cast_to(x.py(), &tensor, dtype, frame)?, frame))
    })
}

#[pyfunction]
fn identity(x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    of_one(x, |x, _| x)
}

/// A tensor of numbers: with the type that they have, or another.
#[pyfunction]
#[pyo3(signature = (value, dtype=None, shape=None))]
fn constant(
    value: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    shape: Option<Vec<usize>>,
) -> PyResult<Tensor> {
    let dtype = dtype.map(arrays::dtype).transpose()?;
    in_context(value.py(), |frame| {
        let x = operand(value, None, frame)?;
        let x = dtype.map_or(Ok(x.clone()), |dtype| cast_to(value.py(), &x, dtype, frame))?;
        let x = match shape {
            Some(shape) if x.rank() == 0 => x.broadcast_to(shape),
            Some(shape) => x.reshape(shape),
            None => x,
        };
        Ok(Tensor::wrap(&x, frame))
    })
}

#[pyfunction]
fn fill(
    py: Python<'_>,
    shape: Vec<usize>,
    value: f64,
    dtype: &Bound<'_, PyAny>,
) -> PyResult<Tensor> {
    let dtype = arrays::dtype(dtype)?;
    in_context(py, |frame| {
        let value = frame.constant(endo::Array::full((), value, dtype));
        Ok(Tensor::wrap(&value.broadcast_to(shape), frame))
    })
}

#[pyfunction]
fn matmul(
    a: &Bound<'_, PyAny>,
    b: &Bound<'_, PyAny>,
    transpose_a: bool,
    transpose_b: bool,
) -> PyResult<Tensor> {
    of_two(a, b, |a, b| {
        let transposed = endo::Transposed { left: transpose_a, right: transpose_b };
        a.matmul_transposed(&b, transposed)
    })
}

#[pyfunction]
fn einsum(py: Python<'_>, equation: &str, operands: &Bound<'_, PyList>) -> PyResult<Tensor> {
    in_context(py, |frame| {
        let operands = tensors(operands.as_any(), frame)?;
        let operands: Vec<&Inner> = operands.iter().collect();
        Ok(Tensor::wrap(&Inner::einsum(equation, &operands), frame))
    })
}

#[pyfunction(name = "where")]
fn where_(
    condition: &Bound<'_, PyAny>,
    yes: &Bound<'_, PyAny>,
    no: &Bound<'_, PyAny>,
) -> PyResult<Tensor> {
    in_context(condition.py(), |frame| {
        let condition = operand(condition, None, frame)?;
        let (yes, no) = pair(yes, no, frame)?;
        let condition =
            if condition.dtype() == DType::Bool { condition } else { condition.not_equal(0.0) };
        Ok(Tensor::wrap(&condition.where_(&yes, &no), frame))
    })
}

#[pyfunction]
fn clip_by_value(
    x: &Bound<'_, PyAny>,
    low: &Bound<'_, PyAny>,
    high: &Bound<'_, PyAny>,
) -> PyResult<Tensor> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        let low = operand(low, Some(&x), frame)?;
        let high = operand(high, Some(&x), frame)?;
        Ok(Tensor::wrap(&x.clip(&low, &high), frame))
    })
}

#[pyfunction]
fn reshape(x: &Bound<'_, PyAny>, shape: Vec<isize>) -> PyResult<Tensor> {
    let py = x.py();
    in_context(py, |frame| {
        let x = operand(x, None, frame)?;
        let known: usize =
            shape.iter().filter(|&&size| size >= 0).map(|&size| size as usize).product();
        let open = shape.iter().filter(|&&size| size < 0).count();
        let fits = |known: usize| known > 0 && x.shape().len() % known == 0;
        if open > 1 || (open == 1 && !fits(known)) {
            let message =
                format!("a tensor of shape {} cannot have the shape {shape:?}", x.shape());
            let error = endo::Error::new(endo::ErrorKind::Shape, message)
                .help("the sizes multiply to the number of elements; one of them may be -1");
            return Err(crate::errors::raised(py, error));
        }
        let size = |&size: &isize| {
            if size < 0 { x.shape().len() / known } else { size as usize }
        };
        let shape: Vec<usize> = shape.iter().map(size).collect();
        Ok(Tensor::wrap(&x.reshape(shape), frame))
    })
}

#[pyfunction]
fn broadcast_to(x: &Bound<'_, PyAny>, shape: Vec<usize>) -> PyResult<Tensor> {
    of_one(x, |x, _| x.broadcast_to(shape))
}

#[pyfunction]
fn expand_dims(x: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    of_one(x, |x, _| x.expand_dims(axis))
}

#[pyfunction]
fn squeeze(x: &Bound<'_, PyAny>, axis: Option<Vec<isize>>) -> PyResult<Tensor> {
    of_one(x, |x, _| {
        let rank = x.rank() as isize;
        let mut axes: Vec<isize> = axis
            .unwrap_or_else(|| (0..rank).filter(|&axis| x.shape()[axis as usize] == 1).collect())
            .into_iter()
            .map(|axis| if axis < 0 { axis + rank } else { axis })
            .collect();
        axes.sort_unstable();
        axes.into_iter().rev().fold(x, |x, axis| x.squeeze(axis))
    })
}

#[pyfunction]
fn permute(x: &Bound<'_, PyAny>, permutation: Vec<usize>) -> PyResult<Tensor> {
    of_one(x, |x, _| x.permute(&permutation))
}

#[pyfunction]
fn concat(py: Python<'_>, values: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    in_context(py, |frame| {
        Ok(Tensor::wrap(&Inner::concatenate(&tensors(values, frame)?, axis), frame))
    })
}

#[pyfunction]
fn stack(py: Python<'_>, values: &Bound<'_, PyAny>, axis: isize) -> PyResult<Tensor> {
    in_context(py, |frame| Ok(Tensor::wrap(&Inner::stack(&tensors(values, frame)?, axis), frame)))
}

#[pyfunction]
fn split(x: &Bound<'_, PyAny>, parts: usize, axis: isize) -> PyResult<Vec<Tensor>> {
    in_context(x.py(), |frame| {
        let parts = operand(x, None, frame)?.split(parts, axis);
        Ok(parts.iter().map(|part| Tensor::wrap(part, frame)).collect())
    })
}

#[pyfunction]
fn tile(x: &Bound<'_, PyAny>, repeats: Vec<usize>) -> PyResult<Tensor> {
    of_one(x, |x, _| x.tile(&repeats))
}

#[pyfunction]
fn pad(x: &Bound<'_, PyAny>, widths: Vec<(usize, usize)>, value: f64) -> PyResult<Tensor> {
    of_one(x, |x, _| x.pad(&widths, value))
}

/// Random numbers of a distribution: `normal`, `uniform` or `truncated_normal`.
#[pyfunction]
#[pyo3(signature = (kind, shape, first, second, dtype, seed=None))]
fn random(
    py: Python<'_>,
    kind: &str,
    shape: Vec<usize>,
    first: f64,
    second: f64,
    dtype: &Bound<'_, PyAny>,
    seed: Option<u64>,
) -> PyResult<Tensor> {
    let dtype = arrays::dtype(dtype)?;
    in_context(py, |frame| {
        let random = frame.context().random();
        let random = match seed {
            Some(seed) => random.seed(seed),
            None => random,
        };
        let numbers = match kind {
            "normal" => random.normal(shape, first, second),
            "truncated_normal" => random.truncated_normal(shape, first, second),
            _ => random.uniform(shape, first, second),
        };
        Ok(Tensor::wrap(&numbers.cast(dtype), frame))
    })
}

#[pyfunction]
fn shuffle(x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    of_one(x, |x, cx| {
        let order = cx.random().permutation(x.batch());
        x.gather(&order, 0)
    })
}

/// The mask of a tensor, if it has one.
#[pyfunction]
fn mask(x: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    in_context(x.py(), |frame| {
        let x = operand(x, None, frame)?;
        Ok(frame.context().mask(&x).map(|mask| Tensor::wrap(&mask, frame)))
    })
}

/// Adds the functions of this file to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_unary(module)?;
    add_binary(module)?;
    add_reductions(module)?;
    macro_rules! add {
        ($($name:ident)+) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)+ };
    }
    add! {
        reduce_mean l2_normalize cast identity constant fill matmul einsum where_ clip_by_value
        reshape broadcast_to expand_dims squeeze permute concat stack split tile pad random shuffle
        mask
    }
    Ok(())
}
