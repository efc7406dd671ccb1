//! What a text names: activations, initializers, regularizers, constraints; and all names.
//!
//! In: a text such as `"leaky_relu(negative_slope=0.1)"`. Out: the function, applied.

use endo::random::Random;
use endo::{activations, constraints, initializers, regularizers};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::raised;
use crate::frames::{in_context, seed};
use crate::operands::operand;
use crate::tensor::Tensor;

/// The activation that a text names, applied.
#[pyfunction]
pub fn activate(text: &str, x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = x.py();
    let activation = activations::get(text).map_err(|error| raised(py, error))?;
    in_context(py, |frame| {
        let x = operand(x, None, frame)?;
        Ok(Tensor::wrap(&activation.call_in(&x, frame.context()), frame))
    })
}

/// First values of a shape by the initializer that a text names: those of a stream of random
/// numbers.
#[pyfunction]
pub fn initialize<'py>(
    py: Python<'py>,
    text: &str,
    shape: Vec<usize>,
    stream: u64,
    own_seed: Option<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let initializer = initializers::get(text).map_err(|error| raised(py, error))?;
    let mut random = Random::new(own_seed.unwrap_or_else(seed), stream);
    let values =
        initializer.initialize(&shape.into(), &mut random).map_err(|error| raised(py, error))?;
    arrays::numpy(py, values)
}

/// The penalty of the regularizer that a text names.
#[pyfunction]
pub fn penalize(text: &str, x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = x.py();
    let regularizer = regularizers::get(text).map_err(|error| raised(py, error))?;
    in_context(py, |frame| {
        let x = operand(x, None, frame)?;
        Ok(Tensor::wrap(&regularizer.penalty_in(&x, frame.context()), frame))
    })
}

/// The projection by the constraint that a text names.
#[pyfunction]
pub fn project(text: &str, x: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = x.py();
    let constraint = constraints::get(text).map_err(|error| raised(py, error))?;
    in_context(py, |frame| {
        let x = operand(x, None, frame)?;
        Ok(Tensor::wrap(&constraint.project_in(&x, frame.context()), frame))
    })
}

/// The names of a family, such as `"activations"`; fails if a text is given and names none of it.
#[pyfunction]
#[pyo3(signature = (family, text=None))]
pub fn names(py: Python<'_>, family: &str, text: Option<&str>) -> PyResult<Vec<&'static str>> {
    macro_rules! of {
        ($($module:ident)+) => {
            match family {
                $(
                    stringify!($module) => {
                        if let Some(text) = text {
                            endo::$module::get(text).map_err(|error| raised(py, error))?;
                        }
                        endo::$module::names().collect()
                    }
                )+
                _ => Vec::new(),
            }
        };
    }
    Ok(of!(activations initializers regularizers constraints losses metrics optimizers layers))
}
