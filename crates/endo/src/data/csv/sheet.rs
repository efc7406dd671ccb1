//! A table on its way from text to columns: the header, and rows one after the other.
//!
//! In: text, and how it is written. Out: the names of the columns, and rows for whoever takes their
//! cells. A row that does not fit ends it, with an error that sees all that is known around the
//! row.

use std::io::Read;

use super::advice::{self, Row};
use super::format::Format;
use super::kinds::ColumnKind;
use super::lines::Lines;
use super::numbers::Refusal;
use super::packed::UnpackedReader;
use super::ranges::RowPlace;
use super::rows::{Progress, Record, Tokenizer};
use super::stop::{Stop, stopped};
use super::text::{Fault, Text};
use super::typed::{Column, Options, Problem};
use super::unclear::CellAt;
use super::{Csv, header, signatures};
use crate::error::{Error, ErrorKind, Result};

/// How the message begins when something without a name cannot be read.
pub(super) const UNREADABLE: &str = "cannot read the table: ";
/// A block ends early when its cells have more bytes together; a whole table does not.
const LONGEST_BLOCK: usize = if cfg!(test) { 1 << 22 } else { 1 << 28 };

/// A table that is being read.
pub(super) struct Sheet<R: Read> {
    text: Text<UnpackedReader<R>>,
    tokenizer: Tokenizer,
    record: Record,
    /// The number of rows read, blank ones left out; 0 in the header.
    row: usize,
    /// Whether the record holds a row that is not taken.
    is_pending: bool,
    /// The first row without anything in it and its line, since the last row with something in it.
    nothing: Option<(usize, usize)>,
    /// The cells of the first row.
    first_row: Vec<String>,
    is_typed: bool,
    /// Where the record began.
    record_start: u64,
    /// The byte before which a row has to begin to be read, where not all are.
    end: Option<u64>,
    /// The number of rows that columns were given.
    pub taken: usize,
    pub format: Format,
    /// The names of all columns, in order; the name of a column that is left out may be empty.
    pub names: Vec<String>,
    /// What is known of their kinds.
    pub kinds: Vec<Option<ColumnKind>>,
    pub notes: Vec<String>,
    /// The program that packed the file.
    packing: Option<&'static str>,
}

impl<R: Read> Sheet<R> {
    /// Reads up to the header and checks it.
    pub fn open(csv: &Csv, source: R) -> Result<Self> {
        let given = csv.delimiter.map(super::format::checked).transpose()?;
        let packed = UnpackedReader::open(source).map_err(unreadable)?;
        let packing = packed.format();
        let mut text = Text::new(packed, signatures::check)?;
        let mut format =
            Format::find(text.available(), text.is_whole(), given, csv.options.is_typed);
        format.has_header = csv.header != Some(false);
        text.advance(format.preamble);
        let mut sheet = Self {
            tokenizer: Tokenizer::new(format.delimiter, format.first_line),
            record: Record::default(),
            row: 0,
            is_pending: false,
            nothing: None,
            first_row: Vec::new(),
            is_typed: csv.options.is_typed,
            record_start: 0,
            end: None,
            taken: 0,
            names: Vec::new(),
            kinds: Vec::new(),
            notes: super::notes::of_file(&format, given.is_some(), packing, text.is_utf16()),
            text,
            format,
            packing,
        };
        sheet.read_header(csv)?;
        Ok(sheet)
    }

    /// Why its rows cannot be read by ranges of bytes, if they cannot.
    pub fn why_whole(&self) -> Option<String> {
        match self.packing {
            Some(packing) => Some(format!("it is compressed by {packing}")),
            None => self.text.is_utf16().then(|| "it is in UTF-16".to_string()),
        }
    }

    /// Where the rows begin.
    pub fn start(&mut self) -> RowPlace {
        if self.is_pending {
            return RowPlace { byte: self.record_start, line: self.record.line };
        }
        RowPlace { byte: self.place(), line: self.tokenizer.line }
    }

    /// The same table from a row on, of which the file is at its first byte, up to the last row
    /// that begins before `end`. Cells that are refused fail their column alone.
    pub fn range(self, file: R, start: RowPlace, end: u64, rows_before: usize) -> Self {
        Self {
            text: Text::behind(start.byte, UnpackedReader::plain(file)),
            tokenizer: Tokenizer::new(self.format.delimiter, start.line),
            record: Record::default(),
            row: rows_before + 1,
            is_pending: false,
            end: Some(end),
            ..self
        }
    }

    /// Whether the last rows have nothing in them.
    pub fn ends_with_nothing(&self) -> bool {
        self.nothing.is_some()
    }

    /// The byte at which the next record begins.
    fn place(&mut self) -> u64 {
        let is_within = self.tokenizer.is_within_end_of_line(self.text.piece());
        self.text.used + u64::from(is_within)
    }

    fn read_header(&mut self, csv: &Csv) -> Result<()> {
        let mut is_there = self.next()?;
        while is_there && self.record.is_blank_line() {
            is_there = self.next()?;
        }
        if !is_there {
            let help = "the first line names the columns, and each line below is";
            let help = format!("{help} {}", self.row_name());
            return Err(Error::data("there is nothing in it: no header and no rows", help));
        }
        let names = if self.format.has_header {
            header::names(&self.record, &self.format, csv.header == Some(true), self.is_typed)?
        } else {
            self.is_pending = true;
            (1..=self.record.width()).map(|column| format!("x{column}")).collect()
        };
        let has_row_names = self.is_typed && header::has_row_names(&names);
        if csv.only.is_none() {
            let wanted: Vec<bool> =
                (0..names.len()).map(|index| index > 0 || !has_row_names).collect();
            header::check_names(&names, &wanted, &self.format)?;
        }
        let mut kinds = csv.kinds_of(&names)?;
        if has_row_names && kinds[0] != Some(ColumnKind::Ignored) {
            kinds[0] = Some(ColumnKind::Ignored);
            self.notes.push(
                "the first column, which has no name in the header, is left out: it \
                holds names of rows"
                    .to_string(),
            );
        }
        let wanted: Vec<bool> =
            kinds.iter().map(|&kind| kind != Some(ColumnKind::Ignored)).collect();
        if csv.only.is_some() {
            header::check_names(&names, &wanted, &self.format)?;
        }
        if !wanted.contains(&true) {
            let help = "leave at least one column of the header";
            return Err(Error::argument("every column is left out", help));
        }
        (self.names, self.kinds) = (names, kinds);
        Ok(())
    }

    /// Gives rows to columns, all of them or a block of at most `most`, and says in which lines
    /// they are. No lines are at the end.
    pub fn read_rows(
        &mut self,
        block: Option<usize>,
        columns: &mut [Column],
        options: &Options,
    ) -> Result<Option<Lines>> {
        let before = self.row.saturating_sub(1);
        let (mut lines, mut rows, mut bytes) = (Lines::after(before), 0, 0);
        self.row = self.row.max(1);
        let (most, longest) = block.map_or((usize::MAX, usize::MAX), |rows| (rows, LONGEST_BLOCK));
        while rows < most && bytes < longest && self.next()? {
            if self.record.is_blank_line() && self.names.len() > 1 {
                continue;
            }
            if self.record.has_nothing() {
                self.nothing.get_or_insert((self.row, self.record.line));
                self.row += 1;
                continue;
            }
            if let Some((row, line)) = self.nothing {
                return Err(self.failed(|this| Row { row, line, ..*this }.nothing()));
            }
            self.take_row(columns, options)?;
            lines.push(rows, self.record.line);
            (rows, bytes) = (rows + 1, bytes + self.record.bytes());
            self.row += 1;
        }
        self.taken += rows;
        if rows == 0 && before == 0 && self.end.is_none() {
            let help = format!("each line below the header is {}", self.row_name());
            return Err(Error::data("there is a header, but no row below it", help));
        }
        Ok((rows > 0).then_some(lines))
    }

    fn take_row(&mut self, columns: &mut [Column], options: &Options) -> Result<()> {
        if self.record.width() != self.names.len() {
            return Err(self.failed(|row| row.wrong_width()));
        }
        if self.is_typed {
            if self.row == 1 {
                self.first_row = self.record.cells().map(str::to_string).collect();
            }
            if self.is_header_again() {
                return Err(self.failed(|row| row.header_again()));
            }
        }
        for (index, (cell, column)) in self.record.cells().zip(columns).enumerate() {
            match column.push(cell, self.row, self.record.line, options) {
                Ok(()) => {}
                Err(_) if self.end.is_some() => column.fail(),
                Err(problem) => return Err(self.refused(index, problem)),
            }
        }
        Ok(())
    }

    fn row_name(&self) -> &'static str {
        if self.is_typed { "a row" } else { "a row of numbers" }
    }

    fn is_header_again(&self) -> bool {
        let names = || self.names.iter().map(String::as_str);
        self.format.has_header
            && self.names.len() > 1
            && self.record.cells().map(str::trim).eq(names())
    }

    /// The error of a cell, which may be in a row that is read already.
    pub fn refused(&self, index: usize, problem: Problem) -> Error {
        match problem {
            Problem::UnclearRows(ambiguity) => advice::ambiguous(&ambiguity, &self.names, index),
            Problem::Refused(seen, refusal) if seen.row == self.row => {
                self.failed(|row| row.refused(index, &refusal))
            }
            Problem::Refused(seen, refusal) => self.refused_before(index, &seen, &refusal),
        }
    }

    /// The error of a cell of a row that is not there any more; the first row is.
    fn refused_before(&self, index: usize, seen: &CellAt, refusal: &Refusal) -> Error {
        let mut cells = vec![""; self.names.len()];
        if seen.row == 1 {
            cells = self.first_row.iter().map(String::as_str).collect();
        } else {
            cells[index] = &seen.cell;
        }
        let last_line = seen.line + seen.cell.matches('\n').count();
        self.row_of(seen.row, [seen.line, last_line], &cells).refused(index, refusal)
    }

    /// The error of the record, which sees all that is known around it.
    fn failed(&self, error: impl FnOnce(&Row) -> Error) -> Error {
        let cells: Vec<&str> = self.record.cells().collect();
        error(&self.row_of(self.row, [self.record.line, self.record.last_line], &cells))
    }

    /// A row with all that is known around it, from its first line to its last.
    fn row_of<'a>(
        &'a self,
        row: usize,
        [line, last_line]: [usize; 2],
        cells: &'a [&'a str],
    ) -> Row<'a> {
        let (names, format, is_typed) = (&self.names, &self.format, self.is_typed);
        Row { row, line, last_line, cells, names, format, is_typed }
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.is_pending) {
            return Ok(true);
        }
        self.record_start = self.place();
        if self.end.is_some_and(|end| self.record_start >= end) {
            return Ok(false);
        }
        self.tokenizer.begin(&mut self.record);
        loop {
            let piece = self.text.piece();
            let progress = if piece.is_empty() {
                match self.text.take_fault() {
                    Some(fault) => return Err(self.stopped(Stop::Fault(fault))),
                    None => self.tokenizer.end(&mut self.record),
                }
            } else {
                let (used, progress) = self.tokenizer.take(piece, &mut self.record);
                self.text.advance(used);
                progress
            };
            match progress {
                Progress::More => {}
                Progress::Row => {
                    if self.record.has_end_of_file() && self.is_at_end() {
                        self.record.drop_end_of_file();
                    }
                    return Ok(true);
                }
                Progress::End => return Ok(false),
                Progress::Open => return Err(self.stopped(Stop::Open)),
                Progress::TooLong(limit) => return Err(self.stopped(Stop::TooLong(limit))),
            }
        }
    }

    /// Whether nothing but ends of lines and files follows.
    fn is_at_end(&mut self) -> bool {
        self.text.piece().trim_matches(['\u{1a}', '\r', '\n']).is_empty() && self.text.is_read()
    }

    fn stopped(&self, stop: Stop) -> Error {
        match stop {
            Stop::Fault(Fault::Unreadable(error)) => unreadable(error),
            stop => stopped(
                stop,
                self.row,
                self.tokenizer.line,
                &self.record,
                &self.names,
                self.format.delimiter,
            ),
        }
    }
}

fn unreadable(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::InvalidData => Error::data(
            error.to_string(),
            "fetch or write the file again; gzip -t FILE or zstd -t FILE tells whether it is whole",
        ),
        _ => Error::new(ErrorKind::Io, format!("{UNREADABLE}{error}")).help(
            "check that it is a file or a pipe, and that the disk or the program behind it is well",
        ),
    }
}
