//! Two runs that want one file: the second is told so before it trains, and what a killed run
//! leaves is no hindrance.

use std::fs;
use std::path::Path;
use std::time::Duration;

use endo::prelude::*;

use super::folder::Folder;
use super::support::{FOLDER, data, names_in, start};

fn model() -> Model {
    let mut model = Model::new(Dense::new(1)).seed(3);
    model.compile("adam", "mse", ());
    model
}

fn options(folder: &Path, epochs: usize) -> Fit<'static> {
    Fit::epochs(epochs).callback(BackupAndRestore::new(folder.join("run")))
}

#[test]
fn a_second_run_with_one_backup_is_told_so_and_the_first_goes_on() {
    let (folder, data) = (Folder::new("claimed"), data());
    let [first, mut second] = [(); 2].map(|()| model());
    let mut run = first.run(&data, options(folder.as_ref(), 3)).unwrap();
    run.next_batch().unwrap();
    run.train_on_batch().unwrap();
    let error = second.fit(&data, options(folder.as_ref(), 3)).unwrap_err();
    let path = folder.path("run").display().to_string();
    assert_eq!(
        error.message(),
        format!("{path} is in use: another run writes it, in this process or another")
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.advice().unwrap().contains("give this one another path"), "{error}");
    while run.next_batch().unwrap() {
        run.train_on_batch().unwrap();
    }
    // The run is done, so its file is free, though it is not finished yet.
    second.fit(&data, options(folder.as_ref(), 3)).unwrap();
    run.finish().unwrap();
    assert!(names_in(&folder).is_empty(), "{:?}", names_in(&folder));
}

#[test]
fn a_run_that_fails_or_is_left_lets_go_of_its_backup() {
    let (folder, data) = (Folder::new("left"), data());
    let fail = LambdaCallback::new().on_epoch_begin(|epoch, _| match epoch {
        1 => Err(Error::new(ErrorKind::Usage, "interrupted")),
        _ => Ok(()),
    });
    assert!(model().fit(&data, options(folder.as_ref(), 3).callback(fail)).is_err());
    assert_eq!(names_in(&folder), ["run"]);
    let model = model();
    let run =
        model.run(&data, options(folder.as_ref(), 3).callback(LambdaCallback::new())).unwrap();
    assert_eq!(names_in(&folder), ["run", "run.lock"]);
    drop(run);
    assert_eq!(names_in(&folder), ["run"]);
}

#[test]
fn a_callback_that_saves_the_run_claims_its_file_too() {
    let (folder, data) = (Folder::new("own"), data());
    let path = folder.path("run");
    let model = model();
    let _run = model.run(&data, options(folder.as_ref(), 1)).unwrap();
    let save = LambdaCallback::new().on_epoch_end(|_, _, training| {
        training.save_run(&path);
        Ok(())
    });
    let error = self::model().fit(&data, Fit::epochs(1).callback(save)).unwrap_err();
    assert!(error.message().contains("is in use"), "{error}");
}

/// Does nothing as a test of its own.
#[test]
fn trains_until_it_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let slow = LambdaCallback::new().on_epoch_end(|_, _, _| {
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        });
        let options = options(Path::new(&folder), 1_000_000).callback(slow);
        let log = CsvLogger::new(Path::new(&folder).join("log.csv")).append(true);
        model().fit(&data(), options.callback(log)).unwrap();
    }
}

#[test]
fn a_process_has_its_files_alone_until_it_is_killed() {
    let folder = Folder::new("process");
    let mut child = start("claimed::trains_until_it_is_killed", folder.as_ref());
    while !folder.path("run.previous").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it trains");
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = model().fit(&data(), options(folder.as_ref(), 5)).unwrap_err();
    assert!(error.message().contains("run is in use"), "{error}");
    let log = || CsvLogger::new(folder.path("log.csv")).append(true);
    let error = model().fit(&data(), Fit::epochs(1).callback(log())).unwrap_err();
    assert!(error.message().contains("log.csv is in use"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();

    let rows = fs::read_to_string(folder.path("log.csv")).unwrap().matches('\n').count();
    model().fit(&data(), Fit::epochs(1).callback(log())).unwrap();
    assert_eq!(fs::read_to_string(folder.path("log.csv")).unwrap().lines().count(), rows + 1);
    let quiet = LambdaCallback::new;
    let history = model()
        .fit(&data(), options(folder.as_ref(), 1).callback(quiet()).callback(log()))
        .unwrap();
    assert!(history.epochs.len() >= 2, "it goes on from what the process has saved");
    assert_eq!(names_in(&folder), ["log.csv"], "nothing else is left");
}
