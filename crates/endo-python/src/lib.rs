//! The native part of the Python package `endo`: traces, tensors, layers and models behind handles
//! that Python's own classes hold.
//!
//! In: from `endo.keras` and `endo.tf`, tensors, arrays and callables. Out: tensors, arrays, and
//! errors in Python's terms. Everything that users subclass is Python.

mod arrays;
mod branches;
mod callables;
mod callbacks;
mod errors;
mod exchange;
mod frames;
mod function;
mod holdings;
mod indices;
mod layer;
mod losses;
mod metrics;
mod model;
mod named;
mod operands;
mod ops;
mod optimizer;
mod ordering;
mod phrases;
mod steps;
mod tape;
mod tensor;
mod training;
mod variable;

/// The native part of `endo`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::function::{TracedFunction, traced_shapes};
    #[pymodule_export]
    use crate::holdings::Holdings;
    #[pymodule_export]
    use crate::layer::{
        LayerHandle, add_loss, add_metric, constrain, regularize, set_mask, use_weights,
    };
    #[pymodule_export]
    use crate::losses::LossHandle;
    #[pymodule_export]
    use crate::metrics::MetricHandle;
    #[pymodule_export]
    use crate::model::ModelHandle;
    #[pymodule_export]
    use crate::named::{activate, initialize, names, penalize, project};
    #[pymodule_export]
    use crate::optimizer::OptimizerHandle;
    #[pymodule_export]
    use crate::tape::Tape;
    #[pymodule_export]
    use crate::tensor::Tensor;
    #[pymodule_export]
    use crate::variable::{Value, Variable};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::errors::add_to(module)?;
        crate::ops::add_to(module)?;
        crate::ordering::add_to(module)?;
        crate::branches::add_to(module)?;
        crate::frames::add_to(module)
    }
}
