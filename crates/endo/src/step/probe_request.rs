//! What a step shows of the model's inside besides what it reports: by what it was asked for, and
//! where it is among the outputs.
//!
//! In: from probes, what is due. Out: part of the key of a step, so that steps in which nothing is
//! due share one plan.

use std::fmt;

use crate::trace::pattern::Pattern;

/// What a probe looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProbeKind {
    /// The outputs of layers.
    Activations,
    /// The weights as a step finds them.
    Weights,
    /// The gradients of the loss by weight.
    Gradients,
    /// What a step adds to weights.
    Updates,
    /// The gradients of the loss's terms.
    Terms,
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Activations => "activations",
            Self::Weights => "weights",
            Self::Gradients => "gradients",
            Self::Updates => "updates",
            Self::Terms => "terms",
        })
    }
}

/// What a step is asked to show.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ProbeRequest {
    pub kind: ProbeKind,
    pub pattern: Pattern,
    /// The bins of histograms; 0 for none.
    pub bins: usize,
    /// Whether the values themselves are shown.
    pub raw: bool,
}

/// What a step shows. All the numbers that one request asks for are one output: many small arrays
/// would cost more to write than to be computed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ProbeOutput {
    Value(ProbedValue),
    Terms(ProbedTerms),
}

/// The statistics of one value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ProbedValue {
    /// Which of what was due asked for it.
    pub watch: usize,
    pub kind: ProbeKind,
    pub path: String,
    /// How many numbers it has.
    pub count: usize,
    /// The output that holds its summary and the counts of its histogram, and its row in it.
    pub summaries: usize,
    pub row: usize,
    /// The bins of its histogram; 0 for none.
    pub bins: usize,
    /// Whether the share of saturated numbers is known.
    pub bounded: bool,
    /// The output of the values themselves.
    pub raw: Option<usize>,
}

/// The products of the gradients of the loss's terms.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct ProbedTerms {
    pub names: Vec<String>,
    pub layers: Vec<String>,
    /// For each product the two terms whose gradients are multiplied, and the layer of the weight.
    pub products: Vec<[usize; 3]>,
    /// The output that holds the products, if there are any.
    pub output: usize,
}

/// Something that was to be shown, and that nothing matches.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct UnmatchedProbe {
    /// Which of what was due.
    pub watch: usize,
    /// The names of what there is.
    pub names: Vec<String>,
}
