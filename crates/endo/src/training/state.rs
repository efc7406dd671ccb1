//! What a run needs to go on where it stopped: numbers by name, in one file.
//!
//! In: arrays. Out: a safetensors file with a checksum, beside the one that it takes the place of;
//! and back, from the newest of the two that is whole.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{self, beside, failure};
use crate::net::sealed::Seal;
use crate::shape::Shape;

/// Numbers by name that a [`Callback`](super::Callback) keeps with a run, to go on from them when
/// the run is resumed.
///
/// What is read is checked: a number that cannot be what it is read as is an error that names its
/// entry of the file. So nothing that a file says is used as a size or a position before it is
/// known to be one.
///
/// ```
/// use endo::prelude::*;
/// use endo::training::State;
///
/// /// Stops after a number of epochs whose loss was no better than that of the one before.
/// struct Setbacks { limit: usize, count: usize, last: f64 }
///
/// impl Callback for Setbacks {
///     fn epoch_end(&mut self, _epoch: usize, report: &Epoch, training: &Training) -> Result<()> {
///         self.count += usize::from(report.ledger.total >= self.last);
///         self.last = report.ledger.total;
///         if self.count >= self.limit {
///             training.stop();
///         }
///         Ok(())
///     }
///     fn state(&self) -> State {
///         State::new().with("count", self.count as f64).with("last", self.last)
///     }
///     fn restore(&mut self, state: &State) -> Result<()> {
///         (self.count, self.last) =
///             (state.count_at_most("count", self.limit)?, state.number("last")?);
///         Ok(())
///     }
/// }
/// let setbacks = Setbacks { limit: 3, count: 1, last: 0.5 };
/// assert_eq!(setbacks.state().count("count")?, 1);
/// assert!(setbacks.state().count("last").is_err()); // 0.5 is no whole number
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct State {
    arrays: BTreeMap<String, Array>,
    /// What stands in the file before the names, for messages: `callback 0/`.
    prefix: String,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.arrays == other.arrays
    }
}

/// Whole numbers up to this one are exact in an `f64`.
const EXACT: f64 = (1_u64 << 53) as f64;

pub(super) const SEAL: Seal = Seal { entry: "endo.run", format: 3, oldest: 1, what: "a run" };

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
        let array = self.get(name)?;
        let bytes = array.as_slice::<i32>().filter(|_| array.shape().rank() == 1);
        let bytes =
            bytes.and_then(|bytes| bytes.iter().map(|&byte| u8::try_from(byte).ok()).collect());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| self.unexpected(name, "the bytes of a text", kind(array)))
    }

    /// With everything of another under names that begin with `prefix/`.
    pub(crate) fn insert(&mut self, prefix: &str, other: State) {
        self.arrays.extend(
            other.arrays.into_iter().map(|(name, value)| (format!("{prefix}/{name}"), value)),
        );
    }

    /// What is under names that begin with `prefix/`, without it.
    pub(crate) fn part(&self, prefix: &str) -> State {
        let prefix = format!("{prefix}/");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let part = self
            .arrays
            .range::<str, _>(from)
            .map_while(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
        let arrays = part.map(|(name, value)| (name.to_string(), value.clone())).collect();
        State { arrays, prefix: format!("{}{prefix}", self.prefix) }
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
            let message = format!("the saved run has no `{}{name}`", self.prefix);
            let help = "resume with the callbacks that the run was saved with, in the same order";
            Error::data(message, help)
        })
    }

    /// Whether there is something under a name.
    pub fn contains(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// The array of a name, which has this shape and type.
    ///
    /// # Errors
    /// If there is none, or it has another.
    pub fn array(&self, name: &str, shape: &Shape, dtype: DType) -> Result<&Array> {
        let array = self.get(name)?;
        if (array.shape(), array.dtype()) == (shape, dtype) {
            Ok(array)
        } else {
            Err(self.unexpected(name, format!("{dtype}{shape}"), kind(array)))
        }
    }

    /// The number of a name.
    ///
    /// # Errors
    /// If there is none, or it is an array of several.
    pub fn number(&self, name: &str) -> Result<f64> {
        let array = self.get(name)?;
        array.item().map_err(|_| self.unexpected(name, "one number", kind(array)))
    }

    /// The whole number of a name, which says how many there are of something, or which of them it
    /// is.
    ///
    /// # Errors
    /// If there is none, or it is negative, no whole number, or too large to be exact.
    pub fn count(&self, name: &str) -> Result<usize> {
        self.whole(name, self.number(name)?, usize::MAX)
    }

    /// The whole number of a name, which is not larger than another.
    ///
    /// # Errors
    /// If there is none, or it is none of 0, 1, .., `most`.
    pub fn count_at_most(&self, name: &str, most: usize) -> Result<usize> {
        self.whole(name, self.number(name)?, most)
    }

    /// The truth value of a name.
    ///
    /// # Errors
    /// If there is none, or a number that is neither 0 nor 1.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.count_at_most(name, 1)? == 1)
    }

    /// The whole numbers of a name.
    pub(crate) fn counts<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let array = self.array(name, &[N].into(), DType::F64)?;
        let mut counts = [0; N];
        for (index, count) in counts.iter_mut().enumerate() {
            *count = self.whole(name, array.get(index), usize::MAX)?;
        }
        Ok(counts)
    }

    /// A number that was found under a name, as a whole one that is not larger than another.
    pub(crate) fn whole(&self, name: &str, number: f64, most: usize) -> Result<usize> {
        let whole =
            ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64);
        let whole =
            whole.and_then(|whole| usize::try_from(whole).ok()).filter(|whole| *whole <= most);
        whole.ok_or_else(|| match most {
            usize::MAX => self.unexpected(name, "a whole number that is not negative", number),
            _ => self.unexpected(name, format!("a whole number from 0 to {most}"), number),
        })
    }

    /// The error for something under a name that is not what it has to be.
    pub(crate) fn unexpected(
        &self,
        name: &str,
        expected: impl Display,
        found: impl Display,
    ) -> Error {
        let entry = format!("{}{name}", self.prefix);
        let entry = entry.trim_end_matches('/');
        let message =
            format!("the saved run is damaged: `{entry}` must be {expected}, got {found}");
        let help = "delete the file of the run to begin anew, or put a whole one in its place";
        Error::data(message, help)
    }

    /// The bytes of its file.
    pub(crate) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        SEAL.put(self.iter(), "").map_err(|error| failure("cannot write", path, &error))
    }

    /// What the bytes of a file are.
    pub(crate) fn from_bytes(bytes: &[u8], path: &Path) -> Result<State> {
        SEAL.open(bytes).map(|(arrays, _)| Self::of_arrays(arrays)).map_err(|what| {
            let help = "delete the file to begin anew, or put a whole one in its place";
            Error::data(format!("{} is no whole saved run: {what}", path.display()), help)
        })
    }

    fn of_arrays(arrays: BTreeMap<String, Array>) -> State {
        let is_old = arrays.contains_key("model epochs");
        let arrays =
            arrays.into_iter().map(|(entry, array)| (current_name(&entry), array)).collect();
        let state = State { arrays, ..State::default() };
        if is_old { state.with(LAYER_IN_NAMES, true) } else { state }
    }

    /// Writes the file. The one that was there is kept beside it, under its name with `.previous`
    /// added, so that at any moment one of the two is whole. Nobody else writes to a run that is
    /// claimed, so the temporary file has the same name each time: a process that is killed again
    /// and again leaves one.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let fail = |error: &dyn std::fmt::Display| failure("cannot write", path, error);
        let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| fail(&error));
        let bytes = self.to_bytes(path)?;
        files::write_temporary(&unfinished(path), &bytes)?;
        rename(&unfinished(path), &fresh(path))?;
        if path.exists() {
            rename(path, &previous(path))?;
        }
        rename(&fresh(path), path)
    }

    /// Reads the newest file that is whole: one that was written and not yet renamed, the file
    /// itself, or the one before it; with what is wrong with those that are newer. None where there
    /// is none at all.
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
        Self::from_bytes(&bytes, path).map(Some)
    }
}

/// What a file of the formats before 3 has besides: the names of its weights begin with that of the
/// model's outermost layer.
pub(super) const LAYER_IN_NAMES: &str = "layer_in_names";

/// Entries of the formats before 3 that have another name now: the folder in which they are, what
/// they begin with, and the same now.
const RENAMED: [(&str, &str, &str); 13] = [
    ("", "model epochs", "model_epochs"),
    ("", "non-finite", "non_finite"),
    ("", "callback ", "callback/"),
    ("probes/", "term readings", "term_readings"),
    ("probes/", "series ", "series/"),
    ("identity/", "samples in a batch", "batch_size"),
    ("identity/", "as `shuffle`", "shuffle"),
    ("identity/", "as the seed of the model", "seed"),
    ("identity/", "as `record_steps`", "record_steps"),
    ("identity/", "as probe ", "probe/"),
    ("identity/", "as the checksum of the validation data", "validation"),
    ("identity/", "as the checksum of the data", "data"),
    ("history/", "validation t", "validation_t"),
];

/// The name of an entry that may have been written by a version before.
fn current_name(entry: &str) -> String {
    for (folder, before, now) in RENAMED {
        let Some(name) = entry.strip_prefix(folder) else { continue };
        // The columns of a history are numbered.
        let (number, name) = if folder == "history/" {
            name.split_once('/').unwrap_or(("", name))
        } else {
            ("", name)
        };
        if let Some(rest) = name.strip_prefix(before) {
            let number = if number.is_empty() { String::new() } else { format!("{number}/") };
            return format!("{folder}{number}{now}{rest}");
        }
    }
    entry.to_string()
}

/// The type and shape of an array, as messages call it.
pub(crate) fn kind(array: &Array) -> String {
    format!("{}{}", array.dtype(), array.shape())
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
    use crate::files::tests::Folder;

    fn state(number: f64) -> State {
        State::new()
            .with("a/number", number)
            .with("b", [1.0_f32, f32::NAN])
            .with("c", [true, false])
            .with("d", [[1], [2]])
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = Folder::new("state-round");
        assert_eq!(State::read(&folder.0.join("run")).unwrap(), None);
        state(0.1).write(&folder.0.join("run")).unwrap();
        let (read, damage) = State::read(&folder.0.join("run")).unwrap().unwrap();
        assert_eq!((read.number("a/number").unwrap(), damage), (0.1, None));
        assert!(read.get("b").unwrap().get(1).is_nan());
        assert_eq!(
            (read.get("c").unwrap(), read.get("d").unwrap()),
            (&[true, false].into(), &[[1], [2]].into())
        );
        assert_eq!(read.part("a").iter().count(), 1);
        read.number("e").unwrap_err().reads("the saved run has no `e`");
        read.part("a").number("e").unwrap_err().reads("the saved run has no `a/e`");
    }

    #[test]
    fn every_damage_is_found_and_the_file_before_is_used() {
        let folder = Folder::new("state-damage");
        let path = folder.0.join("run");
        state(1.0).write(&path).unwrap();
        state(2.0).write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let number = || {
            State::read(&path).map(|read| {
                read.map(|(state, damage)| (state.number("a/number"), damage.is_some()))
            })
        };
        assert_eq!(number().unwrap(), Some((Ok(2.0), false)));
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(
                number().unwrap(),
                Some((Ok(1.0), true)),
                "{length} of {} bytes",
                whole.len()
            );
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 1 << (position % 8);
            fs::write(&path, &bytes).unwrap();
            // Blanks at the end of the header may be other blanks.
            let read = number().unwrap();
            assert!(
                matches!(read, Some((Ok(1.0), true)) | Some((Ok(2.0), false))),
                "{position}: {read:?}"
            );
            assert!(
                read == Some((Ok(1.0), true)) || whole[position] == b' ',
                "byte {position} was changed unseen"
            );
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(number().unwrap(), Some((Ok(1.0), false)));
        fs::write(previous(&path), &whole[..100]).unwrap();
        number().unwrap_err().says("is no whole saved run: it is truncated");
    }

    /// What the error of a reader says, if it is one.
    fn refused<T>(result: Result<T>) -> Option<String> {
        let error = result.err()?;
        error.advises("delete the file");
        Some(error.message().replace("the saved run is damaged: ", ""))
    }

    #[test]
    fn a_count_is_a_whole_number_that_is_not_negative_and_not_too_large() {
        let state = |number: f64| State::new().with("a/n", number).part("a");
        for number in [0.0, 1.0, 7.0, EXACT] {
            assert_eq!(state(number).count("n").unwrap(), number as usize);
        }
        for number in [-1.0, 0.5, f64::NAN, f64::INFINITY, 2.0 * EXACT, 1e300] {
            let message =
                format!("`a/n` must be a whole number that is not negative, got {number}");
            assert_eq!(refused(state(number).count("n")), Some(message));
        }
        assert_eq!(state(7.0).count_at_most("n", 7).unwrap(), 7);
        let message = "`a/n` must be a whole number from 0 to 7, got 8".to_string();
        assert_eq!(refused(state(8.0).count_at_most("n", 7)), Some(message));
        assert!(!state(0.0).flag("n").unwrap() && state(1.0).flag("n").unwrap());
        assert!(
            refused(state(2.0).flag("n")).is_some() && refused(state(f64::NAN).flag("n")).is_some()
        );
    }

    #[test]
    fn arrays_and_texts_have_their_shape_and_type() {
        let state = State::new()
            .with("pair", [1.0, 2.0])
            .with("whole", [1, 2])
            .with_text("text", "ä b")
            .with("bytes", [228, 32]);
        assert_eq!(
            (state.counts("pair").unwrap(), state.text("text").unwrap().as_str()),
            ([1, 2], "ä b")
        );
        assert_eq!(refused(state.number("pair")).unwrap(), "`pair` must be one number, got f64[2]");
        assert_eq!(
            refused(state.counts::<3>("pair")).unwrap(),
            "`pair` must be f64[3], got f64[2]"
        );
        assert_eq!(
            refused(state.counts::<2>("whole")).unwrap(),
            "`whole` must be f64[2], got i32[2]"
        );
        assert_eq!(
            refused(state.text("bytes")).unwrap(),
            "`bytes` must be the bytes of a text, got i32[2]"
        );
        assert!(refused(state.text("pair")).is_some());
    }
}
