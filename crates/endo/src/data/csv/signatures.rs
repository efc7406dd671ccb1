//! What a file is that is no table in plain text.
//!
//! In: the first bytes of a file. Out: nothing, or an error that names the format and a way to a
//! CSV file.

use crate::error::{Error, Result};

const SPREADSHEET: &str = "open it in a spreadsheet program and save the sheet as CSV in UTF-8";
const DATABASE: &str = "select the rows with the database's tool, as in sqlite3 -csv -header FILE \
    'select * from NAME' > TABLE.csv";

/// Where the bytes are by which a format is known, these, the format, and what to do about it.
const SIGNATURES: [(usize, &[u8], &str, &str); 22] = [
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it: gzip -dc < FILE > TABLE.csv"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it: zstd -dc < FILE > TABLE.csv"),
    (0, b"BZh91AY&SY", "compressed by bzip2", "unpack it: bzip2 -dc < FILE > TABLE.csv"),
    (0, b"\xfd7zXZ\0", "compressed by xz", "unpack it: xz -dc < FILE > TABLE.csv"),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4", "unpack it: lz4 -dc < FILE > TABLE.csv"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack the table in it: 7z x FILE"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack the table in it: unrar x FILE"),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Excel workbook of the old kind (.xls)",
        SPREADSHEET,
    ),
    (
        0,
        b"PAR1\x15",
        "a Parquet file",
        "convert it: duckdb -csv -c \"select * from read_parquet('FILE')\" > TABLE.csv, or with \
            pandas: pandas.read_parquet('FILE').to_csv('TABLE.csv', index=False)",
    ),
    (
        0,
        b"ARROW1\0\0",
        "an Arrow (Feather) file",
        "convert it with pandas: pandas.read_feather('FILE').to_csv('TABLE.csv', index=False)",
    ),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file",
        "write the table in it as CSV with the program that made it",
    ),
    (
        0,
        b"\x93NUMPY",
        "a NumPy array",
        "convert it: numpy.savetxt('TABLE.csv', numpy.load('FILE'), delimiter=',', \
            header='NAMES', comments='')",
    ),
    (0, b"SQLite format 3\0", "an SQLite database", DATABASE),
    (
        0,
        b"%PDF-",
        "a PDF document",
        "copy the table into a spreadsheet program and save it as CSV in UTF-8",
    ),
    (0, b"\x7fELF", "a program", "check the path"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", "check the path"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "check the path"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself",
        "fetch the file: git lfs pull",
    ),
    (0, b"{\\rtf", "a document in rich text (RTF)", "save it as plain text"),
    (0, b"\xff\xfe\0\0", "text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 FILE > TABLE.csv"),
    (0, b"\0\0\xfe\xff", "text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 FILE > TABLE.csv"),
    (257, b"ustar", "a tar archive", "unpack the table in it: tar -xf FILE"),
];

/// Fails when the first bytes are those of something that is no table in plain text.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let known = SIGNATURES
        .iter()
        .find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)))
        .map(|&(_, _, format, help)| (format, help));
    match known.or_else(|| zip(bytes)).or_else(|| markup(bytes)) {
        None => Ok(()),
        Some((format, help)) => {
            let message = format!("the file is {format}; expected was a table in plain text (CSV)");
            Err(Error::data(message, help))
        }
    }
}

/// Zip archives: what is in them is told by the names of their parts.
fn zip(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if !(bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")) {
        return None;
    }
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    Some(match () {
        () if has(b"xl/") => ("an Excel workbook (.xlsx)", SPREADSHEET),
        () if has(b"opendocument.spreadsheet") => {
            ("an OpenDocument spreadsheet (.ods)", SPREADSHEET)
        }
        () if has(b"word/") => (
            "a Word document (.docx)",
            "copy the table into a spreadsheet program and save it as CSV in UTF-8",
        ),
        () if has(b".npy") => {
            ("a file of NumPy arrays (.npz)", "write the array as CSV with numpy.savetxt")
        }
        () if has(b"[Content_Types].xml") => ("an Office document (such as .xlsx)", SPREADSHEET),
        () => (
            "a zip archive (or an .xlsx workbook)",
            "unpack the table in it: unzip FILE; or save the workbook's sheet as CSV in UTF-8",
        ),
    })
}

/// HTML, XML and JSON, which begin with their brackets.
fn markup(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let lower = bytes[..bytes.len().min(64)].to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word.as_bytes()));
    let next = |byte: u8| {
        lower.first() == Some(&byte)
            && lower[1..].trim_ascii_start().first().is_some_and(|next| b"\"{[".contains(next))
    };
    match () {
        () if starts(&["<!doctype html", "<html", "<head", "<body", "<table"]) => Some((
            "a page of HTML",
            "download the file itself: the address may lead to a page about it, or to a login",
        )),
        () if starts(&["<?xml", "<!doctype"]) => {
            Some(("an XML document", "write the table in it as CSV with the program that made it"))
        }
        () if next(b'{') || next(b'[') => Some((
            "JSON",
            "convert it with pandas: pandas.read_json('FILE').to_csv('TABLE.csv', index=False), \
                with lines=True if each line is an object",
        )),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_with_the_way_to_a_table() {
        let cases: [(&[u8], &str, &str); 12] = [
            (b"\x1f\x8b\x08\0", "compressed by gzip", "gzip -dc"),
            (b"\x28\xb5\x2f\xfd\x04", "compressed by zstd", "zstd -dc"),
            (b"PK\x03\x04..xl/workbook.xml", "Excel workbook (.xlsx)", "save the sheet as CSV"),
            (b"PK\x03\x04..[Content_Types].xml", "Office document", "save the sheet as CSV"),
            (b"PK\x03\x04..a.csv", "zip archive", "unzip FILE"),
            (
                b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                "OpenDocument",
                "save the sheet",
            ),
            (b"PAR1\x15\x04", "Parquet", "read_parquet"),
            (b"\n<!DOCTYPE HTML>\n<html>", "page of HTML", "download the file itself"),
            (b"\xef\xbb\xbf<html lang=\"en\">", "page of HTML", "download the file itself"),
            (b"[\n {\"a\": 1}]", "JSON", "read_json"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old kind (.xls)", "save the sheet"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32", "iconv -f UTF-32"),
        ];
        for (bytes, format, help) in cases {
            let error = check(bytes).unwrap_err();
            assert!(
                error.message().contains(format) && error.advice().unwrap().contains(help),
                "{error}"
            );
            assert!(
                error.message().ends_with("; expected was a table in plain text (CSV)"),
                "{error}"
            );
        }
    }

    #[test]
    fn tables_are_no_other_format() {
        for text in [
            "PAR1,x\n1,2\n",
            "PK,y\n1,2\n",
            "BZh,y\n1,2",
            "[a],{b}\n1,2\n",
            "<a,b\n1,2\n",
            "",
            "\u{feff}a\n1",
            "a\0",
        ] {
            assert!(check(text.as_bytes()).is_ok(), "{text:?}");
        }
    }
}
