//! Training nets on what a linear part leaves of the targets.
//!
//! In: encoded rows, the linear part of each fold, and which rows each net leaves out. Out: the
//! nets as they were when they did best on rows left out, and what they say of these.

use std::ops::Range;
use std::sync::Arc;

use endo::prelude::*;

use crate::ranks::Ranks;

use super::ensemble::{Ensemble, Sizes};
use super::linear::{Base, Rows, add_linear};
use super::plan::Plan;
use super::problem::{LearningOptions, Task};

/// A training of nets.
pub struct NetTraining<'a> {
    /// The seed and what the user asked for.
    pub options: &'a LearningOptions,
    /// The sizes.
    pub plan: &'a Plan,
    /// The rows, their targets and folds.
    pub rows: &'a Rows<'a>,
    /// What is linear, for each fold.
    pub base: &'a Base,
    /// The rows `[rows, width]`.
    pub encoded: &'a Array,
    /// The rows that are learnt from: the same with a few categories hidden.
    pub masked: &'a Array,
}

/// Nets that were trained.
pub struct TrainedNets {
    /// As they were in the epoch that did best.
    pub nets: Ensemble,
    /// The training.
    pub history: History,
    /// The epoch that did best, counted from 1.
    pub epoch: usize,
    /// `[rows, outputs]`: what is said of a row by nets that leave it out; 0 where none does.
    pub out_of_fold: Vec<f64>,
}

impl NetTraining<'_> {
    /// Trains for the epochs of the plan; fewer, if there are rows left out and these say so.
    ///
    /// # Errors
    /// If the numbers of the training grow without bound.
    pub fn run(&self, callbacks: Vec<Box<dyn Callback + '_>>) -> Result<TrainedNets> {
        let Self { plan, rows, encoded, .. } = *self;
        let (count, outputs, nets) =
            (encoded.shape().batch(), rows.targets.shape().features(), plan.nets);
        let reconstruction = self.options.reconstruction.unwrap_or(0.0);
        let sizes = Sizes { nets, hidden: plan.hidden.clone(), outputs, reconstruction };
        let layer = Arc::new(Ensemble::new(sizes));
        let model = Model::new(layer.clone()).seed(self.options.seed);
        let mut model = match rows.threads {
            Some(threads) => model.threads(threads),
            None => model,
        };
        let steps = plan.epochs.saturating_mul(count.div_ceil(plan.batch_size));
        let optimizer =
            AdamW::new(CosineDecay::new(plan.learning_rate, steps)).weight_decay(plan.decay);
        model.compile(optimizer.exclude_from_weight_decay(["bias"]), loss(rows.task, nets), ());
        Ranks::share(self.options.ranks.as_ref(), &mut model);
        let ranks = self.options.ranks.as_ref();
        let part = |own: Range<usize>| self.targets(self.masked, true, own);
        let train = Dataset::new(self.masked.clone(), Ranks::rows(ranks, count, part)?)?;
        let mask = rows.folds.mask();
        let left_out: Vec<usize> = (0..count)
            .filter(|row| mask[row * nets..(row + 1) * nets].iter().any(|&left_out| left_out > 0.0))
            .collect();
        let judged = if left_out.is_empty() {
            None
        } else {
            let part = |own: Range<usize>| Ok(encoded.take(&left_out[own]));
            let inputs = Ranks::rows(ranks, left_out.len(), part)?;
            let part =
                |own: Range<usize>| self.targets(encoded, false, left_out[own].iter().copied());
            Some(Dataset::new(inputs, Ranks::rows(ranks, left_out.len(), part)?)?)
        };
        let mut fit =
            Fit::epochs(plan.epochs.max(1)).batch_size(plan.batch_size).callbacks(callbacks);
        if let Some(judged) = &judged {
            let best =
                EarlyStopping::on("val_loss").patience(plan.patience).restore_best_weights(true);
            fit = fit.validation(judged).callback(best);
        }
        let history = model.fit(&train, fit)?;
        let losses = history.get("val_loss");
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let epoch = losses
            .iter()
            .position(|&loss| loss == least)
            .map_or(history.epochs.len(), |epoch| epoch + 1);
        let mut out_of_fold = vec![0.0; count * outputs];
        if let Some(judged) = &judged {
            let said = model.predict(judged.inputs())?.to_vec::<f32>();
            for (said, &row) in said.chunks_exact(nets * outputs).zip(&left_out) {
                let mask = &mask[row * nets..(row + 1) * nets];
                let sayers: f32 = mask.iter().sum();
                for (_, said) in mask
                    .iter()
                    .zip(said.chunks_exact(outputs))
                    .filter(|(left_out, _)| **left_out > 0.0)
                {
                    let sums = &mut out_of_fold[row * outputs..(row + 1) * outputs];
                    for (sum, &said) in sums.iter_mut().zip(said) {
                        *sum += f64::from(said / sayers);
                    }
                }
            }
        }
        Ok(TrainedNets { nets: layer.with_values(layer.values()), history, epoch, out_of_fold })
    }

    /// What the loss takes, for some rows as they are encoded: what the base says for each net, the
    /// targets, and the weight of the row for each net, which is of those that learn from it or of
    /// those that leave it out.
    fn targets(
        &self,
        encoded: &Array,
        training: bool,
        of: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Array> {
        let (rows, nets) = (self.rows, self.plan.nets);
        let (count, outputs, width) =
            (of.len(), rows.targets.shape().features(), encoded.shape().features());
        let (mask, inputs) = (rows.folds.mask(), encoded.as_slice::<f32>().unwrap_or_default());
        let mut values = Vec::with_capacity(count * (nets * outputs + outputs + nets));
        let mut said = vec![0.0; outputs];
        for row in of {
            for coefficients in &self.base.folds {
                let (constant, coefficients) = coefficients.split_at(outputs);
                said.copy_from_slice(constant);
                add_linear(&mut said, &inputs[row * width..(row + 1) * width], coefficients);
                values.extend(said.iter().map(|&said| said as f32));
            }
            let target = |output: usize| rows.targets.get(row * outputs + output) as f32;
            values.extend((0..outputs).map(target));
            let factor = rows.weights[row];
            values.extend(mask[row * nets..(row + 1) * nets].iter().map(|&left_out| {
                if training { (1.0 - left_out) * factor } else { left_out * factor * nets as f32 }
            }));
        }
        let width = nets * outputs + outputs + nets;
        Array::new([count, width], values)
    }
}

/// The loss of all nets: each is judged on what the base says for it and what it adds.
fn loss(task: Task, nets: usize) -> impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static {
    let outputs = task.outputs();
    move |y_true: &Tensor, y_pred: &Tensor| {
        let batch = y_pred.batch();
        let offset = y_true.slice(1, ..nets * outputs);
        let truth =
            y_true.slice(1, nets * outputs..nets * outputs + outputs).reshape([batch, 1, outputs]);
        let weights = y_true.slice(1, nets * outputs + outputs..);
        let said = (y_pred + offset).reshape([batch, nets, outputs]);
        let losses = match task {
            Task::Regression { .. } => (said - truth).square().mean_axes([-1]),
            Task::Classes { .. } => said.logsumexp_axes([-1]) - (&said * truth).sum_axes([-1]),
        };
        (losses * weights).mean_axes([-1])
    }
}
