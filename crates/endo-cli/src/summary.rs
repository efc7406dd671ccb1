//! What is said of a run: before the training, after it, for programs, and in the files of its
//! folder.
//!
//! In: a table, what is predicted, and the scores. Out: texts, a line of JSON, settings in TOML and
//! a page.

use endo::Result;
use endo::data::{ColumnKind, shown, shown_path};
use endo::report;
use toml::{Table as Toml, Value};

use crate::arguments::{ModelName, Training};
use crate::evaluate::number;
use crate::output::{Record, aligned, counted};
use crate::recipe::FittedModel;
use crate::row_split::RowSplit;
use crate::run_folder::{MODEL, REPORT, RunFolder, SETTINGS, report_title};
use crate::schema::{LeftOutColumn, Schema};
use crate::scores::Scores;
use crate::source::Source;
use crate::task::Goal;

/// A run, as far as it is known before the training.
pub struct Summary<'a> {
    pub source: &'a Source,
    pub goal: &'a Goal,
    pub parts: &'a RowSplit,
    /// The number of rows that have a target.
    pub rows: usize,
    pub left_out: &'a [LeftOutColumn],
    /// Its name.
    pub run: &'a str,
}

/// A run, when it is over.
pub struct Outcome {
    /// The scores of the model that was tested.
    pub judgement: Judgement,
    /// That model.
    pub tested: FittedModel,
    /// The columns that the saved model leaves out.
    pub left_out: Vec<LeftOutColumn>,
    /// Whether another is saved, which has learnt from all rows.
    pub is_refit: bool,
    /// How long the run took.
    pub seconds: f64,
}

/// The scores on the rows to test on.
pub struct Judgement {
    /// Of the model.
    pub model: Scores,
    /// Of a line.
    pub line: Option<Scores>,
    /// Of predicting the mean, or how frequent each class is.
    pub trivial: Scores,
}

/// At most this many columns are listed.
const MOST_LISTED: usize = 30;
/// At most this many of the columns that are left out are named.
const MOST_NAMED: usize = 10;

impl Summary<'_> {
    /// What is known before the training.
    pub fn describe(&self, schema: &Schema) -> Result<String> {
        let Self { source, goal, parts, .. } = self;
        let origin =
            source.origin.map_or_else(String::new, |origin| format!("\nsource   {origin}"));
        let without = source.table.len() - self.rows;
        let without = if without > 0 {
            format!(", of which {without} have no target and are left out")
        } else {
            String::new()
        };
        let validation = if parts.validation.is_empty() {
            String::new()
        } else {
            format!(", {} to validate", parts.validation.len())
        };
        let targets: Vec<String> = goal.targets().iter().map(|target| shown(target)).collect();
        let notes: String =
            source.table.notes().iter().map(|note| format!("\nnote     {note}")).collect();
        let left_out: String = self
            .left_out
            .iter()
            .take(MOST_NAMED)
            .map(|column| format!("\nleft out {column}"))
            .collect();
        let others = match self.left_out.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            count => format!("\nleft out {count} more columns of which nothing can be learnt"),
        };
        Ok(format!(
            "data     {}: {}{without}{notes}\ntarget   {}: {}{}{}\n\
                split    {} to train{validation}, {} to test{origin}\n\n{}{left_out}{others}\n",
            source.title,
            counted(source.table.len(), "row"),
            targets.join(", "),
            goal.describe(),
            if schema.date_targets.is_empty() { "" } else { ", in seconds since 1970" },
            self.classes(),
            counted(parts.train.len(), "row"),
            parts.test.len(),
            self.columns(schema)?
        ))
    }

    /// The classes, if there are any.
    fn classes(&self) -> String {
        let Goal::Classes(_, classes) = self.goal else { return String::new() };
        let named: Vec<String> = classes.iter().take(6).map(|class| shown(class)).collect();
        let more = if classes.len() > 6 { " and others" } else { "" };
        let are_numbers = classes.iter().all(|class| class.parse::<f64>().is_ok());
        let other = if are_numbers { "; --task regression predicts numbers" } else { "" };
        format!(" ({}{more}){other}", named.join(", "))
    }

    fn columns(&self, schema: &Schema) -> Result<String> {
        let described = schema.describe(&self.source.table, &self.parts.train)?;
        let mut lines = vec![["column", "type", "missing", "values"].map(String::from).to_vec()];
        for column in described.iter().take(MOST_LISTED) {
            let missing =
                if column.missing == 0 { String::new() } else { column.missing.to_string() };
            lines.push(vec![
                column.name.clone(),
                column.role.to_string(),
                missing,
                column.values.clone(),
            ]);
        }
        let more = described.len().saturating_sub(MOST_LISTED);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        Ok(aligned(&lines) + &more)
    }

    /// What is known after the training.
    pub fn conclude(&self, outcome: &Outcome, folder: &RunFolder) -> String {
        let Outcome { judgement, tested, is_refit, seconds, .. } = outcome;
        let which = if *is_refit {
            "learnt from all rows like the tested one, whose best epoch was"
        } else {
            "the tested one, of epoch"
        };
        let replaced = match &folder.replaced {
            Some(run) if run != self.run => format!(" (those of run {run} are replaced)"),
            _ => String::new(),
        };
        format!(
            "\nOn the {}\n{}\n{}\nmodel    {}, {which} {}\nreport   {}\nrun      {}{replaced}\n\
                time     {seconds:.2} s",
            counted(self.parts.test.len(), "test row"),
            self.table_of_scores(judgement),
            self.verdict(judgement),
            shown_path(&folder.path(MODEL)),
            tested.epoch,
            shown_path(&folder.path(REPORT)),
            self.run,
        )
    }

    fn table_of_scores(&self, judgement: &Judgement) -> String {
        let trivial = match self.goal {
            Goal::Regression(_) => "the training mean",
            Goal::Classes(..) => "the classes' shares",
        };
        let names = judgement.model.0.iter().map(|(name, _)| name.replace('_', " "));
        let mut lines = vec![std::iter::once(String::new()).chain(names).collect::<Vec<String>>()];
        let rows = [
            ("the model", Some(&judgement.model)),
            ("a line", judgement.line.as_ref()),
            (trivial, Some(&judgement.trivial)),
        ];
        for (who, scores) in rows {
            if let Some(Scores(scores)) = scores {
                let figures = scores.iter().map(|(_, value)| number(*value));
                lines.push(std::iter::once(who.to_string()).chain(figures).collect());
            }
        }
        aligned(&lines)
    }

    /// What to say where the model is no better than what is simpler.
    fn verdict(&self, judgement: &Judgement) -> &'static str {
        let error = judgement.model.error();
        if error >= judgement.trivial.error() {
            return match self.goal {
                Goal::Regression(_) => {
                    "No better than the mean: the columns may say nothing of the target, or more \
                        rows are needed.\n"
                }
                Goal::Classes(..) => {
                    "No better than the classes' shares: the columns may say nothing of the \
                        target, or more rows are needed.\n"
                }
            };
        }
        match &judgement.line {
            Some(line) if error > line.error() => {
                "Worse than a line: more rows may help, or other --epochs; a line may also be all \
                    there is to learn.\n"
            }
            _ => "",
        }
    }

    /// The last line for programs.
    pub fn record(&self, outcome: &Outcome, folder: &RunFolder, seed: u64) -> Record {
        let judgement = &outcome.judgement;
        let path = |name: &str| folder.path(name).to_string_lossy().into_owned();
        let record = judgement.model.record("test_", Record::default());
        let record = record.with("test_loss", judgement.model.error());
        let record = judgement.trivial.record("baseline_", record);
        let record = match &judgement.line {
            Some(line) => line.record("line_", record),
            None => record,
        };
        let left_out: Vec<String> =
            self.left_out.iter().map(|column| shown(&column.name)).collect();
        record
            .with("task", self.goal.name())
            .with("left_out", left_out)
            .with("rows", self.rows)
            .with("train_rows", self.parts.train.len())
            .with("validation_rows", self.parts.validation.len())
            .with("test_rows", self.parts.test.len())
            .with("best_epoch", outcome.tested.epoch)
            .with("refit", outcome.is_refit)
            .with("model", path(MODEL))
            .with("weights", path(MODEL))
            .with("report", path(REPORT))
            .with("settings", path(SETTINGS))
            .with("run", self.run)
            .with("seed", seed)
            .with("seconds", outcome.seconds)
    }

    /// What the folder says of the run.
    pub fn settings(
        &self,
        arguments: &Training,
        schema: &Schema,
        outcome: &Outcome,
    ) -> Result<String> {
        let Outcome { judgement, tested, .. } = outcome;
        let mut all = Toml::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_string(), value);
        put("run", self.run.into());
        put("endo", env!("CARGO_PKG_VERSION").into());
        put("data", self.source.title.as_str().into());
        put("rows", whole(self.rows));
        put("seconds", outcome.seconds.into());
        put("refit", outcome.is_refit.into());
        put("task", self.goal.name().into());
        put("targets", texts(self.goal.targets()));
        if let Goal::Classes(_, classes) = self.goal {
            put("classes", texts(classes));
        }
        put("settings", Value::Table(self.options(arguments, tested)));
        let scores = [
            ("model", Some(&judgement.model)),
            ("line", judgement.line.as_ref()),
            ("trivial", Some(&judgement.trivial)),
        ];
        let table = |Scores(scores): &Scores| {
            Value::Table(
                scores
                    .iter()
                    .map(|(name, value)| (name.to_string(), Value::from(*value)))
                    .collect(),
            )
        };
        put(
            "test",
            Value::Table(
                scores
                    .iter()
                    .filter_map(|(who, scores)| Some((who.to_string(), table((*scores)?))))
                    .collect(),
            ),
        );
        let described = schema.describe(&self.source.table, &self.parts.train)?;
        let columns = described.into_iter().map(|column| {
            let cells = [
                ("name", column.name.into()),
                ("type", column.role.into()),
                ("missing", whole(column.missing)),
            ];
            Value::Table(
                cells
                    .into_iter()
                    .chain([("values", column.values.into())])
                    .map(|(name, value)| (name.to_string(), value))
                    .collect(),
            )
        });
        put("columns", Value::Array(columns.collect()));
        let left_out =
            outcome.left_out.iter().map(|column| Value::from(column.to_string())).collect();
        put("left_out", Value::Array(left_out));
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in tested.history.epochs.iter().flat_map(|epoch| epoch.logs.iter()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let series = |name: &&str| {
            (
                name.to_string(),
                Value::Array(tested.history.get(name).into_iter().map(Value::from).collect()),
            )
        };
        put("history", Value::Table(names.iter().map(series).collect()));
        Ok(all.to_string())
    }

    fn options(&self, arguments: &Training, tested: &FittedModel) -> Toml {
        let model = match &arguments.model {
            ModelName::Tabular => "tabular".to_string(),
            ModelName::Regressor => "regressor".to_string(),
            ModelName::File(path) => path.display().to_string(),
        };
        let reading = &arguments.reading;
        let kinds = reading
            .kinds
            .iter()
            .map(|(name, kind)| format!("{name}={}", kind_name(*kind)))
            .collect::<Vec<_>>();
        let pairs: [(&str, Option<Value>); 19] = [
            ("model", Some(model.into())),
            ("epochs", arguments.epochs.map(whole)),
            ("batch_size", arguments.batch_size.map(whole)),
            ("learning_rate", arguments.learning_rate.map(Value::from)),
            ("reconstruction", arguments.reconstruction.map(Value::from)),
            ("balanced", Some(arguments.balanced.into())),
            ("seed", Some(arguments.seed.to_string().into())),
            ("split_seed", Some(arguments.split_seed.to_string().into())),
            ("test", Some(arguments.test.into())),
            ("validation", arguments.validation.map(Value::from)),
            ("no_refit", Some((!arguments.refit).into())),
            ("task", arguments.task.map(|task| format!("{task:?}").to_lowercase().into())),
            ("type", (!kinds.is_empty()).then(|| texts(&kinds))),
            ("missing", (!reading.missing.is_empty()).then(|| texts(&reading.missing))),
            ("delimiter", reading.delimiter.map(|mark| mark.to_string().into())),
            ("decimal", reading.decimal.map(|mark| mark.to_string().into())),
            ("header", reading.header.map(Value::from)),
            ("day_first", reading.day_first.map(Value::from)),
            ("best_epoch", Some(whole(tested.epoch))),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect()
    }

    /// The page with the figures of the training.
    pub fn report(&self, schema: &Schema, outcome: &Outcome) -> Result<String> {
        let Outcome { judgement, tested, .. } = outcome;
        let title = report_title(&self.source.title, self.run);
        let tables = [
            format!(
                "Scores on the {}, in the unit of the target",
                counted(self.parts.test.len(), "test row")
            ),
            self.table_of_scores(judgement),
            "Columns".to_string(),
            self.columns(schema)?,
        ];
        let [scores, rows, columns, described] = &tables;
        let sections = [(scores.as_str(), rows.as_str()), (columns.as_str(), described.as_str())];
        Ok(report::html_with(&title, &tested.history, &tested.model.structure(), &sections))
    }
}

/// The word for a kind, as it is said on the command line.
fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Number => "number",
        ColumnKind::Word => "category",
        ColumnKind::Time => "date",
        ColumnKind::Ignored => "ignore",
    }
}

fn whole(count: usize) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| Value::from(text.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_simpler_and_better_is_named() {
        let table = endo::data::Table::from_columns([("x", vec![1.0]), ("y", vec![1.0])]).unwrap();
        let source =
            Source { title: "t".to_string(), origin: None, targets: vec!["y".to_string()], table };
        let goal = Goal::Regression(source.targets.clone());
        let parts = RowSplit { train: vec![0], validation: vec![], test: vec![0] };
        let summary = Summary {
            source: &source,
            goal: &goal,
            parts: &parts,
            rows: 1,
            left_out: &[],
            run: "1",
        };
        let scores = |mse: f64| Scores(vec![("mse", mse)]);
        let verdict = |model: f64, line: Option<f64>| {
            summary.verdict(&Judgement {
                model: scores(model),
                line: line.map(scores),
                trivial: scores(4.0),
            })
        };
        assert!(verdict(4.0, Some(1.0)).starts_with("No better than the mean"));
        assert!(verdict(2.0, Some(1.0)).starts_with("Worse than a line"));
        assert_eq!([verdict(1.0, Some(2.0)), verdict(1.0, None)], ["", ""]);
    }
}
