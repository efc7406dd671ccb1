//! Steps that are Python: what a model's own `train_step`, `test_step` and `predict_step` do.
//!
//! In: callables of lists of tensors. Out: closures of a batch, for the library's own steps.

use endo::Tensor as Inner;
use endo::model::{BatchStep, PredictStep, Terms};
use endo::trace::Context;
use pyo3::prelude::*;

use crate::callables::{self, call_python};
use crate::frames::Frame;
use crate::operands::operand;
use crate::tensor::Tensor;

/// A step with a loss: a callable of inputs, targets and sample weights, which returns the loss.
pub fn loss_step(
    function: Py<PyAny>,
) -> impl Fn(&BatchStep<'_, Vec<Inner>, Vec<Inner>>, &mut Context) -> Terms + Send + Sync {
    move |step, cx| {
        let (inputs, targets) = (step.inputs(), step.targets());
        let weights = step.sample_weights();
        let call = |py: Python<'_>, frame: &Frame| {
            let wrap = |tensors: &[Inner]| -> Vec<Tensor> {
                tensors.iter().map(|tensor| Tensor::wrap(tensor, frame)).collect()
            };
            let arguments = (wrap(inputs), wrap(targets), wrap(weights));
            operand(&function.bind(py).call1(arguments)?, None, frame)
        };
        // As in Keras, layers are in training there if a call says so.
        let loss = cx.with_training(false, |cx| call_python(cx, call, |cx| cx.constant(0.0_f32)));
        Terms::from(loss)
    }
}

/// A step that predicts: a callable of inputs, which returns a list.
pub fn predict_step(
    function: Py<PyAny>,
) -> impl Fn(&PredictStep<'_, Vec<Inner>, Vec<Inner>>, &mut Context) -> Vec<Inner> + Send + Sync {
    move |step, cx| callables::call_with_list(&function, step.inputs(), cx)
}
