//! The command `endo`: trains the reconstructing regressor on a table.
//!
//! In: arguments. Out: text or JSON lines on standard output, errors on standard error, and an exit code: 0 when all went
//! well, 1 when something failed, 2 when the arguments make no sense.

mod arguments;
mod line;
mod output;
mod regressor;
mod standardization;
mod table;
#[allow(dead_code, unused_imports)]
mod tabular;
mod train;

use std::io::{self, Write};
use std::process::ExitCode;

use endo::{Error, ErrorKind};

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            // Help and refusals are all there is to print here; if that cannot be printed, nothing can.
            let _ = refusal.print();
            return ExitCode::from(if refusal.use_stderr() { 2 } else { 0 });
        }
    };
    match train::train(&arguments) {
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
