//! What the command prints.
//!
//! In: texts and numbers. Out: lines on standard output, as text, as tables or as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use endo::training::{Callback, Epoch, Training};
use endo::{Error, ErrorKind, Result};
use serde_json::Value;

/// Lines on standard output. When its reader has gone, they go nowhere, and the work goes on.
pub struct Output<W = io::Stdout> {
    to: W,
    closed: bool,
    quiet: bool,
}

impl Output {
    /// Standard output; if `quiet`, for results alone.
    pub fn stdout(quiet: bool) -> Self {
        Self { to: io::stdout(), closed: false, quiet }
    }

    /// Prints nothing at all, if `silent`.
    #[must_use]
    pub fn silent(mut self, silent: bool) -> Self {
        self.closed |= silent;
        self
    }
}

impl<W: Write> Output<W> {
    /// Prints a line, or several, unless it is quiet.
    ///
    /// # Errors
    /// As those of [`result`](Self::result).
    pub fn line(&mut self, text: impl std::fmt::Display) -> Result<()> {
        if self.quiet { Ok(()) } else { self.result(text) }
    }

    /// Prints a line that was asked for.
    ///
    /// # Errors
    /// If it cannot be written for another reason than that nobody reads it.
    pub fn result(&mut self, text: impl std::fmt::Display) -> Result<()> {
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
                Err(Error::new(ErrorKind::Io, message)
                    .help("check where it is redirected to, and the space left there"))
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
        let _ =
            write!(self.0, "{separator}{}:{}", escaped(&Value::from(name)), escaped(&value.into()));
        self
    }
}

/// A value in JSON, in which also letters that nobody sees, or that a terminal obeys, are escaped.
/// It means the same.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_graphic() || letter == ' ' || letter.escape_debug().count() == 1 {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

/// Prints a JSON object for every epoch: its number, the loss, its terms, the metrics, all again
/// with `val_`, and seconds.
pub struct EpochRecords<'a>(pub &'a mut Output);

impl Callback for EpochRecords<'_> {
    fn epoch_end(&mut self, epoch: usize, report: &Epoch, _: &Training) -> Result<()> {
        let record = report
            .logs
            .iter()
            .fold(Record::default().with("epoch", epoch + 1), |record, (name, value)| {
                record.with(name, value)
            });
        self.0.line(record.with("seconds", report.seconds))
    }
}

/// A number of things: `1 row`, `2 rows`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Lines of cells under each other, the first line being the header: names in the first column and
/// words aligned to the left, figures to the right.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let is_figure = |cell: &String| {
        cell.is_empty()
            || (!cell.contains(' ') && cell.contains(|letter: char| letter.is_ascii_digit()))
    };
    let are_figures: Vec<bool> = (0..columns)
        .map(|column| {
            column > 0 && lines.iter().skip(1).filter_map(|line| line.get(column)).all(is_figure)
        })
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let start = text.len();
        for (column, cell) in line.iter().enumerate() {
            let gap = " ".repeat(widths[column] - cell.chars().count());
            text += &if are_figures[column] {
                format!("  {gap}{cell}")
            } else {
                format!("  {cell}{gap}")
            };
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text.pop();
    text
}

/// Warns on standard error.
pub fn warn(warning: &str) {
    // There is nowhere left to report a failure to warn.
    let _ = writeln!(io::stderr(), "warning: {warning}");
}

/// An error with more to say before its message.
pub fn within(place: &str, error: Error) -> Error {
    let message = format!("{place}: {}", error.message());
    error.with_message(message)
}

#[cfg(test)]
mod tests {
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
        let mut closed =
            Output { to: Failing(io::ErrorKind::BrokenPipe), closed: false, quiet: false };
        assert!(closed.line("a").is_ok() && closed.closed && closed.line("b").is_ok());
        let error = Output { to: Failing(io::ErrorKind::StorageFull), closed: false, quiet: false }
            .line("a")
            .unwrap_err();
        assert!(error.message().starts_with("cannot write to standard output: "), "{error}");
    }

    #[test]
    fn records_keep_their_order_and_are_json() {
        let record = Record::default()
            .with("z", 1)
            .with("a \"b\"", 0.5)
            .with("c", f64::NAN)
            .with("d", "x\n");
        assert_eq!(record.to_string(), r#"{"z":1,"a \"b\"":0.5,"c":null,"d":"x\n"}"#);
        assert_eq!(Record::default().to_string(), "{}");
        let text = Record::default().with("ö\u{200b}", "\u{9b}1m\u{7f}\u{e0041}\"").to_string();
        assert_eq!(text, r#"{"ö\u200b":"\u009b1m\u007f\udb40\udc41\""}"#);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["ö\u{200b}"],
            "\u{9b}1m\u{7f}\u{e0041}\""
        );
    }

    #[test]
    fn cells_are_aligned() {
        let lines = [["", "rmse", "r2"], ["the model", "0.5", "0.9"], ["é", "10.25", ""]]
            .map(|line| line.map(String::from).to_vec());
        assert_eq!(
            aligned(&lines),
            "              rmse   r2\n  the model    0.5  0.9\n  é          10.25"
        );
        let lines =
            [["column", "missing"], ["x1", "3"]].map(|line| line.map(String::from).to_vec());
        assert_eq!(aligned(&lines), "  column  missing\n  x1            3");
        assert_eq!(aligned(&[]), "");
    }
}
