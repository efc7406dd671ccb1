//! Arrays in `.npy` files and lines of text, as samples.

use std::fs;
use std::path::Path;

use endo::data::{NpyFile, NpySamples, TextLines};
use endo::prelude::*;

use super::folder::Folder;
use super::{data, model};

/// Writes a file as NumPy does: version 1.0, or 2.0 with a long header.
fn write(path: &Path, version: u8, header: &str, bytes: &[u8]) {
    let text = format!("{header:<117}\n");
    let length = match version {
        1 => (text.len() as u16).to_le_bytes().to_vec(),
        _ => (text.len() as u32).to_le_bytes().to_vec(),
    };
    fs::write(path, [b"\x93NUMPY", &[version, 0][..], &length, text.as_bytes(), bytes].concat())
        .unwrap();
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
}

fn write_f32(path: &Path, array: &Array) {
    let sizes: String = array.shape().iter().map(|size| format!("{size}, ")).collect();
    let bytes: Vec<u8> =
        array.to_vec::<f32>().iter().flat_map(|number| number.to_le_bytes()).collect();
    write(path, 1, &header("<f4", &format!("({sizes})")), &bytes);
}

#[test]
fn rows_are_read_where_they_lie() {
    let folder = Folder::new("npy");
    let path = folder.path("x.npy");
    let x = Array::from_fn([50, 2, 3], |i| i as f32);
    write_f32(&path, &x);
    let mut file = NpyFile::open(&path).unwrap();
    assert_eq!((file.shape(), file.dtype()), (x.shape(), DType::F32));
    let mut random = endo::random::Random::new(1, 0);
    for _ in 0..50 {
        let rows: Vec<usize> = (0..1 + random.below(20)).map(|_| random.below(50)).collect();
        assert_eq!(file.take(&rows).unwrap(), x.take(&rows));
    }
    assert_eq!(file.take(&(0..50).collect::<Vec<_>>()).unwrap(), x);
    assert!(file.take(&[50]).unwrap_err().message().ends_with("there is no row 50, only 50"));
    let bytes: Vec<u8> = (0..6_u8).collect();
    write(&path, 2, &header("|u1", "(3, 2)"), &bytes);
    assert_eq!(
        NpyFile::open(&path).unwrap().take(&[2, 0]).unwrap(),
        Array::from([[4_u8, 5], [0, 1]])
    );
}

#[test]
fn files_train_what_the_arrays_in_memory_do() {
    let folder = Folder::new("npy-fit");
    let train = data(70);
    write_f32(&folder.path("x.npy"), train.inputs());
    write_f32(&folder.path("y.npy"), train.targets().unwrap());
    let files =
        NpySamples::open([folder.path("x.npy")]).unwrap().targets([folder.path("y.npy")]).unwrap();
    let fitted = |stream: Stream<'_>| {
        let mut model = model();
        model.fit(stream, Fit::epochs(3).batch_size(16)).unwrap();
        model.weights().iter().map(|weight| weight.value()).collect::<Vec<_>>()
    };
    assert!(fitted(Stream::samples(files).prefetch(2)) == fitted((&train).into()));
}

#[test]
fn files_that_are_something_else_are_refused_with_what_to_do() {
    let folder = Folder::new("npy-odd");
    let path = folder.path("x.npy");
    let refused = |version: u8, header: &str, bytes: &[u8]| {
        write(&path, version, header, bytes);
        NpyFile::open(&path).unwrap_err().to_string()
    };
    assert!(refused(1, &header("<U5", "(2,)"), &[0; 40]).contains("it holds <U5, and not numbers"));
    assert!(refused(1, &header("<f4", "()"), &[0; 4]).contains("without a row"));
    assert!(refused(1, &header("<f4", "(0, 3)"), &[]).contains("without a row"));
    assert!(
        refused(1, &header("<f4", "(3, 2)"), &[0; 20])
            .contains("it has 148 bytes, and an array of shape [3, 2] needs 152")
    );
    assert!(
        refused(1, &header("<f4", "(3, 2").replace(')', ""), &[0; 24])
            .contains("its header cannot be read")
    );
    let fortran = header("<f4", "(3, 2)").replace("False", "True");
    assert!(refused(1, &fortran, &[0; 24]).contains("np.ascontiguousarray"));
    assert!(refused(9, &header("<f4", "(3, 2)"), &[0; 24]).contains("no `.npy` file"));
    let vast = header("<f4", "(4611686018427387904, 4611686018427387904)");
    assert!(refused(1, &vast, &[0; 24]).contains("its header cannot be read"));
    fs::write(&path, b"PK\x03\x04").unwrap();
    assert!(NpyFile::open(&path).unwrap_err().advice().unwrap().contains("`.npz`"));
    assert!(
        NpyFile::open(folder.path("none.npy")).unwrap_err().message().starts_with("cannot read")
    );
    write(
        &path,
        1,
        &header("<i8", "(2, 1)"),
        &[1_i64.to_le_bytes(), (1_i64 << 40).to_le_bytes()].concat(),
    );
    let error = NpyFile::open(&path).unwrap().take(&[0, 1]).unwrap_err();
    assert!(
        error
            .message()
            .ends_with("row 1 has the integer 1099511627776; data holds integers of 32 bits"),
        "{error}"
    );
    write_f32(&folder.path("y.npy"), &Array::zeros([5, 1], DType::F32));
    let error = NpySamples::open([folder.path("x.npy")])
        .unwrap()
        .targets([folder.path("y.npy")])
        .unwrap_err();
    assert!(
        error.message().contains("has 2 rows, and") && error.message().ends_with("has 5"),
        "{error}"
    );
}

#[test]
fn lines_are_read_by_their_numbers() {
    let folder = Folder::new("lines");
    let path = folder.path("lines.txt");
    fs::write(&path, "one\r\n\n\r\nzwölf\nthree\nlast").unwrap();
    let read = |lines: &[String]| {
        let lengths: Vec<f32> = lines.iter().map(|line| line.chars().count() as f32).collect();
        let x = Array::from_fn([lengths.len(), 1], |row| lengths[row]);
        (x.clone(), x)
    };
    let mut lines = TextLines::open(&path, read).unwrap();
    assert_eq!(lines.count(), 4);
    assert_eq!(lines.take(&[3, 1, 0]).unwrap().inputs(), &Array::from([[4.0_f32], [5.0], [3.0]]));
    // What belongs to a line stays: blanks at its end, and not the mark of UTF-8 before the first.
    fs::write(&path, "\u{feff}a\tb\t\r\n  \n").unwrap();
    let mut seen = Vec::new();
    TextLines::open(&path, |lines: &[String]| {
        seen.extend(lines.to_vec());
        read(lines)
    })
    .unwrap()
    .take(&[0, 1])
    .unwrap();
    assert_eq!(seen, ["a\tb\t", "  "]);
    fs::write(&path, b"good\nb\xe4d\n").unwrap();
    let error = TextLines::open(&path, read).unwrap().take(&[0, 1]).unwrap_err();
    assert!(error.message().ends_with("line 2 is not UTF-8"), "{error}");
    fs::write(&path, "\n\n").unwrap();
    assert!(
        TextLines::open(&path, read)
            .is_err_and(|error| error.message().ends_with("there is no line in it"))
    );
}
