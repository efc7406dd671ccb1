//! Threads and processes that write to one path while others read: nobody fails, and whatever is
//! read is whole.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::prelude::*;
use endo::report::write_figures;

use super::folder::Folder;
use super::support::{FOLDER, data, names_in, start};

/// How often each writer writes each file.
const ROUNDS: usize = 20;

fn model(seed: u64) -> Model {
    let mut model =
        Model::new(Sequential::new().add(Dense::new(64).activation("relu")).add(Dense::new(1)))
            .seed(seed);
    model.compile("sgd", "mse", ["mae"]);
    model.build([1, 2]).unwrap();
    model
}

/// Something that writes a file, and something that reads it and says whether it is whole.
struct File {
    name: &'static str,
    write: fn(&mut Model, &Path) -> Result<()>,
    is_whole: fn(&Model, &Path) -> bool,
}

fn ends_with(path: &Path, end: &str) -> bool {
    fs::read_to_string(path).unwrap().ends_with(end)
}

fn fit(model: &mut Model, options: Fit<'_>) -> Result<()> {
    model.fit(&data(), options.batch_size(12)).map(|_| ())
}

/// Every writer but those that have their file alone.
const FILES: [File; 7] = [
    File {
        name: "weights.safetensors",
        write: |model, path| model.save_weights(path),
        is_whole: |model, path| model.load_weights(path).is_ok(),
    },
    File {
        name: "model.safetensors",
        write: |model, path| model.save(path),
        is_whole: |model, path| model.load(path).is_ok(),
    },
    File {
        name: "model.endo",
        write: |model, path| model.export(path),
        is_whole: |_, path| Predictor::load(path).is_ok(),
    },
    File {
        name: "best.safetensors",
        write: |model, path| {
            fit(model, Fit::epochs(1).callback(ModelCheckpoint::new(path.to_str().unwrap())))
        },
        is_whole: |model, path| model.load(path).is_ok(),
    },
    File {
        name: "report.html",
        write: |model, path| fit(model, Fit::epochs(1).callback(Report::new(path))),
        is_whole: |_, path| ends_with(path, "</html>\n"),
    },
    File {
        name: "figures",
        write: |model, path| {
            write_figures(path, &model.fit(&data(), Fit::epochs(1).batch_size(12))?)
        },
        is_whole: |_, path| ends_with(&path.join("loss.svg"), "</svg>\n"),
    },
    File {
        name: "raw",
        write: |model, path| {
            fit(model, Fit::epochs(1).probe(Probe::weights("*").every(1).raw(path)))
        },
        is_whole: |_, path| {
            let file =
                fs::read(path.join("weights/sequential/dense/kernel/step_00000000.npy")).unwrap();
            file.len() == 128 + 4 * 2 * 64
        },
    },
];

fn write_all(folder: &Path, seed: u64) {
    let mut model = model(seed);
    for round in 0..ROUNDS {
        for File { name, write, .. } in &FILES {
            write(&mut model, &folder.join(name))
                .unwrap_or_else(|error| panic!("{name}, round {round}: {error}"));
        }
    }
}

/// Does nothing as a test of its own.
#[test]
fn writes_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write_all(Path::new(&folder), 3);
    }
}

#[test]
fn readers_find_whole_files_while_threads_and_processes_write_them() {
    let folder = Folder::new("together");
    let mut first = model(0);
    for File { name, write, .. } in &FILES {
        write(&mut first, &folder.path(name)).unwrap();
    }
    let (writing, reads) = (AtomicUsize::new(4), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seed in 1..3 {
            let (folder, writing) = (&folder, &writing);
            scope.spawn(move || {
                write_all(folder.as_ref(), seed);
                writing.fetch_sub(1, Ordering::SeqCst);
            });
            scope.spawn(move || {
                let status = start("together::writes_in_a_process_of_its_own", folder.as_ref())
                    .wait()
                    .unwrap();
                writing.fetch_sub(1, Ordering::SeqCst);
                assert!(status.success());
            });
        }
        scope.spawn(|| {
            let model = model(9);
            while writing.load(Ordering::SeqCst) > 0 {
                for File { name, is_whole, .. } in &FILES {
                    assert!(is_whole(&model, &folder.path(name)), "half of {name} was read");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    });
    assert!(reads.into_inner() >= FILES.len());
    let mut names: Vec<String> = FILES.iter().map(|file| file.name.to_string()).collect();
    names.sort();
    assert_eq!(names_in(&folder), names, "no temporary file is left");
}

#[test]
fn a_name_of_255_bytes_is_written_by_each() {
    let folder = Folder::new("long");
    let mut model = model(0);
    for File { name, write, is_whole } in &FILES {
        let path = folder.path(&format!("{}{name}", "n".repeat(255 - name.len())));
        write(&mut model, &path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(is_whole(&model, &path), "{name}");
    }
    let path = folder.path(&"c".repeat(255));
    fit(&mut model, Fit::epochs(2).callback(CsvLogger::new(&path))).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    assert_eq!(names_in(&folder).len(), FILES.len() + 1);
}
