//! Reading a table of numbers from CSV.
//!
//! In: a file or anything that can be read, with the delimiter if it is not to be found. Out: a [`Table`], or an error that names
//! the row, line and column and says how to fix it. Bytes become text (`text`), text becomes rows (`rows`) as the file is written
//! (`format`), the first row names (`header`) and the cells below numbers (`numbers`).

mod advice;
mod format;
mod header;
mod lines;
mod numbers;
mod rows;
mod signatures;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::shown::shown_path;
use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use advice::{Row, Stop};
use format::Format;
use numbers::Column;
use rows::{Progress, Record, Tokenizer};
use text::Text;

pub(super) use advice::place;
pub(super) use header::{check_distinct, position};
pub(super) use lines::Lines;

/// How to read a table from CSV: the first line names the columns, and each line below is a row of numbers.
///
/// Text is UTF-8 or UTF-16. The delimiter is that of `,`, `;`, tab, `|` and blanks which gives rows of one width, unless a first
/// line like `sep=;` names it. Cells may be in quotes. Decimal commas and marks between thousands (`1.299,50`, `1 000`) are read
/// where the column leaves no doubt. Blank lines between rows are passed over, and rows at the end with nothing in them are left
/// out, because spreadsheets write those for cells that were cleared.
///
/// ```
/// use endo::data::Csv;
/// let text = "rooms;price\n6;1.299,50\n4;980\n";
/// let table = Csv::new().target("price").read_from(text.as_bytes())?;
/// assert_eq!(table.column("price")?, [1299.5, 980.0]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Csv {
    delimiter: Option<char>,
    target: Option<String>,
}

impl Csv {
    /// With a delimiter that is found and without a target.
    pub fn new() -> Self {
        Self::default()
    }

    /// The character that separates columns; a blank stands for any number of blanks and tabs. `None` is to find it.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<Option<char>>) -> Self {
        self.delimiter = delimiter.into();
        self
    }

    /// A column that has to be there, which is found out before any row is read.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>) -> Self {
        self.target = Some(name.into());
        self
    }

    /// Reads a file. Fails at the first cell that is no finite number, naming its row, line and column.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        let path = path.as_ref();
        in_file(path, |file| self.read_from(file)).map(|table| table.with_origin(shown_path(path)))
    }

    /// Reads anything that can be read, to its end.
    pub fn read_from(&self, source: impl Read) -> Result<Table> {
        let mut sheet = self.open(source)?;
        let lines = sheet.read_rows()?;
        Table::of_columns(sheet.columns.into_iter().map(|column| (column.name, column.values)), lines)
    }

    /// Reads the names of the columns of a file, and no row.
    ///
    /// ```no_run
    /// use endo::data::Csv;
    /// let names = Csv::new().names("houses.csv")?;
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn names(&self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let sheet = in_file(path.as_ref(), |file| self.open(file))?;
        Ok(sheet.columns.into_iter().map(|column| column.name).collect())
    }

    fn open<R: Read>(&self, source: R) -> Result<Sheet<R>> {
        let given = self.delimiter.map(format::checked).transpose()?;
        let mut text = Text::new(source, signatures::check)?;
        let format = Format::find(text.available(), text.is_read(), given);
        text.advance(format.preamble);
        let tokenizer = Tokenizer::new(format.delimiter, format.first_line);
        let mut sheet = Sheet { text, tokenizer, record: Record::default(), row: 0, columns: Vec::new(), format };
        sheet.read_header(self.target.as_deref())?;
        Ok(sheet)
    }
}

/// Does something with a file; errors name it.
fn in_file<T>(path: &Path, act: impl FnOnce(File) -> Result<T>) -> Result<T> {
    let unreadable = |why: &str| {
        let message = format!("cannot read `{}`: {why}", shown_path(path));
        Error::new(ErrorKind::Io, message).help("check the path; a relative one starts at the current folder")
    };
    let file = File::open(path).map_err(|error| unreadable(&error.to_string()))?;
    act(file).map_err(|error| match error.kind() {
        ErrorKind::Io => unreadable(error.message().strip_prefix(UNREADABLE).unwrap_or(error.message())),
        _ => {
            let message = format!("{}: {}", shown_path(path), error.message());
            error.with_message(message)
        }
    })
}

/// How the message begins when something without a name cannot be read.
const UNREADABLE: &str = "cannot read the table: ";

/// A table that is being read.
struct Sheet<R> {
    text: Text<R>,
    tokenizer: Tokenizer,
    record: Record,
    /// The number of rows read, blank ones left out; 0 in the header.
    row: usize,
    columns: Vec<Column>,
    format: Format,
}

impl<R: Read> Sheet<R> {
    fn read_header(&mut self, target: Option<&str>) -> Result<()> {
        loop {
            if !self.next()? {
                let error = Error::new(ErrorKind::Data, "there is nothing in it: no header and no rows");
                return Err(error.help("the first line names the columns, and each line below is a row of numbers"));
            }
            if !self.record.is_blank_line() {
                break;
            }
        }
        let names = header::names(&self.record, &self.format)?;
        if let Some(target) = target {
            position(target, names.iter().map(String::as_str))?;
        }
        self.columns = names.into_iter().map(Column::new).collect();
        Ok(())
    }

    /// Reads all rows, and says in which lines they are.
    fn read_rows(&mut self) -> Result<Lines> {
        let mut lines = Lines::default();
        // Rows without anything in them, which are left out at the end: the first one's row and line.
        let mut nothing = None;
        let mut rows = 0;
        self.row = 1;
        while self.next()? {
            if self.record.is_blank_line() && self.columns.len() > 1 {
                continue;
            }
            if self.record.has_nothing() {
                nothing.get_or_insert((self.row, self.record.line));
                self.row += 1;
                continue;
            }
            if let Some((row, line)) = nothing {
                return Err(self.failed(|this| Row { row, line, ..*this }.nothing()));
            }
            self.push_row()?;
            lines.push(rows, self.record.line);
            rows += 1;
            self.row += 1;
        }
        if rows == 0 {
            let error = Error::new(ErrorKind::Data, "there is a header, but no row below it");
            return Err(error.help("each line below the header is a row of numbers"));
        }
        self.finish()?;
        Ok(lines)
    }

    /// Adds the numbers of the record to the columns.
    fn push_row(&mut self) -> Result<()> {
        if self.record.width() != self.columns.len() {
            return Err(self.failed(|row| row.wrong_width()));
        }
        let (row, line) = (self.row, self.record.line);
        let mut cells = self.record.cells().zip(&mut self.columns).enumerate();
        let refused =
            cells.find_map(|(index, (cell, column))| column.push(cell, row, line).err().map(|refusal| (index, refusal)));
        match refused {
            None => Ok(()),
            Some((index, refusal)) => Err(self.failed(|row| row.refused(index, &refusal))),
        }
    }

    fn finish(&mut self) -> Result<()> {
        let has_commas = self.columns.iter().any(Column::has_decimal_comma);
        let ambiguity = self
            .columns
            .iter_mut()
            .enumerate()
            .find_map(|(index, column)| column.finish(has_commas).err().map(|error| (index, error)));
        match ambiguity {
            None => Ok(()),
            Some((index, ambiguity)) => Err(advice::ambiguous(&ambiguity, &self.names(), index)),
        }
    }

    /// The error of the record, which sees all that is known around it.
    fn failed(&self, error: impl FnOnce(&Row) -> Error) -> Error {
        let cells: Vec<&str> = self.record.cells().collect();
        let (line, last_line) = (self.record.line, self.record.last_line);
        error(&Row { row: self.row, line, last_line, cells: &cells, names: &self.names(), format: &self.format })
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool> {
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
        if let Stop::Fault(text::Fault::Unreadable(error)) = &stop {
            return Error::new(ErrorKind::Io, format!("{UNREADABLE}{error}"));
        }
        advice::stopped(stop, self.row, self.tokenizer.line, &self.record, &self.names(), self.format.delimiter)
    }
}
