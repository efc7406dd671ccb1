//! The command `endo-mpi`: what `endo` does, on all processes that `mpirun` has started.
//!
//! In: the words of `endo`'s command line, and `--shards` and `--timeout`. Out: what `endo` gives,
//! from rank 0; and an exit code.

mod mapping;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use endo::{Error, ErrorKind, Result};
use endo_cli::ranks::Ranks;
use endo_mpi::{Shards, World};

/// What the help of `endo` lacks.
const HELP: &str = "\
endo-mpi is endo on the processes that mpirun has started: mpirun -n 8 endo-mpi train ...
It takes what endo takes, and:
  --shards <N>         Into how many parts each batch is cut; at least as many as there are
                       processes. With the same number all results are the same, bit by bit, on
                       any number of processes [default: 8]
  --timeout <SECONDS>  How long a process waits for another before all end [default: 60]
In train, each process reads a part of the file --data. They share the data in files in the folder
--out while they run. Where not all of them see that folder, each holds all, and this is said.
";

fn main() -> ExitCode {
    let (words, options) = match Options::take(std::env::args_os()) {
        Ok(taken) => taken,
        Err(error) => return refused(&error),
    };
    let world = match World::start() {
        Ok(world) => world.timeout(options.timeout),
        Err(error) => return refused(&error),
    };
    if world.is_first() && words.iter().any(|word| word == "--help" || word == "-h") {
        // Who does not read this line does not want it.
        let _ = writeln!(io::stdout(), "{HELP}");
    }
    let ranks = Ranks::new((&world).into(), options.shards).mapping(mapping::map);
    endo_cli::run_on(words, Some(ranks))
}

fn refused(error: &Error) -> ExitCode {
    // There is nowhere left to report a failure to report.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(2)
}

/// The options that `endo` does not have.
struct Options {
    shards: Shards,
    timeout: Duration,
}

impl Options {
    /// Takes them out of the words of a command line.
    fn take(given: impl Iterator<Item = OsString>) -> Result<(Vec<OsString>, Self)> {
        let mut options = Self { shards: Shards::default(), timeout: Duration::from_secs(60) };
        let (mut words, mut given) = (Vec::new(), given);
        while let Some(word) = given.next() {
            let text = word.to_string_lossy();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (&*text, None),
            };
            if !["--shards", "--timeout"].contains(&name) {
                words.push(word);
                continue;
            }
            let next = || given.next().map(|value| value.to_string_lossy().into_owned());
            let value = value.or_else(next).unwrap_or_default();
            if name == "--shards" {
                let count = value.parse().ok().filter(|&count| count > 0);
                let count = count.ok_or_else(|| wrong(name, &value, "a whole number from 1 on"))?;
                options.shards = Shards::new(count);
            } else {
                let seconds = value.parse().ok().filter(|seconds| (0.001..1e9).contains(seconds));
                let seconds = seconds.ok_or_else(|| wrong(name, &value, "a number of seconds"))?;
                options.timeout = Duration::from_secs_f64(seconds);
            }
        }
        Ok((words, options))
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    let message = format!("`{name}` has the value `{value}`, and expected is {expected}");
    Error::new(ErrorKind::Argument, message).help("`endo-mpi --help` lists the options")
}
