//! What a user would want to know of how a table was read.
//!
//! In: how the file is written, and the columns that were read. Out: sentences.

use super::advice::place;
use super::format::Format;
use super::kinds::WordDoubt;
use super::rows::Delimiter;
use super::typed::FinishedColumn;
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
        // Where the decimal mark is a comma, spreadsheets separate columns by semicolons, and
        // thousands by points.
        if let Some(seen) =
            column.point.as_ref().filter(|_| format.delimiter == Delimiter::Byte(b';'))
        {
            let (name, cell, place) = (shown(name), shown(&seen.cell), place(seen.row, seen.line));
            let thousands = cell.replace('.', "");
            notes.push(format!(
                "column `{name}`: the point of `{cell}` in {place} is read as a decimal point; if \
                    the number is {thousands}, say so \
                 (`Csv::decimal(',')`, or --decimal ,)"
            ));
        }
        if let Some((seen, day_first)) = &column.order {
            let first = if *day_first { "day" } else { "month" };
            let (cell, place) = (shown(&seen.cell), place(seen.row, seen.line));
            notes.push(format!(
                "dates of column `{}` have the {first} first, as `{cell}` of {place} shows",
                shown(name)
            ));
        }
        if let Some(word) = &column.word {
            let (name, cell, place) =
                (shown(name), shown(&word.seen.cell), place(word.seen.row, word.seen.line));
            notes.push(match word.why {
                WordDoubt::MostlyNumbers => {
                    format!(
                        "column `{name}` is read as words, though most of its cells are \
                        numbers: `{cell}` of {place} is none"
                    )
                }
                WordDoubt::Amounts => format!(
                    "column `{name}` is read as words, because its numbers have signs, as in \
                        `{cell}` of {place}: write them \
                     without to have numbers"
                ),
            });
        }
    }
    notes
}
