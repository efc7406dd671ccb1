//! What is read, how often, and what is kept of it.
//!
//! In: options. Out: [`Probe`], given to `Fit`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, not_zero};
use crate::files::failure;
use crate::step::probe_request::{ProbeKind, ProbeRequest};
use crate::trace::pattern::Pattern;

/// The steps between two readings unless set.
const EVERY: usize = 100;

/// Something to be read of a model's inside while `fit` trains it: activations, weights, gradients
/// or updates of the layers and weights whose path matches a pattern, or what each term of the loss
/// does. The model's code is not touched.
///
/// In a custom loop, [`Run::step`](crate::training::Run::step) says what is read of functions.
///
/// Training goes on as without probes, bit by bit. A step that is read computes its values a second
/// time beside the step itself, with what is to be read of them, and so takes several times as
/// long; all others run the plan that they run without probes.
/// [`History::probe_cost`](crate::training::History::probe_cost) says what it came to.
///
/// In the pattern `*` is any run of characters, `/` too, and `?` one character: `hidden*` means all
/// that is inside `hidden` as well. It is compared with the full path (`regressor/block/hidden`),
/// with the path without its first part (`block/hidden`) and with the last part (`hidden`). A probe
/// that matches nothing is a warning that names what is near, or an error where
/// [`warnings are denied`](crate::training::Fit::deny_warnings).
///
/// Each reading has [`Statistics`](super::Statistics). It goes to
/// [`History::readings`](crate::training::History::readings) and to every callback
/// ([`Callback::reading`](crate::training::Callback::reading)); TensorBoard draws it.
///
/// ```
/// use endo::prelude::*;
/// use endo::training::probes::ProbeKind;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let layers = Sequential::new()
///     .add(Dense::new(8).activation("tanh").name("hidden"))
///     .add(Dense::new(1).name("out"));
/// let mut model = Model::new(layers);
/// model.compile(Nadam::default(), MeanSquaredError, ());
/// let options = Fit::epochs(10)
///     .probe(Probe::activations("hidden").every(5).histogram(10))
///     .probe(Probe::updates("*kernel").every(5));
/// // 2 steps an epoch, 20 in all: steps 0, 5, 10 and 15 are read.
/// let history = model.fit(&data, options)?;
/// let hidden = history.series(ProbeKind::Activations, "hidden");
/// assert_eq!(hidden.iter().map(|reading| reading.step).collect::<Vec<_>>(), [0, 5, 10, 15]);
/// assert_eq!(hidden[0].histogram.as_ref().unwrap().counts.iter().sum::<usize>(), 32 * 8);
/// assert!(hidden[0].statistics.maximum <= 1.0);
/// assert_eq!(history.series(ProbeKind::Updates, "*kernel").len(), 2 * 4);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    pub(super) watch: ProbeRequest,
    pub(super) every: usize,
    pub(super) folder: Option<PathBuf>,
    histogram: Option<usize>,
}

/// What it reads, how often, and how.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProbeRequest { kind, pattern, bins, raw } = &self.watch;
        let raw = if *raw { ", raw" } else { "" };
        write!(f, "{kind} `{}` every {} steps, {bins} bins{raw}", pattern.text(), self.every)
    }
}

impl Probe {
    fn new(kind: ProbeKind, pattern: impl Into<String>) -> Self {
        let watch = ProbeRequest { kind, pattern: Pattern::new(pattern), bins: 0, raw: false };
        Self { watch, every: EVERY, folder: None, histogram: None }
    }

    /// The outputs of layers, before the update. A layer that is applied several times has a
    /// reading for each call, and one of several outputs for each output: see
    /// [`Reading::path`](super::Reading::path).
    pub fn activations(pattern: impl Into<String>) -> Self {
        Self::new(ProbeKind::Activations, pattern)
    }

    /// Weights, trainable or not, as the step finds them.
    pub fn weights(pattern: impl Into<String>) -> Self {
        Self::new(ProbeKind::Weights, pattern)
    }

    /// The gradients of the loss by weight as the optimizer is given them, before it clips them.
    pub fn gradients(pattern: impl Into<String>) -> Self {
        Self::new(ProbeKind::Gradients, pattern)
    }

    /// The new value of a weight minus the old one, for every weight that the step assigns: what
    /// the optimizer, its decay and constraints have done to it.
    pub fn updates(pattern: impl Into<String>) -> Self {
        Self::new(ProbeKind::Updates, pattern)
    }

    /// What each term of the loss asks of the weights: the norm of its gradient by layer and in
    /// all, and the cosines between the terms' gradients over all trainable weights. Where two
    /// terms pull against each other their cosine is negative. See
    /// [`TermReading`](super::TermReading).
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
    /// # let y = Array::from_fn([64, 1], |i| (0.3 * i as f32).cos());
    /// # let data = Dataset::new(x, y)?;
    /// let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.01)));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// let history = model.fit(&data, Fit::epochs(2).probe(Probe::terms().every(1)))?;
    /// // .. penalty(dense/kernel) against main: cosine -0.31.
    /// println!("{}", history.term_readings[0]);
    /// assert!(history.last("cosine(main, penalty(dense/kernel))").unwrap().abs() <= 1.0);
    /// assert!(history.last("gradient_norm(main)").unwrap() > 0.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn terms() -> Self {
        Self::new(ProbeKind::Terms, "*")
    }

    /// Reads once every `steps` steps, counted over all epochs from step 0 on; 100 unless set.
    #[must_use]
    pub fn every(mut self, steps: usize) -> Self {
        self.every = steps;
        self
    }

    /// Counts the values in `bins` bins of equal width between the least and the greatest; no
    /// histogram unless set.
    #[must_use]
    pub fn histogram(mut self, bins: usize) -> Self {
        self.histogram = Some(bins);
        self.watch.bins = bins;
        self
    }

    /// Writes the values themselves below a folder, as arrays that NumPy reads:
    /// `activations/net/hidden/step_00000100.npy`. Each file is written when its step is done, and
    /// nothing of it is kept in memory.
    #[must_use]
    pub fn raw(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self.watch.raw = true;
        self
    }

    /// Whether it can be done, before anything is run.
    pub(super) fn check(&self) -> Result<()> {
        let kind = self.watch.kind;
        let message = format!("a probe of {kind} every 0 steps");
        not_zero(Some(self.every), &message, "steps count from 1: `.every(1)` reads each of them")?;
        let message = format!("a histogram of 0 bins in a probe of {kind}");
        not_zero(self.histogram, &message, "give at least one bin, for example 30")?;
        if kind == ProbeKind::Terms && (self.histogram.is_some() || self.folder.is_some()) {
            let help = "leave `histogram` and `raw` out, or probe the gradients: \
                `Probe::gradients(\"*\").histogram(30)`";
            let message = "a probe of terms has no histogram and no raw values";
            return Err(Error::argument(message, help));
        }
        let make = |folder: &Path| {
            fs::create_dir_all(folder)
                .map_err(|error| failure("cannot make the folder", folder, &error))
        };
        self.folder.as_deref().map_or(Ok(()), make)
    }
}
