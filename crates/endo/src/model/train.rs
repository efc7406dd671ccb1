//! Training, testing and predicting with a model.
//!
//! In: data. Out: histories, logs, predictions, files.

use std::path::Path;
use std::sync::Arc;

use crate::data::{Dataset, IntoStream};
use crate::error::Result;
use crate::graph::{Graph, SavedGraph, Tree};
use crate::shards::{Link, Shards};
use crate::step::cache::StepKind;
use crate::trace::Program;
use crate::training::{self, Evaluate, Fit, History, Logs, Predict, Run, Stepper};

use super::Model;

impl<I: Tree, O: Tree> Model<I, O> {
    /// Trains on data: a `&Dataset`, or a [`Stream`](crate::data::Stream) of batches that are read
    /// on the way. Shuffling follows the model's seed and the number of epochs it was trained
    /// before, so that two calls of `fit` on a data set do what one of as many epochs does, where
    /// an epoch is a pass through it.
    ///
    /// # Errors
    /// Before anything is trained: if the model is not compiled, a number in the data is not finite
    /// or no target that a loss or metric takes (a class out of range), the batch size is 0, or the
    /// model's `call` or losses do not fit the data. Later: if a term of the loss or a gradient is
    /// not finite; weights, slots and metrics are then as they were before that step, and the error
    /// names the operation that made the number, its layer, its line and the rows of the data.
    #[track_caller]
    pub fn fit<'d>(&mut self, data: impl IntoStream<'d>, options: Fit<'d>) -> Result<History> {
        training::fit::fit(&self.steps, data.into(), options)
    }

    /// The loop of [`fit`](Self::fit) for a custom step. A compiled model is built on the data; one
    /// that is not has to be built, and cannot be validated.
    ///
    /// # Errors
    /// As those of [`fit`](Self::fit) before anything is trained; and if a callback fails.
    #[track_caller]
    pub fn run<'a>(&'a self, data: impl IntoStream<'a>, options: Fit<'a>) -> Result<Run<'a, I, O>> {
        Run::new(&self.steps, data.into(), options)
    }

    /// Cuts the batches of training and tests into shards from here on, which the ranks of a link
    /// share: a number of processes that run the same program, each with all of the data. With the
    /// same number of shards all numbers are the same, bit by bit, on any number of ranks up to it;
    /// a run that one number of ranks has saved goes on with another. Rank 0 writes the files of
    /// callbacks.
    ///
    /// The gradient of each shard is that of its share of the batch's loss, computed by one plan;
    /// shards are added up by a fixed binary tree. Random numbers follow the row of the whole
    /// batch. What a layer computes over a batch it computes over a shard, as batch normalization
    /// does, and a loss term that is no mean over samples is the mean of those of the shards; a
    /// warning says so. See [`shards`](crate::shards).
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::shards::{Alone, Shards};
    /// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// model.distribute(Alone, Shards::new(8)); // with `endo-mpi`: `&world` instead of `Alone`
    /// model.fit(&data, Fit::epochs(2))?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the next step: if there are more ranks than shards; if the model runs eagerly; if a step
    /// cannot be cut, since it updates weights several times one after another or assigns what it
    /// computes of the batch; if a rank has other data, options, weights or plans, or another kind
    /// of processor. If a rank fails, all have its error.
    pub fn distribute(&mut self, link: impl Into<Arc<dyn Link>>, shards: Shards) -> &mut Self {
        self.steps.distribute(link.into(), shards);
        self
    }

    /// The loss, its terms and all metrics on data, in batches of 32. Layers behave as in
    /// inference. Random numbers that layers draw all the same follow the seed, the epochs trained
    /// so far, the place and the row, whatever the batch size; training draws do not depend on
    /// them.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut model = Model::new(Sequential::new());
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ["mae"]);
    /// let logs = model.evaluate(&Dataset::new([[3.0_f32], [1.0]], [[1.0_f32], [1.0]])?)?;
    /// assert_eq!((logs.get("loss"), logs.get("mae")), (Some(2.0), Some(1.0)));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model is not compiled, or its `call` or losses do not fit the data.
    #[track_caller]
    pub fn evaluate<'d>(&self, data: impl IntoStream<'d>) -> Result<Logs> {
        self.evaluate_with(data, Evaluate::new())
    }

    /// As [`evaluate`](Self::evaluate), in batches of another size, or on a part of a stream.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate), and if the batch size is 0, or a stream without end is
    /// not cut off.
    #[track_caller]
    pub fn evaluate_with<'d>(
        &self,
        data: impl IntoStream<'d>,
        options: Evaluate<'_>,
    ) -> Result<Logs> {
        training::evaluate::evaluate(&self.steps, data.into(), options)
    }

    /// One training step on a batch. Returns its loss, the loss's terms, and the metrics since they
    /// were last reset.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut model = Model::new(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    /// model.compile(Sgd::new(0.25), MeanSquaredError, ());
    /// let batch = Dataset::new([[1.0_f32]], [[3.0_f32]])?;
    /// assert_eq!(model.train_on_batch(&batch)?.get("loss"), Some(4.0)); // from before the step
    /// assert_eq!(model.weights()[0].value().get(0), 2.0); // 1 - 0.25 * 2 * (1 - 3)
    /// assert_eq!(model.test_on_batch(&batch)?.get("loss"), Some(1.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate), and if a term of the loss or a gradient is not finite,
    /// in which case nothing changes.
    #[track_caller]
    pub fn train_on_batch(&mut self, batch: &Dataset) -> Result<Logs> {
        self.step_on_batch(batch)
    }

    /// As [`train_on_batch`](Self::train_on_batch), for a binding to a language whose programs
    /// share models.
    #[doc(hidden)]
    #[track_caller]
    pub fn step_on_batch(&self, batch: &Dataset) -> Result<Logs> {
        training::evaluate::run_batch(&self.steps, batch, StepKind::Train)
    }

    /// The loss of a batch, its terms, and the metrics since they were last reset; no weight
    /// changes.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn test_on_batch(&self, batch: &Dataset) -> Result<Logs> {
        training::evaluate::run_batch(&self.steps, batch, StepKind::Test)
    }

    /// The model's outputs for inputs `[samples, ...]`: an array for a model of one input and
    /// output, and for others the same structure of arrays as its `call` takes and returns of
    /// tensors. From several threads at once if wanted.
    ///
    /// A model that draws random numbers here draws other ones in each call and for each row: see
    /// [`predict_call`](Self::predict_call). The calls are counted from 0 when the model is made,
    /// and on from the saved number when a run is resumed. No variable has changed when the call is
    /// done: what `call` assigns goes from one part of the rows to the next, and gets back the
    /// value that it had. Such a model is asked by one thread at a time, while others wait; a
    /// variable that several models share is not to be assigned by one while another predicts with
    /// it.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let model = Model::new(|[a, b]: &[Tensor; 2], _: &mut Context| (a + b, a * b));
    /// let (sum, product) =
    ///     model.predict(&[[[1.0_f32], [2.0]].into(), [[3.0_f32], [4.0]].into()])?;
    /// assert_eq!((sum, product), ([[4.0_f32], [6.0]].into(), [[3.0_f32], [8.0]].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model's `call` does not fit the inputs, or the system does not give the memory that
    /// it needs. A system that promises more memory than it has may end the process instead, which
    /// no program can prevent.
    #[track_caller]
    pub fn predict(&self, x: &I::Arrays) -> Result<O::Arrays> {
        self.steps.predict(x)
    }

    /// As [`predict`](Self::predict), with callbacks.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict), and of the callbacks.
    #[track_caller]
    pub fn predict_with(&self, x: &I::Arrays, options: Predict<'_>) -> Result<O::Arrays> {
        training::predict(&self.steps, x, options)
    }

    /// As [`predict`](Self::predict), for the inputs of data or of a stream that ends, whose
    /// targets are not looked at. What Keras's `predict` does with a data set. Each batch of a
    /// stream is a call of its own.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let model = Model::new(|[a, b]: &[Tensor; 2], _: &mut Context| a + b);
    /// let data = Dataset::new(([[1.0_f32], [2.0]], [[3.0_f32], [4.0]]), [[0.0_f32], [0.0]])?;
    /// assert_eq!(model.predict_data(&data)?, [[4.0_f32], [6.0]].into());
    /// let halves = Stream::from_iterator([data.rows(0..1)?, data.rows(1..2)?]);
    /// assert_eq!(model.predict_data(halves)?, [[4.0_f32], [6.0]].into());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict) and of the stream, and if that has no end.
    #[track_caller]
    pub fn predict_data<'d>(&self, data: impl IntoStream<'d>) -> Result<O::Arrays> {
        training::predict_data(&self.steps, data.into())
    }

    /// As [`predict`](Self::predict), as the call with this number, counted from 0: with the random
    /// numbers of that call, if the model draws any. It is not counted itself. The numbers follow
    /// the model's seed, the number, the place of the draw and the row.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let model =
    ///     Model::new(|x: &Tensor, cx: &mut Context| x + cx.random().normal(x.shape(), 0.0, 1.0))
    ///         .seed(42);
    /// let x = Array::zeros([1000, 1], DType::F32);
    /// let (first, second) = (model.predict(&x)?, model.predict(&x)?);
    /// assert_ne!(first, second);
    /// assert_eq!(model.predict_call(0, &x)?, first);
    /// assert_eq!(model.predict_call(1, &x)?, second);
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    #[track_caller]
    pub fn predict_call(&self, call: u64, x: &I::Arrays) -> Result<O::Arrays> {
        self.steps.predict_call(call, x)
    }

    /// Writes what [`predict`](Self::predict) computes to a file, from which
    /// [`Predictor`](crate::training::Predictor) computes the same bits without the model's code:
    /// no layers, closures or structs. An existing file is replaced at once or not at all.
    ///
    /// The inputs are those of the model's last trace (`fit`, `predict`, [`build`](Self::build)),
    /// with any number of rows. In the file are the operations with their sizes as functions of the
    /// number of rows, and the variables that they read. It is a safetensors file, so other
    /// programs can read the weights. A model that draws random numbers in `predict` goes on
    /// drawing them: the first call of the predictor has the numbers of the model's first call. One
    /// that is run eagerly is exported as if it were not.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-export-{}.endo", std::process::id()));
    /// let model = Model::new(|x: &Tensor, _: &mut Context| x / x.sum_axes(&[-1]).expand_dims(-1));
    /// model.build([1, 2])?;
    /// model.export(&path)?;
    /// let shares =
    ///     Predictor::load(&path)?.predict(&[[1.0_f32, 3.0], [1.0, 1.0], [9.0, 1.0]].into())?;
    /// assert_eq!(shares, [[0.25_f32, 0.75], [0.5, 0.5], [0.9, 0.1]].into());
    ///
    /// // What a row gets depends on how many others there are.
    /// let model = Model::new(|x: &Tensor, _: &mut Context| x - x.mean());
    /// model.build([1, 2])?;
    /// let error = model.export(&path).unwrap_err();
    /// assert!(error.message().contains("depends on the number of rows"));
    /// assert!(error.site().is_some());
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model has seen no input; if what it computes depends on the number of rows otherwise
    /// than by sizes `a + b * rows`, or an output has not one row for each row of the inputs, with
    /// the operation, its layer and its line; if the file cannot be written.
    #[track_caller]
    pub fn export(&self, path: impl AsRef<Path>) -> Result<()> {
        self.export_with_note(path, "")
    }

    /// As [`export`](Self::export), with a text that the [`Predictor`](crate::training::Predictor)
    /// gives back as its [`note`](crate::training::Predictor::note): the names of columns, say, or
    /// where the model is from. The file's checksum covers it.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-note-{}.endo", std::process::id()));
    /// let model = Model::new(Dense::new(1));
    /// model.build([1, 2])?;
    /// model.export_with_note(&path, "rooms, age -> price")?;
    /// assert_eq!(Predictor::load(&path)?.note(), "rooms, age -> price");
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`export`](Self::export).
    #[track_caller]
    pub fn export_with_note(&self, path: impl AsRef<Path>, note: &str) -> Result<()> {
        self.steps.export_with_note(path.as_ref(), note)
    }

    /// What [`export`](Self::export) writes: for other forms of files.
    #[doc(hidden)]
    #[track_caller]
    pub fn saved_graph(&self) -> Result<SavedGraph> {
        self.steps.saved_graph()
    }

    /// Steps on batches of `batch_size` rows of `data`.
    ///
    /// # Errors
    /// If the model is not compiled, or the data has fewer rows.
    pub fn stepper<'m>(
        &'m mut self,
        data: &'m Dataset,
        batch_size: usize,
    ) -> Result<Stepper<'m, I, O>> {
        Stepper::new(&self.steps, data, batch_size)
    }

    /// The program of the training step for a batch like this one, traced and planned now: to be
    /// printed or measured.
    ///
    /// # Errors
    /// If the model is not compiled, or its `call` or losses do not fit the batch.
    pub fn training_program(&self, batch: &Dataset) -> Result<Program> {
        self.steps.training_program(batch)
    }

    /// The graph of the training step for a batch like this one, traced now.
    #[doc(hidden)]
    #[track_caller]
    pub fn training_graph(&self, batch: &Dataset) -> Result<Graph> {
        self.steps.training_graph(batch)
    }
}
