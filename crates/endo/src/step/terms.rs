//! The loss of a step and the terms that it is the sum of.
//!
//! In: scalars by name. Out: [`Terms`], whose names differ and whose total is what is trained on.

use std::borrow::Cow;

use crate::error::Error;
use crate::graph::Tensor;
use crate::net::{TermRecord, distinct};
use crate::site::Site;
use crate::trace::Term;

use super::balanced::BalancedTerms;
use super::cache::OutputNames;

/// The loss of a step and its parts: scalars by name, which add up.
///
/// ```
/// use endo::training::Terms;
/// use endo::prelude::*;
/// let mut f = Function::new(|[x], _cx| {
///     let mut terms = Terms::new([("main", x.square().mean())]);
///     terms.add("size", 0.5 * x.abs().sum());
///     [terms.total().clone(), terms.get("size").unwrap().clone()]
/// });
/// let [total, size] = f.run([&[1.0_f32, 3.0].into()])?;
/// assert_eq!((total.item()?, size.item()?), (5.0 + 2.0, 2.0));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it is the sum of.
    pub(crate) terms: Vec<Term>,
    /// The sum, or what was given as `loss`.
    total: Tensor,
    /// Whether the total was given, so that the terms need not add up to it.
    is_given: bool,
    /// What is reported besides: with several outputs the loss of each, before its factor.
    pub(crate) extras: Vec<(String, Tensor)>,
    /// Outputs that no compiled loss looks at, where there is none.
    pub(crate) untrained: Vec<Tensor>,
    /// The weights of the terms, if they follow the training.
    pub(crate) balanced: BalancedTerms,
}

impl Terms {
    /// These terms, at least one. One that is called `loss` is the total itself, and the others are
    /// reported beside it: for steps with several updates.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn new<'a>(terms: impl IntoIterator<Item = (&'a str, Tensor)>) -> Self {
        let site = Site::caller();
        let terms =
            terms.into_iter().map(|(name, value)| Term::new(name, value).at(site)).collect();
        let mut all = Self::sum(terms).expect("a loss has at least one term");
        for term in &all.terms {
            require_scalar(term);
        }
        if let Some(given) = all.terms.iter().position(|term| term.name == LOSS) {
            all.total = all.terms.remove(given).value;
            all.is_given = true;
        }
        all.tell_apart();
        all
    }

    /// These terms, and their sum; none without terms.
    #[track_caller]
    pub(crate) fn sum(terms: Vec<Term>) -> Option<Self> {
        let total =
            terms.iter().map(|term| term.value.clone()).reduce(|total, term| total + term)?;
        Some(Self {
            terms,
            total,
            is_given: false,
            extras: Vec::new(),
            untrained: Vec::new(),
            balanced: BalancedTerms::default(),
        })
    }

    /// Adds a term, a scalar; a name that is taken gets a number.
    #[track_caller]
    pub fn add(&mut self, name: &str, term: Tensor) {
        let term = Term::new(name, term).at(Site::caller());
        require_scalar(&term);
        self.total = &self.total + &term.value;
        self.terms.push(term);
        self.tell_apart();
    }

    /// What is trained on: their sum, or the one that is called `loss`.
    pub fn total(&self) -> &Tensor {
        &self.total
    }

    /// What is trained on: the terms that it is the sum of, or the one that is called `loss`,
    /// beside which the others are reported.
    pub(crate) fn trained(&self) -> Cow<'_, [Term]> {
        if self.is_given {
            Cow::Owned(vec![Term::new(LOSS, self.total.clone())])
        } else {
            Cow::Borrowed(&self.terms)
        }
    }

    /// The term of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(known, _)| *known == name).map(|(_, term)| term)
    }

    /// Names and terms, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.terms.iter().map(|term| (term.name.as_str(), &term.value))
    }

    /// Gives terms of one name names that differ.
    fn tell_apart(&mut self) {
        distinct(&mut self.terms, |term| &mut term.name, &[LOSS]);
    }

    /// Where the terms come from.
    pub(crate) fn records(&self) -> Vec<TermRecord> {
        self.terms.iter().map(TermRecord::of).collect()
    }

    /// The names of the outputs after the total, in the order of
    /// [`into_tensors`](Self::into_tensors).
    pub(crate) fn names(&self) -> OutputNames {
        let mut terms: Vec<String> = self.terms.iter().map(|term| term.name.clone()).collect();
        let mut extras: Vec<String> = self.extras.iter().map(|(name, _)| name.clone()).collect();
        if self.is_given {
            extras.splice(0..0, std::mem::replace(&mut terms, vec![LOSS.to_string()]));
        }
        OutputNames { terms, extras }
    }

    /// The total, the terms, the extras.
    pub(crate) fn into_tensors(self) -> Vec<Tensor> {
        let given = self.is_given.then(|| self.total.clone());
        let parts = self
            .terms
            .into_iter()
            .map(|term| term.value)
            .chain(self.extras.into_iter().map(|(_, value)| value));
        std::iter::once(self.total).chain(given).chain(parts).collect()
    }
}

/// A scalar is the only term.
impl From<Tensor> for Terms {
    #[track_caller]
    fn from(loss: Tensor) -> Self {
        Self::new([("main", loss)])
    }
}

impl From<&Tensor> for Terms {
    #[track_caller]
    fn from(loss: &Tensor) -> Self {
        loss.clone().into()
    }
}

impl From<&Terms> for Terms {
    fn from(terms: &Terms) -> Self {
        terms.clone()
    }
}

/// What a report calls the total.
const LOSS: &str = "loss";

/// Records an error for a term that is no scalar.
fn require_scalar(Term { name, value, site, .. }: &Term) {
    if !value.shape().is_scalar() {
        let message =
            format!("the loss term `{name}` must be a scalar, got shape {}", value.shape());
        let error = Error::shape(message, "reduce it with `.mean()` or `.sum()`");
        value.trace().record(site.iter().copied().fold(error, Error::at));
    }
}
