//! Errors in Python's terms: one class for each kind, each of them also the class that Python's own
//! functions raise for such a mistake.
//!
//! In: the library's errors. Out: exceptions with the layer, the user's line and how to fix it.

use endo::{Error, ErrorKind};
use pyo3::exceptions::{PyAttributeError, PyMemoryError, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{create_exception, exceptions::PyException};

use crate::operands::TOO_LARGE;
use crate::phrases::in_python;

create_exception!(endo, EndoError, PyException, "A mistake that endo reports.");
create_exception!(endo, NotFiniteError, EndoError, "A number that is not finite.");
create_exception!(endo, UsageError, EndoError, "Calls in an order that cannot work.");

/// An exception class that is both an `EndoError` and a class of Python's.
macro_rules! two_bases {
    ($($Name:ident: $base:expr, $doc:literal;)+) => {
        $(
            #[doc = $doc]
            pub struct $Name;

            impl $Name {
                /// The class.
                pub fn class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
                    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                    let class = CLASS.get_or_try_init(py, || {
                        let bases = (py.get_type::<EndoError>(), $base(py));
                        let content = pyo3::types::PyDict::new(py);
                        content.set_item("__doc__", $doc)?;
                        content.set_item("__module__", "endo")?;
                        let class = py
                            .get_type::<PyType>()
                            .call1((stringify!($Name), bases, content))?
                            .cast_into::<PyType>()?;
                        Ok::<_, PyErr>(class.unbind())
                    })?;
                    Ok(class.bind(py).clone())
                }
            }
        )+

        /// Adds those classes to the module.
        pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
            let py = module.py();
            $(module.add(stringify!($Name), $Name::class(py)?)?;)+
            module.add("EndoError", py.get_type::<EndoError>())?;
            module.add("NotFiniteError", py.get_type::<NotFiniteError>())?;
            module.add("UsageError", py.get_type::<UsageError>())
        }
    };
}

two_bases! {
    ShapeError: |py: Python<'_>| py.get_type::<PyValueError>().unbind(),
        "Sizes or ranks that do not fit.";
    DTypeError: |py: Python<'_>| py.get_type::<PyTypeError>().unbind(),
        "An element type that does not fit.";
    ArgumentError: |py: Python<'_>| py.get_type::<PyValueError>().unbind(),
        "An argument that makes no sense.";
    DataError: |py: Python<'_>| py.get_type::<PyValueError>().unbind(),
        "Data that cannot be read as asked.";
}

/// The exception for an error of the library.
pub fn raised(py: Python<'_>, error: Error) -> PyErr {
    let ours = error.site().is_some_and(|site| site.file().ends_with(".rs"));
    let error = if ours { error.without_site() } else { error };
    let error = if error.message().starts_with(TOO_LARGE) { too_large(&error) } else { error };
    let text = in_python(error.to_string());
    let class = match error.kind() {
        ErrorKind::Shape => ShapeError::class(py),
        ErrorKind::DType => DTypeError::class(py),
        ErrorKind::Argument => ArgumentError::class(py),
        ErrorKind::Data => DataError::class(py),
        ErrorKind::NotFinite => return NotFiniteError::new_err(text),
        ErrorKind::Io => return PyOSError::new_err(text),
        ErrorKind::Memory => return PyMemoryError::new_err(text),
        _ => return UsageError::new_err(text),
    };
    match class {
        Ok(class) => PyErr::from_type(class, text),
        Err(error) => error,
    }
}

/// The error for numbers that a plan found too large for an integer.
fn too_large(error: &Error) -> Error {
    let message = "a number does not fit into an integer, which has 32 bits here";
    let mut made = Error::new(ErrorKind::Argument, message)
        .help("keep it as a float, or clip it first with tf.clip_by_value");
    if let Some(layer) = error.layer() {
        made = made.in_layer(layer);
    }
    match error.site() {
        Some(site) => made.at(site),
        None => made,
    }
}

/// An error that says how to fix it.
pub fn usage(message: impl Into<String>, help: &str) -> PyErr {
    UsageError::new_err(Error::new(ErrorKind::Usage, message.into()).help(help).to_string())
}

/// An argument that makes no sense, and what would.
pub fn argument(py: Python<'_>, message: impl Into<String>, help: &str) -> PyErr {
    raised(py, Error::new(ErrorKind::Argument, message.into()).help(help))
}

/// An element type that does not fit, and what would.
pub fn dtype(py: Python<'_>, message: impl Into<String>, help: &str) -> PyErr {
    raised(py, Error::new(ErrorKind::DType, message.into()).help(help))
}

/// What to write where a program wants to change a part.
pub const OF_PARTS: &str = "  help: give a variable a value as a whole, \
    `variable.assign(tf.where(mask, new, variable))`, with a mask of the elements that change";

/// The error for an attribute that is not there: those by which TensorFlow changes parts of
/// variables say what to write instead.
pub fn no_attribute(kind: &str, name: &str) -> PyErr {
    let changes_parts = name.starts_with("assign") || name.starts_with("scatter_");
    let what = format!("a {kind} has no attribute `{name}`");
    PyAttributeError::new_err(if changes_parts {
        format!("{what}: a part of a variable cannot be changed by itself\n{OF_PARTS}")
    } else {
        what
    })
}
