//! What can be asked of the command: each option with its name, its default, its check and its help
//! in one place.
//!
//! In: the words of the command line. Out: a [`Command`] with its arguments, or a refusal that says
//! which word is wrong.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use endo::data::ColumnKind;

use crate::options::definition;

/// What to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Trains a model on a table.
    Train(Box<Training>),
    /// Judges a model by a table that has the target.
    Evaluate(Application),
    /// Predicts the target of a table's rows.
    Predict(Application),
    /// Says which columns a model's predictions depend on.
    Explain(Application),
    /// Writes a model for other programs.
    Export(Application),
}

/// What to train on, how, and where the results go.
#[derive(Clone, PartialEq, Debug)]
pub struct Training {
    /// A CSV file, or `-` for standard input; the embedded table if there is none.
    pub data: Option<PathBuf>,
    /// How the file is written.
    pub reading: ReadingOptions,
    /// The columns to predict; that of the embedded table if there is none.
    pub targets: Vec<String>,
    /// Regression or classification; found from the target if there is none.
    pub task: Option<TaskName>,
    /// The model to train.
    pub model: ModelName,
    /// Passes over the training rows.
    pub epochs: Option<usize>,
    /// Rows in a step.
    pub batch_size: Option<usize>,
    /// The optimizer's.
    pub learning_rate: Option<f64>,
    /// How much the reconstruction of the inputs weighs in the loss.
    pub reconstruction: Option<f64>,
    /// Whether all classes weigh the same in the loss, however many rows they have.
    pub balanced: bool,
    /// Of the first weights and the order of rows.
    pub seed: u64,
    /// Of the choice of rows to train, validate and test on.
    pub split_seed: u64,
    /// The share of the rows that are not for the test; 0 is no validation. The model's own if
    /// there is none.
    pub validation: Option<f64>,
    /// The share of all rows.
    pub test: f64,
    /// Whether the model that is saved learns from all rows, when it was tested.
    pub refit: bool,
    /// The folder that the results go to.
    pub out: PathBuf,
    /// Threads; all that there are if none is given.
    pub threads: Option<usize>,
    /// What is printed.
    pub printing: PrintingOptions,
}

/// What to do with a model that was trained.
#[derive(Clone, PartialEq, Debug)]
pub struct Application {
    /// The model's file, or the folder of the run.
    pub model: PathBuf,
    /// A CSV file, or `-` for standard input.
    pub data: PathBuf,
    /// How the file is written.
    pub reading: ReadingOptions,
    /// Where the results go; `-` is standard output.
    pub out: PathBuf,
    /// Threads; all that there are if none is given.
    pub threads: Option<usize>,
    /// What is printed.
    pub printing: PrintingOptions,
}

/// How a file is written, as far as it is said and not to be found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReadingOptions {
    /// What separates the columns. A blank stands for any number of blanks.
    pub delimiter: Option<char>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
    /// The decimal mark.
    pub decimal: Option<char>,
    /// Whether days come before months in dates.
    pub day_first: Option<bool>,
    /// More spellings of a cell that is missing.
    pub missing: Vec<String>,
    /// What columns hold.
    pub kinds: Vec<(String, ColumnKind)>,
}

/// What is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrintingOptions {
    /// JSON lines instead of text.
    pub json: bool,
    /// Nothing but results that were asked for, warnings and errors.
    pub quiet: bool,
}

/// What a target is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskName {
    /// Numbers.
    Regression,
    /// Classes.
    Classification,
}

/// Which model is trained.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ModelName {
    /// The model for tables.
    Tabular,
    /// The reconstructing regressor of the book.
    Regressor,
    /// Layers that a file in TOML lists.
    File(PathBuf),
}

/// Standard input, or standard output.
pub const STANDARD: &str = "-";

impl Command {
    /// Reads the words of a command line, the program's name first.
    ///
    /// # Errors
    /// What the command line lacks or has too much of; also the help that was asked for.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = definition().try_get_matches_from(words)?;
        Ok(match matches.subcommand() {
            Some(("evaluate", matches)) => Self::Evaluate(Application::from_matches(matches)),
            Some(("predict", matches)) => Self::Predict(Application::from_matches(matches)),
            Some(("explain", matches)) => Self::Explain(Application::from_matches(matches)),
            Some(("export", matches)) => Self::Export(Application::without_data(matches)),
            Some((_, matches)) => Self::Train(Box::new(Training::from_matches(matches))),
            None => Self::Train(Box::new(Training::from_matches(&matches))),
        })
    }
}

impl Training {
    fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            data: optional(matches, "data"),
            reading: ReadingOptions::from_matches(matches),
            targets: all(matches, "target"),
            task: optional(matches, "task"),
            model: given(matches, "model"),
            epochs: optional(matches, "epochs"),
            batch_size: optional(matches, "batch-size"),
            learning_rate: optional(matches, "learning-rate"),
            reconstruction: optional(matches, "reconstruction"),
            balanced: matches.get_flag("balanced"),
            seed: given(matches, "seed"),
            split_seed: given(matches, "split-seed"),
            validation: optional(matches, "validation"),
            test: given(matches, "test"),
            refit: !matches.get_flag("no-refit"),
            out: given(matches, "out"),
            threads: optional(matches, "threads"),
            printing: PrintingOptions::from_matches(matches),
        }
    }
}

impl Application {
    fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            data: given(matches, "data"),
            reading: ReadingOptions::from_matches(matches),
            threads: optional(matches, "threads"),
            ..Self::without_data(matches)
        }
    }

    /// For a command that reads no table.
    fn without_data(matches: &ArgMatches) -> Self {
        let out = matches.try_get_one("out").ok().flatten().cloned();
        Self {
            model: given(matches, "model"),
            data: PathBuf::from(STANDARD),
            reading: ReadingOptions::default(),
            out: out.unwrap_or_else(|| PathBuf::from(STANDARD)),
            threads: None,
            printing: PrintingOptions::from_matches(matches),
        }
    }
}

impl ReadingOptions {
    fn from_matches(matches: &ArgMatches) -> Self {
        let either = |yes, no| match (matches.get_flag(yes), matches.get_flag(no)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        let ignored =
            all::<String>(matches, "ignore").into_iter().map(|name| (name, ColumnKind::Ignored));
        Self {
            delimiter: optional(matches, "delimiter"),
            header: either("header", "no-header"),
            day_first: either("day-first", "month-first"),
            decimal: optional(matches, "decimal"),
            missing: all(matches, "missing"),
            kinds: all::<(String, ColumnKind)>(matches, "type")
                .into_iter()
                .chain(ignored)
                .collect(),
        }
    }
}

impl PrintingOptions {
    fn from_matches(matches: &ArgMatches) -> Self {
        Self { json: matches.get_flag("json"), quiet: matches.get_flag("quiet") }
    }
}

/// An option that has a default, or is required.
fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> T {
    optional(matches, name).expect("an option that is required or has a default has a value")
}

/// An option that may be left out.
fn optional<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.get_one(name).cloned()
}

/// An option that may be given several times.
fn all<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<T> {
    matches.get_many(name).map(|values| values.cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Command::parse(line.split(' ').map(OsString::from))
    }

    fn training(line: &str) -> Training {
        match parse(line).unwrap() {
            Command::Train(training) => *training,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_of_the_command_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn the_subcommand_may_be_left_out() {
        assert_eq!(parse("endo").unwrap(), parse("endo train").unwrap());
        assert_eq!(parse("endo --seed 7").unwrap(), parse("endo train --seed 7").unwrap());
        assert_eq!(training("endo --seed 7").seed, 7);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_by_name() {
        let wrong = [
            "--epochs 0",
            "--batch-size 0",
            "--learning-rate -1",
            "--learning-rate NaN",
            "--learning-rate 1e-60",
        ];
        let shares = [
            "--test 0",
            "--test 1",
            "--validation 1",
            "--validation -0.1",
            "--test nan",
            "--threads 0",
            "--seed -1",
        ];
        let more = [
            "--reconstruction -1",
            "--task ranking",
            "--model trees",
            "--decimal ;",
            "--type a",
            "--type a=word",
        ];
        for option in wrong.into_iter().chain(shares).chain(more) {
            let refusal = parse(&format!("endo train {option}")).unwrap_err().to_string();
            assert!(
                refusal.contains(option.split(' ').next().unwrap())
                    && refusal.contains("expected "),
                "{refusal}"
            );
        }
        assert_eq!(training("endo --validation 0").validation, Some(0.0));
    }

    #[test]
    fn a_delimiter_is_a_character_or_a_word_for_one() {
        for (word, delimiter) in
            [(";", ';'), ("tab", '\t'), ("\\t", '\t'), ("blank", ' '), ("-", '-'), ("ä", 'ä')]
        {
            assert_eq!(
                training(&format!("endo --delimiter {word}")).reading.delimiter,
                Some(delimiter)
            );
        }
        let refusal = parse("endo --delimiter semicolon").unwrap_err().to_string();
        assert!(
            refusal.contains("--delimiter") && refusal.contains("expected one character"),
            "{refusal}"
        );
        assert_eq!(training("endo").reading, ReadingOptions::default());
    }

    #[test]
    fn columns_have_types_and_targets_may_be_several() {
        let training = training(
            "endo --target a --target b --type x=y=category --type d=date --ignore id --no-header",
        );
        assert_eq!(training.targets, ["a", "b"]);
        let kinds =
            [("x=y", ColumnKind::Word), ("d", ColumnKind::Time), ("id", ColumnKind::Ignored)];
        assert_eq!(training.reading.kinds, kinds.map(|(name, kind)| (name.to_string(), kind)));
        assert_eq!(training.reading.header, Some(false));
    }

    #[test]
    fn a_model_is_applied_to_a_file_or_to_standard_input() {
        let Command::Predict(applied) =
            parse("endo predict endo-out --data - --decimal ,").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (applied.model, applied.data, applied.out),
            ("endo-out".into(), "-".into(), "-".into())
        );
        assert_eq!(applied.reading.decimal, Some(','));
        let Command::Evaluate(applied) =
            parse("endo evaluate a/model.endo --data t.csv --json").unwrap()
        else {
            panic!()
        };
        assert_eq!((applied.printing.json, applied.model), (true, PathBuf::from("a/model.endo")));
        let Command::Export(applied) = parse("endo export endo-out --out p.endo").unwrap() else {
            panic!()
        };
        assert_eq!(applied.out, PathBuf::from("p.endo"));
        assert!(parse("endo predict --data t.csv").unwrap_err().to_string().contains("<MODEL>"));
    }
}
