//! The models being applied in a trace: whose terms, weights and variables those are that a trace
//! meets.
//!
//! In: a model's identity, name and seed, around the call of its layer. Out: the weights and
//! variables that the call used, by names within the model, which are the same wherever the model
//! is applied.

use std::sync::Arc;

use crate::dtype::DType;
use crate::error::ErrorKind;
use crate::graph::Tensor;
use crate::site::Site;
use crate::spelling::snake_case;
use crate::variable::Variable;

use super::Context;
use super::attached::AttachedTerm;

/// What a trace has to know of a model that is applied.
pub(crate) struct ModelScope<'m> {
    /// A number that no other model of this process has.
    pub id: u64,
    pub name: Option<&'m str>,
    /// The seed of first weights, if it has one of its own; otherwise that of the model around it.
    pub seed: Option<u64>,
    /// The float type of its weights, if not the trace's.
    pub dtype: Option<DType>,
    /// What its random numbers follow, if it has a seed of its own or stands alone.
    pub counter: &'m Variable,
    pub attached: &'m [Arc<AttachedTerm>],
}

/// A model being applied.
pub(super) struct ModelFrame {
    pub id: u64,
    name: Option<String>,
    /// Whether first weights follow its own seed, and the names within it.
    has_seed: bool,
    /// The path of its outermost layer, once that is entered.
    root: Option<String>,
    /// The name that the outermost layer has when the model is applied alone.
    natural: String,
    /// The weights and variables used since it began, by their names within the model.
    used: Vec<(String, Variable)>,
}

impl ModelFrame {
    /// The path of a layer without that of the outermost one.
    fn within<'p>(&self, path: &'p str) -> &'p str {
        let rest = self.root.as_deref().and_then(|root| path.strip_prefix(root)).unwrap_or(path);
        rest.trim_start_matches('/')
    }

    fn take(&mut self, name: String, variable: &Variable) {
        if self.used.iter().all(|(_, known)| known != variable) {
            self.used.push((name, variable.clone()));
        }
    }
}

/// What a model's call used.
pub(crate) struct ModelUse {
    /// Its weights and the variables that it read, by their names within the model, in the order of
    /// their first use.
    pub variables: Vec<(String, Variable)>,
    root: String,
    natural: String,
}

impl ModelUse {
    /// The path of one of its layers when the model is applied alone.
    pub fn own_path(&self, path: &str) -> String {
        path.strip_prefix(&self.root)
            .map_or_else(|| path.to_string(), |rest| format!("{}{rest}", self.natural))
    }
}

/// Names joined by `/`, without those that are empty.
fn joined(parts: &[&str]) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

impl Context {
    /// Runs `f`, the call of a model's layer, as the model's. Returns with its result what it used.
    pub(crate) fn with_model<T>(
        &mut self,
        model: ModelScope<'_>,
        f: impl FnOnce(&mut Self) -> T,
    ) -> (T, ModelUse) {
        let ModelScope { id, name, seed, dtype, counter, attached } = model;
        let has_seed = seed.is_some() || self.models.borrow().is_empty();
        let name = name.map(str::to_string);
        let frame =
            ModelFrame { id, name, has_seed, root: None, natural: String::new(), used: Vec::new() };
        self.models.borrow_mut().push(frame);
        let before = self.attached.len();
        self.attached.extend_from_slice(attached);
        let outside = self.dtype;
        self.dtype = dtype.unwrap_or(outside);
        let beside = self.trace.read_beside_count();
        let result =
            if has_seed { self.with_randomness(seed.unwrap_or(0), counter, f) } else { f(self) };
        self.dtype = outside;
        self.attached.truncate(before);
        for variable in self.trace.read_beside_since(beside) {
            self.note_read(&variable); // by an activation, say
        }
        let frame = self.models.borrow_mut().pop().expect("the frame of the model that was begun");
        let ModelFrame { root, natural, used, .. } = frame;
        (result, ModelUse { variables: used, root: root.unwrap_or_default(), natural })
    }

    /// The identities of the models being applied, outermost first.
    pub(super) fn owners(&self) -> Vec<u64> {
        self.models.borrow().iter().map(|model| model.id).collect()
    }

    /// Whether a model is being applied.
    pub(crate) fn is_within_model(&self) -> bool {
        !self.models.borrow().is_empty()
    }

    /// The name of a layer that is about to be entered: that of the model whose outermost layer it
    /// is, if the model has one.
    pub(super) fn given_name(&self, given: Option<&str>) -> Option<String> {
        let models = self.models.borrow();
        let mut starting = models.iter().filter(|model| model.root.is_none());
        starting.find_map(|model| model.name.clone()).or_else(|| given.map(str::to_string))
    }

    /// Notes that a layer of this type was entered: it may be the outermost one of a model, or of
    /// several.
    pub(super) fn note_root(&mut self, kind: &str, given: Option<&str>, path: &str) {
        for model in self.models.borrow_mut().iter_mut().filter(|model| model.root.is_none()) {
            model.root = Some(path.to_string());
            model.natural = given.map_or_else(|| snake_case(kind), str::to_string);
            let (id, shown) =
                (model.id, model.name.clone().unwrap_or_else(|| model.natural.clone()));
            if self.known_models.iter().all(|(known, _)| *known != id) {
                self.known_models.push((id, shown));
            }
        }
    }

    /// The name of a weight of the layer being applied, within the innermost model; outside all
    /// models, in the trace. And the name that its first value follows: within the model whose seed
    /// it follows, with the name of that model's outermost layer.
    pub(crate) fn weight_names(&self, name: &str) -> (String, String) {
        let (path, models) = (self.scopes.path(), self.models.borrow());
        let Some(innermost) = models.last() else {
            return (joined(&[path, name]), joined(&[path, name]));
        };
        let seeded = models.iter().rfind(|model| model.has_seed).unwrap_or(innermost);
        (
            joined(&[innermost.within(path), name]),
            joined(&[&seeded.natural, seeded.within(path), name]),
        )
    }

    /// The path of a layer as the outermost model calls it when it is applied alone: the same
    /// whatever else the trace applies. Terms that a part of a model adds outside all of its layers
    /// have the path of its outermost one; those of the model itself have none.
    pub(super) fn own_path(&self, path: &str) -> String {
        let models = self.models.borrow();
        let root = models.last().and_then(|model| model.root.as_deref());
        match (root.filter(|root| !path.starts_with(root)), &models[..]) {
            (None, [outermost, ..]) => joined(&[&outermost.natural, outermost.within(path)]),
            (Some(root), [outermost, _, ..]) => {
                joined(&[&outermost.natural, outermost.within(root)])
            }
            _ => path.to_string(),
        }
    }

    /// Notes for all models being applied that a weight of the layer being applied is used.
    pub(super) fn note_weight(&self, name: &str, variable: &Variable) {
        let path = self.scopes.path();
        for model in self.models.borrow_mut().iter_mut() {
            model.take(joined(&[model.within(path), name]), variable);
        }
    }

    /// Notes for all models being applied that a variable is read or assigned: it belongs to them
    /// as a weight does. The weights of other models are theirs.
    pub(super) fn note_read(&self, variable: &Variable) {
        if variable.is_weight() {
            return;
        }
        let path = self.scopes.path();
        for model in self.models.borrow_mut().iter_mut() {
            model.take(joined(&[model.within(path), variable.name()]), variable);
        }
    }

    /// Runs `f` with other values for some variables than their own: what reads one gets the value,
    /// and gradients go through it. A value that does not fit its variable, or that nothing reads,
    /// is an error at the line.
    pub(crate) fn with_values<T>(
        &mut self,
        values: &[(Variable, Tensor)],
        site: Site,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut fitting = Vec::new();
        for (variable, value) in values {
            if (value.shape(), value.dtype()) == (variable.shape(), variable.dtype()) {
                fitting.push((variable.clone(), value.clone()));
                continue;
            }
            let expected = format!("{}{}", variable.dtype(), variable.shape());
            let message = format!(
                "`{}` is {expected}, and is given {}{}",
                variable.name(),
                value.dtype(),
                value.shape()
            );
            let help = "give each weight a value of its own shape and type";
            self.trace.refuse(ErrorKind::Shape, message, help, site);
        }
        let (count, beside) = (fitting.len(), self.trace.read_beside_count());
        self.trace.push_stand_ins(fitting);
        let result = f(self);
        let unread = self.trace.pop_stand_ins(count);
        let read = self.trace.read_beside_since(beside);
        for variable in unread.into_iter().filter(|variable| !read.contains(variable)) {
            let message = format!(
                "`{}` is given a value, and nothing that is applied reads it",
                variable.name()
            );
            let help = "give `apply_with` weights of the layer that it applies: those of \
                `model.trainable_weights()`, say";
            self.trace.refuse(ErrorKind::Usage, message, help, site);
        }
        result
    }
}
