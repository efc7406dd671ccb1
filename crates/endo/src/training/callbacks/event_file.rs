//! The files that TensorBoard reads: records with checksums, each an event in the notation of
//! protocol buffers.
//!
//! In: numbers, histograms and texts by name. Out: a file `events.out.tfevents.*`. Source:
//! TensorFlow's `core/lib/io/record_writer.h` (length, its checksum, the bytes, their checksum),
//! `core/util/event.proto`, `core/framework/summary.proto` and `tensor.proto`; CRC32C is that of
//! RFC 3720, appendix B.4.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::files::failure;
use crate::training::Reading;

/// A file of events.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

/// Something shown under a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Histogram(Histogram),
    /// Shown as Markdown.
    Text(String),
}

/// How values are spread: their number in each of equal parts of their range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    min: f64,
    max: f64,
    count: f64,
    sum: f64,
    squares: f64,
    /// The upper ends of the parts.
    limits: Vec<f64>,
    counts: Vec<f64>,
}

/// Keras's.
const BUCKETS: usize = 30;

impl EventFile {
    /// A new file in a folder, which is made if it is missing. No file that is there already is
    /// touched.
    pub fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)
            .map_err(|error| failure("cannot make the folder", folder, &error))?;
        let mut number = 0;
        loop {
            let seconds = now() as u64;
            let path = folder.join(format!(
                "events.out.tfevents.{seconds:010}.endo.{}.{number}",
                std::process::id()
            ));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut events = Self { path, file };
                    events.record(&version(now()))?;
                    return Ok(events);
                }
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failure("cannot write", &path, &error)),
            }
        }
    }

    /// Adds what is shown at a step.
    pub fn write(&mut self, step: usize, values: &[(String, Value)]) -> Result<()> {
        self.record(&event(now(), step, values))
    }

    /// A record is written whole: who reads at the same time sees it or not.
    fn record(&mut self, event: &[u8]) -> Result<()> {
        self.file
            .write_all(&framed(event))
            .map_err(|error| failure("cannot write", &self.path, &error))
    }
}

impl Histogram {
    /// Of numbers, which are finite.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (mut min, mut max, mut count, mut sum, mut squares) =
            (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0, 0.0);
        for value in values.clone() {
            (min, max) = (min.min(value), max.max(value));
            (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
        }
        if count == 0.0 {
            (min, max) = (0.0, 0.0);
        }
        let parts = if max > min { BUCKETS } else { 1 };
        let width = (max - min) / parts as f64;
        let end = |part: usize| if part == parts { max } else { min + width * part as f64 };
        let limits = (1..=parts).map(end).collect();
        let mut counts = vec![0.0; parts];
        for value in values {
            let part = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
            counts[part.min(parts - 1)] += 1.0;
        }
        Self { min, max, count, sum, squares, limits, counts }
    }

    /// As a probe has counted it, if it has.
    pub fn of_reading(reading: &Reading) -> Option<Self> {
        let (statistics, histogram) = (&reading.statistics, reading.histogram.as_ref()?);
        Some(Self {
            min: statistics.minimum,
            max: statistics.maximum,
            count: statistics.count as f64,
            sum: statistics.mean * statistics.count as f64,
            squares: statistics.norm * statistics.norm,
            limits: histogram.edges().split_off(1),
            counts: histogram.counts.iter().map(|&count| count as f64).collect(),
        })
    }

    fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let numbers = [self.min, self.max, self.count, self.sum, self.squares];
        for (field, number) in (1..).zip(numbers) {
            double(&mut bytes, field, number);
        }
        for (field, numbers) in [(6, &self.limits), (7, &self.counts)] {
            let packed: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            delimited(&mut bytes, field, &packed);
        }
        bytes
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The event that every file begins with.
fn version(time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, time);
    delimited(&mut event, 3, b"brain.Event:2");
    event
}

fn event(time: f64, step: usize, values: &[(String, Value)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut entry = Vec::new();
        delimited(&mut entry, 1, tag.as_bytes());
        match value {
            Value::Scalar(number) => {
                key(&mut entry, 2, 5);
                entry.extend((*number as f32).to_le_bytes());
            }
            Value::Histogram(histogram) => delimited(&mut entry, 5, &histogram.message()),
            Value::Text(text) => {
                delimited(&mut entry, 8, &string(text));
                delimited(&mut entry, 9, &plugin("text"));
            }
        }
        delimited(&mut summary, 1, &entry);
    }
    let mut event = Vec::new();
    double(&mut event, 1, time);
    key(&mut event, 2, 0);
    varint(&mut event, step as u64);
    delimited(&mut event, 5, &summary);
    event
}

/// A tensor without axes: its type (7 is a string), its shape, and its value.
fn string(text: &str) -> Vec<u8> {
    let mut tensor = Vec::new();
    key(&mut tensor, 1, 0);
    varint(&mut tensor, 7);
    delimited(&mut tensor, 2, &[]);
    delimited(&mut tensor, 8, text.as_bytes());
    tensor
}

/// Which part of TensorBoard shows a value, and that the value is a tensor (2).
fn plugin(name: &str) -> Vec<u8> {
    let (mut plugin, mut metadata) = (Vec::new(), Vec::new());
    delimited(&mut plugin, 1, name.as_bytes());
    delimited(&mut metadata, 1, &plugin);
    key(&mut metadata, 4, 0);
    varint(&mut metadata, 2);
    metadata
}

/// A field's number and how its value is written: 0 a varint, 1 eight bytes, 2 bytes after their
/// number, 5 four bytes.
fn key(bytes: &mut Vec<u8>, field: u64, kind: u64) {
    varint(bytes, field << 3 | kind);
}

/// Seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn double(bytes: &mut Vec<u8>, field: u64, value: f64) {
    key(bytes, field, 1);
    bytes.extend(value.to_le_bytes());
}

fn delimited(bytes: &mut Vec<u8>, field: u64, content: &[u8]) {
    key(bytes, field, 2);
    varint(bytes, content.len() as u64);
    bytes.extend(content);
}

/// A record: the length, its checksum, the bytes, their checksum.
fn framed(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let parts: [&[u8]; 4] =
        [&length, &masked(&length).to_le_bytes(), content, &masked(content).to_le_bytes()];
    parts.concat()
}

/// A checksum as records hold it, changed so that checksums of checksums are not special.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC32C, bit by bit: a few kilobytes an epoch need no table.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa); // RFC 3720, B.4
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// The bytes that TensorFlow 2.21's `tf.io.TFRecordWriter` writes for the same two events.
    #[test]
    fn records_are_tensorflow_s() {
        assert_eq!(
            framed(&version(1.5)),
            b"\x18\0\0\0\0\0\0\0\xa3\x7fK\x22\x09\0\0\0\0\0\0\xf8?\x1a\x0dbrain.Event:2*(dl"
        );
        let scalar = [("epoch_loss".to_string(), Value::Scalar(0.25))];
        let expected = b"!\0\0\0\0\0\0\0\x01{\xec\xf6\
            \x09\0\0\0\0\0\0\x04@\x10\xac\x02*\x13\x0a\x11\x0a\x0aepoch_loss\x15\0\0\x80>\
            \xeb\x9e;u";
        assert_eq!(framed(&event(2.5, 300, &scalar)), expected);
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let histogram = Histogram::of((0..=60).map(f64::from));
        assert_eq!(
            (histogram.min, histogram.max, histogram.count, histogram.sum),
            (0.0, 60.0, 61.0, 1830.0)
        );
        assert_eq!((histogram.limits[0], histogram.limits[29]), (2.0, 60.0));
        assert_eq!((histogram.counts[0], histogram.counts[29]), (2.0, 3.0));
        assert_eq!(histogram.counts.iter().sum::<f64>(), 61.0);
        let same = Histogram::of([2.0, 2.0].into_iter());
        assert_eq!((same.limits, same.counts, same.squares), (vec![2.0], vec![2.0], 8.0));
    }
}
