//! Measures endo alone and beside other libraries, and prints one JSON line for each result.
//!
//! `cargo run --release -p endo-bench -- --help` lists what is measured.

mod allocations;
mod architectures;
mod arguments;
mod compare;
mod contests;
mod json_line;
mod lookups;
mod loops;
mod machine;
mod nets;
mod predictions;
mod probed;
mod programs;
mod schedule;
mod statistics;
mod steps;
mod traces;
mod whole;
mod workloads;

use std::process::{Command, ExitCode};

use arguments::Arguments;
use workloads::{Outcome, WORKLOADS};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for. False if a workload of several failed, which has said so itself.
fn run(words: Vec<String>) -> Outcome<bool> {
    let arguments = Arguments::parse(words.iter().cloned())?;
    if arguments.help {
        println!("{}", arguments::help());
        return Ok(true);
    }
    if let Some(level) = arguments.level {
        level.limit();
    }
    if arguments.compare {
        compare::compare(&arguments)?;
        return Ok(true);
    }
    let Some(workload) = arguments.workload else { return each(&words, arguments.data.is_some()) };
    for line in workload.measure(&arguments.options())? {
        println!("{line}");
    }
    Ok(true)
}

/// Every workload in a process of its own: none finds memory that another has left, and its peak is
/// its own.
fn each(words: &[String], data: bool) -> Outcome<bool> {
    let program = std::env::current_exe()?;
    let mut good = true;
    for workload in WORKLOADS {
        if workload.takes.contains(&"--data") && !data {
            eprintln!(
                "{} is left out: it reads a table, to be given as --data FILE",
                workload.name
            );
            continue;
        }
        good &= Command::new(&program)
            .args(["--workload", workload.name])
            .args(words)
            .status()?
            .success();
    }
    Ok(good)
}
