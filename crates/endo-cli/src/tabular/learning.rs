//! Learning from a table.
//!
//! Each of several nets leaves out another part of the rows. Together they tell how well the model does on rows it has not
//! seen: by that the penalties of its linear part, the number of epochs and the shares of the mixture are chosen. The model
//! is the mean of all.

use endo::prelude::*;

use super::base::{self, Base, Penalties, Rows};
use super::encoding::Encoding;
use super::ensemble::{Ensemble, Sizes};
use super::folds::Folds;
use super::plan::{LARGE, Plan};
use super::problem::{Feature, Problem, Settings, Task};
use super::scale::{Scale, is_skewed, smearing, squared_error, standardized};
use super::table_net::{Mixture, TableNet};

/// What was chosen by rows left out; enough to learn again from all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Penalties of the model's linear part.
    pub penalties: Penalties,
    /// Penalties of the line alone.
    pub line: Penalties,
    /// The epochs of the nets.
    pub epochs: usize,
    /// The shares of the linear part and of the nets.
    pub mixture: Mixture,
    /// Where the target's logarithm is learnt, what exponentials are multiplied by.
    pub smearing: Option<f64>,
}

/// A model that was learnt.
pub struct Learned {
    /// Predicts `[rows, outputs]` in `f64`.
    pub model: Model,
    /// The line to compare it with, of the same form.
    pub line: Model,
    /// The training of the nets.
    pub history: History,
    /// What was chosen.
    pub choices: Choices,
    /// `[rows, outputs]`: what the model says of each row without having seen it; `NaN` for rows that no net left out.
    pub out_of_fold: Array,
    /// What the line says of each row without having seen it.
    pub line_out_of_fold: Array,
}

/// Learns from rows; `callbacks` and `probes` watch the training of the nets.
///
/// Inputs are `[rows, features]` in `f64`, targets `[rows, targets]` in their unit or `[rows, 1]` codes of classes.
///
/// # Errors
/// If a trace fails, or the numbers of a training grow without bound.
pub fn learn<'c>(
    problem: &Problem,
    rows: &Dataset,
    settings: &Settings,
    callbacks: Vec<Box<dyn Callback + 'c>>,
    probes: Vec<Probe>,
) -> Result<Learned> {
    Learning { problem, rows, settings, found: None }.run(callbacks, probes)
}

/// Learns again from rows, all of which every net sees, with what was chosen before.
///
/// # Errors
/// As [`learn`].
pub fn refit(problem: &Problem, rows: &Dataset, settings: &Settings, found: &Choices) -> Result<Learned> {
    Learning { problem, rows, settings, found: Some(found) }.run(Vec::new(), Vec::new())
}

struct Learning<'a> {
    problem: &'a Problem,
    rows: &'a Dataset,
    settings: &'a Settings,
    found: Option<&'a Choices>,
}

/// What all parts of learning share.
struct Parts<'a> {
    plan: &'a Plan,
    encoded: &'a Array,
    truth: &'a [f64],
    /// The share of rows that each net leaves out.
    share: f64,
}

/// A base and nets that were trained on what it leaves.
struct Fitted {
    base: Base,
    scale: Scale,
    nets: Ensemble,
    history: History,
    epochs: usize,
    mixture: Mixture,
    out_of_fold: Array,
    /// The sum of squared errors on rows unseen, in the target's unit; 0 for classes.
    error: f64,
}

impl Learning<'_> {
    fn run(&self, callbacks: Vec<Box<dyn Callback + '_>>, probes: Vec<Probe>) -> Result<Learned> {
        let (task, threads, count) = (self.problem.task, self.settings.threads, self.rows.len());
        let numbers = self.problem.features.iter().filter(|feature| !matches!(feature, Feature::Category { .. })).count();
        let plan = Plan::new(count, numbers, self.settings);
        let truth: Vec<f64> = self.rows.targets().map_or_else(Vec::new, Array::to_vec);
        let groups: Vec<usize> = match task {
            Task::Classes { .. } => truth.iter().map(|&class| class as usize).collect(),
            Task::Regression { .. } => vec![0; count],
        };
        let share = if self.found.is_some() { 0.0 } else { plan.share };
        let folds = Folds::new(&groups, plan.nets, Some(share), self.settings.seed);
        let (encoding, encoded) = Encoding::fit(self.problem, self.rows.inputs(), plan.pieces, threads)?;
        let (plain_scale, targets) = standardized(task, &truth, false);
        let weights = self.weights(&groups);
        let plain_rows =
            Rows { inputs: with_ones(&encoded), line: encoding.line_width(), targets, weights, folds: &folds, task, threads };
        let (line, plain) = match self.found {
            Some(found) => (base::fit(&plain_rows, found.line)?, base::fit(&plain_rows, found.penalties)?),
            None => self.search(&plain_rows, share, &groups)?,
        };
        let parts = Parts { plan: &plan, encoded: &encoded, truth: &truth, share };
        let plain = (plain_rows, plain_scale.clone(), plain);
        let curved = match self.found {
            Some(found) => found.smearing.is_some(),
            None => share > 0.0 && count <= LARGE && is_skewed(task, &truth),
        };
        let curved = if curved { self.curved(&parts, &plain, &groups)? } else { None };
        let fitted = match (curved, self.found) {
            (Some(curved), Some(_)) => self.fitted(&parts, curved, callbacks, probes)?,
            (Some(curved), None) => {
                let other = self.fitted(&parts, curved, Vec::new(), Vec::new())?;
                let plain = self.fitted(&parts, plain, callbacks, probes)?;
                if other.error < GAIN * plain.error { other } else { plain }
            }
            (None, _) => self.fitted(&parts, plain, callbacks, probes)?,
        };
        let outputs = task.outputs();
        let alone = Mixture { base: 1.0, nets: 0.0 };
        let line_out_of_fold = self.said(&plain_scale, alone, &line.out_of_fold, &vec![0.0; count * outputs]);
        let build = |base: &Base, nets: Option<Ensemble>, mixture: Mixture, scale: Scale| -> Result<Model> {
            let layer = TableNet::new(task, encoding.renewed(), mean_of_folds(base, outputs), nets, mixture, scale);
            let model = Model::new(layer).seed(self.settings.seed);
            let model = match threads {
                Some(threads) => model.threads(threads),
                None => model,
            };
            model.build_on(&[Array::zeros([1, self.problem.features.len()], DType::F64)])?;
            Ok(model)
        };
        let Fitted { base, scale, nets, history, epochs, mixture, out_of_fold, .. } = fitted;
        let smearing = scale.smearing;
        Ok(Learned {
            model: build(&base, Some(nets), mixture, scale)?,
            line: build(&line, None, alone, plain_scale)?,
            history,
            choices: Choices { penalties: base.penalties, line: line.penalties, epochs, mixture, smearing },
            out_of_fold,
            line_out_of_fold,
        })
    }

    /// What is linear in the encoded inputs for the target's logarithm; none where it does worse than without.
    fn curved<'r>(
        &self,
        parts: &Parts,
        (rows, scale, base): &(Rows<'r>, Scale, Base),
        groups: &[usize],
    ) -> Result<Option<(Rows<'r>, Scale, Base)>> {
        let (mut curved_scale, targets) = standardized(rows.task, parts.truth, true);
        let rows = Rows { targets, ..rows.clone() };
        if let Some(found) = self.found {
            curved_scale.smearing = found.smearing;
            let base = base::fit(&rows, found.penalties)?;
            return Ok(Some((rows, curved_scale, base)));
        }
        let curved = self.search(&rows, parts.share, groups)?.1;
        curved_scale.smearing = Some(smearing(&curved_scale, parts.truth, &curved.out_of_fold));
        let error = |scale: &Scale, base: &Base| squared_error(scale, parts.truth, &base.out_of_fold);
        let helps = error(&curved_scale, &curved) < GAIN * error(scale, base);
        Ok(helps.then_some((rows, curved_scale, curved)))
    }

    /// Trains the nets on what a base leaves, and mixes them.
    fn fitted(
        &self,
        parts: &Parts,
        (rows, mut scale, base): (Rows, Scale, Base),
        callbacks: Vec<Box<dyn Callback + '_>>,
        probes: Vec<Probe>,
    ) -> Result<Fitted> {
        let (nets, history, epochs, of_nets) = self.nets(parts.plan, &rows, parts.encoded, &base, callbacks, probes)?;
        let mixture = match self.found {
            Some(found) => found.mixture,
            None if parts.share > 0.0 => mixture(&rows, &base, &of_nets, &scale),
            None => Mixture { base: 1.0, nets: 1.0 },
        };
        let mut error = 0.0;
        if !rows.task.is_classes() {
            let mixed = |(base, nets): (&f64, &f64)| base * mixture.base + nets * mixture.nets;
            let said: Vec<f64> = base.out_of_fold.iter().zip(&of_nets).map(mixed).collect();
            if scale.smearing.is_some() && self.found.is_none() {
                scale.smearing = Some(smearing(&scale, parts.truth, &said));
            }
            error = squared_error(&scale, parts.truth, &said);
        }
        let out_of_fold = self.said(&scale, mixture, &base.out_of_fold, &of_nets);
        Ok(Fitted { base, scale, nets, history, epochs, mixture, out_of_fold, error })
    }

    /// The line, and what does better.
    fn search(&self, rows: &Rows, share: f64, groups: &[usize]) -> Result<(Base, Base)> {
        if share > 0.0 {
            return base::search(rows);
        }
        // Nets that leave out nothing cannot choose penalties: folds of the linear part alone do.
        let folds = Folds::new(groups, rows.folds.count(), None, self.settings.seed);
        let (line, base) = base::search(&Rows { folds: &folds, ..rows.clone() })?;
        Ok((base::fit(rows, line.penalties)?, base::fit(rows, base.penalties)?))
    }

    /// The weight of each row, of mean 1.
    fn weights(&self, groups: &[usize]) -> Vec<f32> {
        let factor = |group: &usize| self.settings.class_weight.as_ref().and_then(|weights| weights.get(*group)).copied();
        let mut weights: Vec<f32> = groups.iter().map(|group| factor(group).unwrap_or(1.0) as f32).collect();
        let sum: f32 = weights.iter().sum();
        let count = weights.len() as f32;
        weights.iter_mut().for_each(|weight| *weight *= count / sum.max(f32::MIN_POSITIVE));
        weights
    }

    /// Trains the nets on what the base leaves. Returns them, the training, its best epoch, and what they say of each row
    /// without having seen it.
    fn nets(
        &self,
        plan: &Plan,
        rows: &Rows,
        encoded: &Array,
        base: &Base,
        callbacks: Vec<Box<dyn Callback + '_>>,
        probes: Vec<Probe>,
    ) -> Result<(Ensemble, History, usize, Vec<f64>)> {
        let (count, outputs, nets) = (encoded.shape().batch(), rows.targets.shape().features(), plan.nets);
        let sizes = Sizes { nets, hidden: plan.hidden.clone(), outputs, dropout: plan.dropout };
        let layer = std::sync::Arc::new(Ensemble::new(sizes));
        let model = Model::new(layer.clone()).seed(self.settings.seed);
        let mut model = match rows.threads {
            Some(threads) => model.threads(threads),
            None => model,
        };
        let steps = plan.epochs * count.div_ceil(plan.batch_size);
        let optimizer = AdamW::new(CosineDecay::new(plan.learning_rate, steps)).weight_decay(plan.decay);
        model.compile(optimizer.exclude_from_weight_decay(["bias"]), loss(rows.task, nets), ());
        let [train, validation] = [true, false].map(|training| self.targets(rows, base, nets, training));
        let train = Dataset::new(encoded.clone(), train)?;
        let mask = rows.folds.mask();
        let judging: Vec<usize> =
            (0..count).filter(|row| mask[row * nets..(row + 1) * nets].iter().any(|&left_out| left_out > 0.0)).collect();
        let judged = match judging.is_empty() {
            true => None,
            false => Some(Dataset::new(encoded.take(&judging), validation.take(&judging))?),
        };
        let epochs = self.found.map_or(plan.epochs, |found| found.epochs);
        let mut fit = Fit::epochs(epochs.max(1)).batch_size(plan.batch_size).callbacks(callbacks);
        for probe in probes {
            fit = fit.probe(probe);
        }
        if let Some(judged) = &judged {
            let best = EarlyStopping::on("val_loss").patience(plan.patience).restore_best_weights(true);
            fit = fit.validation(judged).callback(best);
        }
        let history = model.fit(&train, fit)?;
        let losses = history.get("val_loss");
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let best = losses.iter().position(|&loss| loss == least).map_or(history.epochs.len(), |epoch| epoch + 1);
        let said = model.predict(encoded)?.to_vec::<f32>();
        let mut of_nets = vec![0.0; count * outputs];
        for row in 0..count {
            let left_out: f32 = mask[row * nets..(row + 1) * nets].iter().sum();
            for at in 0..nets * outputs {
                let (net, output) = (at / outputs, at % outputs);
                if mask[row * nets + net] > 0.0 {
                    of_nets[row * outputs + output] += f64::from(said[row * nets * outputs + at] / left_out);
                }
            }
        }
        Ok((layer.with_values(layer.values()), history, best, of_nets))
    }

    /// What the loss takes: what the base says for each net, the targets, and the weight of the row for each net.
    fn targets(&self, rows: &Rows, base: &Base, nets: usize, training: bool) -> Array {
        let (count, outputs, width) =
            (rows.inputs.shape().batch(), rows.targets.shape().features(), rows.inputs.shape().features());
        let (mask, inputs) = (rows.folds.mask(), rows.inputs.to_vec::<f32>());
        let targets = rows.targets.to_vec::<f64>();
        let mut values = Vec::with_capacity(count * (nets * outputs + outputs + nets));
        let mut said = vec![0.0; outputs];
        for row in 0..count {
            for coefficients in &base.folds {
                said.fill(0.0);
                for (x, coefficients) in inputs[row * width..(row + 1) * width].iter().zip(coefficients.chunks_exact(outputs)) {
                    said.iter_mut().zip(coefficients).for_each(|(said, coefficient)| *said += f64::from(*x) * coefficient);
                }
                values.extend(said.iter().map(|&said| said as f32));
            }
            values.extend(targets[row * outputs..(row + 1) * outputs].iter().map(|&target| target as f32));
            let factor = rows.weights[row];
            values.extend(mask[row * nets..(row + 1) * nets].iter().map(|&left_out| match training {
                true => (1.0 - left_out) * factor,
                false => left_out * factor * nets as f32,
            }));
        }
        let width = values.len() / count.max(1);
        Array::new([count, width], values).unwrap_or_else(|_| Array::zeros([count, width], DType::F32))
    }

    /// Predictions of rows from what the base and the nets say.
    fn said(&self, scale: &Scale, mixture: Mixture, base: &[f64], nets: &[f64]) -> Array {
        let (task, outputs, count) = (self.problem.task, self.problem.task.outputs(), self.rows.len());
        let mut values = Vec::with_capacity(count * outputs);
        for row in 0..count {
            let range = row * outputs..(row + 1) * outputs;
            let mixed = mixed(task, scale, mixture, &base[range.clone()], &nets[range]);
            match task {
                Task::Regression { .. } => values.extend(
                    mixed.iter().enumerate().map(|(at, &said)| if said.is_nan() { said } else { scale.in_unit(at, said) }),
                ),
                Task::Classes { .. } => {
                    let most = mixed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = mixed.iter().map(|logit| (logit - most).exp()).sum();
                    values.extend(mixed.iter().map(|logit| (logit - most).exp() / sum));
                }
            }
        }
        Array::from_fn([count, outputs], |at| values[at])
    }
}

/// Logarithms are learnt if their error in the target's unit is less than this share of what it is without.
const GAIN: f64 = 0.98;

/// What the mixture says, standardized, or as logits.
fn mixed(task: Task, scale: &Scale, mixture: Mixture, base: &[f64], nets: &[f64]) -> Vec<f64> {
    let prior = |at: usize| if task.is_classes() { scale.mean[at] } else { 0.0 };
    (0..base.len()).map(|at| prior(at) + (base[at] - prior(at)) * mixture.base + nets[at] * mixture.nets).collect()
}

/// The shares that do best on rows left out, on a grid.
fn mixture(rows: &Rows, base: &Base, nets: &[f64], scale: &Scale) -> Mixture {
    let outputs = rows.task.outputs();
    let targets = rows.targets.to_vec::<f64>();
    let mut best = (f64::INFINITY, Mixture { base: 1.0, nets: 1.0 });
    for of_base in [1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0] {
        for of_nets in [1.0, 0.8, 0.6, 0.4, 0.2, 0.0] {
            let mixture = Mixture { base: of_base, nets: of_nets };
            let mut total = 0.0;
            for row in 0..targets.len() / outputs {
                let range = row * outputs..(row + 1) * outputs;
                if base.out_of_fold[range.start].is_nan() {
                    continue;
                }
                let said = mixed(rows.task, scale, mixture, &base.out_of_fold[range.clone()], &nets[range.clone()]);
                total += f64::from(rows.weights[row]) * base::loss(rows.task, &said, &targets[range]);
            }
            if total < best.0 {
                best = (total, mixture);
            }
        }
    }
    best.1
}

/// The loss of all nets: each is judged on what the base says for it and what it adds.
fn loss(task: Task, nets: usize) -> impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static {
    let outputs = task.outputs();
    move |y_true: &Tensor, y_pred: &Tensor| {
        let batch = y_pred.batch();
        let offset = y_true.slice(1, ..nets * outputs);
        let truth = y_true.slice(1, nets * outputs..nets * outputs + outputs).reshape([batch, 1, outputs]);
        let weights = y_true.slice(1, nets * outputs + outputs..);
        let said = (y_pred + offset).reshape([batch, nets, outputs]);
        let losses = match task {
            Task::Regression { .. } => (said - truth).square().mean_axes(&[-1]),
            Task::Classes { .. } => said.logsumexp_axes(&[-1]) - (&said * truth).sum_axes(&[-1]),
        };
        (losses * weights).mean_axes(&[-1])
    }
}

/// `[rows, 1 + width]` with a column of ones in front.
fn with_ones(encoded: &Array) -> Array {
    let (rows, width) = (encoded.shape().batch(), encoded.shape().features());
    let values = encoded.to_vec::<f32>();
    let place =
        |at: usize| if at.is_multiple_of(width + 1) { 1.0 } else { values[at / (width + 1) * width + at % (width + 1) - 1] };
    Array::from_fn([rows, width + 1], place)
}

/// The mean of the folds' coefficients `[1 + width, outputs]`.
fn mean_of_folds(base: &Base, outputs: usize) -> Array {
    let count = base.folds.len().max(1) as f64;
    let size = base.folds.first().map_or(0, Vec::len);
    let mean = |at: usize| base.folds.iter().map(|coefficients| coefficients[at]).sum::<f64>() / count;
    Array::from_fn([size / outputs.max(1), outputs], mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize) -> (Problem, Dataset) {
        let features = vec![Feature::Number { name: "x".into() }, Feature::Category { name: "c".into(), count: 3 }];
        let inputs = Array::from_fn([rows, 2], |at| match at % 2 {
            0 => (at / 2) as f64 / rows as f64,
            _ => (1 + at / 2 % 2) as f64,
        });
        let truth = |row: usize| 1e6 * (6.0 * row as f64 / rows as f64).sin() + if row % 2 == 0 { 5e5 } else { 0.0 };
        let targets = Array::from_fn([rows, 1], truth);
        (Problem { features, task: Task::Regression { targets: 1 } }, Dataset::new(inputs, targets).unwrap())
    }

    fn error(said: &Array, truth: &Array) -> f64 {
        let errors = said.to_vec::<f64>().into_iter().zip(truth.to_vec::<f64>()).map(|(said, truth)| (said - truth).abs());
        errors.sum::<f64>() / truth.len() as f64
    }

    #[test]
    fn what_bends_is_learnt_in_the_target_s_unit_and_rows_unseen_tell_how_well() {
        let (problem, rows) = wave(200);
        let learned = learn(&problem, &rows, &Settings::new(1), Vec::new(), Vec::new()).unwrap();
        let truth = rows.targets().unwrap();
        let seen = error(&learned.model.predict(rows.inputs()).unwrap(), truth);
        assert!(seen < 5e4, "{seen} of a deviation of 7e5");
        assert!(error(&learned.out_of_fold, truth) < 8e4 && error(&learned.line_out_of_fold, truth) > 2e5);
        let far = learned.model.predict(&[[1e12, 0.0], [f64::NAN, 2.0]].into()).unwrap();
        assert!(far.to_vec::<f64>().iter().all(|said| said.abs() < 6e6), "{far:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_with_any_number_of_threads_and_in_an_export() {
        let (problem, rows) = wave(120);
        let with = |threads: usize| {
            let settings = Settings { threads: Some(threads), epochs: Some(3), ..Settings::new(5) };
            learn(&problem, &rows, &settings, Vec::new(), Vec::new()).unwrap()
        };
        let (one, two) = (with(1), with(2));
        let said = one.model.predict(rows.inputs()).unwrap();
        assert_eq!(said, two.model.predict(rows.inputs()).unwrap());
        let path = std::env::temp_dir().join(format!("endo-cli-table-net-{}", std::process::id()));
        one.model.export(&path).unwrap();
        let predictor = Predictor::load(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(predictor.unwrap().predict(rows.inputs()).unwrap(), said);
    }

    #[test]
    fn the_smallest_tables_are_learnt_without_fault() {
        for rows in [2, 3, 12] {
            let (mut problem, data) = wave(rows);
            let mut values = data.inputs().to_vec::<f64>();
            (0..rows).for_each(|row| values[2 * row] = f64::NAN);
            let data = data.with_inputs(Array::new([rows, 2], values).unwrap()).unwrap();
            let said = |problem: &Problem, data: &Dataset| {
                let learned = learn(problem, data, &Settings::new(3), Vec::new(), Vec::new()).unwrap();
                learned.model.predict(data.inputs()).unwrap()
            };
            assert!(said(&problem, &data).is_finite());
            problem.task = Task::Classes { count: 4 };
            let classes = Array::from_fn([rows, 1], |row| (row % 2) as f64);
            assert!(said(&problem, &Dataset::new(data.inputs().clone(), classes).unwrap()).is_finite());
        }
    }

    #[test]
    fn classes_get_probabilities_and_all_rows_can_be_learnt_again() {
        let (mut problem, rows) = wave(90);
        problem.task = Task::Classes { count: 3 };
        let classes = Array::from_fn([90, 1], |row| (row / 30) as f64);
        let rows = Dataset::new(rows.inputs().clone(), classes).unwrap();
        let settings = Settings::new(2);
        let learned = learn(&problem, &rows, &settings, Vec::new(), Vec::new()).unwrap();
        let again = refit(&problem, &rows, &settings, &learned.choices).unwrap();
        for model in [&learned.model, &again.model, &learned.line] {
            let said = model.predict(rows.inputs()).unwrap().to_vec::<f64>();
            assert!(said.chunks_exact(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-9));
            let right = said.chunks_exact(3).enumerate().filter(|(row, said)| said[row / 30] > 0.4).count();
            assert!(right > 75, "{right} of 90");
        }
        assert!(again.out_of_fold.to_vec::<f64>().iter().all(|said| said.is_nan()));
        let none = Settings { validation: Some(0.0), ..settings };
        assert!(learn(&problem, &rows, &none, Vec::new(), Vec::new()).is_ok());
    }
}
