//! What ends the reading of rows before the end of the file, and how to fix it.
//!
//! In: a quote that is never closed, a row that goes on for too long, bytes that are no text, and
//! the cell that was being read. Out: an error that names that place.

use super::advice::column;
use super::rows::{Delimiter, LONGEST_CELL, LONGEST_ROW, Limit, MOST_CELLS, Record};
use super::text::Fault;
use super::unclear::place;
use crate::error::{Error, ErrorKind};
use crate::shown::shown;

/// What ends the reading of rows before the end of the file.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(Fault),
    /// A quote is open at the end.
    Open,
    TooLong(Limit),
}

/// What ended the reading, in the cell that was being read. The row is 0 in the header.
pub(super) fn stopped(
    stop: Stop,
    row: usize,
    line: usize,
    record: &Record,
    names: &[String],
    delimiter: Delimiter,
) -> Error {
    let in_row = |line: usize, cell: usize| match row {
        0 => format!("the header (line {line}), column {}", cell + 1),
        _ => format!("{}, {}", place(row, line), column(names, cell)),
    };
    let here = in_row(line, record.width());
    let open = record.quote.filter(|_| matches!(stop, Stop::Open | Stop::TooLong(Limit::Cell)));
    if let Some((line, cell)) = open {
        let within = if matches!(stop, Stop::Open) {
            "closed".to_string()
        } else {
            format!("closed within {LONGEST_CELL} bytes")
        };
        let message = format!("{}: a quote opens here and is never {within}", in_row(line, cell));
        return Error::data(
            message,
            "close the quote or remove it; within a quoted cell, a quote is written twice",
        );
    }
    match stop {
        Stop::Fault(fault) => faulty(fault, &here),
        Stop::Open => {
            Error::data(format!("{here}: a quote is never closed"), "close the quote or remove it")
        }
        Stop::TooLong(Limit::Cell) => {
            let message = format!(
                "{here}: `{}` goes on for more than {LONGEST_CELL} bytes",
                shown(record.unfinished().trim())
            );
            Error::data(
                message,
                "no number is so long: check that the file is a table in plain text, with a row \
                    in each line",
            )
        }
        Stop::TooLong(Limit::Cells) => {
            let place =
                if row == 0 { format!("the header (line {line})") } else { place(row, line) };
            let message =
                format!("{place}: more than {MOST_CELLS} cells, separated by {}", delimiter.name());
            Error::data(
                message,
                "check that the file is a table with a row in each line: a table may have as many \
                    columns at most",
            )
        }
        Stop::TooLong(Limit::Row) => Error::data(
            format!("{here}: the row goes on for more than {LONGEST_ROW} bytes"),
            "check that the file is a table in plain text, with a row in each line",
        ),
    }
}

fn faulty(fault: Fault, here: &str) -> Error {
    const NOT_TEXT: &str = "check that the file is a table in plain text, and whole: a damaged \
        file has to be fetched again";
    match fault {
        Fault::Unreadable(error) => Error::new(ErrorKind::Io, error.to_string()),
        Fault::Byte(byte) => {
            let guess = match windows_1252(byte) {
                Some(letter) => {
                    format!("; in Windows-1252 it is `{}`", shown(letter.encode_utf8(&mut [0; 4])))
                }
                None => String::new(),
            };
            Error::data(
                format!("{here}: the byte 0x{byte:02X} is not UTF-8 text{guess}"),
                "save the file as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > \
                    TABLE.csv",
            )
        }
        Fault::Nul => {
            let help = format!(
                "{NOT_TEXT}; NUL bytes alone are removed by tr -d '\\000' < FILE > TABLE.csv"
            );
            Error::data(format!("{here}: a NUL byte (0x00), which no text has"), help)
        }
        Fault::Half(half) => Error::data(
            format!("{here}: 0x{half:04X} is half of a letter of UTF-16 without the other half"),
            NOT_TEXT,
        ),
        Fault::Cut => {
            Error::data(format!("{here}: the file ends in the middle of a letter"), NOT_TEXT)
        }
    }
}

/// What a byte from 0x80 on is in Windows-1252.
fn windows_1252(byte: u8) -> Option<char> {
    const UPPER: [char; 32] = [
        '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0',
        '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
    ];
    let letter = match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    (letter != '\0').then_some(letter)
}
