//! The table to learn from, and the rows to train, validate and test on.
//!
//! In: a CSV file, or nothing for the embedded table of red wines. Out: [`Source`], and from it [`Parts`].

use std::path::Path;

use endo::data::{Csv, Dataset, StandardScaler, Table, listed, shown, shown_path};
use endo::{Array, DType, Error, ErrorKind, Result};

use crate::arguments::Arguments;

/// A table, where it is from, and the column to predict.
pub struct Source {
    /// What the table is.
    pub title: String,
    /// Where it is from, if it is not the user's own.
    pub origin: Option<&'static str>,
    /// The column to predict, as messages show it.
    pub target: String,
    /// The name of that column.
    column: String,
    table: Table,
}

/// Rows for each purpose, in `f64`; none is in two parts.
pub struct Parts {
    /// To learn from.
    pub train: Dataset,
    /// To watch while learning.
    pub validation: Option<Dataset>,
    /// To judge by, once.
    pub test: Dataset,
    /// The columns that are predicted from.
    pub inputs: Vec<String>,
    /// The columns that are left out, with the one number that they hold in all rows to learn from.
    pub constant: Vec<(String, f64)>,
}

/// The means and deviations of the rows to learn from.
pub struct Scales {
    /// Of the columns that are predicted from.
    pub inputs: StandardScaler,
    /// Of the target.
    pub target: StandardScaler,
}

const WINE_TITLE: &str = "the quality of red wines";
const WINE_ORIGIN: &str = "Cortez et al. 2009, UCI repository; from the crate linfa-datasets";
const WINE_TARGET: &str = "quality";

impl Source {
    /// Reads the file that the arguments name, or the embedded table.
    ///
    /// # Errors
    /// If the file cannot be read as a table, or the target is not said, is no column, or is the same in every row.
    pub fn read(arguments: &Arguments) -> Result<Self> {
        let source = match &arguments.data {
            Some(path) => {
                let csv = Csv::new().delimiter(arguments.delimiter);
                let Some(target) = &arguments.target else { return Err(no_target(path, &csv.names(path)?)) };
                let table = csv.target(target).read(path)?;
                Self {
                    title: shown_path(path),
                    origin: None,
                    target: shown(target),
                    column: table.find(target)?.to_string(),
                    table,
                }
            }
            None => {
                let target = arguments.target.clone().unwrap_or_else(|| WINE_TARGET.to_string());
                Self {
                    title: WINE_TITLE.to_string(),
                    origin: Some(WINE_ORIGIN),
                    target: shown(&target),
                    column: target,
                    table: red_wines()?,
                }
            }
        };
        let values = source.table.column(&source.column)?;
        match values {
            [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|value| value == first) => {
                let place = arguments.data.as_ref().map_or_else(String::new, |_| format!("{}: ", source.title));
                let message = format!("{place}column `{}` is {first} in every row: there is nothing to predict", source.target);
                Err(Error::new(ErrorKind::Data, message).help("choose another target"))
            }
            _ => Ok(source),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.table.len()
    }

    /// The number of columns to predict from.
    pub fn inputs(&self) -> usize {
        self.table.columns().len() - 1
    }

    /// The rows in random parts: for the test a share of all, for validation a share of the rest.
    ///
    /// Columns that are constant in the rows to learn from are left out of all parts, whatever the others hold: nothing can
    /// be learnt of them. Where all are, they stay.
    ///
    /// # Errors
    /// If a part would be empty, or there is no column besides the target.
    pub fn split(&self, arguments: &Arguments) -> Result<Parts> {
        let data = self.table.dataset_of(&self.column, DType::F64)?;
        let (rest, test) = data.split(arguments.test, arguments.split_seed)?;
        let (train, validation) = match arguments.validation {
            0.0 => (rest, None),
            share => {
                let (train, validation) = rest.split(share, arguments.split_seed)?;
                (train, Some(validation))
            }
        };
        let names: Vec<&str> = self.table.columns().filter(|name| *name != self.column).collect();
        let is_constant =
            |column: usize| (1..train.len()).all(|row| cell(train.inputs(), row, column) == cell(train.inputs(), 0, column));
        let mut kept: Vec<usize> = (0..names.len()).filter(|&column| !is_constant(column)).collect();
        if kept.is_empty() {
            kept = (0..names.len()).collect();
        }
        let constant = (0..names.len()).filter(|column| !kept.contains(column));
        let constant = constant.map(|column| (shown(names[column]), cell(train.inputs(), 0, column))).collect();
        let part = |data: Dataset| data.with_inputs(columns(data.inputs(), &kept)?);
        Ok(Parts {
            train: part(train)?,
            validation: validation.map(part).transpose()?,
            test: part(test)?,
            inputs: kept.iter().map(|&column| shown(names[column])).collect(),
            constant,
        })
    }

    /// The means and deviations of the rows to learn from.
    ///
    /// # Errors
    /// If `f64` does not hold the squares of a column's numbers.
    pub fn scales(&self, parts: &Parts) -> Result<Scales> {
        let inputs = parts.train.inputs();
        let mut statistics = (Vec::new(), Vec::new());
        for (column, name) in parts.inputs.iter().enumerate() {
            let scaler = self.fitted(name, &columns(inputs, &[column])?)?;
            statistics.0.extend_from_slice(scaler.mean());
            statistics.1.extend_from_slice(scaler.standard_deviation());
        }
        let targets = parts.train.targets().cloned().unwrap_or_else(|| Array::zeros([1, 1], DType::F64));
        Ok(Scales { inputs: StandardScaler::new(statistics.0, statistics.1)?, target: self.fitted(&self.target, &targets)? })
    }

    fn fitted(&self, name: &str, column: &Array) -> Result<StandardScaler> {
        StandardScaler::fit(column).map_err(|_| {
            let message = format!("{}: column `{name}`: the squares of its numbers are larger than f64 holds", self.title);
            Error::new(ErrorKind::Data, message).help("give the column in a larger unit: numbers up to 1e150 can be used")
        })
    }
}

/// A number of an array `[rows, columns]`.
fn cell(x: &Array, row: usize, column: usize) -> f64 {
    x.get(row * x.shape().features() + column)
}

/// Some columns of an array `[rows, columns]`.
fn columns(x: &Array, kept: &[usize]) -> Result<Array> {
    let rows = x.shape().batch();
    let values = (0..rows).flat_map(|row| kept.iter().map(move |&column| cell(x, row, column))).collect();
    Array::new([rows, kept.len()], values)
}

/// Eleven measurements of 1,599 red wines and the quality that tasters gave them, from 0 to 10.
fn red_wines() -> Result<Table> {
    let wines = linfa_datasets::winequality();
    let inputs = wines.feature_names().iter().zip(wines.records.columns());
    let inputs = inputs.map(|(name, column)| (name.as_str(), column.to_vec()));
    let quality = wines.targets.iter().map(|&quality| quality as f64).collect();
    Table::from_columns(inputs.chain([(WINE_TARGET, quality)]))
}

fn no_target(path: &Path, names: &[String]) -> Error {
    let names = listed(names.iter().map(String::as_str));
    let message = format!("{}: which column is to be predicted? There are {names}", shown_path(path));
    Error::new(ErrorKind::Argument, message).help("name it with --target COLUMN")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::parse(line.split(' ').map(Into::into)).unwrap()
    }

    #[test]
    fn the_embedded_table_has_all_wines() {
        let wines = Source::read(&arguments("endo")).unwrap();
        assert_eq!((wines.rows(), wines.inputs(), wines.target.as_str()), (1599, 11, "quality"));
        let mean = wines.table.column("quality").unwrap().iter().sum::<f64>() / 1599.0;
        assert!((mean - 5.6360).abs() < 1e-4, "{mean}");
        assert_eq!(wines.table.column("alcohol").unwrap()[0], 9.4);
    }

    #[test]
    fn shares_are_of_all_rows_and_of_the_rest() {
        let arguments = arguments("endo --test 0.5 --validation 0.2");
        let parts = Source::read(&arguments).unwrap().split(&arguments).unwrap();
        assert_eq!((parts.test.len(), parts.validation.unwrap().len(), parts.train.len()), (800, 160, 639));
    }

    #[test]
    fn validation_may_be_left_out() {
        let arguments = arguments("endo --target alcohol --validation 0");
        let parts = Source::read(&arguments).unwrap().split(&arguments).unwrap();
        assert_eq!((parts.test.len(), parts.validation, parts.train.len()), (400, None, 1199));
    }
}
