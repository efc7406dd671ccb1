//! How a model is made of rows: the model for tables, or layers that a definition lists.
//!
//! In: a problem and rows. Out: a [`FittedModel`]: a model from the numbers of a row to predictions
//! in the targets' unit or to probabilities, and the line to compare it with.

use endo::optimizers;
use endo::prelude::*;

use crate::arguments::{ModelName, Training};
use crate::definition::Definition;
use crate::ranks::Ranks;
use crate::tabular::{self, Encoding, LearnedModel, LearningOptions, Problem, Task};

/// A way to make models.
pub enum Recipe {
    /// The model for tables.
    Tabular(LearningOptions),
    /// Layers in a list.
    Layers(Box<Definition>, LearningOptions),
}

/// A model that has learnt.
pub struct FittedModel {
    /// Predicts `[rows, outputs]` in `f64`.
    pub model: Model,
    /// What the training did.
    pub history: History,
    /// The epoch whose weights were kept, counted from 1; 0 if no epoch helped.
    pub epoch: usize,
    /// The line to compare it with, which predicts the same; none for layers that have learnt from
    /// all rows.
    pub line: Option<Model>,
}

impl FittedModel {
    fn of_table(learned: LearnedModel) -> Self {
        Self {
            model: learned.model,
            history: learned.history,
            epoch: learned.epoch,
            line: Some(learned.line),
        }
    }
}

/// Rows to learn from.
pub struct Learnable<'a> {
    /// What is learnt.
    pub problem: &'a Problem,
    /// All of them.
    pub all: &'a Dataset,
    /// Those to train on, where others are to watch.
    pub train: &'a Dataset,
    /// Those to watch while training.
    pub validation: Option<&'a Dataset>,
}

/// So often the model's inside is looked at for the report.
const READINGS: usize = 40;

impl Recipe {
    /// The recipe that the arguments ask for.
    ///
    /// # Errors
    /// If the file that lists layers cannot be read or makes no sense.
    pub fn new(
        arguments: &Training,
        class_weight: Option<Vec<f64>>,
        ranks: Option<&Ranks>,
    ) -> Result<Self> {
        let options = LearningOptions {
            threads: arguments.threads,
            epochs: arguments.epochs,
            batch_size: arguments.batch_size,
            learning_rate: arguments.learning_rate,
            validation: arguments.validation,
            class_weight,
            ranks: ranks.cloned(),
            reconstruction: arguments.reconstruction,
            ..LearningOptions::new(arguments.seed)
        };
        let definition = match &arguments.model {
            ModelName::Tabular => return Ok(Self::Tabular(options)),
            ModelName::Regressor => Definition::regressor(),
            ModelName::File(path) => Definition::read(path)?,
        };
        if let Some(rate) = arguments.learning_rate {
            // What cannot be is found out before anything is learnt.
            optimizers::get(&definition.optimizer)?.settings().set_learning_rate(rate).map_err(
                |_| {
                    let message = format!(
                        "--learning-rate {rate} cannot replace the schedule of `{}`",
                        definition.optimizer
                    );
                    Error::new(ErrorKind::Argument, message).help(
                        "leave the option out, or give the optimizer a number as its learning rate",
                    )
                },
            )?;
        }
        let definition = Definition {
            epochs: arguments.epochs.unwrap_or(definition.epochs),
            batch_size: arguments.batch_size.unwrap_or(definition.batch_size),
            reconstruction: arguments.reconstruction.unwrap_or(definition.reconstruction),
            ..definition
        };
        Ok(Self::Layers(Box::new(definition), options))
    }

    /// Learns from rows that are not for the test, and from all rows, if they are given, for the
    /// model that is saved. Both learn in the same way, and neither knows what the other found, but
    /// for layers in a list: these learn from all rows for as many epochs as were best for the rows
    /// that were left out.
    ///
    /// # Errors
    /// If the numbers of a training grow without bound.
    pub fn learn(
        &self,
        rows: &Learnable,
        all: Option<(&Problem, &Dataset)>,
        callbacks: Vec<Box<dyn Callback + '_>>,
    ) -> Result<(FittedModel, Option<FittedModel>)> {
        match self {
            Self::Tabular(options) => {
                let tested = |options: &LearningOptions| {
                    tabular::learn(rows.problem, rows.all, options, callbacks)
                        .map(FittedModel::of_table)
                };
                let (tested, saved) = match (all, halves(options)) {
                    (None, _) => (tested(options), None),
                    (Some((problem, all)), None) => {
                        let tested = tested(options);
                        (
                            tested,
                            Some(
                                tabular::learn(problem, all, options, Vec::new())
                                    .map(FittedModel::of_table),
                            ),
                        )
                    }
                    (Some((problem, all)), Some([one, other])) => std::thread::scope(|scope| {
                        let saved = scope.spawn(move || {
                            tabular::learn(problem, all, &other, Vec::new())
                                .map(FittedModel::of_table)
                        });
                        let tested = tested(&one);
                        (
                            tested,
                            Some(
                                saved
                                    .join()
                                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                            ),
                        )
                    }),
                };
                Ok((tested.map_err(diverged)?, saved.transpose().map_err(diverged)?))
            }
            Self::Layers(definition, options) => {
                let line = tabular::line(rows.problem, rows.all, options)?;
                let layers = Layers { definition, options, problem: rows.problem };
                let tested =
                    layers.fit(rows.train, rows.validation, definition.epochs, callbacks)?;
                let saved = match all {
                    Some((problem, all)) => Some(Layers { problem, ..layers }.fit(
                        all,
                        None,
                        tested.epoch,
                        Vec::new(),
                    )?),
                    None => None,
                };
                Ok((FittedModel { line: Some(line), ..tested }, saved))
            }
        }
    }
}

/// The options of two trainings at once, which share the threads; none where there is but one, or
/// ranks share each training, which are all at the same one.
fn halves(options: &LearningOptions) -> Option<[LearningOptions; 2]> {
    if options.ranks.is_some() {
        return None;
    }
    let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = options.threads.unwrap_or_else(available);
    let with = |threads| LearningOptions { threads: Some(threads), ..options.clone() };
    (threads > 1).then(|| [threads - threads / 2, threads / 2].map(with))
}

/// Layers to be trained.
struct Layers<'a> {
    definition: &'a Definition,
    options: &'a LearningOptions,
    problem: &'a Problem,
}

impl Layers<'_> {
    fn fit(
        &self,
        train: &Dataset,
        validation: Option<&Dataset>,
        epochs: usize,
        callbacks: Vec<Box<dyn Callback + '_>>,
    ) -> Result<FittedModel> {
        let (ranks, threads) = (self.options.ranks.as_ref(), self.options.threads);
        let (encoding, _) = Encoding::fit(self.problem, train.inputs(), 0, threads, ranks)?;
        let output = Output::new(self.problem.task, train);
        let scale = output.deviation.clone();
        let layers = Sequential::new()
            .add(encoding)
            .add(self.definition.net(self.problem.task.outputs())?)
            .add(output);
        let model = Model::new(layers).seed(self.options.seed);
        let mut model = match self.options.threads {
            Some(threads) => model.threads(threads),
            None => model,
        };
        self.compile(&mut model, scale)?;
        model.build_on(&[Array::zeros([1, self.problem.features.len()], DType::F64)])?;
        if let (Some(rate), Some(optimizer)) = (self.options.learning_rate, model.optimizer()) {
            optimizer.settings().set_learning_rate(rate)?;
        }
        Ranks::share(ranks, &mut model);
        let mut fit = Fit::epochs(epochs.max(1)).batch_size(self.definition.batch_size);
        if let Some(weights) = &self.options.class_weight {
            fit = fit.class_weight(weights.iter().copied().enumerate());
        }
        if let Some(validation) = validation {
            // All epochs are run; what is kept are the weights of the one that did best on rows it
            // had not seen.
            let best = EarlyStopping::on("val_loss").patience(epochs).restore_best_weights(true);
            fit = fit.validation(validation).callback(best);
        }
        let steps = epochs.saturating_mul(train.len().div_ceil(self.definition.batch_size));
        let every = (steps / READINGS).max(1);
        fit = fit
            .probe(Probe::activations("dense*").histogram(30).every(every))
            .probe(Probe::terms().every(every));
        fit = fit.callbacks(callbacks);
        let history = model.fit(train, fit).map_err(diverged)?;
        let epoch = best_epoch(&history);
        Ok(FittedModel { model, history, epoch, line: None })
    }

    fn compile(&self, model: &mut Model, deviation: Vec<f64>) -> Result<()> {
        let optimizer = self.definition.optimizer.as_str();
        match (self.problem.task, self.definition.loss.as_deref()) {
            (Task::Regression { .. }, loss) => {
                // In deviations of the target, so that it is of the size of the other terms
                // whatever the unit.
                let loss = endo::losses::get(loss.unwrap_or("mean_squared_error"))?;
                let standardized = move |y_true: &Tensor, y_pred: &Tensor| {
                    let target =
                        |y: &Tensor, index: usize| y.slice(1, index..index + 1) / deviation[index];
                    let scaled = |y: &Tensor| {
                        let targets: Vec<Tensor> =
                            (0..deviation.len()).map(|index| target(y, index)).collect();
                        Tensor::concatenate(&targets, 1).cast(DType::F32)
                    };
                    loss.call(&scaled(y_true), &scaled(y_pred))
                };
                model.compile(optimizer, standardized, [MeanAbsoluteError::new()]);
            }
            (Task::Classes { .. }, loss) => {
                let metrics = [SparseCategoricalAccuracy::new().name("accuracy")];
                model.compile(
                    optimizer,
                    loss.unwrap_or("sparse_categorical_crossentropy"),
                    metrics,
                );
            }
        }
        Ok(())
    }
}

/// From what layers give to predictions in the targets' unit, or to probabilities.
struct Output {
    task: Task,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    weights: [Weight; 2],
}

impl Output {
    fn new(task: Task, rows: &Dataset) -> Self {
        let targets =
            rows.targets().cloned().unwrap_or_else(|| Array::zeros([rows.len(), 1], DType::F64));
        let scaler = match task {
            Task::Regression { .. } => StandardScaler::fit(&targets).ok(),
            Task::Classes { .. } => None,
        };
        let weight = |name| Weight::new(name).trainable(false).dtype(DType::F64);
        Self {
            task,
            mean: scaler.as_ref().map_or_else(Vec::new, |scaler| scaler.mean().to_vec()),
            deviation: scaler
                .as_ref()
                .map_or_else(Vec::new, |scaler| scaler.standard_deviation().to_vec()),
            weights: [weight("mean"), weight("deviation")],
        }
    }
}

impl Layer for Output {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        match self.task {
            Task::Classes { .. } => Softmax.call(x).cast(DType::F64),
            Task::Regression { .. } => {
                let [mean, deviation] =
                    [&self.mean, &self.deviation].map(|values| Array::from(values.clone()));
                let mean = self.weights[0].get(self, mean.shape(), &mean, cx);
                let deviation = self.weights[1].get(self, deviation.shape(), &deviation, cx);
                x.cast(DType::F64) * deviation + mean
            }
        }
    }

    fn name(&self) -> Option<&str> {
        Some("target")
    }
}

/// The epoch whose weights are kept, counted from 1: the first of the smallest validation loss, or
/// the last one.
fn best_epoch(history: &History) -> usize {
    let losses = history.get("val_loss");
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    losses.iter().position(|&loss| loss == best).map_or(history.epochs.len(), |index| index + 1)
}

/// The error of a training whose numbers grew without bound: the data are finite, so the steps were
/// too long.
fn diverged(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFinite {
        return error;
    }
    // What follows names rows of the shuffled training part, which are not at fault.
    let what = error.message().split("; nothing was updated").next().unwrap_or_default();
    let message = format!("{what}: the weights have grown without bound, and nothing was written");
    Error::new(ErrorKind::NotFinite, message).help("train with a smaller --learning-rate")
}
