//! Optimizers, by the text that names them.
//!
//! In: a text such as `"nadam(learning_rate=0.01)"`. Out: a handle that a model is compiled with,
//! or that applies gradients.

use std::sync::Arc;

use endo::optimizers::{self, Optimizer, Settings, Slots};
use endo::trace::{Context, Gradients};
use endo::{Tensor as Inner, Variable as InnerVariable};
use pyo3::prelude::*;

use crate::arrays;
use crate::callables::{self, call_python};
use crate::errors::{raised, usage};
use crate::frames::{Frame, counter, in_context, put_aside};
use crate::operands::operand;
use crate::tensor::Tensor;
use crate::variable::Variable;

/// An optimizer whose update is Python, with the settings of one of the library.
struct PythonOptimizer {
    settings: Arc<dyn Optimizer>,
    /// Called with the list of variables, before each step that is traced.
    prepare: Py<PyAny>,
    /// Called with a gradient, its variable and the learning rate: it assigns the variable.
    update: Py<PyAny>,
}

impl Optimizer for PythonOptimizer {
    fn settings(&self) -> &Settings {
        self.settings.settings()
    }

    fn prepare(&self, weights: &[&InnerVariable], cx: &mut Context) {
        let call = |py: Python<'_>, _: &Frame| {
            let _aside = put_aside();
            let weights = weights.iter().map(|&weight| Variable::of(weight.clone()));
            self.prepare.bind(py).call1((weights.collect::<Vec<_>>(),)).map(|_| ())
        };
        call_python(cx, call, |_| ());
    }

    /// It assigns variables as a whole.
    fn leaves_unused_rows(&self) -> bool {
        false
    }

    fn update(&self, weight: &Inner, gradient: &Inner, slots: &mut Slots) -> Inner {
        let (rate, updates) = (slots.rate(), slots.updates());
        let Some(variable) = slots.weight().cloned() else { return weight.clone() };
        let cx = slots.context();
        if cx.read(&variable).id() != weight.id() {
            cx.assign(&variable, weight);
        }
        let call = |py: Python<'_>, frame: &Frame| {
            let wrap = |tensor: &Inner| Tensor::wrap(tensor, frame);
            let arguments = (wrap(gradient), Variable::of(variable.clone()), wrap(&rate));
            self.update.bind(py).call1(arguments)?;
            if frame.context().read(&variable).id() == weight.id() {
                let message = format!("`update_step` leaves `{}` as it is", variable.name());
                return Err(usage(message, "end it with `self.assign(variable, new_value)`"));
            }
            Ok(())
        };
        let update = |cx: &mut Context| call_python(cx, call, |_| ());
        match updates {
            None => update(cx),
            // What it assigns stays as it was in the calls that only add up gradients.
            Some(updates) => cx.cond(&updates, update, |_| ()),
        }
        cx.read(&variable)
    }
}

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

    /// An optimizer whose update is Python, with the settings of one that a text names: `prepare`
    /// is called with a list of variables, `update` with a gradient, its variable and the rate.
    #[staticmethod]
    fn of(py: Python<'_>, text: &str, prepare: Py<PyAny>, update: Py<PyAny>) -> PyResult<Self> {
        let settings = optimizers::get(text).map_err(|error| raised(py, error))?;
        Ok(Self { optimizer: Arc::new(PythonOptimizer { settings, prepare, update }) })
    }

    /// Has the learning rate be what a callable makes of the number of steps.
    fn follow(&self, schedule: Py<PyAny>) {
        self.optimizer.settings().follow(move |step: &Inner| {
            let mut cx = Context::of_trace(step.trace(), false, counter());
            callables::call(&schedule, &[step], &mut cx)
        });
    }

    /// A variable that the optimizer keeps for another, or for none, made with a first value unless
    /// there is one of the name.
    fn slot(
        &self,
        variable: Option<&Variable>,
        name: &str,
        first: &Bound<'_, PyAny>,
    ) -> PyResult<Variable> {
        let first = arrays::array(first)?;
        let variable = variable.map(|variable| &variable.inner);
        Ok(Variable::of(self.optimizer.settings().slot(variable, name, || first)))
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
