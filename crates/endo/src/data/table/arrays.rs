//! The arrays and the data set that a model takes, made of the columns of a table.
//!
//! In: a [`Table`], and the type or the target that is wanted. Out: `[rows, columns]`, or the first
//! cell that is no number or does not fit the type.

use super::super::dataset::Dataset;
use super::{Column, Table};
use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shown::shown;

impl Table {
    /// All columns as an array `[rows, columns]`. Fails when a number does not fit the type, and at
    /// a cell that is missing or a word.
    ///
    /// ```
    /// use endo::{Array, DType, data::Table};
    /// let table = Table::from_columns([("a", vec![1.0, 2.0]), ("b", vec![3.0, 4.0])])?;
    /// assert_eq!(table.array(DType::F32)?, Array::from([[1.0_f32, 3.0], [2.0, 4.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn array(&self, dtype: DType) -> Result<Array> {
        self.array_of(&self.columns.iter().collect::<Vec<_>>(), dtype)
    }

    /// Samples to learn from, in `f32`: the target column as `[rows, 1]`, all others as inputs
    /// `[rows, columns - 1]`. `f32` has 7 digits: for columns whose numbers differ in later ones,
    /// such as seconds since 1970, see [`dataset_of`](Self::dataset_of).
    ///
    /// ```
    /// use endo::{Array, data::Table};
    /// let table = Table::from_columns([
    ///     ("a", vec![1.0, 2.0]),
    ///     ("price", vec![3.0, 4.0]),
    ///     ("b", vec![5.0, 6.0]),
    /// ])?;
    /// let data = table.dataset("price")?;
    /// assert_eq!(data.inputs(), &Array::from([[1.0_f32, 5.0], [2.0, 6.0]]));
    /// assert_eq!(data.targets(), Some(&Array::from([[3.0_f32], [4.0]])));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no column of that name or no other, a number does not fit `f32`, or a cell is
    /// missing or a word.
    pub fn dataset(&self, target: &str) -> Result<Dataset> {
        self.dataset_of(target, DType::F32)
    }

    /// As [`dataset`](Self::dataset), in another type: in `f64` all digits of the table remain, for
    /// a model that centres its inputs before it rounds them.
    ///
    /// ```
    /// use endo::{Array, DType, data::Table};
    /// let table = Table::from_columns([
    ///     ("seconds", vec![1.7e9, 1.7e9 + 1.0]),
    ///     ("price", vec![3.0, 4.0]),
    /// ])?;
    /// let data = table.dataset_of("price", DType::F64)?;
    /// assert_eq!(data.inputs(), &Array::from([[1.7e9], [1.7e9 + 1.0]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no column of that name or no other, a number does not fit the type, or a cell is
    /// missing or a word.
    pub fn dataset_of(&self, target: &str, dtype: DType) -> Result<Dataset> {
        let position = self.position(target)?;
        if self.columns.len() == 1 {
            let message = format!(
                "`{}` is the only column: there are no inputs to learn it from",
                shown(target)
            );
            let help = "give a table with at least one column besides the target";
            return Err(Error::data(self.of_origin(message), help));
        }
        let mut inputs: Vec<&Column> = self.columns.iter().collect();
        let target = inputs.remove(position);
        let (x, y) = (self.array_of(&inputs, dtype)?, self.array_of(&[target], dtype)?);
        Dataset::new(x, y)
    }

    fn array_of(&self, columns: &[&Column], dtype: DType) -> Result<Array> {
        let numbers =
            columns.iter().map(|column| self.numbers(column)).collect::<Result<Vec<_>>>()?;
        for (column, values) in columns.iter().zip(&numbers) {
            if let Some(row) = values.iter().position(|&value| !fits(value, dtype)) {
                let (place, value) = (self.place(row), values[row]);
                let message = format!(
                    "{place}, column `{}`: {value:?} does not fit the type {dtype}",
                    shown(&column.name)
                );
                let help = "write the column in a larger unit, or remove the row or column";
                return Err(Error::data(message, help));
            }
        }
        let mut values = Vec::with_capacity(self.len() * columns.len());
        for row in 0..self.len() {
            values.extend(numbers.iter().map(|numbers| numbers[row]));
        }
        Ok(Array::new([self.len(), columns.len()], values)?.cast(dtype))
    }
}

fn fits(value: f64, dtype: DType) -> bool {
    match dtype {
        DType::F32 => (value as f32).is_finite(),
        DType::F64 => true,
        DType::I32 => f64::from(value as i32) == value,
        DType::Bool => value == 0.0 || value == 1.0,
        DType::U8 => value.fract() == 0.0 && (0.0..=255.0).contains(&value),
    }
}
