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
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, failure};
use crate::graph::Tree;
use crate::variable::Variable;

use super::Net;
use super::saved::ENTRY;

impl<I: Tree, O: Tree> Net<I, O> {
    /// Writes the weights, and what is said of the model.
    pub fn write(&self, path: &Path, description: Option<String>) -> Result<()> {
        let weights = self.weights();
        if weights.is_empty() {
            let help = "call `model.build([batch, features])` first, or `fit` it";
            return Err(Error::new(ErrorKind::Usage, "the model has no weights to save yet").help(help));
        }
        if let Some(name) = shared_name(&weights) {
            let message = format!("two weights of the model are called `{name}`, and a file holds one of each name");
            let help =
                "give the layers names of their own; a shared layer's weights keep the names of the model that used it first";
            return Err(Error::new(ErrorKind::Usage, message).help(help));
        }
        let values: Vec<(String, Array)> = weights.iter().map(|weight| (weight.name().to_string(), weight.value())).collect();
        let values = values.iter().map(|(name, value)| (name.as_str(), value));
        let bytes = serialize(values, description.map(|text| (ENTRY, text)));
        files::write(path, &[&bytes.map_err(|error| failure("cannot save", path, &error))?])
    }

    /// Reads all weights from a safetensors file; nothing changes unless every weight is found with its shape and type.
    pub fn load_weights(&self, path: &Path) -> Result<()> {
        self.require_weights()?;
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        self.read(path, &bytes)
    }

    pub(super) fn require_weights(&self) -> Result<()> {
        if self.weights().is_empty() {
            let help = "call `model.build([batch, features])` first, so that there are weights to load into";
            return Err(Error::new(ErrorKind::Usage, "the model has no weights yet").help(help));
        }
        Ok(())
    }

    /// Reads the weights from a file's bytes.
    pub(super) fn read(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let weights = self.weights();
        let file = SafeTensors::deserialize(bytes).map_err(|error| failure("not a safetensors file:", path, &error))?;
        let mut values = Vec::with_capacity(weights.len());
        for weight in &weights {
            let view = file.tensor(weight.name()).map_err(|_| {
                let message = format!("{} has no weight `{}`", path.display(), weight.name());
                let mut names = file.names();
                names.sort_unstable(); // the file's own order differs from reader to reader
                Error::new(ErrorKind::Data, message).help(format!("it has: {}", names.join(", ")))
            })?;
            let value = array(&view).filter(|value| (value.dtype(), value.shape()) == (weight.dtype(), weight.shape()));
            let Some(value) = value else {
                let message = format!(
                    "{}: weight `{}` is {:?}{:?} there and {}{} in the model",
                    path.display(),
                    weight.name(),
                    view.dtype(),
                    view.shape(),
                    weight.dtype(),
                    weight.shape()
                );
                return Err(
                    Error::new(ErrorKind::Shape, message).help("load the weights into a model of the sizes they were saved from")
                );
            };
            values.push(value);
        }
        self.set_weights(&values)
    }
}

/// A name that more than one weight has.
fn shared_name(weights: &[Variable]) -> Option<&str> {
    let mut names = HashSet::new();
    weights.iter().map(Variable::name).find(|name| !names.insert(*name))
}

/// What a safetensors file has under this name is text.
const NOT_A_NAME: &str = "__metadata__";

/// Arrays by name as the bytes of a safetensors file. One entry of metadata: the format keeps no order among several, and the same
/// content is to be the same file.
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
        };
        Ok((name, TensorView::new(dtype, value.shape().to_vec(), value.bytes())?))
    };
    let views: Vec<(&str, TensorView)> =
        values.map(view).collect::<Result<_, SafeTensorError>>().map_err(|error| error.to_string())?;
    if views.iter().any(|(name, _)| *name == NOT_A_NAME) {
        return Err(format!("numbers cannot be called `{NOT_A_NAME}` in a safetensors file: give the variable another name"));
    }
    let metadata = metadata.map(|(key, text)| [(key.to_string(), text)].into_iter().collect());
    safetensors::serialize(views, metadata).map_err(|error| error.to_string())
}

/// The array that a safetensors file holds, unless it is of a type or shape that no array of endo has.
pub(crate) fn array(view: &TensorView) -> Option<Array> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::I32 => DType::I32,
        Dtype::BOOL => DType::Bool,
        _ => return None,
    };
    Array::try_from_bytes(view.shape().into(), dtype, view.data()).ok()
}
