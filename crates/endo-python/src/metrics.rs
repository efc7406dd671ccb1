//! Metrics: those of the library by name, and those that are Python.
//!
//! In: a text, a loss, or a Python object with `update_state` and `result`. Out: a handle that a
//! model is compiled with, or that takes in batches.

use std::sync::{Arc, Mutex};

use endo::metrics::{self, IntoMetric, Mean, MeanMetricWrapper, Metric, Sum};
use endo::trace::{Context, TracedClosure};
use endo::{Array, DType, Tensor as Inner, Variable as InnerVariable};
use pyo3::prelude::*;

use crate::callables::call_python;
use crate::errors::{raised, usage};
use crate::frames::{Frame, in_context, innermost, keep_outside, put_aside};
use crate::losses::LossHandle;
use crate::operands::operand;
use crate::tensor::Tensor;
use crate::variable::Variable;

/// A metric that is Python.
#[derive(Clone)]
struct PythonMetric {
    object: Arc<Py<PyAny>>,
    name: String,
}

impl PythonMetric {
    fn variables_now(&self, py: Python<'_>) -> PyResult<Vec<InnerVariable>> {
        // The library asks for them in the middle of a trace.
        let _aside = put_aside();
        let variables = self.object.bind(py).getattr("variables")?;
        variables
            .try_iter()?
            .map(|variable| {
                let variable = variable?;
                Ok(variable.cast::<Variable>()?.get().inner.clone())
            })
            .collect()
    }
}

impl Metric for PythonMetric {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(
        &self,
        y_true: &Inner,
        y_pred: &Inner,
        sample_weight: Option<&Inner>,
        cx: &mut Context,
    ) {
        self.report(cx);
        let call = |py: Python<'_>, frame: &Frame| {
            let wrap = |tensor: &Inner| Tensor::wrap(tensor, frame);
            let weight = sample_weight.map(wrap);
            let method = self.object.bind(py).getattr("_update")?;
            method.call1((wrap(y_true), wrap(y_pred), weight)).map(|_| ())
        };
        call_python(cx, call, |_| ());
    }

    fn result(&self, cx: &mut Context) -> Inner {
        let call = |py: Python<'_>, frame: &Frame| {
            operand(&self.object.bind(py).call_method0("result")?, None, frame)
        };
        call_python(cx, call, |cx| cx.constant(0.0_f32))
    }

    fn variables(&self) -> Vec<InnerVariable> {
        Python::attach(|py| self.variables_now(py)).unwrap_or_else(|error| {
            keep_outside(error);
            Vec::new()
        })
    }

    fn reset(&self) {
        Python::attach(|py| {
            if let Err(error) = self.object.bind(py).call_method0("_reset") {
                keep_outside(error);
            }
        });
    }
}

/// The metrics that take values instead of targets and predictions.
enum OfValues {
    Mean(Mean),
    Sum(Sum),
}

/// A metric that Python holds.
#[pyclass(frozen, module = "endo._native")]
pub struct MetricHandle {
    pub metric: Arc<dyn Metric>,
    of_values: Option<OfValues>,
    python: Option<PythonMetric>,
    /// What its result is outside of traces, as a plan.
    plan: Mutex<Option<ResultPlan>>,
}

/// The result of a metric as a plan, and the variables that it reads.
struct ResultPlan {
    variables: Vec<InnerVariable>,
    traced: TracedClosure,
}

#[pymethods]
impl MetricHandle {
    /// The metric of the library that a text names, reported under a name.
    #[staticmethod]
    #[pyo3(signature = (text, name=None))]
    fn named(py: Python<'_>, text: &str, name: Option<&str>) -> PyResult<Self> {
        let metric = match name {
            Some(name) => metrics::get_as(text, name),
            None => metrics::get(text),
        };
        let metric = metric.map_err(|error| raised(py, error))?;
        Ok(Self::new(metric, None, None))
    }

    /// The mean of a loss.
    #[staticmethod]
    fn of_loss(loss: &LossHandle, name: Option<String>) -> Self {
        let wrapper = MeanMetricWrapper::new(loss.loss.clone());
        let wrapper = match name {
            Some(name) => wrapper.name(name),
            None => wrapper,
        };
        Self::new(wrapper.into_metric(), None, None)
    }

    /// The mean of values.
    #[staticmethod]
    fn mean(name: String) -> Self {
        let mean = Mean::new(name);
        let metric = Arc::new(mean.clone());
        Self::new(metric, Some(OfValues::Mean(mean)), None)
    }

    /// The sum of values.
    #[staticmethod]
    fn sum(name: String) -> Self {
        let sum = Sum::new(name);
        let metric = Arc::new(sum.clone());
        Self::new(metric, Some(OfValues::Sum(sum)), None)
    }

    /// A Python object with `_update`, `result` and `variables`.
    #[staticmethod]
    fn of(object: Py<PyAny>, name: String) -> Self {
        let metric = PythonMetric { object: Arc::new(object), name };
        Self::new(Arc::new(metric.clone()), None, Some(metric))
    }

    #[getter]
    fn name(&self) -> String {
        self.metric.name().to_string()
    }

    /// Takes in targets and predictions, or values.
    #[pyo3(signature = (first, second=None, sample_weight=None))]
    fn update(
        &self,
        first: &Bound<'_, PyAny>,
        second: Option<&Bound<'_, PyAny>>,
        sample_weight: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        in_context(first.py(), |frame| {
            let first = operand(first, None, frame)?;
            let weight = sample_weight.map(|weight| operand(weight, None, frame)).transpose()?;
            match (&self.of_values, second) {
                (Some(of_values), None) => {
                    let first =
                        if first.dtype().is_float() { first } else { first.cast(DType::F32) };
                    of_values.update(&first, weight.as_ref(), frame.context());
                }
                (Some(of_values), Some(second)) => {
                    let weight = operand(second, None, frame)?;
                    of_values.update(&first, Some(&weight), frame.context());
                }
                (None, Some(second)) => {
                    let second = operand(second, None, frame)?;
                    let first = if first.dtype() == DType::F64 {
                        first.cast(second.dtype())
                    } else {
                        first
                    };
                    self.metric.update(&first, &second, weight.as_ref(), frame.context());
                }
                (None, None) => {
                    return Err(usage(
                        format!("the metric `{}` takes targets and predictions", self.name()),
                        "give both: `metric(y_true, y_pred)`",
                    ));
                }
            }
            Ok(())
        })
    }

    /// Has a metric that is Python reported by the layer that holds it.
    fn report(&self, py: Python<'_>) -> PyResult<()> {
        in_context(py, |frame| {
            if let Some(metric) = &self.python {
                metric.report(frame.context());
            }
            Ok(())
        })
    }

    /// The result of what was taken in.
    fn result(&self, py: Python<'_>) -> PyResult<Tensor> {
        if innermost().is_none()
            && self.python.is_none()
            && let Some(value) = self.planned_result()
        {
            return Ok(Tensor::of_array(value));
        }
        in_context(py, |frame| Ok(Tensor::wrap(&self.metric.result(frame.context()), frame)))
    }

    /// Forgets what was taken in.
    fn reset(&self) {
        self.metric.reset();
    }

    fn variables(&self) -> Vec<Variable> {
        self.metric.variables().into_iter().map(Variable::of).collect()
    }
}

impl MetricHandle {
    fn new(
        metric: Arc<dyn Metric>,
        of_values: Option<OfValues>,
        python: Option<PythonMetric>,
    ) -> Self {
        Self { metric, of_values, python, plan: Mutex::default() }
    }

    /// The result by a plan, which takes less time than an open trace; none where that fails, or
    /// another thread runs it.
    fn planned_result(&self) -> Option<Array> {
        let mut plan = self.plan.try_lock().ok()?;
        let variables = self.metric.variables();
        if plan.as_ref().is_none_or(|plan| plan.variables != variables) {
            let mut traced = TracedClosure::new();
            traced.keep_warnings();
            *plan = Some(ResultPlan { variables, traced });
        }
        let traced = &mut plan.as_mut()?.traced;
        let result = traced.run(&[], &|_, cx: &mut Context| vec![self.metric.result(cx)]);
        result.ok()?.first().cloned()
    }
}

impl OfValues {
    fn update(&self, values: &Inner, weight: Option<&Inner>, cx: &mut Context) {
        match (self, weight) {
            (Self::Mean(mean), None) => mean.update(values, cx),
            (Self::Mean(mean), Some(weight)) => mean.update_weighted(values, weight, cx),
            (Self::Sum(sum), None) => sum.update(values, cx),
            (Self::Sum(sum), Some(weight)) => sum.update_weighted(values, weight, cx),
        }
    }
}
