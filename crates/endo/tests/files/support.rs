//! Folders that are gone when a test is, data, and processes of this program.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use endo::prelude::*;

use super::folder::Folder;

/// Says to a process of its own where to work.
pub const FOLDER: &str = "ENDO_TEST_FOLDER";

/// Samples whose numbers are the same on every machine.
pub fn data() -> Dataset {
    let x = Array::from_fn([12, 2], |i| (i % 7) as f32 / 8.0);
    let y = Array::from_fn([12, 1], |i| (i % 5) as f32 / 4.0);
    Dataset::new(x, y).unwrap()
}

/// A process that runs one of these tests, by its path, in a folder.
pub fn start(test: &str, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The names of what is in a folder.
pub fn names_in(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
