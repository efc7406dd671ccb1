//! Parts of a net by path: its layers with all that is below them.
//!
//! In: a path, or a pattern of paths. Out: [`ModelLayer`], whose weights can be listed, frozen and
//! set.

use std::fmt;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::spelling;
use crate::trace::LayerRecord;
use crate::trace::pattern::{Pattern, short_names};
use crate::variable::Variable;

use super::{Net, nearest_path, not_built};

/// A layer of a model, with what is below it.
///
/// ```
/// use endo::prelude::*;
/// let net = Sequential::new()
///     .add(Dense::new(4).name("base"))
///     .add(BatchNormalization::new())
///     .add(Dense::new(1).name("head"));
/// let model = Model::new(net);
/// model.build([1, 3])?;
/// let base = model.layer("base")?;
/// assert_eq!(
///     base.weights().iter().map(|weight| weight.name().to_string()).collect::<Vec<_>>(),
///     ["base/kernel", "base/bias"]
/// );
/// base.freeze();
/// assert_eq!(model.trainable_weights().len(), 2 + 2);
/// base.unfreeze();
/// assert_eq!(model.trainable_weights().len(), 2 + 2 + 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelLayer {
    path: String,
    kind: String,
    weights: Vec<Variable>,
}

impl ModelLayer {
    /// Its path within the model.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its type: `Dense`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its weights and those of the layers below it, in the order of their first use.
    pub fn weights(&self) -> &[Variable] {
        &self.weights
    }

    /// Those that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.weights.iter().filter(|weight| weight.is_trainable()).cloned().collect()
    }

    /// Overwrites all its weights, or none if one does not fit.
    ///
    /// # Errors
    /// If there is not one array of the right shape and type for each.
    pub fn set_weights(&self, values: &[Array]) -> Result<()> {
        set(&self.weights, values, &format!("the layer `{}`", self.path))
    }

    /// Freezes all its weights: optimizers leave them as they are, and layers that keep statistics
    /// of batches, such as [`BatchNormalization`](crate::layers::BatchNormalization), use those
    /// that they have.
    pub fn freeze(&self) {
        for weight in &self.weights {
            weight.freeze();
        }
    }

    /// Takes back [`freeze`](Self::freeze): what was trainable before is so again, and nothing
    /// else.
    pub fn unfreeze(&self) {
        for weight in &self.weights {
            weight.unfreeze();
        }
    }
}

impl fmt::Display for ModelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.kind)
    }
}

/// Overwrites variables, or none if an array does not fit.
pub(super) fn set(variables: &[Variable], values: &[Array], whose: &str) -> Result<()> {
    if variables.len() != values.len() {
        let message =
            format!("{whose} has {} weights, got {} arrays", variables.len(), values.len());
        let help = "build the model first, and give one array for each weight";
        return Err(Error::argument(message, help));
    }
    variables.iter().zip(values).try_for_each(|(variable, value)| variable.check(value))?;
    variables.iter().zip(values).try_for_each(|(variable, value)| variable.set(value))
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// The layer of a path, whole or by its shorter names.
    pub fn layer(&self, path: &str) -> Result<ModelLayer> {
        let layers = self.layers();
        self.require_layers(&layers)?;
        let found: Vec<&LayerRecord> = match layers.iter().find(|layer| layer.path == path) {
            Some(layer) => vec![layer],
            None => layers
                .iter()
                .filter(|layer| short_names(&layer.path).any(|name| name == path))
                .collect(),
        };
        let fail = |message: String, help: String| Err(Error::argument(message, help));
        match found[..] {
            [layer] => Ok(part(layer, &layers)),
            [] => {
                let paths: Vec<&str> = layers.iter().map(|layer| layer.path.as_str()).collect();
                fail(format!("the model has no layer `{path}`"), nearest_path(path, &paths))
            }
            _ => {
                let paths = spelling::listed(found.iter().map(|layer| layer.path.as_str()));
                fail(
                    format!("the model has several layers `{path}`: {paths}"),
                    "give the whole path of the one that is meant".into(),
                )
            }
        }
    }

    /// The weights of the layers that match a pattern, with those below them, and the weights that
    /// match it.
    pub fn weights_at(&self, pattern: &str) -> Result<Vec<Variable>> {
        let (layers, weights) = (self.layers(), self.named_weights());
        self.require_layers(&layers)?;
        let meant = Pattern::new(pattern);
        let matching = layers.iter().filter(|layer| meant.matches(&layer.path));
        let mut found: Vec<Variable> =
            matching.flat_map(|layer| part(layer, &layers).weights).collect();
        let named = weights.into_iter().filter(|(name, _)| meant.matches(name));
        found.extend(named.map(|(_, weight)| weight));
        let mut once = Vec::new();
        for weight in found {
            if !once.contains(&weight) {
                once.push(weight);
            }
        }
        if once.is_empty() {
            let names = spelling::listed(layers.iter().map(|layer| layer.path.as_str()));
            let message =
                format!("no layer with weights and no weight of the model matches `{pattern}`");
            return Err(Error::argument(message, format!("there are {names}")));
        }
        Ok(once)
    }

    pub(super) fn require_layers(&self, layers: &[LayerRecord]) -> Result<()> {
        if layers.is_empty() {
            return Err(not_built("the model has seen no input yet, so its layers are not known"));
        }
        Ok(())
    }
}

/// A layer with the weights of all below it.
fn part(layer: &LayerRecord, layers: &[LayerRecord]) -> ModelLayer {
    let below = format!("{}/", layer.path);
    let is_part = |known: &&LayerRecord| known.path == layer.path || known.path.starts_with(&below);
    let weights = layers.iter().filter(is_part).flat_map(|known| &known.weights).cloned().collect();
    ModelLayer { path: layer.path.clone(), kind: layer.kind.clone(), weights }
}
