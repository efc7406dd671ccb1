//! Training: from a table to a model in a folder, with what it is worth.
//!
//! In: arguments. Out: lines on the columns, every epoch and the scores; and the folder of the run.
//! The model is judged by rows that it has not seen; what is saved has then learnt from all rows in
//! the same way, unless that is not wanted.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use endo::data::{ColumnKind, shown};
use endo::prelude::*;
use endo::training::Progress;

use crate::arguments::{ModelName, STANDARD, Training};
use crate::evaluate::scores;
use crate::model_file::note;
use crate::output::{EpochRecords, Output, counted};
use crate::ranks::Ranks;
use crate::recipe::{FittedModel, Learnable, Recipe};
use crate::row_split::RowSplit;
use crate::run_folder::{MODEL, RunFolder};
use crate::run_hash::run_name;
use crate::schema::{Exclusion, LeftOutColumn, Schema, plain};
use crate::scores::Scores;
use crate::source::Source;
use crate::summary::{Judgement, Outcome, Summary};
use crate::tabular::{Problem, Task};
use crate::task::Goal;

/// Does all that was asked for.
///
/// # Errors
/// What is wrong with the data or the folder, before anything is trained; a number that is not
/// finite, while training or in the test; what cannot be written.
pub fn train(arguments: &Training, ranks: Option<&Ranks>) -> Result<()> {
    let start = Instant::now();
    let writes = Ranks::writes(ranks);
    let mut output = Output::stdout(arguments.printing.quiet).silent(!writes);
    require_files(arguments, ranks)?;
    let several = ranks.filter(|ranks| ranks.link.ranks() > 1 && arguments.data.is_some());
    // Ranks share files in it before anything is learnt.
    let claimed = several.map(|_| claim(arguments, writes)).transpose()?;
    let mut notes = Vec::new();
    let is_claimed = claimed.as_ref().is_some_and(RunFolder::is_claimed);
    let cached = several
        .map(|ranks| with_cache(ranks, (&arguments.out, is_claimed), &mut notes))
        .transpose()?;
    let ranks = cached.as_ref().or(ranks);
    let cache = Ranks::cache(ranks);
    let source = Source::read(arguments, cache, &mut notes);
    tell(&notes, writes);
    let source = source?;
    let table = &source.table;
    let in_source = |error: Error| crate::output::within(&source.title, error);
    let goal = Goal::find(table, &source.targets, arguments.task).map_err(in_source)?;
    let targets = Ranks::place(ranks, goal.encode(table).map_err(in_source)?)?;
    let rows = rows_with_target(&targets, table.len(), &goal);
    check_varies(table, &goal, &targets, &rows).map_err(in_source)?;
    let classes = matches!(goal, Goal::Classes(..)).then(|| targets.to_vec::<f64>());
    // Each net of the model for tables leaves out rows of its own.
    let validation = if arguments.model == ModelName::Tabular {
        0.0
    } else {
        arguments.validation.unwrap_or(0.25)
    };
    let parts = RowSplit::split(
        &rows,
        classes.as_deref(),
        [arguments.test, validation],
        arguments.split_seed,
    )
    .map_err(in_source)?;
    let class_weight = class_weight(arguments, &goal, classes.as_deref(), &parts.learnable())?;
    let recipe = Recipe::new(arguments, class_weight, ranks)?;
    let view = View { source: &source, goal: &goal, targets: &targets, arguments, ranks };
    let (schema, left_out) = view.schema(&parts.train).map_err(in_source)?;
    let run = run_name(table, &source.targets, arguments);
    let late;
    let folder = match &claimed {
        Some(folder) => folder,
        None => {
            late = claim(arguments, writes)?;
            &late
        }
    };
    let summary = Summary {
        source: &source,
        goal: &goal,
        parts: &parts,
        rows: rows.len(),
        left_out: &left_out,
        run: &run,
    };
    if !arguments.printing.json {
        output.line(summary.describe(&schema)?)?;
    }
    let problem = view.problem(&schema);
    let (all, train) =
        (view.dataset(&schema, &parts.learnable())?, view.dataset(&schema, &parts.train)?);
    let watched = if parts.validation.is_empty() {
        None
    } else {
        Some(view.dataset(&schema, &parts.validation)?)
    };
    let learnable =
        Learnable { problem: &problem, all: &all, train: &train, validation: watched.as_ref() };
    let whole = if arguments.refit && all.len() < MANY {
        let (schema, left_out) = view.schema(&rows)?;
        Some((view.problem(&schema), view.dataset(&schema, &rows)?, schema, left_out))
    } else {
        None
    };
    let relearnt = whole.as_ref().map(|(problem, all, ..)| (problem, all));
    let (tested, again) = recipe.learn(&learnable, relearnt, callbacks(arguments, &mut output))?;
    let judgement = judge(&goal, &tested, &all, &view.dataset(&schema, &parts.test)?)?;
    let (schema, left_out) =
        whole.map_or((schema, left_out.clone()), |(_, _, schema, left_out)| (schema, left_out));
    let saved = again.as_ref().unwrap_or(&tested);
    if let Some(cache) = cache {
        cache.close()?;
    }
    if !writes {
        return Ok(());
    }
    saved.model.export_with_note(folder.path(MODEL), &note(&schema, &goal, &run))?;
    let outcome = Outcome {
        judgement,
        left_out,
        is_refit: again.is_some(),
        tested,
        seconds: start.elapsed().as_secs_f64(),
    };
    let written = folder.put_beside(
        &summary.settings(arguments, &schema, &outcome)?,
        &summary.report(&schema, &outcome)?,
    );
    if arguments.printing.json {
        output.result(summary.record(&outcome, folder, arguments.seed))?;
    } else {
        output.line(summary.conclude(&outcome, folder))?;
    }
    written
}

/// The folder of the run, which rank 0 claims.
fn claim(arguments: &Training, writes: bool) -> Result<RunFolder> {
    if writes {
        RunFolder::claim(&arguments.out)
    } else {
        Ok(RunFolder::of_another(&arguments.out))
    }
}

/// The ranks with files that they share in the folder of the run, which may be claimed; a note
/// where they cannot.
fn with_cache(
    ranks: &Ranks,
    (folder, is_claimed): (&Path, bool),
    notes: &mut Vec<String>,
) -> Result<Ranks> {
    let (ranks, why) = ranks.with_cache(folder, is_claimed)?;
    notes.extend(why.map(|why| {
        format!(
            "each rank reads and holds all of the data, because {why}; with a folder that all see \
             (--out FOLDER) they share one copy"
        )
    }));
    Ok(ranks)
}

/// Says what is to be known of how the ranks share the data.
fn tell(notes: &[String], writes: bool) {
    for note in notes.iter().filter(|_| writes) {
        // Who does not read this line does not want it.
        let _ = writeln!(stderr(), "note: {note}");
    }
}

/// Fails where the table is on standard input, which one rank alone gets.
fn require_files(arguments: &Training, ranks: Option<&Ranks>) -> Result<()> {
    let is_standard = arguments.data.as_deref().is_some_and(|data| data == Path::new(STANDARD));
    if is_standard && ranks.is_some_and(|ranks| ranks.link.ranks() > 1) {
        let message = "the table is on standard input, which rank 0 alone can read";
        let help = "write it to a file that all ranks can read";
        return Err(Error::new(ErrorKind::Argument, message).help(help));
    }
    Ok(())
}

/// With at least this many rows to learn from, those of the test would change little, and the
/// tested model is saved.
const MANY: usize = 10_000;

/// A table as what is predicted of it.
struct View<'a> {
    source: &'a Source,
    goal: &'a Goal,
    /// `[rows, targets]`.
    targets: &'a Array,
    arguments: &'a Training,
    ranks: Option<&'a Ranks>,
}

impl View<'_> {
    /// What the columns are, from some rows. Where all are left out, all that can be are kept.
    fn schema(&self, rows: &[usize]) -> Result<(Schema, Vec<LeftOutColumn>)> {
        let reading = &self.arguments.reading;
        let table = &self.source.table;
        let fit =
            |said: &[(String, ColumnKind)]| Schema::fit(table, rows, self.goal.targets(), said);
        // As the table has the names; columns that are ignored are not in it.
        let named =
            |(name, kind): &(String, ColumnKind)| Some((table.find(name).ok()?.to_string(), *kind));
        let said: Vec<(String, ColumnKind)> = reading.kinds.iter().filter_map(named).collect();
        let (mut schema, mut left_out) = fit(&said)?;
        if schema.inputs.is_empty() {
            // What looks like numbers of rows may be a clock, if there is nothing else.
            let numbering = left_out.iter().filter(|column| column.why == Exclusion::RowNumber);
            let kept = numbering.map(|column| (column.name.clone(), ColumnKind::Number));
            (schema, left_out) = fit(&said.iter().cloned().chain(kept).collect::<Vec<_>>())?;
        }
        schema.missing.clone_from(&reading.missing);
        if !schema.inputs.is_empty() {
            return Ok((schema, left_out));
        }
        if rows.len() == 1 && !left_out.is_empty() {
            let error = Error::new(
                ErrorKind::Data,
                "one row is left to train on, in which no column can differ",
            );
            return Err(error.help("give a table of at least 3 rows with a target"));
        }
        if left_out.is_empty() {
            let target = shown(&self.goal.targets()[0]);
            let message =
                format!("`{target}` is the only column: there are no inputs to learn it from");
            let help = "give a table with at least one column besides the target";
            return Err(Error::new(ErrorKind::Data, message).help(help));
        }
        let first: Vec<String> = left_out.iter().take(3).map(ToString::to_string).collect();
        let message = format!("no column is left to learn from; left out are {}", first.join("; "));
        Err(Error::new(ErrorKind::Data, message)
            .help("give a table with a column that differs from row to row"))
    }

    fn problem(&self, schema: &Schema) -> Problem {
        let task = match self.goal {
            Goal::Regression(targets) => Task::Regression { targets: targets.len() },
            Goal::Classes(_, classes) => Task::Classes { count: classes.len() },
        };
        Problem { features: schema.features(), task }
    }

    fn dataset(&self, schema: &Schema, rows: &[usize]) -> Result<Dataset> {
        let table = &self.source.table;
        let part = |own: Range<usize>| schema.encode_rows(table, &rows[own]);
        let inputs = Ranks::rows(self.ranks, rows.len(), part)?;
        let part = |own: Range<usize>| Ok(self.targets.take(&rows[own]));
        let targets = Ranks::rows(self.ranks, rows.len(), part)?;
        Dataset::new(inputs, targets)
    }
}

/// The rows of which all targets are known.
fn rows_with_target(targets: &Array, rows: usize, goal: &Goal) -> Vec<usize> {
    let width = goal.targets().len();
    (0..rows)
        .filter(|row| (0..width).all(|target| !targets.get(row * width + target).is_nan()))
        .collect()
}

/// Fails if a target is the same in all rows, or too large or small for the squares of its errors.
fn check_varies(table: &Table, goal: &Goal, targets: &Array, rows: &[usize]) -> Result<()> {
    let data = |message: String, help: &str| Err(Error::new(ErrorKind::Data, message).help(help));
    if rows.is_empty() {
        return data(
            "no row has a target: there is nothing to learn".to_string(),
            "choose another target",
        );
    }
    let width = goal.targets().len();
    for (index, target) in goal.targets().iter().enumerate() {
        let value = |row: usize| targets.get(row * width + index);
        let first = value(rows[0]);
        if rows.len() > 1 && rows.iter().all(|&row| value(row) == first) {
            let shown_value = match goal {
                Goal::Classes(_, classes) => shown(&classes[first as usize]),
                Goal::Regression(_) => plain(first),
            };
            if table.spelled(target).is_some_and(|words| words.dictionary().len() > 1) {
                let message = format!(
                    "column `{}`: all of its numbers are {shown_value} to f64, which holds some \
                        16 digits",
                    shown(target)
                );
                return data(
                    message,
                    "subtract a number from all of the column that leaves what differs",
                );
            }
            let message = format!(
                "column `{}` is {shown_value} in every row: there is nothing to predict",
                shown(target)
            );
            return data(message, "choose another target");
        }
        let spread = rows.iter().map(|&row| (value(row) - first).abs()).fold(0.0, f64::max);
        if rows.len() > 1 && spread * spread < f64::MIN_POSITIVE {
            let message = format!(
                "column `{}`: the squares of how its numbers differ are smaller than f64 holds",
                shown(target)
            );
            return data(
                message,
                "give the column in a smaller unit: differences from 1e-150 on can be used",
            );
        }
        let largest = rows.iter().map(|&row| value(row).abs()).fold(0.0, f64::max);
        if !(largest * largest * rows.len() as f64).is_finite() {
            let message = format!(
                "column `{}`: the squares of its numbers are larger than f64 holds",
                shown(target)
            );
            return data(
                message,
                "give the column in a larger unit: numbers up to 1e150 can be used",
            );
        }
    }
    Ok(())
}

/// Weights that make all classes count the same: scikit-learn's `balanced`.
fn class_weight(
    arguments: &Training,
    goal: &Goal,
    classes: Option<&[f64]>,
    rows: &[usize],
) -> Result<Option<Vec<f64>>> {
    let (true, Goal::Classes(_, names), Some(codes)) = (arguments.balanced, goal, classes) else {
        return if arguments.balanced {
            Err(Error::new(
                ErrorKind::Argument,
                "--balanced is for classes, and numbers are predicted",
            )
            .help("leave it out"))
        } else {
            Ok(None)
        };
    };
    let mut counts = vec![0.0_f64; names.len()];
    for &row in rows {
        counts[codes[row] as usize] += 1.0;
    }
    Ok(Some(
        counts
            .into_iter()
            .map(|count| rows.len() as f64 / (names.len() as f64 * count.max(1.0)))
            .collect(),
    ))
}

/// Who is told of the epochs.
fn callbacks<'a>(arguments: &Training, output: &'a mut Output) -> Vec<Box<dyn Callback + 'a>> {
    let mut callbacks: Vec<Box<dyn Callback>> = Vec::new();
    // Progress and records on one terminal would be in each other's way.
    let is_free = !arguments.printing.json || (stderr().is_terminal() && !stdout().is_terminal());
    if is_free && !arguments.printing.quiet {
        callbacks.push(Box::new(Progress::stderr()));
    }
    if arguments.printing.json {
        callbacks.push(Box::new(EpochRecords(output)));
    }
    callbacks
}

/// The scores on rows that nobody has seen, of the model, of a line, and of what is true of most
/// rows.
fn judge(goal: &Goal, fitted: &FittedModel, train: &Dataset, test: &Dataset) -> Result<Judgement> {
    let targets = |part: &Dataset| part.targets().map_or_else(Vec::new, Array::to_vec::<f64>);
    let (seen, truth) = (targets(train), targets(test));
    let of = |model: &Model| {
        Ok::<Scores, Error>(scores(goal, &model.predict(test.inputs())?.to_vec::<f64>(), &truth))
    };
    let judgement = Judgement {
        model: of(&fitted.model)?,
        line: fitted.line.as_ref().map(of).transpose()?,
        trivial: scores(goal, &trivial(goal, &seen, test.len()), &truth),
    };
    let rows = counted(test.len(), "test row");
    judgement.model.check(&rows).and_then(|()| judgement.trivial.check(&rows)).map(|()| judgement)
}

/// What predicts the mean of the targets, or how frequent each class is, for each of `rows` rows.
fn trivial(goal: &Goal, seen: &[f64], rows: usize) -> Vec<f64> {
    let row: Vec<f64> = match goal {
        Goal::Regression(targets) => {
            let width = targets.len();
            let of = |target: usize| seen.iter().skip(target).step_by(width);
            (0..width).map(|target| of(target).sum::<f64>() / (seen.len() / width) as f64).collect()
        }
        Goal::Classes(_, classes) => {
            let share = |class: usize| {
                seen.iter().filter(|&&code| code as usize == class).count() as f64
                    / seen.len() as f64
            };
            (0..classes.len()).map(share).collect()
        }
    };
    row.iter().copied().cycle().take(rows * row.len()).collect()
}
