//! What a saved run and the one that goes on from it must have in common.
//!
//! In: a run. Out: its data and options, as text by name; and the first in which a saved run
//! differs. How many epochs are to be trained may differ: a run can be gone on with for more.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::net::checksum::Checksum;
use crate::variable::Variable;

use super::feed::Feed;
use super::run::Run;
use super::saved_variables::{OTHER_MODEL, is_old_name, key};
use super::state::{LAYER_IN_NAMES, State};

/// The numbers of a data set, as one.
fn content(data: &Dataset, checksum: Checksum) -> String {
    let arrays =
        data.all_inputs().iter().chain(data.all_targets()).chain(data.all_sample_weights());
    checksum.sum("", arrays.map(|array| ("", array)), "")
}

/// The text of a value, or another one where there is none.
fn text_or(otherwise: &str, value: Option<impl ToString>) -> String {
    value.map_or_else(|| otherwise.to_string(), |value| value.to_string())
}

/// The entry of the checksum of the data.
const DATA: &str = "data";

const STEPS: &str = "steps_per_epoch";
const INITIAL_EPOCH: &str = "initial_epoch";
const SHARDS: &str = "shards";

/// The entries that files of before do not have, with what they would say.
const LATER: [(&str, &str); 3] = [(STEPS, "none"), (INITIAL_EPOCH, "0"), (SHARDS, "none")];

/// Something that a saved run and the one that goes on from it have in common.
struct Common {
    /// The entry of the file.
    key: String,
    /// What messages call it, after its value.
    what: String,
    value: String,
}

impl<I: Tree, O: Tree> Run<'_, I, O> {
    /// The shards of a batch, as text.
    fn shards(&self) -> String {
        text_or("none", self.steps.sharding.as_ref().map(|sharding| sharding.shards))
    }

    fn identity(&mut self, checksum: Checksum) -> Vec<Common> {
        let contents =
            self.contents.take().filter(|(known, _)| *known == checksum).unwrap_or_else(|| {
                // What is read while it is trained on is not read for this.
                let content = |feed: &Feed| {
                    text_or("a stream", feed.in_memory().map(|data| content(data, checksum)))
                };
                let validation = text_or("none", self.validation.as_ref().map(content));
                (checksum, [content(&self.feed), validation])
            });
        let (_, [data, validation]) = self.contents.insert(contents).clone();
        let options = &self.options;
        let entries = [
            ("weights", "weights", self.steps.net.weights().len().to_string()),
            ("samples", "samples", text_or("streamed", self.feed.in_memory().map(Dataset::len))),
            ("batch_size", "samples in a batch", options.batch_size.to_string()),
            ("shuffle", "as `shuffle`", options.shuffle.to_string()),
            (STEPS, "as `steps_per_epoch`", text_or("none", options.steps_per_epoch)),
            (INITIAL_EPOCH, "as `initial_epoch`", options.initial_epoch.to_string()),
            (SHARDS, "as its number of shards", self.shards()),
            ("seed", "as the seed of the model", self.steps.net.seed().to_string()),
            ("record_steps", "as `record_steps`", options.steps.every.unwrap_or(0).to_string()),
            ("callbacks", "callbacks", options.callbacks.len().to_string()),
            ("probes", "probes", options.recorder.probes.len().to_string()),
            (DATA, "as the checksum of the data", data),
            ("validation", "as the checksum of the validation data", validation),
        ];
        let entries = entries.into_iter().map(|(key, what, value)| Common {
            key: key.into(),
            what: what.into(),
            value,
        });
        let probes = options.recorder.probes.iter().enumerate().map(|(index, probe)| Common {
            key: format!("probe/{index}"),
            what: format!("as probe {index}"),
            value: probe.to_string(),
        });
        entries.chain(probes).collect()
    }

    /// The same, as what it is and its value.
    pub(super) fn said_of_identity(&mut self) -> Vec<(String, String)> {
        let identity = self.identity(Checksum::Xxh3).into_iter();
        identity.map(|common| (common.what, common.value)).collect()
    }

    /// The same, to be saved.
    pub(super) fn identity_state(&mut self) -> State {
        let identity = self.identity(Checksum::Xxh3).into_iter();
        identity.fold(State::new(), |state, common| state.with_text(common.key, &common.value))
    }

    /// That a saved run was of this data, these options and a model with these weights.
    pub(super) fn require_same(&mut self, state: &State) -> Result<()> {
        let (variables, weights) = (state.part("variables"), self.steps.net.weights());
        let is_saved = |weight: &Variable| {
            variables.contains(&key(weight.name(), 1))
                || (state.contains(LAYER_IN_NAMES)
                    && variables.iter().any(|(known, _)| is_old_name(known, weight.name())))
        };
        if let Some(weight) = weights.iter().find(|weight| !is_saved(weight)) {
            let message =
                format!("the saved run is of another model: it has no weight `{}`", weight.name());
            return Err(Error::data(message, OTHER_MODEL));
        }
        let saved = state.part("identity");
        for Common { key, what, value: now } in self.identity(Checksum::of(&saved.text(DATA)?)) {
            // Files of before have no such entry.
            let before =
                match LATER.iter().find(|(later, _)| *later == key && !saved.contains(later)) {
                    Some((_, default)) => default.to_string(),
                    None => saved.text(&key)?,
                };
            // A model that is not built yet is built by its first step.
            if before != now && !(key == "weights" && weights.is_empty()) {
                let message = format!("the saved run had {before} {what}, and this one has {now}");
                let help = "resume with the data and options that it was saved with, or delete \
                    its file to begin anew";
                return Err(Error::data(message, help));
            }
        }
        Ok(())
    }
}
