//! What a model is made of besides its weights: the hyperparameters of its losses, metrics and
//! layers, in the file of its weights.
//!
//! In: a built model, or a file that [`Model::save`](crate::model::Model::save) wrote. Out: the
//! file; the hyperparameters again, for the constructors of the user's structs; the weights, where
//! model and file agree.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde_json::json;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::files::failure;
use crate::graph::Tree;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::named::{Hyperparameters, Setting};
use crate::spelling::listed;
use crate::trace::LayerRecord;

use super::Net;

/// The entry of a safetensors file's metadata that says what the model is made of: the number of
/// the format, then a line for each place.
pub(super) const ENTRY: &str = "endo.model";

/// Its first line. Files written before have none, and their lines are those that are printed.
const FORMAT: &str = "format 2";

/// What a saved part of a model is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PartRole {
    Loss,
    Metric,
    Layer,
}

/// The word for each role in files, and in the keys of [`Saved::get`].
const ROLES: [(&str, PartRole); 3] =
    [("loss", PartRole::Loss), ("metric", PartRole::Metric), ("layer", PartRole::Layer)];

/// Something of a model that has hyperparameters, or a loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SavedPart {
    role: PartRole,
    /// The position of a loss among several, the name of a metric in reports, the path of a layer.
    name: String,
    /// What it is: the name of a loss, the type of a layer.
    kind: String,
    hyperparameters: Hyperparameters,
}

/// A place as a line of a file holds it, in JSON: role, name, kind, and the hyperparameters as
/// text.
type SavedLine = (String, String, String, Vec<(String, String)>);

impl SavedPart {
    /// A compiled loss, with its position where it is one of several.
    pub fn loss(position: Option<usize>, loss: &dyn Loss) -> Self {
        Self {
            role: PartRole::Loss,
            name: position.map_or_else(String::new, |position| position.to_string()),
            kind: loss.name().to_string(),
            hyperparameters: loss.hyperparameters(),
        }
    }

    /// A metric by its name in reports.
    pub fn metric(name: String, metric: &dyn Metric) -> Self {
        let (kind, hyperparameters) = (metric.name().to_string(), metric.hyperparameters());
        Self { role: PartRole::Metric, name, kind, hyperparameters }
    }

    fn text(&self) -> String {
        self.hyperparameters.written(&self.kind)
    }

    /// What a reader calls it.
    fn noun(&self) -> String {
        match self.role {
            PartRole::Loss if self.name.is_empty() => "the loss".to_string(),
            PartRole::Loss => format!("loss {}", self.name),
            PartRole::Metric => format!("the metric `{}`", self.name),
            PartRole::Layer => format!("the layer `{}`", self.name),
        }
    }

    /// The text that means this place and no other.
    fn key(&self) -> String {
        let reserved = ROLES.iter().any(|(word, _)| {
            self.name
                .strip_prefix(word)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        match self.role {
            PartRole::Loss if self.name.is_empty() => "loss".to_string(),
            PartRole::Layer if !reserved => self.name.clone(),
            role => format!("{} {}", word(role), self.name),
        }
    }

    fn line(&self) -> String {
        let hyperparameters =
            self.hyperparameters.iter().map(|(name, text)| [name, text]).collect::<Vec<_>>();
        json!([word(self.role), self.name, self.kind, hyperparameters]).to_string()
    }

    fn from_line(line: &str) -> Option<Self> {
        let (role, name, kind, entries): SavedLine = serde_json::from_str(line).ok()?;
        let (_, role) = ROLES.into_iter().find(|(word, _)| *word == role)?;
        let mut hyperparameters = Hyperparameters::new();
        for (name, text) in entries {
            hyperparameters.set(&name, text);
        }
        Some(Self { role, name, kind, hyperparameters })
    }

    /// From a line as it is printed: `metric within = within(distance=0.5)`.
    fn from_printed(line: &str) -> Result<Self> {
        let (key, text) = line.split_once(" = ").unwrap_or((line, ""));
        let (role, name) = match key.split_once(' ') {
            _ if key == "loss" => (PartRole::Loss, ""),
            Some(("loss", number)) if number.parse::<usize>().is_ok() => (PartRole::Loss, number),
            Some(("metric", name)) => (PartRole::Metric, name),
            Some(_) | None => (PartRole::Layer, key),
        };
        let (kind, hyperparameters) = Hyperparameters::read(text)?;
        Ok(Self { role, name: name.to_string(), kind, hyperparameters })
    }
}

fn word(role: PartRole) -> &'static str {
    ROLES.iter().find(|(_, known)| *known == role).map_or("", |(word, _)| word)
}

/// What a file that [`Model::save`](crate::model::Model::save) wrote says of the model besides its
/// weights. Prints a line for each place.
///
/// A place is `"loss"` (of several `"loss 0"`, `"loss 1"`, ..), `"metric "` and the metric's name
/// in reports, or a layer's path. A layer whose path could be taken for one of these has `"layer "`
/// before it: `"layer loss"`.
/// Code is not in the file: the user's structs are made again by their constructors, from what
/// [`get`](Self::get) returns. Values of the library say the options that are not their defaults,
/// and are read whole: `regularizers::get(&saved.get::<String>("dense", "kernel_regularizer")?)?`.
///
/// ```
/// use endo::prelude::*;
///
/// struct HuberLoss { threshold: f64 }
///
/// impl Loss for HuberLoss {
///     fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
///         huber(y_true, y_pred, self.threshold)
///     }
///     fn name(&self) -> &str {
///         "huber_loss"
///     }
///     fn hyperparameters(&self) -> Hyperparameters {
///         Hyperparameters::new().with("threshold", self.threshold)
///     }
/// }
///
/// let path = std::env::temp_dir().join("endo-saved-example.safetensors");
/// let mut model = Model::new(Dense::new(1).kernel_regularizer(L2(0.25)));
/// model.compile("nadam", HuberLoss { threshold: 2.0 }, ["mae"]).build([1, 3])?;
/// model.save(&path)?;
///
/// let saved = Saved::read(&path)?;
/// let mut again = Model::new(
///     Dense::new(1).kernel_regularizer(L2(saved.get("dense", "kernel_regularizer.l2")?)),
/// );
/// again
///     .compile("nadam", HuberLoss { threshold: saved.get("loss", "threshold")? }, ["mae"])
///     .build([1, 3])?;
/// again.load(&path)?;
/// assert_eq!(again.weights()[0].value(), model.weights()[0].value());
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    path: PathBuf,
    places: Vec<SavedPart>,
}

impl Saved {
    /// Reads a file that [`Model::save`](crate::model::Model::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or holds weights alone.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        Self::from_bytes(path, &bytes)
    }

    pub(super) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |error| failure("not a safetensors file:", path, &error);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let Some(text) = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY)) else {
            let message =
                format!("{} holds weights alone: `save` did not write it", path.display());
            return Err(Error::data(message, "read the weights with `load_weights`"));
        };
        let refuse =
            |what: String, help| Err(Error::data(format!("{} {what}", path.display()), help));
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let places = match first
            .strip_prefix("format ")
            .filter(|number| number.parse::<u32>().is_ok())
        {
            None => text.lines().map(SavedPart::from_printed).collect::<Result<Vec<_>>>()?,
            Some(_) if first == FORMAT => {
                let places = rest.lines().map(|line| SavedPart::from_line(line).ok_or(line));
                match places.collect::<Result<Vec<_>, _>>() {
                    Ok(places) => places,
                    Err(line) => {
                        let help = "copy the whole file again, or read the weights alone with \
                            `load_weights`";
                        return refuse(
                            format!("says of the model what makes no sense: `{line}`"),
                            help,
                        );
                    }
                }
            }
            Some(_) => {
                let help = "read it with the version of endo that wrote it, or the weights alone \
                    with `load_weights`";
                return refuse(
                    format!(
                        "says what the model is made of in {first}, and this program reads {FORMAT}"
                    ),
                    help,
                );
            }
        };
        Ok(Self { path: path.to_path_buf(), places })
    }

    /// The value of a hyperparameter at a place; of one of a value within, with names joined by a
    /// point, as in `"kernel_regularizer.l2"`.
    ///
    /// # Errors
    /// If there is no such place or hyperparameter, with those that there are, or it is not of the
    /// type asked for.
    pub fn get<S: Setting>(&self, place: &str, name: &str) -> Result<S> {
        self.at(place)?.get(name).map_err(|error| {
            let message = format!("{}, `{place}`: {}", self.path.display(), error.message());
            Error::new(error.kind(), message).help(error.advice().unwrap_or_default())
        })
    }

    /// All hyperparameters at a place.
    ///
    /// # Errors
    /// If there is no such place, with those that there are.
    pub fn at(&self, place: &str) -> Result<&Hyperparameters> {
        let layer = |path: &str| {
            self.places.iter().find(|known| known.role == PartRole::Layer && known.name == path)
        };
        let found = self.places.iter().find(|known| known.key() == place);
        let found = found.or_else(|| layer(place)).or_else(|| layer(place.strip_prefix("layer ")?));
        found.map(|known| &known.hyperparameters).ok_or_else(|| {
            let message = format!("{} says nothing of `{place}`", self.path.display());
            let known: Vec<String> = self.places.iter().map(SavedPart::key).collect();
            let help = format!("it says something of {}", listed(known.iter().map(String::as_str)));
            Error::argument(message, help)
        })
    }

    /// The first thing that a model has not, or has with another hyperparameter.
    fn compare(&self, model: &[SavedPart]) -> Result<()> {
        self.places.iter().try_for_each(|saved| {
            let given =
                model.iter().find(|given| (given.role, &given.name) == (saved.role, &saved.name));
            match self.difference(saved, given) {
                Some((message, fix)) => {
                    let help = format!("{fix}; or read the weights alone with `load_weights`");
                    Err(Error::usage(message, help))
                }
                None => Ok(()),
            }
        })
    }

    /// How what was saved differs from what the model has in its place, and what to do about it.
    fn difference(&self, saved: &SavedPart, given: Option<&SavedPart>) -> Option<(String, String)> {
        let (path, noun) = (self.path.display(), saved.noun());
        let name = saved.hyperparameters.iter().next().map_or("..", |(name, _)| name);
        let restore = format!("`Saved::read(path)?.get({:?}, {name:?})?`", saved.key());
        let fix = if saved.role == PartRole::Layer {
            format!(
                "make the model of the layers it was saved with, a struct of yours with {restore}"
            )
        } else {
            format!(
                "`compile` it first with what it was saved with, a struct of yours with {restore}"
            )
        };
        let Some(given) = given else {
            let message = format!(
                "{path} was saved with {noun}, `{}`, which the model does not have",
                saved.text()
            );
            // What is measured need not be measured again.
            return (saved.role != PartRole::Metric).then_some((message, fix));
        };
        if given.kind != saved.kind {
            let (saved, given) = (saved.text(), given.text());
            let message = format!("{noun} is `{saved}` in {path}, and `{given}` in the model");
            return Some((message, fix));
        }
        let mut settings = saved.hyperparameters.iter();
        settings.find_map(|(name, text)| {
            let known = given.hyperparameters.iter().find(|(known, _)| *known == name);
            let Some((_, given)) = known else {
                let message = format!(
                    "`{name}` of {noun} is {text} in {path}, and the model does not say what it \
                        is there"
                );
                let fix = format!(
                    "a closure has no name: give the struct, and let its `hyperparameters` say \
                        `{name}`"
                );
                return Some((message, fix));
            };
            let message =
                format!("`{name}` of {noun} is {text} in {path}, and {given} in the model");
            (given != text).then(|| (message, fix.clone()))
        })
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .places
            .iter()
            .map(|place| format!("{} = {}", place.key().write(), place.text()))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// Writes all weights to a file, and with them the losses, metrics and layers.
    pub fn save(
        &self,
        path: &Path,
        training: Vec<SavedPart>,
        others: Vec<(String, Array)>,
    ) -> Result<()> {
        let noted =
            |place: &SavedPart| place.role == PartRole::Loss || !place.hyperparameters.is_empty();
        let places = self.places(training).into_iter().filter(noted).map(|place| place.line());
        let lines: Vec<String> = std::iter::once(FORMAT.to_string()).chain(places).collect();
        self.write(path, others, Some(lines.join("\n")))
    }

    /// Reads all weights from a file's bytes, if the net and what it is trained with are what the
    /// file says. There have to be weights.
    pub fn load(&self, path: &Path, bytes: &[u8], training: Vec<SavedPart>) -> Result<()> {
        Saved::from_bytes(path, bytes)?.compare(&self.places(training))?;
        self.read(path, bytes)
    }

    fn places(&self, mut places: Vec<SavedPart>) -> Vec<SavedPart> {
        for layer in self.layers() {
            let LayerRecord { path: name, kind, hyperparameters, .. } = layer;
            places.push(SavedPart { role: PartRole::Layer, name, kind, hyperparameters });
        }
        places
    }
}
