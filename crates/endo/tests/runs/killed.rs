//! A process killed at any moment, also while it saves, and started again, ends with the same bits.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use endo::prelude::*;

use super::support::{Folder, data, model, numbers};

/// How often processes are killed, if not fifty times.
const KILLS: &str = "ENDO_KILLS";

/// Says to [`trains_in_a_process_of_its_own`] where to train.
const FOLDER: &str = "ENDO_TEST_FOLDER";

fn train(folder: &Path) {
    let mut model = model();
    let options = Fit::epochs(25)
        .batch_size(16)
        .validation_split(0.2)
        .probe(Probe::activations("dense*").histogram(5).every(7))
        .probe(Probe::terms().every(4))
        .callback(EarlyStopping::on("val_loss").patience(6).restore_best_weights(true))
        .callback(ReduceLrOnPlateau::on("val_loss").factor(0.5).patience(2))
        .record_steps(2)
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(CsvLogger::new(folder.join("steps.csv")).every(3))
        .callback(BackupAndRestore::new(folder.join("run")).save_freq(2));
    let history = model.fit(&data(200), options).unwrap();
    fs::write(folder.join("history"), format!("{:?}", numbers(history))).unwrap();
    model.save_weights(folder.join("weights")).unwrap();
}

/// Does nothing as a test of its own.
#[test]
fn trains_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train(Path::new(&folder));
    }
}

fn start(folder: &Folder) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::trains_in_a_process_of_its_own"]).env(FOLDER, folder.as_ref());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_run_killed_fifty_times_ends_with_the_same_bits() {
    let most = std::env::var(KILLS).map_or(50, |number| number.parse().expect("a number of kills"));
    let whole = Folder::new("whole");
    let begin = Instant::now();
    assert!(start(&whole).wait().unwrap().success());
    // However fast or busy the machine is, kills are spread over what a process does, its start and its end too.
    let time = begin.elapsed();
    let files = ["history", "weights", "log.csv", "steps.csv"];
    let result = |folder: &Folder| files.map(|file| fs::read(folder.path(file)).unwrap());
    let expected = result(&whole);

    let (mut kills, mut resumed, mut round) = (0_u32, 0, 0);
    while kills < most {
        let folder = Folder::new(&format!("killed-{round}"));
        loop {
            let mut child = start(&folder);
            std::thread::sleep(time.mul_f64(f64::from((kills * 37 + round * 11) % 50) / 50.0));
            if child.try_wait().unwrap().is_some() || kills >= most {
                assert!(child.wait().unwrap().success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            resumed += u32::from(folder.path("run").exists() || folder.path("run.previous").exists());
        }
        assert!(result(&folder) == expected, "round {round}, after {kills} kills");
        assert!(!folder.path("run").exists() && !folder.path("run.previous").exists());
        round += 1;
    }
    assert!(resumed >= 10, "only {resumed} of {kills} kills left something to resume");
}
