//! The outputs of a net's inner layers, as a layer of its own.
//!
//! In: a net's layer, and patterns of paths. Out: a layer of the same weights that returns what the
//! layers inside it return.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::layers::Layer;
use crate::spelling;
use crate::trace::Context;
use crate::trace::pattern::Pattern;

use super::Net;

/// A layer that returns what the layers inside another return, in the order in which their calls
/// end.
pub(crate) struct InnerOutputs<I: Tree, O: Tree> {
    layer: Arc<dyn Layer<I, O>>,
    /// The name of the layer when it is applied alone.
    root: String,
    patterns: Vec<Pattern>,
}

impl<I: Tree, O: Tree> Layer<I, Vec<Tensor>> for InnerOutputs<I, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> Vec<Tensor> {
        Layer::apply(self, inputs, cx)
    }

    /// Under the name of the layer itself, so that paths are those of the model that it is of.
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> Vec<Tensor> {
        let before = cx.visits().len();
        self.layer.apply(inputs, cx);
        let visits = &cx.visits()[before..];
        // The call of the outermost layer ends last; here it may have another name than when it is
        // applied alone.
        let Some(outermost) = visits.last().map(|visit| visit.path.as_str()) else {
            return Vec::new();
        };
        let mut outputs = Vec::new();
        for pattern in &self.patterns {
            let own = |path: &str| {
                format!("{}{}", self.root, path.strip_prefix(outermost).unwrap_or(path))
            };
            let mut matching =
                visits.iter().filter(|visit| pattern.matches(&own(&visit.path))).peekable();
            if matching.peek().is_none() {
                let message = format!("no layer that is applied here matches `{}`", pattern.text());
                let help = "ask for outputs of layers that the model applies in predictions, too";
                cx.trace().record(Error::usage(message, help));
            }
            outputs.extend(matching.flat_map(|visit| visit.outputs.iter().cloned()));
        }
        outputs
    }
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// The outputs of the layers that match patterns, as a layer that shares the weights.
    pub fn inner_outputs(&self, patterns: Vec<String>) -> Result<InnerOutputs<I, O>> {
        let layers = self.layers();
        self.require_layers(&layers)?;
        let patterns: Vec<Pattern> = patterns.into_iter().map(Pattern::new).collect();
        if let Some(none) =
            patterns.iter().find(|pattern| !layers.iter().any(|layer| pattern.matches(&layer.path)))
        {
            let names = spelling::listed(layers.iter().map(|layer| layer.path.as_str()));
            let message = format!("no layer of the model matches `{}`", none.text());
            return Err(Error::argument(message, format!("there are {names}")));
        }
        let root = layers.first().map_or_else(String::new, |layer| layer.path.clone());
        Ok(InnerOutputs { layer: self.layer.clone(), root, patterns })
    }
}
