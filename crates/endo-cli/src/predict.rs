//! Predicting the rows of a table, in parts, so that tables of any size are.
//!
//! In: a model, and a table with its columns in any order. Out: a table with a row for each row:
//! `prediction`, or `prediction NAME` of several targets, and `probability CLASS` of classes; or an
//! object of JSON with these for each row.

use std::io::{self, Write};
use std::path::Path;

use endo::data::shown_path;
use endo::files::Draft;
use endo::{Error, ErrorKind, Result};

use crate::arguments::{Application, STANDARD};
use crate::model_file::TableModel;
use crate::output::{Record, counted, warn};
use crate::scores::likeliest;
use crate::source::Blocks;
use crate::task::Goal;

/// The number of rows that are predicted at once.
const ROWS: usize = 8192;

/// Predicts all rows.
///
/// # Errors
/// What is wrong with the model, with the table by row, line and column, or with the place of the
/// results; nothing is left then.
pub fn predict(arguments: &Application) -> Result<()> {
    let model = TableModel::read(&arguments.model, arguments.threads)?;
    for warning in &model.warnings {
        warn(warning);
    }
    let mut blocks = Blocks::open(&arguments.data, &arguments.reading, &model.schema, ROWS)?;
    if arguments.out == Path::new(STANDARD) {
        let mut to = io::BufWriter::new(io::stdout().lock());
        let written = write(
            &model,
            &mut blocks,
            &mut to,
            &Destination::StandardOutput { is_json: arguments.printing.json },
        );
        return match written.and_then(|_| to.flush().map_err(unwritten)) {
            Err(error) if error.message() == CLOSED => Ok(()),
            result => result,
        };
    }
    let mut draft = Draft::new(&arguments.out)?;
    let rows = write(&model, &mut blocks, &mut draft, &Destination::File(&arguments.out))?;
    draft.finish()?;
    if arguments.printing.json {
        println(
            Record::default()
                .with("rows", rows)
                .with("predictions", arguments.out.to_string_lossy().into_owned()),
        );
    } else if !arguments.printing.quiet {
        println(format_args!("{} predicted: {}", counted(rows, "row"), shown_path(&arguments.out)));
    }
    Ok(())
}

fn println(text: impl std::fmt::Display) {
    // The predictions are written; who does not read this line does not want it.
    let _ = writeln!(io::stdout(), "{text}");
}

/// The message of an error that only says that nobody reads any more.
const CLOSED: &str = "the reader has gone";

/// Where predictions go.
enum Destination<'a> {
    /// As CSV, or as an object of JSON for each row.
    StandardOutput { is_json: bool },
    /// As CSV.
    File(&'a Path),
}

/// Writes predictions, a line for each row.
enum Lines<'a> {
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
    /// With the names of what is predicted.
    Json(&'a mut dyn Write, Vec<String>),
}

impl<'a> Lines<'a> {
    /// Writes the header, if there is one.
    fn begin(to: &'a mut dyn Write, header: Vec<String>, is_json: bool) -> io::Result<Self> {
        if is_json {
            return Ok(Self::Json(to, header));
        }
        let mut cells = csv::WriterBuilder::new().from_writer(to);
        cells.write_record(header).map_err(cause)?;
        Ok(Self::Csv(Box::new(cells)))
    }

    fn write(&mut self, goal: &Goal, outputs: &[f64]) -> io::Result<()> {
        match self {
            Self::Csv(cells) => cells.write_record(record(goal, outputs)).map_err(cause),
            Self::Json(to, names) => {
                let mut names = names.iter();
                let start = match goal {
                    Goal::Regression(_) => Record::default(),
                    Goal::Classes(_, classes) => {
                        named(Record::default(), names.next(), classes[likeliest(outputs)].as_str())
                    }
                };
                writeln!(
                    to,
                    "{}",
                    outputs.iter().fold(start, |record, &value| named(record, names.next(), value))
                )
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(cells) => cells.flush(),
            Self::Json(to, _) => to.flush(),
        }
    }
}

fn named(record: Record, name: Option<&String>, value: impl Into<serde_json::Value>) -> Record {
    record.with(name.map_or("", String::as_str), value)
}

/// What the system says, of which the crate hides the kind.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Writes the header and all rows, and says how many there are.
fn write(
    model: &TableModel,
    blocks: &mut Blocks,
    to: &mut dyn Write,
    destination: &Destination,
) -> Result<usize> {
    let failed = |error: io::Error| match destination {
        Destination::File(path) => {
            let message = format!("cannot write {}: {error}", shown_path(path));
            Error::new(ErrorKind::Io, message)
                .help("check the path, the permissions and the space left")
        }
        Destination::StandardOutput { .. } => unwritten(error),
    };
    let is_json = matches!(destination, Destination::StandardOutput { is_json: true });
    let mut lines = Lines::begin(to, header(&model.goal), is_json).map_err(failed)?;
    let mut rows = 0;
    while let Some(table) = blocks.next()? {
        for (row, outputs) in
            model.predict_block(&table, rows)?.chunks_exact(model.goal.outputs()).enumerate()
        {
            if let Some(value) = outputs.iter().find(|value| !value.is_finite()) {
                let message =
                    format!("{}: the prediction is {value}, which is no number", table.place(row));
                return Err(Error::new(ErrorKind::NotFinite, message)
                    .help("a cell of this row is far from all that was learnt"));
            }
            lines.write(&model.goal, outputs).map_err(failed)?;
            rows += 1;
        }
    }
    lines.flush().map_err(failed)?;
    Ok(rows)
}

fn unwritten(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(ErrorKind::Io, CLOSED),
        _ => {
            let message = format!("cannot write to standard output: {error}");
            Error::new(ErrorKind::Io, message)
                .help("check where it is redirected to, and the space left there")
        }
    }
}

fn header(goal: &Goal) -> Vec<String> {
    match goal {
        Goal::Regression(targets) if targets.len() == 1 => vec!["prediction".to_string()],
        Goal::Regression(targets) => {
            targets.iter().map(|target| format!("prediction {target}")).collect()
        }
        Goal::Classes(_, classes) => {
            let probabilities = classes.iter().map(|class| format!("probability {class}"));
            std::iter::once("prediction".to_string()).chain(probabilities).collect()
        }
    }
}

/// What is predicted of a row. Numbers are written so that they are read as the same bits.
fn record(goal: &Goal, outputs: &[f64]) -> Vec<String> {
    let numbers = outputs.iter().map(|value| format!("{value:?}"));
    match goal {
        Goal::Regression(_) => numbers.collect(),
        Goal::Classes(_, classes) => {
            std::iter::once(classes[likeliest(outputs)].clone()).chain(numbers).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_and_classes_have_probabilities() {
        let one = Goal::Regression(vec!["a".to_string()]);
        let two = Goal::Regression(vec!["a".to_string(), "b".to_string()]);
        let classes = Goal::Classes("y".to_string(), vec!["no".to_string(), "yes".to_string()]);
        assert_eq!(
            (header(&one), record(&one, &[0.1])),
            (vec!["prediction".to_string()], vec!["0.1".to_string()])
        );
        assert_eq!(header(&two), ["prediction a", "prediction b"]);
        assert_eq!(header(&classes), ["prediction", "probability no", "probability yes"]);
        assert_eq!(record(&classes, &[0.25, 0.75]), ["yes", "0.25", "0.75"]);
        assert_eq!(record(&two, &[1.0, 1e300]), ["1.0", "1e300"]);
    }
}
