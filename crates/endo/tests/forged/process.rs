//! Readers in processes of their own: what would end or hold up the tests ends one of them.
//!
//! In: the numbers of files to forge. Out: those whose reader panicked, ended its process, or came
//! to no end; and how many files were read and how many refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use endo::random::Random;

use super::readers::readers;

/// Says to [`reads_in_a_process_of_its_own`] where to work, the seed, and the first file and the
/// one after the last.
const FOLDER: &str = "ENDO_FORGED_FOLDER";

/// No reader takes as long for one file, on a busy machine and with checks of memory.
const LONGEST: Duration = Duration::from_secs(60);

/// A number that the environment gives, or another.
pub fn given(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| {
        number.parse().unwrap_or_else(|_| panic!("{name} must be a whole number"))
    })
}

/// For each reader how many files it has read, and how many refused.
pub type Counts = BTreeMap<String, [u64; 2]>;

/// Does nothing as a test of its own.
#[test]
fn reads_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let [seed, from, to] =
            ["SEED", "FROM", "TO"].map(|name| given(&format!("{FOLDER}_{name}"), 0));
        work(Path::new(&folder), seed, from..to);
    }
}

/// Forges files and reads them. The number of each is written before it is read, and that of the
/// last when all are.
fn work(folder: &Path, seed: u64, numbers: std::ops::Range<u64>) {
    std::panic::set_hook(Box::new(|_| {}));
    let mut progress = File::create(folder.join("progress")).unwrap();
    let (mut readers, mut counts, to) = (readers(folder), Counts::new(), numbers.end);
    for number in numbers {
        progress.rewind().unwrap();
        progress.write_all(&number.to_le_bytes()).unwrap();
        let place = number as usize % readers.len();
        let reader = &mut readers[place];
        let mut random = Random::new(seed, number);
        match catch_unwind(AssertUnwindSafe(|| (reader.read)(&mut random))) {
            Ok(accepted) => {
                counts.entry(reader.name.to_string()).or_default()[usize::from(!accepted)] += 1
            }
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or(panic.downcast_ref::<&str>().copied());
                let line = format!(
                    "{number} {} panicked: {}\n",
                    reader.name,
                    text.unwrap_or("without a message")
                );
                File::options()
                    .append(true)
                    .create(true)
                    .open(folder.join("panics"))
                    .unwrap()
                    .write_all(line.as_bytes())
                    .unwrap();
            }
        }
    }
    let counts = counts.iter().fold(String::new(), |mut text, (name, [read, refused])| {
        writeln!(text, "{name} {read} {refused}").unwrap();
        text
    });
    fs::write(folder.join("counts"), counts).unwrap();
    progress.rewind().unwrap();
    progress.write_all(&to.to_le_bytes()).unwrap();
}

/// Forges and reads files in processes, one after another as they end before their time. Returns a
/// line for each failure.
pub fn read_all(seed: u64, numbers: std::ops::Range<u64>, counts: &mut Counts) -> Vec<String> {
    let (mut failures, mut from) = (Vec::new(), numbers.start);
    while from < numbers.end && failures.len() < 20 {
        let folder = Folder::new(from);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::reads_in_a_process_of_its_own"]).env(FOLDER, &folder.0);
        for (name, number) in [("SEED", seed), ("FROM", from), ("TO", numbers.end)] {
            command.env(format!("{FOLDER}_{name}"), number.to_string());
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut latest, mut since) = (None, Instant::now());
        let end = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break (!status.success()).then(|| format!("ended its process: {status}"));
            }
            if latest != folder.progress() {
                (latest, since) = (folder.progress(), Instant::now());
            }
            if since.elapsed() > LONGEST {
                child.kill().unwrap();
                child.wait().unwrap();
                break Some(format!("came to no end within {LONGEST:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        failures.extend(folder.text("panics").lines().map(str::to_string));
        for line in folder.text("counts").lines() {
            let words: Vec<&str> = line.rsplitn(3, ' ').collect();
            let [read, refused] = [words[1], words[0]].map(|number| number.parse::<u64>().unwrap());
            let count = counts.entry(words[2].to_string()).or_default();
            (count[0], count[1]) = (count[0] + read, count[1] + refused);
        }
        let reached = folder.progress().unwrap_or(from);
        if let Some(end) = end {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said);
            failures.push(format!(
                "{reached} {end} {}",
                said.lines().take(12).collect::<Vec<_>>().join(" | ")
            ));
            from = reached + 1;
        } else {
            from = numbers.end;
        }
    }
    failures
}

/// A folder that is gone when its process has ended.
struct Folder(PathBuf);

impl Folder {
    fn new(number: u64) -> Self {
        let folder =
            std::env::temp_dir().join(format!("endo-forged-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// The number of the file that is being read.
    fn progress(&self) -> Option<u64> {
        fs::read(self.0.join("progress"))
            .ok()
            .and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
