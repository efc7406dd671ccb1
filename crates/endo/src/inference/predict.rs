//! `predict`: a model's outputs for any number of rows.
//!
//! In: inputs. Out: one row of outputs for each row, computed in parts of a fixed size that threads
//! share. Calls are counted, as random numbers follow the number of the call. What `call` assigns
//! goes from part to part, one after another, and is afterwards what it was before: no variable has
//! changed when a call is done.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::{Occasion, Tree};
use crate::step::cache::{StepKind, TracedStep};
use crate::step::{Batch, Runner, Steps};
use crate::trace::Pool;

use super::shared;

/// Rows that run through the model at a time: enough to keep the processor busy, few enough to stay
/// in its caches.
pub(super) const ROWS: usize = 256;

impl<I: Tree, O: Tree> Steps<I, O> {
    /// The outputs for inputs with samples along the first axis.
    #[track_caller]
    pub fn predict(&self, x: &I::Arrays) -> Result<O::Arrays> {
        self.predict_call(self.next_call(), x)
    }

    /// The same as the call with this number.
    #[track_caller]
    pub fn predict_call(&self, call: u64, x: &I::Arrays) -> Result<O::Arrays> {
        self.predict_by(&mut Runner::new(self, StepKind::Predict), call, x)
    }

    /// The outputs without the structure of inputs and outputs.
    #[track_caller]
    pub fn predict_all(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let mut runner = Runner::new(self, StepKind::Predict);
        predict(&mut runner, inputs, Occasion::predict(self.next_call()), &self.pool)
    }

    /// The outputs of the call with this number, computed by a runner of the steps or something
    /// around one.
    #[track_caller]
    pub fn predict_by(
        &self,
        runner: &mut impl RowsRunner,
        call: u64,
        x: &I::Arrays,
    ) -> Result<O::Arrays> {
        let inputs: Vec<Array> = I::arrays(x).into_iter().cloned().collect();
        structured::<O>(self.predict_shared(runner, &inputs, Occasion::predict(call))?)
    }

    /// The outputs for all rows, which several ranks share where each part of them can be computed
    /// alone.
    #[track_caller]
    fn predict_shared(
        &self,
        runner: &mut impl RowsRunner,
        inputs: &[Array],
        occasion: Occasion,
    ) -> Result<Vec<Array>> {
        let sharding = self.sharding.as_ref().filter(|sharding| sharding.link.ranks() > 1);
        let Some(sharding) = sharding else {
            return predict(runner, inputs, occasion, &self.pool);
        };
        let rows = samples(inputs)?;
        let part = |range: Range<usize>| -> Vec<Array> {
            inputs.iter().map(|x| x.rows(range.clone())).collect()
        };
        if rows <= ROWS || runner.step(&part(0..ROWS))?.is_none() {
            return predict(runner, inputs, occasion, &self.pool);
        }
        shared::predict(rows, ROWS, sharding, |range| {
            let first = range.start;
            predict(runner, &part(range), occasion.later_by(first), &self.pool)
        })
    }

    /// The number of the next call.
    pub fn next_call(&self) -> u64 {
        self.predict_calls.fetch_add(1, Ordering::Relaxed)
    }
}

/// Predictions in the structure of the outputs.
fn structured<O: Tree>(predictions: Vec<Array>) -> Result<O::Arrays> {
    O::from_arrays(&mut predictions.into_iter()).ok_or_else(|| {
        let message = "the model returned fewer tensors than its type of outputs holds";
        Error::usage(message, "`Tree::tensors` and `Tree::from_arrays` must agree")
    })
}

/// What computes the outputs for a part of the rows.
pub(crate) trait RowsRunner {
    /// The outputs for some rows, with the random numbers of an occasion.
    #[track_caller]
    fn run(&mut self, inputs: &[Array], occasion: Occasion) -> Result<&[Array]>;

    /// The step that runs for such rows, for any thread; none where all runs are eager, or each
    /// goes on from the one before.
    #[track_caller]
    fn step(&mut self, inputs: &[Array]) -> Result<Option<Arc<TracedStep>>>;
}

impl<I: Tree, O: Tree> RowsRunner for Runner<'_, I, O> {
    #[track_caller]
    fn run(&mut self, inputs: &[Array], occasion: Occasion) -> Result<&[Array]> {
        self.occasion = Some(occasion);
        Runner::run(self, Batch { inputs, ..Batch::default() })?;
        Ok(self.outputs().1)
    }

    #[track_caller]
    fn step(&mut self, inputs: &[Array]) -> Result<Option<Arc<TracedStep>>> {
        let step = Runner::step(self, Batch { inputs, ..Batch::default() })?;
        Ok(step.filter(|step| step.made.states.is_empty()))
    }
}

/// The outputs for all rows, in parts. The occasion is that of the first row.
#[track_caller]
pub(super) fn predict(
    runner: &mut impl RowsRunner,
    inputs: &[Array],
    occasion: Occasion,
    pool: &Pool,
) -> Result<Vec<Array>> {
    let samples = samples(inputs)?;
    if samples <= ROWS {
        return Ok(outputs(runner, inputs, occasion, samples)?.to_vec());
    }
    let occasion = |number: usize| occasion.later_by(number * ROWS);
    let parts = samples.div_ceil(ROWS);
    let rows = |number: usize| ROWS.min(samples - number * ROWS);
    let part = |number: usize| -> Vec<Array> {
        let start = number * ROWS;
        inputs.iter().map(|x| x.rows(start..start + rows(number))).collect()
    };
    let empty = |outputs: &[Array]| -> Result<Vec<Array>> {
        outputs
            .iter()
            .map(|output| Array::try_zeros(&output.shape().with(0, samples), output.dtype()))
            .collect()
    };
    let Some(step) = runner.step(&part(0))? else {
        let first = outputs(runner, &part(0), occasion(0), ROWS)?;
        let mut predictions = empty(first)?;
        write(&mut predictions, first, 0);
        for number in 1..parts {
            let outputs = outputs(runner, &part(number), occasion(number), rows(number))?;
            same(&predictions, outputs, rows(number))?;
            write(&mut predictions, outputs, number * ROWS);
        }
        return Ok(predictions);
    };
    let last = runner.step(&part(parts - 1))?.unwrap_or_else(|| step.clone());
    let mut predictions = empty(each(&step.outputs, ROWS)?)?;
    same(&predictions, each(&last.outputs, rows(parts - 1))?, rows(parts - 1))?;
    // With few parts, the threads share the products of the first, or of both.
    let first = match parts {
        2 if pool.threads() > 1 => 2,
        _ if parts > pool.threads() => 0,
        _ => 1,
    };
    for number in 0..first {
        write(&mut predictions, runner.run(&part(number), occasion(number))?, number * ROWS);
    }
    let (all, failure, alone) = (Mutex::new(&mut predictions), Mutex::new(None), Pool::new(1));
    // Parts of a size are runs of one program, so what they give does not depend on the thread that
    // runs them.
    pool.run(parts - first, |task| {
        let number = first + task;
        let (mut inputs, step) = (part(number), if number + 1 < parts { &step } else { &last });
        inputs.extend(step.draws.then(|| occasion(number).array()));
        let mut outputs = step.outputs.clone();
        match step.program.run(&inputs.iter().collect::<Vec<_>>(), &mut outputs, &alone) {
            Ok(()) => write(
                &mut all.lock().expect("no thread panics while it writes rows"),
                &outputs,
                number * ROWS,
            ),
            // Of several, the first in the order of the rows.
            Err(error) => {
                let mut failure = failure.lock().expect("as above");
                if failure.as_ref().is_none_or(|&(before, _)| number < before) {
                    *failure = Some((number, error));
                }
            }
        }
    });
    if let Some((number, error)) = failure.into_inner().expect("as above") {
        // Once more, to find what has made it.
        runner.run(&part(number), occasion(number))?;
        return Err(error);
    }
    Ok(predictions)
}

/// The number of rows, the same in all inputs.
fn samples(inputs: &[Array]) -> Result<usize> {
    let samples = inputs.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
    if samples == 0 {
        let shape = inputs.first().map(|x| x.shape().clone()).unwrap_or_default();
        let message =
            format!("`predict` takes inputs with samples along the first axis, got shape {shape}");
        return Err(Error::shape(message, "give at least one row: an array `[samples, features]`"));
    }
    if let Some(other) = inputs.iter().find(|other| other.shape().first() != Some(&samples)) {
        let message = format!(
            "the inputs have {samples} samples, but one of them has shape {}",
            other.shape()
        );
        let help = "the first axis counts the samples and must be the same";
        return Err(Error::shape(message, help));
    }
    Ok(samples)
}

/// The outputs for some rows, one row of each for each.
#[track_caller]
fn outputs<'r>(
    runner: &'r mut impl RowsRunner,
    inputs: &[Array],
    occasion: Occasion,
    rows: usize,
) -> Result<&'r [Array]> {
    each(runner.run(inputs, occasion)?, rows)
}

/// Outputs, which have one row for each of the rows they were computed from.
fn each(outputs: &[Array], rows: usize) -> Result<&[Array]> {
    if let Some(output) = outputs.iter().find(|output| output.shape().first() != Some(&rows)) {
        let message =
            format!("an output of the model for {rows} rows has shape {}", output.shape());
        let help = "a model that predicts returns one row for each row of its input";
        return Err(Error::shape(message, help));
    }
    Ok(outputs)
}

/// Fails if the outputs for some rows are not rows of all predictions.
fn same(predictions: &[Array], outputs: &[Array], rows: usize) -> Result<()> {
    let other = predictions
        .iter()
        .zip(outputs)
        .find(|(all, output)| all.shape().with(0, rows) != *output.shape());
    let Some((all, output)) = other else { return Ok(()) };
    let message = format!(
        "an output of the model for {rows} rows has shape {}, and {} for more",
        output.shape(),
        all.shape()
    );
    Err(Error::shape(message, "only the first axis of an output may depend on the number of rows"))
}

fn write(predictions: &mut [Array], outputs: &[Array], start: usize) {
    for (all, output) in predictions.iter_mut().zip(outputs) {
        all.write_rows(start, output);
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn outputs_whose_rows_depend_on_the_batch_are_refused() {
        let model = Model::new(|x: &Tensor, _: &mut Context| x.matmul(&x.transpose()));
        assert_eq!(
            model.predict(&Array::zeros([3, 2], DType::F32)).unwrap().shape().sizes(),
            [3, 3]
        );
        let error = model.predict(&Array::zeros([300, 2], DType::F32)).unwrap_err();
        error.reads(
            "an output of the model for 44 rows has shape [44, 44], and [300, 256] for more",
        );
    }

    #[test]
    fn any_number_of_threads_predicts_the_same_row_by_row() {
        for samples in [300, 600, 2000] {
            same_row_by_row(samples);
        }
    }

    fn same_row_by_row(samples: usize) {
        let x = Array::from_fn([samples, 3], |i| (i as f32 * 0.37).sin());
        let predict = |threads: usize, eager: bool| {
            let net = Sequential::new().add(Dense::new(30).activation(Selu)).add(Dense::new(1));
            let model = Model::new(net).seed(1).threads(threads).run_eagerly(eager);
            model.predict(&x).unwrap()
        };
        let expected = predict(1, false);
        for threads in [2, 3, 4] {
            assert_eq!(predict(threads, false), expected);
        }
        let eager = predict(2, true);
        assert!((0..samples).all(|row| (eager.get(row) - expected.get(row)).abs() < 1e-6));
        let net = Sequential::new().add(Dense::new(30).activation(Selu)).add(Dense::new(1));
        let model = Model::new(net).seed(1);
        assert!(
            (0..samples).step_by(97).all(|row| model
                .predict(&x.rows(row..row + 1))
                .unwrap()
                .get(0)
                == expected.get(row))
        );
    }
}
