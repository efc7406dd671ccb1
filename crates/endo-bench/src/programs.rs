//! Runs the programs of a comparison, each in a fresh process and all on the same processors.
//!
//! In: a [`Side`]. Out: the number that it printed, or in a line why there is none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::contests::{Side, Source};
use crate::json_line::number;
use crate::workloads::Outcome;

/// JAX on the work that `peers.py` does not have: steps of other batch sizes, and predictions.
const JAX_SCRIPT: &str = include_str!("../peers/jax_peer.py");
/// JAX, PyTorch and Keras on the nets that `layers.py` does not have.
const NETS_SCRIPT: &str = include_str!("../peers/nets_peer.py");

/// Where programs are found.
pub struct Programs {
    endo: PathBuf,
    python: PathBuf,
    peers: Option<PathBuf>,
    /// A folder of ours beside the compiled programs: nothing is written to the folder of the
    /// peers.
    built: PathBuf,
    /// Whether the system can keep a program on some of its processors, as `peers.py` does by
    /// itself.
    can_pin: bool,
}

impl Programs {
    /// Looks at what there is.
    pub fn find(arguments: &Arguments) -> Outcome<Self> {
        let endo = std::env::current_exe()?;
        let built = endo.ancestors().nth(2).unwrap_or(Path::new(".")).join("peers");
        let can_pin = Command::new("taskset")
            .args(["-c", "0", "true"])
            .output()
            .is_ok_and(|output| output.status.success());
        Ok(Self {
            endo,
            python: arguments.python.clone(),
            peers: arguments.peers.clone(),
            built,
            can_pin,
        })
    }

    /// Whether every program keeps to as many processors as it has threads.
    pub fn are_pinned(&self) -> bool {
        self.can_pin
    }

    /// Builds what has to be built, so that no round waits for it. What does not build says so when
    /// it is run.
    pub fn prepare(&self, side: &Side) {
        if let Source::Project(name) = side.source {
            let _ = self.build(name);
        }
    }

    /// Runs a program and reads its number. Peers in Rust are built if they are not.
    ///
    /// # Errors
    /// In one line: what is missing, what did not build, or how it failed.
    pub fn run(&self, side: &Side, threads: usize, field: &str) -> Result<f64, String> {
        let words: Vec<PathBuf> =
            self.words(side)?.into_iter().chain(side.arguments.iter().map(PathBuf::from)).collect();
        let pin = ["taskset".into(), "-c".into(), PathBuf::from(format!("0-{}", threads - 1))];
        let pin = if self.can_pin { &pin[..] } else { &[] };
        let words: Vec<&Path> = pin.iter().chain(&words).map(PathBuf::as_path).collect();
        let output = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} does not start: {error}", words[0].display()))?;
        if !output.status.success() {
            return Err(last_line(&output.stderr)
                .unwrap_or_else(|| format!("it ended with {}", output.status)));
        }
        number(&String::from_utf8_lossy(&output.stdout), field)
    }

    /// The libraries that were compared with and their versions, as far as they can be found out.
    pub fn versions(&self) -> Vec<String> {
        const INSTALLED: &str = "import importlib.metadata as installed\n\
                                 for name in 'jax', 'torch', 'tensorflow', 'tensorflow-cpu', \
                                 'keras':\n    \
                                 try: print(name, installed.version(name))\n    \
                                 except installed.PackageNotFoundError: pass";
        let output = Command::new(&self.python).args(["-c", INSTALLED]).output();
        let said = output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        );
        let mut versions: Vec<String> = said.lines().map(str::to_string).collect();
        for (project, library) in [("burn", "burn"), ("candle", "candle-core")] {
            let lock =
                fs::read_to_string(self.built.join(project).join("Cargo.lock")).unwrap_or_default();
            versions.extend(locked(&lock, library).map(|version| format!("{library} {version}")));
        }
        versions
    }

    /// The program and the words that come before its arguments.
    fn words(&self, side: &Side) -> Result<Vec<PathBuf>, String> {
        let bundled = |script: &str| vec![self.python.clone(), "-c".into(), script.into()];
        match side.source {
            Source::Endo => Ok(vec![self.endo.clone()]),
            Source::JaxScript => Ok(bundled(JAX_SCRIPT)),
            Source::NetsScript => Ok(bundled(NETS_SCRIPT)),
            Source::Script(name) => Ok(vec![self.python.clone(), self.peer(name)?]),
            Source::Project(name) => Ok(vec![self.build(name)?]),
        }
    }

    fn peer(&self, name: &str) -> Result<PathBuf, String> {
        let folder =
            self.peers.as_ref().ok_or("no folder of peers was given: name it with --peers DIR")?;
        let path = folder.join(name);
        if path.exists() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
    }

    /// Builds a project, which cargo does once, and returns its program.
    fn build(&self, name: &str) -> Result<PathBuf, String> {
        let (source, copy) = (self.peer(name)?, self.built.join(name));
        copy_project(&source, &copy)
            .map_err(|error| format!("{} cannot be copied: {error}", source.display()))?;
        let output = Command::new("cargo")
            .args(["build", "--release", "--target-dir", "target"])
            .current_dir(&copy)
            .output()
            .map_err(|error| format!("cargo does not start: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let reason =
                said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
            return Err(format!("it does not build: {reason}"));
        }
        Ok(copy.join(format!("target/release/peer-{name}{}", std::env::consts::EXE_SUFFIX)))
    }
}

/// Copies what a small cargo project has, where it differs: what is as it was stays built.
fn copy_project(source: &Path, copy: &Path) -> std::io::Result<()> {
    for file in ["Cargo.toml", "src/main.rs"] {
        let text = fs::read(source.join(file))?;
        let target = copy.join(file);
        if fs::read(&target).is_ok_and(|known| known == text) {
            continue;
        }
        target.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(target, text)?;
    }
    Ok(())
}

/// The version of a crate in a `Cargo.lock`.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

/// What a program that failed said last: in Python, the error without its trace.
fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::Net;

    fn programs(peers: Option<PathBuf>) -> Programs {
        Programs {
            endo: "endo-bench".into(),
            python: "python3".into(),
            peers,
            built: "built".into(),
            can_pin: false,
        }
    }

    fn side(source: Source) -> Side {
        Side { name: "a peer", source, arguments: Vec::new() }
    }

    #[test]
    fn peers_that_are_missing_are_named() {
        let reason = |peers: Option<PathBuf>, source| {
            programs(peers).run(&side(source), 1, "us_per_step").unwrap_err()
        };
        assert_eq!(
            reason(None, Source::Script("peers.py")),
            "no folder of peers was given: name it with --peers DIR"
        );
        assert!(
            reason(Some("nowhere".into()), Source::Project("limit"))
                .starts_with("there is no nowhere")
        );
    }

    #[test]
    fn an_interpreter_that_is_missing_is_named() {
        let programs = Programs { python: "no-such-python".into(), ..programs(None) };
        for script in [Source::JaxScript, Source::NetsScript] {
            let reason = programs.run(&side(script), 1, "us_per_step").unwrap_err();
            assert!(reason.starts_with("no-such-python does not start: "), "{reason}");
        }
    }

    #[test]
    fn the_script_that_comes_with_this_has_nets_of_the_same_sizes() {
        for net in [Net::Resnet, Net::Gru, Net::Transformer] {
            let sizes = format!(
                "batch={}, rows={}, parameters={}),",
                net.batch(),
                net.rows(net.batch()),
                net.parameters().unwrap()
            );
            let entry = format!("\"{}\": Net(", net.name());
            let line = NETS_SCRIPT.lines().find(|line| line.trim().starts_with(&entry)).unwrap();
            assert!(line.replace('_', "").ends_with(&sizes), "{line} is not {sizes}");
        }
    }

    #[test]
    fn an_error_of_python_is_its_last_line() {
        let text = b"Traceback (most recent call last):\n  File \"x\"\n\
                     ModuleNotFoundError: No module named 'torch'\n\n";
        assert_eq!(
            last_line(text).as_deref(),
            Some("ModuleNotFoundError: No module named 'torch'")
        );
        assert_eq!(last_line(b"\n"), None);
    }

    #[test]
    fn versions_are_read_from_a_lock_file() {
        let lock = "[[package]]\nname = \"burn-core\"\nversion = \"1.0.0\"\n\n[[package]]\n\
            name = \"burn\"\nversion = \"0.21.0\"\n";
        assert_eq!(locked(lock, "burn"), Some("0.21.0"));
        assert_eq!(locked(lock, "candle-core"), None);
    }

    #[test]
    fn a_project_is_copied_once() {
        let folder = std::env::temp_dir().join(format!("endo-bench-copy-{}", std::process::id()));
        let (source, copy) = (folder.join("source"), folder.join("copy"));
        fs::create_dir_all(source.join("src")).unwrap();
        fs::write(source.join("Cargo.toml"), "[workspace]").unwrap();
        fs::write(source.join("src/main.rs"), "fn main() {}").unwrap();
        copy_project(&source, &copy).unwrap();
        let written = fs::metadata(copy.join("src/main.rs")).unwrap().modified().unwrap();
        copy_project(&source, &copy).unwrap();
        assert_eq!(fs::metadata(copy.join("src/main.rs")).unwrap().modified().unwrap(), written);
        assert!(copy_project(&folder.join("absent"), &copy).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
