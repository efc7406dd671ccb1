//! Weights on disk, in the safetensors format.
//!
//! In: a path. Out: a file with every weight by name; and back.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{self, failure};
use crate::graph::Tree;

use super::saved::ENTRY;
use super::{Net, not_built};

impl<I: Tree, O: Tree> Net<I, O> {
    /// Writes the weights, further arrays by names that no weight has, and what is said of the
    /// model.
    pub fn write(
        &self,
        path: &Path,
        others: Vec<(String, Array)>,
        description: Option<String>,
    ) -> Result<()> {
        let weights = self.named_weights();
        if weights.is_empty() {
            return Err(not_built("the model has no weights to save yet"));
        }
        self.require_companions()?;
        let mut names = HashSet::new();
        if let Some((name, _)) = weights.iter().find(|(name, _)| !names.insert(name)) {
            let message = format!(
                "two weights of the model are called `{name}`, and a file holds one of each name"
            );
            let help = "give the layers, or the variables that they read, names of their own";
            return Err(Error::usage(message, help));
        }
        let values = weights.into_iter().map(|(name, weight)| (name, weight.value()));
        let values: Vec<(String, Array)> = values.chain(others).collect();
        let values = values.iter().map(|(name, value)| (name.as_str(), value));
        let bytes = serialize(values, description.map(|text| (ENTRY, text)));
        files::write(path, &[&bytes.map_err(|error| failure("cannot save", path, &error))?])
    }

    /// Reads all weights from a safetensors file; nothing changes unless every weight is found with
    /// its shape and type.
    pub fn load_weights(&self, path: &Path) -> Result<()> {
        self.require_weights()?;
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        self.read(path, &bytes)
    }

    pub fn require_weights(&self) -> Result<()> {
        self.require_companions()?;
        if self.weights().is_empty() {
            let help = "call `model.build([batch, features])` first, so that there are weights to \
                load into";
            return Err(Error::usage("the model has no weights yet", help));
        }
        Ok(())
    }

    /// Reads the weights from a file's bytes.
    pub(super) fn read(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let weights = self.named_weights();
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| failure("not a safetensors file:", path, &error))?;
        let mut values = Vec::with_capacity(weights.len());
        for (name, weight) in &weights {
            let Some(view) = find(&file, name) else {
                let message = format!("{} has no weight `{name}`", path.display());
                let mut names = file.names();
                names.sort_unstable(); // the file's own order differs from reader to reader
                let help = match names
                    .iter()
                    .filter_map(|known| known.strip_suffix(&format!("/{name}")))
                    .next()
                {
                    Some(part) => {
                        let how = format!(
                            "`load_weights_with(path, LoadWeights::new().prefix(\"{part}\"))`"
                        );
                        format!("`{part}/{name}` is that of a part, which {how} reads")
                    }
                    None => format!("it has: {}", names.join(", ")),
                };
                return Err(Error::data(message, help));
            };
            let value = array(&view)
                .filter(|value| (value.dtype(), value.shape()) == (weight.dtype(), weight.shape()));
            let Some(value) = value else {
                let message = format!(
                    "{}: weight `{name}` is {:?}{:?} there and {}{} in the model",
                    path.display(),
                    view.dtype(),
                    view.shape(),
                    weight.dtype(),
                    weight.shape()
                );
                let help = "load the weights into a model of the sizes they were saved from";
                return Err(Error::shape(message, help));
            };
            values.push(value);
        }
        self.set_weights(&values)
    }
}

/// The weight of a name. Files of versions before have the name of the model's outermost layer
/// before each.
fn find<'f>(file: &SafeTensors<'f>, name: &str) -> Option<TensorView<'f>> {
    file.tensor(name).ok().or_else(|| {
        let outermost = outermost(file.names().into_iter())?;
        file.tensor(&format!("{outermost}/{name}")).ok()
    })
}

/// The layer that all of some names begin with.
pub(super) fn outermost<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut firsts = names.map(|name| name.split_once('/').map(|(first, _)| first));
    let first = firsts.next().flatten()?;
    firsts.all(|other| other == Some(first)).then_some(first)
}

/// What a safetensors file has under this name is text.
const NOT_A_NAME: &str = "__metadata__";

/// Arrays by name as the bytes of a safetensors file. One entry of metadata: the format keeps no
/// order among several, and the same content must give the same file.
///
/// # Errors
/// Why there is no such file.
pub(crate) fn serialize<'a>(
    values: impl Iterator<Item = (&'a str, &'a Array)>,
    metadata: Option<(&str, String)>,
) -> Result<Vec<u8>, String> {
    let view = |(name, value): (&'a str, &'a Array)| {
        let dtype = match value.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I32 => Dtype::I32,
            DType::Bool => Dtype::BOOL,
            DType::U8 => Dtype::U8,
        };
        Ok((name, TensorView::new(dtype, value.shape().to_vec(), value.bytes())?))
    };
    let views: Vec<(&str, TensorView)> = values
        .map(view)
        .collect::<Result<_, SafeTensorError>>()
        .map_err(|error| error.to_string())?;
    if views.iter().any(|(name, _)| *name == NOT_A_NAME) {
        return Err(format!(
            "numbers cannot be called `{NOT_A_NAME}` in a safetensors file: give the variable \
                another name"
        ));
    }
    let metadata = metadata.map(|(key, text)| [(key.to_string(), text)].into_iter().collect());
    safetensors::serialize(views, metadata).map_err(|error| error.to_string())
}

/// The array that a safetensors file holds, unless it is of a type or shape that no array of endo
/// has.
pub(crate) fn array(view: &TensorView) -> Option<Array> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::I32 => DType::I32,
        Dtype::BOOL => DType::Bool,
        Dtype::U8 => DType::U8,
        _ => return None,
    };
    Array::try_from_bytes(view.shape().into(), dtype, view.data()).ok()
}
