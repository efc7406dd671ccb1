//! The command `endo` as a library: it trains models on tables, judges them, and predicts with
//! them.
//!
//! In: arguments. Out: text or JSON lines on standard output, errors on standard error, and an exit
//! code: 0 when all went well, 1 when something failed, 2 when the arguments make no sense.

pub mod arguments;
mod definition;
mod evaluate;
pub mod model_file;
mod options;
mod output;
mod predict;
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

/// Does what the words of a command line ask for, the program's name first.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::parse(words) {
        Ok(command) => command,
        Err(refusal) => {
            // Help and refusals are all there is to print here; if that cannot be printed, nothing
            // can.
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
    match act(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to report a failure to report.
            let _ = writeln!(io::stderr(), "error: {error}");
            exit_code(&error)
        }
    }
}

fn act(command: &Command) -> Result<()> {
    match command {
        Command::Train(arguments) => train::train(arguments),
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
