//! What a C file is to be like.
//!
//! In: methods. Out: [`COptions`].

use std::path::{Path, PathBuf};

/// Options of a C file. All have defaults.
///
/// ```
/// use endo_c::COptions;
/// let options = COptions::new().name("net").block(1);
/// ```
#[derive(Clone, Debug)]
pub struct COptions {
    pub(crate) name: Option<String>,
    pub(crate) fixed_rows: Option<usize>,
    pub(crate) block: usize,
    pub(crate) caller_memory: bool,
    pub(crate) weights_file: Option<PathBuf>,
}

impl Default for COptions {
    fn default() -> Self {
        Self { name: None, fixed_rows: None, block: 8, caller_memory: false, weights_file: None }
    }
}

impl COptions {
    /// The defaults: any number of rows, the file's name, static memory, weights inside.
    pub fn new() -> Self {
        Self::default()
    }

    /// What all names of the file begin with: letters, digits and `_`. That of the file unless set.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A number of rows that is always the same, and no argument: for models that take rows
    /// together, and for the smallest code.
    #[must_use]
    pub fn fixed_rows(mut self, rows: usize) -> Self {
        self.fixed_rows = Some(rows);
        self
    }

    /// How many rows are worked on at a time where their number is an argument; 8 unless set. More
    /// are faster and need more memory; with 1 the code is half as long.
    #[must_use]
    pub fn block(mut self, rows: usize) -> Self {
        self.block = rows;
        self
    }

    /// Whether the caller gives the working memory, as a last argument: then several threads can
    /// call at once. False unless set: it is static.
    #[must_use]
    pub fn caller_memory(mut self, caller: bool) -> Self {
        self.caller_memory = caller;
        self
    }

    /// A second file for the weights, which the program reads and gives to the first; needed above
    /// 16 MB of them.
    #[must_use]
    pub fn weights_file(mut self, path: impl AsRef<Path>) -> Self {
        self.weights_file = Some(path.as_ref().to_path_buf());
        self
    }
}
