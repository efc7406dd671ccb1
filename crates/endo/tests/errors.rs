//! What a user reads after a mistake: what went wrong, in which layer, at which line, and how to
//! fix it.
//!
//! In: one mistake each. Out: the error of `run`, `build` or `fit`, checked whole; nothing panics.

#[path = "errors/custom.rs"]
mod custom;
#[path = "errors/data.rs"]
mod data;
#[path = "errors/layers.rs"]
mod layers;
#[path = "errors/numbers.rs"]
mod numbers;
#[path = "support/structs.rs"]
mod structs;
#[path = "errors/tracing.rs"]
mod tracing;
#[path = "errors/training.rs"]
mod training;

use endo::prelude::*;

/// A file and a line, or none.
type MarkedSite<'a> = Option<(&'a str, u32)>;

/// The line of a file that ends with `// <- mark`.
fn place(file: &'static str, source: &str, mark: &str) -> MarkedSite<'static> {
    let ends = format!("// <- {mark}");
    let line = source.lines().position(|line| line.ends_with(&ends)).expect("a marked line");
    Some((file, line as u32 + 1))
}

/// Fails unless the error is of this kind, in this layer, at this line of this file, with these
/// parts of message and help.
#[track_caller]
fn expect<T>(
    result: Result<T>,
    kind: ErrorKind,
    layer: &str,
    place: MarkedSite,
    message: &str,
    help: &str,
) {
    let Err(error) = result else { panic!("no error instead of: {message}") };
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.message(), message, "{error}");
    assert_eq!(error.layer().unwrap_or_default(), layer, "{error}");
    assert!(error.advice().unwrap_or_default().contains(help), "{error}");
    let site =
        error.site().map(|site| (site.file().rsplit('/').next().unwrap_or_default(), site.line()));
    assert_eq!(site, place, "{error}");
    let text = error.to_string();
    assert!(text.starts_with(message) && text.contains("\n  help: "), "{text}");
    assert_eq!(text.contains("\n  layer: `"), !layer.is_empty(), "{text}");
    assert_eq!(text.contains("\n  at: "), place.is_some(), "{text}");
}

fn zeros(shape: impl Into<Shape>) -> Array {
    Array::zeros(shape, DType::F32)
}

fn data(x: impl Into<Shape>, y: impl Into<Shape>) -> Dataset {
    Dataset::new(zeros(x), zeros(y)).unwrap()
}
