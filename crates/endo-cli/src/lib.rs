//! The command `endo` as a library: it trains models on tables, judges them, and predicts with
//! them.
//!
//! In: arguments. Out: text or JSON lines on standard output, errors on standard error, and an exit
//! code: 0 when all went well, 1 when something failed, 2 when the arguments make no sense.

pub mod arguments;
mod cache;
mod definition;
mod evaluate;
pub mod model_file;
mod options;
mod output;
mod predict;
pub mod ranks;
mod recipe;
mod row_split;
pub mod run_folder;
mod run_hash;
pub mod schema;
pub mod scores;
mod source;
mod summary;
pub mod tabular;
pub mod task;
mod train;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use endo::data::shown_lines;
use endo::{Error, ErrorKind, Result};

use arguments::Command;
use ranks::Ranks;

/// Does what the words of a command line ask for, the program's name first.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_on(words, None)
}

/// The same on one of several ranks, all of which are given the same words. A training is shared
/// among them; all else is done by rank 0. What goes wrong on one rank alone the others are told.
pub fn run_on(words: impl IntoIterator<Item = OsString>, ranks: Option<Ranks>) -> ExitCode {
    let ranks = ranks.as_ref();
    let writes = Ranks::writes(ranks);
    let command = match Command::parse(words) {
        Ok(command) => command,
        Err(refusal) => {
            // Help and refusals are all there is to print here; if that cannot be printed, nothing
            // can.
            if !writes {
                return ExitCode::from(if refusal.use_stderr() { 2 } else { 0 });
            }
            if !refusal.use_stderr() {
                let _ = refusal.print();
                return ExitCode::SUCCESS;
            }
            // A refusal says the word again that it is about, and somebody else may have written
            // that.
            let _ = write!(io::stderr(), "{}", shown_lines(&refusal.to_string()));
            return ExitCode::from(2);
        }
    };
    if !writes && !matches!(command, Command::Train(_)) {
        return ExitCode::SUCCESS;
    }
    match act(&command, ranks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let is_shared = matches!(command, Command::Train(_));
            if let Some(ranks) = ranks.filter(|ranks| is_shared && ranks.link.ranks() > 1) {
                ranks.link.fail(&error.to_string());
            }
            if writes {
                // There is nowhere left to report a failure to report.
                let _ = writeln!(io::stderr(), "error: {error}");
            }
            exit_code(&error)
        }
    }
}

fn act(command: &Command, ranks: Option<&Ranks>) -> Result<()> {
    match command {
        Command::Train(arguments) => train::train(arguments, ranks),
        Command::Evaluate(arguments) => evaluate::evaluate(arguments),
        Command::Predict(arguments) => predict::predict(arguments),
        Command::Explain(arguments) => evaluate::explain(arguments),
        Command::Export(arguments) => model_file::export(arguments),
    }
}

/// 2 for arguments that make no sense, whoever finds out; 1 for all other failures.
fn exit_code(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::Argument => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
