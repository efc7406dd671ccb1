//! Arrays in `.npy` files, read row by row where they lie.
//!
//! In: a path. Out: [`NpyFile`], the shape of the array in it and any of its rows; [`NpySamples`],
//! files as samples to train on. Source: NumPy's format description (NEP 1, versions 1.0 to 3.0).

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{failure, unfit};
use crate::shape::Shape;
use crate::shown::shown_path;

use super::Dataset;
use super::stream::Samples;

/// An array in a `.npy` file, of which rows are read by their numbers. The file may be larger than
/// the memory.
///
/// Numbers of the types of [`DType`] are read as they are; integers of other sizes become `i32`,
/// where one that does not fit is an error, and half floats become `f32`.
///
/// ```
/// use endo::Array;
/// use endo::data::NpyFile;
/// # let path = std::env::temp_dir().join(format!("endo-npy-{}.npy", std::process::id()));
/// # let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
/// # bytes.extend(
/// #     format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }")
/// #         .bytes(),
/// # );
/// # bytes.extend([0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|x| x.to_le_bytes()));
/// # std::fs::write(&path, bytes).unwrap();
/// // Written by `np.save(path, np.arange(6, dtype="float32").reshape(3, 2))`.
/// let mut file = NpyFile::open(&path)?;
/// assert_eq!(file.shape().sizes(), [3, 2]);
/// assert_eq!(file.take(&[2, 0])?, Array::from([[4.0_f32, 5.0], [0.0, 1.0]]));
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Debug)]
pub struct NpyFile {
    path: PathBuf,
    file: File,
    /// Where the numbers begin.
    start: u64,
    shape: Shape,
    stored: NumberFormat,
    /// The bytes of the rows that were read last.
    bytes: Vec<u8>,
}

/// How numbers are stored.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct NumberFormat {
    pub kind: NumberKind,
    /// Bytes of one number.
    pub size: usize,
    pub is_big_endian: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum NumberKind {
    Float,
    /// The upper half of an `f32`: `bfloat16`.
    UpperHalf,
    Signed,
    Unsigned,
    Bool,
}

impl NpyFile {
    /// Opens a file, and reads its header.
    ///
    /// # Errors
    /// If it cannot be read, is no `.npy` file or shorter than its header says, holds what is no
    /// number, or lies column by column.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let unreadable = |error: std::io::Error| failure("cannot read", &path, &error);
        let refuse = |what: &str, help: &str| unfit(&path, what, help);
        let mut file = File::open(&path).map_err(unreadable)?;
        let (start, text) = header(&mut file).map_err(unreadable)?.ok_or_else(|| {
            let help = "write one with `np.save`; of an `.npz` archive, save each array by itself";
            refuse("this is no `.npy` file", help)
        })?;
        let odd = || {
            let what = format!("its header cannot be read: {}", text.trim_end());
            refuse(&what, "write the file anew with `np.save`")
        };
        let stored = entry(&text, "descr").ok_or_else(odd)?;
        let stored = NumberFormat::read(stored).ok_or_else(|| {
            let help = "save numbers: `np.save(path, array.astype(\"float32\"))`";
            refuse(&format!("it holds {stored}, and not numbers of up to 64 bits"), help)
        })?;
        if entry(&text, "fortran_order") != Some("False") {
            let help = "save it row by row: `np.save(path, np.ascontiguousarray(array))`";
            let what = "it lies column by column, so that no row of it can be read by itself";
            return Err(refuse(what, help));
        }
        let shape = sizes(&text).ok_or_else(odd)?;
        if shape.is_scalar() || shape.contains(&0) {
            let what = format!("its shape is {shape}, without a row");
            return Err(refuse(&what, "the first axis counts the samples"));
        }
        let length = file.metadata().map_err(unreadable)?.len();
        let needed = (shape.len() as u64).saturating_mul(stored.size as u64).saturating_add(start);
        if length < needed {
            let message =
                format!("it has {length} bytes, and an array of shape {shape} needs {needed}");
            return Err(refuse(&message, "copy the whole file again"));
        }
        Ok(Self { path, file, start, shape, stored, bytes: Vec::new() })
    }

    /// The sizes of the array's axes; the first counts the rows.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of the numbers as they are read.
    pub fn dtype(&self) -> DType {
        self.stored.dtype()
    }

    /// The rows with these numbers, in this order.
    ///
    /// # Errors
    /// If there is no such row, the file cannot be read, or an integer does not fit.
    pub fn take(&mut self, rows: &[usize]) -> Result<Array> {
        let count = self.shape.batch();
        if let Some(row) = rows.iter().find(|&&row| row >= count) {
            let message =
                format!("{}: there is no row {row}, only {count}", shown_path(&self.path));
            return Err(Error::argument(message, "rows count from 0"));
        }
        let width = self.shape.len() / count * self.stored.size;
        self.bytes.resize(rows.len() * width, 0);
        let mut done = 0;
        while done < rows.len() {
            // Rows that lie behind one another are read at once.
            let run = (1..rows.len() - done)
                .take_while(|&next| rows[done + next] == rows[done] + next)
                .count()
                + 1;
            let place = self.start + (rows[done] * width) as u64;
            let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| {
                let bytes = &mut self.bytes[done * width..(done + run) * width];
                self.file.read_exact(bytes)
            });
            read.map_err(|error| failure("cannot read", &self.path, &error))?;
            done += run;
        }
        let shape = self.shape.with(0, rows.len());
        self.stored.array(shape, &self.bytes).map_err(|(place, number)| {
            let row = rows[place / (self.shape.len() / count)];
            let what =
                format!("row {row} has the integer {number}; data holds integers of 32 bits");
            let help = "save it as `float32` or `float64`, or number classes anew from 0";
            unfit(&self.path, what, help)
        })
    }
}

/// The array of the bytes of a whole `.npy` file; of any shape, also without axes or samples.
pub(super) fn array_of_bytes(bytes: &[u8]) -> Result<Array, String> {
    let damaged = || "this is no whole `.npy` file".to_string();
    let (start, text) = header(&mut Cursor::new(bytes)).ok().flatten().ok_or_else(damaged)?;
    let (stored, shape) = (entry(&text, "descr").and_then(NumberFormat::read), sizes(&text));
    let stored = stored.ok_or_else(|| format!("its numbers are not known: {}", text.trim_end()))?;
    let shape = shape.ok_or_else(damaged)?;
    let is_by_columns = entry(&text, "fortran_order") != Some("False") && shape.rank() > 1;
    let numbers = bytes
        .get(start as usize..)
        .filter(|bytes| bytes.len() >= shape.len() * stored.size)
        .ok_or_else(damaged)?;
    let numbers = &numbers[..shape.len() * stored.size];
    let by_rows = is_by_columns.then(|| by_rows(numbers, &shape, stored.size));
    let array = stored.array(shape, by_rows.as_deref().unwrap_or(numbers));
    array.map_err(|(_, number)| format!("the integer {number} does not fit into 32 bits"))
}

/// The bytes of numbers that lie column by column, the first axis fastest, in the order of rows.
fn by_rows(numbers: &[u8], shape: &Shape, size: usize) -> Vec<u8> {
    let strides = shape.strides();
    let place = |index: usize| {
        let axes = strides.iter().zip(shape.iter());
        axes.fold((0, 1), |(place, step), (stride, axis)| {
            (place + index / stride % axis * step, step * axis)
        })
        .0
    };
    (0..shape.len())
        .flat_map(|index| numbers[place(index) * size..][..size].iter().copied())
        .collect()
}

impl NumberFormat {
    /// The type of the numbers as they are read.
    fn dtype(self) -> DType {
        match (self.kind, self.size) {
            (NumberKind::Float, 8) => DType::F64,
            (NumberKind::Float | NumberKind::UpperHalf, _) => DType::F32,
            (NumberKind::Unsigned, 1) => DType::U8,
            (NumberKind::Signed | NumberKind::Unsigned, _) => DType::I32,
            (NumberKind::Bool, _) => DType::Bool,
        }
    }

    /// From NumPy's text: `<f4`.
    fn read(text: &str) -> Option<Self> {
        let (order, rest) = text.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let (kind, sizes): (_, &[usize]) = match kind {
            "f" => (NumberKind::Float, &[2, 4, 8]),
            "i" => (NumberKind::Signed, &[1, 2, 4, 8]),
            "u" => (NumberKind::Unsigned, &[1, 2, 4, 8]),
            "b" => (NumberKind::Bool, &[1]),
            _ => return None,
        };
        let size = size.parse().ok()?;
        (sizes.contains(&size) && ["<", ">", "|"].contains(&order)).then_some(Self {
            kind,
            size,
            is_big_endian: order == ">",
        })
    }

    /// The array of such numbers; or the place of an integer that does not fit, and the integer.
    pub fn array(self, shape: Shape, bytes: &[u8]) -> Result<Array, (usize, i128)> {
        let number = |index: usize| {
            let mut number = [0; 8];
            number[..self.size].copy_from_slice(&bytes[index * self.size..][..self.size]);
            if self.is_big_endian {
                number[..self.size].reverse();
            }
            u64::from_le_bytes(number)
        };
        let integer = |index: usize| -> i128 {
            let bits = number(index);
            match self.kind {
                NumberKind::Signed => {
                    let unused = 64 - 8 * self.size as u32;
                    i128::from(((bits << unused) as i64) >> unused)
                }
                _ => i128::from(bits),
            }
        };
        Ok(match self.dtype() {
            DType::F64 => Array::from_fn(shape, |index| f64::from_bits(number(index))),
            DType::F32 if self.kind == NumberKind::UpperHalf => {
                Array::from_fn(shape, |index| f32::from_bits((number(index) as u32) << 16))
            }
            DType::F32 if self.size == 2 => {
                Array::from_fn(shape, |index| half(number(index) as u16))
            }
            DType::F32 => Array::from_fn(shape, |index| f32::from_bits(number(index) as u32)),
            DType::Bool => Array::from_fn(shape, |index| number(index) != 0),
            DType::U8 => Array::from_bytes(shape, DType::U8, bytes),
            DType::I32 => {
                let numbers = (0..shape.len()).map(integer);
                if let Some((place, number)) =
                    numbers.enumerate().find(|(_, number)| i32::try_from(*number).is_err())
                {
                    return Err((place, number));
                }
                Array::from_fn(shape, |index| integer(index) as i32)
            }
        })
    }
}

/// The number of a half float: IEEE 754-2008, binary16.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(i32::from(exponent) - 15),
    };
    if sign == 1 { -size } else { size }
}

/// The length of the header and its text; none of a file of another kind.
fn header(file: &mut (impl Read + Seek)) -> std::io::Result<Option<(u64, String)>> {
    let mut begin = Vec::new();
    file.by_ref().take(12).read_to_end(&mut begin)?;
    let (before, length) = match begin[..] {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            (10, u32::from(u16::from_le_bytes([a, b])))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d] => {
            (12, u32::from_le_bytes([a, b, c, d]))
        }
        _ => return Ok(None),
    };
    file.seek(SeekFrom::Start(before))?;
    let mut text = Vec::new();
    let read = file.take(length.into()).read_to_end(&mut text)?;
    Ok((read == length as usize)
        .then(|| (before + u64::from(length), String::from_utf8_lossy(&text).into_owned())))
}

/// The value of an entry of a header, without quotes.
fn entry<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("'{name}':"))?;
    let rest = rest.trim_start();
    let end = if let Some(quoted) = rest.strip_prefix('\'') {
        return quoted.split('\'').next();
    } else {
        rest.find([',', '}'])?
    };
    Some(rest[..end].trim())
}

/// The sizes of a header's shape.
fn sizes(text: &str) -> Option<Shape> {
    let (_, rest) = text.split_once("'shape':")?;
    let (inside, _) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let sizes = inside.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Option<Shape> = sizes.map(|size| size.parse().ok()).collect();
    shape.filter(Shape::is_possible)
}

/// Inputs and targets in `.npy` files: samples that `fit` reads by their numbers, shuffles and cuts
/// into batches.
///
/// ```
/// # use endo::prelude::*;
/// # fn run() -> Result<()> {
/// use endo::data::NpySamples;
///
/// let train = NpySamples::open(["images.npy"])?.targets(["labels.npy"])?;
/// let mut model =
///     Model::new(Sequential::new().add(Flatten::new()).add(Dense::new(10).activation("softmax")));
/// model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"]);
/// model.fit(Stream::samples(train).prefetch(2), Fit::epochs(5).batch_size(64))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NpySamples {
    inputs: Vec<NpyFile>,
    targets: Vec<NpyFile>,
}

impl NpySamples {
    /// A file for each input of the model.
    ///
    /// # Errors
    /// If there is none, one of them cannot be opened, or they have not equally many rows.
    pub fn open<P: AsRef<Path>>(inputs: impl IntoIterator<Item = P>) -> Result<Self> {
        let inputs = inputs.into_iter().map(NpyFile::open).collect::<Result<Vec<_>>>()?;
        if inputs.is_empty() {
            return Err(Error::data("no files of inputs were given", "give at least one"));
        }
        Self { inputs, targets: Vec::new() }.checked()
    }

    /// A file for each array of targets.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn targets<P: AsRef<Path>>(mut self, targets: impl IntoIterator<Item = P>) -> Result<Self> {
        self.targets = targets.into_iter().map(NpyFile::open).collect::<Result<_>>()?;
        self.checked()
    }

    fn checked(self) -> Result<Self> {
        let count = self.count();
        let mut others = self.inputs.iter().chain(&self.targets);
        if let Some(other) = others.find(|file| file.shape.batch() != count) {
            let message = format!(
                "{} has {count} rows, and {} has {}",
                shown_path(&self.inputs[0].path),
                shown_path(&other.path),
                other.shape.batch()
            );
            let help = "the first axis counts the samples and must be the same";
            return Err(Error::shape(message, help));
        }
        Ok(self)
    }
}

impl Samples for NpySamples {
    fn count(&self) -> usize {
        self.inputs[0].shape.batch()
    }

    fn take(&mut self, numbers: &[usize]) -> Result<Dataset> {
        let arrays = |files: &mut Vec<NpyFile>| {
            files.iter_mut().map(|file| file.take(numbers)).collect::<Result<Vec<_>>>()
        };
        let (inputs, targets) = (arrays(&mut self.inputs)?, arrays(&mut self.targets)?);
        Dataset::new(inputs, targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str, bytes: &[u8]) -> Result<Array, (usize, i128)> {
        let stored = NumberFormat::read(text).unwrap();
        stored.array(Shape::from([bytes.len() / stored.size]), bytes)
    }

    #[test]
    fn numbers_of_all_sizes_and_orders_are_read() {
        assert_eq!(stored("|i1", &[0x80, 0x7f]).unwrap(), Array::from([-128, 127]));
        assert_eq!(stored("|u1", &[0x80, 0xff]).unwrap(), Array::from([128_u8, 255]));
        assert_eq!(stored(">i2", &[0xff, 0xfe, 0x01, 0x00]).unwrap(), Array::from([-2, 256]));
        assert_eq!(stored("<i8", &(-5_i64).to_le_bytes()).unwrap(), Array::from([-5]));
        assert_eq!(
            stored("<u4", &3_000_000_000_u32.to_le_bytes()).unwrap_err(),
            (0, 3_000_000_000)
        );
        assert_eq!(stored(">f8", &1.5_f64.to_be_bytes()).unwrap(), Array::from([1.5_f64]));
        assert_eq!(stored("|b1", &[0, 1]).unwrap(), Array::from([false, true]));
        let halves = [0x3c00_u16, 0xc000, 0x0001, 0x7bff, 0x7c00].map(u16::to_le_bytes).concat();
        let want = [1.0, -2.0, 2.0_f32.powi(-24), 65504.0, f32::INFINITY];
        assert_eq!(stored("<f2", &halves).unwrap(), Array::from(want));
        assert!(
            NumberFormat::read("<U5").is_none()
                && NumberFormat::read("<c8").is_none()
                && NumberFormat::read("f").is_none()
        );
    }

    #[test]
    fn headers_are_read_as_numpy_writes_them() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }   \n";
        assert_eq!(
            (entry(text, "descr"), entry(text, "fortran_order")),
            (Some("<f4"), Some("False"))
        );
        assert_eq!(sizes(text).unwrap().sizes(), [3, 2]);
        assert_eq!(sizes("{'shape': (5,), }").unwrap().sizes(), [5]);
        assert_eq!(sizes("{'shape': (), }").unwrap().sizes(), [0_usize; 0]);
        assert!(sizes("{'shape': (3, x), }").is_none());
    }
}
