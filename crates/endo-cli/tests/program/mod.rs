//! Runs the built program in a folder of its own that is removed afterwards.
//!
//! In: a command line in one string. Out: what it printed, and the files it left.
#![allow(dead_code)] // each test file uses its part

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with the table `plane.csv`.
pub struct Scene {
    folder: PathBuf,
}

impl Scene {
    /// A new folder; the name tells it from those of other tests.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("endo-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let scene = Self { folder };
        scene.write("plane.csv", &plane());
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in a folder, sorted.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endo"));
        command.args(line.split_whitespace()).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs with a text or other bytes on standard input.
    pub fn run_with(&self, line: &str, input: &[u8]) -> Output {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A program that refuses its input may end before it has read all of it.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap()
        })
    }

    /// What a run that succeeds prints.
    pub fn prints(&self, line: &str) -> String {
        let run = self.run(line);
        assert!(run.status.success(), "`endo {line}` says\n{}", text(&run.stderr));
        text(&run.stdout)
    }

    /// What a run that fails says, with its exit code.
    pub fn refuses(&self, line: &str) -> (i32, String) {
        let run = self.run(line);
        let message = text(&run.stderr);
        assert!(
            !run.status.success() && message.contains("error: "),
            "`endo {line}` says\n{message}"
        );
        (run.status.code().unwrap(), message)
    }

    /// The rows of a CSV file without quotes, the header among them.
    pub fn rows(&self, name: &str) -> Vec<Vec<String>> {
        text(&self.bytes(name))
            .lines()
            .map(|line| line.split(',').map(str::to_string).collect())
            .collect()
    }

    /// Runs with standard output going to a file.
    pub fn run_into(&self, line: &str, file: fs::File) -> Output {
        self.command(line)
            .stdout(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    }

    /// Runs with standard output going to a pipe that nobody reads from.
    pub fn run_unread(&self, line: &str) -> Output {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command(line)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    }

    /// The lines of a run that succeeds, each a JSON object.
    pub fn records(&self, line: &str) -> Vec<Value> {
        let run = self.run(line);
        assert!(run.status.success(), "`endo {line}` says\n{}", text(&run.stderr));
        text(&run.stdout)
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A folder that stays behind in the system's temporary folder harms no test.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// 400 rows in which `y` is a smooth function of three columns, the first of which goes from 0 to
/// 99.
fn plane() -> String {
    let row = |i: usize| {
        let (a, b, c) =
            ((i * 37 % 100) as f64, (i * 13 % 29) as f64 / 10.0, (i * 7 % 31) as f64 - 15.0);
        format!("{a},{b},{c},{}\n", 0.04 * a - b + (0.2 * c).sin())
    };
    std::iter::once("a,b,c,y\n".to_string()).chain((0..400).map(row)).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A number of a JSON object.
pub fn number(record: &Value, name: &str) -> f64 {
    record[name].as_f64().unwrap_or_else(|| panic!("a number `{name}` in {record}"))
}
