//! The text of a CSV file as columns of numbers.
//!
//! In: bytes, and the delimiter if it is not to be detected. Out: names and numbers, or the row, line and column of the
//! first cell that is none.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};

/// What separates columns, most likely first.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// The columns of a CSV text: names from the header, numbers from the rows below. Blank lines between rows are passed over.
pub(super) fn parse(bytes: &[u8], delimiter: Option<char>) -> Result<Vec<(String, Vec<f64>)>> {
    let text = decode(bytes)?;
    let Some(content) = content(text) else {
        let error = Error::new(ErrorKind::Data, "there is nothing in it: no header and no rows");
        return Err(error.help("the first line names the columns, and each line below is a row of numbers"));
    };
    let body = &text[content.clone()];
    let header_line = body.lines().next().unwrap_or_default();
    let delimiter = delimiter.map_or_else(|| Ok(detect(header_line)), checked)?;
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(body.as_bytes());
    let mut record = ::csv::StringRecord::new();

    reader.read_record(&mut record).map_err(unreadable)?;
    let names = header(&record)?;
    if names.len() == 1 {
        check_blank_lines(text, &content, &names[0])?;
    }
    let rows = body.lines().count() - 1;
    let mut columns: Vec<Vec<f64>> = names.iter().map(|_| Vec::with_capacity(rows)).collect();
    let mut row = 0;
    while reader.read_record(&mut record).map_err(unreadable)? {
        row += 1;
        // The reader's own count of lines stands still at `\r\n` and blank lines, so a line is counted when it is asked for.
        let place = || {
            let start = record.position().map_or(0, |position| position.byte() as usize);
            let blank = body[start..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            format!("row {row} (line {})", line_at(text, content.start + start + blank))
        };
        if record.len() != names.len() {
            let message = format!("{}: expected {} cells, as in the header, got {}", place(), names.len(), record.len());
            return Err(Error::new(ErrorKind::Data, message).help("every row needs one number for every column of the header"));
        }
        for ((column, name), cell) in columns.iter_mut().zip(&names).zip(&record) {
            match cell.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => column.push(value),
                _ => return Err(not_a_number(&place(), name, cell.trim(), names.len())),
            }
        }
    }
    if row == 0 {
        let error = Error::new(ErrorKind::Data, "there is a header, but no row below it");
        return Err(error.help("each line below the header is a row of numbers"));
    }
    Ok(names.into_iter().zip(columns).collect())
}

fn decode(bytes: &[u8]) -> Result<&str> {
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::new(ErrorKind::Data, format!("line {line} is not UTF-8 text")).help("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

/// Where the lines from the first to the last that is not blank lie.
fn content(text: &str) -> Option<Range<usize>> {
    let filled = |letter: char| !letter.is_whitespace();
    let (first, last) = (text.find(filled)?, text.rfind(filled)?);
    let start = text[..first].rfind('\n').map_or(0, |end| end + 1);
    let end = text[last..].find(['\r', '\n']).map_or(text.len(), |length| last + length);
    Some(start..end)
}

fn detect(header: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0; DELIMITERS.len()];
    for letter in header.chars() {
        quoted ^= letter == '"';
        if let Some(which) = DELIMITERS.iter().position(|&delimiter| delimiter == letter && !quoted) {
            counts[which] += 1;
        }
    }
    // `max_by_key` prefers the last of equals, and the first is the most likely.
    let best = (0..DELIMITERS.len()).rev().max_by_key(|&which| counts[which]).unwrap_or(0);
    DELIMITERS[best] as u8
}

fn checked(delimiter: char) -> Result<u8> {
    if delimiter.is_ascii() && !delimiter.is_ascii_alphanumeric() && !"\"\r\n.+-".contains(delimiter) {
        return Ok(delimiter as u8);
    }
    let message = format!("{delimiter:?} cannot separate columns of numbers");
    Err(Error::new(ErrorKind::Argument, message).help("use `,`, `;`, a tab, or another character that is part of no number"))
}

fn header(record: &::csv::StringRecord) -> Result<Vec<String>> {
    let names: Vec<String> = record.iter().map(|name| name.trim().to_string()).collect();
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        let message = format!("the first line holds numbers (`{}`), not the names of columns", names.join(", "));
        return Err(Error::new(ErrorKind::Data, message).help("a header is needed: add a first line with a name for each column"));
    }
    if let Some(column) = names.iter().position(|name| name.is_empty()) {
        let message = format!("column {} of {} has no name in the header", column + 1, names.len());
        return Err(Error::new(ErrorKind::Data, message).help("name it, or remove it: an index column, or a delimiter too many"));
    }
    Ok(names)
}

/// In a single column a blank line may be a number that is missing.
fn check_blank_lines(text: &str, content: &Range<usize>, name: &str) -> Result<()> {
    let blank = text[content.clone()].lines().position(|line| line.trim().is_empty());
    blank.map_or(Ok(()), |place| {
        let message = format!("line {} is blank: column `{name}` has no number there", line_at(text, content.start) + place);
        Err(Error::new(ErrorKind::Data, message).help("fill or remove the line"))
    })
}

fn not_a_number(place: &str, name: &str, cell: &str, columns: usize) -> Error {
    const SHOWN: usize = 40;
    let what = match cell.parse::<f64>() {
        _ if cell.is_empty() => "the cell is empty".to_string(),
        Ok(_) => format!("`{cell}` is not a finite number"),
        Err(_) if cell.chars().count() > SHOWN => {
            format!("`{}...` is not a number", cell.chars().take(SHOWN).collect::<String>())
        }
        Err(_) => format!("`{cell}` is not a number"),
    };
    let help = if cell.replacen(',', ".", 1).parse::<f64>().is_ok_and(|_| cell.contains(',')) {
        "write decimals with a point, as in 0.5"
    } else if columns == 1 {
        "if another character separates the columns, give it as the delimiter"
    } else {
        "every cell holds a number: fill it, write text as numbers, or remove the row or column"
    };
    Error::new(ErrorKind::Data, format!("{place}, column `{name}`: {what}")).help(help)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text[..offset].bytes().filter(|&byte| byte == b'\n').count()
}

fn unreadable(error: ::csv::Error) -> Error {
    Error::new(ErrorKind::Data, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text.as_bytes(), None).unwrap_err().to_string()
    }

    fn columns(text: &str) -> Vec<(String, Vec<f64>)> {
        parse(text.as_bytes(), None).unwrap()
    }

    fn two() -> Vec<(String, Vec<f64>)> {
        vec![("a".to_string(), vec![1.0, -30.0]), ("b".to_string(), vec![2.5, 0.25])]
    }

    #[test]
    fn commas_semicolons_and_tabs_are_detected() {
        assert_eq!(columns("a,b\n1,2.5\n-3e1,.25\n"), two());
        assert_eq!(columns("a;b\n1;2.5\n-3e1;.25\n"), two());
        assert_eq!(columns("a\tb\n1\t2.5\n-3e1\t.25"), two());
        assert_eq!(columns("\"a;1\",b\n1,2\n")[0].0, "a;1");
        assert_eq!(parse(b"a|b\n1|2.5\n-3e1|.25\n", Some('|')).unwrap(), two());
        assert!(parse(b"a\n1\n", Some('.')).unwrap_err().message().contains("'.' cannot separate"));
    }

    #[test]
    fn byte_order_marks_quotes_spaces_crlf_and_blank_lines_are_read_over() {
        assert_eq!(columns("\u{feff}\r\na, b\r\n\"1\", 2.5\r\n\r\n-30,\"0.25\"\r\n \r\n\r\n"), two());
    }

    #[test]
    fn a_cell_that_is_not_a_number_is_named_by_row_line_and_column() {
        assert!(message("a,b\n1,2\n\n3,n/a\n").starts_with("row 2 (line 4), column `b`: `n/a` is not a number"));
        assert!(message("a,b\r\n1,2\r\n,4\r\n").starts_with("row 2 (line 3), column `a`: the cell is empty"));
        assert!(message("\na,b\n1,NaN\n").starts_with("row 1 (line 3), column `b`: `NaN` is not a finite number"));
        assert!(message("a,b\n1e999,2\n").contains("`1e999` is not a finite number"));
        assert!(message("a;b\n1;2,5\n").contains("write decimals with a point"));
        assert!(message("a b\n1 2\n").contains("give it as the delimiter"));
    }

    #[test]
    fn a_ragged_row_is_named_with_both_counts() {
        assert!(message("a,b\n1,2\n3\n").starts_with("row 2 (line 3): expected 2 cells, as in the header, got 1"));
        assert!(message("a,b\n1,2,3\n").starts_with("row 1 (line 2): expected 2 cells, as in the header, got 3"));
        assert!(message("a,b\n1,\"2\n3,4\n").starts_with("row 1 (line 2), column `b`: `2\n3,4` is not a number"));
    }

    #[test]
    fn a_header_of_names_is_needed() {
        assert!(message("1,2\n3,4\n").contains("first line holds numbers (`1, 2`)"));
        assert!(message(",a\n0,1\n").starts_with("column 1 of 2 has no name"));
    }

    #[test]
    fn a_file_without_rows_is_refused() {
        assert!(message("").starts_with("there is nothing in it"));
        assert!(message(" \n\n").starts_with("there is nothing in it"));
        assert!(message("a,b\n").starts_with("there is a header, but no row"));
    }

    #[test]
    fn a_blank_line_in_a_single_column_is_a_missing_number() {
        assert!(message("\na\n1\n\n2\n").starts_with("line 4 is blank: column `a`"));
        assert_eq!(columns("a\n1\n2\n\n")[0].1, [1.0, 2.0]);
    }

    #[test]
    fn text_that_is_not_utf8_is_named_by_line() {
        let error = parse(b"a,b\n1,2\n3,\xff\n", None).unwrap_err();
        assert_eq!((error.message(), error.advice()), ("line 3 is not UTF-8 text", Some("save the file as UTF-8")));
    }
}
