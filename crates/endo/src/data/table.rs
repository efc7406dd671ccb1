//! Named columns of numbers.
//!
//! In: a CSV file, or columns. Out: [`Table`], and from it the arrays and the [`Dataset`] that a model takes.

use std::fmt;
use std::io::Read;
use std::path::Path;

use super::csv;
use super::dataset::Dataset;
use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::spelling::{listed, nearest};

/// Named columns of finite numbers, equally many in each.
///
/// ```
/// use endo::data::Table;
/// let table = Table::from_csv_reader("rooms,age,price\n6.9,41,4.5\n6.2,21,3.5\n".as_bytes(), None)?;
/// assert_eq!((table.len(), table.columns().count()), (2, 3));
/// let data = table.dataset("price")?;
/// assert_eq!(data.inputs().shape().sizes(), [2, 2]);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
}

#[derive(Clone, PartialEq)]
struct Column {
    name: String,
    values: Vec<f64>,
}

impl Table {
    /// Reads a CSV file: names of columns in the first line, a row of numbers in each line below. The delimiter is that of
    /// `,`, `;` and tab which the first line has most of. Fails at the first cell that is not a finite number, naming its
    /// row, line and column.
    ///
    /// ```no_run
    /// use endo::data::Table;
    /// let table = Table::read_csv("california_housing.csv")?;
    /// let data = table.dataset("MedHouseVal")?;
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_csv_with(path, None)
    }

    /// Reads a CSV file whose columns the given character separates; `None` detects it.
    pub fn read_csv_with(path: impl AsRef<Path>, delimiter: impl Into<Option<char>>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", path.display());
            Error::new(ErrorKind::Io, message).help("check the path; a relative one starts at the current folder")
        })?;
        Self::from_csv(&bytes, delimiter.into()).map_err(|error| {
            let named = Error::new(error.kind(), format!("{}: {}", path.display(), error.message()));
            error.advice().into_iter().fold(named, |named, help| named.help(help))
        })
    }

    /// Reads CSV from anything that can be read, to its end. The delimiter is detected when it is `None`.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_csv_reader("a|b\n1|2\n".as_bytes(), '|')?;
    /// assert_eq!(table.column("b")?, [2.0]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn from_csv_reader(mut reader: impl Read, delimiter: impl Into<Option<char>>) -> Result<Self> {
        let mut bytes = Vec::new();
        let unreadable = |error| Error::new(ErrorKind::Io, format!("cannot read the table: {error}"));
        reader.read_to_end(&mut bytes).map_err(unreadable)?;
        Self::from_csv(&bytes, delimiter.into())
    }

    /// A table of columns. Fails when there are none, when they are not equally long, when two have one name, and at a
    /// number that is not finite.
    ///
    /// ```
    /// use endo::data::Table;
    /// let table = Table::from_columns([("rooms", vec![6.9, 6.2]), ("price", vec![4.5, 3.5])])?;
    /// assert_eq!(table.column("price")?, [4.5, 3.5]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn from_columns<N: Into<String>>(columns: impl IntoIterator<Item = (N, Vec<f64>)>) -> Result<Self> {
        let columns = columns.into_iter().map(|(name, values)| Column { name: name.into(), values });
        let table = Self { columns: columns.collect() };
        table.check()?;
        Ok(table)
    }

    /// The names of the columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The number of rows; at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The numbers of a column. Fails when there is none of that name, and says which there are.
    pub fn column(&self, name: &str) -> Result<&[f64]> {
        Ok(&self.columns[self.position(name)?].values)
    }

    /// The table without a column. Fails when there is none of that name, or when no other would be left.
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
            let message = format!("`{name}` is the only column: without it nothing is left");
            return Err(Error::new(ErrorKind::Data, message).help("a table has at least one column"));
        }
        self.columns.remove(position);
        Ok(self)
    }

    /// All columns as an array `[rows, columns]`. Fails when a number does not fit the type.
    ///
    /// ```
    /// use endo::{Array, DType, data::Table};
    /// let table = Table::from_columns([("a", vec![1.0, 2.0]), ("b", vec![3.0, 4.0])])?;
    /// assert_eq!(table.array(DType::F32)?, Array::from([[1.0_f32, 3.0], [2.0, 4.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn array(&self, dtype: DType) -> Result<Array> {
        array_of(&self.columns.iter().collect::<Vec<_>>(), self.len(), dtype)
    }

    /// Samples to learn from, in `f32`: the target column as `[rows, 1]`, all others as inputs `[rows, columns - 1]`. `f32` has
    /// 7 digits: for columns whose numbers differ in later ones, such as seconds since 1970, see [`dataset_of`](Self::dataset_of).
    ///
    /// ```
    /// use endo::{Array, data::Table};
    /// let table = Table::from_columns([("a", vec![1.0, 2.0]), ("price", vec![3.0, 4.0]), ("b", vec![5.0, 6.0])])?;
    /// let data = table.dataset("price")?;
    /// assert_eq!(data.inputs(), &Array::from([[1.0_f32, 5.0], [2.0, 6.0]]));
    /// assert_eq!(data.targets(), Some(&Array::from([[3.0_f32], [4.0]])));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no column of that name or no other, or a number does not fit `f32`.
    pub fn dataset(&self, target: &str) -> Result<Dataset> {
        self.dataset_of(target, DType::F32)
    }

    /// As [`dataset`](Self::dataset), in another type: in `f64` all digits of the table remain, for a model that centres its
    /// inputs before it rounds them.
    ///
    /// ```
    /// use endo::{Array, DType, data::Table};
    /// let table = Table::from_columns([("seconds", vec![1.7e9, 1.7e9 + 1.0]), ("price", vec![3.0, 4.0])])?;
    /// let data = table.dataset_of("price", DType::F64)?;
    /// assert_eq!(data.inputs(), &Array::from([[1.7e9], [1.7e9 + 1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no column of that name or no other, or a number does not fit the type.
    pub fn dataset_of(&self, target: &str, dtype: DType) -> Result<Dataset> {
        let position = self.position(target)?;
        if self.columns.len() == 1 {
            let message = format!("`{target}` is the only column: there are no inputs to learn it from");
            return Err(Error::new(ErrorKind::Data, message).help("give a table with at least one column besides the target"));
        }
        let inputs: Vec<&Column> = self.columns.iter().filter(|column| column.name != target).collect();
        let x = array_of(&inputs, self.len(), dtype)?;
        let y = array_of(&[&self.columns[position]], self.len(), dtype)?;
        Dataset::new(x, y)
    }

    fn from_csv(bytes: &[u8], delimiter: Option<char>) -> Result<Self> {
        Self::from_columns(csv::parse(bytes, delimiter)?)
    }

    fn position(&self, name: &str) -> Result<usize> {
        let missing = || {
            let error =
                Error::new(ErrorKind::Data, format!("there is no column `{name}`; the columns are {}", listed(self.columns())));
            match nearest(name, self.columns()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("give the name of a column as the header has it"),
            }
        };
        self.columns().position(|column| column == name).ok_or_else(missing)
    }

    fn check(&self) -> Result<()> {
        let (rows, data) = (self.len(), |message: String| Error::new(ErrorKind::Data, message));
        if rows == 0 {
            return Err(data("a table needs at least one column and one row".into()).help("give columns of at least one number"));
        }
        let mut names = std::collections::HashSet::new();
        for Column { name, values } in &self.columns {
            if !names.insert(name) {
                return Err(data(format!("two columns have the name `{name}`")).help("give each column a name of its own"));
            }
            if values.len() != rows {
                let first = &self.columns[0].name;
                let message = format!("column `{first}` has {rows} numbers, but column `{name}` has {}", values.len());
                return Err(data(message).help("every column needs one number for every row"));
            }
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                let message = format!("row {}, column `{name}`: {} is not a finite number", row + 1, values[row]);
                return Err(Error::new(ErrorKind::NotFinite, message).help("fill it, or remove the row or column"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {}", self.len(), listed(self.columns()))
    }
}

fn array_of(columns: &[&Column], rows: usize, dtype: DType) -> Result<Array> {
    for Column { name, values } in columns {
        if let Some(row) = values.iter().position(|&value| !fits(value, dtype)) {
            let message = format!("row {}, column `{name}`: {} does not fit the type {dtype}", row + 1, values[row]);
            return Err(Error::new(ErrorKind::Data, message).help("scale the column, or ask for a type that holds it"));
        }
    }
    let mut values = Vec::with_capacity(rows * columns.len());
    for row in 0..rows {
        values.extend(columns.iter().map(|column| column.values[row]));
    }
    Ok(Array::new([rows, columns.len()], values)?.cast(dtype))
}

fn fits(value: f64, dtype: DType) -> bool {
    match dtype {
        DType::F32 => (value as f32).is_finite(),
        DType::F64 => true,
        DType::I32 => f64::from(value as i32) == value,
        DType::Bool => value == 0.0 || value == 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table> {
        Table::from_csv_reader(text.as_bytes(), None)
    }

    #[test]
    fn a_missing_column_lists_those_there_are_and_suggests_the_nearest() {
        let error = table("MedInc,MedHouseVal\n1,2\n").unwrap().dataset("med_house_value").unwrap_err();
        assert_eq!(error.message(), "there is no column `med_house_value`; the columns are `MedInc`, `MedHouseVal`");
        assert_eq!(error.advice(), Some("did you mean `MedHouseVal`?"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Table::read_csv("no/such/file.csv").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().starts_with("cannot read `no/such/file.csv`: "), "{error}");
    }

    #[test]
    fn a_mistake_in_a_file_is_told_with_the_path_and_the_way_to_mend_it() {
        let path = std::env::temp_dir().join(format!("endo-table-{}.csv", std::process::id()));
        std::fs::write(&path, "a,b\n1,n/a\n").unwrap();
        let error = Table::read_csv(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.message(), format!("{}: row 1 (line 2), column `b`: `n/a` is not a number", path.display()));
        assert!(error.advice().is_some());
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        assert_eq!(table("a,b,a\n1,2,3\n").unwrap_err().message(), "two columns have the name `a`");
    }

    #[test]
    fn columns_of_unequal_length_or_not_finite_are_refused() {
        let error = Table::from_columns([("a", vec![1.0, 2.0]), ("b", vec![1.0])]).unwrap_err();
        assert_eq!(error.message(), "column `a` has 2 numbers, but column `b` has 1");
        let error = Table::from_columns([("a", vec![1.0, f64::NAN])]).unwrap_err();
        assert_eq!(error.message(), "row 2, column `a`: NaN is not a finite number");
        assert!(Table::from_columns(Vec::<(String, Vec<f64>)>::new()).is_err());
        assert!(Table::from_columns([("a", vec![]), ("b", vec![])]).is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_the_type_are_refused() {
        let error = table("a,b\n1,2\n3,1e300\n").unwrap().dataset("a").unwrap_err();
        assert!(error.message().starts_with("row 2, column `b`: 1") && error.message().ends_with("does not fit the type f32"));
        assert!(table("a\n1.5\n").unwrap().array(DType::I32).is_err());
        assert_eq!(table("a\n7\n").unwrap().array(DType::I32).unwrap(), Array::from([[7]]));
    }

    #[test]
    fn the_only_column_is_no_dataset() {
        let only = table("a\n1\n").unwrap();
        assert!(only.dataset("a").unwrap_err().message().contains("no inputs to learn it from"));
        assert!(only.drop("a").is_err());
    }
}
