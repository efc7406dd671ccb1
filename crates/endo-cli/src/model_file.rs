//! A model for tables as one file: what predicts, the columns it predicts from, and what it
//! predicts.
//!
//! In: a trained model with its [`Schema`] and [`Goal`]; or the path of such a file, or of the
//! folder of a run. Out: the file `model.endo`; or a [`TableModel`]. The file is a predictor of the
//! library, whose note is an object of JSON with the rest.

use std::fs;
use std::path::{Path, PathBuf};

use endo::data::{listed, shown_path};
use endo::files;
use endo::prelude::*;
use serde_json::{Value, json};

use crate::arguments::Application;
use crate::output::{Output, Record, warn};
use crate::run_folder::{MODEL, REPORT, SETTINGS, run_of_report, run_of_settings};
use crate::schema::{Input, Role, Schema};
use crate::task::Goal;

/// The number of the format of the note; to be raised when it says things otherwise.
const FORMAT: u64 = 1;

/// A model that predicts a column of tables.
pub struct TableModel {
    /// What it predicts from.
    pub schema: Schema,
    /// What it predicts.
    pub goal: Goal,
    /// The run that it is from.
    pub run: String,
    /// What is odd about the files of the run.
    pub warnings: Vec<String>,
    predictor: Predictor,
}

/// The text that makes a predictor a model for tables.
pub fn note(schema: &Schema, goal: &Goal, run: &str) -> String {
    let column = |input: &Input| match &input.role {
        Role::Number => json!({"name": input.name, "type": "number"}),
        Role::Time => json!({"name": input.name, "type": "date"}),
        Role::Category { words, has_missing } => {
            json!({
                "name": input.name,
                "type": "category",
                "words": words,
                "has_missing": has_missing
            })
        }
    };
    let goal = match goal {
        Goal::Regression(targets) => json!({"task": "regression", "targets": targets}),
        Goal::Classes(target, classes) => {
            json!({"task": "classification", "targets": [target], "classes": classes})
        }
    };
    let columns: Vec<Value> = schema.inputs.iter().map(column).collect();
    let marks = json!({
        "decimal": schema.decimal.map(String::from),
        "day_first": schema.day_first,
        "missing": schema.missing,
        "dates": schema.date_targets
    });
    json!({
        "format": FORMAT,
        "endo": env!("CARGO_PKG_VERSION"),
        "run": run,
        "goal": goal,
        "columns": columns,
        "marks": marks
    })
    .to_string()
}

impl TableModel {
    /// Reads a model's file, or that of a run's folder.
    ///
    /// # Errors
    /// If there is no such file, it is damaged, of a newer format, or no model for tables.
    pub fn read(path: &Path, threads: Option<usize>) -> Result<Self> {
        let file = model_path(path);
        let predictor = Predictor::load(&file)?;
        let refuse = |what: String, help: &str| {
            Error::new(ErrorKind::Data, format!("{}: {what}", shown_path(&file))).help(help)
        };
        if predictor.note().is_empty() {
            let help =
                "give a model.endo that `endo train` wrote; predictors are loaded by the library";
            return Err(refuse(
                "this is a predictor without the columns of a table".to_string(),
                help,
            ));
        }
        let again = "copy the whole file again, or train again";
        let note: Value = serde_json::from_str(predictor.note()).map_err(|error| {
            refuse(format!("what it says of its columns makes no sense: {error}"), again)
        })?;
        if note["format"].as_u64().is_some_and(|format| format > FORMAT) {
            let message =
                format!("it has format {}, and this program reads format {FORMAT}", note["format"]);
            return Err(refuse(message, "use the version of endo that wrote it, or a newer one"));
        }
        let (schema, goal, run) = parse(&note).ok_or_else(|| {
            refuse("what it says of its columns makes no sense".to_string(), again)
        })?;
        let expected = [schema.inputs.len(), goal.outputs()];
        let has = |specs: &[TensorSpec], width: usize| {
            let [spec] = specs else { return false };
            spec.sizes() == [None, Some(width)]
        };
        if !has(predictor.inputs(), expected[0]) || !has(predictor.outputs(), expected[1]) {
            return Err(refuse("its columns are not those of its graph".to_string(), again));
        }
        let predictor = match threads {
            Some(threads) => predictor.threads(threads),
            None => predictor,
        };
        let warnings = if path.is_dir() { strangers(path, &run) } else { Vec::new() };
        Ok(Self { schema, goal, run, warnings, predictor })
    }

    /// Numbers `[rows, targets]` in the units of the targets, or probabilities `[rows, classes]`,
    /// for all rows of a block of a table whose first row has the number `first_row` in the whole.
    /// All blocks together are one call of `predict`, so that a model that draws random numbers
    /// draws other ones for each row.
    ///
    /// # Errors
    /// If the table lacks a column, or one holds something else than in training.
    pub fn predict_block(&self, table: &Table, first_row: usize) -> Result<Vec<f64>> {
        let inputs = self.schema.encode(table)?;
        self.predictor.predict_part(0, first_row, &[inputs]).map(|outputs| outputs[0].to_vec())
    }

    /// The same for all rows of a table, as the schema encodes them.
    ///
    /// # Errors
    /// If they have another number of columns.
    pub fn predict_encoded(&self, inputs: &Array) -> Result<Vec<f64>> {
        Ok(self.predictor.predict_call(0, inputs)?.to_vec())
    }
}

/// The file of a model that is named by itself or by the folder of its run.
pub fn model_path(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() }
}

/// Writes the predictor in a model's file by itself. Its input are the columns as the schema
/// encodes them.
///
/// # Errors
/// If the model cannot be read, or the file not be written.
pub fn export(arguments: &Application) -> Result<()> {
    let model = TableModel::read(&arguments.model, None)?;
    for warning in &model.warnings {
        warn(warning);
    }
    let path = model_path(&arguments.model);
    let bytes = fs::read(&path).map_err(|error| {
        let message = format!("cannot read {}: {error}", shown_path(&path));
        Error::new(ErrorKind::Io, message).help("check the path and the permissions")
    })?;
    files::write(&arguments.out, &[&bytes])?;
    let mut output = Output::stdout(arguments.printing.quiet);
    if arguments.printing.json {
        return output.result(
            Record::default().with("predictor", arguments.out.to_string_lossy().into_owned()),
        );
    }
    output.line(format_args!(
        "predictor  {}\ninput      f64[rows, {}]: {}\noutput     f64[rows, {}]",
        shown_path(&arguments.out),
        model.schema.inputs.len(),
        listed(model.schema.inputs.iter().map(|input| input.name.as_str())),
        model.goal.outputs()
    ))
}

fn parse(note: &Value) -> Option<(Schema, Goal, String)> {
    let texts = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_string)).collect()
    };
    let column = |column: &Value| {
        let role = match column["type"].as_str()? {
            "number" => Role::Number,
            "date" => Role::Time,
            "category" => Role::Category {
                words: texts(&column["words"])?,
                has_missing: column["has_missing"].as_bool()?,
            },
            _ => return None,
        };
        Some(Input { name: column["name"].as_str()?.to_string(), role })
    };
    let inputs = note["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?;
    let goal = &note["goal"];
    let targets = texts(&goal["targets"]).filter(|targets| !targets.is_empty())?;
    let goal = match goal["task"].as_str()? {
        "regression" => Goal::Regression(targets),
        "classification" => Goal::Classes(targets.into_iter().next()?, texts(&goal["classes"])?),
        _ => return None,
    };
    let marks = &note["marks"];
    let decimal = marks["decimal"].as_str().and_then(|mark| mark.chars().next());
    let [missing, date_targets] =
        ["missing", "dates"].map(|name| texts(&marks[name]).unwrap_or_default());
    let schema =
        Schema { inputs, decimal, day_first: marks["day_first"].as_bool(), missing, date_targets };
    Some((schema, goal, note["run"].as_str()?.to_string()))
}

/// What to say of files in a run's folder that are from another run than the model.
fn strangers(folder: &Path, run: &str) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    [(SETTINGS, run_of_settings(&read(SETTINGS))), (REPORT, run_of_report(&read(REPORT)))]
        .into_iter()
        .filter_map(|(name, other)| {
            let other = other.filter(|other| other != run)?;
            let path = shown_path(&folder.join(name));
            Some(format!(
                "{path} is of run {other}, and the model beside it of run {run}: they do \
                not belong together"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let inputs = vec![
            Input { name: "rooms \"a\"\n".to_string(), role: Role::Number },
            Input { name: "sold".to_string(), role: Role::Time },
            Input {
                name: "town".to_string(),
                role: Role::Category {
                    words: vec!["Größe".to_string(), "1".to_string()],
                    has_missing: true,
                },
            },
        ];
        let (missing, date_targets) = (vec!["-999".to_string()], vec!["b".to_string()]);
        let schema =
            Schema { inputs, decimal: Some(','), day_first: Some(true), missing, date_targets };
        for goal in [
            Goal::Regression(vec!["a".to_string(), "b".to_string()]),
            Goal::Classes("y".to_string(), vec!["no".to_string(), "yes".to_string()]),
        ] {
            let note: Value = serde_json::from_str(&note(&schema, &goal, "1f")).unwrap();
            assert_eq!(parse(&note), Some((schema.clone(), goal, "1f".to_string())));
        }
        for broken in
            ["{}", "[]", r#"{"columns":[],"goal":{"task":"regression","targets":[]},"run":"1"}"#]
        {
            assert_eq!(parse(&serde_json::from_str(broken).unwrap()), None);
        }
    }
}
