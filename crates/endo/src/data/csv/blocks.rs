//! Tables, whole or a block of rows at a time.
//!
//! In: a sheet. Out: [`Table`]s. What is found in the first block (kinds, decimal marks, the order
//! of day and month) holds for all that follow.

use std::io::Read;

use super::kinds::ColumnKind;
use super::notes;
use super::sheet::Sheet;
use super::typed::{Column, FinishedColumn, Options, Problem};
use crate::data::table::{self, Conventions, Table};
use crate::error::{Error, Result};

/// The rows of a table, a block at a time: files of any size in bounded memory. See
/// [`Csv::blocks`](super::Csv::blocks).
///
/// ```
/// use endo::data::{ColumnKind, Csv};
/// let csv = Csv::new().typed().kind("rooms", ColumnKind::Number).only(["rooms"]);
/// let mut blocks = csv.blocks_from("rooms,city\n3,Paris\n,Rome\n5,Oslo\n".as_bytes(), 2)?;
/// assert_eq!(blocks.names(), ["rooms"]);
/// let mut rows = Vec::new();
/// while let Some(table) = blocks.next()? {
///     rows.push(table.len());
/// }
/// assert_eq!(rows, [2, 1]);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Blocks<R: Read> {
    sheet: Sheet<R>,
    columns: Vec<Column>,
    options: Options,
    names: Vec<String>,
    /// The most rows of a block; all where there is none.
    most: Option<usize>,
    /// The path, as messages show it.
    origin: Option<String>,
    is_over: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(
        sheet: Sheet<R>,
        options: Options,
        most: Option<usize>,
        origin: Option<String>,
    ) -> Self {
        let columns = sheet.kinds.iter().map(|&kind| Column::new(kind, &options)).collect();
        let names = wanted(&sheet.names, &sheet.kinds);
        let most = most.map(|rows| rows.max(1));
        Self { sheet, columns, options, names, most, origin, is_over: false }
    }

    /// The names of the columns, without those that are left out.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next rows, or `None` at the end. A block has as many rows as was asked for, or fewer
    /// where they are very long.
    ///
    /// # Errors
    /// As [`Csv::read`](super::Csv::read); nothing can be read after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Table>> {
        if self.is_over {
            return Ok(None);
        }
        let block = self.read();
        self.is_over = !matches!(block, Ok(Some(_)));
        block.map_err(|error| self.origin.iter().fold(error, super::in_file))
    }

    /// All rows.
    pub(super) fn read_whole(&mut self) -> Result<Table> {
        let table = self.read()?;
        // Without any row, reading fails.
        table.ok_or_else(|| Error::new(crate::error::ErrorKind::Data, "there is no row"))
    }

    fn read(&mut self) -> Result<Option<Table>> {
        let Self { sheet, columns, options, .. } = self;
        let Some(lines) = sheet.read_rows(self.most, columns, options)? else {
            return Ok(None);
        };
        let finished =
            finish(columns, options).map_err(|(index, problem)| sheet.refused(index, problem))?;
        let (notes, conventions) = findings(&self.names, &finished, sheet, options);
        let column = |(name, column): (&String, FinishedColumn)| table::Column {
            name: name.clone(),
            values: column.values,
            spelled: column.spelled,
        };
        let columns = self.names.iter().zip(finished).map(column).collect();
        let mut table = Table::of_columns(columns, lines)?;
        (table.notes, table.conventions) = (notes, conventions);
        table.origin.clone_from(&self.origin);
        Ok(Some(table))
    }
}

/// What is to be said of a table, and how numbers and dates are written in it.
pub(super) fn findings<R: Read>(
    names: &[String],
    columns: &[FinishedColumn],
    sheet: &Sheet<R>,
    options: &Options,
) -> (Vec<String>, Conventions) {
    let (mut notes, mut conventions) = (sheet.notes.clone(), Conventions::default());
    if options.is_typed {
        let named: Vec<(&str, &FinishedColumn)> =
            names.iter().map(String::as_str).zip(columns).collect();
        notes.extend(notes::of_columns(&named, &sheet.format));
        let orders = columns.iter().filter_map(|column| Some(column.order.as_ref()?.1));
        conventions = Conventions {
            decimal: options
                .decimal
                .or_else(|| common(columns.iter().filter_map(|column| column.mark))),
            day_first: options.day_first.or_else(|| common(orders)),
        };
    }
    (notes, conventions)
}

/// What all have in common.
fn common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// The names of columns that are not left out.
pub(super) fn wanted(names: &[String], kinds: &[Option<ColumnKind>]) -> Vec<String> {
    let is_wanted =
        |(_, kind): &(&String, &Option<ColumnKind>)| **kind != Some(ColumnKind::Ignored);
    names.iter().zip(kinds).filter(is_wanted).map(|(name, _)| name.clone()).collect()
}

/// What the columns hold, those left out that are ignored; the columns are ready for rows that
/// follow.
pub(super) fn finish(
    columns: &mut Vec<Column>,
    options: &Options,
) -> Result<Vec<FinishedColumn>, (usize, Problem)> {
    for (index, column) in columns.iter_mut().enumerate() {
        column.settle(options).map_err(|problem| (index, problem))?;
    }
    let has_commas = columns.iter().any(Column::has_decimal_comma);
    let mut finished = Vec::new();
    for (index, column) in std::mem::take(columns).into_iter().enumerate() {
        let (values, next) =
            column.finish(has_commas, options).map_err(|problem| (index, problem))?;
        finished.extend(values);
        columns.push(next);
    }
    Ok(finished)
}
