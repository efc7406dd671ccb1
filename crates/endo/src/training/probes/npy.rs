//! Arrays as files that NumPy reads.
//!
//! In: an array and a path. Out: a file. Source: NumPy's format description, version 1.0 (NEP 1): the magic string, the version, the length
//! of the header, the header as a dictionary of Python padded to a multiple of 64 bytes, and the numbers in row-major order.

use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::files;

/// Writes an array to a file; the folders above it are made. Only the header is copied.
pub(super) fn write(path: &Path, array: &Array) -> Result<()> {
    files::write(path, &[&header(array), array.bytes()])
}

/// The file of a reading: folders by kind and path. What could lead out of the folder or is no name on some systems becomes `_`.
pub(super) fn place(folder: &Path, kind: &str, path: &str, step: usize) -> PathBuf {
    let plain = |letter: char| if letter.is_alphanumeric() || "_-.#".contains(letter) { letter } else { '_' };
    let part = |part: &str| match part.chars().all(|letter| letter == '.') {
        true => "_".to_string(),
        false => part.chars().map(plain).collect(),
    };
    let below = folder.join(kind);
    path.split('/').fold(below, |folder, name| folder.join(part(name))).join(format!("step_{step:08}.npy"))
}

fn header(array: &Array) -> Vec<u8> {
    let kind = match array.dtype() {
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::I32 => "i4",
        DType::Bool => "b1",
    };
    let order = match (array.dtype(), cfg!(target_endian = "little")) {
        (DType::Bool, _) => '|',
        (DType::F32 | DType::F64 | DType::I32, true) => '<',
        (DType::F32 | DType::F64 | DType::I32, false) => '>',
    };
    let sizes: String = array.shape().iter().map(|size| format!("{size},")).collect();
    let mut text = format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    const BEFORE: usize = 10; // magic, version, length
    let length = (BEFORE + text.len() + 1).next_multiple_of(64) - BEFORE;
    text.push_str(&" ".repeat(length - text.len() - 1));
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that NumPy 2 writes for the same array, but for the comma and space before `)` and `}`.
    #[test]
    fn the_header_is_that_of_the_format() {
        let header = header(&Array::from([[1.0_f32, 2.0, 3.0]]));
        assert_eq!(header.len(), 128);
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&header[10..]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (1,3,), }");
        assert!(text.ends_with(" \n"));
    }

    #[test]
    fn a_scalar_and_other_types_have_their_own_descriptions() {
        let text = |array: Array| String::from_utf8_lossy(&header(&array)[10..]).trim_end().to_string();
        assert_eq!(text(Array::scalar(1.0_f64)), "{'descr': '<f8', 'fortran_order': False, 'shape': (), }");
        assert_eq!(text(Array::from([1, 2])), "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }");
        assert_eq!(text(Array::from([true])), "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }");
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        let place = |path| place(Path::new("out"), "weights", path, 7).display().to_string().replace('\\', "/");
        assert_eq!(place("net/dense_1/kernel"), "out/weights/net/dense_1/kernel/step_00000007.npy");
        assert_eq!(place("net/../a b:c/x#1"), "out/weights/net/_/a_b_c/x#1/step_00000007.npy");
    }
}
