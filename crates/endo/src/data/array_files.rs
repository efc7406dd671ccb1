//! Arrays by name in files of others.
//!
//! In: a safetensors, `.npz` or `.npy` file. Out: its arrays by name.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::array::Array;
use crate::error::Result;
use crate::files::{failure, unfit};
use crate::shape::Shape;

use super::npy::{NumberFormat, NumberKind, array_of_bytes};

/// The arrays of a file by name: of a safetensors file, an `.npz` archive (`np.savez`,
/// `np.savez_compressed`), or a `.npy` file, whose only array is called `""`. What they hold is
/// read as by [`NpyFile`](super::NpyFile): `bfloat16` becomes `f32`, too.
///
/// ```
/// use endo::data::read_arrays;
/// use endo::prelude::*;
///
/// # let path =
/// #     std::env::temp_dir().join(format!("endo-read-arrays-{}.safetensors", std::process::id()));
/// let model = Model::new(Sequential::new().add(Dense::new(2).name("first")));
/// model.build([1, 3])?;
/// model.save_weights(&path)?;
/// let arrays = read_arrays(&path)?;
/// assert_eq!(arrays.keys().collect::<Vec<_>>(), ["first/bias", "first/kernel"]);
/// model
///     .layer("first")?
///     .set_weights(&[arrays["first/kernel"].clone(), arrays["first/bias"].clone()])?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind, or holds what is no number that an
/// array can hold.
pub fn read_arrays(path: impl AsRef<Path>) -> Result<BTreeMap<String, Array>> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|error| failure("cannot read", path, &error))?;
    let arrays = match &bytes[..] {
        [b'P', b'K', ..] => archive(&bytes),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            array_of_bytes(&bytes).map(|array| BTreeMap::from([(String::new(), array)]))
        }
        _ => tensors(&bytes),
    };
    let help = "safetensors, `.npz` and `.npy` files are read; of another kind, write it anew with \
        `np.savez`";
    arrays.map_err(|what| unfit(path, what, help))
}

/// The arrays of a safetensors file.
fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("this is no file of arrays: {error}"))?;
    let read = |(name, view): (String, TensorView)| {
        let odd = || {
            format!(
                "`{name}` is {:?}{:?}, and no array of endo holds that",
                view.dtype(),
                view.shape()
            )
        };
        let array = tensor(&view).ok_or_else(odd)?;
        Ok((name, array))
    };
    file.tensors().into_iter().map(read).collect()
}

/// The array of a tensor, unless it is of a type or shape, or has an integer, that no array of endo
/// has.
fn tensor(view: &TensorView) -> Option<Array> {
    let (kind, size) = match view.dtype() {
        Dtype::BF16 => (NumberKind::UpperHalf, 2),
        Dtype::F16 => (NumberKind::Float, 2),
        Dtype::F32 => (NumberKind::Float, 4),
        Dtype::F64 => (NumberKind::Float, 8),
        Dtype::I8 => (NumberKind::Signed, 1),
        Dtype::I16 => (NumberKind::Signed, 2),
        Dtype::I32 => (NumberKind::Signed, 4),
        Dtype::I64 => (NumberKind::Signed, 8),
        Dtype::U8 => (NumberKind::Unsigned, 1),
        Dtype::U16 => (NumberKind::Unsigned, 2),
        Dtype::U32 => (NumberKind::Unsigned, 4),
        Dtype::U64 => (NumberKind::Unsigned, 8),
        Dtype::BOOL => (NumberKind::Bool, 1),
        _ => return None,
    };
    let shape = Some(Shape::from(view.shape())).filter(Shape::is_possible)?;
    NumberFormat { kind, size, is_big_endian: false }.array(shape, view.data()).ok()
}

/// Where an entry of an archive is, and how it is packed.
struct Entry {
    name: String,
    method: usize,
    checksum: usize,
    packed: usize,
    size: usize,
    start: usize,
}

/// The arrays of a zip archive of `.npy` files. Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7,
/// 4.3.12 and 4.3.14 to 4.3.16.
fn archive(bytes: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let damaged = || "the archive is damaged".to_string();
    let entries = directory(bytes).ok_or_else(damaged)?;
    let mut arrays = BTreeMap::new();
    for Entry { name, method, checksum, packed, size, start } in entries {
        let Some(name) = name.strip_suffix(".npy") else { continue };
        // The entry has a head of its own, with lengths of its own.
        let head = part(bytes, start, 30)
            .filter(|head| head.starts_with(b"PK\x03\x04"))
            .ok_or_else(damaged)?;
        let begin = start
            + 30
            + number(head, 26, 2).ok_or_else(damaged)?
            + number(head, 28, 2).ok_or_else(damaged)?;
        let stored = part(bytes, begin, packed).ok_or_else(damaged)?;
        let content = match method {
            0 => stored.to_vec(),
            8 => {
                let mut content = Vec::new();
                let read = DeflateDecoder::new(stored)
                    .take((size as u64).saturating_add(1))
                    .read_to_end(&mut content);
                read.ok().filter(|&read| read == size).ok_or_else(damaged)?;
                content
            }
            other => {
                return Err(format!(
                    "`{name}` is packed by method {other}; `np.savez_compressed` packs by method 8"
                ));
            }
        };
        let mut sum = Crc::new();
        sum.update(&content);
        if sum.sum() as usize != checksum {
            return Err(format!("`{name}` is damaged: its checksum is another"));
        }
        let array = array_of_bytes(&content).map_err(|what| format!("`{name}`: {what}"))?;
        arrays.insert(name.to_string(), array);
    }
    Ok(arrays)
}

/// The entries of an archive's directory.
fn directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (mut count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    // An archive of more than four bytes can count has another end before this one.
    if let Some(locator) =
        end.checked_sub(20).filter(|&place| bytes[place..].starts_with(b"PK\x06\x07"))
    {
        let long = number(bytes, locator + 8, 8)?;
        part(bytes, long, 4).filter(|mark| *mark == b"PK\x06\x06")?;
        (count, at) = (number(bytes, long + 32, 8)?, number(bytes, long + 48, 8)?);
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        part(bytes, at, 4).filter(|mark| *mark == b"PK\x01\x02")?;
        let lengths = [28, 30, 32].map(|place| number(bytes, at + place, 2));
        let [name, extra, comment] = lengths;
        let (name, extra, comment) = (name?, extra?, comment?);
        let (method, checksum) = (number(bytes, at + 10, 2)?, number(bytes, at + 16, 4)?);
        let (mut packed, mut size) = (number(bytes, at + 20, 4)?, number(bytes, at + 24, 4)?);
        let mut start = number(bytes, at + 42, 4)?;
        // Sizes that four bytes do not hold stand in an extra field, in this order.
        let extras = bytes.get(at + 46 + name..at + 46 + name + extra)?;
        let mut long = zip64(extras);
        for value in [&mut size, &mut packed, &mut start] {
            if *value == u32::MAX as usize {
                let (first, rest) = long?.split_at_checked(8)?;
                (*value, long) = (number(first, 0, 8)?, Some(rest));
            }
        }
        let text = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name)?).into_owned();
        entries.push(Entry { name: text, method, checksum, packed, size, start });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

/// The extra field of long sizes.
fn zip64(mut extras: &[u8]) -> Option<&[u8]> {
    while extras.len() >= 4 {
        let (kind, length) = (number(extras, 0, 2)?, number(extras, 2, 2)?);
        let field = extras.get(4..4 + length)?;
        if kind == 1 {
            return Some(field);
        }
        extras = &extras[4 + length..];
    }
    None
}

/// A number of bytes from a position on.
fn part(bytes: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    bytes.get(start..start.checked_add(length)?)
}

/// A whole number of `length` bytes, the lowest first.
fn number(bytes: &[u8], start: usize, length: usize) -> Option<usize> {
    let bytes = part(bytes, start, length)?;
    let value = bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    usize::try_from(value).ok()
}
