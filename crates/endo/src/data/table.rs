//! Named columns of numbers, times and words.
//!
//! In: a CSV file, or columns. Out: [`Table`], and from it the arrays and the data set that a model
//! takes (`arrays`).

mod arrays;
mod part;

use std::fmt;
use std::io::Read;
use std::path::Path;

use super::csv::{Csv, Lines, check_distinct, place, position};
use super::values::{Values, Words};
use crate::error::{Error, ErrorKind, Result};
use crate::shown::{listed, shown};

#[doc(hidden)]
pub use part::TablePart;

/// Named columns, with a cell for each row in each of them.
///
/// A table that is read strictly, as by [`read_csv`](Self::read_csv), or made from numbers holds
/// finite numbers alone. One that is read by [`Csv::typed`] also holds times, words and cells that
/// are missing: see [`values`](Self::values).
///
/// ```
/// use endo::data::Table;
/// let table =
///     Table::from_csv_reader("rooms,age,price\n6.9,41,4.5\n6.2,21,3.5\n".as_bytes(), None)?;
/// assert_eq!((table.len(), table.columns().count()), (2, 3));
/// let data = table.dataset("price")?;
/// assert_eq!(data.inputs().shape().sizes(), [2, 2]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone)]
pub struct Table {
    columns: Vec<Column>,
    /// The path of the file it was read from, as messages show it.
    pub(super) origin: Option<String>,
    /// The lines of its rows in that file.
    lines: Lines,
    /// What was decided or passed over while it was read.
    pub(super) notes: Vec<String>,
    pub(super) conventions: Conventions,
}

/// What a file shows of how numbers and dates are written in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Conventions {
    pub decimal: Option<char>,
    pub day_first: Option<bool>,
}

/// A column with its name.
#[derive(Clone)]
pub(super) struct Column {
    pub name: String,
    pub values: Values,
    /// The cells as they are spelled, of a column that is not of words and has few different ones.
    pub spelled: Option<Words>,
}

impl Table {
    /// Reads a CSV file as [`Csv`] says: names of columns in the first line, a row of numbers in
    /// each line below. Fails at the first cell that is not a finite number, naming its row, line
    /// and column.
    ///
    /// ```no_run
    /// use endo::data::Table;
    /// let table = Table::read_csv("california_housing.csv")?;
    /// let data = table.dataset("MedHouseVal")?;
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self> {
        Csv::new().read(path)
    }

    /// Reads a CSV file whose columns the given character separates; `None` finds it.
    pub fn read_csv_with(
        path: impl AsRef<Path>,
        delimiter: impl Into<Option<char>>,
    ) -> Result<Self> {
        Csv::new().delimiter(delimiter).read(path)
    }

    /// Reads CSV from anything that can be read, to its end. The delimiter is found when it is
    /// `None`.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_csv_reader("a:b\n1:2\n".as_bytes(), ':')?;
    /// assert_eq!(table.column("b")?, [2.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn from_csv_reader(reader: impl Read, delimiter: impl Into<Option<char>>) -> Result<Self> {
        Csv::new().delimiter(delimiter).read_from(reader)
    }

    /// A table of columns. Fails when there are none, when they are not equally long, when two have
    /// one name, and at a number that is not finite.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_columns([("rooms", vec![6.9, 6.2]), ("price", vec![4.5, 3.5])])?;
    /// assert_eq!(table.column("price")?, [4.5, 3.5]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn from_columns<N: Into<String>>(
        columns: impl IntoIterator<Item = (N, Vec<f64>)>,
    ) -> Result<Self> {
        let values =
            columns.into_iter().map(|(name, values)| (name, Values::Numbers(values.into())));
        let table = Self::from_values(values)?;
        table.columns.iter().try_for_each(|column| column.refuse(|value| !value.is_finite()))?;
        Ok(table)
    }

    /// A table of columns of any kind, in which cells may be missing. Fails when there are none,
    /// when they are not equally long, when two have one name, and at a number that is infinite.
    ///
    /// ```
    /// use endo::data::{Table, Values, Words};
    /// let city = Values::Words(Words::from_cells([Some("Paris"), None]));
    /// let price = Values::Numbers(vec![4.5, f64::NAN].into());
    /// let table = Table::from_values([("city", city), ("price", price)])?;
    /// assert_eq!((table.missing("city")?, table.missing("price")?), (1, 1));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn from_values<N: Into<String>>(
        columns: impl IntoIterator<Item = (N, Values)>,
    ) -> Result<Self> {
        let column =
            |(name, values): (N, Values)| Column { name: name.into(), values, spelled: None };
        Self::of_columns(columns.into_iter().map(column).collect(), Lines::default())
    }

    /// A table of columns whose rows were read from these lines.
    pub(super) fn of_columns(columns: Vec<Column>, lines: Lines) -> Result<Self> {
        let table = Self {
            columns,
            origin: None,
            lines,
            notes: Vec::new(),
            conventions: Conventions::default(),
        };
        table.check()?;
        Ok(table)
    }

    /// Where a row, counted from 0, is, for messages: `houses.csv: row 3 (line 4)`, or as much of
    /// that as is known.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_csv_reader("a,b\n1,2\n\n3,4\n".as_bytes(), None)?;
    /// assert_eq!(table.place(1), "row 2 (line 4)");
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn place(&self, row: usize) -> String {
        let number = self.lines.number(row);
        let place =
            self.line(row).map_or_else(|| format!("row {number}"), |line| place(number, line));
        self.of_origin(place)
    }

    /// The line of a row, counted from 0, in the file it was read from; lines count from 1.
    pub fn line(&self, row: usize) -> Option<usize> {
        self.lines.get(row).filter(|_| row < self.len())
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The number of rows; at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// What was decided or passed over while the table was read, in sentences: row names that are
    /// left out, decimal commas, compression, comments above the header.
    ///
    /// ```
    /// use endo::data::Csv;
    /// let table = Csv::new().typed().read_from("# of 2024\na,b\n1,x\n".as_bytes())?;
    /// assert_eq!(table.notes(), ["a line of comments above the header is left out"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The name of a column as the table has it, for one that may be written in another form of
    /// Unicode: letters with their accents in one character or in two. Fails when there is none of
    /// that name, and says which there are.
    pub fn find(&self, name: &str) -> Result<&str> {
        Ok(&self.columns[self.position(name)?].name)
    }

    /// The decimal mark of the file that was read, as it was given or as all columns that show one
    /// show it: for [`Csv::decimal`] when rows of the same origin are read later.
    ///
    /// ```
    /// use endo::data::Csv;
    /// let table = Csv::new().typed().read_from("a;d\n1,5;31/01/2024\n".as_bytes())?;
    /// assert_eq!((table.decimal(), table.day_first()), (Some(','), Some(true)));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn decimal(&self) -> Option<char> {
        self.conventions.decimal
    }

    /// Whether the day comes first in dates such as `31/01/2024` of the file that was read, as it
    /// was given or as all columns that show it show it: for [`Csv::day_first`] when rows of the
    /// same origin are read later.
    pub fn day_first(&self) -> Option<bool> {
        self.conventions.day_first
    }

    /// What a column holds. Fails when there is none of that name, and says which there are.
    ///
    /// ```
    /// use endo::data::{Csv, Values};
    /// let table = Csv::new().typed().read_from("rooms,city\n3,Paris\n,Rome\n".as_bytes())?;
    /// let Values::Words(city) = table.values("city")? else { panic!("numbers") };
    /// assert_eq!(city.dictionary(), ["Paris", "Rome"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn values(&self, name: &str) -> Result<&Values> {
        Ok(&self.columns[self.position(name)?].values)
    }

    /// The number of cells of a column that are missing. Fails when there is none of that name, and
    /// says which there are.
    pub fn missing(&self, name: &str) -> Result<usize> {
        Ok(self.values(name)?.missing())
    }

    /// The cells of a column as words, in the spelling of the file: labels of classes such as `007`
    /// or `1.0`. They are there for every column of words, and for each column of numbers or times
    /// that was read by [`Csv::typed`] and has at most 1000 different cells. Numbers that are equal
    /// are one word, in the spelling of the first.
    ///
    /// ```
    /// use endo::data::{Csv, Values};
    /// let table =
    ///     Csv::new().typed().read_from("agent,price\n007,1.50\n8,2\n007,1.5\n".as_bytes())?;
    /// assert_eq!(table.values("agent")?, &Values::Numbers(vec![7.0, 8.0, 7.0].into()));
    /// assert_eq!(table.spelled("agent").unwrap().dictionary(), ["007", "8"]);
    /// assert_eq!(table.spelled("price").unwrap().dictionary(), ["1.50", "2"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn spelled(&self, name: &str) -> Option<&Words> {
        let column = &self.columns[self.position(name).ok()?];
        match &column.values {
            Values::Words(words) => Some(words),
            _ => column.spelled.as_ref(),
        }
    }

    /// The numbers of a column, or its times in seconds. Fails when there is none of that name, and
    /// says which there are, and at the first cell that is missing or a word.
    pub fn column(&self, name: &str) -> Result<&[f64]> {
        self.numbers(&self.columns[self.position(name)?])
    }

    /// The table without a column. Fails when there is none of that name, or when no other would be
    /// left.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_columns([("id", vec![1.0]), ("price", vec![4.5])])?.drop("id")?;
    /// assert_eq!(table.columns().collect::<Vec<_>>(), ["price"]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn drop(mut self, name: &str) -> Result<Self> {
        let position = self.position(name)?;
        if self.columns.len() == 1 {
            let message =
                format!("`{}` is the only column: without it nothing is left", shown(name));
            return Err(Error::data(self.of_origin(message), "a table has at least one column"));
        }
        self.columns.remove(position);
        Ok(self)
    }

    /// The numbers of a column without gaps.
    fn numbers<'a>(&self, column: &'a Column) -> Result<&'a [f64]> {
        let refused = |row: usize, what: String, help: &str| {
            let message = format!("{}, column `{}`: {what}", self.place(row), shown(&column.name));
            Err(Error::data(message, help))
        };
        match &column.values {
            Values::Words(words) => {
                let row =
                    words.codes().iter().position(|&code| code != Words::MISSING).unwrap_or(0);
                let word = words.get(row).unwrap_or_default();
                let help = "leave the column out with `Table::drop`, or take its words with \
                    `Table::values`";
                refused(row, format!("`{}` is a word, and numbers are needed", shown(word)), help)
            }
            Values::Numbers(values) | Values::Times(values) => match values
                .iter()
                .position(|value| value.is_nan())
            {
                None => Ok(values),
                Some(row) => {
                    let help = "fill the cell or remove the row, or leave the column out with \
                        `Table::drop`";
                    refused(row, "the cell is missing, and numbers are needed".to_string(), help)
                }
            },
        }
    }

    /// A message with the path of the file before it, if there is one.
    fn of_origin(&self, message: String) -> String {
        self.origin
            .as_ref()
            .map_or_else(|| message.clone(), |origin| format!("{origin}: {message}"))
    }

    fn position(&self, name: &str) -> Result<usize> {
        position(name, self.columns()).map_err(|error| {
            let message = self.of_origin(error.message().to_string());
            error.with_message(message)
        })
    }

    fn check(&self) -> Result<()> {
        let (rows, data) = (self.len(), |message: String| Error::new(ErrorKind::Data, message));
        if rows == 0 {
            return Err(data("a table needs at least one column and one row".into())
                .help("give columns of at least one number"));
        }
        check_distinct(&self.columns().collect::<Vec<_>>())?;
        for column in &self.columns {
            let (name, count) = (shown(&column.name), column.values.len());
            if count != rows {
                let (first, all) = (&self.columns[0], &self.columns);
                let are_numbers =
                    all.iter().all(|column| matches!(column.values, Values::Numbers(_)));
                let (unit, first) =
                    (if are_numbers { "number" } else { "cell" }, shown(&first.name));
                let message =
                    format!("column `{first}` has {rows} {unit}s, but column `{name}` has {count}");
                return Err(
                    data(message).help(format!("every column needs one {unit} for every row"))
                );
            }
            column.refuse(f64::is_infinite)?;
        }
        Ok(())
    }
}

impl Column {
    /// Fails at the first number or time that is refused.
    fn refuse(&self, is_refused: impl Fn(f64) -> bool) -> Result<()> {
        if let Values::Numbers(values) | Values::Times(values) = &self.values
            && let Some(row) = values.iter().position(|&value| is_refused(value))
        {
            let (row, name, value) = (row + 1, shown(&self.name), values[row]);
            let message = format!("row {row}, column `{name}`: {value} is not a finite number");
            return Err(Error::new(ErrorKind::NotFinite, message)
                .help("fill it, or remove the row or column"));
        }
        Ok(())
    }
}

/// Tables are equal if their columns are, wherever they were read.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Column, &Column)| a.name == b.name && a.values == b.values;
        self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(is_same)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {}", self.len(), listed(self.columns()))
    }
}

#[cfg(test)]
mod tests;
