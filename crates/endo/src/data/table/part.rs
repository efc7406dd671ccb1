//! The rows that one of several processes has of a table, on their way to memory that all share.
//!
//! In: columns that hold these rows, with the words of all. Out: their bytes, each with its place
//! among those of all rows; and the table over the memory that holds these.

use super::{Column, Conventions, Table};
use crate::data::csv::Lines;
use crate::data::values::{Values, Words};
use crate::error::Result;
use crate::storage::{Lender, Storage};

/// Some rows of a table, and all else that the whole table has.
#[doc(hidden)]
pub struct TablePart {
    pub(in crate::data) columns: Vec<Column>,
    /// The lines of all rows.
    pub(in crate::data) lines: Lines,
    pub(in crate::data) notes: Vec<String>,
    pub(in crate::data) conventions: Conventions,
    pub(in crate::data) origin: Option<String>,
    /// The number of rows before these.
    pub(in crate::data) rows_before: usize,
    /// The number of rows of the whole table.
    pub(in crate::data) rows: usize,
}

/// Where a column begins: no two share a line of a processor's cache.
const ALIGNED: usize = 64;

/// Where the values of a column and its spellings begin, in bytes.
struct ColumnPlace {
    values: usize,
    spelled: usize,
}

impl TablePart {
    /// The part of a table, which is whole here, that is the one of a process.
    pub fn of_whole(table: Table, rank: usize, ranks: usize) -> Self {
        let rows = table.len();
        let cut = |part: usize| (part as u128 * rows as u128 / ranks.max(1) as u128) as usize;
        let own = cut(rank)..cut(rank + 1);
        let words = |words: &Words| {
            Words::of_codes(words.codes()[own.clone()].to_vec(), words.dictionary().to_vec())
        };
        let numbers = |numbers: &[f64]| Storage::from(numbers[own.clone()].to_vec());
        let column = |column: &Column| Column {
            name: column.name.clone(),
            values: match &column.values {
                Values::Numbers(values) => Values::Numbers(numbers(values)),
                Values::Times(values) => Values::Times(numbers(values)),
                Values::Words(of) => Values::Words(words(of)),
            },
            spelled: column.spelled.as_ref().map(words),
        };
        let columns = table.columns.iter().map(column).collect();
        let Table { lines, notes, conventions, origin, .. } = table;
        Self { columns, lines, notes, conventions, origin, rows_before: own.start, rows }
    }

    /// Where columns begin, and how many bytes all rows take.
    fn places(&self) -> (Vec<ColumnPlace>, usize) {
        let mut end = 0;
        let mut place = |width: usize| {
            let start = end;
            end += (self.rows * width).next_multiple_of(ALIGNED);
            start
        };
        let places = self.columns.iter().map(|column| {
            let are_words = matches!(column.values, Values::Words(_));
            let values = place(if are_words { size_of::<u32>() } else { size_of::<f64>() });
            let spelled = place(if column.spelled.is_some() { size_of::<u32>() } else { 0 });
            ColumnPlace { values, spelled }
        });
        (places.collect(), end)
    }

    /// How many bytes the rows of all processes take.
    pub fn bytes_of_all(&self) -> usize {
        self.places().1
    }

    /// The bytes of the rows of this process, each piece with its place among those of all.
    pub fn pieces(&self) -> Vec<(usize, &[u8])> {
        let mut pieces: Vec<(usize, &[u8])> = Vec::new();
        for (column, place) in self.columns.iter().zip(self.places().0) {
            pieces.push(match &column.values {
                Values::Numbers(values) | Values::Times(values) => (
                    place.values + self.rows_before * size_of::<f64>(),
                    bytemuck::cast_slice(&values[..]),
                ),
                Values::Words(words) => (
                    place.values + self.rows_before * size_of::<u32>(),
                    bytemuck::cast_slice(words.codes()),
                ),
            });
            if let Some(words) = &column.spelled {
                let start = place.spelled + self.rows_before * size_of::<u32>();
                pieces.push((start, bytemuck::cast_slice(words.codes())));
            }
        }
        pieces
    }

    /// The whole table over memory that holds the bytes of all rows.
    ///
    /// # Errors
    /// If the memory is shorter.
    pub fn over(self, lender: &Lender) -> Result<Table> {
        let (rows, places) = (self.rows, self.places().0);
        let words = |start: usize, words: Words| {
            Ok(Words::of_codes(Storage::lent(lender, start, rows)?, words.into_dictionary()))
        };
        let column = |(column, place): (Column, ColumnPlace)| -> Result<Column> {
            let numbers = || Storage::lent(lender, place.values, rows);
            Ok(Column {
                name: column.name,
                values: match column.values {
                    Values::Numbers(_) => Values::Numbers(numbers()?),
                    Values::Times(_) => Values::Times(numbers()?),
                    Values::Words(of) => Values::Words(words(place.values, of)?),
                },
                spelled: column.spelled.map(|of| words(place.spelled, of)).transpose()?,
            })
        };
        let columns = self.columns.into_iter().zip(places).map(column).collect::<Result<_>>()?;
        let Self { lines, notes, conventions, origin, .. } = self;
        Ok(Table { columns, origin, lines, notes, conventions })
    }
}
