//! The lines of a text file, read by their numbers.
//!
//! In: a path, and a closure that makes a batch of lines. Out: [`TextLines`], samples to train on.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files::{failure, unfit};

use super::Dataset;
use super::stream::{IntoBatch, Samples};

/// The lines of a UTF-8 text file as samples: those of a batch are read when it is their turn, and
/// a closure makes arrays of them. Only where the lines begin is kept in memory. Empty lines are
/// none.
///
/// ```
/// use endo::data::TextLines;
/// use endo::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("endo-lines-{}.txt", std::process::id()));
/// # std::fs::write(&path, "good film\nbad film\nvery good\nvery bad\n").unwrap();
/// let reviews = TextLines::open(&path, |lines: &[String]| {
///     let is_good = |line: &String| line.contains("good");
///     let x = Array::from_fn([lines.len(), 1], |row| lines[row].len() as f32);
///     (
///         x,
///         Array::from_fn(
///             [lines.len(), 1],
///             |row| if is_good(&lines[row]) { 1.0_f32 } else { 0.0 },
///         ),
///     )
/// })?;
/// let mut model = Model::new(Dense::new(1).activation("sigmoid"));
/// model.compile("adam", "binary_crossentropy", ());
/// model.fit(Stream::samples(reviews), Fit::epochs(2).batch_size(2))?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), Error>(())
/// ```
pub struct TextLines<F> {
    path: PathBuf,
    file: File,
    batch: F,
    lines: Vec<SourceLine>,
}

/// Where a line lies.
#[derive(Clone, Copy)]
struct SourceLine {
    start: u64,
    /// Its bytes, without its end.
    length: usize,
    /// Its number in the file, counted from 1.
    number: usize,
}

impl<B: IntoBatch, F: FnMut(&[String]) -> B> TextLines<F> {
    /// Goes through the file once, to find its lines.
    ///
    /// # Errors
    /// If it cannot be read, or has no line.
    pub fn open(path: impl AsRef<Path>, batch: F) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let unreadable = |error: std::io::Error| failure("cannot read", &path, &error);
        let file = File::open(&path).map_err(unreadable)?;
        let mut reader = BufReader::new(&file);
        let (mut lines, mut start, mut number, mut bytes) = (Vec::new(), 0, 0, Vec::new());
        loop {
            bytes.clear();
            let read = reader.read_until(b'\n', &mut bytes).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            number += 1;
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            // The mark of UTF-8 before the first line is no part of it.
            let mark = if number == 1 && text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            if text.len() > mark {
                lines.push(SourceLine {
                    start: start + mark as u64,
                    length: text.len() - mark,
                    number,
                });
            }
            start += read as u64;
        }
        if lines.is_empty() {
            let help = "give a file of text with a sample in each line";
            return Err(unfit(&path, "there is no line in it", help));
        }
        Ok(Self { path, file, batch, lines })
    }
}

impl<B: IntoBatch, F: FnMut(&[String]) -> B + Send> Samples for TextLines<F> {
    fn count(&self) -> usize {
        self.lines.len()
    }

    fn take(&mut self, numbers: &[usize]) -> Result<Dataset> {
        let mut texts = Vec::with_capacity(numbers.len());
        for &index in numbers {
            let SourceLine { start, length, number } = self.lines[index];
            let mut bytes = vec![0; length];
            let read = self
                .file
                .seek(SeekFrom::Start(start))
                .and_then(|_| self.file.read_exact(&mut bytes));
            read.map_err(|error| failure("cannot read", &self.path, &error))?;
            texts.push(String::from_utf8(bytes).map_err(|_| {
                let help = "convert the file: `iconv -f WINDOWS-1252 -t UTF-8`, say";
                unfit(&self.path, format!("line {number} is not UTF-8"), help)
            })?);
        }
        (self.batch)(&texts).into_batch()
    }
}
