//! The whole of a run: the command `endo` on a table, from its start to its end.
//!
//! In: the path of the housing table. Out: seconds of the process, and the most memory that it had
//! resident.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json_line::{JsonLine, number};
use crate::machine::peak_resident_mb;
use crate::statistics::Spread;
use crate::workloads::{MeasureOptions, Outcome};

const EPOCHS: usize = 20;
const TARGET: &str = "MedHouseVal";
const RUNS: usize = 5;

/// The median of five runs of the program beside this one: read, split, scale, train, validate,
/// test, save.
pub fn process(options: &MeasureOptions) -> Outcome<Vec<JsonLine>> {
    let Some(data) = &options.data else {
        return Err(
            "`whole-process` trains on a table: give that of California housing, with a column \
                    `MedHouseVal`, as --data FILE"
                .into(),
        );
    };
    let program = beside(&std::env::current_exe()?)?;
    let folder = std::env::temp_dir().join(format!("endo-bench-{}", std::process::id()));
    let runs = (0..RUNS)
        .map(|_| once(&program, data, &folder, options.threads))
        .collect::<Outcome<Vec<Run>>>();
    // What is left of a run that failed is no use to anyone.
    let _ = fs::remove_dir_all(&folder);
    let runs = runs?;
    let spread = |value: fn(&Run) -> f64| Spread::of(&runs.iter().map(value).collect::<Vec<f64>>());
    let line = JsonLine::of("whole-process")
        .with("threads", options.threads)
        .with("epochs", EPOCHS)
        .measured("seconds", spread(|run| run.seconds).map_or(f64::NAN, |spread| spread.median))
        .measured("test_mse", spread(|run| run.test_mse).map_or(f64::NAN, |spread| spread.median));
    let resident: Vec<f64> = runs.iter().filter_map(|run| run.resident_mb).collect();
    Ok(vec![match Spread::of(&resident) {
        Some(spread) => line.measured("resident_mb", spread.greatest),
        // Of that process nothing is known, and this one's would mislead.
        None => line.with("resident_mb", Value::Null),
    }])
}

struct Run {
    seconds: f64,
    test_mse: f64,
    resident_mb: Option<f64>,
}

fn beside(this: &Path) -> Outcome<PathBuf> {
    let program = this.with_file_name(format!("endo{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!(
            "there is no program {}: build it with `cargo build --release -p endo-cli`",
            program.display()
        )
        .into())
    }
}

fn once(program: &Path, data: &Path, folder: &Path, threads: usize) -> Outcome<Run> {
    let mut command = Command::new(program);
    command.arg("train").arg("--data").arg(data).arg("--out").arg(folder);
    command.args([
        "--target",
        TARGET,
        "--json",
        "--epochs",
        &EPOCHS.to_string(),
        "--threads",
        &threads.to_string(),
    ]);
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // The peak only grows, so the last look before the end is right but for what the last moment
    // adds. What the program prints is a line for each epoch, which a pipe holds.
    let mut resident_mb = None;
    while child.try_wait()?.is_none() {
        resident_mb = peak_resident_mb(&child.id().to_string()).or(resident_mb);
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = start.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!(
            "`endo train` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
        .into());
    }
    let test_mse = number(&String::from_utf8_lossy(&output.stdout), "test_mse")?;
    Ok(Run { seconds, test_mse, resident_mb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_table_it_says_what_is_missing() {
        let options = MeasureOptions { threads: 1, epochs: 1, ..Default::default() };
        let message = process(&options).err().unwrap().to_string();
        assert!(message.contains("--data FILE") && message.contains("`MedHouseVal`"), "{message}");
    }

    #[test]
    fn a_program_that_was_not_built_is_named() {
        let message = beside(Path::new("/nowhere/endo-bench")).err().unwrap().to_string();
        assert!(
            message.starts_with("there is no program /nowhere/endo")
                && message.contains("cargo build"),
            "{message}"
        );
    }
}
