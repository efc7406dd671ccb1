//! The command `endo`: see the library of the same package.
//!
//! In: the words of the command line. Out: an exit code, also where memory is too small for a table
//! or the program has a fault.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report));
    panic::catch_unwind(|| endo_cli::run(std::env::args_os())).unwrap_or(ExitCode::FAILURE)
}

/// Says why the program stops. Memory that the system does not give comes with its own advice; all
/// else is a fault.
fn report(info: &PanicHookInfo) {
    let text = info.payload_as_str().unwrap_or("it stopped");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let advice = if text.contains("\n  help: ") {
        String::new()
    } else {
        format!(
            " ({place})\n  help: this is a fault of this program, not of what it was given: \
                please report it, with the command line"
        )
    };
    // There is nowhere left to report a failure to report.
    let _ = writeln!(io::stderr(), "error: {text}{advice}");
}
