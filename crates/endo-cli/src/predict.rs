//! Predicting the rows of a table, in parts, so that tables of any size are.
//!
//! In: a model, and a table with its columns in any order. Out: a table with a row for each row: `prediction`, or `prediction NAME` of
//! several targets, and `probability CLASS` of classes.

use std::io::{self, Write};
use std::path::Path;

use endo::files::Draft;
use endo::{Error, ErrorKind, Result};

use crate::arguments::{Application, STANDARD};
use crate::model_file::TableModel;
use crate::output::Record;
use crate::run_folder::warn;
use crate::scores::likeliest;
use crate::source::Blocks;
use crate::task::Goal;

/// So many rows are predicted at once.
const ROWS: usize = 8192;

/// Predicts all rows.
///
/// # Errors
/// What is wrong with the model, with the table by row, line and column, or with the place of the results; nothing is left then.
pub fn predict(arguments: &Application) -> Result<()> {
    let model = TableModel::read(&arguments.model, arguments.threads)?;
    model.warnings.iter().for_each(|warning| warn(warning));
    let mut blocks = Blocks::open(&arguments.data, &arguments.reading, &model.schema, ROWS)?;
    if arguments.out == Path::new(STANDARD) {
        let mut to = io::BufWriter::new(io::stdout().lock());
        return match write(&model, &mut blocks, &mut to, None).and_then(|rows| to.flush().map(|()| rows).map_err(unwritten)) {
            Err(error) if error.message() == CLOSED => Ok(()),
            result => result.map(|_| ()),
        };
    }
    let mut draft = Draft::new(&arguments.out)?;
    let rows = write(&model, &mut blocks, &mut draft, Some(&arguments.out))?;
    draft.finish()?;
    let out = arguments.out.display();
    if arguments.printing.json {
        println(Record::default().with("rows", rows).with("predictions", out.to_string()));
    } else if !arguments.printing.quiet {
        println(format_args!("{rows} rows predicted: {out}"));
    }
    Ok(())
}

fn println(text: impl std::fmt::Display) {
    // The predictions are written; who does not read this line does not want it.
    let _ = writeln!(io::stdout(), "{text}");
}

/// The message of an error that only says that nobody reads any more.
const CLOSED: &str = "the reader has gone";

/// Writes the header and all rows, and says how many there are.
fn write(model: &TableModel, blocks: &mut Blocks, to: &mut dyn Write, path: Option<&Path>) -> Result<usize> {
    let failed = |error: io::Error| match path {
        Some(path) => {
            let message = format!("cannot write {}: {error}", path.display());
            Error::new(ErrorKind::Io, message).help("check the path, the permissions and the space left")
        }
        None => unwritten(error),
    };
    let mut cells = csv::WriterBuilder::new().from_writer(to);
    let as_io = |error: csv::Error| failed(error.into());
    cells.write_record(header(&model.goal)).map_err(as_io)?;
    let mut rows = 0;
    while let Some(table) = blocks.next()? {
        for row in model.predict(&table)?.chunks_exact(model.goal.outputs()) {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                let message = format!("{}: the prediction is {value}, which is no number", table.place(rows % ROWS));
                return Err(Error::new(ErrorKind::NotFinite, message).help("a cell of this row is far from all that was learnt"));
            }
            cells.write_record(record(&model.goal, row)).map_err(as_io)?;
            rows += 1;
        }
    }
    cells.flush().map_err(failed)?;
    Ok(rows)
}

fn unwritten(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(ErrorKind::Io, CLOSED),
        _ => {
            let message = format!("cannot write to standard output: {error}");
            Error::new(ErrorKind::Io, message).help("check where it is redirected to, and the space left there")
        }
    }
}

fn header(goal: &Goal) -> Vec<String> {
    match goal {
        Goal::Regression(targets) if targets.len() == 1 => vec!["prediction".to_string()],
        Goal::Regression(targets) => targets.iter().map(|target| format!("prediction {target}")).collect(),
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
        Goal::Classes(_, classes) => std::iter::once(classes[likeliest(outputs)].clone()).chain(numbers).collect(),
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
        assert_eq!((header(&one), record(&one, &[0.1])), (vec!["prediction".to_string()], vec!["0.1".to_string()]));
        assert_eq!(header(&two), ["prediction a", "prediction b"]);
        assert_eq!(header(&classes), ["prediction", "probability no", "probability yes"]);
        assert_eq!(record(&classes, &[0.25, 0.75]), ["yes", "0.25", "0.75"]);
        assert_eq!(record(&two, &[1.0, 1e300]), ["1.0", "1e300"]);
    }
}
