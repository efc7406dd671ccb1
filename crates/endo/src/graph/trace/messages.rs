//! What goes wrong while a closure is traced, and what is probably not meant.
//!
//! In: mistakes, of which the first one counts, and warnings. Out: both with the layer and the
//! user's line, when the trace ends or is asked.

use std::rc::Rc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind};
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::site::Site;

use super::Trace;

/// Something that is not wrong but probably not meant, with the line if it is that of one line.
pub(super) struct Warning {
    site: Option<Site>,
    text: String,
}

impl Trace {
    /// Records an error (the first one counts) and returns a stand-in, so that tracing can go on:
    /// of the shape if that is small, or else of its rank.
    pub fn fail(self: &Rc<Self>, error: Error, shape: Shape, dtype: DType) -> Tensor {
        const LARGEST: usize = 1 << 20;
        let site = error.site().unwrap_or(Site::caller());
        self.record(error);
        let shape =
            if shape.is_possible() && shape.len() <= LARGEST { shape } else { shape.stand_in() };
        self.constant(Array::zeros(shape, dtype), site)
    }

    /// Records a mistake at a line, with how to fix it.
    pub(crate) fn refuse(
        &self,
        kind: ErrorKind,
        message: impl Into<String>,
        help: &str,
        site: Site,
    ) {
        self.record(Error::new(kind, message).help(help).at(site));
    }

    /// Records an error; the first one counts.
    pub fn record(&self, error: Error) {
        let mut state = self.state.borrow_mut();
        let path = state.graph.scopes[state.scope as usize].clone();
        let error = if error.layer().is_some() { error } else { error.in_layer(path) };
        let site = error.site().map(|site| state.users(site)).or(state.callers.last().copied());
        let error = site.into_iter().fold(error, Error::at);
        state.error.get_or_insert(error);
    }

    /// The first error so far.
    pub fn error(&self) -> Option<Error> {
        self.state.borrow().error.clone()
    }

    /// The first error so far, after which there is none: for a trace that is used on.
    pub(crate) fn take_error(&self) -> Option<Error> {
        self.state.borrow_mut().error.take()
    }

    /// The lines of the warnings so far, after which there are none.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        let warnings = std::mem::take(&mut self.state.borrow_mut().warnings);
        warnings.into_iter().map(Warning::line).collect()
    }

    /// Records something that is not wrong but probably not meant.
    pub fn warn(&self, warning: impl Into<String>) {
        self.state.borrow_mut().warnings.push(Warning { site: None, text: warning.into() });
    }

    /// As [`warn`](Self::warn), of a line of the user's code: without one, of the line that began
    /// the trace.
    pub(crate) fn warn_at(&self, site: Option<Site>, warning: impl Into<String>) {
        let mut state = self.state.borrow_mut();
        let site = site.map(|site| state.users(site)).or(state.callers.first().copied());
        state.warnings.push(Warning { site, text: warning.into() });
    }

    /// Makes the first warning so far an error.
    pub(crate) fn deny_warnings(&self) {
        let first = self
            .state
            .borrow()
            .warnings
            .first()
            .map(|warning| (warning.site, warning.text.clone()));
        if let Some((site, text)) = first {
            let error = Error::usage(text, "fix it, or train without `deny_warnings`");
            self.record(site.into_iter().fold(error, Error::at));
        }
    }
}

impl Warning {
    pub fn line(self) -> String {
        match self.site {
            Some(site) => format!("{}:{}: {}", site.file(), site.line(), self.text),
            None => self.text,
        }
    }
}
