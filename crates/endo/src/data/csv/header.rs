//! The names of columns in the first row, or what is there instead of them.
//!
//! In: the first row, and the rows below it. Out: names, or an error before a single number is
//! read.

use std::collections::{HashMap, HashSet};

use super::advice::{Row, comment_help, trailing_help};
use super::format::{Format, SampleRow, is_name};
use super::numbers::is_number;
use super::rows::{Delimiter, Record};
use crate::error::{Error, Result};
use crate::shown::{composed, did_you_mean, is_same, listed, shown};

/// The names in a header. Fails when the rows below have another width, and when names are numbers;
/// a header that is `given` may have names that are.
pub(super) fn names(
    record: &Record,
    format: &Format,
    is_given: bool,
    is_typed: bool,
) -> Result<Vec<String>> {
    let mut names: Vec<String> = record.cells().map(|name| name.trim().to_string()).collect();
    let is_of_numbers = is_typed && has_row_names(&names) && rows_have_names(format, names.len());
    if !is_given && !is_of_numbers {
        check_numbers(&names, format)?;
    }
    if is_typed && is_one_short(&names, format) {
        names.insert(0, String::new());
    }
    check_width(&names, format, is_typed)?;
    Ok(names)
}

/// Fails when a name that is wanted is missing, or is there twice.
pub(super) fn check_names(names: &[String], wanted: &[bool], format: &Format) -> Result<()> {
    check_missing(names, wanted, format)?;
    check_same(names, |first, second| wanted[first] || wanted[second])
}

/// Whether the first column has no name and all others have one: it holds the names of rows.
pub(super) fn has_row_names(names: &[String]) -> bool {
    names.len() > 1 && names[0].is_empty() && names[1..].iter().all(|name| !name.is_empty())
}

/// Whether the header lacks the name of the names of rows, as R writes it: each row begins with a
/// name of its own or its number. Not so where a decimal comma may have cut a number in two, or a
/// delimiter ends the rows.
fn is_one_short(names: &[String], format: &Format) -> bool {
    if format.width != Some(names.len() + 1) || names.iter().any(String::is_empty) {
        return false;
    }
    let width = names.len() + 1;
    let rows: Vec<&SampleRow> =
        format.rows.iter().skip(1).filter(|row| row.cells.len() == width).collect();
    let is_whole = |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let is_cut = |index: usize| {
        let are_halves = |row: &&SampleRow| {
            is_whole(row.cells[index].trim_start_matches('-')) && is_whole(&row.cells[index + 1])
        };
        format.delimiter == Delimiter::Byte(b',') && rows.iter().all(are_halves)
    };
    let end_in_nothing = rows.iter().all(|row| row.cells.last().is_some_and(String::is_empty));
    rows_have_names(format, width) && !end_in_nothing && !(0..names.len()).any(is_cut)
}

/// Whether the rows below the first begin with names, no two the same, or with their numbers from
/// 1.
fn rows_have_names(format: &Format, width: usize) -> bool {
    let rows = || {
        format.rows.iter().skip(1).filter(|row| row.cells.len() == width).map(|row| &row.cells[0])
    };
    let mut seen = HashSet::new();
    let are_names = rows().all(|cell| is_name(cell) && seen.insert(cell));
    let are_counted = rows().count() > 1
        && rows().enumerate().all(|(index, cell)| *cell == (index + 1).to_string());
    rows().next().is_some() && (are_names || are_counted)
}

/// The place of a column by its name: exactly that, or one that reads the same.
pub(in crate::data) fn position<'a>(
    name: &str,
    names: impl ExactSizeIterator<Item = &'a str> + Clone,
) -> Result<usize> {
    let exact = names.clone().position(|column| column == name);
    if let Some(position) = exact.or_else(|| names.clone().position(|column| is_same(column, name)))
    {
        return Ok(position);
    }
    let message =
        format!("there is no column `{}`; the columns are {}", shown(name), listed(names.clone()));
    let help = did_you_mean(name, names)
        .unwrap_or_else(|| "give the name of a column as the header has it".to_string());
    Err(Error::data(message, help))
}

/// Fails when two columns have the same name to a reader.
pub(in crate::data) fn check_distinct(names: &[impl AsRef<str>]) -> Result<()> {
    check_same(names, |_, _| true)
}

/// Fails when two names are the same, if that matters for them.
fn check_same(names: &[impl AsRef<str>], matters: impl Fn(usize, usize) -> bool) -> Result<()> {
    let mut seen = HashMap::new();
    for (index, name) in names.iter().map(AsRef::as_ref).enumerate() {
        if let Some(first) = seen.insert(composed(name), index)
            && matters(first, index)
        {
            let same = names[first].as_ref() == name;
            let how =
                if same { "" } else { ", once with letters in one piece and once in several" };
            let message = format!(
                "two columns have the name `{}`{how}: columns {} and {}",
                shown(name),
                first + 1,
                index + 1
            );
            return Err(Error::data(message, "give each column a name of its own"));
        }
    }
    Ok(())
}

/// The second row, where names stand in it: the first is a title or holds units then.
fn second_header(format: &Format) -> Option<&SampleRow> {
    let second = format.rows.get(1)?;
    (second.cells.len() > 1 && second.cells.iter().all(|cell| is_name(cell))).then_some(second)
}

/// A first row of numbers is no header, also if one of them is missing there.
fn check_numbers(names: &[String], format: &Format) -> Result<()> {
    let numbers: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| is_number(name)).collect();
    // Names in the second row are told from units and titles where that row is read.
    if numbers.is_empty() || 2 * numbers.len() < names.len() || second_header(format).is_some() {
        return Ok(());
    }
    let count = if numbers.len() == names.len() {
        String::new()
    } else {
        format!("; {} of {} cells", numbers.len(), names.len())
    };
    let message = format!(
        "the first line holds numbers ({}{count}), not the names of columns",
        listed(numbers.iter().copied())
    );
    let between = match format.delimiter {
        Delimiter::Byte(byte) => char::from(byte),
        Delimiter::Blanks => ' ',
    };
    let example: Vec<String> =
        (1..=names.len().min(3)).map(|number| format!("x{number}")).collect();
    let (example, rest) =
        (example.join(&between.to_string()), if names.len() > 3 { " and so on" } else { "" });
    Err(Error::data(
        message,
        format!(
            "if it is a row, add a line above it with a name for each of the {} columns, as in \
                `{}`{rest}, or say that there is no header (`Csv::header(false)`, or --no-header); \
                if it is the header, say so (`Csv::header(true)`, or --header), or write a letter \
                before each number, as in `x{}`",
            names.len(),
            shown(&example),
            shown(numbers[0])
        ),
    ))
}

/// Most rows below have another number of cells.
fn check_width(names: &[String], format: &Format, is_typed: bool) -> Result<()> {
    if format.width.is_none_or(|width| width == names.len()) {
        return Ok(());
    }
    let below =
        format.rows.iter().enumerate().skip(1).find(|(_, row)| row.cells.len() != names.len());
    let Some((row, below)) = below else { return Ok(()) };
    let cells: Vec<&str> = below.cells.iter().map(String::as_str).collect();
    let row = Row {
        row,
        line: below.line,
        last_line: below.last_line,
        cells: &cells,
        names,
        format,
        is_typed,
    };
    let error = row.wrong_width();
    match names.first() {
        Some(first) if first.starts_with('#') => {
            Err(error.help(comment_help("the first line begins with `#`")))
        }
        _ => Err(error),
    }
}

fn check_missing(names: &[String], wanted: &[bool], format: &Format) -> Result<()> {
    let Some(index) = (0..names.len()).find(|&index| wanted[index] && names[index].is_empty())
    else {
        return Ok(());
    };
    let message = format!("column {} of {} has no name in the header", index + 1, names.len());
    let mut below = format.rows.iter().skip(1);
    let is_trailing = index + 1 == names.len()
        && index > 0
        && below.all(|row| {
            row.cells.len() < names.len() || row.cells.last().is_some_and(String::is_empty)
        });
    let help = if let Some(SampleRow { line, .. }) = second_header(format) {
        format!(
            "the first line looks like a title, and line {line} like the header: remove what is \
                above it, as by tail -n +{line} FILE > TABLE.csv"
        )
    } else if is_trailing {
        trailing_help("every line ends", format.delimiter)
    } else if has_row_names(names) {
        "such a column holds the numbers or names of rows, from which nothing should be learned: \
            remove it (write the table with index=False in pandas, with row.names = FALSE in R), \
            or name it"
            .to_string()
    } else {
        "name it, or remove it: an index column, or a delimiter too many".to_string()
    };
    Err(Error::data(message, help))
}
