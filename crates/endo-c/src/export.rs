//! Files in C of models and steps.
//!
//! In: a path and options. Out: the file, or two of them.

use std::path::Path;

use endo::files;
use endo::graph::{Graph, Tree};
use endo::model::Model;
use endo::training::Predictor;
use endo::{Error, ErrorKind, Result};

use super::options::COptions;
use super::source::{self, CSource};
use super::text;

/// What can be written as C.
pub trait ExportC {
    /// The text of a C file, whose names begin with `name` unless the options say otherwise.
    ///
    /// # Errors
    /// Those of [`export_c_with`](Self::export_c_with), but for files.
    fn c_source(&self, name: &str, options: &COptions) -> Result<CSource>;

    /// Writes what is computed as a C file. An existing file is replaced at once or not at all.
    ///
    /// # Errors
    /// Those of [`export_c_with`](Self::export_c_with).
    #[track_caller]
    fn export_c(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        self.export_c_with(path, &COptions::new())
    }

    /// The same with options.
    ///
    /// # Errors
    /// If the model has seen no input; if it takes rows together and their number is not fixed; if
    /// an operation cannot be written in C, with its name and layer; if there are more than 16 MB
    /// of weights and no second file for them; if a name is none in C; or if a file cannot be
    /// written.
    #[track_caller]
    fn export_c_with(&self, path: impl AsRef<Path>, options: &COptions) -> Result<()>
    where
        Self: Sized,
    {
        let path = path.as_ref();
        let stem =
            path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().to_string());
        let name = match &options.name {
            Some(name) => name.clone(),
            None => stem.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"),
        };
        if !text::is_name(&name) {
            let message = format!("`{name}` cannot begin the names of a C file");
            let help = "use a letter, and then letters, digits and `_`: \
                `COptions::new().name(\"net\")`";
            return Err(Error::new(ErrorKind::Argument, message).help(help));
        }
        let source = self.c_source(&name, options)?;
        // The second file first: no file in C without its weights.
        if let (Some(path), Some(weights)) = (&options.weights_file, &source.weights) {
            files::write(path, &[weights])?;
        }
        files::write(path, &[source.text.as_bytes()])
    }
}

/// As [`Model::export`] in C.
impl<I: Tree, O: Tree> ExportC for Model<I, O> {
    #[track_caller]
    fn c_source(&self, name: &str, options: &COptions) -> Result<CSource> {
        source::of_saved(&self.saved_graph()?, None, name, options)
    }
}

/// What an exported model predicts.
impl ExportC for Predictor {
    fn c_source(&self, name: &str, options: &COptions) -> Result<CSource> {
        source::of_saved(self.graph(), Some(self.variables()), name, options)
    }
}

/// A step: what a run of the graph computes and assigns.
impl ExportC for Graph {
    fn c_source(&self, name: &str, options: &COptions) -> Result<CSource> {
        source::of_graph(self, name, options)
    }
}
