//! The loss of a step and the terms that it is the sum of.
//!
//! In: scalars by name. Out: [`Terms`], whose names differ and whose total is what is trained on.

use std::panic::Location;

use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::net::distinct;

use super::balanced::Balanced;
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
    /// What is trained on.
    pub(crate) total: Tensor,
    /// What it is the sum of.
    pub(crate) terms: Vec<(String, Tensor)>,
    /// The lines of those that the model's `call` added, by name.
    pub(crate) sites: Vec<(String, &'static Location<'static>)>,
    /// What is reported besides: with several outputs the loss of each, before its factor.
    pub(crate) extras: Vec<(String, Tensor)>,
    /// Outputs that no compiled loss looks at, where there is none.
    pub(crate) untrained: Vec<Tensor>,
    /// The weights of the terms, if they follow the training.
    pub(crate) balanced: Balanced,
}

impl Terms {
    /// These terms, at least one.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn new<'a>(terms: impl IntoIterator<Item = (&'a str, Tensor)>) -> Self {
        let mut terms = terms.into_iter();
        let (name, first) = terms.next().expect("a loss has at least one term");
        let mut all = Self {
            total: first.clone(),
            terms: Vec::new(),
            sites: Vec::new(),
            extras: Vec::new(),
            untrained: Vec::new(),
            balanced: Balanced::default(),
        };
        all.push(name, first);
        terms.for_each(|(name, term)| all.add(name, term));
        all
    }

    /// Adds a term, a scalar; a name that is taken gets a number.
    #[track_caller]
    pub fn add(&mut self, name: &str, term: Tensor) {
        self.total = &self.total + &term;
        self.push(name, term);
    }

    /// Their sum: what is trained on.
    pub fn total(&self) -> &Tensor {
        &self.total
    }

    /// The term of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.terms.iter().find(|(known, _)| known == name).map(|(_, term)| term)
    }

    /// Names and terms, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.terms.iter().map(|(name, term)| (name.as_str(), term))
    }

    #[track_caller]
    fn push(&mut self, name: &str, term: Tensor) {
        if !term.shape().is_scalar() {
            let message = format!("the loss term `{name}` has shape {}, and has to be a scalar", term.shape());
            let help = "reduce it with `.mean()` or `.sum()`";
            term.trace().record(Error::new(ErrorKind::Shape, message).help(help).at(Location::caller()));
        }
        self.sites.push((name.to_string(), Location::caller()));
        self.terms.push((name.to_string(), term));
        distinct(&mut self.terms, &["loss"]);
    }

    pub(crate) fn names(&self) -> OutputNames {
        let names = |parts: &[(String, Tensor)]| parts.iter().map(|(name, _)| name.clone()).collect();
        OutputNames { terms: names(&self.terms), extras: names(&self.extras) }
    }

    /// The total, the terms, the extras.
    pub(crate) fn into_tensors(self) -> Vec<Tensor> {
        let parts = self.terms.into_iter().chain(self.extras).map(|(_, value)| value);
        std::iter::once(self.total).chain(parts).collect()
    }
}
