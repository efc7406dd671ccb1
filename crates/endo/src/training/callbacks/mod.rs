//! What watches training: called at the begin and end of epochs and after every batch.
//!
//! In: the numbers so far. Out: whatever the callback does with them; an error stops training.

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod event_file;
mod lambda;
mod model_checkpoint;
mod monitor;
mod progress;
mod reduce_lr_on_plateau;
mod schedulers;
mod template;
mod tensorboard;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::files::Claims;
use crate::graph::{Graph, Tree};
use crate::net::Structure;
use crate::optimizers::Optimizer;
use crate::step::Steps;
use crate::variable::Variable;

use super::ledgers::StepTerms;
use super::probes::{Reading, TermReading};
use super::{Epoch, History, Ledger, State};

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use lambda::LambdaCallback;
pub use model_checkpoint::ModelCheckpoint;
pub use progress::Progress;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use schedulers::{LearningRateScheduler, VariableScheduler};
pub use tensorboard::TensorBoard;

/// Something told of every batch and epoch of `fit`. A closure `|epoch: usize, logs: &Epoch| ...` is told of every epoch.
///
/// | Keras's | |
/// |---|---|
/// | [`EarlyStopping`], [`ReduceLrOnPlateau`], [`ModelCheckpoint`] | watch a term or metric by name |
/// | [`BackupAndRestore`] | keeps the whole run on disk, and goes on where an interrupted one stopped |
/// | [`LearningRateScheduler`], [`VariableScheduler`] | set a number at the begin of each epoch |
/// | [`CsvLogger`], [`TensorBoard`], [`Progress`] | show all numbers |
/// | [`LambdaCallback`] | closures |
///
/// There is no `TerminateOnNaN`: a step whose loss or gradient is not finite changes nothing, and `fit` returns an error that
/// names the term.
///
/// They are called in the order in which they were given.
///
/// ```
/// # use endo::prelude::*;
/// # let train = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let print = |epoch: usize, report: &Epoch| println!("{epoch}: {}", report.ledger);
/// model.fit(&train, Fit::epochs(2).callback(print))?;
/// # Ok::<(), endo::Error>(())
/// ```
pub trait Callback {
    /// Training begins.
    fn train_begin(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// An epoch begins; epochs count from 0.
    fn epoch_begin(&mut self, _epoch: usize, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A batch is done; `ledger` computes the means of the epoch so far. The terms of the batch itself are
    /// [`training.batch_ledger()`](Training::batch_ledger).
    fn batch_end(&mut self, _batch: usize, _ledger: &dyn Fn() -> Ledger, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// A probe has read a value ([`Fit::probe`](super::Fit::probe)): before the end of its batch.
    fn reading(&mut self, _reading: &Reading) -> Result<()> {
        Ok(())
    }

    /// A probe has read what the terms of the loss do.
    fn term_reading(&mut self, _reading: &TermReading) -> Result<()> {
        Ok(())
    }

    /// An epoch is done, validation included.
    fn epoch_end(&mut self, _epoch: usize, _report: &Epoch, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// Training is done, or was stopped.
    fn train_end(&mut self, _training: &Training) -> Result<()> {
        Ok(())
    }

    /// What is to be kept when the run is saved: all that the callback would do otherwise without.
    fn state(&self) -> State {
        State::new()
    }

    /// Takes up what [`state`](Self::state) gave when the run that is now resumed was saved; after
    /// [`train_begin`](Self::train_begin).
    ///
    /// # Errors
    /// If it is not the state of such a callback.
    fn restore(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}

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
///     fn epoch_end(&mut self, _epoch: usize, report: &Epoch, training: &endo::training::Training) -> Result<()> {
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
    batches: usize,
    model: &'a dyn Trained,
    history: RefCell<History>,
    stopped: Cell<bool>,
    epoch: Cell<usize>,
    batch: RefCell<StepTerms>,
    /// The graphs of steps with the identities of these, where they were asked for.
    graphs: RefCell<Option<Vec<(u64, Graph)>>>,
    reported: RefCell<Vec<(String, f64)>>,
    asked: RefCell<Asked>,
    /// The files of saved runs that are this one's alone until it ends.
    pub(crate) claims: Claims,
}

/// What callbacks have asked for and the run has not done yet.
#[derive(Default)]
pub(crate) struct Asked {
    /// Where the run is to be saved.
    pub save: Option<PathBuf>,
    /// A saved run that this one is to go on from.
    pub resume: Option<State>,
    /// Variables that are to be saved with the run.
    pub kept: Vec<Variable>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The graphs of more steps are not kept.
const GRAPHS: usize = 8;

/// What callbacks see of the model that is trained.
pub(crate) trait Trained {
    fn weights(&self) -> Vec<Variable>;
    fn optimizer(&self) -> Option<&dyn Optimizer>;
    fn structure(&self) -> Structure;
    fn save(&self, path: &Path) -> Result<()>;
    fn save_weights(&self, path: &Path) -> Result<()>;
}

impl<I: Tree, O: Tree> Trained for Steps<I, O> {
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
        self.net.save(path, self.training())
    }

    fn save_weights(&self, path: &Path) -> Result<()> {
        self.net.write(path, None)
    }
}

impl<'a> Training<'a> {
    pub(crate) fn new([epochs, batches]: [usize; 2], model: &'a dyn Trained) -> Self {
        Self {
            epochs,
            batches,
            model,
            history: RefCell::default(),
            stopped: Cell::new(false),
            epoch: Cell::new(0),
            batch: RefCell::default(),
            graphs: RefCell::default(),
            reported: RefCell::default(),
            asked: RefCell::default(),
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

    /// The batches of an epoch.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The terms of the loss of the batch that is done, which add up to it: of this batch alone, no mean over the epoch. Without terms
    /// where there are none: before the first batch, and of a batch that was left out or whose loss was not
    /// [recorded](super::Run::record).
    ///
    /// ```
    /// use endo::prelude::*;
    ///
    /// /// The greatest loss of a single batch.
    /// struct Worst<'a>(&'a mut f64);
    ///
    /// impl Callback for Worst<'_> {
    ///     fn batch_end(&mut self, _batch: usize, _means: &dyn Fn() -> Ledger, training: &Training) -> Result<()> {
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
        self.batch.borrow().ledger()
    }

    pub(crate) fn batch_terms(&self) -> RefMut<'_, StepTerms> {
        self.batch.borrow_mut()
    }

    /// What was done before: the epochs that are done, the one that callbacks are told of at its end among them. When training is
    /// done, it has what probes have read too.
    pub fn history(&self) -> Ref<'_, History> {
        self.history.borrow()
    }

    pub(crate) fn history_mut(&self) -> RefMut<'_, History> {
        self.history.borrow_mut()
    }

    /// What the model is made of; with the terms of its loss once a batch is done.
    pub fn structure(&self) -> Structure {
        self.model.structure()
    }

    /// Asks for the graphs of the steps to come. In [`Callback::train_begin`] that is of all.
    pub fn keep_graphs(&self) {
        self.graphs.borrow_mut().get_or_insert_default();
    }

    /// The graphs of the steps that were run, each as traced for its first batch: of the model's training step, and of the functions of
    /// a loop of one's own, eight at most. None before the first batch, unless [asked for](Self::keep_graphs), and of steps that run
    /// node by node.
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
        graphs.as_ref().is_some_and(|graphs| graphs.len() < GRAPHS && graphs.iter().all(|(known, _)| *known != step))
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

    fn optimizer(&self) -> Result<&dyn Optimizer> {
        self.model.optimizer().ok_or_else(|| {
            let help = "compile the model with the optimizer of the loop: `model.compile(optimizer, ..)`";
            Error::new(ErrorKind::Usage, "a callback asks for the learning rate of a model that is not compiled").help(help)
        })
    }

    /// Saves the model as [`Model::save`](crate::model::Model::save) does.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.model.save(path.as_ref())
    }

    /// Saves the weights as [`Model::save_weights`](crate::model::Model::save_weights) does.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.model.save_weights(path.as_ref())
    }

    /// Adds a number to the logs of this epoch: the history, other callbacks and files get it under its name. What is reported
    /// twice in an epoch is what was reported last. At an epoch's end it is too late for that epoch's logs, which are complete:
    /// it is then in those of the next one.
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

    /// Saves the whole run to a file as soon as all callbacks have been told of this batch or epoch: weights, slots, metrics,
    /// random counters, callbacks, history, and the position in the data. The file that was there is kept, with `.previous` added
    /// to its name.
    pub fn save_run(&self, path: impl Into<PathBuf>) {
        self.asked.borrow_mut().save = Some(path.into());
    }

    /// Goes on from a run that [`save_run`](Self::save_run) saved; returns whether there is one. To be called in
    /// [`Callback::train_begin`]. Where the file is damaged or missing, the one before it is used, with a warning. Until this run ends
    /// no other can use the file.
    ///
    /// # Errors
    /// If another run uses the file; if both are damaged, or one cannot be read.
    pub fn resume(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        self.claims.add(path)?;
        let Some((state, damage)) = State::read(path)? else { return Ok(false) };
        let mut asked = self.asked.borrow_mut();
        if let Some(damage) = damage {
            let previous = super::state::previous(path);
            asked.warnings.push(format!("{}; going on from {}", damage.message(), previous.display()));
        }
        asked.resume = Some(state);
        Ok(true)
    }

    /// Saves a variable with the run that no step of the model reads or writes, such as one that a callback changes.
    pub fn keep(&self, variable: &Variable) {
        self.asked.borrow_mut().kept.push(variable.clone());
    }

    /// Whether all epochs are done, or training was stopped; not so where a loop of one's own was left early.
    pub fn is_done(&self) -> bool {
        self.is_stopped() || self.history.borrow().epochs.len() >= self.epochs
    }

    /// Ends training after this epoch.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    pub(crate) fn begin_epoch(&self, epoch: usize) {
        self.epoch.set(epoch);
    }

    /// What was asked for since this was asked last.
    pub(crate) fn take_asked(&self) -> Asked {
        self.asked.take()
    }

    /// What was reported so far.
    pub(crate) fn reported(&self) -> Vec<(String, f64)> {
        self.reported.borrow().clone()
    }

    /// What was reported since this was asked last.
    pub(crate) fn take_reported(&self) -> Vec<(String, f64)> {
        self.reported.take()
    }
}

impl fmt::Debug for Training<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Training");
        debug.field("epochs", &self.epochs).field("batches", &self.batches).field("stopped", &self.stopped);
        debug.finish_non_exhaustive()
    }
}

impl<F: FnMut(usize, &Epoch)> Callback for F {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        self(epoch, report);
        Ok(())
    }
}

/// What the callbacks' own tests share: a training without a model, and epochs of one number.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::Sgd;
    use crate::training::Logs;

    /// A model of weights and an optimizer alone.
    struct Bare {
        weights: Vec<Variable>,
        optimizer: Sgd,
    }

    impl Trained for Bare {
        fn weights(&self) -> Vec<Variable> {
            self.weights.clone()
        }

        fn optimizer(&self) -> Option<&dyn Optimizer> {
            Some(&self.optimizer)
        }

        fn structure(&self) -> Structure {
            Structure::default()
        }

        fn save(&self, _: &Path) -> Result<()> {
            Ok(())
        }

        fn save_weights(&self, _: &Path) -> Result<()> {
            Ok(())
        }
    }

    /// A training of 100 epochs with these weights and a learning rate.
    pub fn training(weights: Vec<Variable>, learning_rate: f64) -> Training<'static> {
        Training::new([100, 1], Box::leak(Box::new(Bare { weights, optimizer: Sgd::new(learning_rate) })))
    }

    /// An epoch that reports these numbers.
    pub fn epoch(logs: &[(&str, f64)]) -> Epoch {
        let logs = logs.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        Epoch { logs: Logs(logs), ..Epoch::default() }
    }

    #[test]
    fn what_is_reported_last_counts_once() {
        let training = training(Vec::new(), 0.1);
        training.report("rate", 1.0);
        training.report("beta", 2.0);
        training.report("rate", 3.0);
        assert_eq!(training.take_reported(), [("beta".to_string(), 2.0), ("rate".to_string(), 3.0)]);
        assert!(training.take_reported().is_empty());
    }
}
