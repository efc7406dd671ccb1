//! What a run needs to go on where it stopped: numbers by name, in one file.
//!
//! In: arrays. Out: a safetensors file with a checksum, beside the one that it takes the place of; and back, from the newest of the
//! two that is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, beside, failure};
use crate::model::sealed::Seal;

/// Numbers by name that a [`Callback`](super::Callback) keeps with a run, to go on from them when the run is resumed.
///
/// ```
/// use endo::prelude::*;
/// use endo::training::State;
///
/// /// Stops after so many epochs whose loss was no better than that of the one before.
/// struct Setbacks { limit: f64, count: f64, last: f64 }
///
/// impl Callback for Setbacks {
///     fn epoch_end(&mut self, _epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
///         self.count += if report.ledger.total < self.last { 0.0 } else { 1.0 };
///         self.last = report.ledger.total;
///         if self.count >= self.limit {
///             training.stop();
///         }
///         Ok(())
///     }
///     fn state(&self) -> State {
///         State::new().with("count", self.count).with("last", self.last)
///     }
///     fn restore(&mut self, state: &State) -> Result<()> {
///         (self.count, self.last) = (state.number("count")?, state.number("last")?);
///         Ok(())
///     }
/// }
/// let setbacks = Setbacks { limit: 3.0, count: 1.0, last: 0.5 };
/// assert_eq!(setbacks.state().number("last")?, 0.5);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    arrays: BTreeMap<String, Array>,
}

const SEAL: Seal = Seal { entry: "endo.run", format: 2, oldest: 1, what: "a run" };

impl State {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a number or an array of them under a name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Array>) -> Self {
        self.arrays.insert(name.into(), value.into());
        self
    }

    /// With a text under a name, as the numbers of its bytes.
    pub(crate) fn with_text(self, name: impl Into<String>, text: &str) -> Self {
        self.with(name, text.bytes().map(i32::from).collect::<Vec<i32>>())
    }

    /// The text of a name.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let bytes: Vec<u8> = self.get(name)?.to_vec::<i32>().into_iter().map(|byte| byte as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// With everything of another under names that begin with `prefix/`.
    pub(crate) fn insert(&mut self, prefix: &str, other: State) {
        self.arrays.extend(other.arrays.into_iter().map(|(name, value)| (format!("{prefix}/{name}"), value)));
    }

    /// What is under names that begin with `prefix/`, without it.
    pub(crate) fn part(&self, prefix: &str) -> State {
        let part = |(name, value): (&String, &Array)| {
            let rest = name.strip_prefix(prefix)?.strip_prefix('/')?;
            Some((rest.to_string(), value.clone()))
        };
        State { arrays: self.arrays.iter().filter_map(part).collect() }
    }

    /// Names and arrays, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> + Clone {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// The array of a name.
    ///
    /// # Errors
    /// If there is none, as when a run is resumed with other callbacks than it was saved with.
    pub fn get(&self, name: &str) -> Result<&Array> {
        self.arrays.get(name).ok_or_else(|| {
            let message = format!("the saved run has no `{name}` here");
            let help = "resume with the callbacks that the run was saved with, in the same order";
            Error::new(ErrorKind::Data, message).help(help)
        })
    }

    /// The number of a name.
    ///
    /// # Errors
    /// If there is none, or it is an array of several.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.get(name)?.item()
    }

    /// Writes the file. The one that was there is kept beside it, under its name with `.previous` added, so that at any moment one
    /// of the two is whole. Nobody else writes to a run that is claimed, so the temporary file has the same name each time: a process
    /// that is killed again and again leaves one.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let fail = |error: &dyn std::fmt::Display| failure("cannot write", path, error);
        let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| fail(&error));
        let bytes = SEAL.put(self.iter(), "").map_err(|error| fail(&error))?;
        files::write_temporary(&unfinished(path), &[&bytes])?;
        rename(&unfinished(path), &fresh(path))?;
        if path.exists() {
            rename(path, &previous(path))?;
        }
        rename(&fresh(path), path)
    }

    /// Reads the newest file that is whole: one that was written and not yet renamed, the file itself, or the one before it; with
    /// what is wrong with those that are newer. None where there is none at all.
    pub(crate) fn read(path: &Path) -> Result<Option<(State, Option<Error>)>> {
        let mut damage = None;
        for path in [fresh(path), path.to_path_buf(), previous(path)] {
            match Self::read_one(&path) {
                Ok(Some(state)) => return Ok(Some((state, damage))),
                Ok(None) => {}
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// Removes the file, and all that was written with it.
    pub(crate) fn remove(path: &Path) -> Result<()> {
        let files = [path.to_path_buf(), previous(path), fresh(path), unfinished(path)];
        for path in files.iter().filter(|path| path.exists()) {
            fs::remove_file(path).map_err(|error| failure("cannot remove", path, &error))?;
        }
        Ok(())
    }

    fn read_one(path: &Path) -> Result<Option<State>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure("cannot read", path, &error)),
        };
        SEAL.open(&bytes).map(|(arrays, _)| Some(State { arrays })).map_err(|what| {
            let help = "delete the file to begin anew, or put a whole one in its place";
            Error::new(ErrorKind::Data, format!("{} is no whole saved run: {what}", path.display())).help(help)
        })
    }
}

/// Where the file before the last is kept.
pub(crate) fn previous(path: &Path) -> PathBuf {
    beside(path, ".previous")
}

/// Where a whole file waits until the one before it has made room.
fn fresh(path: &Path) -> PathBuf {
    beside(path, ".new")
}

/// Where a file is written.
fn unfinished(path: &Path) -> PathBuf {
    beside(path, ".tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("endo-state-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn path(&self) -> PathBuf {
            self.0.join("run")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn state(number: f64) -> State {
        State::new().with("a/number", number).with("b", [1.0_f32, f32::NAN]).with("c", [true, false]).with("d", [[1], [2]])
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = Folder::new("round");
        assert_eq!(State::read(&folder.path()).unwrap(), None);
        state(0.1).write(&folder.path()).unwrap();
        let (read, damage) = State::read(&folder.path()).unwrap().unwrap();
        assert_eq!((read.number("a/number").unwrap(), damage), (0.1, None));
        assert!(read.get("b").unwrap().get(1).is_nan());
        assert_eq!((read.get("c").unwrap(), read.get("d").unwrap()), (&[true, false].into(), &[[1], [2]].into()));
        assert_eq!(read.part("a").iter().count(), 1);
        assert_eq!(read.number("e").unwrap_err().message(), "the saved run has no `e` here");
    }

    #[test]
    fn every_damage_is_found_and_the_file_before_is_used() {
        let folder = Folder::new("damage");
        let path = folder.path();
        state(1.0).write(&path).unwrap();
        state(2.0).write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let number = || State::read(&path).map(|read| read.map(|(state, damage)| (state.number("a/number"), damage.is_some())));
        assert_eq!(number().unwrap(), Some((Ok(2.0), false)));
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(number().unwrap(), Some((Ok(1.0), true)), "{length} of {} bytes", whole.len());
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 1 << (position % 8);
            fs::write(&path, &bytes).unwrap();
            // Blanks at the end of the header may be other blanks.
            let read = number().unwrap();
            assert!(matches!(read, Some((Ok(1.0), true)) | Some((Ok(2.0), false))), "{position}: {read:?}");
            assert!(read == Some((Ok(1.0), true)) || whole[position] == b' ', "byte {position} was changed unseen");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(number().unwrap(), Some((Ok(1.0), false)));
        fs::write(previous(&path), &whole[..100]).unwrap();
        let error = number().unwrap_err();
        assert!(error.message().contains("is no whole saved run: it is truncated"), "{error}");
    }
}
