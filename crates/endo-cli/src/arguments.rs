//! What can be asked of the command: each option with its name, its default, its check and its help in one place.
//!
//! In: the words of the command line. Out: [`Arguments`], or a refusal that says which word is wrong.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What to train on, how, and where the weights go.
#[derive(Clone, PartialEq, Debug)]
pub struct Arguments {
    /// A CSV file; the embedded table if there is none.
    pub data: Option<PathBuf>,
    /// What separates the columns of the file; it is found if there is none. A blank stands for any number of blanks.
    pub delimiter: Option<char>,
    /// The column to predict; that of the embedded table if there is none.
    pub target: Option<String>,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows in a step.
    pub batch_size: usize,
    /// Nadam's.
    pub learning_rate: f64,
    /// Of the first weights and the order of rows.
    pub seed: u64,
    /// Of the choice of rows to train, validate and test on.
    pub split_seed: u64,
    /// The share of the rows that are not for the test; 0 is no validation.
    pub validation: f64,
    /// The share of all rows.
    pub test: f64,
    /// The folder that the weights go to.
    pub out: PathBuf,
    /// Threads; all that there are if none is given.
    pub threads: Option<usize>,
    /// Whether to print JSON lines instead of text.
    pub json: bool,
}

const ABOUT: &str = "\
Trains a neural network on a table of numbers and reports its error on rows it has not seen.

The network is the reconstructing regressor: five layers of 30 SELU units, whose last activations must
also be able to reconstruct the inputs. Without --data it learns the quality of red wines from a table
that comes with the program.";

const EXAMPLES: &str = "\
Examples:
  endo                                                    the red wines, with all defaults
  endo train --epochs 100 --seed 7                        longer, and from other first weights
  endo train --data houses.csv --target price             a table of your own
  endo train --data houses.csv --target price --json      one JSON object a line, for other programs

The table is a CSV file: the first line names the columns, and every line below has a number in each.";

impl Arguments {
    /// Reads the words of a command line, the program's name first.
    ///
    /// # Errors
    /// What the command line lacks or has too much of; also the help that was asked for.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(words)?;
        Ok(Self::from_matches(matches.subcommand().map_or(&matches, |(_, matches)| matches)))
    }

    fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            data: matches.get_one("data").cloned(),
            delimiter: matches.get_one("delimiter").copied(),
            target: matches.get_one("target").cloned(),
            epochs: given(matches, "epochs"),
            batch_size: given(matches, "batch-size"),
            learning_rate: given(matches, "learning-rate"),
            seed: given(matches, "seed"),
            split_seed: given(matches, "split-seed"),
            validation: given(matches, "validation"),
            test: given(matches, "test"),
            out: given(matches, "out"),
            threads: matches.get_one("threads").copied(),
            json: matches.get_flag("json"),
        }
    }
}

/// An option that has a default.
fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> T {
    matches.get_one(name).cloned().expect("an option with a default has a value")
}

fn command() -> Command {
    let train =
        Command::new("train").about("Trains the network; what `endo` alone does too").after_help(EXAMPLES).args(options());
    Command::new("endo")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .args(options())
        .subcommand(train)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

fn options() -> [Arg; 13] {
    [
        valued("data", "FILE", "A CSV file to learn from [default: red wines]").value_parser(value_parser!(PathBuf)),
        valued("delimiter", "CHARACTER", "What separates columns, or `tab` or `blank` [default: found]").value_parser(delimiter),
        valued("target", "COLUMN", "The column to predict; needed with --data [default: quality]")
            .value_parser(NonEmptyStringValueParser::new()),
        valued("epochs", "COUNT", "Passes over the training rows").default_value("20").value_parser(count),
        valued("batch-size", "ROWS", "Rows in a training step").default_value("32").value_parser(count),
        valued("learning-rate", "RATE", "Size of the optimizer's steps").default_value("0.001").value_parser(rate),
        valued("seed", "NUMBER", "Chooses the first weights and the order of rows").default_value("1").value_parser(seed),
        valued("split-seed", "NUMBER", "Chooses the rows to train, validate and test on").default_value("42").value_parser(seed),
        valued("validation", "SHARE", "Rows to validate on, of those not for the test; or 0")
            .default_value("0.25")
            .value_parser(share_or_none),
        valued("test", "SHARE", "Rows to test on, of all rows").default_value("0.25").value_parser(share),
        valued("out", "FOLDER", "Where weights.safetensors is written")
            .default_value("endo-out")
            .value_parser(value_parser!(PathBuf)),
        valued("threads", "COUNT", "Threads to use; results do not depend on it [default: all]").value_parser(threads),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object a line: each epoch, then the test"),
    ]
}

fn valued(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).allow_negative_numbers(true)
}

/// One character, or the name of one that is hard to write. Whether it can stand between numbers is known where tables are read.
fn delimiter(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (text, letters.next(), letters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        ("blank", ..) => Ok(' '),
        (_, Some(letter), None) => Ok(letter),
        _ => Err("expected one character, as in ';', or the word `tab` or `blank`".to_string()),
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "expected a whole number of at least 1".to_string())
}

fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    count(text).ok().filter(|&count| count <= MOST).ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// A rate that f32, in which it is used, can hold.
fn rate(text: &str) -> Result<f64, String> {
    let usable = |rate: &f64| (*rate as f32) > 0.0 && (*rate as f32).is_finite();
    text.parse().ok().filter(usable).ok_or_else(|| "expected a positive number; 0.001 is usual".to_string())
}

fn share(text: &str) -> Result<f64, String> {
    let between = |share: &f64| *share > 0.0 && *share < 1.0;
    text.parse().ok().filter(between).ok_or_else(|| "expected a number between 0 and 1, as in 0.25".to_string())
}

fn share_or_none(text: &str) -> Result<f64, String> {
    let none = |text: &str| text.parse::<f64>().ok().filter(|&share| share == 0.0);
    none(text).map_or_else(|| share(text), |none| Ok(none.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_of_the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_subcommand_may_be_left_out() {
        assert_eq!(parse("endo").unwrap(), parse("endo train").unwrap());
        assert_eq!(parse("endo --seed 7").unwrap(), parse("endo train --seed 7").unwrap());
        assert_eq!(parse("endo --seed 7").unwrap().seed, 7);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_by_name() {
        let wrong = ["--epochs 0", "--batch-size 0", "--learning-rate -1", "--learning-rate NaN", "--learning-rate 1e-60"];
        let shares = ["--test 0", "--test 1", "--validation 1", "--validation -0.1", "--test nan", "--threads 0", "--seed -1"];
        for option in wrong.into_iter().chain(shares) {
            let refusal = parse(&format!("endo train {option}")).unwrap_err().to_string();
            assert!(refusal.contains(option.split(' ').next().unwrap()) && refusal.contains("expected a "), "{refusal}");
        }
        assert_eq!(parse("endo --validation 0").unwrap().validation, 0.0);
    }

    #[test]
    fn a_delimiter_is_a_character_or_a_word_for_one() {
        for (word, delimiter) in [(";", ';'), ("tab", '\t'), ("\\t", '\t'), ("blank", ' '), ("-", '-'), ("ä", 'ä')] {
            assert_eq!(parse(&format!("endo --delimiter {word}")).unwrap().delimiter, Some(delimiter));
        }
        let refusal = parse("endo --delimiter semicolon").unwrap_err().to_string();
        assert!(refusal.contains("--delimiter") && refusal.contains("expected one character"), "{refusal}");
        assert_eq!(parse("endo").unwrap().delimiter, None);
    }
}
