//! The command `endo`: see the library of the same package.

use std::process::ExitCode;

fn main() -> ExitCode {
    endo_cli::run(std::env::args_os())
}
