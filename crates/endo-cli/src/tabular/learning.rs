//! Learning from a table.
//!
//! Each of several nets leaves out another part of the rows. Together they tell how well the model
//! does on rows it has not seen: by that the penalties of its linear part, the number of epochs and
//! the shares of the mixture are chosen. The model is the mean of all.

use endo::prelude::*;
use endo::random::Random;

use crate::ranks::Ranks;

use super::encoding::{Encoding, part};
use super::ensemble::Ensemble;
use super::folds::Folds;
use super::linear::{self, Base, Rows};
use super::nets::{NetTraining, TrainedNets};
use super::plan::{LARGE, Plan};
use super::problem::{Feature, LearningOptions, Problem, Task};
use super::scale::{Scale, is_skewed, smearing, squared_error, standardized};
use super::table_net::{Mixture, TableNet};

/// A model that was learnt.
pub struct LearnedModel {
    /// Predicts `[rows, outputs]` in `f64`.
    pub model: Model,
    /// The line to compare it with, of the same form.
    pub line: Model,
    /// The training of the nets.
    pub history: History,
    /// The epoch of the nets that did best on rows left out, counted from 1.
    pub epoch: usize,
}

/// Learns from rows; `callbacks` watch the training of the nets.
///
/// Inputs are `[rows, features]` in `f64`, targets `[rows, targets]` in their unit or `[rows, 1]`
/// codes of classes.
///
/// # Errors
/// If a trace fails, or the numbers of a training grow without bound.
pub fn learn<'c>(
    problem: &Problem,
    rows: &Dataset,
    options: &LearningOptions,
    callbacks: Vec<Box<dyn Callback + 'c>>,
) -> Result<LearnedModel> {
    TableLearner { problem, rows, options }.run(callbacks)
}

/// The line alone: ridge regression, or logistic regression of classes.
///
/// # Errors
/// If a trace fails.
pub fn line(problem: &Problem, rows: &Dataset, options: &LearningOptions) -> Result<Model> {
    let learning = TableLearner { problem, rows, options };
    let prepared = learning.prepare()?;
    let (scale, targets) = standardized(problem.task, &prepared.truth, false);
    let (line, _) = learning.search(&learning.rows(&prepared, targets), &prepared)?;
    learning.build(&prepared, &line, None, ALONE, scale)
}

struct TableLearner<'a> {
    problem: &'a Problem,
    rows: &'a Dataset,
    options: &'a LearningOptions,
}

/// What is made of the rows before anything is learnt.
struct PreparedRows {
    plan: Plan,
    truth: Vec<f64>,
    /// The classes of the rows, which folds spread.
    groups: Vec<usize>,
    folds: Folds,
    encoding: Encoding,
    encoded: Array,
    /// With the column of ones.
    inputs: Array,
    weights: Vec<f32>,
}

/// A base and nets that were trained on what it leaves.
struct FittedNets {
    base: Base,
    scale: Scale,
    nets: Ensemble,
    history: History,
    epoch: usize,
    mixture: Mixture,
    /// The sum of squared errors on rows unseen, in the target's unit; 0 for classes.
    error: f64,
}

/// The shares of what is linear alone.
const ALONE: Mixture = Mixture { base: 1.0, nets: 0.0 };

impl TableLearner<'_> {
    fn run(&self, callbacks: Vec<Box<dyn Callback + '_>>) -> Result<LearnedModel> {
        let (task, prepared) = (self.problem.task, self.prepare()?);
        let (scale, targets) = standardized(task, &prepared.truth, false);
        let rows = self.rows(&prepared, targets);
        let (line, base) = self.search(&rows, &prepared)?;
        let line = self.build(&prepared, &line, None, ALONE, scale.clone())?;
        let masked = self.masked(&prepared)?;
        let may_curve = prepared.plan.share > 0.0
            && self.rows.len() <= LARGE
            && is_skewed(task, &prepared.truth);
        let curved = if may_curve { self.curved(&prepared, &rows, &scale, &base)? } else { None };
        let fit =
            |(rows, scale, base)| self.fitted(&prepared, &masked, &rows, scale, base, Vec::new());
        let curved = curved.map(fit).transpose()?;
        let plain = self.fitted(&prepared, &masked, &rows, scale, base, callbacks)?;
        let fitted = curved.filter(|curved| curved.error < GAIN * plain.error).unwrap_or(plain);
        let FittedNets { base, scale, nets, history, epoch, mixture, .. } = fitted;
        Ok(LearnedModel {
            model: self.build(&prepared, &base, Some(nets), mixture, scale)?,
            line,
            history,
            epoch,
        })
    }

    fn prepare(&self) -> Result<PreparedRows> {
        let is_number = |feature: &&Feature| !matches!(feature, Feature::Category { .. });
        let numbers = self.problem.features.iter().filter(is_number).count();
        let plan = Plan::new(self.rows.len(), numbers, self.options);
        let truth: Vec<f64> = self.rows.targets().map_or_else(Vec::new, Array::to_vec);
        let groups: Vec<usize> = match self.problem.task {
            Task::Classes { .. } => truth.iter().map(|&class| class as usize).collect(),
            Task::Regression { .. } => vec![0; self.rows.len()],
        };
        let folds = Folds::new(&groups, plan.nets, Some(plan.share), self.options.seed);
        let LearningOptions { threads, ref ranks, .. } = *self.options;
        let (inputs, ranks) = (self.rows.inputs(), ranks.as_ref());
        let (encoding, encoded) = Encoding::fit(self.problem, inputs, plan.pieces, threads, ranks)?;
        let part = |own| Ok(with_ones(&part(&encoded, own)));
        let inputs = Ranks::rows(ranks, self.rows.len(), part)?;
        let weights = self.weights(&groups);
        Ok(PreparedRows { plan, truth, groups, folds, encoding, encoded, inputs, weights })
    }

    fn rows<'p>(&self, prepared: &'p PreparedRows, targets: Array) -> Rows<'p> {
        Rows {
            inputs: prepared.inputs.clone(),
            line: prepared.encoding.line_width(),
            targets,
            weights: prepared.weights.clone(),
            folds: &prepared.folds,
            task: self.problem.task,
            threads: self.options.threads,
        }
    }

    /// The line, and what does better.
    fn search(&self, rows: &Rows, prepared: &PreparedRows) -> Result<(Base, Base)> {
        if prepared.plan.share > 0.0 {
            return linear::search(rows);
        }
        // Nets that leave out nothing cannot choose penalties: folds of the linear part alone do.
        let folds = Folds::new(&prepared.groups, rows.folds.count(), None, self.options.seed);
        let (line, base) = linear::search(&Rows { folds: &folds, ..rows.clone() })?;
        Ok((linear::fit(rows, line.penalties)?, linear::fit(rows, base.penalties)?))
    }

    /// What is linear in the encoded inputs for the target's logarithm; none where it does worse
    /// than without.
    fn curved<'p>(
        &self,
        prepared: &'p PreparedRows,
        plain: &Rows,
        scale: &Scale,
        base: &Base,
    ) -> Result<Option<(Rows<'p>, Scale, Base)>> {
        let (mut curved_scale, targets) = standardized(plain.task, &prepared.truth, true);
        let rows = self.rows(prepared, targets);
        let curved = self.search(&rows, prepared)?.1;
        curved_scale.smearing = Some(smearing(&curved_scale, &prepared.truth, &curved.out_of_fold));
        let error =
            |scale: &Scale, base: &Base| squared_error(scale, &prepared.truth, &base.out_of_fold);
        let helps = error(&curved_scale, &curved) < GAIN * error(scale, base);
        Ok(helps.then_some((rows, curved_scale, curved)))
    }

    /// Trains the nets on what a base leaves, and mixes them.
    fn fitted(
        &self,
        prepared: &PreparedRows,
        masked: &Array,
        rows: &Rows,
        mut scale: Scale,
        base: Base,
        callbacks: Vec<Box<dyn Callback + '_>>,
    ) -> Result<FittedNets> {
        let PreparedRows { plan, truth, encoded, .. } = prepared;
        let TrainedNets { nets, history, epoch, out_of_fold } =
            NetTraining { options: self.options, plan, rows, base: &base, encoded, masked }
                .run(callbacks)?;
        let is_judged = plan.share > 0.0;
        let mixture = if is_judged {
            mixture(rows, &base, &out_of_fold, &scale)
        } else {
            Mixture { base: 1.0, nets: 1.0 }
        };
        let mut error = 0.0;
        if !rows.task.is_classes() {
            let mixed = |(base, nets): (&f64, &f64)| base * mixture.base + nets * mixture.nets;
            let said: Vec<f64> = base.out_of_fold.iter().zip(&out_of_fold).map(mixed).collect();
            if scale.smearing.is_some() && is_judged {
                scale.smearing = Some(smearing(&scale, truth, &said));
            }
            error = squared_error(&scale, truth, &said);
        }
        Ok(FittedNets { base, scale, nets, history, epoch, mixture, error })
    }

    /// The model of what was learnt.
    fn build(
        &self,
        prepared: &PreparedRows,
        base: &Base,
        nets: Option<Ensemble>,
        mixture: Mixture,
        scale: Scale,
    ) -> Result<Model> {
        let task = self.problem.task;
        let base = mean_of_folds(base, task.outputs());
        let layer = TableNet::new(task, prepared.encoding.renewed(), base, nets, mixture, scale);
        let model = Model::new(layer).seed(self.options.seed);
        let model = match self.options.threads {
            Some(threads) => model.threads(threads),
            None => model,
        };
        model.build_on(&[Array::zeros([1, self.problem.features.len()], DType::F64)])?;
        Ok(model)
    }

    /// The encoded inputs with a few categories replaced by the one for what is not known, so that
    /// nets learn what to say then.
    fn masked(&self, prepared: &PreparedRows) -> Result<Array> {
        let features = self.problem.features.iter();
        let is_category: Vec<bool> =
            features.map(|feature| matches!(feature, Feature::Category { .. })).collect();
        if !is_category.contains(&true) {
            return Ok(prepared.encoded.clone());
        }
        let (inputs, encoding) = (self.rows.inputs(), prepared.encoding.renewed());
        let (width, mut random) = (is_category.len(), Random::new(self.options.seed, MASKING));
        Ranks::rows(self.options.ranks.as_ref(), self.rows.len(), |own| {
            let mut values = Vec::with_capacity(own.len() * width);
            // Which are hidden is drawn for all rows, whoever makes them.
            for at in 0..own.end * width {
                let is_hidden = is_category[at % width] && random.uniform_f64() < HIDDEN;
                if at >= own.start * width {
                    values.push(if is_hidden { 0.0 } else { inputs.get(at) });
                }
            }
            encoding.encode(&Array::new([own.len(), width], values)?, self.options.threads)
        })
    }

    /// The weight of each row, of mean 1.
    fn weights(&self, groups: &[usize]) -> Vec<f32> {
        let factor = |group: &usize| {
            self.options.class_weight.as_ref().and_then(|weights| weights.get(*group)).copied()
        };
        let mut weights: Vec<f32> =
            groups.iter().map(|group| factor(group).unwrap_or(1.0) as f32).collect();
        let sum: f32 = weights.iter().sum();
        let count = weights.len() as f32;
        for weight in &mut weights {
            *weight *= count / sum.max(f32::MIN_POSITIVE);
        }
        weights
    }
}

/// The share of categories that are hidden from the nets while they learn.
const HIDDEN: f64 = 0.01;

/// The stream of the seed by which categories are hidden.
const MASKING: u64 = u64::MAX - 1;

/// Logarithms are learnt if their error in the target's unit is less than this share of what it is
/// without.
const GAIN: f64 = 0.98;

/// What the mixture says, standardized, or as logits.
fn mixed(task: Task, scale: &Scale, mixture: Mixture, base: &[f64], nets: &[f64]) -> Vec<f64> {
    let prior = |at: usize| if task.is_classes() { scale.mean[at] } else { 0.0 };
    (0..base.len())
        .map(|at| prior(at) + (base[at] - prior(at)) * mixture.base + nets[at] * mixture.nets)
        .collect()
}

/// The shares that do best on rows left out, on a grid. Of many rows some are looked at.
fn mixture(rows: &Rows, base: &Base, nets: &[f64], scale: &Scale) -> Mixture {
    let outputs = rows.task.outputs();
    let targets = rows.targets.to_vec::<f64>();
    let left_out: Vec<usize> = (0..targets.len() / outputs)
        .filter(|row| !base.out_of_fold[row * outputs].is_nan())
        .collect();
    let every = left_out.len().div_ceil(MOST_JUDGED).max(1);
    let mut best = (f64::INFINITY, Mixture { base: 1.0, nets: 1.0 });
    for of_base in [1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0] {
        for of_nets in [1.0, 0.8, 0.6, 0.4, 0.2, 0.0] {
            let mixture = Mixture { base: of_base, nets: of_nets };
            let of_row = |&row: &usize| {
                let range = row * outputs..(row + 1) * outputs;
                let said = mixed(
                    rows.task,
                    scale,
                    mixture,
                    &base.out_of_fold[range.clone()],
                    &nets[range.clone()],
                );
                f64::from(rows.weights[row]) * linear::loss(rows.task, &said, &targets[range])
            };
            let total: f64 = left_out.iter().step_by(every).map(of_row).sum();
            if total < best.0 {
                best = (total, mixture);
            }
        }
    }
    best.1
}

/// About the most rows that choose the shares.
const MOST_JUDGED: usize = 5000;

/// `[rows, 1 + width]` with a column of ones in front.
fn with_ones(encoded: &Array) -> Array {
    let (rows, width) = (encoded.shape().batch(), encoded.shape().features());
    let values = encoded.to_vec::<f32>();
    let place = |at: usize| {
        if at.is_multiple_of(width + 1) {
            1.0
        } else {
            values[at / (width + 1) * width + at % (width + 1) - 1]
        }
    };
    Array::from_fn([rows, width + 1], place)
}

/// The mean of the folds' coefficients `[1 + width, outputs]`.
fn mean_of_folds(base: &Base, outputs: usize) -> Array {
    let count = base.folds.len().max(1) as f64;
    let size = base.folds.first().map_or(0, Vec::len);
    let mean =
        |at: usize| base.folds.iter().map(|coefficients| coefficients[at]).sum::<f64>() / count;
    Array::from_fn([size / outputs.max(1), outputs], mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize) -> (Problem, Dataset) {
        let features = vec![
            Feature::Number { name: "x".into() },
            Feature::Category { name: "c".into(), count: 3 },
        ];
        let inputs = Array::from_fn([rows, 2], |at| match at % 2 {
            0 => (at / 2) as f64 / rows as f64,
            _ => (1 + at / 2 % 2) as f64,
        });
        let truth = |row: usize| {
            1e6 * (6.0 * row as f64 / rows as f64).sin()
                + if row.is_multiple_of(2) { 5e5 } else { 0.0 }
        };
        let targets = Array::from_fn([rows, 1], truth);
        (
            Problem { features, task: Task::Regression { targets: 1 } },
            Dataset::new(inputs, targets).unwrap(),
        )
    }

    fn error(said: &Array, truth: &Array) -> f64 {
        let errors = said
            .to_vec::<f64>()
            .into_iter()
            .zip(truth.to_vec::<f64>())
            .map(|(said, truth)| (said - truth).abs());
        errors.sum::<f64>() / truth.len() as f64
    }

    #[test]
    fn what_bends_is_learnt_in_the_target_s_unit_and_what_is_far_off_stays_sane() {
        let (problem, rows) = wave(200);
        let learned = learn(&problem, &rows, &LearningOptions::new(1), Vec::new()).unwrap();
        let truth = rows.targets().unwrap();
        let seen = error(&learned.model.predict(rows.inputs()).unwrap(), truth);
        assert!(seen < 5e4, "{seen} of a deviation of 7e5");
        assert!(
            error(&learned.line.predict(rows.inputs()).unwrap(), truth) > 2e5,
            "a line cannot bend"
        );
        let far = learned.model.predict(&[[1e12, 0.0], [f64::NAN, 2.0]].into()).unwrap();
        assert!(far.to_vec::<f64>().iter().all(|said| said.abs() < 6e6), "{far:?}");
    }

    #[test]
    fn what_training_has_not_seen_is_taken_as_in_between() {
        let features = vec![Feature::Category { name: "c".into(), count: 4 }];
        let problem = Problem { features, task: Task::Regression { targets: 1 } };
        let inputs = Array::from_fn([300, 1], |row| (1 + row % 3) as f64);
        let targets = Array::from_fn([300, 1], |row| [0.0, 10.0, 50.0][row % 3]);
        let data = Dataset::new(inputs, targets).unwrap();
        let learned = learn(&problem, &data, &LearningOptions::new(1), Vec::new()).unwrap();
        let said = learned
            .model
            .predict(&[[1.0], [3.0], [0.0], [f64::NAN], [9.0]].into())
            .unwrap()
            .to_vec::<f64>();
        assert!((said[0] - 0.0).abs() < 2.0 && (said[1] - 50.0).abs() < 2.0, "{said:?}");
        assert!((5.0..40.0).contains(&said[2]), "the mean is 20: {said:?}");
    }

    #[test]
    fn the_inputs_may_have_to_be_reconstructed() {
        let (problem, rows) = wave(120);
        let options = LearningOptions {
            epochs: Some(30),
            reconstruction: Some(0.5),
            ..LearningOptions::new(1)
        };
        let history = learn(&problem, &rows, &options, Vec::new()).unwrap().history;
        let term = history.get("reconstruction");
        assert!(term.first() > term.last() && term.last() > Some(&0.0), "{term:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_with_any_number_of_threads_and_in_an_export() {
        let (problem, rows) = wave(120);
        let with = |threads: usize| {
            let options = LearningOptions {
                threads: Some(threads),
                epochs: Some(3),
                ..LearningOptions::new(5)
            };
            learn(&problem, &rows, &options, Vec::new()).unwrap()
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
            for row in 0..rows {
                values[2 * row] = f64::NAN;
            }
            let data = data.with_inputs(Array::new([rows, 2], values).unwrap()).unwrap();
            let said = |problem: &Problem, data: &Dataset| {
                let learned = learn(problem, data, &LearningOptions::new(3), Vec::new()).unwrap();
                learned.model.predict(data.inputs()).unwrap()
            };
            assert!(said(&problem, &data).is_finite());
            problem.task = Task::Classes { count: 4 };
            let classes = Array::from_fn([rows, 1], |row| (row % 2) as f64);
            assert!(
                said(&problem, &Dataset::new(data.inputs().clone(), classes).unwrap()).is_finite()
            );
        }
    }

    #[test]
    fn classes_get_probabilities_from_the_model_and_from_the_line() {
        let (mut problem, rows) = wave(90);
        problem.task = Task::Classes { count: 3 };
        let classes = Array::from_fn([90, 1], |row| (row / 30) as f64);
        let rows = Dataset::new(rows.inputs().clone(), classes).unwrap();
        let options = LearningOptions::new(2);
        let learned = learn(&problem, &rows, &options, Vec::new()).unwrap();
        let alone = line(&problem, &rows, &options).unwrap();
        assert_eq!(
            alone.predict(rows.inputs()).unwrap(),
            learned.line.predict(rows.inputs()).unwrap()
        );
        for model in [&learned.model, &learned.line] {
            let said = model.predict(rows.inputs()).unwrap().to_vec::<f64>();
            assert!(said.chunks_exact(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-9));
            let right =
                said.chunks_exact(3).enumerate().filter(|(row, said)| said[row / 30] > 0.4).count();
            assert!(right > 75, "{right} of 90");
        }
        let none = LearningOptions { validation: Some(0.0), ..options };
        assert!(learn(&problem, &rows, &none, Vec::new()).is_ok());
    }
}
