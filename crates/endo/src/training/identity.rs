//! What a saved run and the one that goes on from it must have in common.
//!
//! In: a run. Out: its data and options, as text by name; and the first in which a saved run differs. How many epochs are to be
//! trained may differ: a run can be gone on with for more.

use crate::data::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::net::checksum::Checksum;

use super::kept::{OTHER_MODEL, key};
use super::run::Run;
use super::state::State;

/// The numbers of a data set, as one.
fn content(data: &Dataset, checksum: Checksum) -> String {
    let arrays = data.all_inputs().iter().chain(data.all_targets()).chain(data.all_sample_weights());
    checksum.sum("", arrays.map(|array| ("", array)), "")
}

/// What messages call the checksum of the data after it.
const DATA: &str = "as the checksum of the data";

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// What messages call each thing after its value, and the value.
    fn identity(&mut self, checksum: Checksum) -> Vec<(String, String)> {
        let contents = self.contents.take().filter(|(known, _)| *known == checksum).unwrap_or_else(|| {
            let validation = self.validation.as_ref().map_or_else(|| "none".to_string(), |data| content(data, checksum));
            (checksum, [content(&self.data, checksum), validation])
        });
        let (_, [data, validation]) = self.contents.insert(contents).clone();
        let options = &self.options;
        let entries = [
            ("weights", self.steps.net.weights().len().to_string()),
            ("samples", self.data.len().to_string()),
            ("samples in a batch", options.batch_size.to_string()),
            ("as `shuffle`", options.shuffle.to_string()),
            ("as the seed of the model", self.steps.net.seed.to_string()),
            ("as `record_steps`", options.steps.every.unwrap_or(0).to_string()),
            ("callbacks", options.callbacks.len().to_string()),
            ("probes", options.recorder.probes().len().to_string()),
            (DATA, data),
            ("as the checksum of the validation data", validation),
        ];
        let probes = options.recorder.probes().iter().enumerate();
        let probes = probes.map(|(index, probe)| (format!("as probe {index}"), probe.to_string()));
        entries.into_iter().map(|(name, value)| (name.to_string(), value)).chain(probes).collect()
    }

    /// The same, to be saved.
    pub(super) fn identity_state(&mut self) -> State {
        self.identity(Checksum::Xxh3).into_iter().fold(State::new(), |state, (name, value)| state.with_text(name, &value))
    }

    /// That a saved run was of this data, these options and a model with these weights.
    pub(super) fn require_same(&mut self, state: &State) -> Result<()> {
        let (variables, weights) = (state.part("variables"), self.steps.net.weights());
        if let Some(weight) = weights.iter().find(|weight| !variables.contains(&key(weight.name(), 1))) {
            let message = format!("the saved run is of another model: it has no weight `{}`", weight.name());
            return Err(Error::new(ErrorKind::Data, message).help(OTHER_MODEL));
        }
        let saved = state.part("identity");
        for (name, now) in self.identity(Checksum::of(&saved.text(DATA)?)) {
            let before = saved.text(&name)?;
            // A model that is not built yet is built by its first step.
            if before != now && !(name == "weights" && weights.is_empty()) {
                let message = format!("the saved run had {before} {name}, and this one has {now}");
                let help = "resume with the data and options that it was saved with, or delete its file to begin anew";
                return Err(Error::new(ErrorKind::Data, message).help(help));
            }
        }
        Ok(())
    }
}
