//! Files that tell whether they are whole: arrays by name and a text, with the number of a format
//! and a checksum.
//!
//! In: what is to be kept. Out: the bytes of a safetensors file; and back, or why they are not such
//! a file.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::{SafeTensors, TensorView};

use crate::array::Array;

use super::checksum::Checksum;
use super::weight_files::{array, serialize};

/// A kind of such files.
pub(crate) struct Seal {
    /// The entry of the file's metadata that holds the number of the format, the checksum, and the
    /// text if there is one.
    pub entry: &'static str,
    /// To be raised when files are written otherwise.
    pub format: u32,
    /// The oldest format that is read.
    pub oldest: u32,
    /// What a file of this kind holds.
    pub what: &'static str,
}

/// Why bytes are not what a [`Seal`] was put on.
#[derive(Debug, PartialEq)]
pub(crate) enum SealMismatch {
    /// They are damaged.
    Damaged(String),
    /// They are a safetensors file of another kind.
    Another(String),
    /// They are of a format that this program does not know.
    Unknown(String),
}

impl fmt::Display for SealMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (SealMismatch::Damaged(why) | SealMismatch::Another(why) | SealMismatch::Unknown(why)) =
            self;
        f.write_str(why)
    }
}

impl Seal {
    /// The file of these arrays, in the order of their names, and this text.
    pub fn put<'a>(
        &self,
        arrays: impl Iterator<Item = (&'a str, &'a Array)> + Clone,
        text: &str,
    ) -> Result<Vec<u8>, String> {
        let separator = if text.is_empty() { "" } else { "\n" };
        let sum = Checksum::Xxh3.sum(&self.kind(self.format), arrays.clone(), text);
        let entry = format!("{} {sum}{separator}{text}", self.format);
        serialize(arrays, Some((self.entry, entry)))
    }

    /// The arrays and the text of a file.
    pub fn open(&self, bytes: &[u8]) -> Result<(BTreeMap<String, Array>, String), SealMismatch> {
        let broken = |error| {
            SealMismatch::Damaged(format!("it is truncated or no safetensors file ({error})"))
        };
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(self.entry));
        let entry = entry.and_then(|entry| entry.split_once(' '));
        let (format, rest) = entry.ok_or_else(|| {
            SealMismatch::Another(format!("it holds something else, not {}", self.what))
        })?;
        let known = (self.oldest..=self.format)
            .find(|known| known.to_string() == format)
            .ok_or_else(|| {
                let known = if self.oldest == self.format {
                    format!("format {}", self.format)
                } else {
                    format!("formats {} to {}", self.oldest, self.format)
                };
                SealMismatch::Unknown(format!(
                    "it has format {format}, and this program reads {known}"
                ))
            })?;
        let (sum, text) = rest.split_once('\n').unwrap_or((rest, ""));
        // Truth values are bytes of 0 and 1: others would become these, and damage go unseen.
        let whole = |view: &TensorView| array(view).filter(|array| array.bytes() == view.data());
        let arrays = file.iter().map(|(name, view)| Some((name.to_string(), whole(&view)?)));
        let arrays = arrays.collect::<Option<BTreeMap<_, _>>>();
        let arrays = arrays.ok_or_else(|| {
            SealMismatch::Damaged("it holds numbers that endo has not".to_string())
        })?;
        let content = arrays.iter().map(|(name, array)| (name.as_str(), array));
        if Checksum::of(sum).sum(&self.kind(known), content, text) == sum {
            Ok((arrays, text.to_string()))
        } else {
            Err(SealMismatch::Damaged("its checksum is not that of its content".to_string()))
        }
    }

    /// What a file of a format is, as its checksum says it.
    fn kind(&self, format: u32) -> String {
        format!("{} {format}", self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal { entry: "endo.test", format: 3, oldest: 3, what: "a test" };

    fn sealed(text: &str) -> Vec<u8> {
        let arrays = [("a", Array::from([1.0_f32, f32::NAN])), ("b", Array::from([[1], [2]]))];
        SEAL.put(arrays.iter().map(|(name, array)| (*name, array)), text).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened() {
        for text in ["", "first line\nsecond \"line\""] {
            let (arrays, again) = SEAL.open(&sealed(text)).unwrap();
            assert_eq!(
                (again.as_str(), &arrays["b"], arrays["a"].get(0)),
                (text, &[[1], [2]].into(), 1.0)
            );
        }
    }

    #[test]
    fn a_changed_text_is_found_and_other_files_are_told_apart() {
        let bytes = sealed("some text");
        let place = bytes.windows(4).position(|window| window == b"some").unwrap();
        let mut changed = bytes.clone();
        changed[place] = b'S';
        let has_wrong_checksum = |seal: &Seal, bytes: &[u8]| match seal.open(bytes) {
            Err(SealMismatch::Damaged(why)) => why.contains("checksum"),
            _ => false,
        };
        assert!(has_wrong_checksum(&SEAL, &changed));
        assert!(matches!(
            SEAL.open(&bytes[..place]),
            Err(SealMismatch::Damaged(why)) if why.contains("truncated")
        ));
        let newer = Seal { format: 4, oldest: 4, ..SEAL };
        let unknown =
            SealMismatch::Unknown("it has format 3, and this program reads format 4".to_string());
        assert_eq!(newer.open(&bytes), Err(unknown));
        // A program that reads both formats finds that the number was changed.
        let both = Seal { format: 4, ..SEAL };
        assert!(both.open(&bytes).is_ok());
        let place = bytes.windows(2).position(|window| window == b"3 ").unwrap();
        let mut changed = bytes.clone();
        changed[place] = b'4';
        assert!(has_wrong_checksum(&both, &changed));
        let other = Seal { entry: "endo.other", what: "another test", ..SEAL };
        assert_eq!(
            other.open(&bytes),
            Err(SealMismatch::Another("it holds something else, not another test".to_string()))
        );
    }
}
