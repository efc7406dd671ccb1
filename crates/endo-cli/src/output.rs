//! What the command prints, and the file it writes.
//!
//! In: texts and numbers. Out: lines on standard output, as text or as JSON; places for files that were tried before they
//! are needed.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use endo::training::{Callback, Epoch, Training};
use endo::{Error, ErrorKind, Result, files};
use serde_json::Value;

/// Lines on standard output. When its reader has gone, they go nowhere, and the work goes on.
pub struct Output<W = io::Stdout> {
    to: W,
    closed: bool,
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { to: io::stdout(), closed: false }
    }
}

impl<W: Write> Output<W> {
    /// Prints a line, or several.
    ///
    /// # Errors
    /// If it cannot be written for another reason than that nobody reads it.
    pub fn line(&mut self, text: impl std::fmt::Display) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match writeln!(self.to, "{text}").and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => {
                let message = format!("cannot write to standard output: {error}");
                Err(Error::new(ErrorKind::Io, message).help("check where it is redirected to, and the space left there"))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// A JSON object whose names stay in the order they were given in.
#[derive(Default)]
pub struct Record(String);

impl Record {
    /// With another name and value; a number that is not finite is `null`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let separator = if self.0.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{separator}{}:{}", Value::from(name), value.into());
        self
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

/// Prints a JSON object for every epoch: its number, the loss, its terms, the metrics, all again with `val_`, and seconds.
pub struct EpochRecords<'a>(pub &'a mut Output);

impl Callback for EpochRecords<'_> {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        let record =
            report.logs.iter().fold(Record::default().with("epoch", epoch + 1), |record, (name, value)| record.with(name, value));
        self.0.line(record.with("seconds", report.seconds))
    }
}

/// A file in a folder, which is made if it is missing. Fails now if the file could not be written later.
pub fn output_path(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let help = "choose another folder with --out FOLDER, or change its permissions";
    files::try_out(&path).map(|()| path).map_err(|error| error.help(help))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut closed = Output { to: Failing(io::ErrorKind::BrokenPipe), closed: false };
        assert!(closed.line("a").is_ok() && closed.closed && closed.line("b").is_ok());
        let error = Output { to: Failing(io::ErrorKind::StorageFull), closed: false }.line("a").unwrap_err();
        assert!(error.message().starts_with("cannot write to standard output: "), "{error}");
    }

    #[test]
    fn records_keep_their_order_and_are_json() {
        let record = Record::default().with("z", 1).with("a \"b\"", 0.5).with("c", f64::NAN).with("d", "x\n");
        assert_eq!(record.to_string(), r#"{"z":1,"a \"b\"":0.5,"c":null,"d":"x\n"}"#);
        assert_eq!(Record::default().to_string(), "{}");
    }

    #[test]
    fn a_folder_for_files_is_made_and_left_empty() {
        let folder = std::env::temp_dir().join(format!("endo-output-{}/a/b", std::process::id()));
        assert_eq!(output_path(&folder, "weights").unwrap(), folder.join("weights"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::create_dir(folder.join("weights")).unwrap();
        assert!(output_path(&folder, "weights").unwrap_err().message().contains("there is a folder of that name"));
        fs::remove_dir_all(folder.ancestors().nth(2).unwrap()).unwrap();
    }
}
