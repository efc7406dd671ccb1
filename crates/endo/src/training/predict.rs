//! `predict` with callbacks.
//!
//! In: inputs and callbacks. Out: predictions, part by part.

use std::sync::Arc;

use crate::array::Array;
use crate::data::stream::Origin;
use crate::data::{BatchAt, Dataset, Length, Sampling, Stream};
use crate::error::{Error, Result};
use crate::graph::{Occasion, Tree};
use crate::inference::predict::RowsRunner;
use crate::step::cache::{StepKind, TracedStep};
use crate::step::{BATCH_SIZE, Runner, Steps};

use super::callbacks::{Callback, Training, tell};
use super::feed::nothing;

/// How to predict: what Keras's `predict` takes besides the data.
///
/// ```
/// use endo::prelude::*;
/// # let model = Model::new(Dense::new(1));
/// let mut parts = 0;
/// let count = LambdaCallback::new().on_predict_batch_end(|_, outputs, _| {
///     assert!(outputs[0].shape()[0] <= 256);
///     parts += 1;
///     Ok(())
/// });
/// model.predict_with(&Array::zeros([600, 3], DType::F32), Predict::new().callback(count))?;
/// assert_eq!(parts, 3);
/// # Ok::<(), Error>(())
/// ```
#[derive(Default)]
pub struct Predict<'a> {
    callbacks: Vec<Box<dyn Callback + 'a>>,
}

impl<'a> Predict<'a> {
    /// As [`Model::predict`](crate::model::Model::predict).
    pub fn new() -> Self {
        Self::default()
    }

    /// Something to be told of the prediction and of its parts, of up to 256 rows. With one the
    /// parts run one after another.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }
}

/// The outputs for inputs.
#[track_caller]
pub(crate) fn predict<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    x: &I::Arrays,
    options: Predict<'_>,
) -> Result<O::Arrays> {
    let Predict { mut callbacks } = options;
    if callbacks.is_empty() {
        return steps.predict(x);
    }
    let training = Training::of(steps);
    tell(&mut callbacks, |callback| callback.predict_begin(&training))?;
    let runner = Runner::new(steps, StepKind::Predict);
    let mut observed =
        ObservedRunner { runner, callbacks: &mut callbacks, training: &training, part: 0 };
    let outputs = steps.predict_by(&mut observed, steps.next_call(), x)?;
    drop(observed);
    tell(&mut callbacks, |callback| callback.predict_end(&training))?;
    Ok(outputs)
}

/// The outputs for the inputs of data, whose targets are not looked at.
#[track_caller]
pub(crate) fn predict_data<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    data: Stream<'_>,
) -> Result<O::Arrays> {
    let outputs_of = |data: &Dataset| {
        let mut inputs = data.all_inputs().iter().cloned();
        let structured = I::from_arrays(&mut inputs).filter(|_| inputs.next().is_none());
        let x = structured.ok_or_else(|| {
            let message = format!(
                "the data has {} inputs, which is not what the model's `call` takes",
                data.all_inputs().len()
            );
            let help = "give one array for each tensor of its input: `Dataset::new((a, b), y)`";
            Error::shape(message, help)
        })?;
        steps.predict(&x)
    };
    let mut source = match data.origin {
        Origin::Memory(data) => return outputs_of(&data),
        Origin::Batches(source) => source,
    };
    if source.length() == Length::Endless {
        let message = "the data to predict for is a stream without end";
        let help = "predict batch by batch, with `predict`, for as many batches as you need";
        return Err(Error::usage(message, help));
    }
    source.sample(Sampling { batch_size: BATCH_SIZE, seed: None })?;
    if source.can_seek() {
        source.seek(BatchAt::default())?;
    }
    let mut parts: Vec<Vec<Array>> = Vec::new();
    while let Some(batch) = source.next_batch()? {
        parts.push(O::arrays(&outputs_of(&batch)?).into_iter().cloned().collect());
    }
    let count = parts.first().ok_or_else(nothing)?.len();
    let joined = (0..count)
        .map(|output| Array::of_rows(&parts.iter().map(|part| &part[output]).collect::<Vec<_>>()));
    joined
        .collect::<Option<Vec<Array>>>()
        .and_then(|outputs| O::from_arrays(&mut outputs.into_iter()))
        .ok_or_else(|| {
            let message =
                "the outputs for the batches of the data differ in more than their number of rows";
            Error::shape(message, "predict batch by batch, with `predict`")
        })
}

/// Runs parts of the rows one after another, and tells callbacks of each.
struct ObservedRunner<'p, 'c, I: Tree, O: Tree> {
    runner: Runner<'p, I, O>,
    callbacks: &'p mut [Box<dyn Callback + 'c>],
    training: &'p Training<'p>,
    part: usize,
}

impl<I: Tree, O: Tree> RowsRunner for ObservedRunner<'_, '_, I, O> {
    #[track_caller]
    fn run(&mut self, inputs: &[Array], occasion: Occasion) -> Result<&[Array]> {
        let Self { runner, callbacks, training, part } = self;
        tell(callbacks, |callback| callback.predict_batch_begin(*part, training))?;
        let outputs = RowsRunner::run(runner, inputs, occasion)?;
        tell(callbacks, |callback| callback.predict_batch_end(*part, outputs, training))?;
        *part += 1;
        Ok(outputs)
    }

    fn step(&mut self, _: &[Array]) -> Result<Option<Arc<TracedStep>>> {
        Ok(None)
    }
}
