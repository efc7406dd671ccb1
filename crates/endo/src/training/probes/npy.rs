//! Arrays as files that NumPy reads.
//!
//! In: an array and a path. Out: a file. Source: NumPy's format description, version 1.0 (NEP 1):
//! the magic string, the version, the length of the header, the header as a dictionary of Python
//! padded to a multiple of 64 bytes, and the numbers in row-major order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::files::{self, beside};

/// Writes an array to a file; the folders above it are made. Only the header is copied.
pub(super) fn write(path: &Path, array: &Array) -> Result<()> {
    files::write(path, &[&header(array), array.bytes()])
}

/// The folders of values, by the folder of their kind and their path.
#[derive(Default)]
pub(super) struct Folders(HashMap<(PathBuf, String), PathBuf>);

/// The number of bytes of a layer's name that are in the name of its folder.
const LONGEST: usize = 200;

impl Folders {
    /// The file of a reading: folders by kind and path.
    pub fn file(&mut self, folder: &Path, kind: &str, path: &str, step: usize) -> PathBuf {
        self.of(folder, kind, path).join(format!("step_{step:08}.npy"))
    }

    /// The folder of a value. What could lead out of the folder or is no name on some systems
    /// becomes `_`; where that is the folder of another value, a number is added.
    pub fn of(&mut self, folder: &Path, kind: &str, path: &str) -> PathBuf {
        let key = (folder.join(kind), path.to_string());
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let place = path.split('/').fold(key.0.clone(), |folder, name| folder.join(plain(name)));
        // Some systems do not tell capitals from small letters.
        let same = |a: &Path, b: &Path| {
            a.to_string_lossy().to_lowercase() == b.to_string_lossy().to_lowercase()
        };
        let numbered = (1..).map(|number| beside(&place, &format!("_{number}")));
        let free = |place: &PathBuf| self.0.values().all(|taken| !same(taken, place));
        let place = std::iter::once(place.clone()).chain(numbered).find(free).unwrap_or(place);
        self.0.insert(key, place.clone());
        place
    }
}

/// The name of a layer as that of a folder.
fn plain(name: &str) -> String {
    let letter = |letter: char| {
        if letter.is_alphanumeric() || "_-.#".contains(letter) { letter } else { '_' }
    };
    if name.chars().all(|letter| letter == '.') {
        "_".to_string()
    } else {
        name[..name.floor_char_boundary(LONGEST)].chars().map(letter).collect()
    }
}

fn header(array: &Array) -> Vec<u8> {
    let kind = match array.dtype() {
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::I32 => "i4",
        DType::Bool => "b1",
        DType::U8 => "u1",
    };
    let order = match (array.dtype().bytes(), cfg!(target_endian = "little")) {
        (1, _) => '|',
        (_, true) => '<',
        (_, false) => '>',
    };
    let sizes: String = array.shape().iter().map(|size| format!("{size},")).collect();
    let mut text =
        format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    const BEFORE: usize = 10; // magic, version, length
    let length = (BEFORE + text.len() + 1).next_multiple_of(64) - BEFORE;
    text.push_str(&" ".repeat(length - text.len() - 1));
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that NumPy 2 writes for the same array, but for the comma and space before `)` and
    /// `}`.
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
        let text =
            |array: Array| String::from_utf8_lossy(&header(&array)[10..]).trim_end().to_string();
        assert_eq!(
            text(Array::scalar(1.0_f64)),
            "{'descr': '<f8', 'fortran_order': False, 'shape': (), }"
        );
        assert_eq!(
            text(Array::from([1, 2])),
            "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }"
        );
        assert_eq!(
            text(Array::from([true])),
            "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }"
        );
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        let place = |path| {
            Folders::default()
                .file(Path::new("out"), "weights", path, 7)
                .display()
                .to_string()
                .replace('\\', "/")
        };
        assert_eq!(place("net/dense_1/kernel"), "out/weights/net/dense_1/kernel/step_00000007.npy");
        assert_eq!(place("net/../a b:c/x#1"), "out/weights/net/_/a_b_c/x#1/step_00000007.npy");
        assert_eq!(
            place(&"ä".repeat(300)),
            format!("out/weights/{}/step_00000007.npy", "ä".repeat(100))
        );
    }

    #[test]
    fn values_whose_names_become_one_have_folders_of_their_own() {
        let mut folders = Folders::default();
        let mut names = |kind: &str, paths: &[&str]| -> Vec<String> {
            let of = |path: &&str| {
                folders
                    .of(Path::new("out"), kind, path)
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_string()
            };
            paths.iter().map(of).collect()
        };
        let paths = ["a b", "a:b", "A_B", "a_b_1", "a b", "a:b"];
        assert_eq!(names("weights", &paths), ["a_b", "a_b_1", "A_B_2", "a_b_1_1", "a_b", "a_b_1"]);
        assert_eq!(names("updates", &["a:b"]), ["a_b"]);
    }
}
