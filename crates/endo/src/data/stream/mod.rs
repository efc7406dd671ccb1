//! Data that is read while a model is trained on it: iterators, channels, closures and files, for
//! what does not fit in memory.
//!
//! In: something that yields batches, or samples by their numbers. Out: [`Stream`], which `fit` and
//! `evaluate` take where they take a [`Dataset`].

mod batch_at;
mod closures;
mod iterators;
mod mapped;
mod prefetched;
mod sampled;

use std::borrow::Cow;

use crate::error::Result;

use super::{Arrays, Dataset, OutputArrays};

pub use batch_at::BatchAt;
use closures::{ByEpoch, NumberedSource};
use iterators::IteratorSource;
use mapped::MappedSource;
use prefetched::PrefetchedSource;
use sampled::SampledSource;
pub use sampled::{Samples, Sampling};

/// Data that is read batch by batch, while a model is trained on it or tested with it. A `&Dataset`
/// is one too.
///
/// | made by | yields | a run goes on from it to the same bits |
/// |---|---|---|
/// | [`samples`] | samples by their numbers, shuffled and cut by `fit`: `.npy` files, text | yes |
/// | [`from_fn`] | what a closure makes of the number of the batch, without end | yes |
/// | [`by_epoch`] | an iterator of batches for each pass | yes, if it yields the same again |
/// | [`from_iterator`] | the batches of an iterator, a generator or a channel, once | no |
/// | [`new`](Self::new) | those of a [`BatchSource`] | if it can seek |
///
/// [`samples`]: Self::samples
/// [`from_fn`]: Self::from_fn
/// [`by_epoch`]: Self::by_epoch
/// [`from_iterator`]: Self::from_iterator
///
/// A batch is a [`Dataset`], a pair `(x, y)`, a triple `(x, y, sample_weight)`, or a `Result` of
/// one of them; an error ends the training. Each batch is checked before its step, as a data set is
/// before the first: for targets that no loss takes, and, unless
/// [`Fit::non_finite`](crate::training::Fit::non_finite) says otherwise, for numbers that are not
/// finite.
///
/// ```
/// use endo::prelude::*;
/// use endo::random::Random;
///
/// // The sum of three numbers, made while it is learnt.
/// let stream = Stream::from_fn(|number| {
///     let mut random = Random::new(7, number as u64);
///     let x = Array::from_fn([32, 3], |_| random.uniform());
///     let y = Array::from_fn([32, 1], |row| {
///         (0..3).map(|column| x.get(3 * row + column) as f32).sum::<f32>()
///     });
///     (x, y)
/// });
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Sgd::new(0.3), "mse", ());
/// let history = model.fit(stream, Fit::epochs(3).steps_per_epoch(100))?;
/// assert!(history.last("loss").unwrap() < 1e-3);
/// # Ok::<(), Error>(())
/// ```
pub struct Stream<'a> {
    pub(crate) origin: Origin<'a>,
}

/// Where a stream comes from.
pub(crate) enum Origin<'a> {
    /// All of it is in memory.
    Memory(Cow<'a, Dataset>),
    Batches(Box<dyn BatchSource + 'a>),
}

/// How many batches a pass through a stream has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// This many.
    Batches(usize),
    /// That is known when the pass is done.
    Unknown,
    /// It never ends: the batches of an epoch are given by
    /// [`Fit::steps_per_epoch`](crate::training::Fit::steps_per_epoch).
    Endless,
}

/// What a [`Stream`] reads its batches from, for custom sources that can go to any batch.
///
/// A pass goes through all of the data once. Before the first batch of a pass, and where a saved
/// run is gone on with, [`seek`](Self::seek) is called; then [`next_batch`](Self::next_batch) until
/// there is none, or no more is wanted.
pub trait BatchSource: Send {
    /// How many batches a pass has.
    fn length(&self) -> Length;

    /// Says, once and before anything is read, how samples are to be cut into batches and shuffled.
    /// What yields batches as they are need not listen.
    ///
    /// # Errors
    /// If the samples cannot be cut so.
    fn sample(&mut self, _sampling: Sampling) -> Result<()> {
        Ok(())
    }

    /// Whether [`seek`](Self::seek) can go to any batch.
    fn can_seek(&self) -> bool {
        true
    }

    /// Goes to a batch: it is the next one.
    ///
    /// # Errors
    /// If it cannot go there.
    fn seek(&mut self, to: BatchAt) -> Result<()>;

    /// The next batch; none at the end of the pass.
    ///
    /// # Errors
    /// If it cannot be read.
    fn next_batch(&mut self) -> Result<Option<Dataset>>;

    /// Which samples of the data the last batch was made of, for messages; none where they have no
    /// numbers.
    fn rows(&self) -> &[usize] {
        &[]
    }
}

/// What a stream may yield as a batch.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no batch",
    note = "a stream yields a `Dataset`, a pair `(x, y)`, a triple `(x, y, sample_weight)`, or a \
        `Result` of one of them"
)]
pub trait IntoBatch {
    /// The batch.
    ///
    /// # Errors
    /// If it is an error, or its arrays make no data set.
    fn into_batch(self) -> Result<Dataset>;
}

impl IntoBatch for Dataset {
    fn into_batch(self) -> Result<Dataset> {
        Ok(self)
    }
}

impl<B: IntoBatch> IntoBatch for Result<B> {
    fn into_batch(self) -> Result<Dataset> {
        self?.into_batch()
    }
}

impl<X: Into<Arrays>, Y: Into<OutputArrays>> IntoBatch for (X, Y) {
    fn into_batch(self) -> Result<Dataset> {
        Dataset::new(self.0, self.1)
    }
}

impl<X: Into<Arrays>, Y: Into<OutputArrays>, W: Into<OutputArrays>> IntoBatch for (X, Y, W) {
    fn into_batch(self) -> Result<Dataset> {
        Dataset::new(self.0, self.1)?.with_sample_weight(self.2)
    }
}

/// What becomes a [`Stream`]: what `fit` and `evaluate` take.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no data to train or judge a model on",
    note = "give a `&Dataset`, made by `Dataset::new(x, y)?` from arrays, or a `Stream` of batches"
)]
pub trait IntoStream<'a>: Into<Stream<'a>> {}

#[diagnostic::do_not_recommend]
impl<'a, S: Into<Stream<'a>>> IntoStream<'a> for S {}

impl<'a> From<&'a Dataset> for Stream<'a> {
    fn from(data: &'a Dataset) -> Self {
        Self { origin: Origin::Memory(Cow::Borrowed(data)) }
    }
}

impl<'a> Stream<'a> {
    /// The batches of a custom source.
    pub fn new(source: impl BatchSource + 'a) -> Self {
        Self { origin: Origin::Batches(Box::new(source)) }
    }

    /// Samples that are read by their numbers; a [`Dataset`] that is to be owned is such, too.
    /// `fit` shuffles them and cuts them into batches as it does a data set, so that what is
    /// trained has the same bits.
    ///
    /// ```
    /// use endo::prelude::*;
    ///
    /// /// Squares, computed when they are asked for.
    /// struct Squares(usize);
    ///
    /// impl Samples for Squares {
    ///     fn count(&self) -> usize {
    ///         self.0
    ///     }
    ///     fn take(&mut self, numbers: &[usize]) -> Result<Dataset> {
    ///         let x = Array::from_fn([numbers.len(), 1], |row| numbers[row] as f32 / 100.0);
    ///         let y = Array::from_fn([numbers.len(), 1], |row| x.get(row).powi(2) as f32);
    ///         Dataset::new(x, y)
    ///     }
    /// }
    /// let mut model =
    ///     Model::new(Sequential::new().add(Dense::new(8).activation("tanh")).add(Dense::new(1)));
    /// model.compile("adam", "mse", ());
    /// let history = model.fit(Stream::samples(Squares(100)), Fit::epochs(2).batch_size(16))?;
    /// assert_eq!(history.epochs.len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn samples(samples: impl Samples + 'a) -> Self {
        Self::new(SampledSource::new(samples))
    }

    /// What a closure makes of the number of the batch, counted from 0 in each `fit` and on from
    /// epoch to epoch. It never ends, so `fit` has to be told how many batches are an
    /// [epoch](crate::training::Fit::steps_per_epoch). A closure that gives the same batch for the
    /// same number makes a run that is gone on with one of the same bits.
    pub fn from_fn<B: IntoBatch>(batch: impl FnMut(usize) -> B + Send + 'a) -> Self {
        Self::new(NumberedSource::new(batch))
    }

    /// The batches of an iterator that a closure makes for each pass through the data, from the
    /// [number](BatchAt::pass) of the pass. Validation takes that of pass 0 each time. A run that
    /// is gone on with goes through the batches that it has seen without training on them, so that
    /// an iterator that yields the same again makes one of the same bits.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use std::io::{BufRead, BufReader};
    ///
    /// # let path = std::env::temp_dir().join(format!("endo-by-epoch-{}.txt", std::process::id()));
    /// # std::fs::write(&path, "1 2\n2 4\n3 6\n").unwrap();
    /// let file = path.clone();
    /// let pairs = Stream::by_epoch(move |_pass| {
    ///     let lines = BufReader::new(std::fs::File::open(&file).unwrap()).lines();
    ///     lines.map(|line| {
    ///         let numbers: Vec<f32> =
    ///             line.unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    ///         ([[numbers[0]]], [[numbers[1]]])
    ///     })
    /// });
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.05), "mse", ());
    /// assert_eq!(model.fit(pairs, Fit::epochs(5))?.epochs.len(), 5);
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn by_epoch<It>(batches: impl FnMut(usize) -> It + Send + 'a) -> Self
    where
        It: IntoIterator<Item: IntoBatch, IntoIter: Send + 'a> + 'a,
    {
        Self::new(ByEpoch::new(batches))
    }

    /// The batches of an iterator, a generator or a channel, as they come. Such a stream can be
    /// gone through once: for several epochs, say how many of its batches are
    /// [one](crate::training::Fit::steps_per_epoch). A saved run cannot go on from it.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use std::sync::mpsc;
    ///
    /// let (sender, receiver) = mpsc::sync_channel(4);
    /// let measuring = std::thread::spawn(move || {
    ///     for step in 0..60 {
    ///         let x = (step % 6) as f32 / 6.0;
    ///         if sender.send(([[x], [1.0 - x]], [[2.0 * x], [2.0 - 2.0 * x]])).is_err() {
    ///             return; // nobody listens any more
    ///         }
    ///     }
    /// });
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.1), "mse", ());
    /// let history =
    ///     model.fit(Stream::from_iterator(receiver), Fit::epochs(3).steps_per_epoch(20))?;
    /// assert_eq!(history.epochs.len(), 3);
    /// # measuring.join().unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_iterator<It>(batches: It) -> Self
    where
        It: IntoIterator<Item: IntoBatch, IntoIter: Send + 'a>,
    {
        Self::new(IteratorSource::new(batches.into_iter()))
    }

    /// Changes each batch on its way: for augmentation, or to make inputs of what was read. Samples
    /// that stay keep their order, by which messages name them. What is drawn for a batch is drawn
    /// by its [place](BatchAt::random), so that it is the same again where a run is gone on with,
    /// and another in the next pass.
    ///
    /// ```
    /// use endo::prelude::*;
    ///
    /// let train = Dataset::new([[1.0_f32], [2.0], [3.0]], [[2.0_f32], [4.0], [6.0]])?;
    /// let noisy = Stream::from(&train).map(|batch, at| {
    ///     let mut random = at.random(42);
    ///     let x = batch.inputs();
    ///     batch.with_inputs(Array::from_fn(x.shape(), |i| {
    ///         x.get(i) as f32 + 0.01 * random.normal()
    ///     }))
    /// });
    /// let mut model = Model::new(Dense::new(1));
    /// model.compile(Sgd::new(0.05), "mse", ());
    /// model.fit(noisy, Fit::epochs(4).validation(&train))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn map<B: IntoBatch>(self, change: impl FnMut(Dataset, BatchAt) -> B + Send + 'a) -> Self {
        Self::new(MappedSource::new(self.into_source(), change))
    }

    fn into_source(self) -> Box<dyn BatchSource + 'a> {
        match self.origin {
            Origin::Memory(data) => Box::new(SampledSource::new(data.into_owned())),
            Origin::Batches(source) => source,
        }
    }
}

impl Stream<'static> {
    /// Reads up to this many batches ahead on a thread of its own, while the model is trained on
    /// those before. What a closure or iterator does not own, such as a borrowed data set, cannot
    /// go there: give a clone, which shares the numbers.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let train = Dataset::new([[1.0_f32], [2.0], [3.0]], [[2.0_f32], [4.0], [6.0]])?;
    /// let stream = Stream::samples(train.clone()).prefetch(2);
    /// # let mut model = Model::new(Dense::new(1));
    /// # model.compile(Sgd::new(0.05), "mse", ());
    /// model.fit(stream, Fit::epochs(4))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn prefetch(self, batches: usize) -> Self {
        Self::new(PrefetchedSource::new(self.into_source(), batches))
    }
}
