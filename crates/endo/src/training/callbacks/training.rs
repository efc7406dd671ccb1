//! The training as callbacks see it: its numbers so far, its model, and what they may ask for.
//!
//! In: from the run, the state of things. Out: to the run, what callbacks ask for: to stop, to
//! save, to go on from a file.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::data::{IntoStream, Stream};
use crate::error::{Error, Result};
use crate::files::Claims;
use crate::graph::{Graph, Tree};
use crate::net::Structure;
use crate::optimizers::{Averages, Optimizer};
use crate::shards::Sharding;
use crate::step::Steps;
use crate::training::evaluate::{Evaluate, evaluate};
use crate::training::ledgers::BatchLedger;
use crate::training::shards;
use crate::training::state::previous;
use crate::training::{Epoch, Fit, History, Ledger, Logs, State};
use crate::variable::Variable;

/// The training that callbacks watch, and may stop.
///
/// ```
/// # use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// /// Stops as soon as the loss is small enough.
/// struct SmallEnough(f64);
///
/// impl Callback for SmallEnough {
///     fn epoch_end(
///         &mut self,
///         _epoch: usize,
///         report: &Epoch,
///         training: &endo::training::Training,
///     ) -> Result<()> {
///         if report.ledger.total < self.0 {
///             training.stop();
///         }
///         Ok(())
///     }
/// }
///
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let history = model.fit(&data, Fit::epochs(100).callback(SmallEnough(1e6)))?;
/// assert_eq!(history.epochs.len(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Training<'a> {
    epochs: usize,
    initial_epoch: usize,
    /// Whether there is data to validate on.
    validates: bool,
    pub(in crate::training) batches: Cell<Option<usize>>,
    pub(in crate::training) step: Cell<usize>,
    model: &'a dyn TrainedModel,
    pub(in crate::training) history: RefCell<History>,
    pub(in crate::training) stopped: Cell<bool>,
    pub(in crate::training) epoch: Cell<usize>,
    pub(in crate::training) batch: RefCell<BatchLedger>,
    /// The graphs of steps with the identities of these, where they were asked for.
    graphs: RefCell<Option<Vec<(u64, Graph)>>>,
    pub(in crate::training) reported: RefCell<Vec<(String, f64)>>,
    pub(in crate::training) requests: RefCell<CallbackRequests>,
    /// The files of saved runs that are this one's alone until it ends.
    pub(crate) claims: Claims,
}

/// What callbacks request that the run has not done yet.
#[derive(Default)]
pub(crate) struct CallbackRequests {
    /// Where the run is saved.
    pub save: Option<PathBuf>,
    /// A saved run that this one is to go on from.
    pub resume: Option<State>,
    /// Variables that are saved with the run.
    pub kept: Vec<Variable>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The graphs of more steps are not kept.
const GRAPHS: usize = 8;

/// What callbacks see of the model that is trained.
pub(crate) trait TrainedModel {
    fn weights(&self) -> Vec<Variable>;
    fn optimizer(&self) -> Option<&dyn Optimizer>;
    fn structure(&self) -> Structure;
    fn save(&self, path: &Path) -> Result<()>;
    fn save_weights(&self, path: &Path) -> Result<()>;
    fn predict(&self, inputs: &[Array]) -> Result<Vec<Array>>;
    fn evaluate(&self, data: Stream<'_>) -> Result<Logs>;
    fn sharding(&self) -> Option<&Sharding>;
}

impl<I: Tree, O: Tree> TrainedModel for Steps<I, O> {
    fn weights(&self) -> Vec<Variable> {
        self.net.weights()
    }

    fn optimizer(&self) -> Option<&dyn Optimizer> {
        self.optimizer().map(|optimizer| &**optimizer)
    }

    fn structure(&self) -> Structure {
        self.net.structure()
    }

    fn save(&self, path: &Path) -> Result<()> {
        self.save(path)
    }

    fn save_weights(&self, path: &Path) -> Result<()> {
        self.net.write(path, Vec::new(), None)
    }

    fn predict(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.predict_all(inputs)
    }

    fn sharding(&self) -> Option<&Sharding> {
        self.sharding.as_ref()
    }

    fn evaluate(&self, data: Stream<'_>) -> Result<Logs> {
        let totals: Vec<Variable> =
            self.metrics().iter().flat_map(|(_, metric)| metric.variables()).collect();
        let before: Vec<Array> = totals.iter().map(Variable::value).collect();
        let logs = evaluate(self, data, Evaluate::new());
        for (total, value) in totals.iter().zip(&before) {
            total.set(value)?;
        }
        logs
    }
}

impl<'a> Training<'a> {
    /// Whether this process writes files and shows progress: not on ranks other than 0 of a model
    /// that is [distributed](crate::model::Model::distribute).
    pub fn writes_files(&self) -> bool {
        self.model.sharding().is_none_or(Sharding::is_first)
    }

    pub(crate) fn new(options: &Fit<'_>, validates: bool, model: &'a dyn TrainedModel) -> Self {
        Self {
            epochs: options.epochs,
            initial_epoch: options.initial_epoch,
            validates,
            batches: Cell::new(None),
            step: Cell::new(0),
            model,
            history: RefCell::default(),
            stopped: Cell::new(false),
            epoch: Cell::new(0),
            batch: RefCell::default(),
            graphs: RefCell::default(),
            reported: RefCell::default(),
            requests: RefCell::default(),
            claims: Claims::default(),
        }
    }

    /// How many epochs were asked for.
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// The epoch that is being trained, counted from 0.
    pub fn epoch(&self) -> usize {
        self.epoch.get()
    }

    /// The batches of an epoch; none in the first one of a stream that does not say.
    pub fn batches(&self) -> Option<usize> {
        self.batches.get()
    }

    /// The number of the last step, counted from 0 over all epochs.
    pub fn step(&self) -> usize {
        self.step.get()
    }

    /// Whether an epoch has no numbers of validation because others have them
    /// ([`Fit::validation_freq`](crate::training::Fit::validation_freq)).
    pub(crate) fn leaves_out_validation(&self, report: &Epoch) -> bool {
        self.validates && report.validation.is_none()
    }

    /// The terms of the loss of the batch that is done, which add up to it: of this batch alone, no
    /// mean over the epoch. Without terms where there are none: before the first batch, and of a
    /// batch that was left out or whose loss was not [recorded](crate::training::Run::record).
    ///
    /// ```
    /// use endo::prelude::*;
    ///
    /// /// The greatest loss of a single batch.
    /// struct Worst<'a>(&'a mut f64);
    ///
    /// impl Callback for Worst<'_> {
    ///     fn batch_end(
    ///         &mut self,
    ///         _batch: usize,
    ///         _means: &dyn Fn() -> Ledger,
    ///         training: &Training,
    ///     ) -> Result<()> {
    ///         *self.0 = self.0.max(training.batch_ledger().total);
    ///         Ok(())
    ///     }
    /// }
    /// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
    /// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
    /// # let data = Dataset::new(x, y)?;
    /// let (mut model, mut worst) = (Model::new(Dense::new(1)), 0.0);
    /// model.compile("sgd", "mse", ());
    /// let history = model.fit(&data, Fit::epochs(1).callback(Worst(&mut worst)))?;
    /// assert!(worst > history.ledger().total);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn batch_ledger(&self) -> Ledger {
        self.batch.borrow().get().cloned().unwrap_or_default()
    }

    /// What was done before: the epochs that are done, the one that callbacks are told of at its
    /// end among them. When training is done, it has what probes have read too.
    pub fn history(&self) -> Ref<'_, History> {
        self.history.borrow()
    }

    /// What the model is made of; with the terms of its loss once a batch is done.
    pub fn structure(&self) -> Structure {
        self.model.structure()
    }

    /// Asks for the graphs of the steps to come. In
    /// [`Callback::train_begin`](super::Callback::train_begin) that is of all.
    pub fn keep_graphs(&self) {
        self.graphs.borrow_mut().get_or_insert_default();
    }

    /// The graphs of the steps that were run, each as traced for its first batch: of the model's
    /// training step, and of the functions of a custom loop, eight at most. None before the first
    /// batch, unless [asked for](Self::keep_graphs), and of steps that run node by node.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let print = LambdaCallback::new()
    ///     .on_train_begin(|training| {
    ///         training.keep_graphs();
    ///         Ok(())
    ///     })
    ///     .on_train_end(|training| {
    ///         println!("{}", training.graphs()[0]); // %0 = input 0: f32[32, 1] ..
    ///         Ok(())
    ///     });
    /// model.fit(&data, Fit::epochs(1).callback(print))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn graphs(&self) -> Vec<Graph> {
        self.graphs.borrow().iter().flatten().map(|(_, graph)| graph.clone()).collect()
    }

    /// Whether the graph of a step is asked for and not there yet.
    pub(crate) fn lacks_graph(&self, step: u64) -> bool {
        let graphs = self.graphs.borrow();
        graphs.as_ref().is_some_and(|graphs| {
            graphs.len() < GRAPHS && graphs.iter().all(|(known, _)| *known != step)
        })
    }

    pub(crate) fn keep_graph(&self, step: u64, graph: Graph) {
        self.graphs.borrow_mut().get_or_insert_default().push((step, graph));
    }

    /// The model's weights.
    pub fn weights(&self) -> Vec<Variable> {
        self.model.weights()
    }

    /// The learning rate of the next step.
    ///
    /// # Errors
    /// If the optimizer follows a schedule that does not give a finite scalar.
    pub fn learning_rate(&self) -> Result<f64> {
        self.optimizer()?.settings().learning_rate()
    }

    /// Sets the learning rate of the steps from now on. Nothing is traced anew.
    ///
    /// # Errors
    /// If it is not finite, or the optimizer was made with a schedule.
    pub fn set_learning_rate(&self, learning_rate: f64) -> Result<()> {
        self.optimizer()?.settings().set_learning_rate(learning_rate)
    }

    /// The moving averages that the optimizer keeps of the weights.
    pub(crate) fn averages(&self) -> Result<Averages> {
        self.optimizer()?.settings().averages(&self.model.weights())
    }

    fn optimizer(&self) -> Result<&dyn Optimizer> {
        self.model.optimizer().ok_or_else(|| {
            let help =
                "compile the model with the optimizer of the loop: `model.compile(optimizer, ..)`";
            Error::usage("a callback asks for the optimizer of a model that has none", help)
        })
    }

    /// The model's outputs for inputs `[samples, ...]`, an array for each output: what
    /// [`Model::predict`](crate::model::Model::predict) computes with the weights of the moment.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let grid = Array::from([[0.0_f32], [0.5], [1.0]]);
    /// let watch = LambdaCallback::new().on_epoch_end(move |epoch, _, training| {
    ///     let outputs = training.predict(std::slice::from_ref(&grid))?;
    ///     println!("{epoch}: {:?}", outputs[0]);
    ///     Ok(())
    /// });
    /// model.fit(&data, Fit::epochs(2).callback(watch))?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Model::predict`](crate::model::Model::predict).
    pub fn predict(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.model.predict(inputs)
    }

    /// The loss, its terms and all metrics on data, as
    /// [`Model::evaluate`](crate::model::Model::evaluate) gives them. The metrics of the epoch that
    /// is being trained stay as they are.
    ///
    /// # Errors
    /// Those of [`Model::evaluate`](crate::model::Model::evaluate).
    pub fn evaluate<'d>(&self, data: impl IntoStream<'d>) -> Result<Logs> {
        self.model.evaluate(data.into())
    }

    /// Saves the model as [`Model::save`](crate::model::Model::save) does, unless another rank
    /// [writes files](Self::writes_files).
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.writes_files() { self.model.save(path.as_ref()) } else { Ok(()) }
    }

    /// Saves the weights as [`Model::save_weights`](crate::model::Model::save_weights) does, unless
    /// another rank [writes files](Self::writes_files).
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.writes_files() { self.model.save_weights(path.as_ref()) } else { Ok(()) }
    }

    /// Adds a number to the logs of this epoch: the history, other callbacks and files get it under
    /// its name. What is reported twice in an epoch is what was reported last. What is reported at
    /// an epoch's end is in that epoch's logs, for the callbacks that come after this one.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let double = LambdaCallback::new().on_epoch_begin(|epoch, training| {
    ///     training.report("double", 2.0 * epoch as f64);
    ///     Ok(())
    /// });
    /// let history = model.fit(&data, Fit::epochs(3).callback(double))?;
    /// assert_eq!(history.get("double"), [0.0, 2.0, 4.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn report(&self, name: &str, value: f64) {
        let mut reported = self.reported.borrow_mut();
        reported.retain(|(known, _)| known != name);
        reported.push((name.to_string(), value));
    }

    /// Saves the whole run to a file as soon as all callbacks have been told of this batch or
    /// epoch: weights, slots, metrics, random counters, callbacks, history, and the position in the
    /// data. The file that was there is kept, with `.previous` added to its name.
    pub fn save_run(&self, path: impl Into<PathBuf>) {
        self.requests.borrow_mut().save = Some(path.into());
    }

    /// Goes on from a run that [`save_run`](Self::save_run) saved; returns whether there is one. To
    /// be called in [`Callback::train_begin`](super::Callback::train_begin). Where the file is
    /// damaged or missing, the one before it is used, with a warning. Until this run ends no other
    /// can use the file.
    ///
    /// # Errors
    /// If another run uses the file; if both are damaged, or one cannot be read.
    pub fn resume(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        let state = match self.model.sharding() {
            Some(sharding) => shards::read_state(sharding, path, &|| self.read_run(path))?,
            None => self.read_run(path)?,
        };
        let is_there = state.is_some();
        self.requests.borrow_mut().resume = state;
        Ok(is_there)
    }

    /// Claims the file of a saved run, and reads it if there is one.
    fn read_run(&self, path: &Path) -> Result<Option<State>> {
        self.claims.add(path)?;
        let Some((state, damage)) = State::read(path)? else { return Ok(None) };
        if let Some(damage) = damage {
            let previous = previous(path);
            let warning = format!("{}; going on from {}", damage.message(), previous.display());
            self.requests.borrow_mut().warnings.push(warning);
        }
        Ok(Some(state))
    }

    /// Saves a variable with the run that no step of the model reads or writes, such as one that a
    /// callback changes.
    pub fn keep(&self, variable: &Variable) {
        self.requests.borrow_mut().kept.push(variable.clone());
    }

    /// Whether all epochs are done, or training was stopped; not so where a custom loop was left
    /// early.
    pub fn is_done(&self) -> bool {
        self.stopped.get() || self.initial_epoch + self.history.borrow().epochs.len() >= self.epochs
    }

    /// Ends training after this epoch.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// A model that is tested or predicts with, outside of a training.
    pub(crate) fn of(model: &'a dyn TrainedModel) -> Self {
        Self::new(&Fit::epochs(0), false, model)
    }
}

impl fmt::Debug for Training<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Training");
        debug
            .field("epochs", &self.epochs)
            .field("batches", &self.batches)
            .field("stopped", &self.stopped);
        debug.finish_non_exhaustive()
    }
}
