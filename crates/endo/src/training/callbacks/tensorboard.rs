//! The numbers of every epoch, how the weights are spread, and what is trained, for TensorBoard.
//!
//! In: the logs of an epoch, the weights, the model and its step. Out: event files in two folders,
//! one for training and one for validation.

use std::path::PathBuf;

use crate::error::Result;
use crate::graph::Graph;
use crate::net::{Structure, Summary, TermRecord};
use crate::variable::Variable;

use super::event_file::{EventFile, Histogram, Value};
use super::{Callback, Epoch, Ledger, Training};
use crate::training::Reading;
use crate::training::probes::TermReading;

/// Writes the loss, its terms and the metrics of every epoch for TensorBoard. Keras's
/// `TensorBoard`, with its folders and names.
///
/// What training reports is in the folder `train` as `epoch_loss`, `epoch_reconstruction`, ..; what
/// validation reports is under the same names in the folder `validation`, so that TensorBoard draws
/// both in one plot. `tensorboard --logdir logs` shows them.
///
/// What [probes](crate::training::Probe) read is in the folder `train` too, by step:
/// `activations/net/hidden/mean`, `.../histogram` and so on, `terms/main/gradient_norm`,
/// `terms/cosine(main, reconstruction)`.
///
/// When the first epoch is done, the model's layers, the terms of its loss and the graph of the
/// training step are written as the text `graph`: each operation with its shape, its layer and its
/// line. A step that runs node by node has no graph.
///
/// ```
/// # use endo::prelude::*;
/// # let data = Dataset::new(Array::from([[1.0_f32]; 40]), Array::from([[1.0_f32]; 40]))?;
/// # let logs = std::env::temp_dir().join(format!("endo-board-{}", std::process::id()));
/// # let mut model = Model::new(Dense::new(1));
/// # model.compile(Sgd::new(0.1), MeanSquaredError, ());
/// let board = TensorBoard::new(&logs).histogram_freq(1);
/// model.fit(&data, Fit::epochs(2).validation_split(0.25).callback(board))?;
/// assert!(logs.join("train").is_dir() && logs.join("validation").is_dir());
/// # std::fs::remove_dir_all(&logs).unwrap();
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// `fit` fails, before the first step where that can be known, if a file cannot be written.
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    histogram_freq: usize,
    update_freq: usize,
    /// Whether it was written what is trained.
    described: bool,
    train: Option<EventFile>,
    validation: Option<EventFile>,
}

impl TensorBoard {
    /// Writes below a folder, which is made if it is missing. Each training has files of its own.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            histogram_freq: 0,
            update_freq: 0,
            described: false,
            train: None,
            validation: None,
        }
    }

    /// Writes histograms of all weights once every `epochs` epochs; 0, never, unless set.
    #[must_use]
    pub fn histogram_freq(mut self, epochs: usize) -> Self {
        self.histogram_freq = epochs;
        self
    }

    /// Writes the loss and its terms once every `batches` batches, as `batch_loss`,
    /// `batch_reconstruction`, .. in the folder `train`, by step; 0, never, unless set. They are
    /// those of the batch alone (Keras's are means over the epoch so far), and steps count from 0
    /// over all epochs, as those of probes do.
    #[must_use]
    pub fn update_freq(mut self, batches: usize) -> Self {
        self.update_freq = batches;
        self
    }
}

impl Callback for TensorBoard {
    fn train_begin(&mut self, training: &Training) -> Result<()> {
        (self.train, self.validation, self.described) = (None, None, false);
        if !training.writes_files() {
            return Ok(());
        }
        self.train = Some(EventFile::create(&self.folder.join("train"))?);
        training.keep_graphs();
        Ok(())
    }

    fn batch_end(&mut self, _: usize, _: &dyn Fn() -> Ledger, training: &Training) -> Result<()> {
        let step = training.step();
        if self.update_freq == 0 || !step.is_multiple_of(self.update_freq) {
            return Ok(());
        }
        let ledger = training.batch_ledger();
        let terms = ledger
            .logs()
            .into_iter()
            .map(|(name, value)| (format!("batch_{name}"), Value::Scalar(value)));
        match (&mut self.train, ledger.terms.is_empty()) {
            (Some(file), false) => file.write(step, &terms.collect::<Vec<_>>()),
            (Some(_), true) | (None, _) => Ok(()),
        }
    }

    fn reading(&mut self, reading: &Reading) -> Result<()> {
        let tag = |name: &str| format!("{}/{}/{name}", reading.kind, reading.path);
        let numbers = reading.statistics.named();
        let scalars = numbers.map(|(name, value)| (tag(name), Value::Scalar(value)));
        let histogram = Histogram::of_reading(reading)
            .map(|histogram| (tag("histogram"), Value::Histogram(histogram)));
        let values: Vec<(String, Value)> = scalars.chain(histogram).collect();
        self.train.as_mut().map_or(Ok(()), |file| file.write(reading.step, &values))
    }

    fn term_reading(&mut self, reading: &TermReading) -> Result<()> {
        let whole = reading
            .terms
            .iter()
            .map(|term| (format!("terms/{}/gradient_norm", term.name), term.norm));
        let layers = reading.terms.iter().flat_map(|term| {
            term.layers
                .iter()
                .map(|(layer, norm)| (format!("terms/{}/gradient_norm/{layer}", term.name), *norm))
        });
        let name = |[first, second]: &[String; 2]| format!("terms/cosine({first}, {second})");
        let cosines = reading.cosines.iter().map(|cosine| (name(&cosine.terms), cosine.value));
        let numbers = whole.chain(layers).chain(cosines);
        let values: Vec<(String, Value)> =
            numbers.map(|(name, value)| (name, Value::Scalar(value))).collect();
        self.train.as_mut().map_or(Ok(()), |file| file.write(reading.step, &values))
    }

    fn epoch_end(&mut self, epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
        if self.train.is_none() {
            return Ok(());
        }
        let (mut train, mut validation) = (Vec::new(), Vec::new());
        for (name, value) in report.logs.iter() {
            let (values, name) = match name.strip_prefix("val_") {
                Some(name) => (&mut validation, name),
                None => (&mut train, name),
            };
            values.push((format!("epoch_{name}"), Value::Scalar(value)));
        }
        if self.histogram_freq > 0 && epoch.is_multiple_of(self.histogram_freq) {
            for weight in training.weights() {
                let values = weight.value();
                let histogram = Histogram::of((0..values.len()).map(|index| values.get(index)));
                train.push((format!("{}/histogram", weight.name()), Value::Histogram(histogram)));
            }
        }
        if !std::mem::replace(&mut self.described, true) {
            let text = description(&training.structure(), &training.weights(), &training.graphs());
            train.extend(text.map(|text| ("graph".to_string(), Value::Text(text))));
        }
        if let Some(file) = &mut self.train {
            file.write(epoch, &train)?;
        }
        if validation.is_empty() {
            return Ok(());
        }
        if self.validation.is_none() {
            self.validation = Some(EventFile::create(&self.folder.join("validation"))?);
        }
        self.validation.as_mut().map_or(Ok(()), |file| file.write(epoch, &validation))
    }
}

/// What is trained, as Markdown; none where nothing is known of it.
fn description(structure: &Structure, weights: &[Variable], graphs: &[Graph]) -> Option<String> {
    let mut parts = Vec::new();
    if !structure.layers.is_empty() {
        parts.push(format!(
            "## Model\n\n{}",
            code(&Summary::new(&structure.layers, weights).to_string())
        ));
    }
    if !structure.terms.is_empty() {
        let terms: String = structure.terms.iter().map(term).collect();
        parts.push(format!("## Loss\n\n{terms}"));
    }
    parts.extend(graphs.iter().map(|graph| format!("## Step\n\n{}", code(&graph.to_string()))));
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn code(text: &str) -> String {
    format!("```text\n{}\n```\n", text.trim_end())
}

/// A term of the loss as an item of a list.
fn term(term: &TermRecord) -> String {
    let layer = if term.layer.is_empty() { String::new() } else { format!(" of `{}`", term.layer) };
    let line =
        term.site.map_or_else(String::new, |site| format!(" at {}:{}", site.file(), site.line()));
    format!("* `{}`{layer}{line}\n", term.name)
}
