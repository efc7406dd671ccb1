//! A model with what its optimizer keeps, in one file.
//!
//! In: compiled steps. Out: a safetensors file with the weights, what the model is made of, and the
//! state of the optimizer; and back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::SafeTensors;

use crate::array::Array;
use crate::error::Result;
use crate::files::failure;
use crate::graph::Tree;
use crate::net::weight_files::array;

use super::Steps;

/// What the names of the optimizer's arrays begin with.
const OPTIMIZER: &str = "optimizer:";

impl<I: Tree, O: Tree> Steps<I, O> {
    /// Writes the net, what it is trained with, and the state of the compiled optimizer.
    pub fn save(&self, path: &Path) -> Result<()> {
        let weights = self.net.named_weights();
        let state = self
            .optimizer()
            .map_or_else(Vec::new, |optimizer| optimizer.settings().state(&weights));
        let state =
            state.into_iter().map(|(name, value)| (format!("{OPTIMIZER}{name}"), value)).collect();
        self.net.save(path, self.training(), state)
    }

    /// Reads the weights, and what the optimizer kept; nothing changes where the net or what it is
    /// trained with is another.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.net.require_weights()?;
        let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
        self.net.load(path, &bytes, self.training())?;
        let Some(optimizer) = self.optimizer() else { return Ok(()) };
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| failure("not a safetensors file:", path, &error))?;
        let entries = file.iter().filter_map(|(name, view)| {
            Some((name.strip_prefix(OPTIMIZER)?.to_string(), array(&view)?))
        });
        let entries: BTreeMap<String, Array> = entries.collect();
        if !entries.is_empty() {
            optimizer.settings().restore(&self.net.named_weights(), entries)?;
            self.cache.clear(); // what was traced has the slots of before
        }
        Ok(())
    }
}
