//! Saved runs whose numbers were changed, under a checksum that is right.
//!
//! In: runs that were interrupted within an epoch and between two. Out: a [`Reader`] that resumes
//! forged ones.

use std::fs;
use std::path::Path;

use endo::prelude::*;

#[allow(dead_code)] // of what it shares with other tests
#[path = "../runs/support.rs"]
mod support;

use support::{data, model, weights};

use super::changes;
use super::readers::{Reader, with_changed_arrays};

/// Trains with all callbacks that keep something with a run; stops after a batch as if the process
/// was killed.
fn fit(
    folder: &Path,
    model: &mut Model,
    data: &Dataset,
    stop: Option<(usize, usize)>,
) -> Result<History> {
    let interrupt = LambdaCallback::new().on_batch_end(move |batch, _, training| {
        if stop == Some((training.epoch(), batch)) {
            Err(Error::new(ErrorKind::Usage, "interrupted"))
        } else {
            Ok(())
        }
    });
    let options = Fit::epochs(3)
        .batch_size(16)
        .validation_split(0.25)
        .probe(Probe::activations("dense*").histogram(3).every(2))
        .probe(Probe::terms().every(2))
        .record_steps(1)
        .callback(EarlyStopping::on("val_loss").patience(6).restore_best_weights(true))
        .callback(ReduceLrOnPlateau::on("val_loss").factor(0.5).patience(2))
        .callback(ModelCheckpoint::new(folder.join("best").to_string_lossy()).save_freq(50))
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(BackupAndRestore::new(folder.join("run")).save_freq(2))
        .callback(interrupt);
    model.fit(data, options)
}

/// A reader of saved runs. A run that is refused has changed no weight.
pub fn resumed_run(folder: &Path) -> Reader {
    fs::create_dir_all(folder).unwrap();
    let (folder, data) = (folder.to_path_buf(), data(64));
    let saved: Vec<Vec<u8>> = [(0, 2), (1, 0), (2, 2)]
        .map(|stop| {
            assert_eq!(
                fit(&folder, &mut model(), &data, Some(stop)).unwrap_err().message(),
                "interrupted"
            );
            let saved = fs::read(folder.join("run")).unwrap();
            fs::remove_file(folder.join("run")).unwrap();
            let _ = fs::remove_file(folder.join("run.previous"));
            saved
        })
        .into();
    let read = move |random: &mut endo::random::Random| {
        let bytes = &saved[random.below(saved.len())];
        let bytes = match random.below(8) {
            0 => Some(changes::bytes(random, bytes)),
            // There are more variables than all else, and their numbers are least to be checked.
            kind => with_changed_arrays(random, bytes, |name| {
                (kind == 1) == name.starts_with("variables/")
            }),
        };
        let Some(bytes) = bytes else { return false };
        fs::write(folder.join("run"), bytes).unwrap();
        let mut model = model();
        model.build([16, 3]).unwrap();
        let before = weights(&model);
        let result = fit(&folder, &mut model, &data, None);
        let _ = (fs::remove_file(folder.join("run")), fs::remove_file(folder.join("run.previous")));
        match result {
            Ok(history) => {
                let _ = history.to_string();
                true
            }
            Err(error) => {
                let refused = error.kind() != ErrorKind::NotFinite;
                assert!(
                    !refused || weights(&model) == before,
                    "weights were changed by a run that was refused: {error}"
                );
                assert!(error.advice().is_some(), "without help: {error}");
                false
            }
        }
    };
    Reader { name: "run", read: Box::new(read) }
}
