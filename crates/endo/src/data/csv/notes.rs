//! What a user would want to know of how a table was read.
//!
//! In: how the file is written, and the columns that were read. Out: sentences.

use super::format::Format;
use super::kinds::WordDoubt;
use super::rows::Delimiter;
use super::typed::{DoubtfulWord, FinishedColumn};
use crate::shown::{listed, shown};

/// What is unusual in how the file is written.
pub(super) fn of_file(
    format: &Format,
    delimiter_is_given: bool,
    packing: Option<&str>,
    is_utf16: bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(packing.map(|packing| format!("the file is compressed by {packing}")));
    if is_utf16 {
        notes.push("the text is in UTF-16".to_string());
    }
    if format.has_name_of_delimiter {
        notes.push("a first line that names the delimiter (`sep=`) is left out".to_string());
    }
    match format.comments {
        0 => {}
        1 => notes.push("a line of comments above the header is left out".to_string()),
        count => notes.push(format!("{count} lines of comments above the header are left out")),
    }
    let is_usual = matches!(format.delimiter, Delimiter::Byte(b',' | b';' | b'\t'));
    if !is_usual && !delimiter_is_given {
        notes.push(format!("columns are separated by {}", format.delimiter.name()));
    }
    notes
}

/// What was decided for columns.
pub(super) fn of_columns(columns: &[(&str, &FinishedColumn)], format: &Format) -> Vec<String> {
    let mut notes = Vec::new();
    let commas: Vec<&str> = columns
        .iter()
        .filter(|(_, column)| column.mark == Some(','))
        .map(|&(name, _)| name)
        .collect();
    match commas.len() {
        0 => {}
        1 => notes.push(format!("column {} has decimal commas", listed(commas))),
        _ => notes.push(format!("columns {} have decimal commas", listed(commas))),
    }
    for (name, column) in columns {
        let name = shown(name);
        // Where the decimal mark is a comma, spreadsheets separate columns by semicolons, and
        // thousands by points.
        if let Some(seen) =
            column.point.as_ref().filter(|_| format.delimiter == Delimiter::Byte(b';'))
        {
            let (cell, place) = (shown(&seen.cell), seen.place());
            let thousands = cell.replace('.', "");
            notes.push(format!(
                "column `{name}`: the point of `{cell}` in {place} is read as a decimal point; if \
                    the number is {thousands}, say so (`Csv::decimal(',')`, or --decimal ,)"
            ));
        }
        if let Some((seen, day_first)) = &column.order {
            let first = if *day_first { "day" } else { "month" };
            notes.push(format!(
                "dates of column `{name}` have the {first} first, as {} shows",
                seen.quoted()
            ));
        }
        if let Some(DoubtfulWord { seen, why }) = &column.word {
            let cell = seen.quoted();
            notes.push(match why {
                WordDoubt::MostlyNumbers => format!(
                    "column `{name}` is read as words, though most of its cells are numbers: \
                        {cell} is none"
                ),
                WordDoubt::Amounts => format!(
                    "column `{name}` is read as words, because its numbers have signs, as in \
                        {cell}: write them without to have numbers"
                ),
            });
        }
    }
    notes
}
