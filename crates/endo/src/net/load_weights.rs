//! Weights out of files of others, in part.
//!
//! In: a file of arrays, and which of them are meant. Out: [`LoadedWeights`], which weights were
//! read and which were left as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::array::Array;
use crate::data::read_arrays;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::spelling;
use crate::variable::Variable;

use super::Net;
use super::weight_files::outermost;

/// How weights are read from a file: what Keras's `load_weights` takes besides the path.
///
/// ```
/// use endo::prelude::*;
///
/// # let path = std::env::temp_dir()
/// #     .join(format!("endo-load-weights-{}.safetensors", std::process::id()));
/// let base = || Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(4));
/// let old =
///     Model::new(Sequential::new().add(Model::new(base()).name("base")).add(Dense::new(10)));
/// old.build([1, 3])?;
/// old.save_weights(&path)?;
///
/// // The same base, with another head behind it.
/// let new = Model::new(Sequential::new().add(Model::new(base()).name("base")).add(Dense::new(2)))
///     .seed(1);
/// new.build([1, 3])?;
/// let loaded = new.load_weights_with(&path, LoadWeights::new().skip_mismatch(true))?;
/// // Not the kernel and the bias of the head.
/// assert_eq!((loaded.loaded.len(), loaded.skipped.len()), (4, 2));
///
/// // The base alone.
/// let alone = Model::new(base());
/// alone.build([1, 3])?;
/// alone.load_weights_with(&path, LoadWeights::new().prefix("base"))?;
/// assert_eq!(alone.weights()[0].value(), new.weights()[0].value());
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LoadWeights {
    prefix: String,
    only: Option<String>,
    skip_mismatch: bool,
}

impl LoadWeights {
    /// All weights of the model, by their names.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the names in the file begin with, before those of the model and a `/`: the name of the
    /// part that the model is there.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into().trim_end_matches('/').to_string();
        self
    }

    /// Reads only the weights of the model that a pattern of paths means, as in
    /// [`freeze_at`](crate::model::Model::freeze_at): `"base"`, `"*/kernel"`. The others stay as
    /// they are.
    #[must_use]
    pub fn only(mut self, pattern: impl Into<String>) -> Self {
        self.only = Some(pattern.into());
        self
    }

    /// Whether weights that the file does not have, or has with another shape or type, are left as
    /// they are. Otherwise nothing is read where there is one.
    #[must_use]
    pub fn skip_mismatch(mut self, skip: bool) -> Self {
        self.skip_mismatch = skip;
        self
    }
}

/// What was read of a file.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadedWeights {
    /// The names of the weights that were read.
    pub loaded: Vec<String>,
    /// The names of those that were left as they are, and why.
    pub skipped: Vec<(String, String)>,
}

impl fmt::Display for LoadedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weights loaded, {} left as they are", self.loaded.len(), self.skipped.len())?;
        self.skipped.iter().try_for_each(|(name, why)| write!(f, "\n  {name}: {why}"))
    }
}

/// The same without the first part of their names, where all have the same: files of versions
/// before have that of the outermost layer.
fn without_outermost(arrays: BTreeMap<String, Array>) -> BTreeMap<String, Array> {
    if outermost(arrays.keys().map(String::as_str)).is_none() {
        return arrays;
    }
    arrays
        .into_iter()
        .filter_map(|(name, array)| Some((name.split_once('/')?.1.to_string(), array)))
        .collect()
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// Reads weights from a file of arrays, all that are meant or none.
    pub fn load_weights_with(&self, path: &Path, options: &LoadWeights) -> Result<LoadedWeights> {
        self.require_weights()?;
        let LoadWeights { prefix, only, skip_mismatch } = options;
        let meant = only.as_ref().map(|pattern| self.weights_at(pattern)).transpose()?;
        let mut arrays = read_arrays(path)?;
        if prefix.is_empty()
            && self.named_weights().iter().all(|(name, _)| !arrays.contains_key(name))
        {
            arrays = without_outermost(arrays);
        }
        let (mut done, mut values) = (LoadedWeights::default(), Vec::new());
        let is_meant =
            |weight: &Variable| meant.as_ref().is_none_or(|meant| meant.contains(weight));
        for (name, weight) in
            self.named_weights().into_iter().filter(|(_, weight)| is_meant(weight))
        {
            let there = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let why = match arrays.get(&there) {
                Some(value)
                    if (value.dtype(), value.shape()) == (weight.dtype(), weight.shape()) =>
                {
                    values.push((weight, value));
                    done.loaded.push(name);
                    continue;
                }
                Some(value) => format!(
                    "`{there}` is {}{} there and {}{} in the model",
                    value.dtype(),
                    value.shape(),
                    weight.dtype(),
                    weight.shape()
                ),
                None => format!("there is no `{there}`"),
            };
            done.skipped.push((name, why));
        }
        let refused = done.skipped.first().filter(|_| !skip_mismatch || values.is_empty());
        if let Some((_, why)) = refused {
            let names = spelling::listed(arrays.keys().map(String::as_str));
            let message = if values.is_empty() && *skip_mismatch {
                format!("{} has no weight of the model: {why}", path.display())
            } else {
                format!("{}: {why}", path.display())
            };
            let help = format!(
                "it has {names}; `LoadWeights::new().prefix(..)` reads a part, and \
                    `.skip_mismatch(true)` what fits"
            );
            return Err(Error::data(message, help));
        }
        values.iter().try_for_each(|(weight, value)| weight.set(value))?;
        Ok(done)
    }
}
