//! What layers add to a loss: its terms, and penalties of weights.
//!
//! In: scalars, and one value per sample. Out: all of them by name, each once.

use std::borrow::Borrow;
use std::ops::Range;

use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::regularizers::Regularizer;
use crate::site::Site;
use crate::spelling;

use super::context::Context;
use super::record::{Mark, UsedWeight};

/// A term of a loss: from `cx.add_loss` to the ledger it stays what it is.
///
/// ```
/// # use endo::prelude::*;
/// let hidden = Dense::new(2).activity_regularizer(L1(0.01));
/// let mut f = Function::new(|[x], cx| {
///     let y = hidden.apply(&x, cx);
///     assert_eq!(
///         (&*cx.loss_terms()[0].path, cx.loss_terms()[0].per_sample),
///         ("dense/activity", false)
///     );
///     [y]
/// });
/// f.run([&[[1.0_f32]].into()])?;
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Term {
    /// Its name in reports. Where another term of a loss has the same, it becomes as much of the
    /// path as tells the two apart.
    pub name: String,
    /// The path of the layer that added it, or of the weight that it penalizes, and its own name:
    /// `"regressor/reconstruction"`. Empty for compiled losses.
    pub path: String,
    /// How many parts of the path are its own name.
    pub(crate) parts: usize,
    /// The identities of the models whose `apply` was running when it was added, outermost first.
    pub(crate) owners: Vec<u64>,
    /// The line that added it, where one did.
    pub site: Option<Site>,
    /// A scalar; for a sample loss, one value per sample.
    pub value: Tensor,
    /// Whether it is one value per sample, subject to sample weights.
    pub per_sample: bool,
}

impl Term {
    /// A term that no layer added.
    pub(crate) fn new(name: impl Into<String>, value: Tensor) -> Self {
        Self {
            name: name.into(),
            path: String::new(),
            parts: 1,
            owners: Vec::new(),
            site: None,
            value,
            per_sample: false,
        }
    }

    /// The same at a line.
    pub(crate) fn at(self, site: Site) -> Self {
        Self { site: Some(site), ..self }
    }

    /// As a scalar: a sample loss as its mean.
    #[track_caller]
    pub(crate) fn scalar(&self) -> Tensor {
        if self.per_sample { self.value.mean() } else { self.value.clone() }
    }
}

/// A recurrence whose steps are traced.
#[derive(Debug)]
pub(super) struct Steps {
    /// The first term that they may have added.
    first: usize,
    /// The number of layers around them.
    depth: usize,
}

/// The owner of terms that are no model's, and no step's.
const NO_MODEL: u64 = u64::MAX;

impl Context {
    /// Adds a scalar to the loss: a penalty on anything the model computes. No weight of samples,
    /// classes or outputs touches it. Its name is unique within the layer.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # struct Sparse;
    /// impl Layer for Sparse {
    ///     fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
    ///         cx.add_loss("activity", 0.01 * inputs.abs().mean());
    ///         inputs.clone()
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn add_loss(&mut self, name: &str, term: impl Borrow<Tensor>) {
        self.add_scalar_loss(name, term.borrow(), Site::caller());
    }

    /// Adds a term that a model was given from outside its `call`, unless it is there already: such
    /// a term counts once, however often the model is applied. By its identity it is known again
    /// while the trace lasts.
    pub(crate) fn add_loss_once(
        &mut self,
        identity: usize,
        name: &str,
        term: &dyn Fn(&mut Self) -> Tensor,
        site: Site,
    ) {
        let known =
            self.added_once.iter().find(|(known, _)| *known == identity).map(|&(_, index)| index);
        let Some(index) = known else {
            let term = term(self);
            self.added_once.push((identity, self.losses.len()));
            return self.add_scalar_loss(name, &term, site);
        };
        // Applied within another model now, which has the term, too. A term that was refused is not
        // there.
        let owners = self.owners();
        if let Some(term) = self.losses.get_mut(index) {
            let new: Vec<u64> =
                owners.into_iter().filter(|owner| !term.owners.contains(owner)).collect();
            term.owners.extend(new);
        }
    }

    pub(super) fn add_scalar_loss(&mut self, name: &str, term: &Tensor, site: Site) {
        if !term.shape().is_scalar() {
            let message =
                format!("the loss term `{name}` must be a scalar, got shape {}", term.shape());
            let help = "reduce it with `.mean()` or `.sum()`, or use `add_sample_loss` for one \
                value per sample";
            return self.trace.refuse(ErrorKind::Shape, message, help, site);
        }
        self.push_loss(name, term, false, site);
    }

    /// Adds one value per sample to the loss; sample weights and masks apply to it, as to the main
    /// loss, and the mean over the batch is taken.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let mut f = Function::new(|[x], cx| {
    ///     cx.add_sample_loss("size", x.abs().mean_axes(&[-1]));
    ///     [cx.losses().remove(0)] // its mean
    /// });
    /// assert_eq!(f.run([&[[1.0_f32, 3.0], [0.0, 0.0]].into()])?[0].item()?, 1.0);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    pub fn add_sample_loss(&mut self, name: &str, per_sample: impl Borrow<Tensor>) {
        let (term, site) = (per_sample.borrow(), Site::caller());
        if term.rank() != 1 {
            let message = format!(
                "the sample loss `{name}` has shape {}, and has to have one value per sample",
                term.shape()
            );
            let help = "reduce all axes but the first, for example with `.mean_axes(&[-1])`";
            return self.trace.refuse(ErrorKind::Shape, message, help, site);
        }
        self.push_loss(name, term, true, site);
    }

    fn push_loss(&mut self, name: &str, term: &Tensor, per_sample: bool, site: Site) {
        if let Some(error) = reserved("loss term", name) {
            return self.trace.record(error.at(site));
        }
        let path = self.path_of_steps(name).unwrap_or_else(|| self.full_name(name));
        if let Some(known) = self.term_of_steps(&path, per_sample) {
            known.value = &known.value + term.convert(known.value.dtype(), site);
            return;
        }
        let outermost = self.owners().first().copied();
        if self
            .losses
            .iter()
            .any(|known| known.path == path && known.owners.first() == outermost.as_ref())
        {
            let message = format!("two loss terms of one call are called `{path}`");
            let help = "give each a name of its own, for example with `format!(\"activity_{i}\")`";
            return self.trace.refuse(ErrorKind::Argument, message, help, site);
        }
        let value = term.convert(term.dtype().promote(DType::F32), site);
        let parts = parts_of(name);
        let name = path
            .splitn(path.split('/').count() - parts + 1, '/')
            .last()
            .unwrap_or(name)
            .to_string();
        let (owners, site) = (self.owners(), Some(site));
        self.losses.push(Term { name, path, parts, owners, site, value, per_sample });
    }

    /// Begins the steps of a recurrence: what each of them adds to the loss under one name is one
    /// term, the sum. Returns what [`end_steps`](Self::end_steps) takes.
    pub(super) fn begin_steps(&mut self) -> Option<Steps> {
        let steps = Steps { first: self.losses.len(), depth: self.scopes.depth() };
        self.steps.replace(steps)
    }

    /// Ends the steps of a recurrence, given those around it.
    pub(super) fn end_steps(&mut self, around: Option<Steps>) {
        self.steps = around;
    }

    /// The path of a term of a layer that the steps of a recurrence apply, whichever step it is.
    fn path_of_steps(&self, name: &str) -> Option<String> {
        let below = self.scopes.depth() > self.steps.as_ref()?.depth;
        below.then(|| format!("{}/{name}", self.own_path(self.scopes.path())))
    }

    /// The term that the steps of the recurrence at hand have added under a path.
    fn term_of_steps(&mut self, path: &str, per_sample: bool) -> Option<&mut Term> {
        let terms = self.losses.get_mut(self.steps.as_ref()?.first..)?;
        terms.iter_mut().find(|term| term.path == path && term.per_sample == per_sample)
    }

    /// Adds the penalty of a layer's output, divided by the size of its first axis.
    #[track_caller]
    pub fn add_activity_loss(&mut self, regularizer: &dyn Regularizer, output: &Tensor) {
        let training = self.training();
        let penalty = self.beside_the_model(training, |cx| regularizer.penalty_in(output, cx))
            / output.batch() as f64;
        self.add_loss("activity", penalty);
    }

    /// All loss terms from inside the model applied so far in this trace: those added by layers,
    /// sample losses as their means, and the penalties on the weights used, once for each weight.
    /// What Keras calls `model.losses`.
    ///
    /// In a trace with terms of several models, none applied within another, each model is asked
    /// for its own: [`Model::losses`](crate::model::Model::losses). Asking for all of them at once
    /// is an error.
    #[track_caller]
    pub fn losses(&mut self) -> Vec<Tensor> {
        let mut models: Vec<u64> =
            self.losses.iter().filter_map(|term| term.owners.first().copied()).collect();
        models.extend(
            self.weights.iter().filter(|used| used.is_penalized()).flat_map(|used| &used.outermost),
        );
        models.sort_unstable();
        models.dedup();
        if models.len() > 1 {
            let known = self.known_models.iter().filter(|(id, _)| models.contains(id));
            let names = spelling::listed(known.map(|(_, name)| name.as_str()));
            let message = format!(
                "this trace has loss terms of {} models, {names}: whose are meant?",
                models.len()
            );
            let help = "ask each model for its own: `model.losses(cx)`";
            self.trace.refuse(ErrorKind::Usage, message, help, Site::caller());
        }
        self.asked.extend(models);
        let added: Vec<Tensor> = self.losses.iter().map(Term::scalar).collect();
        added.into_iter().chain(self.penalties().into_iter().map(|(_, penalty)| penalty)).collect()
    }

    /// The loss terms that layers have added so far, without the penalties on weights.
    pub fn loss_terms(&self) -> &[Term] {
        &self.losses
    }

    /// The loss terms of a model: those that were added while it was applied. Where it is the model
    /// of a step: since the mark of the step, but for some places, with those that the step has
    /// added outside of all models.
    #[track_caller]
    pub(crate) fn terms_of(
        &mut self,
        model: u64,
        step: Option<(Mark, &[Range<usize>])>,
    ) -> Vec<Term> {
        self.asked.push(model);
        let (start, left_out) =
            step.map_or((0, &[][..]), |(mark, left_out)| (mark.losses, left_out));
        let own = |term: &Term| {
            term.owners.contains(&model) || (step.is_some() && term.owners.is_empty())
        };
        // A term that is added once counts for each pass.
        let is_shared = |place: usize| self.added_once.iter().any(|&(_, index)| index == place);
        let counts =
            |place: usize| is_shared(place) || left_out.iter().all(|range| !range.contains(&place));
        let terms = self.losses.iter().enumerate().skip(start);
        terms
            .filter(|(place, term)| counts(*place) && own(term))
            .map(|(_, term)| term.clone())
            .collect()
    }

    /// The penalties of the trainable weights that a model has used, by the weights' paths.
    #[track_caller]
    pub(crate) fn penalties_of(&mut self, model: u64) -> Vec<Term> {
        let mut penalties = Vec::new();
        for index in 0..self.weights.len() {
            if !self.weights[index].owners.contains(&model) {
                continue;
            }
            let path = self.weights[index].path();
            if let Some(value) = self.penalty(index, Site::caller()) {
                penalties.push(Term { path, owners: vec![model], ..Term::new("penalty", value) });
            }
        }
        penalties
    }

    /// Warns of models whose loss terms are in no loss: nobody has asked for them. In a function
    /// that trains, of the models that it trains; in a step of a model, of all.
    pub(crate) fn warn_of_unread_terms(&self) {
        let is_asked = |owners: &[u64]| owners.iter().any(|owner| self.asked.contains(owner));
        let is_trained = |model: &u64| {
            self.given_gradients().iter().any(|given| {
                self.weights
                    .iter()
                    .any(|used| used.variable == given.weight && used.outermost.contains(model))
            })
        };
        for (model, name) in
            self.known_models.iter().filter(|(model, _)| self.is_step || is_trained(model))
        {
            let added: Vec<&Term> =
                self.losses.iter().filter(|term| term.owners.first() == Some(model)).collect();
            let penalized: Vec<&UsedWeight> = self
                .weights
                .iter()
                .filter(|used| used.is_penalized() && used.outermost.contains(model))
                .collect();
            let is_read = added.iter().any(|term| is_asked(&term.owners))
                || penalized.iter().any(|used| is_asked(&used.owners));
            let terms = added.iter().map(|term| term.path.clone());
            let terms: Vec<String> = terms
                .chain(penalized.iter().map(|used| format!("penalty({})", used.path())))
                .collect();
            if !terms.is_empty() && !is_read {
                let terms = spelling::listed(terms.iter().map(String::as_str));
                self.trace.warn(format!(
                    "the model `{name}` has loss terms that are in no loss: {terms}; add those of \
                        `model.losses(cx)` to a loss, or call \
                     it and leave them out if that is meant"
                ));
            }
        }
    }

    /// The penalties of the trainable weights used so far, by the weights' names, evaluated on the
    /// values that the run starts with.
    #[track_caller]
    pub fn penalties(&mut self) -> Vec<(String, Tensor)> {
        let mut penalties = Vec::new();
        for index in 0..self.weights.len() {
            if let Some(penalty) = self.penalty(index, Site::caller()) {
                self.asked.extend(self.weights[index].outermost.clone());
                penalties.push((self.weights[index].variable.name().to_string(), penalty));
            }
        }
        penalties
    }

    /// The penalty of a weight, made at first use; none of one that has no regularizer or is
    /// frozen.
    fn penalty(&mut self, index: usize, site: Site) -> Option<Tensor> {
        let used = &self.weights[index];
        let regularizer = used.regularizer.clone().filter(|_| used.variable.is_trainable())?;
        if used.penalty.is_none() {
            let value = self
                .trace
                .first_read(&used.variable)
                .unwrap_or_else(|| self.trace.read(&used.variable, site));
            self.weights[index].penalty =
                Some(self.beside_the_model(false, |cx| regularizer.penalty_in(&value, cx)));
        }
        self.weights[index].penalty.clone()
    }

    /// Runs a loss, a metric, a penalty or a constraint. They stand beside the models being
    /// applied: weights of nets that they apply are not the models', and neither is what the layers
    /// of these nets add. What the function itself adds is.
    #[track_caller]
    pub(crate) fn beside_the_model<T>(
        &mut self,
        training: bool,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let (first, owners, place) =
            (self.losses.len(), self.owners(), self.scopes.path().to_string());
        let models = std::mem::take(&mut *self.models.borrow_mut());
        let result = self.with_training(training, f);
        *self.models.borrow_mut() = models;
        let own_place = self.own_path(&place);
        let mut lost = Vec::new();
        for term in &mut self.losses[first..] {
            if term
                .path
                .strip_suffix(&term.name)
                .is_some_and(|layer| layer.trim_end_matches('/') == place)
            {
                term.owners.clone_from(&owners);
                if !own_place.is_empty() {
                    term.path = format!("{own_place}/{}", term.name);
                }
            } else {
                term.owners = vec![NO_MODEL];
                lost.push(term.path.clone());
            }
        }
        if !lost.is_empty() {
            let lost = spelling::listed(lost.iter().map(String::as_str));
            self.trace.warn(format!(
                "a net that a loss, a metric or a penalty applies adds {lost}, which is in no loss"
            ));
        }
        result
    }

    /// Where the context is now, to find later what was added since.
    pub fn mark(&self) -> Mark {
        Mark { losses: self.losses.len(), metrics: self.metrics.len(), held: self.held.len() }
    }

    /// The loss terms added since a mark.
    pub fn loss_terms_since(&self, mark: Mark) -> &[Term] {
        &self.losses[mark.losses..]
    }
}

/// How many parts of its path a name is: one more than it has marks of paths itself.
pub(super) fn parts_of(name: &str) -> usize {
    name.split('/').count()
}

/// The error for a name that reports give themselves.
pub(super) fn reserved(what: &str, name: &str) -> Option<Error> {
    let is_reserved = ["loss", "main", "learning_rate"].contains(&name) || name.starts_with("val_");
    is_reserved.then(|| {
        let message = format!(
            "a {what} is called `{name}`, which is what reports call a number of their own"
        );
        let help = "give it another name: `loss`, `main`, `learning_rate` and `val_..` are taken";
        Error::argument(message, help)
    })
}
