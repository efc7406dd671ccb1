//! What a model is made of, as data: its layers, and where each term of its loss comes from.
//!
//! In: from traces. Out: [`Structure`], for reports and tools; [`Summary`](super::Summary) prints
//! the layers as a table.

use crate::site::Site;
use crate::trace::{LayerRecord, Term};

/// The layers of a model and the terms of its loss, as the last trace saw them.
///
/// ```
/// use endo::prelude::*;
///
/// let mut model = Model::new(
///     Sequential::new()
///         .add(Dense::new(4).activity_regularizer(L1(0.01)).name("hidden"))
///         .add(Dense::new(1)),
/// );
/// model.compile("sgd", "mse", ());
/// model.fit(&Dataset::new([[1.0_f32, 2.0]], [[1.0_f32]])?, Fit::epochs(1))?;
/// let structure = model.structure();
/// let paths: Vec<&str> = structure.layers.iter().map(|layer| layer.path.as_str()).collect();
/// assert_eq!(paths, ["sequential", "sequential/hidden", "sequential/dense"]);
/// assert_eq!((structure.terms[0].name.as_str(), structure.terms[0].layer.as_str()), ("main", ""));
/// assert_eq!(
///     (structure.terms[1].name.as_str(), structure.terms[1].layer.as_str()),
///     ("activity", "sequential/hidden")
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Structure {
    /// The layers, outer before inner, in the order of their first call.
    pub layers: Vec<LayerRecord>,
    /// The terms of the loss; none before the model was trained or evaluated.
    pub terms: Vec<TermRecord>,
}

/// Where a term of the loss comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TermRecord {
    /// Its name in the ledger.
    pub name: String,
    /// The path of the layer that adds it, or whose weight is penalized; empty for compiled losses
    /// and terms from outside all layers.
    pub layer: String,
    /// The line that adds it, where one does.
    pub site: Option<Site>,
}

impl TermRecord {
    /// Where a term comes from.
    pub(crate) fn of(term: &Term) -> Self {
        let layers = term.path.split('/').count().saturating_sub(term.parts);
        let layer = term.path.split('/').take(layers).collect::<Vec<_>>().join("/");
        Self { name: term.name.clone(), layer, site: term.site }
    }
}
