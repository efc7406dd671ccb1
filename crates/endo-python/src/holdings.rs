//! Whether lists and dictionaries still hold what they held: asked at each call of a traced
//! function, whose layers may keep layers in them.
//!
//! In: lists and dictionaries. Out: whether one has other items since.

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Lists and dictionaries, each with what it held.
#[pyclass(frozen, module = "endo._native")]
pub struct Holdings {
    all: Vec<(Holder, Vec<Py<PyAny>>)>,
}

enum Holder {
    List(Py<PyList>),
    /// Of which keys and values are held in turn.
    Dictionary(Py<PyDict>),
}

#[pymethods]
impl Holdings {
    /// What these hold now.
    #[new]
    fn new(holders: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let held = |holder: Bound<'_, PyAny>| match holder.cast_into::<PyDict>() {
            Ok(holder) => {
                let pairs = holder.iter().flat_map(|(key, value)| [key.unbind(), value.unbind()]);
                let items = pairs.collect();
                Ok((Holder::Dictionary(holder.unbind()), items))
            }
            Err(other) => {
                let holder = other.into_inner().cast_into::<PyList>()?;
                let items = holder.iter().map(Bound::unbind).collect();
                Ok((Holder::List(holder.unbind()), items))
            }
        };
        Ok(Self { all: holders.into_iter().map(held).collect::<PyResult<_>>()? })
    }

    /// Whether one holds other objects since, or in another order.
    pub fn have_changed(&self, py: Python<'_>) -> bool {
        let holds = |holder: &Holder, items: &[Py<PyAny>]| match holder {
            Holder::List(holder) => {
                let holder = holder.bind(py);
                let mut pairs = holder.iter().zip(items);
                holder.len() == items.len() && pairs.all(|(one, held)| one.is(held))
            }
            Holder::Dictionary(holder) => {
                let holder = holder.bind(py);
                let mut pairs = holder.iter().zip(items.chunks_exact(2));
                2 * holder.len() == items.len()
                    && pairs.all(|((key, value), held)| key.is(&held[0]) && value.is(&held[1]))
            }
        };
        !self.all.iter().all(|(holder, items)| holds(holder, items))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for (holder, items) in &self.all {
            match holder {
                Holder::List(holder) => visit.call(holder)?,
                Holder::Dictionary(holder) => visit.call(holder)?,
            }
            items.iter().try_for_each(|item| visit.call(item))?;
        }
        Ok(())
    }
}
