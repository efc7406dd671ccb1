//! What is wrong with a row or a cell, and how to fix it.
//!
//! In: a row that does not fit, with the header and the first rows around it. Out: an error whose
//! help can be followed. Whatever is quoted from the file is cut and printable.

use super::format::{CANDIDATES, Format, is_name};
use super::numbers::{Ambiguity, Doubt, Refusal, is_number};
use super::rows::Delimiter;
use super::unclear::place;
use crate::error::Error;
use crate::shown::{code, shown};

/// With at least this many columns, a column is also named by its number.
const MANY: usize = 20;

/// A row of the file, and what is known around it.
pub(super) struct Row<'a> {
    /// Counted from 1.
    pub row: usize,
    pub line: usize,
    pub last_line: usize,
    pub cells: &'a [&'a str],
    pub names: &'a [String],
    pub format: &'a Format,
    /// Whether columns may hold other things than numbers.
    pub is_typed: bool,
}

/// A column as a message names it: with its number where one would have to count far.
pub(super) fn column(names: &[String], index: usize) -> String {
    let count = names.len();
    match names.get(index) {
        Some(name) if count > MANY => {
            format!("column `{}` ({} of {count})", shown(name), index + 1)
        }
        Some(name) => format!("column `{}`", shown(name)),
        None => format!("column {}", index + 1),
    }
}

impl Row<'_> {
    /// The row has more or fewer cells than the header.
    pub fn wrong_width(&self) -> Error {
        let (expected, got) = (self.names.len(), self.cells.len());
        let place = place(self.row, self.line);
        let first = if self.format.has_header { "the header" } else { "the first row" };
        let cells = if expected == 1 { "cell" } else { "cells" };
        Error::data(
            format!("{place}: expected {expected} {cells}, as in {first}, got {got}"),
            self.width_help(),
        )
    }

    fn width_help(&self) -> String {
        let (expected, got, delimiter) =
            (self.names.len(), self.cells.len(), self.format.delimiter);
        let of_line = self.quote_help().or_else(|| self.comment_help());
        if let Some(help) = of_line.or_else(|| self.title_help()) {
            return help;
        }
        // The delimiter by which a text that was not cut falls into as many parts as there are
        // columns.
        let splits = |text: &str, width: usize, is_part: fn(&str) -> bool| {
            let separates = |other: &&Delimiter| match other {
                Delimiter::Byte(byte) => is_cut(text.split(char::from(*byte)), width, is_part),
                Delimiter::Blanks => is_cut(text.split_whitespace(), width, is_part),
            };
            CANDIDATES
                .iter()
                .filter(|&&other| other != delimiter)
                .find(separates)
                .map(|other| other.name())
        };
        let use_one = "use one of them in the whole file";
        if let ([text], true) = (self.cells, expected > 1)
            && let Some(other) = splits(text, expected, is_number)
        {
            return format!(
                "this line separates its cells by {other}, and the header by {}: {use_one}",
                delimiter.name()
            );
        }
        if let ([name], true) = (self.names, got > 1)
            && let Some(other) = splits(name, got, is_name)
        {
            return format!(
                "the header separates its names by {other}, and this line by {}: {use_one}",
                delimiter.name()
            );
        }
        if got == expected + 1 && self.cells.last().is_some_and(|cell| cell.trim().is_empty()) {
            return trailing_help("this line ends", delimiter);
        }
        if got == expected + 1 && self.format.width == Some(got) {
            let decimal = if delimiter == Delimiter::Byte(b',') {
                "; if a comma is part of a number (a decimal mark, or one between thousands), \
                    write 1234.5 instead"
            } else {
                ""
            };
            return format!(
                "the header is one name short: if each row begins with its name or number, as R \
                    writes tables, write the table with row.names = FALSE, or remove the first \
                    cell of each row{decimal}"
            );
        }
        if got > expected && delimiter == Delimiter::Byte(b',') {
            let (cell, commas) = if self.is_typed {
                ("cell", "a cell with a comma in it needs quotes")
            } else {
                (
                    "number",
                    "if a comma is part of a number (a decimal mark, or one between thousands), \
                        write 1234.5 instead, or put the number in quotes",
                )
            };
            return format!("every row needs one {cell} for every column of the header; {commas}");
        }
        let need = format!(
            "every row needs one {} for every column{}",
            if self.is_typed { "cell" } else { "number" },
            if self.format.has_header { " of the header" } else { "" }
        );
        if self.cells.len() == 1 && !is_number(self.cells[0]) {
            return format!("{need}; remove the line if it is a note or a title");
        }
        need
    }

    /// A title above the header makes the header look too narrow.
    fn title_help(&self) -> Option<String> {
        let rows = &self.format.rows;
        let width = self.format.width.filter(|&width| width > self.names.len())?;
        let header = rows.iter().position(|row| {
            row.cells.len() == width && row.cells.iter().all(|cell| is_name(cell))
        })?;
        let header = rows.get(header).filter(|_| header > 0)?;
        Some(format!(
            "what is above line {} looks like a title, and line {0} like the header: remove the \
                lines above it, as by tail -n +{0} FILE > TABLE.csv",
            header.line
        ))
    }

    /// A cell that is no number.
    pub fn refused(&self, index: usize, refusal: &Refusal) -> Error {
        let cell = self.cells[index].trim();
        let shown = shown(cell);
        let (what, help) = match refusal {
            Refusal::Empty => ("the cell is empty".to_string(), None),
            Refusal::NotFinite => (format!("`{shown}` is not a finite number"), None),
            Refusal::NotANumber => (format!("`{shown}` is not a number"), None),
            Refusal::NotATime => (
                format!("`{shown}` is not a date or time"),
                Some("most cells of the column are dates or times, as in 2024-01-31 12:30".into()),
            ),
            Refusal::OtherMark(given) if given.row == 0 => {
                let mark = &given.cell;
                let help = format!(
                    "write the whole column with that mark and nothing between thousands, as in \
                        1234{mark}5; or say that the mark is another (`Csv::decimal`, or --decimal \
                        MARK): a model expects that of its training, if that was a comma"
                );
                (
                    format!("`{shown}` does not have the decimal mark `{mark}`, which is given"),
                    Some(help),
                )
            }
            Refusal::OtherMark(seen) => (
                format!("`{shown}` and {} do not have the same decimal mark", seen.quoted()),
                Some(format!("write the whole column with {POINTS}")),
            ),
            Refusal::OtherOrder(seen) => {
                let what = if seen.row == 0 {
                    format!("`{shown}` is not written as {}, which is given", seen.cell)
                } else {
                    let other = seen.quoted();
                    format!("`{shown}` and {other} do not have day and month in the same order")
                };
                (what, Some("write the whole column as 2024-01-31".into()))
            }
        };
        let message =
            format!("{}, {}: {what}", place(self.row, self.line), column(self.names, index));
        let help = help
            .or_else(|| self.row_help())
            .or_else(|| self.cell_help(cell))
            .unwrap_or_else(|| self.general_help().to_string());
        let other = if self.is_typed { self.typed_help(index) } else { String::new() };
        let help =
            format!("{help}{other} (cell {} of {} in the line)", index + 1, self.cells.len());
        Error::data(message, help)
    }

    /// What else may be done where columns may hold words.
    fn typed_help(&self, index: usize) -> String {
        let name = self.names.get(index).map_or("", String::as_str);
        format!(
            "; if it stands for a missing cell, say so (`Csv::missing`, or --missing TEXT); if \
                column `{}` holds words, say that (`Csv::kind`, or --type COLUMN=category)",
            shown(name)
        )
    }

    /// The header again, between rows.
    pub fn header_again(&self) -> Error {
        let message = format!("{}: the line is the header again", place(self.row, self.line));
        Error::data(message, "remove it: it is left where files were joined")
    }

    /// What is wrong with the whole row.
    fn row_help(&self) -> Option<String> {
        if self.cells.len() > 1
            && self.cells.iter().zip(self.names).all(|(cell, name)| cell.trim() == name)
        {
            return Some(
                "the line is the header again, as when files are joined: remove it".to_string(),
            );
        }
        if let Some(help) = self.comment_help().or_else(|| self.quote_help()) {
            return Some(help);
        }
        let is_of_names = self.row == 1
            && self.cells.len() > 1
            && self.cells.iter().all(|cell| is_name(cell) || cell.trim().is_empty());
        is_of_names.then(|| {
            let mut help = "no cell of the line is a number: if it holds units, remove the line; \
                if it is the header, remove what is above it"
                .to_string();
            if !self.is_typed {
                let first = self.cells.iter().find(|cell| is_name(cell)).unwrap_or(&"").trim();
                help += &format!(
                    "; if it is a row, endo learns from columns of numbers alone (cells like \
                        `{}` are none)",
                    shown(first)
                );
            }
            help
        })
    }

    fn comment_help(&self) -> Option<String> {
        let is_comment = self.cells.first().is_some_and(|cell| cell.trim_start().starts_with('#'));
        is_comment.then(|| comment_help("the line begins with `#`"))
    }

    /// A quote that closes in another line may be one too many.
    fn quote_help(&self) -> Option<String> {
        (self.last_line > self.line).then(|| {
            format!(
                "a quote that opens in line {} or below closes as late as in line {}: close it in \
                    its own line, or remove it",
                self.line, self.last_line
            )
        })
    }

    fn cell_help(&self, cell: &str) -> Option<String> {
        let ascii: String =
            cell.chars().map(|letter| if is_dash(letter) { '-' } else { letter }).collect();
        if let Some(dash) =
            cell.chars().find(|&letter| is_dash(letter)).filter(|_| is_number(&ascii))
        {
            return Some(format!(
                "the minus is written as `{dash}` ({}): write it as `-`",
                code(dash)
            ));
        }
        if let Some(digit) = cell.chars().find(|letter| letter.is_numeric() && !letter.is_ascii()) {
            return Some(format!(
                "`{digit}` ({}) is no digit from 0 to 9: write numbers with those",
                code(digit)
            ));
        }
        if let Some(hidden) = cell
            .chars()
            .find(|letter| shown(letter.encode_utf8(&mut [0; 4])).len() > 4 && *letter != '\u{a0}')
            && is_number(&cell.replace(hidden, ""))
        {
            return Some(format!(
                "the cell holds a letter that cannot be seen ({}): remove it",
                code(hidden)
            ));
        }
        let bare = cell.trim_matches(|letter: char| {
            !letter.is_ascii_digit() && !"+-.\u{2212}".contains(letter)
        });
        let is_unit = bare.len() < cell.len()
            && shown(cell) == cell
            && !bare.contains(' ')
            && is_number(bare)
            && !bare.ends_with('.');
        (is_unit && self.names.len() > 1).then(|| {
            format!(
                "write the number alone, without a sign or unit: `{}` instead of `{}`",
                shown(bare),
                shown(cell)
            )
        })
    }

    fn general_help(&self) -> &'static str {
        if self.names.len() == 1 && !self.is_typed {
            "every cell holds a number; if another character separates the columns, give it as \
                the delimiter (--delimiter CHARACTER, or `Csv::delimiter`)"
        } else if self.is_typed {
            "most cells of the column are numbers: correct the cell, or remove the row or column"
        } else {
            "every cell holds a number: fill it, write text as numbers, or remove the row or column"
        }
    }

    /// A row in the middle without anything in it.
    pub fn nothing(&self) -> Error {
        let place = place(self.row, self.line);
        match self.names {
            [name] => {
                let what = if self.is_typed { "cell" } else { "number" };
                let message = format!(
                    "line {} is blank: column `{}` has no {what} there",
                    self.line,
                    shown(name)
                );
                Error::data(message, "fill or remove the line")
            }
            _ => Error::data(
                format!("{place}: every cell is empty"),
                "remove the line, or fill it: rows follow it that are not empty",
            ),
        }
    }
}

fn is_cut<'a>(
    parts: impl Iterator<Item = &'a str>,
    width: usize,
    is_part: fn(&str) -> bool,
) -> bool {
    let parts: Vec<&str> = parts.take(width + 1).collect();
    parts.len() == width && parts.into_iter().all(is_part)
}

fn is_dash(letter: char) -> bool {
    matches!(letter, '\u{2010}'..='\u{2015}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// What to do about lines that are comments.
pub(super) fn comment_help(what: &str) -> String {
    format!("{what}: comments are not read; remove them, as by grep -v '^#' FILE > TABLE.csv")
}

/// What to do about a delimiter at the end of lines.
pub(super) fn trailing_help(what: &str, delimiter: Delimiter) -> String {
    let pattern = match delimiter {
        Delimiter::Byte(b'\t') => "\\t".to_string(),
        Delimiter::Byte(byte) if byte.is_ascii_punctuation() => format!("[{}]", byte as char),
        _ => " ".to_string(),
    };
    let name = delimiter.name();
    format!(
        "{what} with a delimiter ({name}), which makes an empty last column: remove it, as by sed \
            -E 's/{pattern} *\\r?$//' FILE > TABLE.csv"
    )
}

/// A column with a cell that can be read in two ways.
pub(super) fn ambiguous(ambiguity: &Ambiguity, names: &[String], index: usize) -> Error {
    let Ambiguity { seen, readings: [first, second], doubt } = ambiguity;
    let [cell, first, second] = [&seen.cell, first, second].map(|text| shown(text));
    let marks = || {
        format!(
            "write every number of the file with {POINTS}, or say what the decimal mark is \
                (`Csv::decimal`, or --decimal MARK)"
        )
    };
    let (why, help) = match doubt {
        Doubt::Comma => ("", marks()),
        Doubt::Point => (", since other columns have decimal commas", marks()),
        Doubt::Day => (
            "",
            "say which comes first (`Csv::day_first`, or --day-first and --month-first), or write \
                dates as 2024-01-31; if the column is not wanted, leave it out"
                .to_string(),
        ),
    };
    let may_be = if *doubt == Doubt::Day { "may have" } else { "may be" };
    Error::data(
        format!(
            "{}, {}: `{cell}` {may_be} {first} or {second}{why}, and no other cell of the column \
                tells which",
            seen.place(),
            column(names, index)
        ),
        help,
    )
}

/// How numbers are written that nobody has to guess.
const POINTS: &str = "a decimal point and nothing between thousands, as in 1234.5";
