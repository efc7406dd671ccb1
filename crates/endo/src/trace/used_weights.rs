//! The weights that a trace uses: what goes with each, and what the program says of them from
//! outside their layers.
//!
//! In: weights, as layers get their values. Out: to optimizers and models, variables with penalties
//! and constraints.

use std::sync::Arc;

use crate::array::Array;
use crate::constraints::{Constraint, IntoConstraint};
use crate::error::{ErrorKind, Result};
use crate::initializers::Initializer;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::shape::Shape;
use crate::site::Site;
use crate::variable::Variable;

use super::Context;
use super::record::{KernelChange, UsedWeight};
use super::weight::Weight;

impl Context {
    /// The weights used so far, with what goes with each.
    pub(crate) fn used_weights(&self) -> &[UsedWeight] {
        &self.weights
    }

    /// The variables of the weights used so far, in the order of their first use.
    pub fn weights(&self) -> impl Iterator<Item = &Variable> {
        self.weights.iter().map(|used| &used.variable)
    }

    /// Notes that a weight is used, with what goes with it.
    pub(crate) fn use_weight(
        &mut self,
        variable: &Variable,
        weight: &Weight,
        initializer: &dyn Initializer,
    ) {
        self.note_weight(weight.name(), variable);
        let owners = self.owners();
        let outermost = self.models.borrow().first().map(|model| model.id);
        let path = self.scopes.path();
        // A shared weight is one of each of its layers.
        let record = self
            .layers
            .iter_mut()
            .find(|record| record.path == path && !record.weights.contains(variable));
        if let Some(record) = record {
            weight.note(initializer, &mut record.hyperparameters);
            record.weights.push(variable.clone());
        }
        let known = self.weights.iter().position(|used| used.variable == *variable);
        let index = known.unwrap_or_else(|| {
            self.weights.push(weight.used(variable, path));
            self.weights.len() - 1
        });
        let used = &mut self.weights[index];
        for owner in owners {
            if !used.owners.contains(&owner) {
                used.owners.push(owner);
            }
        }
        used.outermost.extend(outermost.filter(|model| !used.outermost.contains(model)));
    }

    /// The constraint of a weight used in this trace.
    pub(crate) fn constraint(&self, variable: &Variable) -> Option<Arc<dyn Constraint>> {
        self.weights
            .iter()
            .find(|used| used.variable == *variable)
            .and_then(|used| used.constraint.clone())
    }

    /// Runs `f`, in which `rule` says the first values of weights that are made, by their names
    /// within their layers and their shapes; where it gives none their initializers do.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let dense = Dense::new(1);
    /// let mut f = Function::new(|[x], cx| {
    ///     let ones = |name: &str, shape: &Shape| {
    ///         (name == "kernel").then(|| Ok(Array::full(shape, 1.0, DType::F32)))
    ///     };
    ///     [cx.with_first_values(ones, |cx| dense.apply(&x, cx))]
    /// });
    /// assert_eq!(f.run([&[[2.0_f32, 3.0]].into()])?[0].item()?, 5.0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with_first_values<T>(
        &mut self,
        rule: impl Fn(&str, &Shape) -> Option<Result<Array>> + Send + Sync + 'static,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.first_values.push(Arc::new(rule));
        let result = f(self);
        self.first_values.pop();
        result
    }

    /// Runs `f`, which applies a layer, and says whether that has a kernel of its own, a weight
    /// called `kernel` or `embeddings`. If it has, `change` is run with its variable before its
    /// value is used, as by the layer that is applied now: what it assigns is the value.
    pub(crate) fn with_kernel_change<T>(
        &mut self,
        change: impl FnOnce(&Variable, &mut Self) + 'static,
        f: impl FnOnce(&mut Self) -> T,
    ) -> (T, bool) {
        let (count, depth) = (self.kernel_changes.len(), self.scopes.depth() + 1);
        self.kernel_changes.push(KernelChange { depth, change: Box::new(change) });
        let result = f(self);
        let was_run = self.kernel_changes.len() == count;
        self.kernel_changes.truncate(count);
        (result, was_run)
    }

    /// Runs what the layer around the innermost one does with the kernel of that, if this weight is
    /// that kernel.
    pub(super) fn change_kernel(&mut self, name: &str, kernel: &Variable) {
        let depth = self.scopes.depth();
        let is_next = self.kernel_changes.last().is_some_and(|next| next.depth == depth);
        if !is_next || !["kernel", "embeddings"].contains(&name) {
            return;
        }
        let (next, inner) = (self.kernel_changes.pop(), self.scopes.pop());
        if let Some(next) = next {
            (next.change)(kernel, self);
        }
        if let Some(inner) = inner {
            self.scopes.push(inner);
        }
    }

    /// The first value that the program says for a weight.
    pub(super) fn first_value(&self, name: &str, shape: &Shape) -> Option<Result<Array>> {
        self.first_values.iter().rev().find_map(|rule| rule(name, shape))
    }

    /// Adds to a weight that this trace has used a penalty, instead of the one it may have: for
    /// layers that somebody else has made.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// let dense = Dense::new(1).kernel_initializer(Ones);
    /// let mut model = Model::new(move |x: &Tensor, cx: &mut Context| {
    ///     let y = dense.apply(x, cx);
    ///     cx.regularize(dense.kernel().unwrap(), L2(0.5));
    ///     y
    /// });
    /// model.compile("sgd", "mse", ());
    /// let logs = model.evaluate(&Dataset::new([[1.0_f32, 1.0]], [[2.0_f32]])?)?;
    /// assert_eq!(logs.get("loss"), Some(1.0));
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn regularize<K>(&mut self, weight: &Variable, regularizer: impl IntoRegularizer<K>) {
        let regularizer: Arc<dyn Regularizer> = regularizer.into_regularizer();
        if let Some(used) = self.used_weight("regularize", weight, Site::caller()) {
            used.regularizer = Some(regularizer);
        }
    }

    /// Projects a weight that this trace has used after every update, instead of by the constraint
    /// that it may have.
    #[track_caller]
    pub fn constrain<K>(&mut self, weight: &Variable, constraint: impl IntoConstraint<K>) {
        let constraint: Arc<dyn Constraint> = constraint.into_constraint();
        if let Some(used) = self.used_weight("constrain", weight, Site::caller()) {
            used.constraint = Some(constraint);
        }
    }

    /// A weight that was used, or an error.
    fn used_weight(
        &mut self,
        method: &str,
        weight: &Variable,
        site: Site,
    ) -> Option<&mut UsedWeight> {
        let index = self.weights.iter().position(|used| used.variable == *weight);
        if index.is_none() {
            let message =
                format!("`{method}` of `{}`, which this trace has not used", weight.name());
            let help = "apply the layer first; what no layer holds has no penalty: add it to the \
                loss with `add_loss`";
            self.trace.refuse(ErrorKind::Usage, message, help, site);
        }
        index.map(|index| &mut self.weights[index])
    }
}
