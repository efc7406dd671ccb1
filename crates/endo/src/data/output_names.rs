//! Targets and sample weights by the names of the outputs that they are for.
//!
//! In: arrays with names, and a model's outputs. Out: the arrays in the order of the outputs.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::spelling;

use super::arrays::Names;
use super::dataset::Dataset;

impl Dataset {
    /// The same with targets and sample weights in the order of outputs of these names, of which
    /// those at the places `compared` have a loss or metric. What was given in order stays so.
    pub(crate) fn for_outputs(&self, outputs: &[String], compared: &[usize]) -> Result<Self> {
        let Names { targets, sample_weights } = &self.names;
        let place = |what: &str, name: &String| {
            outputs.iter().position(|known| known == name).ok_or_else(|| {
                let message =
                    format!("the data has {what} for the output `{name}`, which does not exist");
                let names = spelling::listed(outputs.iter().map(String::as_str));
                Error::argument(message, format!("the outputs are {names}"))
            })
        };
        let places = |what: &str, names: &[String]| {
            names.iter().map(|name| place(what, name)).collect::<Result<Vec<_>>>()
        };
        // The array of an output, of those that are for the outputs at these places.
        fn array_for<'a>(
            output: usize,
            places: &[usize],
            arrays: &'a [Array],
        ) -> Option<&'a Array> {
            places.iter().position(|&known| known == output).map(|index| &arrays[index])
        }
        let mut arranged = Self { names: Names::default(), ..self.clone() };
        // The outputs that the arranged targets are for.
        let mut of: Vec<usize> = if self.targets.len() == outputs.len() {
            (0..outputs.len()).collect()
        } else {
            compared.to_vec()
        };
        if !targets.is_empty() {
            let places = places("targets", targets)?;
            // A custom step may look at all of them.
            let mut all = places.clone();
            all.sort_unstable();
            if let Some(missing) = compared.iter().find(|output| !places.contains(output)) {
                let message = format!(
                    "the output `{}` has a loss or metric, and the data has no targets for it",
                    outputs[*missing]
                );
                let help = format!(
                    "there are targets for {}",
                    spelling::listed(targets.iter().map(String::as_str))
                );
                return Err(Error::usage(message, help));
            }
            of = if compared.is_empty() { all } else { compared.to_vec() };
            let chosen = |arrays: &[Array]| {
                of.iter()
                    .filter_map(|&output| array_for(output, &places, arrays).cloned())
                    .collect()
            };
            arranged.targets = chosen(&self.targets);
            if self.sample_weights.len() > 1 && sample_weights.is_empty() {
                arranged.sample_weights = chosen(&self.sample_weights);
            }
        }
        if !sample_weights.is_empty() {
            let places = places("sample weights", sample_weights)?;
            let ones = Array::full(self.len(), 1.0, DType::F32);
            let weight =
                |&output: &usize| array_for(output, &places, &self.sample_weights).unwrap_or(&ones);
            arranged.sample_weights = of.iter().map(weight).cloned().collect();
        }
        Ok(arranged)
    }

    /// Whether targets or sample weights were given by the names of outputs.
    pub(crate) fn has_named_outputs(&self) -> bool {
        !self.names.targets.is_empty() || !self.names.sample_weights.is_empty()
    }
}
