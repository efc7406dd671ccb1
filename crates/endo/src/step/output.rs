//! An output of a model, by its position or its name, and what may be given for one.
//!
//! In: a position or a name. Out: the position among the outputs of a model.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::losses::Loss;
use crate::spelling;

/// Which output of a model something is for: its position, counted from 0, or its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Output {
    /// The position among the outputs.
    Position(usize),
    /// The name: that of the layer that makes the output
    /// ([`Model::output_names`](crate::model::Model::output_names)).
    Name(String),
}

impl From<usize> for Output {
    fn from(position: usize) -> Self {
        Self::Position(position)
    }
}

impl From<&str> for Output {
    fn from(name: &str) -> Self {
        Self::Name(name.to_string())
    }
}

impl From<String> for Output {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl Output {
    /// Its position among outputs of these names, for `what` is given for it.
    pub(crate) fn find(&self, what: &str, outputs: &[String]) -> Result<usize> {
        let fail = |message: String, help: String| Err(Error::argument(message, help));
        match self {
            Self::Position(position) if *position < outputs.len() => Ok(*position),
            Self::Position(position) => {
                let message = format!("{what} is of output {position}, which does not exist");
                fail(message, format!("outputs count from 0, and the model has {}", outputs.len()))
            }
            Self::Name(name) => match outputs.iter().position(|known| known == name) {
                Some(position) => Ok(position),
                None => {
                    let help = match spelling::nearest(name, outputs.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!(
                            "the outputs are {}",
                            spelling::listed(outputs.iter().map(String::as_str))
                        ),
                    };
                    fail(format!("{what} is of the output `{name}`, which does not exist"), help)
                }
            },
        }
    }
}

/// Weights of samples by class number, for the losses and metrics of an output.
pub(crate) struct ClassWeights {
    /// The output; none where the model has one.
    pub output: Option<Output>,
    pub weights: Vec<(usize, f64)>,
}

/// The losses of an output, or of all where it is the only entry.
pub struct OutputLosses {
    /// The output, if it was said by name; otherwise its position is that among the entries.
    pub(crate) output: Option<Output>,
    pub(crate) losses: Vec<Arc<dyn Loss>>,
}

/// A loss of one output.
pub(super) struct PlacedLoss<'c> {
    pub output: usize,
    pub loss: &'c Arc<dyn Loss>,
    pub factor: f64,
    /// Its name in the ledger.
    pub name: String,
}
