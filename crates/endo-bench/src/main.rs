//! Times one training step of the nets that endo is measured on, and prints one JSON line for each.
//!
//! `cargo run --release -p endo-bench -- [--workload regressor|mnist-mlp|wide-mlp] [--threads N] [--epochs N]`

mod allocations;
mod workloads;

use std::process::ExitCode;

use workloads::Workload;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let mut chosen = Workload::ALL.to_vec();
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut epochs = 4;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--workload" => chosen = vec![Workload::named(&value()?)?],
            "--threads" => threads = number(&argument, &value()?)?,
            "--epochs" => epochs = number(&argument, &value()?)?,
            _ => return Err(format!("unknown argument `{argument}`; known: --workload NAME, --threads N, --epochs N")),
        }
    }
    for workload in chosen {
        let line = workload.measure(threads, epochs).map_err(|error| error.to_string())?;
        println!("{line}");
    }
    Ok(())
}

fn number(argument: &str, text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or(format!("{argument} takes a number of at least 1, got `{text}`"))
}
