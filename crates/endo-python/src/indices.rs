//! What stands between brackets: positions, ranges, new axes, and indices that are tensors.
//!
//! In: Python's index of a tensor. Out: the part that it chooses.

use endo::DType;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PySlice, PyTuple};

use crate::errors::usage;
use crate::frames::Frame;
use crate::operands::operand;

/// What stands between brackets, for one axis.
enum Index<'py> {
    At(isize),
    Range(Bound<'py, PySlice>),
    NewAxis,
    Rest,
    Gather(Bound<'py, PyAny>),
}

fn indices<'py>(index: &Bound<'py, PyAny>) -> PyResult<Vec<Index<'py>>> {
    let items: Vec<Bound<'py, PyAny>> = match index.cast::<PyTuple>() {
        Ok(tuple) => tuple.iter().collect(),
        Err(_) => vec![index.clone()],
    };
    let one = |item: Bound<'py, PyAny>| {
        if item.is_none() {
            Ok(Index::NewAxis)
        } else if item.is_instance_of::<PyEllipsis>() {
            Ok(Index::Rest)
        } else if let Ok(slice) = item.cast::<PySlice>() {
            Ok(Index::Range(slice.clone()))
        } else if item.is_instance_of::<PyInt>() && !item.is_instance_of::<PyBool>() {
            item.extract().map(Index::At)
        } else {
            Ok(Index::Gather(item))
        }
    };
    items.into_iter().map(one).collect()
}

/// The part of a tensor that indices choose.
pub fn chosen(
    tensor: endo::Tensor,
    index: &Bound<'_, PyAny>,
    frame: &Frame,
) -> PyResult<endo::Tensor> {
    let indices = indices(index)?;
    let taken =
        indices.iter().filter(|index| !matches!(index, Index::NewAxis | Index::Rest)).count();
    if taken > tensor.rank() {
        let message = format!("{taken} indices for a tensor of shape {}", tensor.shape());
        return Err(PyIndexError::new_err(message));
    }
    let rest = tensor.rank() - taken;
    let (mut value, mut axis) = (tensor, 0);
    for index in indices {
        match index {
            Index::NewAxis => {
                value = value.expand_dims(axis);
                axis += 1;
            }
            Index::Rest => axis += rest as isize,
            Index::At(position) => {
                let size = value.shape()[axis as usize] as isize;
                if !(-size..size).contains(&position) {
                    let message = format!("index {position} of an axis of {size}");
                    return Err(PyIndexError::new_err(message));
                }
                value = value.at(axis, position);
            }
            Index::Range(slice) => {
                let size = value.shape()[axis as usize] as isize;
                let range = slice.indices(size)?;
                value = match range.step {
                    1 => value
                        .slice(axis, range.start as usize..range.stop.max(range.start) as usize),
                    step if step > 0 => {
                        let stop = range.stop.max(range.start) as usize;
                        value.slice_step(axis, range.start as usize..stop, step)
                    }
                    step => {
                        let places: Vec<i32> = (0..range.slicelength as isize)
                            .map(|place| (range.start + place * step) as i32)
                            .collect();
                        let places = frame.constant(places);
                        value.gather(&places, axis)
                    }
                };
                axis += 1;
            }
            Index::Gather(places) => {
                let places = operand(&places, None, frame)?;
                if places.dtype() == DType::Bool {
                    return Err(usage(
                        "a tensor cannot be indexed by truth values: how many there are is not \
                         known before",
                        "use `tf.where(mask, tensor, 0.0)`, or weights of 0",
                    ));
                }
                let more = places.rank() as isize;
                value = value.gather(&places, axis);
                axis += more;
            }
        }
    }
    Ok(value)
}
