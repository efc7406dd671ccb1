//! Terms of the loss that a net is given from outside its `call`.
//!
//! In: functions of variables, and functions of the outputs of layers. Out: terms that count once
//! in a trace, however often the net is applied; what is attached to a layer is added when the
//! layer's call ends.

use std::sync::Arc;

use crate::graph::{Tensor, Tree};
use crate::site::Site;
use crate::trace::Context;

use super::Net;

/// Computes a term from variables.
pub(crate) type Term = dyn Fn(&mut Context) -> Tensor + Send + Sync;

/// A term of the loss that only depends on variables, with the line that gave it.
pub(super) struct AddedLoss {
    name: String,
    term: Box<Term>,
    site: Site,
}

impl<I: Tree, O: Tree> Net<I, O> {
    /// Adds a term that only depends on variables.
    pub fn add_loss(&mut self, name: &str, term: Box<Term>, site: Site) {
        self.added.push(Arc::new(AddedLoss { name: name.to_string(), term, site }));
    }

    /// Traces the terms that only depend on variables.
    pub(super) fn add_losses(&self, cx: &mut Context) {
        for added in &self.added {
            let identity = Arc::as_ptr(added).cast::<()>() as usize;
            cx.add_loss_once(identity, &added.name, &*added.term, added.site);
        }
    }
}
