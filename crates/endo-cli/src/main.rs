//! The command `endo`: trains models on tables, judges them, and predicts with them.
//!
//! In: arguments. Out: text or JSON lines on standard output, errors on standard error, and an exit code: 0 when all went
//! well, 1 when something failed, 2 when the arguments make no sense.

mod arguments;
mod definition;
mod evaluate;
mod model_file;
mod output;
mod parts;
mod predict;
mod recipe;
mod run_folder;
mod run_hash;
mod schema;
mod scores;
mod source;
mod summary;
mod tabular;
mod task;
mod train;

use std::io::{self, Write};
use std::process::ExitCode;

use endo::{Error, ErrorKind};

use arguments::Command;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(refusal) => {
            // Help and refusals are all there is to print here; if that cannot be printed, nothing can.
            let _ = refusal.print();
            return ExitCode::from(if refusal.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match &command {
        Command::Train(arguments) => train::train(arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(arguments),
        Command::Predict(arguments) => predict::predict(arguments),
        Command::Explain(arguments) => evaluate::explain(arguments),
        Command::Export(arguments) => model_file::export(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to report a failure to report.
            let _ = writeln!(io::stderr(), "error: {error}");
            exit_code(&error)
        }
    }
}

/// 2 for arguments that make no sense, whoever finds out; 1 for all other failures.
fn exit_code(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::Argument => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
