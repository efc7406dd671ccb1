//! Optimizers, by the text that names them.
//!
//! In: a text such as `"nadam(learning_rate=0.01)"`. Out: a handle that a model is compiled with,
//! or that applies gradients.

use std::sync::Arc;

use endo::optimizers::{self, Optimizer};
use endo::trace::Gradients;
use pyo3::prelude::*;

use crate::errors::raised;
use crate::frames::in_context;
use crate::operands::operand;
use crate::variable::Variable;

/// An optimizer that Python holds.
#[pyclass(frozen, module = "endo._native")]
pub struct OptimizerHandle {
    pub optimizer: Arc<dyn Optimizer>,
}

#[pymethods]
impl OptimizerHandle {
    /// The optimizer that a text names.
    #[staticmethod]
    fn named(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { optimizer: optimizers::get(text).map_err(|error| raised(py, error))? })
    }

    /// Updates variables by their gradients, `None` where there is none.
    fn apply(
        &self,
        py: Python<'_>,
        pairs: Vec<(Option<Bound<'_, PyAny>>, Py<Variable>)>,
    ) -> PyResult<()> {
        in_context(py, |frame| {
            let mut entries = Vec::new();
            for (gradient, variable) in &pairs {
                let variable = variable.get().inner.clone();
                let gradient =
                    gradient.as_ref().map(|gradient| operand(gradient, None, frame)).transpose()?;
                entries.push((variable, gradient));
            }
            self.optimizer.apply(&Gradients::new(entries), frame.context());
            Ok(())
        })
    }

    /// Gives weights their moving averages.
    fn finalize_variable_values(
        &self,
        py: Python<'_>,
        variables: Vec<Py<Variable>>,
    ) -> PyResult<()> {
        let variables: Vec<_> =
            variables.iter().map(|variable| variable.get().inner.clone()).collect();
        let settings = self.optimizer.settings();
        settings.finalize_variable_values(&variables).map_err(|error| raised(py, error))
    }

    #[getter]
    fn learning_rate(&self, py: Python<'_>) -> PyResult<f64> {
        self.optimizer.settings().learning_rate().map_err(|error| raised(py, error))
    }

    fn set_learning_rate(&self, py: Python<'_>, value: f64) -> PyResult<()> {
        self.optimizer.settings().set_learning_rate(value).map_err(|error| raised(py, error))
    }

    /// The number of updates so far, and the other variables that it keeps.
    fn variables(&self) -> Vec<Variable> {
        self.optimizer.settings().variables().into_iter().map(Variable::of).collect()
    }

    fn iterations(&self) -> Variable {
        Variable::of(self.optimizer.settings().iterations().clone())
    }
}
