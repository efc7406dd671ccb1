//! The options of each command: their names, defaults, checks and help, in one place.
//!
//! In: nothing. Out: what `clap` reads the words of a command line by.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, value_parser};
use endo::data::ColumnKind;

use crate::arguments::{ModelName, TaskName};

const ABOUT: &str = "\
Trains a neural network on a table, says how good it is on rows it has not seen, and predicts.

Without --data it learns the quality of red wines from a table that comes with the program.";

const EXAMPLES: &str = "\
Examples:
  endo                                                    the red wines, with all defaults
  endo train --data houses.csv --target price             a table of your own
  endo train --data houses.csv --target price --json      one JSON object a line, for other programs
  endo predict endo-out --data new.csv --out prices.csv   the prices of other houses
  endo evaluate endo-out --data sold.csv                  how good it is on houses sold since
  endo explain endo-out --data houses.csv                 which columns the prices depend on
  psql --csv -c 'select * from houses' | endo train --data - --target price

Exit codes: 0 when all went well, 1 when something failed, 2 when the arguments make no sense.";

const TRAIN_NOTES: &str = "\
--target, --type, --ignore and --missing may be given several times.

The table is a CSV file: the first line names the columns, and each line below is a row.
Delimiter, decimal marks, dates, categories and missing cells are found and shown before the
training; options override them. The whole table is kept in memory, some 20 bytes a cell.

The error is that of a model which has not seen the rows to test on. Of fewer than 10,000 others,
the model that is saved learns from all rows in the same way; else, and with --no-refit, it is the
tested one.

A FILE.toml as --model lists hidden layers, each as a table [[layers]] with Keras's names: its
type, such as \"dense\", and as keys its arguments and options, such as units = 64. Any layer of the
library that takes one tensor can be listed.

In the folder --out are model.endo (for predict, evaluate, explain and export), report.html
(figures of the training) and run.toml (settings, columns, scores and history).";

const PREDICT_NOTES: &str = "\
Columns may be in any order; those that the model does not know are ignored, and the target is not
needed. Written are one row for each row, in its order: the column `prediction`, for several
targets `prediction NAME`, and for classes also `probability CLASS`. With --json and without --out
each row is an object of these. Files of any size are read and written in parts.";

/// All commands.
pub fn definition() -> clap::Command {
    let command = |name: &'static str, about: &'static str| clap::Command::new(name).about(about);
    let training =
        || training_options().into_iter().chain(reading_options()).chain(printing_options());
    let applied =
        || [model(), data("The rows, as a CSV file, or - for standard input").required(true)];
    clap::Command::new("endo")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .args(training())
        .subcommand(
            command(
                "train",
                "Trains a model on a table; what `endo` alone does \
                too",
            )
            .after_help(TRAIN_NOTES)
            .args(training()),
        )
        .subcommand(
            command("predict", "Predicts the target of the rows of a table")
                .after_help(PREDICT_NOTES)
                .args(applied())
                .arg(
                    valued(
                        "out",
                        "FILE",
                        "Where the predictions go, as CSV; - for standard output",
                    )
                    .default_value("-")
                    .value_parser(value_parser!(PathBuf)),
                )
                .arg(threads_option())
                .args(reading_options())
                .args(printing_options()),
        )
        .subcommand(
            command("evaluate", "Judges a model by a table that has the target")
                .args(applied())
                .arg(threads_option())
                .args(reading_options())
                .args(printing_options()),
        )
        .subcommand(
            command("explain", "Says how much worse a model gets without each column")
                .args(applied())
                .arg(threads_option())
                .args(reading_options())
                .args(printing_options()),
        )
        .subcommand(
            command(
                "export",
                "Writes the model as a predictor, which the library loads without \
                any code of the model",
            )
            .arg(model())
            .arg(
                valued(
                    "out",
                    "FILE",
                    "Where the predictor \
                    goes",
                )
                .required(true)
                .value_parser(value_parser!(PathBuf)),
            )
            .args(printing_options()),
        )
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

fn model() -> Arg {
    Arg::new("model")
        .value_name("MODEL")
        .help("A model.endo, or the folder of a run")
        .required(true)
        .value_parser(value_parser!(PathBuf))
}

fn data(help: &'static str) -> Arg {
    valued("data", "FILE", help).value_parser(value_parser!(PathBuf))
}

fn threads_option() -> Arg {
    valued("threads", "COUNT", "Threads to use; results do not depend on it [default: all]")
        .value_parser(threads)
}

fn training_options() -> Vec<Arg> {
    vec![
        data("A CSV file, or - for standard input [default: red wines]"),
        valued("target", "COLUMN", "The column to predict; may be given several times")
            .action(ArgAction::Append)
            .value_parser(NonEmptyStringValueParser::new()),
        valued("task", "TASK", "regression or classification [default: found from the target]")
            .value_parser(task),
        valued("model", "MODEL", "tabular, regressor (the book's), or a FILE.toml")
            .default_value("tabular")
            .value_parser(model_name),
        valued("epochs", "COUNT", "Passes over the training rows, at most [default: the model's]")
            .value_parser(count),
        valued("batch-size", "ROWS", "Rows in a training step [default: the model's]")
            .value_parser(count),
        valued("learning-rate", "RATE", "Size of the optimizer's steps [default: the model's]")
            .value_parser(rate),
        valued(
            "reconstruction",
            "WEIGHT",
            "Weight of reconstructing the inputs [default: the model's]",
        )
        .value_parser(weight),
        flag("balanced", "Let all classes weigh the same, however many rows they have"),
        valued("seed", "NUMBER", "Chooses the first weights and the order of rows")
            .default_value("1")
            .value_parser(seed),
        valued("split-seed", "NUMBER", "Chooses the rows to train, validate and test on")
            .default_value("42")
            .value_parser(seed),
        valued(
            "validation",
            "SHARE",
            "Rows to validate on, of the others; or 0 [default: the model's]",
        )
        .value_parser(share_or_none),
        valued("test", "SHARE", "Rows to test on, of all rows")
            .default_value("0.25")
            .value_parser(share),
        flag("no-refit", "Save the model that was tested, and train none on all rows"),
        valued("out", "FOLDER", "Where model, report and settings are written")
            .default_value("endo-out")
            .value_parser(value_parser!(PathBuf)),
        threads_option(),
    ]
}

fn reading_options() -> Vec<Arg> {
    vec![
        valued(
            "delimiter",
            "CHARACTER",
            "What separates columns, or `tab` or `blank` [default: found]",
        )
        .value_parser(delimiter),
        flag("header", "The first line names the columns, also if these are numbers")
            .conflicts_with("no-header"),
        flag("no-header", "The first line is a row; columns are named x1, x2 and so on"),
        valued("decimal", "MARK", "The decimal mark: `.` or `,` [default: found for each column]")
            .value_parser(decimal),
        flag("day-first", "Days come before months in dates such as 2/1/2024")
            .conflicts_with("month-first"),
        flag("month-first", "Months come before days in dates such as 1/2/2024"),
        valued("missing", "TEXT", "Another spelling of a missing cell").action(ArgAction::Append),
        valued("type", "COLUMN=TYPE", "What a column holds: number, category or date")
            .action(ArgAction::Append)
            .value_parser(kind),
        valued("ignore", "COLUMN", "A column to leave out").action(ArgAction::Append),
    ]
}

fn printing_options() -> [Arg; 2] {
    [
        flag("json", "Print JSON objects, one a line, instead of text"),
        flag("quiet", "Print nothing but results, warnings and errors"),
    ]
}

fn valued(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).allow_negative_numbers(true)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// One character, or the name of one that is hard to write. Whether it can stand between numbers is
/// known where tables are read.
fn delimiter(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (text, letters.next(), letters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        ("blank", ..) => Ok(' '),
        (_, Some(letter), None) => Ok(letter),
        _ => Err("expected one character, as in ';', or the word `tab` or `blank`".to_string()),
    }
}

fn decimal(text: &str) -> Result<char, String> {
    match text {
        "." | "point" => Ok('.'),
        "," | "comma" => Ok(','),
        _ => Err("expected `.` or `,`".to_string()),
    }
}

/// A name, an equals sign and a type. Names may have equals signs, types have none.
fn kind(text: &str) -> Result<(String, ColumnKind), String> {
    let expected = || {
        "expected a column, `=`, and `number`, `category` or `date`, as in zip=category".to_string()
    };
    let (name, kind) = text.rsplit_once('=').ok_or_else(expected)?;
    let kind = match kind.trim() {
        "number" => ColumnKind::Number,
        "category" => ColumnKind::Word,
        "date" => ColumnKind::Time,
        "ignore" => ColumnKind::Ignored,
        _ => return Err(expected()),
    };
    Ok((name.to_string(), kind))
}

fn task(text: &str) -> Result<TaskName, String> {
    match text {
        "regression" => Ok(TaskName::Regression),
        "classification" => Ok(TaskName::Classification),
        _ => Err("expected `regression` or `classification`".to_string()),
    }
}

fn model_name(text: &str) -> Result<ModelName, String> {
    match text {
        "tabular" => Ok(ModelName::Tabular),
        "regressor" => Ok(ModelName::Regressor),
        _ if text.ends_with(".toml") => Ok(ModelName::File(PathBuf::from(text))),
        _ => {
            Err("expected `tabular`, `regressor`, or the path of a file that ends in .toml"
                .to_string())
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| "expected a whole number of at least 1".to_string())
}

fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    count(text)
        .ok()
        .filter(|&count| count <= MOST)
        .ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// A rate that f32, in which it is used, can hold.
fn rate(text: &str) -> Result<f64, String> {
    let usable = |rate: &f64| (*rate as f32) > 0.0 && (*rate as f32).is_finite();
    text.parse()
        .ok()
        .filter(usable)
        .ok_or_else(|| "expected a positive number; 0.001 is usual".to_string())
}

/// A weight of a loss that f32 can hold.
fn weight(text: &str) -> Result<f64, String> {
    let usable = |weight: &f64| *weight >= 0.0 && (*weight as f32).is_finite();
    text.parse()
        .ok()
        .filter(usable)
        .ok_or_else(|| "expected 0 or a positive number; 0.05 is usual".to_string())
}

fn share(text: &str) -> Result<f64, String> {
    let between = |share: &f64| *share > 0.0 && *share < 1.0;
    text.parse()
        .ok()
        .filter(between)
        .ok_or_else(|| "expected a number between 0 and 1, as in 0.25".to_string())
}

fn share_or_none(text: &str) -> Result<f64, String> {
    let none = |text: &str| text.parse::<f64>().ok().filter(|&share| share == 0.0);
    none(text).map_or_else(|| share(text), |none| Ok(none.abs()))
}
