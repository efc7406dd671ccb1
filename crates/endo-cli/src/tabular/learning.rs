//! Learning from a table.
//!
//! Each of several nets leaves out another part of the rows. Together they tell how well the model does on rows it has not
//! seen: by that the penalties of its linear part, the number of epochs and the shares of the mixture are chosen. The model
//! is the mean of all.

use endo::prelude::*;
use endo::random::Random;

use super::base::{self, Base, Penalties, Rows};
use super::encoding::Encoding;
use super::ensemble::Ensemble;
use super::folds::Folds;
use super::nets::{Trained, Training};
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

/// Learns from more rows, with the penalties that were chosen before, and the target's logarithm if that was chosen.
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
    /// The same with a few categories hidden.
    masked: &'a Array,
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
        let share = plan.share;
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
        let masked = match self.hidden() {
            Some(inputs) => encoding.renewed().encode(&inputs, threads)?,
            None => encoded.clone(),
        };
        let parts = Parts { plan: &plan, encoded: &encoded, masked: &masked, truth: &truth, share };
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
        let Fitted { base, scale, nets, history, epochs, mixture, .. } = fitted;
        let smearing = scale.smearing;
        Ok(Learned {
            model: build(&base, Some(nets), mixture, scale)?,
            line: build(&line, None, alone, plain_scale)?,
            history,
            choices: Choices { penalties: base.penalties, line: line.penalties, epochs, mixture, smearing },
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
        let Parts { plan, encoded, masked, .. } = *parts;
        let epochs = self.found.filter(|_| parts.share == 0.0).map_or(plan.epochs, |found| found.epochs);
        let training = Training { settings: self.settings, plan, rows: &rows, base: &base, encoded, masked };
        let Trained { nets, history, epoch: epochs, out_of_fold: of_nets } = training.run(epochs, callbacks, probes)?;
        let mixture = match self.found {
            _ if parts.share > 0.0 => mixture(&rows, &base, &of_nets, &scale),
            Some(found) => found.mixture,
            None => Mixture { base: 1.0, nets: 1.0 },
        };
        let mut error = 0.0;
        if !rows.task.is_classes() {
            let mixed = |(base, nets): (&f64, &f64)| base * mixture.base + nets * mixture.nets;
            let said: Vec<f64> = base.out_of_fold.iter().zip(&of_nets).map(mixed).collect();
            if scale.smearing.is_some() && parts.share > 0.0 {
                scale.smearing = Some(smearing(&scale, parts.truth, &said));
            }
            error = squared_error(&scale, parts.truth, &said);
        }
        Ok(Fitted { base, scale, nets, history, epochs, mixture, error })
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

    /// The inputs with a few categories replaced by the one for what is not known, so that nets learn what to say then; none
    /// where there are no categories.
    fn hidden(&self) -> Option<Array> {
        let is_category: Vec<bool> =
            self.problem.features.iter().map(|feature| matches!(feature, Feature::Category { .. })).collect();
        if !is_category.contains(&true) {
            return None;
        }
        let mut values = self.rows.inputs().to_vec::<f64>();
        let mut random = Random::new(self.settings.seed, MASKING);
        for (at, value) in values.iter_mut().enumerate() {
            if is_category[at % is_category.len()] && random.uniform_f64() < HIDDEN {
                *value = 0.0;
            }
        }
        Array::new(self.rows.inputs().shape().clone(), values).ok()
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
}

/// The share of categories that are hidden from the nets while they learn.
const HIDDEN: f64 = 0.01;

/// The stream of the seed by which categories are hidden.
const MASKING: u64 = u64::MAX - 1;

/// Logarithms are learnt if their error in the target's unit is less than this share of what it is without.
const GAIN: f64 = 0.98;

/// What the mixture says, standardized, or as logits.
fn mixed(task: Task, scale: &Scale, mixture: Mixture, base: &[f64], nets: &[f64]) -> Vec<f64> {
    let prior = |at: usize| if task.is_classes() { scale.mean[at] } else { 0.0 };
    (0..base.len()).map(|at| prior(at) + (base[at] - prior(at)) * mixture.base + nets[at] * mixture.nets).collect()
}

/// The shares that do best on rows left out, on a grid. Of many rows some are looked at.
fn mixture(rows: &Rows, base: &Base, nets: &[f64], scale: &Scale) -> Mixture {
    let outputs = rows.task.outputs();
    let targets = rows.targets.to_vec::<f64>();
    let left_out: Vec<usize> = (0..targets.len() / outputs).filter(|row| !base.out_of_fold[row * outputs].is_nan()).collect();
    let every = left_out.len().div_ceil(MOST_JUDGED).max(1);
    let mut best = (f64::INFINITY, Mixture { base: 1.0, nets: 1.0 });
    for of_base in [1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0] {
        for of_nets in [1.0, 0.8, 0.6, 0.4, 0.2, 0.0] {
            let mixture = Mixture { base: of_base, nets: of_nets };
            let of_row = |&row: &usize| {
                let range = row * outputs..(row + 1) * outputs;
                let said = mixed(rows.task, scale, mixture, &base.out_of_fold[range.clone()], &nets[range.clone()]);
                f64::from(rows.weights[row]) * base::loss(rows.task, &said, &targets[range])
            };
            let total: f64 = left_out.iter().step_by(every).map(of_row).sum();
            if total < best.0 {
                best = (total, mixture);
            }
        }
    }
    best.1
}

/// At most about so many rows choose the shares.
const MOST_JUDGED: usize = 5000;

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
