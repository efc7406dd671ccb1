//! Where in a program something was asked for: what errors and warnings point at.
//!
//! In: the caller's line in Rust, or a line of another text. Out: [`Site`], a file with a line.

use std::fmt;
use std::panic::Location;

/// A line of a program: of Rust code, or of a text that another language or a configuration has.
///
/// ```
/// use endo::Site;
/// let here = Site::caller();
/// assert!(here.to_string().starts_with(&format!("{}:{}:", here.file(), here.line())));
/// assert_eq!(Site::new("model.toml", 3).to_string(), "model.toml:3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    file: &'static str,
    line: u32,
    /// Counted from 1; 0 where the line is all that is known.
    column: u32,
}

impl Site {
    /// A line, counted from 1, of a text that is not Rust code.
    pub const fn new(file: &'static str, line: u32) -> Self {
        Self { file, line, column: 0 }
    }

    /// The line that calls the function that calls this, as [`Location::caller`] finds it.
    #[track_caller]
    pub const fn caller() -> Self {
        let location = Location::caller();
        Self { file: location.file(), line: location.line(), column: location.column() }
    }

    /// The name of the file.
    pub const fn file(&self) -> &'static str {
        self.file
    }

    /// The line, counted from 1.
    pub const fn line(&self) -> u32 {
        self.line
    }
}

/// As editors read it: `src/main.rs:12:5`, or `train.py:12` where no column is known.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match self.column {
            0 => Ok(()),
            column => write!(f, ":{column}"),
        }
    }
}
