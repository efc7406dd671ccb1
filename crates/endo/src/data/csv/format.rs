//! What separates the cells of a file, found by what gives rows of one width.
//!
//! In: the beginning of a text. Out: [`Format`], with the first rows as it cuts them.

use super::numbers::is_number;
use super::rows::{Delimiter, Progress, Record, Tokenizer};
use crate::error::{Error, Result};

/// What may separate cells, most likely first.
pub(super) const CANDIDATES: [Delimiter; 5] = [
    Delimiter::Byte(b','),
    Delimiter::Byte(b';'),
    Delimiter::Byte(b'\t'),
    Delimiter::Byte(b'|'),
    Delimiter::Blanks,
];

/// The number of rows that are looked at.
const SURVEYED: usize = 1000;
/// The number of them that are kept.
const KEPT: usize = 20;

/// How a file is written, as far as its beginning shows it.
pub(super) struct Format {
    pub delimiter: Delimiter,
    /// The bytes of what is above the header: a first line that names the delimiter, as in `sep=;`,
    /// and comments.
    pub preamble: usize,
    /// Whether there is a line that names the delimiter.
    pub has_name_of_delimiter: bool,
    /// Whether the first row names the columns.
    pub has_header: bool,
    /// The lines of comments above the header.
    pub comments: usize,
    /// The line of the text behind it.
    pub first_line: usize,
    /// The first rows that are not blank, the header among them.
    pub rows: Vec<SampleRow>,
    /// The width of most rows below the header, if more than half of them have one width.
    pub width: Option<usize>,
}

/// One of the first rows.
pub(super) struct SampleRow {
    pub line: usize,
    pub last_line: usize,
    pub cells: Vec<String>,
}

/// The rows that a delimiter gives.
struct Survey {
    rows: Vec<SampleRow>,
    widths: Vec<usize>,
    /// The width of two cells or more that most rows have, and the share of rows that have it.
    width: usize,
    share: f64,
    /// The share of rows of one cell.
    single: f64,
    /// Whether a row of several cells has one without anything in it.
    has_gaps: bool,
    /// The share of numbers among the cells below the header.
    numbers: f64,
}

impl Format {
    /// Finds the format of a text of which the beginning is known, or all if it is whole. Comments
    /// above the header may be passed over.
    pub fn find(
        text: &str,
        is_whole: bool,
        given: Option<Delimiter>,
        may_have_comments: bool,
    ) -> Self {
        let (named, preamble) =
            preamble(text).map_or((None, 0), |(delimiter, length)| (Some(delimiter), length));
        let first_line = if preamble == 0 { 1 } else { 2 };
        let has_name_of_delimiter = preamble > 0;
        let format = |preamble: usize, first_line: usize, comments: usize| {
            let survey =
                |delimiter| Survey::new(&text[preamble..], is_whole, delimiter, first_line);
            let (delimiter, survey) = match given.or(named) {
                Some(delimiter) => (delimiter, survey(delimiter)),
                None => best(&survey),
            };
            let width = survey.usual_width();
            let rows = survey.rows;
            Self {
                delimiter,
                preamble,
                has_name_of_delimiter,
                has_header: true,
                comments,
                first_line,
                rows,
                width,
            }
        };
        let comments = if may_have_comments { comments(&text[preamble..]) } else { Vec::new() };
        if let Some(last) = comments.last() {
            let bytes: usize = comments.iter().map(|line| line.len()).sum();
            let below = format(preamble + bytes, first_line + comments.len(), comments.len());
            if below.has_header_below(last) {
                return below;
            }
        }
        format(preamble, first_line, 0)
    }

    /// Whether the first row is a header, and the comment above it is none: it does not have as
    /// many cells.
    fn has_header_below(&self, comment: &str) -> bool {
        let Some(header) = self.rows.first() else { return false };
        let width = header.cells.len();
        let is_header =
            header.cells.iter().skip(1).all(|cell| is_name(cell)) && !is_number(&header.cells[0]);
        let survey = Survey::new(comment, true, self.delimiter, 1);
        let is_table = width > 1 && survey.rows.first().is_some_and(|row| row.cells.len() == width);
        is_header
            && !is_table
            && self.width.is_none_or(|usual| usual == width || usual == width + 1)
    }
}

fn best(survey: &dyn Fn(Delimiter) -> Survey) -> (Delimiter, Survey) {
    let mut best = (CANDIDATES[0], survey(CANDIDATES[0]));
    let mut tabs_leave_gaps = false;
    for delimiter in CANDIDATES.into_iter().skip(1) {
        let other = survey(delimiter);
        // Where most rows are a single cell, a delimiter counts if the header has it. Bars and
        // blanks are also in names.
        let is_in_names = matches!(delimiter, Delimiter::Byte(b'|') | Delimiter::Blanks);
        let has_header = other.widths.first() == Some(&other.width) && !is_in_names;
        // Between two tabs a cell is missing, and runs of blanks would move the next one there.
        let may_cut =
            delimiter != Delimiter::Blanks || (other.widths.first() > Some(&1) && !tabs_leave_gaps);
        tabs_leave_gaps |= delimiter == Delimiter::Byte(b'\t') && other.has_gaps;
        let is_likely = other.share > 0.0 && may_cut && (other.share > other.single || has_header);
        if is_likely && other.rank() > best.1.rank() {
            best = (delimiter, other);
        }
    }
    best
}

impl Survey {
    fn new(text: &str, is_whole: bool, delimiter: Delimiter, first_line: usize) -> Self {
        let (mut tokenizer, mut record) =
            (Tokenizer::new(delimiter, first_line), Record::default());
        let (mut rows, mut widths, mut rest) = (Vec::new(), Vec::new(), text);
        let mut numbers: Vec<usize> = Vec::new();
        let mut has_gaps = false;
        tokenizer.begin(&mut record);
        while widths.len() < SURVEYED {
            let (used, mut progress) = tokenizer.take(rest, &mut record);
            rest = &rest[used..];
            // A row that the end of the piece cuts says nothing, unless it is the only one.
            if progress == Progress::More && (is_whole || widths.is_empty()) {
                progress = tokenizer.end(&mut record);
            }
            if progress != Progress::Row {
                break;
            }
            let is_end_of_file = record.width() == 1 && record.has_end_of_file();
            if !record.is_blank_line() && !is_end_of_file {
                widths.push(record.width());
                // A blank may be a mark in a number, and a comma left in a number may be a decimal
                // comma.
                let is_number = |cell: &&str| {
                    if delimiter == Delimiter::Blanks {
                        cell.parse::<f64>().is_ok()
                    } else {
                        is_number(cell)
                    }
                };
                has_gaps |= record.width() > 1 && record.cells().any(|cell| cell.trim().is_empty());
                numbers.push(record.cells().filter(is_number).count());
                if rows.len() < KEPT {
                    let cells = record.cells().map(|cell| cell.trim().to_string()).collect();
                    rows.push(SampleRow { line: record.line, last_line: record.last_line, cells });
                }
            }
            tokenizer.begin(&mut record);
        }
        let (width, count) =
            most_common(widths.iter().copied().filter(|&width| width > 1)).unwrap_or((1, 0));
        let below = || widths.iter().zip(&numbers).skip(1).filter(|&(&other, _)| other == width);
        let (cells, numbers) =
            below().fold((0, 0), |(cells, sum), (width, count)| (cells + width, sum + count));
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let single = share(widths.iter().filter(|&&width| width == 1).count(), widths.len());
        Self {
            share: share(count, widths.len()),
            single,
            has_gaps,
            numbers: share(numbers, cells),
            rows,
            width,
            widths,
        }
    }

    /// What makes one delimiter likelier than another, most important first.
    fn rank(&self) -> (f64, bool, f64) {
        (self.share, self.widths.first() == Some(&self.width) && self.share > 0.0, self.numbers)
    }

    fn usual_width(&self) -> Option<usize> {
        let below = self.widths.get(1..)?;
        most_common(below.iter().copied())
            .filter(|&(_, count)| 2 * count > below.len())
            .map(|(width, _)| width)
    }
}

/// The width that is there most often, and how often.
fn most_common(widths: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for width in widths {
        *counts.entry(width).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count)
}

/// The lines at the start of a text that begin with `#`, with their ends.
fn comments(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.starts_with('#') {
        let Some(end) = rest.find(['\r', '\n']) else { break };
        let length = end + if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        lines.push(&rest[..length]);
        rest = &rest[length..];
    }
    lines
}

/// The delimiter that a line like `sep=;` before the header names, and the length of the line.
/// Spreadsheets write and read it.
fn preamble(text: &str) -> Option<(Delimiter, usize)> {
    let end = text.find(['\r', '\n'])?;
    let line = text[..end].trim_matches('"');
    let mut letters = line.get(4..).filter(|_| line[..4].eq_ignore_ascii_case("sep="))?.chars();
    let delimiter = letters
        .next()
        .filter(|_| letters.next().is_none())
        .and_then(|letter| checked(letter).ok())?;
    let length = if text[end..].starts_with("\r\n") { 2 } else { 1 };
    Some((delimiter, end + length))
}

/// A delimiter that can stand between numbers.
pub(super) fn checked(delimiter: char) -> Result<Delimiter> {
    match delimiter {
        ' ' => Ok(Delimiter::Blanks),
        _ if delimiter == '\t'
            || (delimiter.is_ascii_punctuation() && !"\".+-".contains(delimiter)) =>
        {
            Ok(Delimiter::Byte(delimiter as u8))
        }
        _ => {
            let message = format!("{delimiter:?} cannot separate columns of numbers");
            let help =
                "use `,`, `;`, `|`, a tab, a blank, or another character that is part of no number";
            Err(Error::argument(message, help))
        }
    }
}

/// Whether a cell may be a name: it is there, and is no number.
pub(super) fn is_name(cell: &str) -> bool {
    !cell.trim().is_empty() && !is_number(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Delimiter, usize) {
        let format = Format::find(text, true, None, false);
        (format.delimiter, format.rows[0].cells.len())
    }

    #[test]
    fn the_delimiter_gives_rows_of_one_width() {
        let byte = |byte: char| Delimiter::Byte(byte as u8);
        let cases = [
            ("a,b\n1,2\n", byte(','), 2),
            ("a;b\n1;2\n", byte(';'), 2),
            ("a\tb\n1\t2\n", byte('\t'), 2),
            ("a|b\n1|2\n", byte('|'), 2),
            ("  a   b\n1.5 2\n 3\t4\n", Delimiter::Blanks, 2),
            ("a, b\n1, 2\n", byte(','), 2),
            ("Temp (C, mean);RH (%, max);y\n1;2;3\n4;5;6\n", byte(';'), 3),
            ("a, x\tb, y\tc, z\n1\t2\t3\n", byte('\t'), 3),
            ("\"Height\n(cm)\";x2;y\n1;2;3\n", byte(';'), 3),
            ("a;b\n1,5;2,5\n2,5;3\n", byte(';'), 2),
            ("a;b\n1 000;2\n3 000;4\n", byte(';'), 2),
            ("my value\n1\n2\n", byte(','), 1),
            ("price\n1 000\n2 000\n", byte(','), 1),
            ("a\n1\n", byte(','), 1),
            ("a\tb\tc\n1\t\t2\t3\n", byte('\t'), 3),
            ("my value\n1\n", byte(','), 1),
            ("|x|\n1\n2\n", byte(','), 1),
            ("x\n1\n2\t\n3\n", byte(','), 1),
            ("a;b\n1\n2\n", byte(';'), 2),
            ("x y\n\"1\" 2 3\n", Delimiter::Blanks, 2),
            ("1,5;NA\n1,5;2\n", byte(';'), 2),
            ("a b,c\n1 2,3\n", byte(','), 2),
            ("sep=;\na;b,c,d\n1;2\n", byte(';'), 2),
            ("SEP=|\r\na|b\r\n1|2\r\n", byte('|'), 2),
            ("\"sep=;\"\ra;b\r1;2\r", byte(';'), 2),
        ];
        for (text, delimiter, width) in cases {
            assert_eq!(found(text), (delimiter, width), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_a_piece_cuts_a_row_that_does_not_count() {
        let format = Format::find("a,b\n1,2\n3,4\n5", false, None, false);
        assert_eq!((format.width, format.rows.len()), (Some(2), 3));
        assert_eq!(
            Format::find(&"a,b,".repeat(1000), false, None, false).rows[0].cells.len(),
            2001
        );
    }

    #[test]
    fn parts_of_numbers_are_no_delimiters() {
        for delimiter in ['.', '+', '-', '"', '1', 'e', 'ä', '\n', '\0'] {
            assert!(checked(delimiter).is_err(), "{delimiter:?}");
        }
        assert!(
            [',', ';', '\t', '|', ':', ' ', '^', '~', '\'']
                .into_iter()
                .all(|delimiter| checked(delimiter).is_ok())
        );
    }
}
