//! Losses: those of the library by name, and those that are Python.
//!
//! In: a text or a callable. Out: a handle that a model is compiled with, or that is called.

use std::sync::Arc;

use endo::losses::{self, Loss, Reduction};
use endo::trace::Context;
use endo::{DType, Tensor as Inner};
use pyo3::prelude::*;

use crate::callables;
use crate::errors::{argument, raised};
use crate::frames::in_context;
use crate::operands::operand;
use crate::tensor::Tensor;

/// A loss that is Python: values for each sample, and how they become one number.
struct PythonLoss {
    function: Py<PyAny>,
    name: String,
    reduction: Reduction,
}

impl Loss for PythonLoss {
    fn call_in(&self, y_true: &Inner, y_pred: &Inner, cx: &mut Context) -> Inner {
        let y_true =
            if y_true.dtype().is_float() { y_true.clone() } else { y_true.cast(DType::F32) };
        callables::call(&self.function, &[&y_true, y_pred], cx)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }
}

/// A loss that Python holds.
#[pyclass(frozen, module = "endo._native")]
pub struct LossHandle {
    pub loss: Arc<dyn Loss>,
}

#[pymethods]
impl LossHandle {
    /// The loss of the library that a text names.
    #[staticmethod]
    fn named(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { loss: losses::get(text).map_err(|error| raised(py, error))? })
    }

    /// A callable of targets and predictions.
    #[staticmethod]
    fn of(py: Python<'_>, function: Py<PyAny>, name: String, reduction: &str) -> PyResult<Self> {
        let reduction = reduction_of(py, reduction)?;
        Ok(Self { loss: Arc::new(PythonLoss { function, name, reduction }) })
    }

    #[getter]
    fn name(&self) -> String {
        self.loss.name().to_string()
    }

    /// The loss of targets and predictions; with its reduction, or for each sample.
    #[pyo3(signature = (y_true, y_pred, sample_weight=None, reduce=true))]
    fn compute(
        &self,
        y_true: &Bound<'_, PyAny>,
        y_pred: &Bound<'_, PyAny>,
        sample_weight: Option<&Bound<'_, PyAny>>,
        reduce: bool,
    ) -> PyResult<Tensor> {
        in_context(y_true.py(), |frame| {
            let y_pred = operand(y_pred, None, frame)?;
            let y_true = operand(y_true, None, frame)?;
            let y_true =
                if y_true.dtype() == DType::F64 { y_true.cast(y_pred.dtype()) } else { y_true };
            let weight = sample_weight.map(|weight| operand(weight, None, frame)).transpose()?;
            let value = if reduce {
                self.loss.apply_in(&y_true, &y_pred, weight.as_ref(), frame.context())
            } else {
                self.loss.call_in(&y_true, &y_pred, frame.context())
            };
            Ok(Tensor::wrap(&value, frame))
        })
    }
}

/// A reduction by Keras's name.
fn reduction_of(py: Python<'_>, name: &str) -> PyResult<Reduction> {
    <Reduction as endo::Setting>::read(name).ok_or_else(|| {
        argument(
            py,
            format!("there is no reduction called `{name}`"),
            "it is `sum_over_batch_size`, `mean`, `sum`, `mean_with_sample_weight` or `none`",
        )
    })
}
