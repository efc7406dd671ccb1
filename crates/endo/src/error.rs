//! What went wrong, in which layer, at which line of the user's code, and how to fix it.
//!
//! In: a kind and a message, then where it happened. Out: one [`Error`] that prints all of it.

use std::fmt;

use crate::site::Site;

/// What sort of mistake an [`Error`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Sizes or ranks that do not fit.
    Shape,
    /// An element type that does not fit.
    DType,
    /// A number that is not finite where it has to be.
    NotFinite,
    /// Data that cannot be read as asked: a missing column, a cell that is not a number, an empty
    /// file.
    Data,
    /// A file or folder that cannot be read or written.
    Io,
    /// An argument that makes no sense: a batch size of 0, an unknown name.
    Argument,
    /// Calls in an order that cannot work: `fit` before `compile`.
    Usage,
    /// Memory that the system does not give.
    Memory,
}

/// A failure that says what, where, expected and got, and how to fix it.
///
/// ```
/// use endo::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Argument, "the batch size is 0")
///     .help("use a batch size of at least 1");
/// assert_eq!(error.to_string(), "the batch size is 0\n  help: use a batch size of at least 1");
/// ```
#[derive(Clone, PartialEq)]
pub struct Error(Box<ErrorContent>);

#[derive(Clone, PartialEq)]
struct ErrorContent {
    kind: ErrorKind,
    message: String,
    layer: Option<String>,
    site: Option<Site>,
    help: Option<String>,
}

/// What endo's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind; the message says what happened, what was expected and what was got.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorContent {
            kind,
            message: message.into(),
            layer: None,
            site: None,
            help: None,
        }))
    }

    /// Sizes or ranks that do not fit, and what would.
    pub(crate) fn shape(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, message).help(help)
    }

    /// An argument that makes no sense, and what would.
    pub(crate) fn argument(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(ErrorKind::Argument, message).help(help)
    }

    /// Calls in an order that cannot work, and what does.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message).help(help)
    }

    /// Data that cannot be read as asked, and what to do about it.
    pub(crate) fn data(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message).help(help)
    }

    /// The error of something that needs more memory than the system gives.
    pub(crate) fn out_of_memory(what: &str, bytes: usize) -> Self {
        let message = format!(
            "{what} needs {:.1} GB of memory, more than the system gives",
            bytes as f64 / 1e9
        );
        let help = "use fewer rows at a time or smaller sizes, or free memory";
        Self::new(ErrorKind::Memory, message).help(help)
    }

    /// Says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says in which layer it happened, by path; empty is no layer.
    #[must_use]
    pub fn in_layer(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.0.layer = (!path.is_empty()).then_some(path);
        self
    }

    /// Says at which line of the user's code it happened.
    #[must_use]
    pub fn at(mut self, site: Site) -> Self {
        self.0.site = Some(site);
        self
    }

    /// Without the line that it happened at: where whoever reports it knows that better.
    #[must_use]
    pub fn without_site(mut self) -> Self {
        self.0.site = None;
        self
    }

    /// With another message, such as one that says in which file it happened, and the same place
    /// and help.
    #[must_use]
    pub fn with_message(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// Says in which epoch and step of training a number went wrong; other errors stay as they are.
    #[must_use]
    pub(crate) fn in_step(mut self, epoch: usize, step: usize) -> Self {
        if self.0.kind == ErrorKind::NotFinite {
            self.0.message = format!("epoch {}, step {}: {}", epoch + 1, step + 1, self.0.message);
        }
        self
    }

    /// What sort of mistake it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, what was expected and what was got.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The path of the layer it happened in.
    pub fn layer(&self) -> Option<&str> {
        self.0.layer.as_deref()
    }

    /// The line of the user's code it happened at.
    pub fn site(&self) -> Option<Site> {
        self.0.site
    }

    /// How to fix it.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// Refuses a count of 0.
pub(crate) fn not_zero(count: Option<usize>, message: &str, help: &str) -> Result<()> {
    match count {
        Some(0) => Err(Error::argument(message, help)),
        Some(_) | None => Ok(()),
    }
}

/// As it is shown to people, for `unwrap` and for a `main` that returns it print it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorContent { message, layer, site, help, .. } = &*self.0;
        f.write_str(message)?;
        if let Some(layer) = layer {
            write!(f, "\n  layer: `{layer}`")?;
        }
        if let Some(site) = site {
            write!(f, "\n  at: {site}")?;
        }
        if let Some(help) = help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What a test expects of an error; one that differs is shown whole, at the line of the test.
#[cfg(test)]
impl Error {
    /// The message has this part.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) {
        assert!(self.message().contains(part), "{self}");
    }

    /// The message is this.
    #[track_caller]
    pub(crate) fn reads(&self, message: &str) {
        assert_eq!(self.message(), message);
    }

    /// The help has this part.
    #[track_caller]
    pub(crate) fn advises(&self, part: &str) {
        let advice = self.advice().unwrap_or_default();
        assert!(advice.contains(part), "{self}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_what_where_and_how_to_mend_it() {
        let error = Error::new(ErrorKind::Shape, "expected 8, got 9")
            .in_layer("model/dense")
            .at(Site::caller())
            .help("use 8");
        let text = error.to_string();
        assert!(text.starts_with("expected 8, got 9\n  layer: `model/dense`\n  at: "), "{text}");
        assert!(text.ends_with("\n  help: use 8"), "{text}");
    }
}
